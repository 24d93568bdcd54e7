"""searchCriteria: conditions, groups, pages, and what a list does when it is asked badly."""

from __future__ import annotations

import pytest

from erp_sync_tests.systems.magento.sandbox.conftest import search


@pytest.fixture
def orders(shop, clock):
    """Three orders, a minute apart: 2 mugs, 1 tea, 1 e-book; the last is cancelled."""
    for item in (shop.item("MUG", 2), shop.item("TEA"), shop.item("EBOOK")):
        shop.order(item)
        clock.advance(60)
    shop.call("POST", "/V1/orders/3/cancel")
    return shop


def found(shop, *filters, **more):
    answer = shop.call("GET", "/V1/orders" + search(*filters, **more))
    return [item["increment_id"][-1] for item in answer["items"]], answer["total_count"]


@pytest.mark.parametrize(
    ("field", "condition", "value", "expected"),
    [
        ("increment_id", "eq", "000000002", ["2"]),
        ("increment_id", "neq", "000000002", ["1", "3"]),
        ("grand_total", "gt", "60", ["1"]),
        ("grand_total", "lteq", "20", ["2", "3"]),
        ("entity_id", "in", "1,3", ["1", "3"]),
        ("entity_id", "nin", "1,3", ["2"]),
        ("state", "like", "can%", ["3"]),
        ("state", "nlike", "can%", ["1", "2"]),
        ("coupon_code", "null", "", ["1", "2", "3"]),
        ("shipping_description", "notnull", "", ["1", "2"]),
        ("applied_rule_ids", "finset", "7", []),
        ("created_at", "gteq", "2026-11-02 08:01:00", ["2", "3"]),
        ("created_at", "lt", "2026-11-02 08:01:00", ["1"]),
        ("created_at", "from", "2026-11-02T08:01:00Z", ["2", "3"]),
        ("updated_at", "to", "2026-11-02 08:00:00", ["1"]),
    ],
)
def test_every_condition(orders, field, condition, value, expected):
    assert found(orders, (field, condition, value)) == (expected, len(expected))


@pytest.mark.parametrize("condition", ["moreq", "GTEQ", "greater"])
def test_a_condition_that_there_is_not_is_equality_without_a_word(orders, condition):
    assert found(orders, ("entity_id", condition, "2")) == (["2"], 1)
    echo = orders.call("GET", "/V1/orders" + search(("entity_id", condition, "2")))["search_criteria"]
    assert echo["filter_groups"][0]["filters"][0]["condition_type"] == condition


def test_groups_are_and_filters_in_a_group_are_or(orders):
    place = "searchCriteria[filter_groups][0][filters]"
    either = (
        f"{place}[0][field]=increment_id&{place}[0][value]=000000001"
        f"&{place}[1][field]=state&{place}[1][value]=canceled"
        "&searchCriteria[filter_groups][1][filters][0][field]=entity_id"
        "&searchCriteria[filter_groups][1][filters][0][value]=2"
        "&searchCriteria[filter_groups][1][filters][0][condition_type]=gt"
    )
    items = orders.call("GET", f"/V1/orders?{either}")["items"]
    assert [item["entity_id"] for item in items] == [3]


def test_pages_end_empty_and_page_zero_is_the_first(orders):
    newest_first = {"sortOrders][0][field": "entity_id", "sortOrders][0][direction": "DESC", "pageSize": 2}
    assert found(orders, currentPage=1, **newest_first) == (["3", "2"], 3)
    assert found(orders, currentPage=2, **newest_first) == (["1"], 3)
    assert found(orders, currentPage=3, **newest_first) == ([], 3)
    assert found(orders, currentPage=0, **newest_first) == (["3", "2"], 3)


def test_camel_and_snake_case_mean_the_same(orders):
    place = "searchCriteria[filterGroups][0][filters][0]"
    query = f"?{place}[field]=state&{place}[value]=new"
    assert orders.call("GET", f"/V1/orders{query}&searchCriteria[page_size]=1")["total_count"] == 2


def test_the_criteria_are_echoed(orders):
    echo = orders.call("GET", "/V1/orders" + search(("state", "eq", "new"), pageSize=1))["search_criteria"]
    filters = [{"field": "state", "value": "new", "condition_type": "eq"}]
    assert echo == {"filter_groups": [{"filters": filters}], "page_size": 1}


def test_a_list_without_criteria_is_refused(orders):
    answer = orders.refused("GET", "/V1/orders")
    assert answer.status == 400
    assert answer.body == {
        "message": '"%fieldName" is required. Enter and try again.',
        "parameters": {"fieldName": "searchCriteria"},
    }


def test_fields_trim_the_answer(orders):
    trimmed = orders.call("GET", "/V1/orders" + search() + "&fields=items[increment_id,items[sku]],total_count")
    assert trimmed["items"][1] == {"increment_id": "000000002", "items": [{"sku": "TEA"}]}
    assert orders.call("GET", "/V1/orders/1?fields=status,payment[method]") == {
        "status": "pending",
        "payment": {"method": "checkmo"},
    }


def test_an_unknown_column_is_an_internal_error_of_orders_and_a_message_of_products(orders):
    answer = orders.refused("GET", "/V1/orders" + search(("nonsense", "eq", "1")))
    assert answer.status == 500
    assert answer.message.startswith("Internal Error. Details are available in Magento log file. Report ID: webapi-")
    answer = orders.refused("GET", "/V1/products" + search(("nonsense", "eq", "1")))
    assert (answer.status, answer.body) == (400, {"message": "Invalid attribute name: %1", "parameters": ["nonsense"]})


def test_input_limits_give_a_default_page_and_refuse_a_large_one(open_shop):
    shop = open_shop(input_limits=True)
    page = shop.call("GET", "/V1/inventory/source-items" + search())
    assert page["search_criteria"]["page_size"] == 20
    answer = shop.refused("GET", "/V1/products" + search(pageSize=301))
    assert (answer.status, answer.body["parameters"]) == (400, {"max": 300})


def test_the_window_has_a_resolution_of_one_second(orders, clock):
    clock.advance(0.4)
    orders.call("POST", "/V1/orders/1/hold")
    clock.advance(0.4)
    orders.call("POST", "/V1/orders/2/hold")
    rows = orders.call("GET", "/V1/orders" + search(("entity_id", "in", "1,2")))["items"]
    assert len({row["updated_at"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("eq", "12345678901234.5678", ["large"]),
        ("eq", "12345678901234.5679", []),
        ("gt", "12345678901234.5677", ["large"]),
        ("gt", "12345678901234.5678", []),
        ("lt", "12345678901234.5679", ["noisy", "small", "large"]),
        ("eq", "10.995", ["noisy"]),
        ("eq", "10.9950", ["noisy"]),
        ("gteq", "10.99500000000001", ["large"]),
        ("lteq", "10.994999999999999", ["small"]),
        ("in", "10.995,9", ["noisy", "small"]),
        ("gt", "no number", ["noisy", "small", "large"]),
    ],
)
def test_decimals_are_compared_exactly(shop, condition, value, expected):
    """Floating point takes 12345678901234.5678 and ...5679 for one number, and orders text otherwise than numbers."""
    for sku, quantity in (("noisy", "10.9950"), ("small", "9.0000"), ("large", "12345678901234.5678")):
        row = {"sku": sku, "source_code": "east", "quantity": quantity, "status": 1}
        shop.database.insert("inventory_source_item", row)
    names = ("noisy", "small", "large")
    answer = shop.call(
        "GET", "/V1/inventory/source-items" + search(("quantity", condition, value), ("sku", "in", ",".join(names)))
    )
    assert sorted((item["sku"] for item in answer["items"]), key=names.index) == expected


def test_decimals_are_sorted_as_numbers(shop):
    prices = {"MUG": "10.995", "TEA": "9.5", "EBOOK": "100"}
    for sku, price in prices.items():
        shop.database.update("catalog_product_entity", {"sku": sku}, {"price": price})
    asked = search(("sku", "in", ",".join(prices)))
    order = "&searchCriteria[sortOrders][0][field]=price&searchCriteria[sortOrders][0][direction]=ASC"
    items = shop.call("GET", f"/V1/products{asked}{order}")["items"]
    assert [item["sku"] for item in items] == ["TEA", "MUG", "EBOOK"]
