"""Shipping: what leaves, when stock falls, and what the order says of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.netsuite.sandbox.conftest import RECORDS


def transform(account, order, body=None, **headers):
    return account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment", body or {}, **headers)


def shipped(account, order, **body):
    answer = transform(account, order, {"shipStatus": {"id": "C"}, **body})
    assert answer.status == 204, answer.body
    return answer.id


def test_a_transform_without_lines_takes_all(account):
    order = account.order([("MUG", 2), ("TEA", 3)])
    fulfillment = shipped(account, order)
    body = account.full(f"itemFulfillment/{fulfillment}")
    assert [(line["orderLine"], line["quantity"]) for line in body["item"]["items"]] == [(1, 2), (4, 3)]
    assert account.stock("MUG") == {"onhand": 3, "committed": 0, "available": 3, "backordered": 0}
    assert account.status(order) == "F"


def test_only_shipping_lowers_what_is_on_hand(account):
    order = account.order([("MUG", 2)])
    fulfillment = transform(account, order, {"shipStatus": {"id": "A"}}).id
    assert account.stock("MUG") == {"onhand": 5, "committed": 2, "available": 3, "backordered": 0}
    account.changed(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "B"}})
    assert (account.stock("MUG")["onhand"], account.status(order)) == (5, "B")
    account.changed(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "C"}})
    assert account.stock("MUG") == {"onhand": 3, "committed": 0, "available": 3, "backordered": 0}
    assert account.status(order) == "F"
    assert account.patch(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "A"}}).status == 400


def test_what_is_picked_is_not_offered_again(account):
    order = account.order([("MUG", 2)])
    transform(account, order, {"shipStatus": {"id": "A"}})
    answer = transform(account, order, {"shipStatus": {"id": "C"}})
    assert answer.error["detail"].endswith("at least one valid line item for this transaction.")


def test_partial_shipments(account):
    order = account.order([("MUG", 2), ("TEA", 3)])
    lines = [{"orderLine": 1, "quantity": 1}, {"orderLine": 4, "itemReceive": False}]
    shipped(account, order, item={"items": lines})
    first, second = account.full(f"salesOrder/{order}")["item"]["items"]
    assert (first["quantityFulfilled"], first["quantityCommitted"]) == (1, 1)
    assert second["quantityFulfilled"] == 0
    assert account.status(order) == "E"
    shipped(account, order)
    assert account.status(order) == "F"
    assert account.rows(
        "SELECT COUNT(*) AS n FROM nexttransactionlink WHERE nexttype = 'ItemShip' AND linktype = 'ShipRcpt'"
    ) == [{"n": "2"}]


def test_more_than_is_committed_does_not_leave(account):
    order = account.order([("MUG", 7)])
    answer = transform(account, order, {"item": {"items": [{"orderLine": 1, "quantity": 6}]}})
    assert (answer.status, answer.error["o:errorPath"]) == (400, "item.items[0].quantity")
    assert account.stock("MUG")["onhand"] == 5


def test_another_location_may_ship(account):
    order = account.order([("MUG", 2)])
    west = {"id": account.location("west")}
    shipped(account, order, item={"items": [{"orderLine": 1, "quantity": 2, "location": west}]})
    assert account.stock("MUG", "east") == {"onhand": 5, "committed": 0, "available": 5, "backordered": 0}
    assert account.stock("MUG", "west") == {"onhand": 0, "committed": 0, "available": 0, "backordered": 0}


def test_a_line_without_a_location_needs_one(account):
    order = account.order([("EBOOK", 1)], location=None)
    assert transform(account, order, {"shipStatus": {"id": "C"}}).status == 204
    unplaced = account.order([("MUG", 1)], external_id="o-2", location=None)
    answer = transform(account, unplaced, {"item": {"items": [{"orderLine": 1, "quantity": 1}]}})
    assert answer.status == 400


@pytest.mark.parametrize(
    ("sublist", "suffix"), [("package", ""), ("packageUps", "Ups"), ("packageUsps", "Usps"), ("packageFedex", "FedEx")]
)
def test_parcels_in_the_carriers_own_list(account, sublist, suffix):
    order = account.order([("MUG", 1)])
    parcel = {f"packageTrackingNumber{suffix}": "1Z999", f"packageWeight{suffix}": 1.5}
    fulfillment = shipped(account, order, **{sublist: {"items": [parcel]}})
    (line,) = account.full(f"itemFulfillment/{fulfillment}")[sublist]["items"]
    assert (line[f"packageTrackingNumber{suffix}"], line[f"packageWeight{suffix}"]) == ("1Z999", Decimal("1.5"))
    assert account.get(f"salesOrder/{order}")["linkedTrackingNumbers"] == "1Z999"
    rows = account.rows(
        "SELECT n.trackingnumber FROM trackingnumbermap m JOIN trackingnumber n ON n.id = m.trackingnumber "
        f"WHERE m.transaction = {fulfillment}"
    )
    assert rows == [{"trackingnumber": "1Z999"}]


def test_parcels_are_added_by_every_write(account):
    order = account.order([("MUG", 1)])
    fulfillment = shipped(account, order, package={"items": [{"packageTrackingNumber": "A1"}]})
    more = {"package": {"items": [{"packageTrackingNumber": "A2"}]}}
    account.changed(f"itemFulfillment/{fulfillment}", more)
    assert account.full(f"itemFulfillment/{fulfillment}")["package"]["totalResults"] == 2
    account.changed(f"itemFulfillment/{fulfillment}?replace=package", more)
    assert account.full(f"itemFulfillment/{fulfillment}")["package"]["totalResults"] == 1


def test_a_repeated_transform_with_its_external_id_is_refused(account):
    order = account.order([("MUG", 2)])
    body = {"externalId": "f-1", "shipStatus": {"id": "C"}, "item": {"items": [{"orderLine": 1, "quantity": 1}]}}
    assert transform(account, order, body).status == 204
    again = transform(account, order, body)
    assert again.error["detail"].endswith("This record already exists.")
    assert account.stock("MUG")["onhand"] == 4


def test_a_deleted_fulfillment_gives_everything_back(account):
    order = account.order([("MUG", 2)])
    fulfillment = shipped(account, order)
    assert account.call("DELETE", f"{RECORDS}/itemFulfillment/{fulfillment}").status == 204
    assert account.stock("MUG") == {"onhand": 5, "committed": 2, "available": 3, "backordered": 0}
    assert account.status(order) == "B"
    rows = account.rows(f"SELECT type, deleteddate FROM deletedrecord WHERE recordid = {fulfillment}")
    assert rows == [{"type": "itemfulfillment", "deleteddate": "11/2/2026"}]


def test_an_order_with_fulfillments_cannot_be_deleted(account):
    order = account.order([("MUG", 2)])
    shipped(account, order)
    assert account.call("DELETE", f"{RECORDS}/salesOrder/{order}").status == 400


def test_arriving_stock_goes_to_the_oldest_order(account):
    account.order([("MUG", 5)], external_id="o-1")
    older = account.order([("MUG", 3)], external_id="o-2")
    younger = account.order([("MUG", 3)], external_id="o-3")
    receive(account, "MUG", 4)
    committed = [
        account.full(f"salesOrder/{order}")["item"]["items"][0]["quantityCommitted"] for order in (older, younger)
    ]
    assert committed == [3, 1]
    assert account.stock("MUG") == {"onhand": 9, "committed": 9, "available": 0, "backordered": 2}


def receive(account, sku, quantity, **fields):
    line = {"item": {"id": account.item(sku)}, "location": {"id": account.location("east")}, "adjustQtyBy": quantity}
    body = {"account": {"id": "126"}, "subsidiary": {"id": "1"}, "inventory": {"items": [line]}, **fields}
    return account.made("inventoryAdjustment", body)


def test_adjustments_are_deltas(account):
    receive(account, "MUG", 4, externalId="a-1")
    receive(account, "MUG", -2, externalId="a-2")
    assert account.stock("MUG")["onhand"] == 7
    answer = account.post("inventoryAdjustment", {"account": {"id": "126"}, "inventory": {"items": [
        {"item": {"id": account.item("EBOOK")}, "location": {"id": account.location("east")}, "adjustQtyBy": 1}
    ]}})  # fmt: skip
    assert answer.error["o:errorPath"] == "inventory.items[0].item"


def test_a_kit_takes_its_members(account):
    account.core.seed(
        {"items": [{"sku": "SET", "name": "Tea set", "kind": "bundle", "price": "20", "components": [
            {"sku": "MUG", "quantity": 2}, {"sku": "TEA", "quantity": 1}]}]}
    )  # fmt: skip
    order = account.order([("SET", 3)])
    (line,) = account.full(f"salesOrder/{order}")["item"]["items"]
    assert (line["quantityCommitted"], line["quantityBackOrdered"]) == (2, 1)
    assert account.stock("MUG") == {"onhand": 5, "committed": 4, "available": 1, "backordered": 2}
    shipped(account, order)
    assert (account.stock("MUG")["onhand"], account.stock("TEA")["onhand"]) == (1, 98)
    receive(account, "MUG", 1)
    assert account.full(f"salesOrder/{order}")["item"]["items"][0]["quantityCommitted"] == 1


def test_shipping_is_told_to_the_journal_of_commits(account):
    order = account.order([("MUG", 1)])
    answer = transform(account, order, {"externalId": "f-1", "shipStatus": {"id": "C"}})
    assert [(commit.entity, commit.document, commit.change) for commit in answer.handled.commits] == [
        ("itemFulfillment", "f-1", "create"),
        ("itemFulfillment", "f-1", "ship"),
    ]


def test_a_closed_line_keeps_what_has_left_and_is_billed_no_more(account):
    """Oracle help, Closing Line Items on Sales Orders: what is fulfilled is to be billed first."""
    order = account.order([("MUG", 4), ("TEA", 2)])
    waiting = account.order([("MUG", 4)], external_id="o-2")
    lines = [{"orderLine": 1, "quantity": 1}, {"orderLine": 4, "itemReceive": False}]
    shipped(account, order, item={"items": lines})
    account.changed(f"salesOrder/{order}", {"item": {"items": [{"line": 1, "isClosed": True}]}})
    mug = account.full(f"salesOrder/{order}")["item"]["items"][0]
    assert (mug["quantity"], mug["quantityFulfilled"], mug["quantityCommitted"], mug["isClosed"]) == (4, 1, 0, True)
    assert account.full(f"salesOrder/{waiting}")["item"]["items"][0]["quantityCommitted"] == 4
    assert account.status(order) == "D", "the tea is still to be shipped, and nothing is to be billed"
    answer = account.call("POST", f"{RECORDS}/salesOrder/{order}/!transform/invoice", {})
    assert answer.status == 400
    again = transform(account, order, {"item": {"items": [{"orderLine": 1, "quantity": 1}]}, "shipStatus": {"id": "C"}})
    assert again.status == 204, "the tea, which the body does not name, leaves"
    assert account.full(f"salesOrder/{order}")["item"]["items"][0]["quantityFulfilled"] == 1
    account.changed(f"salesOrder/{order}", {"item": {"items": [{"line": 4, "isClosed": True}]}})
    assert account.status(order) == "H"


def test_a_line_is_not_cut_below_what_has_left(account):
    order = account.order([("MUG", 4)])
    shipped(account, order, item={"items": [{"orderLine": 1, "quantity": 2}]})
    below = account.patch(f"salesOrder/{order}", {"item": {"items": [{"line": 1, "quantity": 1}]}})
    assert below.status == 400
    account.changed(f"salesOrder/{order}", {"item": {"items": [{"line": 1, "quantity": 2}]}})
    assert account.status(order) == "F"
    assert account.stock("MUG") == {"onhand": 3, "committed": 0, "available": 3, "backordered": 0}


def test_what_is_picked_of_a_closed_line_holds_its_stock_until_it_leaves_or_is_undone(account):
    order = account.order([("MUG", 4)])
    picked = transform(
        account, order, {"item": {"items": [{"orderLine": 1, "quantity": 3}]}, "shipStatus": {"id": "A"}}
    )
    account.changed(f"salesOrder/{order}", {"item": {"items": [{"line": 1, "isClosed": True}]}})
    assert account.stock("MUG")["committed"] == 3
    account.changed(f"itemFulfillment/{picked.id}", {"shipStatus": {"id": "C"}})
    assert account.stock("MUG") == {"onhand": 2, "committed": 0, "available": 2, "backordered": 0}
    assert account.status(order) == "H"
