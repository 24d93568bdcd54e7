"""What of an order is still to be delivered: what the ERP gets of one that was partly cancelled before it was seen,
and what it keeps open of one that was partly cancelled afterwards.

Pure arithmetic. Units that the store cancelled, or refunded without having shipped them, are taken off with their
share of price, discount and tax; shipping stays as it was charged, and no payment covers more than what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from erp_sync.model.money import ZERO, round_money
from erp_sync.model.order import OrderLine, OrderStatus, Payment, PaymentKind, SalesOrder, TaxLine

replace = msgspec.structs.replace


def remaining(order: SalesOrder) -> SalesOrder:
    """The order without what will never be delivered; the same object where that is nothing."""
    if not any(_gone(line) for line in order.lines):
        return order
    lines = tuple(line for line in (_left(line, order.currency) for line in order.lines) if line is not None)
    removed = _sum(order.lines) - _sum(lines)
    discount = sum((line.discount for line in order.lines), ZERO) - sum((line.discount for line in lines), ZERO)
    tax = sum((line.tax_amount for line in order.lines), ZERO) - sum((line.tax_amount for line in lines), ZERO)
    totals = order.totals
    left = replace(
        totals,
        subtotal=totals.subtotal - removed - discount,
        discount=totals.discount - discount,
        tax=totals.tax - tax,
        grand_total=totals.grand_total - removed - tax,
    )
    return replace(order, lines=lines, totals=left, payments=_covering(order.payments, left.grand_total))


def lost(order: SalesOrder) -> dict[str, Decimal]:
    """Units by line id that will never be delivered; lines that lost none are left out."""
    return {line.line_id: gone for line in order.lines if (gone := _gone(line))}


def ended(order: SalesOrder) -> bool:
    """Nothing more of it is to be delivered: it was cancelled, or all of it is lost. A part may have left before."""
    return order.status is OrderStatus.CANCELLED or not remaining(order).lines


def refunded_before_it_left(order: SalesOrder) -> Decimal:
    """What was given back for units that had not been shipped, of all of them with shipping: the ERP takes them off
    the order, and need not have billed them to credit them."""
    uncancelled = tuple(replace(line, quantity_cancelled=ZERO) for line in order.lines)
    left = remaining(replace(order, lines=uncancelled))
    return order.totals.grand_total - (left.totals.grand_total if left.lines else ZERO)


def kept(order: SalesOrder) -> dict[str, Decimal]:
    """Units by line id that were delivered or are still to be; of a cancelled order those that had left by then."""
    if order.status is OrderStatus.CANCELLED:
        return {line.line_id: min(line.quantity_shipped, line.quantity) for line in order.lines}
    return {line.line_id: line.quantity - _gone(line) for line in order.lines}


def _sum(lines: Sequence[OrderLine]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)


def _gone(line: OrderLine) -> Decimal:
    """Units that will never be delivered; what was refunded after it had been shipped is a return."""
    unshipped = max(line.quantity_refunded - line.quantity_shipped, ZERO)
    return min(line.quantity_cancelled + unshipped, line.quantity)


def _left(line: OrderLine, currency: str) -> OrderLine | None:
    gone = _gone(line)
    if not gone:
        return line
    kept = line.quantity - gone
    if not kept:
        return None

    def share(amount: Decimal) -> Decimal:
        return round_money(amount * kept / line.quantity, currency)

    taxes = tuple(
        TaxLine(
            jurisdiction=tax.jurisdiction,
            code=tax.code,
            rate=tax.rate,
            taxable_amount=share(tax.taxable_amount),
            amount=share(tax.amount),
        )
        for tax in line.taxes
    )
    tax_amount = sum((tax.amount for tax in taxes), ZERO) if taxes else share(line.tax_amount)
    # Gross first: what is left of price and discount must be what is left of the amount.
    discount = share(line.discount)
    amount = share(line.amount + line.discount) - discount
    return replace(line, quantity=kept, discount=discount, amount=amount, taxes=taxes, tax_amount=tax_amount)


def _covering(payments: Sequence[Payment], total: Decimal) -> tuple[Payment, ...]:
    """The payments, none paying for what is gone: gift cards and credit last, as they are spent first."""
    over = sum((payment.amount for payment in payments), ZERO) - total
    result = list(payments)
    spent_first = (PaymentKind.GIFT_CARD, PaymentKind.STORE_CREDIT)
    for position in sorted(range(len(result)), key=lambda at: result[at].kind in spent_first):
        less = min(max(over, ZERO), result[position].amount)
        result[position] = replace(result[position], amount=result[position].amount - less)
        over -= less
    return tuple(result)
