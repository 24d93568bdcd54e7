from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.trace import trace
from erp_sync_tests.operations.house import STORE, House


def kinds(report: object) -> list[str]:
    return [entry.kind for entry in report.entries]  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["000000007", "7", "key-7", "d1", "SO901"])
def test_an_order_is_found_by_every_name_it_has(house: House, word: str) -> None:
    house.delivered("7")
    report = trace(house.here, word)
    assert report.documents == ["sales_order 7 of magento_us"]
    assert kinds(report) == ["received", "accepted", "claimed", "planned", "sending", "confirmed", "delivered"]


def test_what_was_sent_and_answered_stands_among_the_events(house: House) -> None:
    house.delivered("7")
    house.exchange(document="000000007", request_body=b'{"total": 10.9900}', response_body=b"")
    house.exchange(document="000000008", request_body=b'{"total": 1}')
    exchanges = [entry for entry in trace(house.here, "7").entries if entry.kind == "exchange"]
    assert [(one.facts["method"], one.facts["ms"], one.request) for one in exchanges] == [
        ("POST", 250, {"total": Decimal("10.9900")})
    ]


def test_of_the_page_that_brought_an_order_only_that_order_is_told(house: House) -> None:
    house.delivered("7")
    page = b'{"items": [{"increment_id": "000000007"}, {"increment_id": "000000008"}]}'
    house.exchange(connection=STORE, operation="sales_order.read", run_id="run-1", method="GET", response_body=page)
    house.exchange(connection=STORE, operation="other", run_id="run-1", method="GET", response_body=b"[]")
    exchanges = [entry for entry in trace(house.here, "7").entries if entry.kind == "exchange"]
    assert [one.response for one in exchanges] == [{"items": [{"increment_id": "000000007"}], "records in items": 2}]


def test_the_same_id_in_another_system_is_another_record(house: House) -> None:
    house.delivered("7")
    house.exchange(connection=STORE, document="7", operation="order_status.comment")
    house.exchange(document="7", operation="item.read")
    operations = [one.facts["operation"] for one in trace(house.here, "7").entries if one.kind == "exchange"]
    assert operations == ["order_status.comment"]


def test_a_refused_record_is_found_by_the_number_that_nobody_read_out_of_it(house: House) -> None:
    house.refused("9")
    assert kinds(trace(house.here, "000000009")) == ["received", "quarantined"]


def test_a_sku_tells_its_orders_plans_and_known_state(house: House) -> None:
    house.order("7", sku="MUG")
    house.order("8", sku="TEA")
    house.held_plan("east/MUG")
    report = trace(house.here, "MUG")
    assert report.documents == ["sales_order 7 of magento_us"]
    planned = [entry.facts for entry in report.entries if entry.kind == "planned_change"]
    assert [(facts["before"], facts["after"], facts["state"]) for facts in planned] == [("5", "0", "held")]


def test_a_sku_that_stands_in_records_as_received_is_still_a_sku(house: House) -> None:
    house.order("7", sku="MUG")
    house.receive("12", {"item": "12", "sku": "MUG", "quantityavailable": 3})
    house.held_plan("east/MUG")
    report = trace(house.here, "MUG")
    assert report.documents == ["sales_order 7 of magento_us"]
    assert "planned_change" in kinds(report)


def test_an_unknown_word_is_refused_with_what_could_be_asked(house: House) -> None:
    with pytest.raises(CannotDo, match="nothing is known of 404; give an order number"):
        trace(house.here, "404")
