"""Lines of an order come to the order's amounts by SAP's way of working them out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from erp_sync.model.order import LineKind
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1.mapping.order_lines import expanded, line_total, prepared
from erp_sync_tests.systems.sap_b1.samples import D, line, order, tax


def sent(*lines, digits: int = 6):
    return [(one.unit_price, one.discount_percent) for one in prepared(order(lines=lines), digits)]


def test_a_discount_goes_in_percent_of_the_price_before_it():
    assert sent(line("1", "A", "10", "4.50", "4.50")) == [(D("4.50"), 10)]
    assert sent(line("1", "A", "10", "4.50")) == [(D("4.50"), 0)]


def test_a_discount_that_no_percent_comes_to_is_in_the_price():
    """One euro off thirty million is 0.000003 %, to six digits: ten cents too little."""
    assert line_total(D(3), D("9999999.99"), D("0.000003"), "EUR") == D("29999999.07")
    assert sent(line("1", "A", "3", "9999999.99", "1.00")) == [(D("9999999.656667"), 0)]


def test_a_line_that_no_price_comes_to_goes_with_the_nearest_and_not_beyond_the_tolerance():
    """Three for 40.00 at prices of two digits: 39.99."""
    one = line("2", "A", "3", "15.00", "5.00")
    assert sent(one, digits=2) == [(D("15.00"), D("11.111111"))]
    with pytest.raises(MappingProblem, match=r"prices of 2 digits; the order's lines come to 40.00") as raised:
        prepared(order(lines=(one,)), 2, D("0.00"))
    assert raised.value.code == "lines_do_not_add_up"


def test_many_lines_that_are_off_by_a_cent_each_are_beyond_it_together():
    lines = tuple(line(str(number), "A", "3", "15.00", "5.00") for number in range(6))
    with pytest.raises(MappingProblem) as raised:
        prepared(order(lines=lines), 2)
    assert (raised.value.code, raised.value.value) == ("lines_do_not_add_up", "239.94")


def test_a_free_line_keeps_its_price_and_is_a_hundred_percent_off():
    assert sent(line("1", "A", "2", "10.00", "20.00")) == [(D("10.00"), 100)]
    assert sent(line("1", "A", "2", "0.00")) == [(D("0.00"), 0)]


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_quantity_that_is_none_is_named(quantity):
    with pytest.raises(MappingProblem) as raised:
        sent(line("1", "A", quantity, "10.00", amount=D("10.00")))
    assert raised.value.code == "quantity_not_positive"


def test_an_order_without_lines_is_named():
    with pytest.raises(MappingProblem) as raised:
        prepared(order(lines=()))
    assert raised.value.code == "no_lines"


CENTS = st.integers(0, 999_99).map(lambda cents: Decimal(cents) / 100)


@given(st.integers(1, 400), CENTS, st.data())
def test_what_is_sent_comes_to_what_was_paid(quantity: int, price: Decimal, data: st.DataObject):
    gross = quantity * price
    off = Decimal(data.draw(st.integers(0, int(gross * 100)))) / 100
    one = line("1", "A", str(quantity), str(price), str(off))
    (found,) = prepared(order(lines=(one,)))
    assert line_total(one.quantity, found.unit_price, found.discount_percent, "EUR") == one.amount
    assert off or found.discount_percent == 0


@given(st.lists(st.tuples(st.integers(1, 9), CENTS), min_size=1, max_size=4), CENTS, CENTS)
def test_a_bundle_becomes_its_components_and_no_cent_is_lost(parts, amount, off):
    assume(amount >= off)
    taxed = (amount * D("0.19")).quantize(D("0.01"))
    header = line("1", "SET", "1", str(amount + off), str(off), kind=LineKind.BUNDLE,
                  taxes=(tax(str(amount), str(taxed)),), tax_amount=taxed)  # fmt: skip
    components = [
        line(f"1.{at}", f"P{at}", str(quantity), str(price), amount=D(0), parent_line_id="1", kind=LineKind.COMPONENT)
        for at, (quantity, price) in enumerate(parts)
    ]
    one = order(lines=(header, *components))
    lines = expanded(one)
    assert [each.sku for each in lines] == [each.sku for each in components]
    assert sum(each.amount for each in lines) == amount
    assert sum(each.discount for each in lines) == off
    assert sum(each.tax_amount for each in lines) == taxed
    assert sum(share.taxable_amount for each in lines for share in each.taxes) == amount


def test_a_bundle_without_components_is_sold_as_the_item_that_it_is():
    lines = (line("1", "SET", "1", "30.00", kind=LineKind.BUNDLE), line("2", "A", "1", "5.00"))
    assert [one.sku for one in prepared(order(lines=lines))] == ["SET", "A"]
