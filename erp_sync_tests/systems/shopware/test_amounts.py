"""Whatever a cart holds: lines, shares, taxes and shipping add up to the shop's own totals to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.orders.checks import differences
from erp_sync.model.money import ZERO, round_money
from erp_sync.model.order import SalesOrder
from erp_sync.ports.lookups import Passthrough
from erp_sync.systems.shopware.mapping.amounts import Position, Taxed, parts_of, reconcile, take, unit_price
from erp_sync.transport.calls import decode_json, encode_json
from erp_sync_tests.systems.shopware import samples
from erp_sync_tests.systems.shopware.carts import cart
from erp_sync_tests.systems.shopware.shop import Shop

D = Decimal
prices = st.integers(1, 99_999).map(lambda cents: D(cents) / 100)
rates = st.sampled_from([D(19), D(7), D(0), D("8.1")])
goods = st.lists(st.tuples(prices, st.integers(1, 40), rates), min_size=1, max_size=5)


def mapped(record: dict, **settings: object) -> SalesOrder:
    """As it comes over the wire."""
    connector = Shop(order=[decode_json(encode_json(record))]).connector(**settings)
    source = connector.port("sales_order", "source")
    (page,) = source.fetch([record["id"]])
    return source.to_canonical(page[0], Passthrough())


@given(
    goods,
    st.sampled_from(["gross", "net", "tax-free"]),
    st.lists(st.integers(1, 50).map(D), max_size=2),
    st.sampled_from([D(0), D("4.90"), D("5.95")]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([D("0.01"), D("0.05")]),
)
def test_every_sum_is_exact(bought, state, percent, shipping, free, vertical, interval):
    record = cart(
        bought,
        state=state,
        percent=percent,
        shipping=shipping,
        free_shipping=free,
        vertical=vertical,
        interval=interval,
    )
    order = mapped(record)
    assert [one for one in differences(order) if one.amount] == []
    totals = order.totals
    assert totals.grand_total == record["price"]["totalPrice"]
    assert totals.tax == sum((one["tax"] for one in record["price"]["calculatedTaxes"]), ZERO)
    lines = [one for one in order.lines if one.line_id != "rounding"]
    assert sum(one.discount for one in lines) + order.shipping.discount == sum(
        (one.amount for one in order.discounts), ZERO
    )
    for one in order.lines:
        assert round_money(one.quantity * one.unit_price, "EUR") - one.discount == one.amount
        assert sum((tax.amount for tax in one.taxes), ZERO) == one.tax_amount
        assert one.unit_price >= 0
    assert len(lines) == len(bought)


@given(
    st.lists(st.tuples(st.integers(0, 9_999), rates), min_size=1, max_size=6),
    st.lists(st.tuples(rates, st.integers(-50_000, 0), st.integers(-9_000, 0)), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["0", "1", "2", "elsewhere"]), st.integers(0, 500).map(D), max_size=4),
)
def test_shares_of_a_discount_add_up_to_it_whatever_it_is_weighed_by(sold, off, weights):
    positions = [
        Position(str(index), D(total) / 100, [Taxed(rate, D(total) / 100, ZERO)])
        for index, (total, rate) in enumerate(sold)
    ]
    discount = [Taxed(rate, D(base) / 100, D(tax) / 100) for rate, base, tax in off]
    take(discount, positions, weights, "EUR")
    taken = [one for position in positions for one in position.taken]
    for rate in {one.rate for one in discount}:
        wanted = [one for one in discount if one.rate == rate]
        got = [one for one in taken if one.rate == rate]
        assert sum(one.base for one in got) == sum(one.base for one in wanted)
        assert sum(one.tax for one in got) == sum(one.tax for one in wanted)
    weighed = {position.key for position in positions if weights.get(position.key)}
    if weighed:
        assert {position.key for position in positions if position.taken} <= weighed


def test_a_discount_goes_where_the_composition_says_and_only_there():
    """By amount it would be shared half and half; without the composition it was."""
    record = samples.order(
        samples.line("CUP", "10.00"),
        samples.line("POT", "10.00"),
        samples.promotion("SALE", "-3.00", of=[("POT", "3.00")]),
        total="17.00",
        taxes=[],
        status="tax-free",
    )
    assert {one.sku: one.discount for one in mapped(record).lines} == {"CUP": D(0), "POT": D("3.00")}
    record["lineItems"][2]["payload"] = {}
    assert {one.sku: one.discount for one in mapped(record).lines} == {"CUP": D("1.50"), "POT": D("1.50")}


def test_a_discount_at_a_rate_lowers_the_tax_of_that_rate():
    food, tool = samples.tax("7", "10.70", "0.70"), samples.tax("19", "11.90", "1.90")
    record = samples.order(
        samples.line("FOOD", "10.70", food),
        samples.line("TOOL", "11.90", tool),
        samples.promotion("SALE", "-1.19", samples.tax("19", "-1.19", "-0.19")),
        total="21.41",
        taxes=[samples.tax("7", "10.70", "0.70"), samples.tax("19", "10.71", "1.71")],
    )
    by_sku = {one.sku: one for one in mapped(record).lines}
    assert (by_sku["FOOD"].amount, by_sku["FOOD"].tax_amount, by_sku["FOOD"].discount) == (D("10.00"), D("0.70"), 0)
    assert (by_sku["TOOL"].amount, by_sku["TOOL"].tax_amount) == (D("9.00"), D("1.71"))
    assert by_sku["TOOL"].discount == D("1.00")


def test_cents_move_only_as_far_as_rounding_explains():
    """A tax of the order that is off by more is left for the quality gate: it holds the order."""
    positions = [Position("a", D("1.19"), [Taxed(D(19), D("1.19"), D("0.19"))])]
    reconcile(positions, {D(19): D("0.20")}, "EUR")
    assert positions[0].tax == D("0.20")
    assert positions[0].net(gross=True) == D("0.99")
    reconcile(positions, {D(19): D("0.50")}, "EUR")
    assert positions[0].tax == D("0.20")


def test_parts_of_a_total_add_up_though_the_vendor_does_not_round_them():
    shares = [Taxed(D(19), D("3.335"), D("0.53")), Taxed(D(7), D("6.665"), D("0.44"))]
    parts = parts_of(D("10.00"), shares, "EUR")
    assert [one.base for one in parts] == [D("3.34"), D("6.66")]
    assert parts_of(D("10.00"), [], "EUR") == [Taxed(ZERO, D("10.00"), ZERO)]


@pytest.mark.parametrize(
    ("stated", "quantity", "net", "expected"),
    [
        (D("10.995"), 2, D("21.99"), D("10.995")),  # the vendor's own, though it has three digits
        (D("10.99"), 2, D("21.99"), D("10.9950")),  # would give 21.98
        (None, 3, D("10.00"), D("3.3333")),
        (None, 4, D("10.00"), D("2.50")),
    ],
)
def test_quantity_times_the_unit_price_is_the_line(stated, quantity, net, expected):
    found = unit_price(stated, D(quantity), net, "EUR")
    assert found == expected
    assert round_money(found * quantity, "EUR") == net
