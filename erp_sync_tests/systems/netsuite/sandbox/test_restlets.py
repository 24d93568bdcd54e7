"""RESTlets: scripts of the account, with their own errors and limits."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from erp_sync.sandbox.core import Request

ORDER = "script=customscript_erp_sync_order&deploy=customdeploy_erp_sync_order"
SEARCH = "script=customscript_erp_sync_search&deploy=customdeploy_erp_sync_search"
PATH = "/app/site/hosting/restlet.nl"


def request_of(account, **changes):
    items = [{"item": {"id": account.item("MUG")}, "quantity": 2, "rate": 10, "price": {"id": "-1"}}]
    body = {
        "externalId": "o-1",
        "entity": {"id": account.customer()},
        "orderStatus": {"id": "B"},
        "location": {"id": account.location("east")},
        "shippingCost": 5,
        "item": {"items": items},
        **changes,
    }
    details = [
        {"line": 0, "taxCode": {"id": "790"}, "rate": 8.25, "basis": 20, "amount": 1.65, "jurisdiction": "CA"},
        {"line": None, "taxCode": {"id": "790"}, "rate": 8.25, "basis": 5, "amount": 0.41, "jurisdiction": "CA"},
    ]
    return {"record": "salesOrder", "body": body, "tax": {"total": 2.06, "details": details}}


@pytest.mark.parametrize("taxed", ["order", "lines"])
def test_the_stores_tax_reaches_a_legacy_account_through_the_script(make_account, taxed):
    account = make_account(tax="legacy", legacy_tax_on=taxed)
    answer = account.call("POST", f"{PATH}?{ORDER}", request_of(account))
    assert (answer.status, answer.body["tranId"], answer.body["existed"]) == (200, "SO1001", False)
    order = account.get(f"salesOrder/{answer.body['id']}")
    assert (order["taxTotal"], order["total"]) == (Decimal("2.06"), Decimal("27.06"))


def test_an_order_that_exists_is_not_made_again(make_account):
    account = make_account(tax="legacy")
    body = request_of(account)
    first = account.call("POST", f"{PATH}?{ORDER}", body)
    again = account.call("POST", f"{PATH}?{ORDER}", body)
    assert again.body == {**first.body, "existed": True}
    assert account.rows("SELECT COUNT(*) AS n FROM transaction") == [{"n": "1"}]


@pytest.mark.parametrize("taxed", ["order", "lines"])
def test_lines_of_an_order_and_its_tax_are_changed_in_one_save(make_account, taxed):
    account = make_account(tax="legacy", legacy_tax_on=taxed)
    made = account.call("POST", f"{PATH}?{ORDER}", request_of(account)).body
    tax = {"total": 1.24, "details": [{"line": 1, "amount": 0.83}, {"line": None, "amount": 0.41}]}
    body = {"item": {"items": [{"line": 1, "quantity": 1, "amount": 10}]}}
    change = {"record": "salesOrder", "id": made["id"], "body": body, "tax": tax}
    for _ in range(2):
        answer = account.call("POST", f"{PATH}?{ORDER}", change)
        assert (answer.status, answer.body) == (200, {**made, "existed": True})
        order = account.get(f"salesOrder/{made['id']}")
        assert (order["taxTotal"], order["total"]) == (Decimal("1.24"), Decimal("16.24"))
    body["item"]["items"][0]["line"] = 7
    refused = account.call("POST", f"{PATH}?{ORDER}", change)
    assert (refused.status, refused.body["error"]["code"]) == (400, "ERP_SYNC_NO_LINE")
    gone = account.call("POST", f"{PATH}?{ORDER}", {**change, "id": "9999"})
    assert (gone.status, gone.body["error"]["code"]) == (400, "RCRD_DSNT_EXIST")


@pytest.mark.parametrize(("taxed", "total"), [("order", "1.13"), ("lines", "1.24")])
def test_where_lines_are_taxed_a_change_leaves_the_tax_of_shipping_to_netsuite(make_account, taxed, total):
    """The script sets the lines' alone; where the order is taxed it has the total that it is told."""
    account = make_account(tax="legacy", legacy_tax_on=taxed)
    made = account.call("POST", f"{PATH}?{ORDER}", request_of(account)).body
    tax = {"total": 1.13, "details": [{"line": 1, "amount": 0.83}, {"line": None, "amount": 0.30}]}
    body = {"item": {"items": [{"line": 1, "quantity": 1, "amount": 10}]}}
    change = {"record": "salesOrder", "id": made["id"], "body": body, "tax": tax}
    for _ in range(2):
        account.call("POST", f"{PATH}?{ORDER}", change)
        assert account.get(f"salesOrder/{made['id']}")["taxTotal"] == Decimal(total)


@pytest.mark.parametrize(("taxed", "total"), [("order", "1.24"), ("lines", "2.07")])
def test_a_line_of_which_no_tax_is_told_keeps_it(make_account, taxed, total):
    """Lines hold their own; an order has the total that it is told."""
    account = make_account(tax="legacy", legacy_tax_on=taxed)
    request = request_of(account)
    (line,) = request["body"]["item"]["items"]
    request["body"]["item"]["items"].append({**line, "quantity": 1})
    request["tax"]["details"].append({**request["tax"]["details"][0], "line": 1, "basis": 10, "amount": 0.83})
    made = account.call("POST", f"{PATH}?{ORDER}", request).body
    tax = {"total": 1.24, "details": [{"line": 1, "amount": 0.83}, {"line": None, "amount": 0.41}]}
    body = {"item": {"items": [{"line": 1, "quantity": 1, "amount": 10}]}}
    answer = account.call(
        "POST", f"{PATH}?{ORDER}", {"record": "salesOrder", "id": made["id"], "body": body, "tax": tax}
    )
    assert answer.status == 200
    assert account.get(f"salesOrder/{made['id']}")["taxTotal"] == Decimal(total)


@pytest.mark.parametrize(
    ("taxed", "line", "code"),
    [
        ("order", {}, "ERP_SYNC_ADDED_LINES"),
        ("order", {"isTaxable": False}, ""),
        ("order", {"rate": 0, "amount": 0}, ""),
        ("lines", {}, ""),
    ],
)
def test_an_orders_total_tax_is_not_written_without_that_of_a_line_that_the_store_has_not_sold(
    make_account, taxed, line, code
):
    account = make_account(tax="legacy", legacy_tax_on=taxed)
    request = request_of(account)
    (ours,) = request["body"]["item"]["items"]
    request["body"]["item"]["items"].append({**ours, "quantity": 1, **line})
    made = account.call("POST", f"{PATH}?{ORDER}", request).body
    before = account.get(f"salesOrder/{made['id']}?expandSubResources=true")
    details = [{"line": 1, "amount": 0.83}, {"line": None, "amount": 0.41}]
    tax = {"total": 1.24, "details": details, "addedLines": [4]}
    body = {"item": {"items": [{"line": 1, "quantity": 1, "amount": 10}]}}
    change = {"record": "salesOrder", "id": made["id"], "body": body, "tax": tax}
    answer = account.call("POST", f"{PATH}?{ORDER}", change)
    assert answer.body.get("error", {}).get("code", "") == code
    assert answer.status == (400 if code else 200)
    after = account.get(f"salesOrder/{made['id']}?expandSubResources=true")
    assert (after["taxTotal"], after["item"]) == (before["taxTotal"], before["item"]) if code else after != before


def test_a_refused_record_is_said_in_the_scripts_words(make_account):
    account = make_account(tax="legacy")
    body = request_of(account, item={"items": [{"item": {"id": "9999"}, "quantity": 1}]})
    answer = account.call("POST", f"{PATH}?{ORDER}", body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "INVALID_KEY_OR_REF")
    assert account.rows("SELECT id FROM transaction") == []


def test_a_script_that_is_not_installed(make_account):
    account = make_account(scripts=())
    answer = account.call("GET", f"{PATH}?{ORDER}")
    assert (answer.status, answer.body["error"]["code"]) == (404, "SSS_INVALID_SCRIPTLET_ID")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("", 415, "UNSUPPORTED_MEDIA_TYPE"), ("text/plain", 400, "ERP_SYNC_BAD_REQUEST"), ("application/json", 200, None)],
)
def test_a_script_reads_json_only_where_it_is_said_to_be(make_account, kind, status, code):
    account = make_account(tax="legacy")
    answer = account.call("POST", f"{PATH}?{ORDER}", request_of(account), content_type=kind)
    assert (answer.status, answer.body.get("error", {}).get("code")) == (status, code)
    assert account.rows("SELECT COUNT(*) AS n FROM transaction") == [{"n": "0" if code else "1"}]


def test_a_saved_search_is_paged_within_its_row_limit(make_account):
    account = make_account(row_limit=2)
    pages, start, more = [], 0, True
    while more:
        page = account.call(
            "GET", f"{PATH}?{SEARCH}&search=customsearch_erp_sync_stock&start={start}&end={start + 2}"
        ).body
        pages += page["rows"]
        start, more = start + page["count"], page["more"]
    assert [(row["sku"], row["onhand"]) for row in pages] == [("MUG", "5"), ("MUG", "2"), ("TEA", "100")]
    answer = account.call("GET", f"{PATH}?{SEARCH}&search=customsearch_erp_sync_stock&start=0&end=3")
    assert answer.body["error"]["code"] == "SSS_SEARCH_RESULT_LIMIT_EXCEEDED"


def test_scripts_share_the_accounts_slots_and_say_so_differently(account):
    request = Request.build("GET", f"https://1234567-sb1.restlets.api.netsuite.com{PATH}?{SEARCH}")
    answer = account.core.admit(request, 5)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "SSS_REQUEST_LIMIT_EXCEEDED")
