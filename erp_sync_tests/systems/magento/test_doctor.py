"""The doctor names what is missing and how to mend it, and changes nothing."""

from __future__ import annotations

from typing import Any

import httpx

from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.systems.magento.doctor import WRITES
from erp_sync.transport.errors import NotAuthenticated, NotSentError, Rejected
from erp_sync_tests.systems.magento.store_fake import FakeSender, connector, order, parameter, search


class DatedSender(FakeSender):
    date = "Fri, 02 Jan 2026 03:00:00 GMT"

    def send(self, call: Any) -> Any:
        reply = super().send(call)
        reply.headers = httpx.Headers({"Date": self.date})
        return reply


def healthy() -> FakeSender:
    sender = DatedSender()
    sender.answer("GET", "store/websites", [{"id": 1, "code": "base"}])
    sender.answer("GET", "store/storeViews", [{"id": 1, "code": "default", "website_id": 1}])
    for path in ("shipments", "creditmemos", "customers/search", "products", "inventory/source-items"):
        sender.answer("GET", path, search([]))
    sender.answer("GET", "modules", ["Magento_Sales", "Magento_InventoryApi", "Magento_AsynchronousOperations"])
    sender.answer("GET", "products/attributes", search([]))
    for code in ("description", "short_description"):
        sender.answer("GET", f"products/attributes/{code}", {"attribute_code": code})
    sender.answer("GET", "inventory/sources", search([{"source_code": "east", "enabled": True}]))
    sender.answer("GET", "orders", lambda call: {"items": [order(protect_code="x")], "total_count": 1})
    for _, _, path in WRITES.values():
        sender.answer("POST", path, lambda call: Rejected(404, "not_found", "An ID is needed."))
    sender.answer("GET", "returns", lambda call: Rejected(404, "unknown_route", "Request does not match any route."))
    return sender


def examined(sender: FakeSender, **changes: Any) -> dict[str, Diagnosis]:
    found = connector(sender, **changes).examine()
    tried = [call for call in sender.calls if call.method != "GET"]
    assert all(call.json == {} and call.operation == "doctor.try_write" for call in tried)
    return {one.check: one for one in found}


def test_a_ready_store_is_ready():
    found = examined(healthy())
    assert [one.check for one in found.values() if one.verdict is Verdict.ERROR and one.check != "clock"] == []
    assert "protect_code" in found["mapping of the latest order"].found


def test_wrong_credentials_end_the_examination_with_what_to_mend():
    sender = healthy()
    sender.answer("GET", "store/storeViews", lambda call: NotAuthenticated("The signature is invalid."))
    (only,) = connector(sender).examine()
    assert (only.check, only.verdict) == ("credentials", Verdict.ERROR)
    assert "System > Integrations" in only.mend
    sender.answer("GET", "store/storeViews", lambda call: NotSentError("connection refused"))
    (only,) = connector(sender).examine()
    assert only.check == "connection"


def test_a_clock_that_is_off_is_an_error():
    assert examined(healthy())["clock"].verdict is Verdict.ERROR  # the store's date is long ago


def test_a_missing_permission_names_the_resource():
    sender = healthy()
    sender.answer("GET", "creditmemos", lambda call: NotAuthenticated("Magento_Sales::sales_creditmemo"))
    found = examined(sender)["reading creditmemos"]
    assert found.verdict is Verdict.ERROR
    assert "Credit Memos" in found.mend


def test_settings_that_name_what_is_not_there_are_found():
    found = examined(healthy(), website="french", order_stores=[9], website_ids=[4])
    assert {"website french", "store view 9", "website id 4"} <= set(found)
    assert "base" in found["website french"].mend


def test_the_edition_is_compared():
    sender = healthy()
    assert examined(sender)["edition"].verdict is Verdict.OK
    sender.answer("GET", "returns", search([]))
    assert examined(sender)["edition"].mend == "Set `edition: commerce`."


def test_input_limits_are_compared():
    def limited(call: Any) -> Any:
        if parameter(call, "searchCriteria[pageSize]") == "301":
            return Rejected(400, "refused", "Maximum SearchCriteria pageSize is 300")
        return {"items": [order()], "total_count": 1}

    sender = healthy()
    sender.answer("GET", "orders", limited)
    assert examined(sender)["input limits"].verdict is Verdict.ERROR
    assert examined(sender, input_limits=True)["input limits"].verdict is Verdict.OK
    assert examined(healthy(), input_limits=True)["input limits"].verdict is Verdict.WARNING


def test_an_order_that_cannot_be_mapped_is_told():
    sender = healthy()
    sender.answer("GET", "orders", {"items": [order(grand_total="x")], "total_count": 1})
    found = examined(sender)["mapping of the latest order"]
    assert found.verdict is Verdict.ERROR
    assert "grand_total" in found.found


def test_a_product_attribute_of_the_settings_must_exist():
    sender = healthy()
    sender.answer("GET", "products/attributes/restock", lambda call: Rejected(404, "not_found", "No such entity"))
    found = examined(sender, product_attributes={"restock_date": "restock"})["product attribute restock"]
    assert found.verdict is Verdict.ERROR


def test_a_module_that_is_off_is_named_with_what_it_is_for():
    sender = healthy()
    sender.answer("GET", "modules", ["Magento_Sales"])
    found = examined(sender)["API version and modules"]
    assert found.verdict is Verdict.ERROR
    assert "Magento_InventoryApi (stock per source)" in found.found
    sender.answer("GET", "modules", lambda call: NotAuthenticated("Magento_Backend::module"))
    assert "Magento_Backend::module" in examined(sender)["API version and modules"].mend


def test_attributes_that_the_store_requires_and_nobody_fills_are_named():
    sender = healthy()
    required = {"items": [{"attribute_code": "energy_class"}, {"attribute_code": "colour"}], "total_count": 2}
    sender.answer("GET", "products/attributes", required)
    sender.answer("GET", "products/attributes/colour", {"attribute_code": "colour"})
    found = examined(sender, product_attributes={"colour": "colour"})["required product attributes"]
    assert (found.verdict, found.found) == (Verdict.WARNING, "not mapped: energy_class")


def test_a_write_that_cannot_be_told_is_named_with_how_to_look():
    sender = healthy()
    sender.answer("POST", "order/0/ship", lambda call: NotSentError("connection refused"))
    found = examined(sender)
    assert [found[f"writing with {resource}"].verdict for resource in WRITES] == [Verdict.UNTESTED, *[Verdict.OK] * 3]
    assert "System > Integrations" in found["writing with Magento_Sales::ship"].mend
