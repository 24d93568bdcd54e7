"""The account around its records: index lag, change push, metadata, custom records, endpoints, options."""

from __future__ import annotations

import json

import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.core import Request
from erp_sync.systems.netsuite.sandbox import create
from erp_sync.systems.netsuite.sandbox.options import WrongOption
from erp_sync.systems.netsuite.sandbox.push import SIGNATURE, Pusher, signature
from erp_sync_tests.systems.netsuite.sandbox.conftest import CATALOGUE, HOST, PERSON, RECORDS, Account


def test_searches_lag_and_records_do_not(make_account):
    account = make_account(index_lag_seconds=30)
    customer = account.customer()
    found = "SELECT lastname FROM customer WHERE externalid = 'c-1'"
    assert account.get("customer/eid:c-1")["id"] == customer
    assert account.rows(found) == []
    assert account.get("customer")["totalResults"] == 0
    account.clock.advance(30)
    assert account.rows(found) == [{"lastname": "Lovelace"}]
    account.changed(f"customer/{customer}", {"lastName": "King"})
    assert account.rows(found) == [{"lastname": "Lovelace"}]
    assert account.get(f"customer/{customer}")["lastName"] == "King"
    account.clock.advance(31)
    assert account.rows(found) == [{"lastname": "King"}]


def test_deleted_records_stay_in_the_index_for_a_while(make_account):
    account = make_account(index_lag_seconds=5)
    customer = account.customer()
    account.clock.advance(5)
    account.call("DELETE", f"{RECORDS}/customer/{customer}")
    assert account.get("customer")["totalResults"] == 1
    account.clock.advance(5)
    assert account.get("customer")["totalResults"] == 0


def test_the_index_forgets_rows_that_were_replaced(make_account):
    account = make_account(index_lag_seconds=5)
    order = account.order([("MUG", 1)])
    fulfillment = account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment", {}).id
    for status in "BC":
        account.changed(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": status}})
    account.clock.advance(5)
    assert account.rows(f"SELECT nextdoc FROM nexttransactionlink WHERE previousdoc = {order}") == [
        {"nextdoc": fulfillment}
    ]
    assert account.rows(f"SELECT status FROM transaction WHERE id = {fulfillment}") == [{"status": "C"}]


def test_saved_records_are_pushed_signed(make_account):
    account = make_account(push_url="http://receiver.test/push", push_secret="s3cret")
    sent = []
    account.core.pusher = Pusher("http://receiver.test/push", "s3cret", lambda *post: sent.append(post))
    order = account.order([("MUG", 1), ("TEA", 1)])
    account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment", {"shipStatus": {"id": "C"}})
    account.changed(f"inventoryItem/{account.item('MUG')}", {"displayName": "Big Mug"})
    account.core.pusher.close()
    bodies = [json.loads(body) for _, body, _ in sent]
    assert [(body["record"], body["entity"], body["change"]) for body in bodies] == [
        ("salesorder", "order_status", "create"),
        ("salesorder", "stock_level", "create"),
        ("itemfulfillment", "shipment", "create"),
        ("itemfulfillment", "order_status", "create"),
        ("itemfulfillment", "stock_level", "create"),
        ("inventoryitem", "product", "edit"),
    ]
    assert [body["native_id"] for body in bodies if body["entity"] == "order_status"] == [str(order), str(order)]
    assert bodies[1]["items"] == [account.item("MUG"), account.item("TEA")]
    assert all(headers[SIGNATURE] == signature("s3cret", body) for _, body, headers in sent)


def test_records_on_which_no_script_is_deployed_are_not_pushed(make_account):
    account = make_account(push_url="http://receiver.test/push", push_records=["itemFulfillment"])
    sent = []
    account.core.pusher = Pusher("http://receiver.test/push", "", lambda *post: sent.append(json.loads(post[1])))
    order = account.order([("MUG", 1)])
    account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment", {"shipStatus": {"id": "C"}})
    account.core.pusher.close()
    assert {body["record"] for body in sent} == {"itemfulfillment"}


def test_a_push_that_nobody_takes_is_lost(make_account):
    def broken(*_):
        raise ConnectionRefusedError

    account = make_account(push_url="http://receiver.test/push")
    account.core.pusher = Pusher("http://receiver.test/push", "", broken)
    account.order([("MUG", 1)])
    account.core.pusher.close()
    assert account.core.pusher.lost == 2


@pytest.mark.parametrize(
    ("tax", "has", "lacks"), [("suitetax", "taxDetails", "taxItem"), ("legacy", "taxItem", "taxDetails")]
)
def test_metadata_shows_the_accounts_own_properties(make_account, tax, has, lacks):
    fields = {"custbody_shop_order": {"type": "text", "label": "Shop Order"}, "custcol_gift": {"type": "boolean"}}
    account = make_account(tax=tax, custom_fields=fields)
    schema = account.get("metadata-catalog/salesOrder")
    assert has in schema["properties"]
    assert lacks not in schema["properties"]
    assert schema["properties"]["custbody_shop_order"]["x-ns-custom-field"] is True
    assert "custcol_gift" in schema["properties"]["item"]["properties"]["items"]["items"]["properties"]
    assert schema["properties"]["tranId"]["x-ns-filterable"] is True
    assert "salesOrder" in {item["name"] for item in account.get("metadata-catalog")["items"]}


def test_a_suitetax_account_does_not_know_legacy_tax(account):
    body = {**PERSON, "externalId": "c-1"}
    customer = account.made("customer", body)
    order = {
        "entity": {"id": customer},
        "taxItem": {"id": "701"},
        "item": {"items": [{"item": {"id": account.item("MUG")}, "quantity": 1}]},
    }
    answer = account.post("salesOrder", order, x_netsuite_propertynamevalidation="Error")
    assert answer.error["o:errorPath"] == "taxItem"


def test_custom_records(make_account):
    account = make_account(
        custom_records={"customrecord_carrier_map": {"custrecord_code": "text", "custrecord_rank": "number"}}
    )
    made = account.made(
        "customrecord_carrier_map", {"name": "UPS", "externalId": "m-1", "custrecord_code": "ups", "custrecord_rank": 2}
    )
    assert account.get("customrecord_carrier_map/eid:m-1")["custrecord_rank"] == 2
    assert account.post("customrecord_carrier_map", {"externalId": "m-1"}).status == 400
    sql = "SELECT id, name, custrecord_code FROM customrecord_carrier_map WHERE custrecord_rank > 1.5"
    assert account.rows(sql) == [{"id": made, "name": "UPS", "custrecord_code": "ups"}]


def test_custom_fields_on_order_and_line(make_account):
    fields = {
        "custbody_shop_order": {"type": "text"},
        "custcol_gift": {"type": "boolean"},
        "custbody_due": {"type": "date"},
    }
    account = make_account(custom_fields=fields)
    items = [{"item": {"id": account.item("MUG")}, "quantity": 1, "custcol_gift": True}]
    order = account.order([], item={"items": items}, custbody_shop_order="100000017", custbody_due="2026-12-24")
    body = account.full(f"salesOrder/{order}")
    assert (body["custbody_shop_order"], body["item"]["items"][0]["custcol_gift"]) == ("100000017", True)
    sql = (
        "SELECT t.custbody_due, l.custcol_gift FROM transaction t JOIN transactionline l ON l.transaction = t.id "
        "WHERE l.id = 1"
    )
    assert account.rows(sql) == [{"custbody_due": "12/24/2026", "custcol_gift": "T"}]
    answer = account.patch(f"salesOrder/{order}", {"custbody_due": "soon"})
    assert (answer.status, answer.error["o:errorPath"]) == (400, "custbody_due")


LIMITS = "/services/rest/system/v1/governanceLimits"


def test_limits_are_told_to_administrators_only(account, make_account):
    answer = account.call("GET", LIMITS)
    assert (answer.status, answer.error["o:errorCode"]) == (403, "INSUFFICIENT_PERMISSION")
    body = make_account(administrator=True).call("GET", LIMITS).body
    assert (body["accountConcurrencyLimit"], body["integrationConcurrencyLimit"]) == (5, None)


@pytest.mark.parametrize(
    ("options", "slots", "left"),
    [
        ({"allocated": 2}, 2, 3),
        ({"allocated_elsewhere": 4}, 1, 1),
        ({"concurrency": 15, "allocated_elsewhere": 5}, 10, 10),
    ],
)
def test_an_integration_may_have_less_than_the_account(make_account, options, slots, left):
    core = make_account(administrator=True, **options).core
    request = Request.build("GET", f"{HOST}{RECORDS}/customer")
    assert core.admit(request, slots - 1) is None
    refused = core.admit(request, slots)
    assert (refused.status, b"CONCURRENCY_LIMIT_EXCEEDED" in refused.body) == (429, True)
    assert json.loads(core.handle(Request.build("GET", HOST + LIMITS)).response.body)[
        "accountUnallocatedConcurrencyLimit"
    ] == left  # fmt: skip


@pytest.mark.parametrize("options", [{"allocated": 6}, {"allocated": 0}, {"allocated_elsewhere": 5}])
def test_more_than_the_account_has_cannot_be_allocated(make_account, options):
    with pytest.raises(WrongOption, match=next(iter(options))):
        make_account(**options)


@pytest.mark.parametrize(
    ("method", "path", "name", "kind"),
    [
        ("POST", "/services/rest/record/v1/salesOrder", "salesOrder.create", "create"),
        ("GET", "/services/rest/record/v1/salesOrder/eid:o-1", "salesOrder.get", "read"),
        ("PUT", "/services/rest/record/v1/customer/eid:c-1", "customer.upsert", "update"),
        ("POST", "/services/rest/record/v1/salesOrder/9/!transform/itemFulfillment",
         "salesOrder.transform.itemFulfillment", "create"),
        ("GET", "/services/rest/record/v1/customer", "customer.list", "search"),
        ("POST", "/services/rest/query/v1/suiteql", "suiteql", "search"),
        ("GET", "/services/rest/async/v1/job/1/task/2/result", "async.result", "read"),
        ("GET", "/nowhere", "unknown", "read"),
    ],
)  # fmt: skip
def test_endpoints_have_names(account, method, path, name, kind):
    endpoint = account.core.classify(Request.build(method, HOST + path))
    assert (endpoint.name, endpoint.kind) == (name, kind)


def test_the_document_is_known_from_body_or_address(account):
    order = account.order([("MUG", 1)], external_id="o-7")
    patch = Request.build("PATCH", f"{HOST}{RECORDS}/salesOrder/{order}")
    assert account.core.classify(patch).document == "o-7"
    post = Request.build("POST", f"{HOST}{RECORDS}/customer", body=b'{"externalId": "c-3"}')
    assert account.core.classify(post).document == "c-3"


@pytest.mark.parametrize(
    "wrong",
    [{"tax": "none"}, {"concurrency": 0}, {"timezone": "Mars/Base"}, {"colour": "blue"}, {"account": "1-sb1"}],
    ids=str,
)
def test_a_wrong_option_is_refused_by_name(wrong):
    with pytest.raises(WrongOption) as refusal:
        create(":memory:", ManualClock(), wrong)
    assert refusal.value.name == next(iter(wrong))


def test_an_account_opened_again_is_the_same(tmp_path):
    first = create(tmp_path / "netsuite.db", ManualClock(), {})
    first.seed(CATALOGUE)
    customer = Account(first, ManualClock()).customer()
    credentials = first.status()["credentials"]
    first.close()
    again = create(tmp_path / "netsuite.db", ManualClock(), {})
    assert again.status()["credentials"] == credentials
    assert Account(again, ManualClock()).get(f"customer/{customer}")["lastName"] == "Lovelace"
    again.reset()
    assert again.status()["credentials"] == credentials
    assert Account(again, ManualClock()).get("customer")["totalResults"] == 0
    again.close()
