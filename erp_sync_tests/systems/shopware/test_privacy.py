"""What is overwritten of a person's orders, and that nothing of them stays in what is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.ports.privacy import Holding, Treatment
from erp_sync.systems.shopware.client import LIVE
from erp_sync.systems.shopware.privacy import FIELDS
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import Rejected
from erp_sync_tests.systems.shopware.samples import address, identity, order, state
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import CONTRACT, answered, problems_of

ADA = PersonalTexts(email="ada@engines.example", names=frozenset({("Ada", "Lovelace")}), mark="m")
SCHEMAS = {"order_customer": "OrderCustomer", "order_address": "OrderAddress", "order": "Order"}


def placed(number: int, **changes: Any) -> dict[str, Any]:
    record = order(number=number, customerComment="Ring at Lovelace", **changes)
    record["orderCustomer"]["remoteAddress"] = "203.0.113.7"
    record["addresses"] = [address("billing"), address("shipping", title="Dr.")]
    return record


def account(email: str = ADA.email) -> dict[str, Any]:
    return {"id": identity("customer"), "versionId": LIVE, "autoIncrement": 1, "email": email}


def shop(*orders: dict[str, Any]) -> Shop:
    found = Shop(order=list(orders), customer=[account(), {**account("other@example.com"), "id": "f" * 32}])
    found.answer(
        "POST",
        "_action/sync",
        lambda call: {"data": {one["entity"]: [row["id"] for row in one["payload"]] for one in call.json}},
    )
    found.answer("DELETE", "customer/.*", None)
    return found


def sent(there: Shop) -> list[Call]:
    return [call for call in there.calls if "/search/" not in call.path]


def test_a_person_is_found_in_orders_and_accounts_and_open_orders_are_told():
    other = order(number=3)
    other["orderCustomer"]["email"] = "other@example.com"
    there = shop(placed(1), placed(2, stateMachineState=state("completed")), other)
    found = there.connector().privacy().find(ADA)
    assert [(one.entity, one.native_id, one.open) for one in found] == [
        ("sales_order", identity("order 1"), True),
        ("sales_order", identity("order 2"), False),
        ("customer", identity("customer"), False),
    ]
    for call in there.calls:
        assert problems_of(call.path.removeprefix("/api"), "post", call.json) == []


def test_nothing_of_the_person_is_left_in_what_an_order_becomes():
    there = shop(placed(1))
    persons = there.connector().privacy()
    holding = persons.find(ADA)[0]
    (done,) = persons.erase(ADA, holding)
    assert (done.how, done.native_id) == (Treatment.ANONYMISED, identity("order 1"))
    assert "documents" in done.why
    (call,) = sent(there)
    text = json.dumps(call.json).lower()
    for word in ("ada", "lovelace", "hauptstr", "10115", "berlin", "030 1234", "engines", "203.0", "de123", "dr."):
        assert word not in text
    assert [one["entity"] for one in call.json] == ["order_customer", "order_address", "order"]
    assert problems_of("/_action/sync", "post", call.json) == []
    for one in call.json:
        for row in one["payload"]:
            assert [told for told in answered(row, SCHEMAS[one["entity"]]) if "required" not in told] == []
    customer = call.json[0]["payload"][0]
    assert (customer["email"], customer["lastName"], customer["vatIds"]) == (ADA.pseudonym, ERASED, [])
    before = len(sent(there))
    persons.erase(ADA, holding)
    assert sent(there)[before].json == call.json  # twice changes nothing


def test_an_account_is_deleted_and_one_that_is_gone_is_no_failure():
    there = shop(placed(1))
    persons = there.connector().privacy()
    holding = Holding(entity="customer", native_id=identity("customer"), data=account())
    (done,) = persons.erase(ADA, holding)
    assert done.how is Treatment.DELETED
    assert (sent(there)[0].method, "delete" in CONTRACT["paths"]["/customer/{id}"]) == ("DELETE", True)
    there.answer("DELETE", "customer/.*", Rejected(404, "not_found", "gone"))
    assert persons.erase(ADA, holding)[0].how is Treatment.DELETED
    there.answer("DELETE", "customer/.*", Rejected(403, "missing_privilege", "no"))
    with pytest.raises(Rejected):
        persons.erase(ADA, holding)


def test_what_came_after_the_erasure_was_asked_for_is_another_business():
    there = shop(placed(1), placed(2))
    persons = there.connector().privacy()
    found = persons.find(ADA)
    known = {("sales_order", identity("order 1")), ("customer", identity("customer"))}
    assert [(one.entity, one.native_id) for one in persons.newer(ADA, found, known)] == [
        ("sales_order", identity("order 2")),
        ("customer", identity("customer")),
    ]
    assert persons.newer(ADA, found, {(one.entity, one.native_id) for one in found}) == []


def test_every_field_that_is_overwritten_is_named_as_personal():
    there = shop(placed(1))
    persons = there.connector().privacy()
    persons.erase(ADA, persons.find(ADA)[0])
    written = {name for one in sent(there)[0].json for row in one["payload"] for name in row} - {"id"}
    assert written <= FIELDS
