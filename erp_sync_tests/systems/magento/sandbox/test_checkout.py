"""Shoppers buy: what an order holds, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.magento.sandbox.conftest import LOS_ANGELES, search


def D(value):
    return Decimal(str(value))


def test_an_order_holds_stock_by_a_reservation_and_leaves_the_sources_alone(shop):
    order = shop.order(shop.item("MUG", 4))
    assert (order["state"], order["status"], order["increment_id"]) == ("new", "pending", "000000001")
    assert shop.reserved("MUG") == -4
    assert (shop.source("MUG", "east"), shop.source("MUG", "west")) == (10, 5)
    assert shop.salable("MUG") == 11
    metadata = shop.database.value("SELECT metadata FROM inventory_reservation")
    assert '"event_type":"order_placed"' in metadata
    assert '"object_increment_id":"000000001"' in metadata


def test_tax_is_per_line_and_jurisdiction_after_the_discount(shop):
    cart = shop.cart(shop.item("MUG", 2), shop.item("TEA", 3))
    shop.call("PUT", f"{cart}/coupons/TEN", as_user="")
    order = shop.call("GET", f"/V1/orders/{shop.pay(cart)}")
    mug, tea = order["items"]
    assert (D(mug["row_total"]), D(mug["discount_amount"]), D(mug["discount_percent"])) == (D("59.90"), D("5.99"), 10)
    # 53.91 at 7.25 % for the state, at 2.25 % for the county
    assert (D(mug["tax_amount"]), D(mug["tax_percent"])) == (D("3.91") + D("1.21"), D("9.5"))
    taxes = order["extension_attributes"]["item_applied_taxes"]
    of_mug = next(entry for entry in taxes if entry.get("item_id") == mug["item_id"])
    assert [(tax["code"], D(tax["amount"])) for tax in of_mug["applied_taxes"]] == [
        ("US-CA-*-State", D("3.91")),
        ("US-CA-90*-Los Angeles County", D("1.21")),
    ]
    assert taxes[-1]["type"] == "shipping"
    lines = sum(D(item["tax_amount"]) for item in (mug, tea))
    assert D(order["tax_amount"]) == lines + D(order["shipping_tax_amount"])
    applied = order["extension_attributes"]["applied_taxes"]
    assert sum(D(tax["amount"]) for tax in applied) == D(order["tax_amount"])
    assert D(order["discount_amount"]) == -(D(mug["discount_amount"]) + D(tea["discount_amount"]))
    assert D(order["grand_total"]) == sum(
        D(order[name]) for name in ("subtotal", "discount_amount", "shipping_amount", "tax_amount")
    )
    assert (order["coupon_code"], order["discount_description"]) == ("TEN", "TEN")


def test_a_configurable_is_a_parent_with_the_price_and_a_child_at_zero(shop):
    order = shop.order(shop.shirt())
    parent, child = order["items"]
    assert (parent["product_type"], parent["sku"], D(parent["price"])) == ("configurable", "SHIRT-S", 15)
    assert (child["product_type"], child["sku"], D(child["price"])) == ("simple", "SHIRT-S", 0)
    assert (child["parent_item_id"], child["parent_item"]["product_type"]) == (parent["item_id"], "configurable")
    chosen = parent["product_option"]["extension_attributes"]["configurable_item_options"]
    assert chosen == [shop.option("size", "S")]
    assert shop.reserved("SHIRT-S") == -1


def test_a_bundle_shows_its_price_twice_on_the_parent_and_on_the_parts(shop):
    order = shop.order(shop.tea_set(2))
    parent, mug, tea = order["items"]
    assert (parent["sku"], parent["product_type"]) == ("SET-MUG-TEA", "bundle")
    assert (mug["qty_ordered"], tea["qty_ordered"]) == (4, 6)
    assert D(parent["row_total"]) == D(mug["row_total"]) + D(tea["row_total"]) == D(order["subtotal"])
    assert D(parent["tax_amount"]) == D(mug["tax_amount"]) + D(tea["tax_amount"])
    assert D(parent["discount_amount"]) == 0
    assert (shop.reserved("MUG"), shop.reserved("TEA")) == (-4, -6)


def test_a_virtual_order_has_no_shipping_address(shop):
    order = shop.order(shop.item("EBOOK"))
    assert order["is_virtual"] == 1
    assert "address" not in order["extension_attributes"]["shipping_assignments"][0]["shipping"]
    assert [row["address_type"] for row in shop.database.rows("SELECT * FROM sales_order_address")] == ["billing"]


def test_numbers_print_their_noise(open_shop):
    shop = open_shop(float_noise=True)
    order = shop.order(shop.item("MUG"))
    assert str(order["items"][0]["price"]) == "29.949999999999999"
    assert open_shop().order(shop.item("MUG"))["items"][0]["price"] == D("29.95")


@pytest.mark.parametrize(
    ("item", "status", "message"),
    [
        ({"sku": "MUG", "qty": 16}, 400, "The requested qty is not available"),
        ({"sku": "OLD", "qty": 1}, 400, "Product that you are trying to add is not available."),
        (
            {"sku": "NONE", "qty": 1},
            404,
            "The product that was requested doesn't exist. Verify the product and try again.",
        ),
        ({"sku": "SHIRT", "qty": 1}, 400, "You need to choose options for your item."),
        ({"sku": "MUG", "qty": 0}, 400, 'Invalid value of "%1" provided for the %2 field.'),
    ],
)
def test_what_cannot_be_sold_is_refused(shop, item, status, message):
    mask = shop.call("POST", "/V1/guest-carts", as_user="")
    answer = shop.refused("POST", f"/V1/guest-carts/{mask}/items", {"cartItem": {**item, "quote_id": mask}}, as_user="")
    assert answer.status == status
    assert answer.message == message


def test_the_last_piece_is_sold_once(shop):
    first, second = shop.cart(shop.item("MUG", 10)), shop.cart(shop.item("MUG", 10))
    shop.pay(first)
    body = {"paymentMethod": {"method": "checkmo"}, "email": "b@example.com", "billingAddress": LOS_ANGELES}
    answer = shop.refused("POST", f"{second}/payment-information", body, as_user="")
    assert (answer.status, answer.message) == (400, "Not enough items for sale")
    assert shop.call("GET", "/V1/orders" + search())["total_count"] == 1
    assert shop.reserved("MUG") == -10


def test_a_wrong_coupon_is_refused_and_forgotten(shop):
    cart = shop.cart(shop.item("MUG"))
    answer = shop.refused("PUT", f"{cart}/coupons/NONE", as_user="")
    assert (answer.status, answer.message) == (404, "The coupon code isn't valid. Verify the code and try again.")
    assert shop.call("GET", f"{cart}/totals", as_user="").get("coupon_code") is None


def test_an_authorised_card_and_a_captured_wallet(shop):
    card = shop.order(shop.item("MUG"), method="braintree")
    assert card["state"] == "processing"
    assert D(card["payment"]["amount_authorized"]) == D(card["grand_total"])
    assert "amount_paid" not in card["payment"]
    info = {entry["key"]: entry["value"] for entry in card["extension_attributes"]["payment_additional_info"]}
    assert info["method_title"] == "Credit Card"
    assert card["payment"]["additional_information"][0] == "Credit Card"
    wallet = shop.order(shop.item("TEA"), method="paypal_express")
    assert (D(wallet["total_paid"]), D(wallet["total_due"])) == (D(wallet["grand_total"]), 0)
    invoice = shop.call("GET", "/V1/invoices" + search(("order_id", "eq", str(wallet["entity_id"]))))["items"][0]
    assert (invoice["state"], invoice["transaction_id"]) == (2, wallet["payment"]["last_trans_id"])


def test_a_declined_card_places_nothing(shop):
    cart = shop.cart(shop.item("MUG"))
    nonce = {"payment_method_nonce": "fake-processor-declined-visa-nonce"}
    body = {"paymentMethod": {"method": "braintree", "additional_data": nonce}, "email": "a@example.com",
            "billingAddress": LOS_ANGELES}  # fmt: skip
    answer = shop.refused("POST", f"{cart}/payment-information", body, as_user="")
    assert answer.status == 400
    assert shop.reserved("MUG") == 0


def test_a_customer_buys_in_their_own_cart(shop):
    token = shop.sign_in()
    order_id = shop.pay(shop.cart(shop.item("MUG"), as_user=token), as_user=token)
    order = shop.call("GET", f"/V1/orders/{order_id}")
    assert (order["customer_email"], order["customer_is_guest"], order["customer_id"]) == ("grace@example.com", 0, 1)
    assert shop.refused("GET", "/V1/carts/mine", as_user=token).status == 404


def test_gift_card_and_store_credit_pay_first_in_commerce(commerce):
    token = commerce.sign_in()
    cart = commerce.cart(commerce.item("MUG"), as_user=token)
    account = {"giftCardAccountData": {"gift_cards": ["GIFT-0001"]}}
    commerce.call("POST", "/V1/carts/mine/giftCards", account, as_user=token)
    commerce.call("POST", "/V1/carts/mine/balance/apply", as_user=token)
    order = commerce.call("GET", f"/V1/orders/{commerce.pay(cart, as_user=token)}")
    extension = order["extension_attributes"]
    assert [(card["code"], D(card["amount"])) for card in extension["gift_cards"]] == [("GIFT-0001", 20)]
    assert (D(extension["gift_cards_amount"]), D(extension["customer_balance_amount"])) == (20, 5)
    assert D(order["grand_total"]) + 25 == sum(
        D(order[name]) for name in ("subtotal", "discount_amount", "shipping_amount", "tax_amount")
    )
    commerce.call("POST", f"/V1/orders/{order['entity_id']}/cancel")
    assert commerce.database.value("SELECT balance FROM magento_giftcardaccount") == 20
    assert commerce.database.value("SELECT amount FROM magento_customerbalance") == 5


def test_open_source_has_no_gift_cards_and_no_returns(shop):
    answer = shop.refused("GET", "/V1/returns" + search())
    assert (answer.status, answer.message) == (404, "Request does not match any route.")
    order = shop.order(shop.item("MUG"))
    assert "gift_cards" not in order["extension_attributes"]


def test_an_order_without_anything_to_pay_takes_the_free_method(commerce):
    commerce.core.seed({"gift_cards": [{"code": "RICH", "balance": "500"}]})
    cart = commerce.cart(commerce.item("TEA"))
    commerce.call(
        "POST", f"/V1/carts{cart[3:]}/giftCards", {"giftCardAccountData": {"gift_cards": ["RICH"]}}, as_user=""
    )
    methods = commerce.call("GET", f"{cart}/payment-information", as_user="")["payment_methods"]
    assert [method["code"] for method in methods] == ["free"]
    order = commerce.call("GET", f"/V1/orders/{commerce.pay(cart, 'free')}")
    assert D(order["grand_total"]) == 0


def test_a_store_view_in_another_currency_keeps_both(open_shop):
    shop = open_shop()
    shop.core.seed(
        {
            "stores": [{"code": "canada", "website": "base", "currency": "CAD"}],
            "currency_rates": [{"from": "USD", "to": "CAD", "rate": "1.3500"}],
        }
    )
    rest = {"rest": "/rest/canada", "as_user": ""}
    mask = shop.call("POST", "/V1/guest-carts", **rest)
    shop.call("POST", f"/V1/guest-carts/{mask}/items", {"cartItem": shop.item("MUG")}, **rest)
    shipping = {"shipping_address": LOS_ANGELES, "billing_address": LOS_ANGELES, "shipping_carrier_code": "flatrate",
                "shipping_method_code": "flatrate"}  # fmt: skip
    shop.call("POST", f"/V1/guest-carts/{mask}/shipping-information", {"addressInformation": shipping}, **rest)
    order = shop.call("GET", f"/V1/orders/{shop.pay(f'/V1/guest-carts/{mask}')}")
    assert (order["order_currency_code"], order["base_currency_code"]) == ("CAD", "USD")
    assert (D(order["base_subtotal"]), D(order["subtotal"])) == (D("29.95"), D("40.43"))
    assert D(order["base_to_order_rate"]) == D("1.35")
    assert order["increment_id"] == "2000000001"


def test_a_placed_order_is_one_commit_for_the_journal(shop):
    cart = shop.cart(shop.item("MUG"))
    body = {"paymentMethod": {"method": "braintree"}, "email": "a@example.com", "billingAddress": LOS_ANGELES}
    answer = shop.send(shop.request("POST", f"{cart}/payment-information", body, as_user=""))
    assert (answer.handled.committed, answer.handled.document) == (True, "000000001")
    commits = [(one.entity, one.document, one.change) for one in answer.handled.commits]
    assert commits == [("sales_order", "000000001", "create")]


def test_backpressure_refuses_order_placement_only(open_shop):
    shop = open_shop(backpressure_orders_per_minute=1)
    first, second = shop.cart(shop.item("TEA")), shop.cart(shop.item("TEA"))
    shop.pay(first)
    body = {"paymentMethod": {"method": "checkmo"}, "email": "a@example.com", "billingAddress": LOS_ANGELES}
    answer = shop.refused("POST", f"{second}/payment-information", body, as_user="")
    assert (answer.status, answer.body) == (429, {"message": "Too Many Requests", "trace": None})
