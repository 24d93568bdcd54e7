"""The sandbox accepts and answers only what the published contract allows, and the check notices every defect."""

from __future__ import annotations

import json

import pytest

from erp_sync.sandbox.contract import ContractCheck, mutations
from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call
from erp_sync.systems.netsuite.sandbox import contract, contract_book
from erp_sync_tests.sandbox.samples import unnoticed
from erp_sync_tests.systems.netsuite.sandbox.conftest import HOST, PERSON, RECORDS, Account

BATCH = "application/vnd.oracle.resource+json; type=collection"
ASYNC = {"prefer": "respond-async", "content_type": BATCH}


@pytest.fixture(scope="module")
def check():
    return ContractCheck(contract_book({}))


class Checked(Account):
    """Keeps every exchange."""

    exchanges: list

    def call(self, method, path, body=None, **headers):
        answer = super().call(method, path, body, **headers)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        request = Request.build(method, HOST + path, headers=names, body=content)
        self.exchanges.append((request, answer.handled.response))
        return answer


def call_of(endpoint):
    return Call(0.0, "", "", "", "", "", endpoint, "read")


def a_day(account):
    """Every operation of every record once."""
    customer = account.customer()
    account.changed(f"customer/{customer}", {"phone": "555-0100"})
    account.call("PUT", f"{RECORDS}/customer/eid:c-2", {**PERSON, "email": "b@example.org"})
    items = [
        {"item": {"id": account.item("MUG")}, "quantity": 2, "rate": "10.5", "taxDetailsReference": "a"},
        {"item": {"id": account.item("EBOOK")}, "quantity": 1, "taxDetailsReference": "b"},
    ]
    details = [
        {"taxDetailsReference": "a", "taxCode": {"id": "790"}, "taxRate": 7, "taxBasis": 21, "taxAmount": "1.47"}
    ]
    order = account.order(
        [], item={"items": items}, shippingCost=5, taxDetailsOverride=True, taxDetails={"items": details},
        shippingAddress=PERSON["addressBook"]["items"][0]["addressBookAddress"], otherRefNum="100000001",
    )  # fmt: skip
    deposit = account.made("customerDeposit", {"customer": {"id": customer}, "salesOrder": {"id": order}, "payment": 5})
    transform = f"{RECORDS}/salesOrder/{order}/!transform"
    parcels = {"package": {"items": [{"packageTrackingNumber": "1Z", "packageWeight": 1.5}]}}
    fulfillment = account.call("POST", f"{transform}/itemFulfillment", {"shipStatus": {"id": "A"}, **parcels}).id
    account.changed(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "C"}})
    invoice = account.call("POST", f"{transform}/invoice", {}).id
    back = account.call("POST", f"{transform}/returnAuthorization", {"orderStatus": {"id": "B"}}).id
    receipt = account.call("POST", f"{RECORDS}/returnAuthorization/{back}/!transform/itemReceipt", {}).id
    credit = account.call("POST", f"{RECORDS}/returnAuthorization/{back}/!transform/creditMemo", {}).id
    refund = account.call("POST", f"{RECORDS}/creditMemo/{credit}/!transform/customerRefund", {}).id
    line = {"item": {"id": account.item("TEA")}, "location": {"id": account.location("east")}, "adjustQtyBy": 3}
    adjustment = account.made("inventoryAdjustment", {"account": {"id": "126"}, "inventory": {"items": [line]}})
    price = {"currencyPage": {"id": "1"}, "priceLevel": {"id": "1"}, "quantity": {"value": 0}, "price": 3}
    made = account.made("inventoryItem", {"itemId": "NEW", "price": {"items": [price]}})
    member = {"items": [{"item": {"id": made}, "quantity": 2}]}
    kit = account.made("kitItem", {"itemId": "KIT", "member": member})
    for path in (
        f"customer/{customer}", f"salesOrder/{order}", f"customerDeposit/{deposit}", f"itemFulfillment/{fulfillment}",
        f"invoice/{invoice}", f"returnAuthorization/{back}", f"itemReceipt/{receipt}", f"creditMemo/{credit}",
        f"customerRefund/{refund}", f"inventoryAdjustment/{adjustment}", f"inventoryItem/{made}", f"kitItem/{kit}",
        f"nonInventorySaleItem/{account.item('EBOOK')}", "location/1", "subsidiary/1", "priceLevel/1", "currency/1",
    ):  # fmt: skip
        account.get(path)
        account.full(path)
        account.get(path.partition("/")[0])
    account.get(f"salesOrder/{order}/item?expandSubResources=true")
    account.get(f"salesOrder/{order}/item/1")
    account.get(f"salesOrder/{order}/shippingAddress")
    account.rows("SELECT id, tranid, foreigntotal FROM transaction ORDER BY id")
    account.query("SELECT nothing FROM item")
    account.call("GET", f"{RECORDS}/customer/999999")
    job = account.call("POST", f"{RECORDS}/customer", {"items": [PERSON]}, **ASYNC).headers["location"]
    account.clock.advance(9)
    account.core.tick()
    for path in (job, f"{job}/task", f"{job}/task/1", f"{job}/task/1/result"):
        account.call("GET", path)
    account.call("GET", "/services/rest/system/v1/governanceLimits")
    account.get("metadata-catalog")
    account.get("metadata-catalog/salesOrder")
    account.call("DELETE", f"{RECORDS}/kitItem/{kit}")
    order_script = "/app/site/hosting/restlet.nl?script=customscript_erp_sync_order&deploy=customdeploy_erp_sync_order"
    search_script = (
        "/app/site/hosting/restlet.nl?script=customscript_erp_sync_search&deploy=customdeploy_erp_sync_search"
    )
    body = {"externalId": "o-9", "entity": {"id": customer}, "item": {"items": items[:1]}}
    account.call("POST", order_script, {"record": "salesOrder", "body": body, "tax": {"total": 0, "details": []}})
    account.call("GET", order_script)
    account.call("GET", f"{search_script}&search=customsearch_erp_sync_stock")


@pytest.fixture
def day(make_account):
    account = make_account(administrator=True)
    checked = Checked(account.core, account.clock)
    checked.exchanges = []
    a_day(checked)
    return checked


def test_everything_asked_and_answered_is_in_the_contract(day, check):
    found = []
    for request, response in day.exchanges:
        found += check.check(call_of(day.core.classify(request).name), request, response)
    breaches = {f"{v.endpoint} {v.side} {v.place}: {v.message[:150]}" for v in found}
    assert breaches == set()
    assert {name for _, name in check.counts} == {"published contract", "own schema", "not checkable"}


def test_every_defect_is_noticed(day, check):
    """An unknown property in every object and a wrong type in every leaf, of every operation, both ways."""
    unnoticed = []
    tried = set()
    for request, response in day.exchanges:
        endpoint = day.core.classify(request).name
        operation = check.book.operations[endpoint]
        sides = []
        if request.body and operation.request.checked_by != "not checkable":
            sides.append(("request", json.loads(request.body)))
        if response.body and operation.response(response.status).checked_by != "not checkable":
            sides.append(("response", json.loads(response.body)))
        for side, body in sides:
            if (endpoint, side, response.status) in tried:
                continue
            tried.add((endpoint, side, response.status))
            for place, wrong in mutations(body):
                content = json.dumps(wrong).encode()
                if side == "request":
                    exchange = (Request.build(request.method, request.url, headers=request.headers, body=content), None)
                else:
                    exchange = (request, Response(response.status, {}, content))
                if not check.check(call_of(endpoint), *exchange):
                    unnoticed.append((endpoint, side, place))
    assert unnoticed == []
    assert len(tried) > 60


def test_every_operation_of_the_book_is_mutated_both_ways(check):
    """With bodies made from the schemas, also those that no day calls; the day goes deeper."""
    tried: set[str] = set()
    assert [line for name in sorted(check.book.operations) for line in unnoticed(check, name, tried, 1)] == []


def test_what_is_answered_without_a_body_must_stay_without(check):
    request = Request.build("POST", f"{HOST}{RECORDS}/customer", body=json.dumps(PERSON).encode())
    (violation,) = check.check(call_of("customer.create"), request, Response(204, {}, b"{}"))
    assert violation.side == "response"


def test_the_contract_says_where_it_comes_from():
    assert "netsuitephp/netsuite-php@c3cfa07" in contract.origin()
    assert "paymentMethod" not in contract.record("salesOrder").properties
    assert "inventorylocation" in contract.record("salesOrder").sublists["item"]
