"""Lines of an order: what goes in and what comes out add up to the same cent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.money import round_money
from erp_sync.model.order import LineKind
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.netsuite.mapping.comparison import own_differences
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, expanded, prepared, tax_details
from erp_sync_tests.systems.netsuite.samples import D, bundle_order, line, order, tax

cents = st.integers(0, 100_000).map(lambda number: Decimal(number) / 100)


@st.composite
def bundles(draw):
    amount, discount = draw(cents), draw(cents)
    taxed = draw(cents)
    header = line(
        "1", "KIT", "1", str(amount + discount), str(discount), kind=LineKind.BUNDLE, amount=amount,
        taxes=(tax("8.25", str(amount), str(taxed)),) if taxed else (), tax_amount=taxed,
    )  # fmt: skip
    parts = [
        line(
            str(number + 2), f"PART-{number}", str(draw(st.integers(1, 7))), str(draw(cents)), amount=D("0.00"),
            kind=LineKind.COMPONENT, parent_line_id="1",
        )
        for number in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    return bundle_order(header, *parts)


@given(bundles(), st.sampled_from(list(Discounts)))
def test_a_bundle_becomes_components_of_the_same_sum(document, discounts):
    lines = prepared(document, discounts)
    assert "KIT" not in {one.sku for one in lines}
    assert sum((one.amount for one in lines), D(0)) == document.totals.subtotal
    details = tax_details(document, lines)
    assert sum((one.amount for one in details), D(0)) == document.totals.tax
    # Whoever multiplies rate and quantity gets the amount, too.
    for one in lines:
        if one.quantity is not None:
            assert round_money(one.rate * one.quantity, "USD") == one.amount


@given(st.integers(1, 999), cents, cents)
def test_a_discount_shows_in_the_rate_or_as_a_line_of_its_own(quantity, price, discount):
    gross = quantity * price
    discount = min(discount, gross)
    document = order(lines=(line("1", "A", str(quantity), str(price), str(discount)),))
    net = prepared(document, Discounts.NET_RATE)
    own = prepared(document, Discounts.DISCOUNT_LINES)
    assert [one.amount for one in net] == [gross - discount]
    assert sum((one.amount for one in own), D(0)) == gross - discount
    assert own[0].amount == gross
    assert len(own) == (2 if discount else 1)


def test_a_bundle_with_priced_components_is_left_as_it_is():
    header = line("1", "KIT", "1", "0.00", kind=LineKind.BUNDLE)
    parts = (line("2", "A", "1", "4.00", parent_line_id="1"), line("3", "B", "2", "3.00", parent_line_id="1"))
    assert expanded(bundle_order(header, *parts)) == list(parts)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (order(lines=(line("1", "A", "0", "1.00"),)), "quantity_not_positive"),
        (order(lines=(line("1", "A", "-1", "1.00"),)), "quantity_not_positive"),
        (order(lines=()), "no_lines"),
    ],
)
def test_what_cannot_be_sold_is_refused(bad, code):
    with pytest.raises(MappingProblem) as caught:
        prepared(bad, Discounts.NET_RATE)
    assert caught.value.code == code


def test_tax_lines_that_do_not_add_up_are_named():
    bad = order(lines=(line("1", "A", "1", "5.00", taxes=(tax("8", "5.00", "0.40"),), tax_amount=D("0.41")),))
    lines = prepared(bad, Discounts.NET_RATE)
    compared = own_differences(bad, lines, total_tolerance=D("1000"), tax_tolerance=D("0.005"))
    assert [str(one) for one in compared if one.beyond and one.part != "tax"] == [
        "tax of line 1 (A): 0.41 stated, 0.40 by its parts (-0.01, beyond 0.005)"
    ]
