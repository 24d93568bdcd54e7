"""Sync is all or nothing, single writes have their quirks, and what moves updatedAt is what moves it in life."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.shopware.sandbox.bootstrap import GROUP, SALES_CHANNEL, TAX, country
from erp_sync.systems.shopware.sandbox.names import LANGUAGE
from erp_sync_tests.systems.shopware.sandbox.conftest import USD, ShopUnderTest, equals, price
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper


def pen(**more):
    return {"productNumber": "PEN", "name": "Pen", "taxId": TAX, "stock": 7, "price": [price(10.995)], **more}


def test_a_new_product_is_there_at_once_with_its_exact_price(shop):
    done = shop.upsert("product", pen(id="a" * 32, visibilities=[{"salesChannelId": SALES_CHANNEL, "visibility": 30}]))
    assert done["data"]["product"] == ["a" * 32]
    assert done["notFound"] == []
    row = shop.product("PEN", associations={"visibilities": {}})
    assert (row["stock"], row["availableStock"], row["available"]) == (7, 7, True)
    assert row["price"] == [{"currencyId": USD, "gross": Decimal("10.995"), "net": Decimal("10.995"), "linked": False}]
    assert row["visibilities"][0]["visibility"] == 30
    assert row["createdAt"] == "2026-11-02T08:00:00.000+00:00"


def test_the_same_id_again_is_an_update(shop, clock):
    shop.upsert("product", pen(id="a" * 32))
    clock.advance(60)
    shop.upsert("product", {"id": "a" * 32, "stock": 9})
    row = shop.product("PEN")
    assert (row["stock"], row["name"]) == (9, "Pen")
    assert row["updatedAt"] == "2026-11-02T08:01:00.000+00:00"


def test_one_bad_row_rolls_back_the_whole_request(shop):
    mug = shop.product()
    body = {
        "stock": {"entity": "product", "action": "upsert", "payload": [{"id": mug["id"], "stock": 1}]},
        "new": {"entity": "product", "action": "upsert", "payload": [pen(), {"productNumber": "X", "stock": "many"}]},
    }
    answer = shop.refused("POST", "/api/_action/sync", body)
    assert answer.status == 400
    assert set(answer.pointers) == {"/new/1/name", "/new/1/price", "/new/1/taxId", "/new/1/stock"}
    assert answer.error["code"] in ("c1051bb4-d103-4f74-8988-acbcafc7fdc3", "ba785a8c-82cb-4283-967c-3cf342181b40")
    assert "title" not in answer.error
    assert shop.product()["stock"] == 15
    assert shop.search("product", equals("productNumber", "PEN")) == []


def test_a_reference_to_nothing_is_the_database_s_own_error(shop):
    mug = shop.product()
    operations = [
        {"entity": "product", "action": "upsert", "payload": [{"id": mug["id"], "stock": 1}]},
        {"entity": "product", "action": "upsert", "payload": [pen(taxId="f" * 32)]},
    ]
    answer = shop.refused("POST", "/api/_action/sync", operations)
    assert answer.status == 500
    assert "SQLSTATE[23000]" in answer.error["detail"]
    assert shop.product()["stock"] == 15


def test_a_product_number_is_there_once(shop):
    answer = shop.refused("POST", "/api/product", pen(productNumber="MUG"))
    assert (answer.status, answer.error["code"]) == (400, "CONTENT__DUPLICATE_PRODUCT_NUMBER")
    assert answer.error["meta"]["parameters"] == {"number": "MUG"}


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"price": [{"currencyId": USD, "gross": 1, "linked": False}]}, "/0/price/0/net"),
        ({"price": [{"currencyId": USD, "gross": "cheap", "net": 1, "linked": False}]}, "/0/price/0/gross"),
        ({"price": [price(1, currency="e" * 32)]}, "/0/price"),
        ({"stock": 1.5}, "/0/stock"),
        ({"name": ""}, "/0/name"),
        ({"availableStock": 3}, "/0/availableStockavailableStock"),  # the vendor names the field twice
    ],
)
def test_a_wrong_value_is_named(shop, row, pointer):
    answer = shop.refused("POST", "/api/product", {**pen(), **row})
    assert answer.pointers == [pointer]


def test_an_unknown_field_is_passed_over_in_silence(shop):
    handled = shop.core.handle(shop.request("POST", "/api/product", pen(colour="red")))
    assert handled.response.status == 204


def test_a_patch_of_what_is_not_there(shop):
    answer = shop.refused("PATCH", f"/api/product/{'b' * 32}", {"stock": 1})
    assert (answer.status, answer.error["code"]) == (400, "FRAMEWORK__WRITE_TYPE_INTEND_ERROR")
    assert shop.refused("DELETE", f"/api/product/{'b' * 32}").error["code"] == "FRAMEWORK__RESOURCE_NOT_FOUND"
    assert shop.refused("GET", f"/api/product/{'b' * 32}").status == 404


def test_a_post_answers_nothing_but_where_it_is(shop):
    answer = shop.send(shop.request("POST", "/api/product", pen(id="a" * 32)))
    assert (answer.status, answer.body) == (204, None)
    assert answer.response.headers["location"].endswith(f"/api/product/{'a' * 32}")
    body = shop.call("PATCH", f"/api/product/{'a' * 32}?_response=basic", {"stock": 2})
    assert body["data"]["stock"] == 2
    assert shop.refused("POST", "/api/product", [pen()]).status == 400


def test_a_foreign_key_is_found_by_its_number(shop):
    rule = {"id": "c" * 32, "name": "Trade", "priority": 1}
    shop.upsert("rule", rule)
    by_number = {"resolver": "product.number", "value": "MUG"}
    row = {"productId": by_number, "ruleId": rule["id"], "quantityStart": 1, "price": [price(9)]}
    done = shop.upsert("product_price", row)
    assert done["data"]["product"] == [shop.product()["id"]]  # the owner is named, too
    row["productId"] = {"resolver": "product.number", "value": "NONE"}
    answer = shop.refused(
        "POST", "/api/_action/sync", {"p": {"entity": "product_price", "action": "upsert", "payload": [row]}}
    )
    assert answer.error["code"] == "FRAMEWORK__API_INVALID_SYNC_RESOLVERS"
    assert answer.error["meta"]["parameters"]["pointer-0"] == "p/0/productId"


def test_prices_without_ids_pile_up(shop):
    """No key on (product, rule, start): the same row twice is two rows."""
    shop.upsert("rule", {"id": "c" * 32, "name": "Trade", "priority": 1})
    row = {"productId": shop.product()["id"], "ruleId": "c" * 32, "quantityStart": 1, "price": [price(9)]}
    shop.upsert("product_price", row)
    shop.upsert("product_price", row)
    assert len(shop.search("product-price", equals("ruleId", "c" * 32))) == 2


def test_a_delete_by_criteria_and_of_what_is_not_there(shop):
    done = shop.sync({"entity": "product", "action": "delete", "criteria": [equals("productNumber", "TEA")]})
    assert len(done["deleted"]["product"]) == 1
    done = shop.sync({"entity": "product", "action": "delete", "payload": [{"id": "d" * 32}]})
    assert done["notFound"] == {"product": ["d" * 32]}
    assert done["deleted"] == []


def test_variants_go_with_their_parent_and_a_rule_in_use_stays(shop):
    shop.call("DELETE", f"/api/product/{shop.product('SHIRT')['id']}")
    assert shop.search("product", equals("productNumber", "SHIRT-S")) == []
    shop.upsert("rule", {"id": "c" * 32, "name": "Trade", "priority": 1})
    shop.upsert(
        "product_price",
        {"productId": shop.product()["id"], "ruleId": "c" * 32, "quantityStart": 1, "price": [price(9)]},
    )
    answer = shop.refused("DELETE", f"/api/rule/{'c' * 32}")
    assert (answer.status, answer.error["code"]) == (409, "FRAMEWORK__DELETE_RESTRICTED")


def test_a_customer_is_new_and_never_updated_until_it_is(shop, clock):
    """updatedAt is null at first; a child's write does not move the parent, the parent's own does."""
    (grace,) = shop.search("customer", equals("email", "grace@example.com"), associations={"addresses": {}})
    assert grace["updatedAt"] is None
    assert "password" not in grace
    clock.advance(60)
    shop.call("PATCH", f"/api/customer-address/{grace['addresses'][0]['id']}", {"city": "Dallas"})
    (grace,) = shop.search("customer", equals("email", "grace@example.com"), associations={"addresses": {}})
    assert grace["updatedAt"] is None
    assert grace["addresses"][0]["updatedAt"] == "2026-11-02T08:01:00.000+00:00"
    changed = [{"type": "range", "field": "addresses.updatedAt", "parameters": {"gte": "2026-11-02T08:00:30Z"}}]
    assert len(shop.search("customer", *changed)) == 1
    shop.call("PATCH", f"/api/customer/{grace['id']}", {"customFields": {"erp": "C-1"}})
    shop.call("PATCH", f"/api/customer/{grace['id']}", {"customFields": {"terms": "N30"}})
    (grace,) = shop.search("customer", equals("customFields.erp", "C-1"))
    assert grace["customFields"] == {"erp": "C-1", "terms": "N30"}
    assert grace["updatedAt"] == "2026-11-02T08:01:00.000+00:00"


def test_an_indexed_price_moves_its_product_and_one_that_is_not_does_not(shop, clock):
    shop.upsert("rule", {"id": "c" * 32, "name": "Trade", "priority": 1})
    mug = shop.product()
    row = {"productId": mug["id"], "ruleId": "c" * 32, "quantityStart": 1, "price": [price(9)]}
    clock.advance(60)
    shop.upsert("product_price", row, indexing_behavior="disable-indexing")
    assert shop.product()["updatedAt"] == mug["updatedAt"]
    shop.upsert("product_price", row)
    assert shop.product()["updatedAt"] == "2026-11-02T08:01:00.000+00:00"


def test_queued_indexing_trails_by_its_lag(open_shop, clock):
    shop = open_shop(index_lag_seconds=30)
    before = shop.product()["updatedAt"]
    clock.advance(60)
    row = {"id": shop.product()["id"], "categories": [{"id": shop.search("category")[0]["id"]}]}
    shop.upsert("product", row, indexing_behavior="use-queue-indexing")
    ids = shop.product()["categoryIds"]
    clock.advance(29)
    assert shop.product()["categoryIds"] == ids
    clock.advance(1)
    assert len(shop.product()["categoryIds"]) == 2
    assert shop.product()["updatedAt"] > before


def test_numbers_are_given_once(shop):
    path = f"/api/_action/number-range/reserve/order/{SALES_CHANNEL}"
    assert shop.call("GET", f"{path}?preview=1")["number"] == shop.call("GET", path)["number"] == "10000"
    assert shop.call("GET", path)["number"] == "10001"


def test_what_the_journal_says(shop):
    handled = shop.send(shop.request("POST", "/api/product", pen())).handled
    assert handled.committed
    told = [(one.entity, one.document, one.change) for one in handled.commits]
    assert told == [(name, "PEN", "create") for name in ("product", "product.stock", "product.price")]


@pytest.mark.parametrize(
    ("operation", "flow"),
    [
        ({"entity": "product", "action": "upsert", "payload": [{"id": "a" * 32, "stock": 1}]}, "inventory"),
        ({"entity": "product", "action": "upsert", "payload": [pen()]}, "products"),
        ({"action": "delete", "entity": "product_price", "payload": [{"id": "a" * 32}]}, "pricing"),
        ({"entity": "tax", "action": "upsert", "payload": [{}]}, ""),
    ],
)
def test_a_sync_is_reported_for_what_it_writes(shop, operation, flow):
    assert shop.core.classify(shop.request("POST", "/api/_action/sync", [operation])).flow == flow


_ONE: list[ShopUnderTest] = []


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.integers(-5, 50), st.just("many"))), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_sync_writes_all_rows_or_none(rows):
    """Whatever a request holds: afterwards every good row is there, or, with one bad row, none."""
    if not _ONE:
        _ONE.append(ShopUnderTest(ManualClock(), {}))
    shop = _ONE[0]
    ids = [row["id"] for row in shop.search("product", sort=[{"field": "productNumber"}])]
    before = {row["id"]: row["stock"] for row in shop.search("product")}
    payload = [{"id": ids[index], "stock": stock} for index, stock in rows]
    body = [{"entity": "product", "action": "upsert", "payload": payload}]
    handled = shop.core.handle(shop.request("POST", "/api/_action/sync", body))
    bad = any(stock == "many" for _, stock in rows)
    assert handled.response.status == (400 if bad else 200)
    wanted = before if bad else before | {ids[index]: stock for index, stock in rows}
    assert {row["id"]: row["stock"] for row in shop.search("product")} == wanted


def customer(**more):
    """A customer as an integration writes one: its default addresses are nested."""
    place = {"id": "1" * 32, "firstName": "B", "lastName": "Olt", "street": "1 Main", "city": "Dayton",
             "countryId": country("US")}  # fmt: skip
    return {"id": "c" * 32, "groupId": GROUP, "salesChannelId": SALES_CHANNEL, "languageId": LANGUAGE,
            "customerNumber": "C-1", "firstName": "B", "lastName": "Olt", "email": "b@example.com", "company": "Bolt",
            "defaultBillingAddress": place, "defaultShippingAddressId": "1" * 32, **more}  # fmt: skip


def test_a_customer_is_written_with_its_addresses(shop):
    other = {"id": "2" * 32, "firstName": "B", "lastName": "Olt", "street": "2 Side", "city": "Dayton"}
    shop.upsert("customer", customer(addresses=[{**other, "countryId": country("US")}]))
    (found,) = shop.search("customer", equals("customerNumber", "C-1"), associations={"addresses": {}, "group": {}})
    assert (found["defaultBillingAddressId"], found["company"], found["guest"]) == ("1" * 32, "Bolt", False)
    assert {one["id"] for one in found["addresses"]} == {"1" * 32, "2" * 32}
    assert found["group"]["displayGross"] is True
    again = shop.upsert("customer", customer(firstName="Bob"))
    assert again["data"]["customer"] == ["c" * 32]
    assert len(shop.search("customer-address", equals("customerId", "c" * 32))) == 2


def test_what_is_missing_of_a_nested_address_is_named_where_it_is(shop):
    row = customer()
    del row["defaultBillingAddress"]["city"]
    answer = shop.refused(
        "POST", "/api/_action/sync", {"c": {"entity": "customer", "action": "upsert", "payload": [row]}}
    )
    assert answer.pointers == ["/c/0/defaultBillingAddress/city"]


def test_a_nested_row_without_an_id_belongs_to_its_owner(shop):
    row = customer()
    del row["id"], row["defaultBillingAddress"]["id"]
    row["defaultShippingAddressId"] = "3" * 32
    shop.call("POST", "/api/customer", row)
    (found,) = shop.search("customer", equals("customerNumber", "C-1"), associations={"addresses": {}})
    assert [one["id"] for one in found["addresses"]] == [found["defaultBillingAddressId"]]


def test_a_product_written_without_indexing_waits_to_be_caught_up(shop):
    shop.upsert("product", pen(id="a" * 32), indexing_behavior="disable-indexing")
    row = shop.product("PEN")
    assert (row["available"], row["updatedAt"]) == (False, None)
    shop.call("POST", "/api/_action/index-products", {"ids": ["a" * 32]})
    row = shop.product("PEN")
    assert row["available"] is True
    assert row["updatedAt"] is not None


def test_what_is_in_the_way_of_a_delete_is_so_though_the_same_request_deletes_it(shop):
    """EntityWriter::sync extracts all commands, and checks restrictions, before it runs the first."""
    price = {"currencyId": USD, "gross": 1, "net": 1, "linked": False}
    row = {"id": "2" * 32, "productId": shop.product()["id"], "ruleId": "1" * 32, "quantityStart": 1, "price": [price]}
    shop.sync({"entity": "rule", "action": "upsert", "payload": [{"id": "1" * 32, "name": "Trade", "priority": 1}]},
              {"entity": "product_price", "action": "upsert", "payload": [row]})  # fmt: skip
    prices, rule = ({"entity": entity, "action": "delete", "payload": [{"id": identity * 32}]}
                    for entity, identity in (("product_price", "2"), ("rule", "1")))  # fmt: skip
    assert shop.refused("POST", "/api/_action/sync", [prices, rule]).error["code"] == "FRAMEWORK__DELETE_RESTRICTED"
    assert len(shop.search("product-price")) == 1
    shop.sync(prices)
    shop.sync(rule)
    assert shop.search("rule") == []


def test_a_customer_s_tag_ids_follow_the_mapping_whoever_writes_it(shop):
    """EntityWriteResultFactory::resolveDelete: a mapping's delete is an update of both sides, which are indexed."""

    def tags():
        (found,) = shop.search("customer", equals("email", "grace@example.com"))
        return found["tagIds"]

    (grace,) = shop.search("customer", equals("email", "grace@example.com"))
    links = [{"customerId": grace["id"], "tagId": digit * 32} for digit in "12"]
    named = [{"id": digit * 32, "name": digit} for digit in "12"]
    shop.sync({"entity": "tag", "action": "upsert", "payload": named},
              {"entity": "customer_tag", "action": "upsert", "payload": links})  # fmt: skip
    assert tags() == ["1" * 32, "2" * 32]
    for left, link in zip((["2" * 32], None), links, strict=True):
        shop.sync({"entity": "customer_tag", "action": "delete", "payload": [link]})
        assert tags() == left


def test_a_customer_who_is_deleted_leaves_the_orders(shop):
    shopper = Shopper(shop).log_in()
    placed = shopper.order(("TEA", 1))
    (grace,) = shop.search("customer", equals("email", "grace@example.com"))
    shop.call("DELETE", f"/api/customer/{grace['id']}")
    (order,) = shop.search("order", equals("id", placed["id"]), associations={"orderCustomer": {}})
    assert (order["orderCustomer"]["customerId"], order["orderCustomer"]["email"]) == (None, "grace@example.com")


def test_a_method_that_an_address_does_not_have(shop):
    answer = shop.refused("PUT", "/api/product", {})
    assert (answer.status, answer.error["title"]) == (405, "Method Not Allowed")
    assert answer.response.headers["allow"] == "GET, POST"
