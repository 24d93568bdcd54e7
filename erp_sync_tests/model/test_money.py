"""Amounts are exact: read once, rounded once, split so that the parts add up."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.model.money import BadNumber, allocate, decimal_of, minor_units, round_money

CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
WEIGHTS = st.lists(st.decimals(0, 10_000, places=4), min_size=1, max_size=30)


def unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-minor_units(currency))


@pytest.mark.parametrize(
    ("sent", "scale", "stored"),
    [
        ("10.994999999999999", 4, "10.9950"),  # float noise of a vendor
        (10.995, 4, "10.9950"),
        ("0", 4, "0.0000"),
        (0, 2, "0.00"),
        (" 12.5 ", 2, "12.50"),
        ("-0.00005", 4, "-0.0001"),
        ("1E+3", 2, "1000.00"),
        (Decimal("3.33335"), 4, "3.3334"),
        ("12345678901234567890.12345", 4, "12345678901234567890.1235"),
    ],
)
def test_a_vendors_number_is_quantised_to_the_scale_of_its_field(sent, scale, stored):
    assert str(decimal_of(sent, scale)) == stored


@pytest.mark.parametrize(
    "sent", [None, True, False, "", "ten", "1,5", "NaN", "Infinity", Decimal("NaN"), float("inf"), []]
)
def test_what_is_no_number_is_refused_and_named(sent):
    with pytest.raises(BadNumber, match="is not a number"):
        decimal_of(sent)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [("10.995", "USD", "11.00"), ("10.994", "USD", "10.99"), ("10.5", "JPY", "11"), ("0.0005", "KWD", "0.001")],
)
def test_money_is_rounded_to_the_digits_of_its_currency(amount, currency, rounded):
    assert str(round_money(Decimal(amount), currency)) == rounded


def test_the_rounding_rule_may_be_another():
    assert round_money(Decimal("10.985"), "USD", ROUND_HALF_EVEN) == Decimal("10.98")


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        ("10.00", "1 1 1", "3.34 3.33 3.33"),
        ("0.01", "1 1 1", "0.01 0.00 0.00"),
        ("-10.00", "1 1 1", "-3.34 -3.33 -3.33"),
        ("10.00", "0 0", "5.00 5.00"),
        ("0.03", "0 0", "0.02 0.01"),
        ("9.99", "0 1 0", "0.00 9.99 0.00"),
        ("1.00", "2 1", "0.67 0.33"),
    ],
)
def test_amounts_are_split_to_the_cent(total, weights, parts):
    found = allocate(Decimal(total), [Decimal(one) for one in weights.split()], "USD")
    assert found == [Decimal(one) for one in parts.split()]


@pytest.mark.parametrize(
    ("total", "weights", "words"),
    [("1.00", [], "nothing to split"), ("1.00", ["1", "-1"], "negative"), ("1.005", ["1"], "finer than USD")],
)
def test_what_cannot_be_split_is_refused(total, weights, words):
    with pytest.raises(ValueError, match=words):
        allocate(Decimal(total), [Decimal(one) for one in weights], "USD")


@settings(max_examples=150, deadline=None)
@given(units=st.integers(-(10**9), 10**9), weights=WEIGHTS, currency=CURRENCIES)
def test_the_parts_add_up_and_each_is_within_a_unit_of_its_share(units, weights, currency):
    total = units * unit(currency)
    parts = allocate(total, weights, currency)
    assert sum(parts, Decimal(0)) == total
    assert len(parts) == len(weights)
    assert all(part == round_money(part, currency) for part in parts)
    assert all(part * (1 if units >= 0 else -1) >= 0 for part in parts)
    whole = sum(weights, Decimal(0))
    if whole:
        exact = [total * weight / whole for weight in weights]
        assert all(abs(part - share) < unit(currency) for part, share in zip(parts, exact, strict=True))


@settings(max_examples=100, deadline=None)
@given(units=st.integers(0, 10**6), weights=WEIGHTS)
def test_a_negative_amount_is_split_as_its_opposite(units, weights):
    total = Decimal(units) / 100
    assert allocate(-total, weights, "USD") == [-part for part in allocate(total, weights, "USD")]


@settings(max_examples=150, deadline=None)
@given(number=st.decimals(-(10**12), 10**12, places=6), scale=st.integers(0, 6))
def test_reading_twice_changes_nothing_and_text_and_decimal_agree(number, scale):
    once = decimal_of(number, scale)
    assert decimal_of(once, scale) == once
    assert decimal_of(str(number), scale) == once
    assert abs(once - number) <= Decimal(1).scaleb(-scale) / 2
