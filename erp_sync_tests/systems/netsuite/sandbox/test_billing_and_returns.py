"""Bills follow shipments; returns undo them, step by step."""

from __future__ import annotations

from decimal import Decimal

from erp_sync_tests.systems.netsuite.sandbox.conftest import RECORDS


def transformed(account, source, target, body=None):
    answer = account.call("POST", f"{RECORDS}/{source}/!transform/{target}", body or {})
    assert answer.status == 204, answer.body
    return answer.id


def taxed_order(account):
    items = [
        {"item": {"id": account.item("MUG")}, "quantity": 2, "taxDetailsReference": "a"},
        {"item": {"id": account.item("EBOOK")}, "quantity": 1, "taxDetailsReference": "b"},
    ]
    details = [
        {
            "taxDetailsReference": reference,
            "taxCode": {"id": "790"},
            "taxRate": 7,
            "taxBasis": basis,
            "taxAmount": amount,
        }
        for reference, basis, amount in (("a", 21, "1.47"), ("b", "9.99", "0.70"), ("SHIPPING", 5, "0.35"))
    ]
    return account.order(
        [], item={"items": items}, shippingCost=5, taxDetailsOverride=True, taxDetails={"items": details}
    )


def test_what_has_not_been_shipped_is_not_billed(account):
    order = account.order([("MUG", 2)])
    answer = account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/invoice", {})
    assert answer.error["detail"].endswith("at least one line item for this transaction.")


def test_the_invoice_has_the_orders_total(account):
    order = taxed_order(account)
    transformed(account, f"salesOrder/{order}", "itemFulfillment", {"shipStatus": {"id": "C"}})
    assert account.status(order) == "F"
    invoice = transformed(account, f"salesOrder/{order}", "invoice")
    assert account.get(f"invoice/{invoice}")["total"] == account.get(f"salesOrder/{order}")["total"] == Decimal("38.51")
    assert account.status(order) == "G"


def test_partial_bills_add_up_to_the_order(account):
    order = taxed_order(account)
    one = {
        "shipStatus": {"id": "C"},
        "item": {"items": [{"orderLine": 1, "quantity": 1}, {"orderLine": 4, "itemReceive": False}]},
    }
    transformed(account, f"salesOrder/{order}", "itemFulfillment", one)
    first = transformed(account, f"salesOrder/{order}", "cashSale")
    assert account.status(order) == "D"
    transformed(account, f"salesOrder/{order}", "itemFulfillment", {"shipStatus": {"id": "C"}})
    second = transformed(account, f"salesOrder/{order}", "cashSale")
    totals = [account.get(f"cashSale/{bill}")["total"] for bill in (first, second)]
    assert sum(totals) == account.get(f"salesOrder/{order}")["total"] + Decimal(
        "0.01"
    )  # a cent: 1.47 / 2, twice rounded
    assert account.status(order) == "G"


def test_a_return_comes_back_and_is_refunded(account):
    order = taxed_order(account)
    transformed(account, f"salesOrder/{order}", "itemFulfillment", {"shipStatus": {"id": "C"}})
    transformed(account, f"salesOrder/{order}", "invoice")
    body = {"orderStatus": {"id": "B"}, "item": {"items": [{"orderLine": 1, "quantity": 1}]}}
    back = transformed(account, f"salesOrder/{order}", "returnAuthorization?replace=item", body)
    assert (account.status(back), account.get(f"returnAuthorization/{back}")["total"]) == ("B", Decimal("11.24"))
    assert account.stock("MUG")["onhand"] == 3
    transformed(account, f"returnAuthorization/{back}", "itemReceipt")
    assert account.stock("MUG")["onhand"] == 4
    assert account.status(back) == "F"
    credit = transformed(account, f"returnAuthorization/{back}", "creditMemo")
    assert (account.status(back), account.status(credit)) == ("G", "A")
    refund = transformed(account, f"creditMemo/{credit}", "customerRefund", {"account": {"id": "1"}})
    assert account.get(f"customerRefund/{refund}")["total"] == Decimal("11.24")
    assert account.status(credit) == "B"


def test_no_more_comes_back_than_was_shipped(account):
    order = account.order([("MUG", 2)])
    transformed(account, f"salesOrder/{order}", "itemFulfillment", {"shipStatus": {"id": "C"}})
    lines = {"item": {"items": [{"orderLine": 1, "quantity": 3}]}}
    answer = account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/returnAuthorization", lines)
    assert answer.error["o:errorPath"] == "item.items[0].quantity"
    unapproved = transformed(account, f"salesOrder/{order}", "returnAuthorization")
    answer = account.call("POST", f"{RECORDS}/returnAuthorization/{unapproved}/!transform/itemReceipt", {})
    assert answer.status == 400
