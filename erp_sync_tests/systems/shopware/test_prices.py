from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.money import round_money
from erp_sync.model.price import Price, PriceKind
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, NotSent, Refused, Unknown
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY
from erp_sync.systems.shopware.written import WRITTEN
from erp_sync.transport.errors import OutcomeUnknown
from erp_sync_tests.systems.shopware.samples import identity
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import answered, problems_of
from erp_sync_tests.systems.shopware.test_products import shop, stored

D = Decimal
FRANCS = {"currencyId": identity("CHF"), "net": D(11), "gross": D("11.9"), "linked": False}


def selling(*numbers: str, rate: Any = 19, **changes: Any) -> Shop:
    tax = {"id": "1" * 32, "taxRate": rate}
    return shop(*(stored(number, at, tax=tax, **changes) for at, number in enumerate(numbers, start=1)))


def target(there: Shop, **settings: Any) -> Any:
    return there.connector(**settings).port("price", "target")


def price(sku: str, amount: str, **changes: Any) -> Price:
    return Price(**{"connection": "erp", "scope": "", "sku": sku, "currency": "EUR", "amount": D(amount), **changes})


def own(there: Shop, at: int = 0) -> dict[str, Any]:
    return next(one for one in there.records["product"][at]["price"] if one["currencyId"] == DEFAULT_CURRENCY)


def test_net_and_gross_are_written_and_what_stands_beside_them_stays():
    there = selling("MUG")
    listed = {**own(there), "listPrice": {"net": D(20), "gross": D("23.8"), "linked": True}}
    there.records["product"][0]["price"] = [listed, FRANCS]
    (outcome,) = target(there).submit([price("MUG", "10.995")])
    assert isinstance(outcome, Applied)
    assert there.records["product"][0]["price"] == [{**listed, "net": D("10.995"), "gross": D("13.08")}, FRANCS]
    (call,) = there.made("_action/sync")
    row = call.json[0]["payload"][0]
    assert set(row) == {name for _, name, _ in WRITTEN[call.operation].fields}
    assert problems_of("/_action/sync", "post", call.json) == []
    assert [one for one in answered(row, "Product") if "required" not in one] == []
    assert not call.repeatable


def test_where_the_erps_prices_include_tax_net_follows():
    there = selling("MUG")
    target(there, price_amounts="gross").submit([price("MUG", "11.90")])
    assert (own(there)["net"], own(there)["gross"]) == (D("10"), D("11.9"))


def test_a_variant_takes_its_parents_tax_and_keeps_a_price_of_its_own():
    """Read with inheritance, its price would be its parent's, with all currencies of that."""
    there = selling("SHIRT-B", price=None)
    target(there).submit([price("SHIRT-B", "10")])
    assert there.records["product"][0]["price"] == [
        {"currencyId": DEFAULT_CURRENCY, "linked": True, "net": D(10), "gross": D("11.90")}
    ]
    headers = [call.headers.get("sw-inheritance") for call in there.made("search/product")]
    assert headers == [None, "1"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (price("MUG", "1", kind=PriceKind.TIER, quantity=D(5)), "unsupported_price_kind"),
        (price("MUG", "1", kind=PriceKind.SPECIAL), "unsupported_price_kind"),
        (price("MUG", "1", group="dealers"), "unsupported_price_kind"),
        (price("MUG", "1", currency="USD"), "wrong_currency"),
        (price("MUG", "-1"), "negative_price"),
        (price("GONE", "1"), "unknown_sku"),
        (price("UNTAXED", "1"), "unknown_tax"),
    ],
)
def test_what_cannot_be_right_is_refused_alone(row, code):
    there = selling("MUG", "CUP", "UNTAXED")
    there.records["product"][2]["tax"] = None
    outcomes = target(there).submit([row, price("CUP", "2")])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].code == code
    assert (outcomes[0].again is Again.AFTER_DEPENDENCY) == (code == "unknown_sku")
    assert isinstance(outcomes[1], Applied)
    assert [len(call.json[0]["payload"]) for call in there.made("_action/sync")] == [1]


def test_a_price_of_zero_is_none_and_parents_of_variants_have_none():
    there = selling("MUG", "NEW", "SHIRT", "V")
    there.records["product"][1]["price"] = [{"currencyId": DEFAULT_CURRENCY, "net": 0, "gross": 0, "linked": True}]
    there.records["product"][2]["childCount"] = 1
    there.records["product"][3]["price"] = None
    prices = target(there)
    assert [(one.sku, one.amount) for page in prices.snapshot() for one in page] == [("MUG", 10)]
    assert [one.sku for page in prices.read(["MUG", "NEW", "GONE"]) for one in page] == ["MUG"]
    assert [one.amount for page in target(there, price_amounts="gross").snapshot() for one in page] == [D("11.9")]


@given(st.integers(1, 10**7).map(lambda mills: D(mills) / 1000), st.sampled_from([D(19), D(7), D("8.1"), D(0)]))
def test_what_was_written_reads_back_as_it_was_meant(amount, rate):
    there = selling("MUG", rate=rate)
    prices = target(there)
    row = price("MUG", str(amount))
    assert isinstance(prices.submit([row])[0], Applied)
    ((read,),) = prices.read(["MUG"])
    assert prices.values(read) == prices.values(row)
    assert own(there)["gross"] == round_money(amount * (100 + rate) / 100, "EUR")


@given(st.text("AB/-.", min_size=1, max_size=8), st.sampled_from(list(PriceKind)), st.integers(1, 99))
def test_keys_say_the_row(sku, kind, quantity):
    prices = target(Shop())
    row = price(sku, "1", kind=kind, quantity=D(1) if kind is PriceKind.BASE else D(quantity))
    again = prices.row(prices.key(row), prices.values(row))
    assert (again.sku, again.kind, again.quantity, again.amount) == (sku, kind, row.quantity, 1)
    assert prices.sku(prices.key(row)) == sku


@pytest.mark.parametrize(
    ("pattern", "kind"), [("search/currency", NotSent), ("search/product", NotSent), ("_action/sync", Unknown)]
)
def test_a_lost_answer_is_one_of_the_write_only_where_it_was(pattern, kind):
    there = selling("MUG")
    there.answer("POST", pattern, OutcomeUnknown("no answer in time"))
    assert [type(one) for one in target(there).submit([price("MUG", "1")])] == [kind]


def test_an_amount_is_never_taken_for_one_of_another_currency():
    """A shop in dollars would sell at the ERP's euros."""
    there = selling("MUG")
    there.records["currency"][0]["isoCode"] = "USD"
    (outcome,) = target(there).submit([price("MUG", "1")])
    assert outcome.code == "wrong_currency"
    assert "USD" in outcome.message
    assert there.made("_action/sync") == []
    in_dollars = target(there, base_currency="USD")
    assert isinstance(in_dollars.submit([price("MUG", "1", currency="USD")])[0], Applied)
    in_dollars.submit([price("MUG", "2", currency="USD")])
    assert len(there.made("search/currency")) == 2  # of two connections, once each


def test_a_price_is_never_taken_away_and_needs_its_product():
    prices = target(selling("MUG"))
    assert [one.code for one in prices.remove([price("MUG", "1")])] == ["unsupported_price_kind"]
    assert prices.requirements(price("MUG", "1")) == [Requirement("product", "MUG")]
    assert prices.currency == "EUR"
