"""What a document amounts to. Pure arithmetic over Decimals; one currency, no I/O.

Seen on live drafts (fact sheet, section 11, [D]): UnitPrice 12.34 with 25 % gives Price 9.26, so the price after
discount is rounded half up to the company's price decimals before it is multiplied. Unconfirmed: VAT is rounded for
each row, after the document's discount; a row priced after VAT (gross price mode) takes its total from the gross
amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

ZERO, HUNDRED = Decimal(0), Decimal(100)


def rounded(amount: Decimal, step: Decimal) -> Decimal:
    """Half up, away from zero."""
    return amount.quantize(step, rounding=ROUND_HALF_UP)


def discounted(unit_price: Decimal, percent: Decimal, step: Decimal) -> Decimal:
    """Price after a discount in percent; without one the price stays as it is, however many digits it has."""
    return unit_price if not percent else rounded(unit_price * (HUNDRED - percent) / HUNDRED, step)


@dataclass(frozen=True)
class Row:
    """One line: quantity, price after discount before VAT, VAT in percent.

    `gross` is the price after VAT where the line was priced so and the document is in gross mode.
    """

    quantity: Decimal
    price: Decimal
    vat_percent: Decimal
    gross: Decimal | None = None


@dataclass(frozen=True)
class RowTotal:
    """`total` before VAT and before the document's discount; `vat` after it."""

    total: Decimal
    vat: Decimal


@dataclass(frozen=True)
class Totals:
    """Amounts of the document: `document` = net - discount + expenses + vat."""

    rows: tuple[RowTotal, ...]
    net: Decimal
    discount: Decimal
    expenses: Decimal
    vat: Decimal
    document: Decimal


def totals(
    rows: Sequence[Row], discount_percent: Decimal, expenses: Sequence[tuple[Decimal, Decimal]], step: Decimal
) -> Totals:
    """Add up. `expenses` are (amount, VAT percent); `step` is the smallest amount of the currency."""
    left = (HUNDRED - discount_percent) / HUNDRED
    found = []
    for row in rows:
        if row.gross is not None:
            gross = rounded(row.quantity * row.gross, step)
            total = rounded(gross * HUNDRED / (HUNDRED + row.vat_percent), step)
            vat = rounded((gross - total) * left, step)
        else:
            total = rounded(row.quantity * row.price, step)
            vat = rounded(total * left * row.vat_percent / HUNDRED, step)
        found.append(RowTotal(total, vat))
    net = sum((row.total for row in found), ZERO)
    discount = rounded(net * discount_percent / HUNDRED, step)
    added = sum((amount for amount, _ in expenses), ZERO)
    tax = sum((row.vat for row in found), ZERO)
    tax += sum((rounded(amount * percent / HUNDRED, step) for amount, percent in expenses), ZERO)
    return Totals(tuple(found), net, discount, added, tax, net - discount + added + tax)
