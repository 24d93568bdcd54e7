"""Rounding and taxes of lines and carts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.systems.shopware.sandbox.pricing.money import HUNDRED, Rounding, cart_price, line_price, merged, shares

CENTS = Rounding(2, Decimal("0.01"), True)
FIVE = Rounding(2, Decimal("0.05"), True)
TEN = Rounding(2, Decimal("0.10"), True)
FIVE_GROSS_ONLY = Rounding(2, Decimal("0.05"), False)
THREE_DIGITS = Rounding(3, Decimal("0.05"), True)

money = st.decimals(min_value=0, max_value=100_000, places=4)
rates = st.sampled_from([Decimal(0), Decimal(7), Decimal(19), Decimal("8.25")])
quantities = st.integers(1, 500)
states = st.sampled_from(["gross", "net", "tax-free"])
roundings = st.sampled_from([CENTS, FIVE, FIVE_GROSS_ONLY, THREE_DIGITS])


@pytest.mark.parametrize(
    ("rounding", "price", "cash", "net"),
    [
        (CENTS, "10.995", "11.00", "11.00"),
        (CENTS, "10.994999999", "10.99", "10.99"),
        (FIVE, "10.97", "10.95", "10.95"),
        (FIVE, "10.975", "11.00", "11.00"),
        (TEN, "10.946", "11.00", "11.00"),  # to cents first: 10.95
        (FIVE_GROSS_ONLY, "10.97", "10.95", "10.97"),
        (THREE_DIGITS, "10.9749", "10.975", "10.975"),  # more than two digits: no coins
    ],
)
def test_rounding(rounding, price, cash, net):
    assert rounding.cash(Decimal(price)) == Decimal(cash)
    assert rounding.net(Decimal(price)) == Decimal(net)


def test_a_line_is_its_rounded_unit_times_the_quantity():
    price = line_price(Decimal("3.333"), 3, "gross", [(Decimal(19), HUNDRED)], CENTS)
    assert (price.unit, price.total) == (Decimal("3.33"), Decimal("9.99"))
    (tax,) = price.taxes
    assert tax.tax == Decimal("1.60")  # 3 * 0.531680..., not 3 * 0.53


def test_shipping_is_taxed_in_the_shares_of_the_lines():
    lines = [line_price(Decimal(30), 1, "gross", [(Decimal(7), HUNDRED)], CENTS),
             line_price(Decimal(10), 1, "gross", [(Decimal(19), HUNDRED)], CENTS)]  # fmt: skip
    assert shares(lines) == [(7, 75), (19, 25)]
    shipping = line_price(Decimal(4), 1, "gross", shares(lines), CENTS)
    assert [one.price for one in shipping.taxes] == [3, 1]


def test_the_total_is_rounded_to_its_own_coin():
    lines = [line_price(Decimal("9.99"), 1, "gross", [(Decimal(0), HUNDRED)], CENTS)]
    price = cart_price(lines, [], "gross", CENTS, FIVE)
    assert (price.total, price.raw) == (Decimal("10.00"), Decimal("9.99"))


@given(money, quantities, states, rates, roundings)
def test_a_line_never_strays_from_its_unit(price, quantity, state, rate, rounding):
    line = line_price(price, quantity, state, [(rate, HUNDRED)], rounding)
    step = rounding.interval if rounding.decimals <= 2 else Decimal("0.001")
    assert abs(line.unit - price) <= max(step, Decimal("0.01"))
    assert abs(line.total - line.unit * quantity) <= step
    assert line.unit == rounding.math(line.unit)
    assert (line.taxes == ()) == (state == "tax-free")


@given(st.lists(st.tuples(money, quantities, rates), min_size=1, max_size=6), st.sampled_from(["gross", "net"]))
def test_a_cart_adds_up(rows, state):
    """Net and tax make the total to the cent, and taxes are those of the lines."""
    lines = [line_price(price, quantity, state, [(rate, HUNDRED)], CENTS) for price, quantity, rate in rows]
    cart = cart_price(lines, [], state, CENTS, CENTS)
    taxes = sum((one.tax for one in cart.taxes), Decimal(0))
    assert cart.total == (cart.net + taxes).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert taxes == sum((tax.tax for line in lines for tax in line.taxes), Decimal(0))
    assert cart.position == sum((line.total for line in lines), Decimal(0))
    assert {one.rate for one in merged(lines)} == {rate for _, _, rate in rows}


@given(st.lists(st.tuples(money, quantities, rates), min_size=1, max_size=6), st.sampled_from(["gross", "net"]))
def test_taxes_of_the_sum_differ_by_cents_only(rows, state):
    lines = [line_price(price, quantity, state, [(rate, HUNDRED)], CENTS) for price, quantity, rate in rows]
    line_by_line, of_the_sum = (cart_price(lines, [], state, CENTS, CENTS, vertical=way) for way in (False, True))
    strayed = sum(one.tax for one in line_by_line.taxes) - sum(one.tax for one in of_the_sum.taxes)
    assert abs(strayed) <= Decimal("0.01") * len(lines) * 2
