"""What of an order is still to be delivered."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.orders.checks import facts
from erp_sync.flows.orders.transform import decide
from erp_sync.model.order import OrderLine, OrderTotals, Payment, PaymentKind, PaymentState, SalesOrder, TaxLine
from erp_sync.model.remaining import refunded_before_it_left, remaining
from erp_sync_tests.flows.samples import order
from erp_sync_tests.flows.world import START

D = Decimal


def line(line_id: str, quantity: int, price: str, discount: str = "0", tax: str = "0", **gone: Decimal) -> OrderLine:
    amount = quantity * D(price) - D(discount)
    taxes = (TaxLine(jurisdiction="US-CA", code="ca", rate=D(8), taxable_amount=amount, amount=D(tax)),)
    return OrderLine(
        line_id=line_id, sku=f"SKU-{line_id}", quantity=D(quantity), unit_price=D(price), discount=D(discount),
        amount=amount, taxes=taxes, tax_amount=D(tax), **gone,
    )  # fmt: skip


def bought(*lines: OrderLine, payments: tuple[Payment, ...] = ()) -> SalesOrder:
    subtotal = sum((one.quantity * one.unit_price for one in lines), D(0))
    discount, tax = sum((one.discount for one in lines), D(0)), sum((one.tax_amount for one in lines), D(0))
    totals = OrderTotals(subtotal=subtotal, discount=discount, tax=tax, grand_total=subtotal - discount + tax)
    return order(lines=lines, totals=totals, payments=payments)


def paid(amount: str, kind: PaymentKind = PaymentKind.CARD) -> Payment:
    return Payment(payment_id=kind.value, kind=kind, method="m", state=PaymentState.CAPTURED, amount=D(amount))


def test_an_order_of_which_nothing_is_gone_is_itself():
    whole = bought(line("1", 2, "10"))
    assert remaining(whole) is whole


def test_cancelled_units_take_their_share_of_price_discount_and_tax_along():
    cancelled = line("1", 3, "10", discount="1", tax="2.33", quantity_cancelled=D(1))
    left = remaining(bought(cancelled, line("2", 1, "5"), payments=(paid("30"), paid("6.33", PaymentKind.GIFT_CARD))))
    first, second = left.lines
    assert (first.quantity, first.unit_price, first.discount, first.amount) == (2, 10, D("0.67"), D("19.33"))
    assert (first.tax_amount, second.quantity) == (D("1.55"), 1)
    assert (left.totals.subtotal, left.totals.discount, left.totals.tax) == (25, D("0.67"), D("1.55"))
    assert left.totals.grand_total == D("25.88")
    assert [payment.amount for payment in left.payments] == [D("19.55"), D("6.33")], "a gift card is spent first"


def test_what_was_refunded_unshipped_is_gone_and_what_was_shipped_is_a_return():
    unshipped = line("1", 3, "10", quantity_refunded=D(1))
    returned = line("2", 3, "10", quantity_refunded=D(1), quantity_shipped=D(3))
    assert [one.quantity for one in remaining(bought(unshipped, returned)).lines] == [2, 3]


def test_what_was_refunded_before_it_left_counts_without_what_was_cancelled_or_returned():
    cut = bought(
        line("1", 4, "10", quantity_refunded=Decimal(2), quantity_shipped=Decimal(1)),
        line("2", 2, "5", quantity_cancelled=Decimal(1)),
    )
    assert refunded_before_it_left(cut) == Decimal(10)
    whole = bought(line("1", 2, "10", quantity_refunded=Decimal(2)))
    assert refunded_before_it_left(whole) == whole.totals.grand_total
    assert refunded_before_it_left(bought(line("1", 2, "10"))) == 0


def test_a_line_of_which_nothing_is_left_is_no_line_and_an_order_of_none_is_left_out():
    gone = line("1", 2, "10", quantity_cancelled=D(2))
    assert [one.line_id for one in remaining(bought(gone, line("2", 1, "5"))).lines] == ["2"]
    decision = decide(bought(gone), START, None)
    assert (decision.action, decision.code) == ("drop", "nothing_left")


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 5000), st.integers(0, 99), st.integers(0, 999), st.integers(0, 9)),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_left_adds_up_to_the_cent(parts):
    lines = [
        line(str(at), quantity, str(D(price) / 100), str(D(min(discount, price)) / 100), str(D(tax) / 100),
             quantity_cancelled=D(min(gone, quantity)))
        for at, (quantity, price, discount, tax, gone) in enumerate(parts)
    ]  # fmt: skip
    whole = bought(*lines)
    left = remaining(msgspec.structs.replace(whole, payments=(paid(str(whole.totals.grand_total)),)))
    judged = facts(left)
    assert (judged["totals_over_tolerance"], judged["lines_over_tolerance"], judged["taxes_over_tolerance"]) == (
        0,
        0,
        0,
    )
    assert sum(one.amount + one.tax_amount for one in left.lines) == left.totals.grand_total
    assert sum(one.amount for one in left.payments) == left.totals.grand_total
    assert all(one.amount == one.unit_price * one.quantity - one.discount for one in left.lines)
