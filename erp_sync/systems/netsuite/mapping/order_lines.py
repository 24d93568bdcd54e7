"""Lines of an order as NetSuite shall have them: components for bundles, discounts, tax details.

Pure arithmetic: what goes in and what comes out add up to the same cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, allocate, minor_units
from erp_sync.model.order import LineKind, OrderLine, SalesOrder, TaxLine
from erp_sync.ports.raw import MappingProblem

RATE_DIGITS = 8  # of a rate that is worked out from an amount; the amount is what counts
SHIPPING_REFERENCE = "SHIPPING"  # Oracle Commerce API; in REST unconfirmed


class Discounts(StrEnum):
    """How a line's discount is shown in NetSuite."""

    NET_RATE = "net_rate"  # the line's rate is what was paid
    DISCOUNT_LINES = "discount_lines"  # full rate, and a line of the discount item below it


class PreparedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the item sublist. `amount` is what it adds to the order before tax.

    `sku` is empty on a discount line. `reference` ties it to its tax details.
    """

    line_id: str
    sku: str = ""
    kind: str = "item"
    name: str = ""
    quantity: Decimal | None = None
    rate: Decimal
    amount: Decimal
    reference: str = ""
    options: tuple[tuple[str, str], ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    custom: dict[str, Any] = {}


class TaxDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One tax of one jurisdiction on one line or on shipping. `rate` is in percent."""

    reference: str
    code: str
    rate: Decimal
    basis: Decimal
    amount: Decimal
    jurisdiction: str
    line_name: str = ""
    line_type: str = ""


def prepared(order: SalesOrder, discounts: Discounts) -> list[PreparedLine]:
    """The lines to send, in the order's order. Raises MappingProblem where they cannot add up."""
    lines: list[PreparedLine] = []
    for line in expanded(order):
        lines += _prepared_line(line, f"L{len(lines) + 1}", discounts, order.currency)
    if not lines:
        raise MappingProblem("no_lines", "lines", order.number, "the order has no line that could be sold")
    wanted = sum((line.amount for line in order.lines), ZERO)
    got = sum((line.amount for line in lines), ZERO)
    if wanted != got:
        raise MappingProblem("lines_do_not_add_up", "lines", str(got), f"the order's lines come to {wanted}")
    return lines


def expanded(order: SalesOrder) -> list[OrderLine]:
    """Lines without bundle headers; what a header costs is spread over its components to the cent.

    A header without components is sold as it is.
    """
    components: dict[str, list[OrderLine]] = {}
    for line in order.lines:
        if line.parent_line_id is not None:
            components.setdefault(line.parent_line_id, []).append(line)
    spread: dict[str, OrderLine] = {}
    headers = set()
    for line in order.lines:
        parts = components.get(line.line_id, [])
        if line.kind is LineKind.BUNDLE and parts:
            headers.add(line.line_id)
            spread |= {part.line_id: part for part in _spread(line, parts, order.currency)}
    return [spread.get(line.line_id, line) for line in order.lines if line.line_id not in headers]


def _spread(header: OrderLine, parts: Sequence[OrderLine], currency: str) -> list[OrderLine]:
    if not header.amount and not header.discount and not header.tax_amount and not header.taxes:
        return list(parts)
    # By what the components would cost alone; where that is nothing, by how many there are.
    weights = [part.quantity * part.unit_price for part in parts]
    weights = weights if any(weights) else [part.quantity for part in parts]
    amounts = allocate(header.amount, weights, currency)
    discounts = allocate(header.discount, weights, currency)
    taxes = [
        (allocate(tax.taxable_amount, weights, currency), allocate(tax.amount, weights, currency), tax)
        for tax in header.taxes
    ]
    result = []
    for position, part in enumerate(parts):
        amount, discount = part.amount + amounts[position], part.discount + discounts[position]
        shares = tuple(
            msgspec.structs.replace(tax, taxable_amount=basis[position], amount=share[position])
            for basis, share, tax in taxes
        )
        result.append(
            msgspec.structs.replace(
                part,
                amount=amount,
                discount=discount,
                unit_price=_rate(amount + discount, part.quantity, currency),
                taxes=part.taxes + shares,
                tax_amount=part.tax_amount + sum((tax.amount for tax in shares), ZERO),
            )
        )
    return result


def _rate(amount: Decimal, quantity: Decimal, currency: str) -> Decimal:
    """Amount per piece: exact in the currency's digits where possible, else with `RATE_DIGITS`."""
    if not quantity:
        raise MappingProblem("quantity_is_zero", "lines.quantity", "0", "a line needs a quantity")
    rate = (amount / quantity).quantize(Decimal(1).scaleb(-RATE_DIGITS))
    short = rate.quantize(Decimal(1).scaleb(-minor_units(currency)))
    return short if short * quantity == amount else rate


def _prepared_line(line: OrderLine, reference: str, discounts: Discounts, currency: str) -> list[PreparedLine]:
    if line.quantity <= 0:
        raise MappingProblem("quantity_not_positive", "lines.quantity", str(line.quantity), f"line {line.line_id}")
    gross = line.amount + line.discount
    as_line = discounts is Discounts.DISCOUNT_LINES and line.discount != 0
    shown = gross if as_line else line.amount
    sold = PreparedLine(
        line_id=line.line_id,
        sku=line.sku,
        kind=str(line.kind),
        name=line.name,
        quantity=line.quantity,
        rate=_rate(shown, line.quantity, currency),
        amount=shown,
        reference=reference,
        options=line.options,
        taxes=line.taxes,
        custom=line.custom,
    )
    if not as_line:
        return [sold]
    discount = PreparedLine(
        line_id=line.line_id, kind="discount", name=f"Discount {line.name}".strip(), rate=-line.discount,
        amount=-line.discount,
    )  # fmt: skip
    return [sold, discount]


def tax_details(order: SalesOrder, lines: Sequence[PreparedLine]) -> list[TaxDetail]:
    """Every tax line of the order, tied to its line or to shipping. Whether they add up: `comparison`."""
    by_line = {line.line_id: line for line in expanded(order)}
    details: list[TaxDetail] = []
    for line in lines:
        if not line.sku:
            continue
        details += [_detail(tax, line.reference, line.sku, "Item") for tax in by_line[line.line_id].taxes]
    return details + [
        _detail(tax, SHIPPING_REFERENCE, order.shipping.description, "Shipping") for tax in order.shipping.taxes
    ]


def _detail(tax: TaxLine, reference: str, name: str, kind: str) -> TaxDetail:
    return TaxDetail(
        reference=reference,
        code=tax.code,
        rate=tax.rate,
        basis=tax.taxable_amount,
        amount=tax.amount,
        jurisdiction=tax.jurisdiction,
        line_name=name,
        line_type=kind,
    )
