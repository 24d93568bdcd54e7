"""Plan, doctor and mapping against two running systems."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest

from erp_sync.operations import choosing
from erp_sync.operations.doctor import Examination, doctor
from erp_sync.operations.mapping_document import mapping_document
from erp_sync.operations.mapping_texts import as_csv, markdown
from erp_sync.operations.planning import DocumentPlan, plan_documents
from erp_sync.ports.diagnosis import Verdict
from erp_sync_tests.e2e.business import Business, business

PAYMENTS = {"checkmo": "2"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with business(tmp_path_factory.mktemp("business"), payment_methods=PAYMENTS) as running:
        running.clock.skipped += timedelta(seconds=5)
        yield running


def plan(shop: Business, look: bool = True) -> DocumentPlan:
    with shop.installation() as here:
        route = choosing.route(here, None)
        return plan_documents(here, route, *choosing.flow(route, "orders"), look=look)


def examine(shop: Business) -> Examination:
    with shop.installation() as here:
        return doctor(here, choosing.route(here, None))


def writes(shop: Business) -> int:
    return sum(len(shop.erp.journal(method=method)) for method in ("POST", "PATCH")) - len(
        [call for call in shop.erp.journal(method="POST") if call["endpoint"] == "suiteql"]
    )


def test_a_plan_tells_what_would_be_sent_and_what_would_wait_and_changes_nothing(shop: Business) -> None:
    good = shop.store.buy("ann", {"MUG": 1}, payment="checkmo")
    waits = shop.store.buy("bob", {"NEW-1": 1}, payment="checkmo")
    odd = shop.store.buy("cid", {"CUP": 1}, payment="braintree")
    before = writes(shop)
    planned = plan(shop)
    outcomes = {one.number: (one.outcome, one.code) for one in planned.documents}
    assert outcomes == {
        good: ("send", ""),
        waits: ("wait", "requirement_missing"),
        odd: ("reject", "unmapped_payment_methods"),
    }
    by_number = {one.number: one for one in planned.documents}
    assert by_number[waits].lacks == ["product NEW-1"]
    assert [(write.operation, write.guarantee) for write in by_number[good].writes] == [
        ("customer.create", "A"),
        ("sales_order.create", "A"),
    ]
    assert writes(shop) == before
    assert shop.deliveries() == []


def test_a_plan_that_asks_no_system_knows_only_what_was_received(shop: Business) -> None:
    calls = len(shop.erp.journal()) + len(shop.store.sandbox.journal())
    assert plan(shop, look=False).documents == []
    assert len(shop.erp.journal()) + len(shop.store.sandbox.journal()) == calls


def test_a_plan_after_a_run_has_only_what_still_waits(shop: Business) -> None:
    shop.settle()
    sent = [one for one in plan(shop).documents if one.outcome == "send"]
    assert sent == []


def test_a_healthy_route_has_no_error_and_the_doctor_changes_nothing(shop: Business) -> None:
    before = writes(shop)
    found = examine(shop)
    assert [one for one in found.findings if one.verdict is Verdict.ERROR] == []
    assert found.healthy
    assert [one for one in found.findings if one.verdict is Verdict.UNTESTED] == [], (
        "both vendors tell what may be written"
    )
    assert {one.where for one in found.findings} == {"installation", "route", "magento_us", "netsuite_us"}
    assert {"credentials", "clock"} <= {one.check for one in found.findings if one.where == "netsuite_us"}
    assert writes(shop) == before


def test_a_look_up_file_that_was_not_imported_is_named(shop: Business) -> None:
    file = shop.lookups / "carriers.csv"
    text = file.read_text()
    file.write_text(text + "pigeon,custom,exact,\n")
    try:
        (one,) = [one for one in examine(shop).findings if one.check == "look-up table carriers"]
    finally:
        file.write_text(text)
    assert (one.verdict, one.mend) == (Verdict.WARNING, "Import it: erp-sync init")


def test_fields_that_came_and_were_dropped_are_listed(shop: Business) -> None:
    with shop.installation() as here:
        document = mapping_document(here, choosing.route(here, None))
    orders = next(flow for flow in document.flows if flow.flow == "orders")
    store = orders.mappings[0]
    assert store.looked_at >= 3
    dropped = {field.path: field for field in store.dropped}
    assert "base_grand_total" in dropped
    assert dropped["base_grand_total"].records == store.looked_at
    assert "increment_id" not in dropped


def test_the_document_has_every_field_every_write_and_what_is_not_mapped(shop: Business) -> None:
    with shop.installation() as here:
        document = mapping_document(here, choosing.route(here, None))
    text = markdown(document)
    assert "| increment_id | number | text |" in text
    assert "| number | otherRefNum | text |" in text
    assert "| sales_order.create | A | 1 |" in text
    assert "| shipment.notify | D | 1 |" in text
    rows = list(csv.DictReader(io.StringIO(as_csv(document))))
    parts = {row["part"] for row in rows}
    assert parts == {"field", "operation", "not mapped", "dropped", "no target"}
    unmapped = {row["target"] for row in rows if row["part"] == "not mapped" and row["mapping"] == "sales_order"}
    assert "shipDate" in unmapped
    shipping = {row["target"]: row["part"] for row in rows if row["mapping"] == "shipment.create"}
    assert (shipping["tracks[].track_number"], shipping["packages[].extension_attributes"]) == ("field", "not mapped")
    assert not unmapped & {"otherRefNum", "item.items[].rate", "billingAddress.city"}
