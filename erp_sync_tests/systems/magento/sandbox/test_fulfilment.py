"""What happens to an order: shipped in parts, invoiced, refunded, cancelled, held; and to stock with it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.magento.sandbox.conftest import search

WEST = {"arguments": {"extension_attributes": {"source_code": "west"}}}
EAST = {"arguments": {"extension_attributes": {"source_code": "east"}}}
UPS = {"track_number": "1Z999", "title": "United Parcel Service", "carrier_code": "ups"}


def D(value):
    return Decimal(str(value))


def state(shop, order):
    found = shop.call("GET", f"/V1/orders/{order['entity_id']}")
    return found["state"], found["status"]


def ship(shop, order, items=None, **more):
    body = {**more}
    if items:
        body["items"] = [{"order_item_id": item_id, "qty": quantity} for item_id, quantity in items.items()]
    return shop.call("POST", f"/V1/order/{order['entity_id']}/ship", body)


def test_shipping_takes_from_the_source_and_frees_the_reservation(shop):
    order = shop.order(shop.item("MUG", 4))
    item = order["items"][0]["item_id"]
    assert ship(shop, order, {item: 1}, **WEST) == 1
    assert (shop.source("MUG", "west"), shop.source("MUG", "east")) == (4, 10)
    assert (shop.reserved("MUG"), shop.salable("MUG")) == (-3, 11)
    assert state(shop, order) == ("processing", "processing")
    ship(shop, order, **EAST)
    assert (shop.source("MUG", "east"), shop.reserved("MUG"), shop.salable("MUG")) == (7, 0, 11)
    shipments = shop.call("GET", "/V1/shipments" + search(("order_id", "eq", str(order["entity_id"]))))["items"]
    assert [(s["increment_id"], s["items"][0]["qty"], s["extension_attributes"]["source_code"]) for s in shipments] == [
        ("000000001", 1, "west"),
        ("000000002", 3, "east"),
    ]


def test_erp_stock_already_net_of_the_order_makes_shipping_fail(shop):
    """The vendor's trap: the pushed quantity must include what open orders have reserved."""
    order = shop.order(shop.item("MUG", 4))
    net = [{"sku": "MUG", "source_code": "west", "quantity": 3, "status": 1}]
    shop.call("POST", "/V1/inventory/source-items", {"sourceItems": net})
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", WEST)
    assert (answer.status, answer.message) == (
        400,
        "Not all of your products are available in the requested quantity.",
    )
    assert shop.call("GET", "/V1/shipments" + search())["total_count"] == 0
    assert shop.reserved("MUG") == -4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": [{"order_item_id": 1, "qty": 3}], **WEST}, 'We found an invalid quantity to ship for item "Mug".'),
        ({"items": [{"order_item_id": 99, "qty": 1}], **WEST}, 'We can not found item "99" in order.'),
        ({"items": [{"order_item_id": 1, "qty": 0}], **WEST}, "You can't create a shipment without products."),
    ],
)
def test_a_wrong_shipment_is_explained(shop, body, message):
    order = shop.order(shop.item("MUG", 2))
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", body)
    assert (answer.status, answer.message) == (400, f"Shipment Document Validation Error(s):\n{message}")


def test_without_a_source_the_default_one_is_taken_which_has_none(shop):
    order = shop.order(shop.item("MUG"))
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", {})
    assert (answer.status, answer.message) == (400, "Could not save a shipment, see error log for details")


def test_the_mail_names_the_parcels_there_were_and_a_later_one_sends_none(shop):
    order = shop.order(shop.item("MUG", 2))
    shipment = ship(shop, order, notify=True, tracks=[UPS], **WEST)
    assert [mail["tracks"] for mail in shop.mails("shipment")] == [
        '[{"carrier_code":"ups","title":"United Parcel Service","track_number":"1Z999"}]'
    ]
    track = {**UPS, "track_number": "1Z000", "order_id": order["entity_id"], "parent_id": shipment}
    assert shop.call("POST", "/V1/shipment/track", {"entity": track})["entity_id"] == 2
    assert len(shop.mails("shipment")) == 1
    assert shop.call("POST", f"/V1/shipment/{shipment}/emails") is True
    assert "1Z000" in shop.mails("shipment")[1]["tracks"]


def test_a_shipment_found_again_by_its_comment(shop):
    order = shop.order(shop.item("MUG", 2))
    comment = {"comment": "fulfilment 4711", "is_visible_on_front": 0}
    ship(shop, order, {order["items"][0]["item_id"]: 1}, comment=comment, **WEST)
    found = shop.call("GET", "/V1/shipments" + search(("order_id", "eq", str(order["entity_id"]))))["items"]
    assert found[0]["comments"][0]["comment"] == "fulfilment 4711"


def test_a_configurable_ships_by_its_parent_and_a_bundle_whole(shop):
    order = shop.order(shop.shirt(), shop.tea_set())
    shirt, child, bundle, mug, tea = order["items"]
    shop.database.run("UPDATE inventory_source_item SET quantity = '50.0000', status = 1 WHERE source_code = 'east'")
    shop.call(
        "POST",
        "/V1/inventory/source-items",
        {"sourceItems": [{"sku": "SHIRT-S", "source_code": "east", "quantity": 9, "status": 1}]},
    )
    ship(shop, order, {shirt["item_id"]: 1, bundle["item_id"]: 1}, **EAST)
    assert (shop.source("SHIRT-S", "east"), shop.source("MUG", "east"), shop.source("TEA", "east")) == (8, 48, 47)
    items = {item["item_id"]: item for item in shop.call("GET", f"/V1/orders/{order['entity_id']}")["items"]}
    assert items[bundle["item_id"]]["qty_shipped"] == 1
    assert (items[mug["item_id"]]["qty_shipped"], items[tea["item_id"]]["qty_shipped"]) == (2, 3)
    assert (items[shirt["item_id"]]["qty_shipped"], items[child["item_id"]]["qty_shipped"]) == (1, 0)
    assert (shop.reserved("SHIRT-S"), shop.reserved("MUG"), shop.reserved("TEA")) == (0, 0, 0)


def test_an_order_completes_when_it_is_invoiced_and_shipped(shop):
    order = shop.order(shop.item("MUG", 2), shop.item("TEA", 3))
    mug = order["items"][0]["item_id"]
    path = f"/V1/order/{order['entity_id']}"
    shop.call("POST", f"{path}/invoice", {"items": [{"order_item_id": mug, "qty": 1}]})
    shop.call("POST", f"{path}/invoice", {"capture": True})
    ship(shop, order, **EAST)
    assert state(shop, order) == ("complete", "complete")
    invoices = shop.call("GET", "/V1/invoices" + search(("order_id", "eq", str(order["entity_id"]))))["items"]
    assert sum(D(one["grand_total"]) for one in invoices) == D(order["grand_total"])
    assert [D(one["shipping_amount"]) for one in invoices] == [D("5.95"), 0]
    assert sum(D(one["tax_amount"]) for one in invoices) == D(order["tax_amount"])
    again = shop.refused("POST", f"{path}/invoice", {"capture": True})
    assert again.message.startswith("Invoice Document Validation Error(s):\nAn invoice cannot be created")


def test_too_much_cannot_be_invoiced(shop):
    order = shop.order(shop.item("MUG", 2))
    body = {"items": [{"order_item_id": order["items"][0]["item_id"], "qty": 3}]}
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/invoice", body)
    assert "must not be greater than the uninvoiced quantity for product SKU" in answer.message


def test_cancelling_gives_the_reservation_back_once(shop):
    order = shop.order(shop.item("MUG", 4))
    assert shop.call("POST", f"/V1/orders/{order['entity_id']}/cancel") is True
    assert state(shop, order) == ("canceled", "canceled")
    assert (shop.reserved("MUG"), shop.salable("MUG")) == (0, 15)
    assert shop.call("POST", f"/V1/orders/{order['entity_id']}/cancel") is False
    assert shop.reserved("MUG") == 0


def test_a_shipped_and_paid_order_cannot_be_cancelled(shop):
    order = shop.order(shop.item("MUG"), method="paypal_express")
    ship(shop, order, **WEST)
    assert shop.call("POST", f"/V1/orders/{order['entity_id']}/cancel") is False


def test_hold_and_unhold(shop):
    order = shop.order(shop.item("MUG"))
    path = f"/V1/orders/{order['entity_id']}"
    assert shop.call("POST", f"{path}/hold") is True
    assert state(shop, order) == ("holded", "holded")
    assert shop.refused("POST", f"{path}/hold").message == "A hold action is not available."
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", WEST)
    assert answer.message.endswith("A shipment cannot be created when an order has a status of holded")
    assert shop.call("POST", f"{path}/unhold") is True
    assert state(shop, order) == ("new", "pending")


def test_refunding_what_was_shipped_goes_back_to_its_source_if_asked(shop):
    order = shop.order(shop.item("MUG", 3), method="paypal_express")
    item = order["items"][0]["item_id"]
    ship(shop, order, {item: 1}, **WEST)
    back = {"shipping_amount": 0, "extension_attributes": {"return_to_stock_items": [item]}}
    body = {"items": [{"order_item_id": item, "qty": 3}], "arguments": back}
    memo = shop.call("POST", f"/V1/order/{order['entity_id']}/refund", body)
    # two pieces had not left: their reservation is freed; the third goes back to the west
    assert (shop.source("MUG", "west"), shop.reserved("MUG"), shop.salable("MUG")) == (5, 0, 15)
    found = shop.call("GET", f"/V1/creditmemo/{memo}")
    assert (found["state"], D(found["shipping_amount"])) == (2, 0)
    assert D(found["grand_total"]) == D(order["grand_total"]) - D(order["shipping_incl_tax"])


def test_a_full_refund_closes_the_order(shop):
    order = shop.order(shop.item("MUG", 2), method="paypal_express")
    ship(shop, order, **WEST)
    assert state(shop, order) == ("complete", "complete")
    shop.call("POST", f"/V1/order/{order['entity_id']}/refund", {})
    assert state(shop, order) == ("closed", "closed")
    assert shop.source("MUG", "west") == 3  # nobody asked for the goods to go back
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/refund", {})
    assert answer.message.startswith("Creditmemo Document Validation Error(s):\n")


def test_refunds_in_parts_add_up_to_the_cent(shop):
    cart = shop.cart(shop.item("TEA", 3))
    shop.call("PUT", f"{cart}/coupons/TEN", as_user="")
    order = shop.call("GET", f"/V1/orders/{shop.pay(cart, 'paypal_express')}")
    item = order["items"][0]["item_id"]
    for _ in range(3):
        body = {"items": [{"order_item_id": item, "qty": 1}]}
        shop.call("POST", f"/V1/order/{order['entity_id']}/refund", body)
    after = shop.call("GET", f"/V1/orders/{order['entity_id']}")
    assert D(after["total_refunded"]) == D(order["grand_total"])
    too_much = shop.refused("POST", f"/V1/order/{order['entity_id']}/refund", body)
    assert too_much.status == 400


def test_an_online_refund_needs_a_method_that_can(shop):
    order = shop.order(shop.item("MUG"))
    invoice = shop.call("POST", f"/V1/order/{order['entity_id']}/invoice", {})
    assert shop.refused("POST", f"/V1/invoice/{invoice}/refund", {"isOnline": True}).status == 400
    wallet = shop.order(shop.item("MUG"), method="paypal_express")
    memo = shop.call("POST", f"/V1/invoice/{invoice + 1}/refund", {"isOnline": True})
    assert shop.call("GET", f"/V1/creditmemo/{memo}")["transaction_id"]
    after = shop.call("GET", f"/V1/orders/{wallet['entity_id']}")
    assert D(after["total_online_refunded"]) == D(wallet["grand_total"])


def test_an_order_saved_as_a_row_reserves_nothing(shop):
    """The vendor's trap (magento2 issue 26575): no checkout, no reservation, no stock check."""
    entity = {
        "customer_email": "row@example.com",
        "grand_total": 1000,
        "base_grand_total": 1000,
        "items": [{"sku": "MUG", "qty_ordered": 99, "price": 10}],
        "billing_address": {"firstname": "A", "lastname": "B", "street": ["1"], "city": "X", "postcode": "1",
                            "country_id": "US", "telephone": "1", "address_type": "billing"},
        "payment": {"method": "checkmo"},
    }  # fmt: skip
    order = shop.call("POST", "/V1/orders", {"entity": entity})
    assert (order["increment_id"], order["items"][0]["qty_ordered"]) == ("000000001", 99)
    assert (shop.reserved("MUG"), shop.salable("MUG")) == (0, 15)
    patched = shop.call("PUT", "/V1/orders/create", {"entity": {"entity_id": 1, "ext_order_id": "SO-7"}})
    assert (patched["ext_order_id"], patched["customer_email"]) == ("SO-7", "row@example.com")
    assert shop.call("GET", "/V1/orders" + search(("ext_order_id", "eq", "SO-7")))["total_count"] == 1


def test_a_comment_is_in_the_history_and_mails_when_asked(shop):
    order = shop.order(shop.item("MUG"))
    history = {"comment": "in the ERP as SO-1", "is_customer_notified": 0, "is_visible_on_front": 0,
               "parent_id": order["entity_id"]}  # fmt: skip
    path = f"/V1/orders/{order['entity_id']}"
    assert shop.call("POST", f"{path}/comments", {"statusHistory": history}) is True
    assert shop.call("GET", path)["status_histories"][0]["comment"] == "in the ERP as SO-1"
    assert shop.mails("order_comment") == []
    shop.call("POST", f"{path}/comments", {"statusHistory": {**history, "is_customer_notified": 1}})
    assert len(shop.mails("order_comment")) == 1


@pytest.mark.parametrize("status", ["processing", "complete", "nonsense", "packing"])
def test_a_comment_takes_an_order_to_no_status_of_another_state(shop, status):
    shop.core.seed({"configuration": {"sales_order_status/packing": "processing"}})
    order = shop.order(shop.item("MUG"))
    path = f"/V1/orders/{order['entity_id']}"
    history = {"comment": "x", "status": status, "is_customer_notified": 0, "is_visible_on_front": 0,
               "parent_id": order["entity_id"]}  # fmt: skip
    answer = shop.refused("POST", f"{path}/comments", {"statusHistory": history})
    assert (answer.status, answer.body["parameters"]) == (400, [status])
    assert shop.call("GET", path)["status_histories"] == order["status_histories"]


def test_a_comment_takes_an_order_to_a_status_of_the_shops_own(shop):
    shop.core.seed({"configuration": {"sales_order_status/in_erp": "new"}})
    order = shop.order(shop.item("MUG"))
    history = {"comment": "x", "status": "in_erp", "is_customer_notified": 0, "is_visible_on_front": 0,
               "parent_id": order["entity_id"]}  # fmt: skip
    shop.call("POST", f"/V1/orders/{order['entity_id']}/comments", {"statusHistory": history})
    assert shop.call("GET", f"/V1/orders/{order['entity_id']}")["status"] == "in_erp"


def test_a_parcel_without_a_carrier_spoils_the_shipment_and_nobody_is_told_why(shop):
    order = shop.order(shop.item("MUG"))
    tracks = [UPS, {"track_number": "1Z998", "title": "UPS"}]
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", {"tracks": tracks, **WEST})
    assert (answer.status, answer.message) == (400, "Could not save a shipment, see error log for details")
    assert shop.call("GET", "/V1/shipments" + search(("order_id", "eq", str(order["entity_id"]))))["total_count"] == 0


def test_what_a_track_cannot_hold_is_cut(shop):
    order = shop.order(shop.item("MUG"))
    ship(shop, order, tracks=[{**UPS, "title": "t" * 300, "carrier_code": "c" * 40}], **WEST)
    (shipment,) = shop.call("GET", "/V1/shipments" + search(("order_id", "eq", str(order["entity_id"]))))["items"]
    track = shipment["tracks"][0]
    assert (len(track["title"]), len(track["carrier_code"])) == (255, 32)


def test_every_write_to_an_order_moves_its_updated_at(shop, clock):
    order = shop.order(shop.item("MUG"))
    seen = [order["updated_at"]]
    path = f"/V1/order/{order['entity_id']}"
    for act in (lambda: shop.call("POST", f"{path}/invoice", {}), lambda: ship(shop, order, **WEST),
                lambda: shop.call("POST", f"{path}/refund", {})):  # fmt: skip
        clock.advance(1)
        act()
        seen.append(shop.call("GET", f"/V1/orders/{order['entity_id']}")["updated_at"])
    assert sorted(set(seen)) == seen


def test_returns_are_kept_in_commerce(commerce):
    order = commerce.order(commerce.item("MUG", 2), method="paypal_express")
    ship(commerce, order, **WEST)
    item = {"order_item_id": order["items"][0]["item_id"], "qty_requested": 1, "reason": "damaged",
            "resolution": "refund", "condition": "opened", "status": "pending"}  # fmt: skip
    rma = commerce.call("POST", "/V1/returns", {"rmaDataObject": {"order_id": order["entity_id"], "items": [item]}})
    assert (rma["increment_id"], rma["items"][0]["qty_requested"]) == ("000000001", 1)
    item["qty_requested"] = 5
    answer = commerce.refused(
        "POST", "/V1/returns", {"rmaDataObject": {"order_id": order["entity_id"], "items": [item]}}
    )
    assert answer.status == 400
