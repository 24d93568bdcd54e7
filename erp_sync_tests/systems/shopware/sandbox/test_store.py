"""Shoppers: context, log-in, carts with their errors, and orders that take stock without a word."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.systems.shopware.sandbox.bootstrap import country
from erp_sync_tests.systems.shopware.sandbox.conftest import equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper


@pytest.fixture
def shopper(shop) -> Shopper:
    return Shopper(shop)


def test_nobody_shops_without_the_access_key(shop):
    assert shop.refused("GET", "/store-api/context").status == 401
    answer = shop.refused("GET", "/store-api/context", sw_access_key="SWSCNONE")
    assert answer.error["code"] == "FRAMEWORK__API_INVALID_ACCESS_KEY"


def test_a_token_may_be_invented_and_log_in_gives_another_with_the_cart(shopper):
    invented = shopper.token
    shopper.add("TEA", 2)
    assert shopper.token == invented
    shopper.log_in()
    assert shopper.token != invented
    assert shopper.call("GET", "context")["customer"]["email"] == "grace@example.com"
    assert shopper.call("GET", "checkout/cart")["lineItems"][0]["quantity"] == 2


def test_a_session_lapses_after_a_day(shopper, clock):
    shopper.log_in()
    clock.advance(24 * 3600 + 1)
    assert shopper.call("GET", "context")["customer"] is None


def test_a_wrong_password_is_counted(shopper, clock):
    wrong = {"username": "grace@example.com", "password": "guess"}
    for _ in range(10):
        assert shopper.send("POST", "account/login", wrong).status == 401
    right = {"username": "grace@example.com", "password": "Password1"}
    answer = shopper.send("POST", "account/login", right)
    assert (answer.status, answer.error["code"]) == (429, "CHECKOUT__CUSTOMER_AUTH_THROTTLED")
    clock.advance(10)
    shopper.log_in()


def test_an_order_of_a_guest_lowers_stock_and_moves_nothing_else(shop, shopper, clock):
    before = shop.product()
    clock.advance(60)
    shopper.register_guest()
    order = shopper.order(("MUG", 2), ("TEA", 3))
    assert (order["orderNumber"], order["amountTotal"]) == ("10000", Decimal("69.89"))
    after = shop.product()
    assert (after["stock"], after["availableStock"], after["sales"]) == (13, 13, 2)
    assert after["updatedAt"] == before["updatedAt"]
    window = [{"type": "range", "field": "updatedAt", "parameters": {"gte": "2026-11-02T08:00:30+00:00"}}]
    assert shop.search("product", *window) == []


def test_what_the_admin_sees_of_an_order(shop, shopper):
    shopper.log_in()
    placed = shopper.order(("MUG", 1))
    associations = {"lineItems": {}, "deliveries": {"associations": {"stateMachineState": {}, "positions": {}}},
                    "transactions": {"associations": {"stateMachineState": {}}}, "addresses": {}, "orderCustomer": {},
                    "billingAddress": {"associations": {"country": {}}}, "stateMachineState": {}}  # fmt: skip
    (order,) = shop.search("order", equals("orderNumber", placed["orderNumber"]), associations=associations)
    assert order["updatedAt"] is None
    assert order["autoIncrement"] == 1
    assert order["stateMachineState"]["technicalName"] == "open"
    assert order["taxStatus"] == "gross"
    assert order["orderCustomer"]["customerNumber"] == "10000"
    assert order["billingAddress"]["country"]["iso"] == "US"
    (line,) = order["lineItems"]
    assert (line["type"], line["quantity"], line["totalPrice"]) == ("product", 1, Decimal("29.95"))
    (delivery,) = order["deliveries"]
    assert delivery["positions"][0]["orderLineItemId"] == line["id"]
    assert delivery["stateMachineState"]["technicalName"] == "open"
    assert order["transactions"][0]["amount"]["totalPrice"] == Decimal("29.95")
    nested = equals("deliveries.stateMachineState.technicalName", "open")
    assert len(shop.search("order", nested)) == 1


def test_the_number_is_the_commit_s_document(shop, shopper):
    shopper.register_guest()
    shopper.add("TEA")
    handled = shopper.send("POST", "checkout/order", {}).handled
    assert handled.document == "10000"
    assert ("order", "10000", "create") in [(one.entity, one.document, one.change) for one in handled.commits]


def test_who_is_not_logged_in_or_has_nothing_orders_nothing(shopper):
    shopper.add("TEA")
    answer = shopper.send("POST", "checkout/order", {})
    assert (answer.status, answer.error["code"]) == (403, "CHECKOUT__CUSTOMER_NOT_LOGGED_IN")
    shopper.call("DELETE", "checkout/cart")
    shopper.register_guest()
    assert shopper.send("POST", "checkout/order", {}).error["code"] == "CHECKOUT__CART_EMPTY"


def test_a_close_out_is_cut_to_what_is_there_once_with_an_error(shop, shopper):
    shop.call("PATCH", f"/api/product/{shop.product()['id']}", {"isCloseout": True})
    cart = shopper.add("MUG", 20)
    (problem,) = cart["errors"].values()
    assert (problem["messageKey"], problem["level"]) == ("product-stock-reached", 20)
    assert cart["lineItems"][0]["quantity"] == 15
    assert shopper.call("GET", "checkout/cart")["errors"] == []


def test_what_is_gone_blocks_the_order_that_finds_it(shop, shopper):
    shopper.register_guest()
    shopper.add("TEA")
    shop.call("PATCH", f"/api/product/{shop.product('TEA')['id']}", {"active": False})
    answer = shopper.send("POST", "checkout/order", {})
    assert answer.error["code"] == "CHECKOUT__CART_INVALID"
    assert shop.search("order") == []
    assert shop.product("TEA")["stock"] == 100


def test_least_quantities_and_steps(shop, shopper):
    shop.call("PATCH", f"/api/product/{shop.product('TEA')['id']}", {"minPurchase": 6, "purchaseSteps": 6})
    assert shopper.add("TEA", 1)["lineItems"][0]["quantity"] == 6
    cart = shopper.add("TEA", 7)
    assert cart["lineItems"][0]["quantity"] == 12
    assert next(iter(cart["errors"].values()))["messageKey"] == "purchase-steps-quantity"


def test_more_than_there_is_can_be_bought_where_nothing_is_closed_out(shop, shopper):
    shopper.register_guest()
    shopper.order(("SHIRT-S", 5))
    assert shop.product("SHIRT-S")["stock"] == -2


def test_a_parent_s_page_is_its_variant_and_a_parent_is_not_bought(shopper):
    page = shopper.page("SHIRT")
    assert page["productNumber"] in ("SHIRT-S", "SHIRT-M")
    assert shopper.add("SHIRT")["lineItems"] == []


def test_a_listing_has_at_most_a_hundred(shopper):
    found = shopper.call("POST", "product", {"limit": 5, "sort": [{"field": "productNumber"}]})
    assert [row["productNumber"] for row in found["elements"]] == ["MUG", "SHIRT", "SHIRT-M", "SHIRT-S", "TEA"]
    assert found["elements"][0]["calculatedPrice"]["unitPrice"] == Decimal("29.95")
    assert shopper.send("POST", "product", {"limit": 101}).error["code"] == "FRAMEWORK__QUERY_LIMIT_EXCEEDED"


def test_a_listing_by_price_goes_by_what_was_indexed(open_shop, clock):
    shop = open_shop(index_lag_seconds=30)
    shopper = Shopper(shop)
    by_price = {"sort": [{"field": "price", "order": "DESC"}], "filter": [equals("parentId", None)]}

    def first():
        return shopper.call("POST", "product", by_price)["elements"][0]["productNumber"]

    assert first() == "MUG"
    tea = shop.product("TEA")["id"]
    dear = {
        "id": tea,
        "price": [{"currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "gross": 99, "net": 99, "linked": False}],
    }
    shop.upsert("product", dear, indexing_behavior="use-queue-indexing")
    assert first() == "MUG"
    assert shopper.page("TEA")["calculatedPrice"]["unitPrice"] == 99  # the page reads the tables
    clock.advance(30)
    assert first() == "TEA"


def test_own_orders_and_payment(shopper):
    shopper.log_in()
    order = shopper.order(("TEA", 1))
    (listed,) = shopper.call("POST", "order", {})["orders"]["elements"]
    assert listed["orderNumber"] == order["orderNumber"]
    assert shopper.call("POST", "handle-payment", {"orderId": order["id"]})["redirectUrl"] is None


def test_a_registered_customer_is_there_once(shopper):
    shopper.register_guest(guest=False, password="Password1", email="new@example.com")
    other = Shopper(shopper.shop)
    place = {"street": "1 Main St", "city": "Dayton", "countryId": country("US")}
    body = {
        "email": "new@example.com",
        "firstName": "A",
        "lastName": "B",
        "password": "Password1",
        "billingAddress": place,
    }
    answer = other.send("POST", "account/register", body)
    assert answer.error["code"] == "VIOLATION::CUSTOMER_EMAIL_NOT_UNIQUE"


def test_what_a_shopper_may_choose_is_what_the_sales_channel_has(shop, shopper):
    def listed(path, field, **criteria):
        return [one[field] for one in shopper.call("POST", path, criteria)["elements"]]

    iso = {"filter": [equals("iso", "US")]}
    (us,) = listed("country", "id", **iso)
    assert us == country("US")
    assert len(listed(f"country-state/{us}", "shortCode")) == 51
    assert listed("payment-method", "technicalName", sort=[{"field": "technicalName"}]) == [
        "payment_invoicepayment", "payment_prepayment",
    ]  # fmt: skip
    (standard,) = listed("shipping-method", "id")
    shop.call("PATCH", f"/api/shipping-method/{standard}", {"active": False})
    assert listed("shipping-method", "id") == []
    assert shopper.send("POST", "country-state/none", {}).error["code"] == "FRAMEWORK__INVALID_UUID"
    assert shopper.send("POST", "country", [1]).status == 400


def test_an_address_more_is_one_s_own_and_may_be_shipped_to(shop, shopper):
    place = {"street": "9 Elm St", "city": "Akron", "zipcode": "44302", "countryId": country("US")}
    assert shopper.send("POST", "account/address", place).error["code"] == "CHECKOUT__CUSTOMER_NOT_LOGGED_IN"
    assert shopper.send("POST", "account/list-address", {}).status == 403
    Shopper(shop).register_guest()
    shopper.log_in()
    answer = shopper.send("POST", "account/address", {**place, "street": "", "city": ""})
    assert answer.pointers == ["/street", "/city"]
    added = shopper.call("POST", "account/address", place)
    assert (added["firstName"], added["street"]) == ("Grace", "9 Elm St")
    known = shopper.call("POST", "account/list-address", {})["elements"]
    assert sorted(one["street"] for one in known) == ["2 Oak", "9 Elm St"]
    shopper.call("PATCH", "context", {"shippingAddressId": added["id"]})
    placed = shopper.order(("TEA", 1))
    (order,) = shop.search("order", equals("id", placed["id"]), associations={"addresses": {}})
    assert sorted(one["street"] for one in order["addresses"]) == ["2 Oak", "9 Elm St"]
