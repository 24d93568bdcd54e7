"""Whatever is sent, the shop answers: in the vendor's form, and a refusal leaves nothing behind."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.shopware.sandbox import rooms
from erp_sync.systems.shopware.sandbox.schema import entities
from erp_sync_tests.systems.shopware.sandbox.conftest import USD, ShopUnderTest

_SHOPS: list[ShopUnderTest] = []
WRITING = sorted({route.template for route in rooms.routes() if route.method in ("POST", "PATCH", "DELETE")})
IDS = st.sampled_from(["a" * 32, USD, "nonsense", "", "F" * 32])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5), IDS,
    st.sampled_from(["2026-11-02T08:00:00Z", "10.995", "-1", "NaN", "Infinity", 10**30, 0.1]),
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def the_shop() -> ShopUnderTest:
    if not _SHOPS:
        _SHOPS.append(ShopUnderTest(ManualClock(), {}))
    return _SHOPS[0]


def answered(method, path, body):
    """Sends without the contract's check, and looks at the form of a refusal."""
    shop = the_shop()
    raw = json.dumps(body).encode()
    request = shop.request(method, path, None, sw_access_key=shop.keys["access_key"], sw_context_token="t")
    changes = shop.database.changes
    handled = shop.core.handle(type(request)(**{**vars(request), "body": raw}))
    response = handled.response
    assert 200 <= response.status < 600
    if response.status >= 400:
        for error in json.loads(response.body)["errors"]:
            assert error["status"] == str(response.status)
            assert error["code"]
        assert not handled.committed
    assert shop.database.changes >= changes
    return response


@given(st.sampled_from(WRITING), st.sampled_from(["POST", "PATCH", "DELETE"]), JSON)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_at_any_address(template, method, body):
    answered(method, template.replace("{id}", "a" * 32).replace("{", "").replace("}", ""), body)


FIELDS = st.sampled_from(
    ["id", "stock", "name", "active", "weight", "createdAt", "price", "price.gross", "customFields.x", "tax.taxRate",
     "categories.name", "options.group.name", "optionIds", "prices.quantityStart", "parent.name", "nothing", "tax", "",
     "children.prices.rule.name", "product.stock"]
)  # fmt: skip
LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["equals", "contains", "prefix", "suffix", "equalsAny", "equalsAll",
                                                    "odd", 7]), "field": FIELDS | SCALARS, "value": JSON}),
    st.fixed_dictionaries({"type": st.just("range"), "field": FIELDS,
                           "parameters": st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "ge"]), SCALARS)}),
)  # fmt: skip
FILTERS = st.recursive(
    LEAVES | JSON,
    lambda inner: st.fixed_dictionaries({
        "type": st.sampled_from(["multi", "not", "and", "or", "nor"]),
        "operator": st.sampled_from(["and", "or", "xor", 1]),
        "queries": st.lists(inner, max_size=3)}),
    max_leaves=5,
)  # fmt: skip
CRITERIA = st.fixed_dictionaries({}, optional={
    "filter": st.lists(FILTERS, max_size=3) | JSON,
    "sort": st.lists(st.fixed_dictionaries({"field": FIELDS, "order": st.sampled_from(["ASC", "DESC", "x"])})) | JSON,
    "limit": st.integers(-1, 600) | SCALARS, "page": st.integers(-1, 5) | SCALARS, "ids": JSON,
    "total-count-mode": st.sampled_from(["none", "exact", "next-pages", 1, 9]),
    "associations": st.dictionaries(st.sampled_from(["tax", "prices", "options", "odd"]), JSON, max_size=2) | JSON,
    "includes": JSON, "fields": JSON, "grouping": st.lists(FIELDS, max_size=1) | JSON,
})  # fmt: skip


@given(CRITERIA)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_criteria(criteria):
    answered("POST", "/api/search/product", criteria)


@st.composite
def rows(draw, name):
    """A row of an entity with some of its fields, right or wrong, and some of its associations."""
    entity = entities()[name]
    made = {one: draw(JSON) for one in draw(st.sets(st.sampled_from(sorted(entity.fields)), max_size=5))}
    ways = sorted(entity.associations) or ["nothing"]
    for one in draw(st.sets(st.sampled_from(ways), max_size=2)):
        made[one] = draw(JSON)
    return made


OPERATIONS = st.sampled_from(sorted(entities())).flatmap(
    lambda name: st.fixed_dictionaries({
        "entity": st.just(name), "action": st.sampled_from(["upsert", "delete"]),
        "payload": st.lists(rows(name), min_size=1, max_size=3) | JSON})
)  # fmt: skip


@given(st.lists(OPERATIONS, min_size=1, max_size=3))
@example([{"entity": "product_category", "action": "upsert", "payload": [{"productId": "a" * 32}]}])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sync(operations):
    answered("POST", "/api/_action/sync", operations)
