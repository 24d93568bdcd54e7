from __future__ import annotations

import pytest

from erp_sync.ledger import Ledger, Refusal
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import STORE, accept, claim, document, key, record, step


@pytest.mark.parametrize("word", ["N7", "7", "external-7", "SO-7"])
def test_a_document_is_found_by_every_name_it_has(ledger: Ledger, word: str) -> None:
    accept(ledger, document("7"))
    one = claim(ledger)[0]
    ledger.steps.plan(one, [step("order", "external-7")])
    ledger.steps.begin(one, "order")
    ledger.steps.confirm(one, "order", Receipt(target_id="901", number="SO-7"))
    assert ledger.identifying.documents(word) == [key("7")]
    assert ledger.identifying.documents(f"d{one.id}") == [key("7")]


def test_a_number_with_leading_zeros_is_no_id_of_a_delivery(ledger: Ledger) -> None:
    delivery = accept(ledger, document("7"))[0].id
    assert ledger.identifying.documents(f"{delivery:09d}") == []


def test_a_record_that_nobody_could_read_is_found_by_a_value_in_it(ledger: Ledger) -> None:
    ledger.receive(STORE, "sales_order", [record("1", payload={"increment_id": "000000001"})])
    refusal = Refusal(
        connection=STORE,
        entity="sales_order",
        native_id="2",
        rule="r",
        problem="p",
        row=b'{"increment_id":"000000002"}',
    )
    ledger.quarantine.add([refusal])
    assert ledger.identifying.documents("000000001") == [key("1")]
    assert ledger.identifying.documents("000000002") == [key("2")]
    assert ledger.identifying.documents("000000003") == []


def test_documents_of_a_sku_are_those_that_hold_it_or_wait_for_it(ledger: Ledger) -> None:
    accept(
        ledger,
        document("1", payload=b'{"lines":[{"sku":"MUG"}]}'),
        document("2", payload=b'{"lines":[{"sku":"MUGS"}]}'),
        document("3", requirements=(Requirement("product", "MUG"),)),
    )
    assert ledger.identifying.with_sku("MUG") == [key("3"), key("1")]
