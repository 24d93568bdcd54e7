"""Which price a customer pays: the order of sources, tiers and their faults, currencies, taxes, dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.pricing.rules import Scope, holds, tree
from erp_sync_tests.systems.shopware.sandbox.conftest import ShopUnderTest, equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper

GRACE = "grace@example.com"


def condition(kind, **value):
    return {"type": "orContainer", "children": [{"type": "andContainer", "children": [{"type": kind, "value": value}]}]}


def everybody():
    return condition("alwaysValid")


def only(*numbers):
    return condition("customerCustomerNumber", operator="=", numbers=list(numbers))


def tier(sku, rule, gross, start=1, end=None, **more):
    return {"sku": sku, "rule": rule, "gross": gross, "quantity_start": start, "quantity_end": end, **more}


def seed(shop, *rules, **data):
    """Rules as (name, priority, condition); the rest as `seed.load` takes it."""
    rows = [{"name": name, "priority": priority, "conditions": [condition]} for name, priority, condition in rules]
    shop.core.seed({"rules": rows, **data})


@pytest.fixture
def grace(shop) -> Shopper:
    return Shopper(shop).log_in()


def test_without_rules_the_product_s_own_price_counts(shop, grace):
    page = grace.page()
    assert page["calculatedPrice"]["unitPrice"] == Decimal("29.95")
    assert page["calculatedPrices"] == []
    assert grace.unit("MUG", 3) == Decimal("29.95")
    assert "purchasePrices" not in page  # what it cost is nobody's business
    assert "price" not in page


def test_the_first_matching_rule_wins_whole_and_not_the_cheapest(shop, grace):
    seed(shop, ("low", 1, everybody()), ("high", 9, everybody()), ("others", 99, only("99999")),
         prices=[tier("MUG", "low", 10), tier("MUG", "high", 20, 1, 4), tier("MUG", "high", 18, 5),
                 tier("MUG", "others", 1)])  # fmt: skip
    assert [grace.unit("MUG", quantity) for quantity in (1, 4, 5, 50)] == [20, 20, 18, 18]
    page = grace.page()
    assert page["calculatedPrice"]["unitPrice"] == Decimal("29.95")  # ignores rules
    assert [(one["quantity"], one["unitPrice"]) for one in page["calculatedPrices"]] == [(4, 20), (5, 18)]


def test_a_rule_that_changes_counts_at_once(shop, grace):
    seed(
        shop,
        ("low", 1, everybody()),
        ("high", 9, everybody()),
        prices=[tier("MUG", "low", 10), tier("MUG", "high", 20)],
    )
    assert grace.unit("MUG", 1) == 20
    shop.call("PATCH", f"/api/rule/{fixed_id('rule', 'low')}", {"priority": 10})
    assert grace.unit("MUG", 1) == 10
    (condition,) = shop.search(
        "rule-condition", equals("ruleId", fixed_id("rule", "low")), equals("type", "alwaysValid")
    )
    shop.call(
        "PATCH", f"/api/rule-condition/{condition['id']}", {"type": "customerLoggedIn", "value": {"isLoggedIn": False}}
    )
    assert grace.unit("MUG", 1) == 20
    shop.core.reset()
    assert shop.core.shop.rules.matching(Scope("g", "c", "s", "k", datetime(2026, 11, 2, tzinfo=UTC))) == []


def test_individual_rules_for_tags_are_for_who_has_one_of_them(shop, grace):
    tags = [{"id": fixed_id("tag", "gold"), "name": "gold"}]
    deal = {"name": "gold", "target": "tags", "actionType": "to_fixed", "actionAmount": 4, "tags": tags}
    someone = {"email": "t@example.com", "password": "Password1", "tags": ["gold"]}
    seed(shop, customers=[someone], individual_prices=[deal])
    assert (Shopper(shop).log_in("t@example.com").unit("MUG", 1), grace.unit("MUG", 1)) == (4, Decimal("29.95"))


def test_a_matching_rule_without_a_price_of_the_product_is_passed_over(shop, grace):
    seed(
        shop, ("high", 9, everybody()), ("low", 1, everybody()), prices=[tier("TEA", "high", 1), tier("MUG", "low", 10)]
    )
    assert grace.unit("MUG", 1) == 10


def test_below_the_first_tier_the_first_tier_counts(shop, grace):
    """The fault that a price engine must know of: from 10 on means from 1 on, where there is nothing else."""
    seed(shop, ("trade", 1, everybody()), prices=[tier("MUG", "trade", 8, 10, 19), tier("MUG", "trade", 7, 20)])
    assert [grace.unit("MUG", quantity) for quantity in (1, 9, 10, 20, 99)] == [8, 8, 8, 7, 7]


def test_of_duplicate_tiers_one_stands_before_the_other_for_good(shop, grace):
    seed(shop, ("trade", 1, everybody()), prices=[tier("MUG", "trade", 8), tier("MUG", "trade", 6)])
    first = grace.unit("MUG", 1)
    assert first in (6, 8)
    assert grace.unit("MUG", 7) == {8: 6, 6: 8}[first]  # an open tier is known by its start: past it the last counts


def test_a_rule_without_conditions_or_with_an_unknown_one_matches_nobody(shop, grace):
    shop.core.seed({"rules": [{"name": "empty", "priority": 9}, {"name": "odd", "priority": 8,
                                                                 "conditions": [condition("moonPhase", phase="full")]}],
                    "prices": [tier("MUG", "empty", 1), tier("MUG", "odd", 2)]})  # fmt: skip
    assert grace.unit("MUG", 1) == Decimal("29.95")
    (rule,) = shop.search("rule", equals("name", "odd"))
    assert rule["invalid"] is True


def test_a_variant_has_its_parent_s_prices_until_it_has_its_own(shop, grace):
    seed(shop, ("trade", 1, everybody()), prices=[tier("SHIRT", "trade", 5)])
    assert grace.unit("SHIRT-S", 1) == 5
    seed(shop, prices=[tier("SHIRT-S", "trade", 4)])
    assert (grace.unit("SHIRT-S", 1), grace.unit("SHIRT-M", 1)) == (4, 5)


def test_rules_know_group_number_and_tag(shop, clock):
    someone = {"email": "t@example.com", "group": "Trade", "password": "Password1", "number": "C-77", "tags": ["gold"]}
    shop.core.seed({"customer_groups": [{"name": "Trade"}], "customers": [someone]})
    group, tag = fixed_id("customer_group", "Trade"), fixed_id("tag", "gold")
    seed(
        shop,
        ("group", 3, condition("customerCustomerGroup", operator="=", customerGroupIds=[group])),
        ("number", 2, only("c-77")),
        ("tag", 1, condition("customerTag", operator="=", identifiers=[tag])),
        prices=[tier("MUG", "group", 3), tier("TEA", "number", 2), tier("SHIRT-S", "tag", 1)],
    )
    trade, guest = Shopper(shop).log_in("t@example.com"), Shopper(shop)
    assert [trade.unit(sku, 1) for sku in ("MUG", "TEA", "SHIRT-S")] == [3, 2, 1]
    assert [guest.unit(sku, 1) for sku in ("MUG", "TEA", "SHIRT-S")] == [Decimal("29.95"), Decimal("3.33"), 15]


def test_a_date_range_without_times_holds_to_the_end_of_its_last_day(shop, grace, clock):
    days = condition(
        "dateRange", fromDate="2026-11-03T00:00:00+00:00", toDate="2026-11-04T00:00:00+00:00", useTime=False
    )
    seed(shop, ("sale", 1, days), prices=[tier("MUG", "sale", 9)])
    seen = []
    for hours in (0, 16, 47, 16):  # 2 Nov 08:00, 3 Nov 00:00, 4 Nov 23:00, 5 Nov 15:00
        clock.advance(timedelta(hours=hours))
        grace.log_in()
        seen.append(grace.unit("MUG", 1))
    assert seen == [Decimal("29.95"), 9, 9, Decimal("29.95")]


def test_custom_prices_go_before_rules_with_the_same_fault_below_the_first_tier(shop, grace):
    seed(shop, ("trade", 1, everybody()), prices=[tier("MUG", "trade", 20)])
    body = [{"action": "upsert", "payload": [{
        "productId": shop.product()["id"], "customerId": fixed_id("customer", GRACE),
        "price": [
            {"quantityStart": 5, "quantityEnd": 9, "price": [_price(8)]},
            {"quantityStart": 10, "quantityEnd": None, "price": [_price(7)]},
        ],
    }]}]  # fmt: skip
    answer = shop.call("POST", "/api/_action/custom-price", body)
    assert answer["success"] is True
    assert len(answer["data"][0]["result"][0]["entities"]) == 1
    assert [grace.unit("MUG", quantity) for quantity in (1, 9, 10)] == [8, 8, 7]
    assert Shopper(shop).unit("MUG", 1) == 20
    shop.call(
        "POST", "/api/_action/custom-price", [{"action": "delete", "payload": [{"productIds": [shop.product()["id"]]}]}]
    )
    assert grace.unit("MUG", 1) == 20


def _price(gross):
    return {"currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "gross": gross, "net": gross, "linked": False}


def test_a_custom_price_that_fails_is_told_in_a_200(shop):
    good = {"productId": shop.product()["id"], "customerId": fixed_id("customer", GRACE),
            "price": [{"quantityStart": 1, "quantityEnd": None, "price": [_price(8)]}]}  # fmt: skip
    bad = {**good, "productId": "f" * 32}
    answer = shop.call("POST", "/api/_action/custom-price", [
        {"action": "upsert", "payload": [bad]}, {"action": "upsert", "payload": [good]}])  # fmt: skip
    assert answer["success"] is False
    first, second = (one["result"][0] for one in answer["data"])
    assert first["entities"] == []
    assert "does not exist" in first["errors"][0]
    assert len(second["entities"]) == 1
    assert len(shop.search("custom-price")) == 1


def test_without_commercial_there_are_no_custom_prices(open_shop):
    shop = open_shop(commercial=False)
    assert shop.refused("POST", "/api/_action/custom-price", []).status == 404
    assert shop.refused("POST", "/api/search/custom-price", {}).status == 404
    rows = [{"entity": "custom_price", "action": "delete", "payload": [{"id": "1" * 32}]}]
    assert shop.refused("POST", "/api/_action/sync", rows).error["code"] == "FRAMEWORK__DEFINITION_NOT_FOUND"


@pytest.mark.parametrize(
    ("action", "amount", "unit"),
    [("by_percent", 10, "26.96"), ("by_fixed", 5, "24.95"), ("to_fixed", "19.99", "19.99")],
)
def test_individual_pricing_goes_before_all(shop, grace, action, amount, unit):
    deal = {"name": "deal", "target": "companies", "actionType": action, "actionAmount": Decimal(amount)}
    seed(
        shop,
        ("trade", 1, everybody()),
        prices=[tier("MUG", "trade", 20)],
        custom_prices=[{"sku": "MUG", "email": GRACE, "tiers": [{"gross": 8}]}],
        individual_prices=[{**deal, "skus": ["MUG"], "emails": [GRACE]}],
    )
    assert grace.unit("MUG", 1) == Decimal(unit)


def test_of_individual_rules_the_highest_priority_and_of_those_the_lowest_price(shop, grace):
    common = {"target": "companies", "actionType": "to_fixed", "emails": [GRACE]}
    seed(shop, individual_prices=[
        {"name": "low", "priority": 1, "actionAmount": 1, **common},
        {"name": "a", "priority": 5, "actionAmount": 12, **common},
        {"name": "b", "priority": 5, "actionAmount": 11, **common},
        {"name": "over", "priority": 9, "actionAmount": 2, "useValidityRange": True,
         "validUntil": "2026-11-01T00:00:00+00:00", **common},
    ])  # fmt: skip
    assert grace.unit("MUG", 1) == 11


def test_volume_pricing_has_ranges_and_beside_them_the_base_price(shop, grace):
    tiers = [{"qtyFrom": 5, "qtyTo": 9, "price": [_price(20)]}, {"qtyFrom": 20, "qtyTo": None, "price": [_price(15)]}]
    seed(shop, individual_prices=[{"name": "volume", "target": "companies", "actionType": "volume_pricing",
                                   "tiers": tiers, "emails": [GRACE]}])  # fmt: skip
    found = [grace.unit("MUG", quantity) for quantity in (1, 5, 9, 10, 20, 99)]
    assert found == [Decimal("29.95"), 20, 20, Decimal("29.95"), 15, 15]


def test_a_currency_has_its_own_price_or_the_default_one_times_its_factor(shop, grace):
    seed(shop, ("trade", 1, everybody()), currencies=[{"iso": "EUR", "factor": "0.9"}],
         prices=[tier("MUG", "trade", "21.55", currency="EUR", default_gross=20)])  # fmt: skip
    grace.call("PATCH", "context", {"currencyId": fixed_id("currency", "EUR")})
    assert grace.unit("MUG", 1) == Decimal("21.55")
    assert grace.unit("TEA", 1) == Decimal("3.00")  # 3.33 * 0.9 = 2.997


def test_10_995_is_11_once(open_shop):
    shop = open_shop()
    shop.core.seed({"items": [{"sku": "NUT", "name": "Nut", "price": "10.995"}]})
    assert Shopper(shop).unit("NUT", 1) == 11
    assert Shopper(shop).add("NUT", 3)["price"]["totalPrice"] == 33  # not 32.99: the unit is rounded first


def test_net_customers_pay_tax_on_top_and_gross_ones_find_it_inside(open_shop):
    shop = open_shop(tax_rate="19")
    shop.core.seed({"customer_groups": [{"name": "Net", "display_gross": False}],
                    "items": [{"sku": "NUT", "name": "Nut", "price": "11.90"}],
                    "customers": [{"email": "n@example.com", "group": "Net", "password": "Password1"}]})  # fmt: skip
    gross, net = Shopper(shop).add("NUT", 3)["price"], Shopper(shop).log_in("n@example.com").add("NUT", 3)["price"]
    assert (gross["taxStatus"], gross["totalPrice"], gross["netPrice"]) == ("gross", Decimal("35.7"), 30)
    assert (net["taxStatus"], net["totalPrice"], net["netPrice"]) == ("net", Decimal("35.7"), 30)
    assert net["calculatedTaxes"] == [
        {"tax": Decimal("5.7"), "taxRate": 19, "price": 30, "apiAlias": "cart_tax_calculated"}
    ]


def test_a_company_with_a_vat_id_pays_no_tax_where_the_country_says_so(open_shop):
    shop = open_shop(tax_rate="19")
    shop.core.seed({"countries": [{"iso": "AT", "company_tax_free": True}],
                    "items": [{"sku": "NUT", "name": "Nut", "price": "11.90"}],
                    "customers": [{"email": "v@example.com", "company": "Bolt", "vat_ids": ["ATU1"],
                                   "password": "Password1",
                                   "addresses": [{"street": ["1 Ring"], "city": "Wien", "country": "AT"}]}],
                    })  # fmt: skip
    price = Shopper(shop).log_in("v@example.com").add("NUT", 3)["price"]
    assert (price["taxStatus"], price["totalPrice"], price["calculatedTaxes"]) == ("tax-free", 30, [])


# -- what must hold whatever the tables say ------------------------------------------------------------------------

_TABLE = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 12), st.integers(0, 9), st.integers(1, 999)),
    min_size=1, max_size=8,
)  # fmt: skip
_ORDER = st.permutations([1, 2, 3])
_ONE: list[ShopUnderTest] = []


@given(_TABLE, _ORDER, st.sets(st.sampled_from(["a", "b", "c"])), st.integers(1, 15))
@settings(max_examples=40, deadline=None)
def test_the_price_is_a_tier_of_the_first_matching_rule(table, priorities, matching, quantity):
    """The choice spelled out apart from the module: rules by priority, the first with rows, then ends in order."""
    if not _ONE:
        _ONE.append(ShopUnderTest(ManualClock(), {}))
    shop = _ONE[0]
    for name in ("product_price", "rule_condition", "rule"):
        shop.database.run(f"DELETE FROM {name}")
    ranks = dict(zip("abc", priorities, strict=True))
    seed(shop, *((name, ranks[name], everybody() if name in matching else only("nobody")) for name in "abc"),
         prices=[tier("TEA", rule, Decimal(cents) / 100, start, start + span if span else None)
                 for rule, start, span, cents in table])  # fmt: skip
    winner = next((name for name in sorted(matching, key=lambda name: -ranks[name])
                   if any(row[0] == name for row in table)), None)  # fmt: skip
    found = Shopper(shop).unit("TEA", quantity)
    if winner is None:
        assert found == Decimal("3.33")
        return
    own = sorted((row for row in table if row[0] == winner), key=lambda row: row[1])
    ends = [(start + span if span else start, cents) for _, start, span, cents in own]
    starts = [row[1] for row in own]
    if len(set(starts)) == len(starts):  # the order of equal starts is the database's
        cents = next((cents for end, cents in ends if quantity <= end), ends[-1][1])
        assert found == Decimal(cents) / 100
    else:
        assert found in {Decimal(cents) / 100 for _, cents in ends}


def _rows(tree, parent=None, rows=None):
    rows = [] if rows is None else rows
    kind, parts = tree if isinstance(tree, tuple) else ("alwaysValid", None)
    if tree is False:
        kind, value = "customerLoggedIn", '{"isLoggedIn": true}'
    else:
        value = None
    row = {"id": str(len(rows)).zfill(4), "parentId": parent, "type": kind, "value": value, "position": len(rows)}
    rows.append(row)
    for part in parts or ():
        _rows(part, row["id"], rows)
    return rows


def _means(tree):
    if not isinstance(tree, tuple):
        return tree
    kind, parts = tree
    held = [_means(part) for part in parts]
    return {"andContainer": all(held), "orContainer": any(held), "xorContainer": sum(held) == 1}[kind]


_TREES = st.recursive(
    st.booleans(),
    lambda inner: st.tuples(st.sampled_from(["andContainer", "orContainer", "xorContainer"]),
                            st.lists(inner, min_size=1, max_size=3)),
    max_leaves=10,
)  # fmt: skip


@given(_TREES)
def test_conditions_mean_what_their_containers_mean(wanted):
    scope = Scope("g", "c", "s", "k", datetime(2026, 11, 2, tzinfo=UTC))
    assert holds(tree(_rows(wanted)), scope) == _means(wanted)
