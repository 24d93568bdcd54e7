"""What accounts are said to pay is what the Store API tells them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.pricing.questions import answers
from erp_sync_tests.systems.shopware.sandbox.conftest import ShopUnderTest
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper
from erp_sync_tests.systems.shopware.sandbox.test_prices import condition, everybody, only, seed, tier

PEOPLE = [
    {"email": "gross@example.com", "password": "Password1", "number": "C-1"},
    {"email": "net@example.com", "password": "Password1", "number": "C-2", "group": "Net", "tags": ["gold"]},
]
SKUS = ("MUG", "TEA", "SHIRT-S", "SHIRT-M")
SALE = condition("dateRange", fromDate="2026-11-02T12:00:00+00:00", toDate="2026-11-03T12:00:00+00:00", useTime=True)


def stocked(shop):
    shop.core.seed({"customer_groups": [{"name": "Net", "display_gross": False}], "customers": PEOPLE,
                    "currencies": [{"iso": "EUR", "factor": "0.9"}]})  # fmt: skip
    return shop


@pytest.fixture
def priced(open_shop):
    return stocked(open_shop(tax_rate="19"))


def told(shop, account, item, quantity=1, *, currency="USD", unit=""):
    question = PriceQuestion(account, item, Decimal(quantity), currency, shop.clock.now(), unit)
    (answer,) = answers(shop.database, shop.core.shop.options, [question])
    return answer


def test_the_answer_says_what_it_comes_from(priced):
    own = {"sku": "TEA", "email": "net@example.com", "tiers": [{"gross": "2.38", "net": "2"}]}
    trade = tier("MUG", "Trade prices", "11.9", net="10")
    seed(priced, ("Trade prices", 1, only("c-1")), prices=[trade], custom_prices=[own])
    assert told(priced, "C-1", "MUG") == PricePaid(Decimal("11.9"), True, "product_price of the rule 'Trade prices'")
    assert told(priced, "c-2", "mug") == PricePaid(Decimal("25.17"), False, "price of the product")
    assert told(priced, "C-2", "TEA") == PricePaid(Decimal(2), False, "custom_price")


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"account": "C-9"}, "no customers have the number 'c-9'"),
        ({"item": "NOTHING"}, "no product has the number 'NOTHING'"),
        ({"item": "SHIRT"}, "the product 'SHIRT' is bought by its variants only"),
        ({"quantity": "1.5"}, "a cart takes whole quantities from 1 on, not 1.5"),
        ({"quantity": 0}, "a cart takes whole quantities from 1 on, not 0"),
        ({"currency": "JPY"}, "'JPY' is no currency of the shop"),
        ({"unit": "BOX"}, "a product is sold in one unit, not in 'BOX'"),
    ],
)
def test_what_nobody_could_buy_has_no_price(priced, question, reason):
    assert told(priced, **{"account": "C-1", "item": "MUG"} | question) == NoPrice(reason)


def test_an_account_that_cannot_log_in_or_is_two_has_no_price(priced):
    priced.core.seed({"customers": [{**PEOPLE[0], "active": False}, {**PEOPLE[1], "email": "twin@example.com"}]})
    assert told(priced, "C-1", "MUG") == NoPrice("the customer 'c-1' is not active and cannot log in")
    assert told(priced, "C-2", "MUG") == NoPrice("2 customers have the number 'c-2'")


def test_a_variant_with_prices_of_others_does_not_have_its_parent_s(priced):
    seed(priced, ("all", 1, everybody()), ("others", 9, only("nobody")),
         prices=[tier("SHIRT", "all", 5), tier("SHIRT-S", "others", 4)])  # fmt: skip
    found = [told(priced, "C-1", sku).amount for sku in ("SHIRT-S", "SHIRT-M")]
    assert found == [15, 5]
    gross = Shopper(priced).log_in("gross@example.com")
    assert [gross.unit(sku, 1) for sku in ("SHIRT-S", "SHIRT-M")] == found


_RULES = {
    "first": only("C-1", "C-7"), "gold": condition("customerTag", operator="=", identifiers=[fixed_id("tag", "gold")]),
    "sale": SALE, "all": everybody(),
}  # fmt: skip
_ROW = st.tuples(st.sampled_from([*SKUS, "SHIRT"]), st.integers(1, 9), st.integers(0, 5), st.integers(1, 999))
_WORLD = st.fixed_dictionaries({
    "rows": st.lists(st.tuples(st.sampled_from(sorted(_RULES)), _ROW), max_size=12),
    "custom": st.dictionaries(st.tuples(st.sampled_from(SKUS), st.sampled_from([0, 1])), st.integers(1, 999),
                              max_size=3),
    "order": st.permutations(sorted(_RULES)),
    "quantity": st.integers(1, 12),
    "hours": st.sampled_from([0, 4, 27, 28, 40]),
})  # fmt: skip
_ONE: list[ShopUnderTest] = []


@given(_WORLD)
@settings(max_examples=10, deadline=None)
def test_a_cart_s_unit_price_is_the_answer(world):
    """Whatever rules, own prices, currencies and moments there are; the question's moment is the cart's."""
    if not _ONE:
        _ONE.append(stocked(ShopUnderTest(ManualClock(), {"tax_rate": "19"})))
    shop = _ONE[0]
    for name in ("product_price", "custom_price", "rule_condition", "rule"):
        shop.database.run(f"DELETE FROM {name}")
    ranks = {name: index for index, name in enumerate(world["order"])}
    custom = [{"sku": sku, "email": PEOPLE[who]["email"], "tiers": [{"gross": Decimal(cents) / 100}]}
              for (sku, who), cents in world["custom"].items()]  # fmt: skip
    seed(shop, *((name, ranks[name], _RULES[name]) for name in _RULES), custom_prices=custom,
         prices=[tier(sku, rule, Decimal(cents) / 100, start, start + span if span else None)
                 for rule, (sku, start, span, cents) in world["rows"]])  # fmt: skip
    asked_at = shop.clock.now()
    shop.clock.advance(timedelta(hours=world["hours"]) - (asked_at - asked_at.replace(hour=8, day=2)))
    quantity, questions, found = world["quantity"], [], []
    for person, currency in itertools.product(PEOPLE, ("USD", "EUR")):
        shopper = Shopper(shop).log_in(person["email"])
        identity = fixed_id("currency", "EUR") if currency == "EUR" else "b7d2554b0ce847cd82f3ac9bd1c0dfca"
        shopper.call("PATCH", "context", {"currencyId": identity})
        for sku in SKUS:
            questions.append(PriceQuestion(person["number"], sku, Decimal(quantity), currency, shop.clock.now()))
            found.append((shopper.unit(sku, quantity), person["email"] == "gross@example.com"))
    assert [(one.amount, one.gross) for one in answers(shop.database, shop.core.shop.options, questions)] == found
