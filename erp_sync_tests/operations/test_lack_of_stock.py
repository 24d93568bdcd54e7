"""What was cancelled for want of stock: each unit once, and not what the store had cancelled by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.order import LineKind, OrderLine, OrderStatus, OrderTotals, SalesOrder
from erp_sync.model.order_status import CancelledUnits
from erp_sync.operations.lack_of_stock import Loss, Said, loss_of
from erp_sync_tests.flows import samples

D = Decimal
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
WORDS = ("out of stock",)
SHORT, ASKED = "Out of stock", "customer asked"
replace = msgspec.structs.replace


def line(line_id: str, sku: str, quantity: int, price: str, **changes: Any) -> OrderLine:
    """With a tax of 10 % and, where `discount` is given, a lower amount."""
    amount = quantity * D(price) - changes.get("discount", D(0))
    values = {"line_id": line_id, "sku": sku, "quantity": D(quantity), "unit_price": D(price), "amount": amount}
    return OrderLine(**{**values, "tax_amount": amount / 10, **changes})


def order(*lines: OrderLine, shipping: str = "5", **changes: Any) -> SalesOrder:
    amount = sum((one.amount for one in lines), D(0))
    discount = sum((one.discount for one in lines), D(0))
    tax = sum((one.tax_amount for one in lines), D(0))
    totals = OrderTotals(
        subtotal=amount + discount,
        discount=discount,
        shipping=D(shipping),
        tax=tax,
        grand_total=amount + tax + D(shipping),
    )
    return samples.order(lines=lines, totals=totals, **changes)


ORDER = order(line("1", "MUG", 4, "10", discount=D(4)), line("2", "TEA", 3, "20"))
TOTAL = D("39.60") + D("66.00") + D(5)


def lost_in(order: SalesOrder, **cancelled: int) -> SalesOrder:
    """As the store has it after it cancelled these units, by SKU."""
    lines = tuple(replace(one, quantity_cancelled=D(cancelled.get(one.sku, 0))) for one in order.lines)
    ends = all(one.quantity_cancelled == one.quantity for one in lines)
    return replace(order, lines=lines, status=OrderStatus.CANCELLED if ends else order.status)


def partly(number: int, reason: str = SHORT, at: datetime = NOW, **units: int) -> Said:
    parts = tuple(CancelledUnits(sku=sku, quantity=D(count)) for sku, count in units.items())
    return Said(id=number, at=at, update=samples.update(reason=reason, cancelled=parts))


def whole(number: int, reason: str = SHORT, at: datetime = NOW) -> Said:
    return Said(id=number, at=at, update=samples.update(reason=reason, status=OrderStatus.CANCELLED))


def lost(*said: Said, orders: Any = ((1, ORDER),), since: datetime = NOW - timedelta(days=1)) -> Loss:
    return loss_of(said, orders, WORDS, since)


def loss(units: int, revenue: Decimal | str) -> Loss:
    return Loss(currency="USD", units=D(units), revenue=D(revenue))


def test_units_of_a_closed_line_have_their_share_of_price_discount_and_tax():
    """Of four for 36.00 with 3.60 of tax; shipping stays, since the rest is sent."""
    assert lost(partly(2, MUG=1)) == loss(1, "9.90")
    assert lost(partly(2, MUG=4)) == loss(4, "39.60")
    assert lost(partly(2, MUG=4, TEA=1)) == loss(5, "61.60")


def test_with_all_its_lines_the_shipping_is_lost_too():
    assert lost(partly(2, MUG=4, TEA=3)) == loss(7, TOTAL) == lost(whole(2))


def test_a_unit_counts_once_when_its_order_is_cancelled_later():
    assert lost(partly(2, MUG=1), partly(3, MUG=4), whole(4)) == loss(7, TOTAL)


def test_what_was_told_before_the_window_is_not_counted_again():
    early = NOW - timedelta(days=2)
    assert lost(partly(2, MUG=4, at=early), whole(3)) == loss(3, TOTAL - D("39.60"))
    assert lost(whole(2, at=early), whole(3, reason="Out of stock at the supplier")) == loss(0, 0)


def test_what_the_store_cancels_after_the_erp_is_the_same_unit():
    after = lost_in(ORDER, MUG=2)
    assert lost(partly(2, MUG=2), whole(4), orders=((1, ORDER), (3, after))) == loss(7, TOTAL)
    ended = lost_in(ORDER, MUG=4, TEA=3)
    assert lost(whole(2), whole(4), orders=((1, ORDER), (3, ended))) == loss(7, TOTAL)


def test_what_the_store_had_cancelled_by_itself_was_not_lost_for_want_of_stock():
    before = lost_in(ORDER, MUG=2)
    assert lost(whole(3), orders=((1, ORDER), (2, before))) == loss(5, TOTAL - D("19.80"))
    assert lost(partly(3, MUG=4), orders=((1, ORDER), (2, before))) == loss(2, "19.80")
    assert lost(whole(3), orders=((1, ORDER), (2, lost_in(ORDER, MUG=4, TEA=3)))) == loss(0, 0)


def test_what_has_left_of_a_line_is_not_lost():
    first = replace(ORDER.lines[0], quantity_shipped=D(3))
    assert lost(partly(2, MUG=4), orders=((1, replace(ORDER, lines=(first, ORDER.lines[1]))),)) == loss(1, "9.90")


def test_the_last_reason_and_the_last_lines_hold():
    assert lost(partly(2, MUG=4), partly(3, ASKED, MUG=4)) == loss(0, 0)
    assert lost(partly(2, MUG=4), partly(3, MUG=1)) == loss(1, "9.90"), "a line was opened again"
    assert lost(partly(2, MUG=4), partly(3, "")) == loss(0, 0), "all lines were opened again"


def test_a_reason_that_is_given_after_the_store_was_told_counts_all_the_same():
    ended = lost_in(ORDER, MUG=4, TEA=3)
    assert lost(whole(2, ""), whole(4), orders=((1, ORDER), (3, ended))) == loss(7, TOTAL)


def test_a_bundle_counts_by_its_components_and_its_price_goes_with_them():
    header = line("1", "SET", 1, "30", kind=LineKind.BUNDLE)
    parts = [line(number, sku, 1, "0", kind=LineKind.COMPONENT, parent_line_id="1") for number, sku in
             (("2", "MUG"), ("3", "TEA"))]  # fmt: skip
    bundle = ((1, order(header, *parts)),)
    assert lost(whole(2), orders=bundle) == loss(2, "38.00")
    assert lost(partly(2, TEA=1), orders=bundle) == loss(1, "16.50")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=4), st.booleans())
def test_however_the_words_come_no_more_is_lost_than_was_ordered(steps: list[tuple[int, int]], ends: bool):
    """Lines are closed further and further; the store follows each word, and nothing counts twice."""
    said, orders, mugs, teas = [], [(1, ORDER)], 0, 0
    for number, (more_mugs, more_teas) in enumerate(steps):
        mugs, teas = max(mugs, more_mugs), max(teas, more_teas)
        said.append(partly(10 * number + 2, MUG=mugs, TEA=teas))
        orders.append((10 * number + 3, lost_in(ORDER, MUG=mugs, TEA=teas)))
    if ends:
        said.append(whole(1000))
    found = loss_of(said, orders, WORDS, NOW - timedelta(days=1))
    assert found.units == (7 if ends else mugs + teas)
    assert found.revenue <= TOTAL
    assert (found.revenue == TOTAL) == (found.units == 7)
