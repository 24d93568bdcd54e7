"""Lines of an order as SAP shall have them: components for bundles, a price before discount and a discount in percent.

Pure arithmetic. SAP works out a line from UnitPrice and DiscountPercent: the price after discount is rounded (12.34
less 25 % was seen to become 9.26), times the quantity, and that is rounded to the currency. To how many digits a
company rounds prices is its own setting (setting ``price_digits`` here; the default is the most that SAP offers,
unconfirmed).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, allocate, round_money
from erp_sync.model.order import LineKind, OrderLine, SalesOrder, TaxLine
from erp_sync.ports.raw import MappingProblem

PRICE_DIGITS = PERCENT_DIGITS = 6


class PreparedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of DocumentLines. `amount` is what it adds to the order before tax."""

    line_id: str
    sku: str
    name: str = ""
    unit: str = ""
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    amount: Decimal
    taxes: tuple[TaxLine, ...] = ()
    tax_amount: Decimal = ZERO
    options: tuple[tuple[str, str], ...] = ()
    custom: dict[str, Any] = {}


def prepared(
    order: SalesOrder, price_digits: int = PRICE_DIGITS, tolerance: Decimal = Decimal("0.05")
) -> list[PreparedLine]:
    """The lines to send, in the order's order.

    Three for 40.00 have no price of two digits: such a line goes with the nearest one. Raises MappingProblem where the
    lines together come to something else than the order's by more than the tolerance.
    """
    lines = [_prepared(line, order.currency, price_digits) for line in expanded(order)]
    if not lines:
        raise MappingProblem("no_lines", "lines", order.number, "the order has no line that could be sold")
    wanted = sum((line.amount for line in order.lines), ZERO)
    got = sum(
        (
            line_total(line.quantity, line.unit_price, line.discount_percent, order.currency, price_digits)
            for line in lines
        ),
        ZERO,
    )
    if abs(wanted - got) > tolerance:
        raise MappingProblem(
            "lines_do_not_add_up",
            "lines",
            f"{got:f}",
            f"with prices of {price_digits} digits; the order's lines come to {wanted:f}",
        )
    return lines


def expanded(order: SalesOrder) -> list[OrderLine]:
    """Lines without headers of bundles; what a header costs is spread over its components to the cent.

    A header without components is sold as it is: an item with a sales bill of materials (TreeType iSalesTree).
    """
    components: dict[str, list[OrderLine]] = {}
    for line in order.lines:
        if line.parent_line_id is not None:
            components.setdefault(line.parent_line_id, []).append(line)
    headers = {
        line.line_id: line for line in order.lines if line.kind is LineKind.BUNDLE and line.line_id in components
    }
    spread = {
        part.line_id: part
        for name, header in headers.items()
        for part in _spread(header, components[name], order.currency)
    }
    return [spread.get(line.line_id, line) for line in order.lines if line.line_id not in headers]


def _spread(header: OrderLine, parts: Sequence[OrderLine], currency: str) -> list[OrderLine]:
    if not header.amount and not header.discount and not header.tax_amount and not header.taxes:
        return list(parts)
    # By what the components would cost alone; where that is nothing, by how many there are.
    weights = [part.quantity * part.unit_price for part in parts]
    weights = weights if any(weights) else [part.quantity for part in parts]
    amounts = allocate(header.amount, weights, currency)
    discounts = allocate(header.discount, weights, currency)
    bases = [allocate(tax.taxable_amount, weights, currency) for tax in header.taxes]
    shares = [allocate(tax.amount, weights, currency) for tax in header.taxes]
    changed = []
    for at, part in enumerate(parts):
        taxes = tuple(
            msgspec.structs.replace(tax, taxable_amount=basis[at], amount=share[at])
            for tax, basis, share in zip(header.taxes, bases, shares, strict=True)
        )
        amount, discount = part.amount + amounts[at], part.discount + discounts[at]
        _sold(part)
        changed.append(
            msgspec.structs.replace(
                part,
                amount=amount,
                discount=discount,
                unit_price=(amount + discount) / part.quantity,
                taxes=part.taxes + taxes,
                tax_amount=part.tax_amount + sum((tax.amount for tax in taxes), ZERO),
            )
        )
    return changed


def _sold(line: OrderLine) -> None:
    if line.quantity <= 0:
        raise MappingProblem("quantity_not_positive", "lines.quantity", str(line.quantity), f"line {line.line_id}")


def _prepared(line: OrderLine, currency: str, price_digits: int) -> PreparedLine:
    _sold(line)
    unit_price, percent = _priced(line, currency, price_digits)
    return PreparedLine(
        line_id=line.line_id,
        sku=line.sku,
        name=line.name,
        unit=line.unit,
        quantity=line.quantity,
        unit_price=unit_price,
        discount_percent=percent,
        amount=line.amount,
        taxes=line.taxes,
        tax_amount=line.tax_amount,
        options=line.options,
        custom=line.custom,
    )


def _priced(line: OrderLine, currency: str, price_digits: int) -> tuple[Decimal, Decimal]:
    """Price and percent that come to the line's amount: as sold with its discount where that is possible to the cent,
    else what comes nearest of that and of the price that was paid, without a discount."""
    gross = line.amount + line.discount
    price = _rounded(gross / line.quantity, price_digits)
    ways = [(price, _rounded(line.discount * 100 / gross, PERCENT_DIGITS))] if line.discount and gross else []
    ways.append((_rounded(line.amount / line.quantity, price_digits), ZERO))

    def off(way: tuple[Decimal, Decimal]) -> Decimal:
        return abs(line_total(line.quantity, *way, currency=currency, price_digits=price_digits) - line.amount)

    return min(ways, key=off)


def line_total(
    quantity: Decimal, unit_price: Decimal, percent: Decimal, currency: str, price_digits: int = PRICE_DIGITS
) -> Decimal:
    """What SAP comes to for a line (rounding of the price before the quantity is unconfirmed)."""
    price = _rounded(unit_price * (100 - percent) / 100, price_digits)
    return round_money(price * quantity, currency)


def _rounded(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
