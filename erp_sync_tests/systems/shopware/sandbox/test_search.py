"""Criteria: what is found, how it is counted, and what is complained about."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.sandbox.clock import ManualClock
from erp_sync_tests.systems.shopware.sandbox.conftest import ShopUnderTest, equals

ALL = {"MUG", "TEA", "SHIRT", "SHIRT-S", "SHIRT-M", "OLD"}


def skus(shop, *filters, **criteria):
    return {row["productNumber"] for row in shop.search("product", *filters, **criteria)}


def range_(field, **parameters):
    return {"type": "range", "field": field, "parameters": parameters}


def multi(operator, *queries):
    return {"type": "multi", "operator": operator, "queries": list(queries)}


def not_(operator, *queries):
    return {"type": "not", "operator": operator, "queries": list(queries)}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([equals("productNumber", "mug")], {"MUG"}),  # texts are compared without case
        ([equals("product.active", False)], {"OLD"}),
        ([equals("parentId", None)], ALL - {"SHIRT-S", "SHIRT-M"}),
        ([{"type": "equalsAny", "field": "productNumber", "value": ["MUG", "TEA"]}], {"MUG", "TEA"}),
        ([{"type": "equalsAny", "field": "productNumber", "value": "MUG|TEA"}], {"MUG", "TEA"}),
        ([{"type": "contains", "field": "name", "value": "hirt"}], {"SHIRT", "SHIRT-S", "SHIRT-M"}),
        ([{"type": "prefix", "field": "productNumber", "value": "SHIRT-"}], {"SHIRT-S", "SHIRT-M"}),
        ([{"type": "suffix", "field": "productNumber", "value": "-S"}], {"SHIRT-S"}),
        ([{"type": "contains", "field": "name", "value": "%"}], set()),
        ([range_("stock", gte=10)], {"MUG", "TEA"}),
        ([range_("stock", gt=15)], {"TEA"}),
        ([range_("stock", gt=15, gte=0)], {"TEA"}),  # of both, gt wins
        ([range_("weight", gte=0.5, lt=1)], {"TEA"}),
        ([multi("or", equals("productNumber", "MUG"), range_("stock", gt=50))], {"MUG", "TEA"}),
        ([not_("and", equals("manufacturerId", None))], {"MUG"}),
        ([not_("or", equals("productNumber", "MUG"), range_("stock", gt=50))], ALL - {"MUG", "TEA"}),
        ([equals("manufacturer.name", "Acme")], {"MUG"}),
        ([equals("manufacturer.name", None)], ALL - {"MUG"}),
        ([not_("and", equals("manufacturer.name", "Acme"))], ALL - {"MUG"}),
        ([equals("categories.name", "Kitchen")], {"MUG"}),
        ([not_("and", equals("categories.name", "Kitchen"))], ALL - {"MUG"}),
        ([equals("options.group.name", "size"), equals("options.name", "S")], {"SHIRT-S"}),
        ([equals("children.productNumber", "SHIRT-S")], {"SHIRT"}),
        ([equals("tax.taxRate", 0)], {"MUG", "TEA", "SHIRT", "OLD"}),
    ],
)  # fmt: skip
def test_filters(shop, filters, found):
    assert skus(shop, *filters) == found


def test_any_operator_but_or_is_an_and(shop):
    """The published contract does not know xor; the parser reads it as "and"."""
    query = multi("xor", equals("productNumber", "MUG"), range_("stock", gt=50))
    handled = shop.core.handle(shop.request("POST", "/api/search-ids/product", {"filter": [query]}))
    assert json.loads(handled.response.body) == {"total": 0, "data": []}


def test_conditions_on_one_association_are_about_one_row(shop):
    """A variant S with stock 3 and a variant M with none: no variant is S with none."""
    together = multi("and", equals("children.productNumber", "SHIRT-S"), equals("children.stock", 0))
    assert skus(shop, together) == set()
    apart = [multi("and", equals("children.productNumber", "SHIRT-S")), multi("and", equals("children.stock", 0))]
    assert skus(shop, *apart) == {"SHIRT"}


def test_the_total_is_the_page_unless_it_is_asked_for(shop):
    def total(**criteria):
        return shop.call("POST", "/api/search/product", criteria)["total"]

    assert total(limit=2) == 2
    assert total(limit=2, **{"total-count-mode": "exact"}) == 6
    assert total(limit=2, page=3, **{"total-count-mode": "exact"}) == 6
    assert total(limit=1, **{"total-count-mode": "next-pages"}) == 6
    assert len(shop.search("product", limit=1, total_count_mode="next-pages")) == 1


def test_a_page_without_a_limit_is_the_first_one(shop):
    assert skus(shop, page=7) == ALL


@pytest.mark.parametrize(
    ("criteria", "code", "pointer"),
    [
        ({"limit": 501}, "FRAMEWORK__QUERY_LIMIT_EXCEEDED", "/limit"),
        ({"limit": 0}, "FRAMEWORK__INVALID_LIMIT_QUERY", "/limit"),
        ({"page": 0, "limit": 5}, "FRAMEWORK__INVALID_PAGE_QUERY", "/page"),
        ({"filter": [equals("stock", 1), {"type": "near", "field": "x", "value": 1}]},
         "FRAMEWORK__INVALID_FILTER_QUERY", "/filter/1/type"),
        ({"filter": [{"type": "multi", "queries": [{"type": "equals", "field": "stock"}]}]},
         "FRAMEWORK__INVALID_FILTER_QUERY", "/filter/0/queries/0/value"),
        ({"sort": [{"order": "ASC"}]}, "FRAMEWORK__INVALID_SORT_QUERY", "/sort/0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_a_pointer(shop, criteria, code, pointer):
    answer = shop.refused("POST", "/api/search/product", criteria)
    assert (answer.status, answer.error["code"], answer.pointers) == (400, code, [pointer])


def test_all_complaints_come_at_once(shop):
    answer = shop.refused("POST", "/api/search/product", {"limit": 501, "page": -1})
    assert answer.pointers == ["/limit", "/page"]


def test_an_unknown_field_or_association_is_named(shop):
    answer = shop.refused("POST", "/api/search/product", {"filter": [equals("colour", "red")]})
    assert (answer.status, answer.error["code"]) == (400, "FRAMEWORK__UNMAPPED_FIELD")
    answer = shop.refused("POST", "/api/search/product", {"associations": {"colours": {}}})
    assert answer.error["code"] == "FRAMEWORK__ASSOCIATION_NOT_FOUND"
    answer = shop.refused("POST", "/api/search/product", {"filter": [equals("taxId", "standard")]})
    assert answer.error["code"] == "FRAMEWORK__INVALID_UUID"


def test_sorting_and_ids(shop):
    rows = shop.search("product", sort=[{"field": "stock", "order": "DESC"}, {"field": "productNumber"}])
    assert [row["productNumber"] for row in rows[:3]] == ["TEA", "MUG", "SHIRT-S"]
    ids = [row["id"] for row in rows]
    assert [row["id"] for row in shop.search("product", ids=ids[::-1])] == ids[::-1]
    assert shop.call("POST", "/api/search-ids/product", {"ids": ids[:1]})["data"] == ids[:1]


def test_natural_sorting_goes_by_length_first(shop):
    for number in ("N-9", "N-10"):
        shop.core.seed({"items": [{"sku": number, "name": number, "price": "1"}]})
    prefix = {"type": "prefix", "field": "productNumber", "value": "N-"}

    def found(natural):
        rows = shop.search("product", prefix, sort=[{"field": "productNumber", "naturalSorting": natural}])
        return [row["productNumber"] for row in rows]

    assert (found(True), found(False)) == (["N-9", "N-10"], ["N-10", "N-9"])


def test_what_is_not_reproduced_is_refused_and_not_answered_emptily(shop):
    body = {"aggregations": [{"name": "n", "type": "count", "field": "id"}]}
    assert shop.refused("POST", "/api/search/product", body).error["code"] == "SANDBOX__NOT_REPRODUCED"


def test_includes_and_fields_choose_what_is_printed(shop):
    row = shop.product(includes={"product": ["id", "tax"], "tax": ["taxRate"]})
    assert row == {"id": row["id"], "tax": {"taxRate": 0, "apiAlias": "tax"}, "apiAlias": "product"}
    row = shop.product(fields=["productNumber", "manufacturer.name"])
    assert row["manufacturer"]["name"] == "Acme"
    assert "stock" not in row


def test_a_variant_is_empty_unless_inheritance_is_asked_for(shop):
    assert shop.product("SHIRT-S")["taxId"] is None
    body = {"filter": [equals("productNumber", "SHIRT-S"), equals("active", True)]}
    (row,) = shop.call("POST", "/api/search/product", body, sw_inheritance="1")["data"]
    assert row["taxId"] == shop.product("SHIRT")["taxId"]


def test_associations_come_with_their_own_criteria(shop):
    children = {
        "children": {"filter": [equals("stock", 3)], "associations": {"options": {"associations": {"group": {}}}}}
    }
    (child,) = shop.product("SHIRT", associations=children)["children"]
    assert child["productNumber"] == "SHIRT-S"
    assert child["options"][0]["group"]["name"] == "size"
    assert shop.product("SHIRT")["children"] is None


def test_without_plain_json_it_is_json_api(shop):
    request = {"filter": [equals("productNumber", "MUG")], "associations": {"manufacturer": {}}}
    body = shop.call("POST", "/api/search/product", request, accept="*/*")
    (resource,) = body["data"]
    assert (resource["type"], resource["attributes"]["productNumber"]) == ("product", "MUG")
    assert resource["relationships"]["manufacturer"]["data"]["type"] == "product_manufacturer"
    assert {one["type"] for one in body["included"]} == {"product_manufacturer", "tax"}


VALUES = {"MUG": 15, "TEA": 100, "SHIRT": 0, "SHIRT-S": 3, "SHIRT-M": 0, "OLD": 0}
_SHOP: list[ShopUnderTest] = []


def _one_shop() -> ShopUnderTest:
    if not _SHOP:
        _SHOP.append(ShopUnderTest(ManualClock(), {}))
    return _SHOP[0]


def _leaf(operator, value):
    ways = {"eq": lambda stock: stock == value, "gte": lambda stock: stock >= value, "lt": lambda stock: stock < value}
    query = equals("stock", value) if operator == "eq" else range_("stock", **{operator: value})
    return query, ways[operator]


_LEAVES = st.builds(_leaf, st.sampled_from(["eq", "gte", "lt"]), st.sampled_from([0, 3, 15, 16, 100]))


def _joined(kind, operator, parts):
    both = {"and": all, "or": any}[operator]

    def holds(stock):
        found = both(one(stock) for _, one in parts)
        return not found if kind == "not" else found

    return {"type": kind, "operator": operator, "queries": [query for query, _ in parts]}, holds


_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.builds(
        _joined,
        st.sampled_from(["multi", "not"]),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@given(_TREES)
@settings(max_examples=60, deadline=None)
def test_nested_filters_mean_what_their_words_mean(tree):
    query, holds = tree
    assert skus(_one_shop(), query) == {sku for sku, stock in VALUES.items() if holds(stock)}
