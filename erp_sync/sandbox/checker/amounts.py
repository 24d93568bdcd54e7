"""Amounts: what an order is worth in the store and in the ERP, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.remainder import Remainder, remainder
from erp_sync.sandbox.checker.sides import closed_in_erp
from erp_sync.sandbox.checker.sources import Conventions, grouped
from erp_sync.sandbox.evidence import ErpLine, ErpOrder, ErpTax, StoreLine, StoreOrder, StoreTax


@dataclass
class Difference:
    """Two values that should agree. `part` is header, lines, tax, shipping or payments."""

    order: str
    part: str
    what: str
    store: str
    erp: str


@dataclass
class Compared:
    """`whole_though_less_is_left`: all agrees with the order as it was placed, of which units were lost since that are
    not closed."""

    differences: list[Difference]
    whole_though_less_is_left: bool = False


def compare_amounts(order: StoreOrder, booked: ErpOrder, conventions: Conventions) -> Compared:
    """Every amount of an order that differs between store and ERP.

    One that lost units (see `remainder`) may be there whole or without them, but as one of both in every part; or, told
    of the losses after it had gone (`ErpOrder.changed`), with closed lines whole, others cut, and whole payments.
    """
    whole = _differences(order, booked, conventions)
    left = remainder(order)
    if left is None:
        return Compared(whole)
    closed, ordered = closed_in_erp(booked), _store_lines(order.lines, conventions)[0]

    def standing(line: StoreLine) -> Decimal | None:
        sku = conventions.sku(line.sku)
        return closed[sku] / ordered[sku][0] if sku in closed and sku in ordered else None

    cut = remainder(order, standing)
    if cut is None:
        return Compared(whole)  # all that is lost is closed
    rest = _differences(left.order, booked, conventions, left)
    partly = _differences(cut.order, booked, conventions, cut, left.order.total) if booked.changed else rest
    best = min(whole, rest, partly, key=len)
    return Compared(best, not whole and bool(rest) and bool(partly))


def _differences(
    order: StoreOrder,
    booked: ErpOrder,
    conventions: Conventions,
    left: Remainder | None = None,
    payable: Decimal | None = None,
) -> list[Difference]:
    out: list[Difference] = []
    tolerance = conventions.tolerance + (left.slack if left else 0)

    def compare(part: str, what: str, store: Decimal, erp: Decimal) -> None:
        if abs(store - erp) > tolerance:
            out.append(Difference(order.number, part, what, str(store), str(erp)))

    if order.currency != booked.currency:
        out.append(Difference(order.number, "header", "currency", order.currency, booked.currency))
    compare("header", "total", order.total, booked.total)
    compare("shipping", "shipping cost", order.shipping, booked.shipping)
    compare("tax", "tax", order.tax, booked.tax)
    if booked.taxes:
        store_rates, erp_rates = _by_rate(order.taxes), _by_rate(booked.taxes)
        for rate in sorted(set(store_rates) | set(erp_rates)):
            compare("tax", f"tax at {rate} %", store_rates.get(rate, Decimal(0)), erp_rates.get(rate, Decimal(0)))
    wanted, whole = _store_lines(order.lines, conventions)
    there = _erp_lines(booked.lines)
    for sku in sorted(set(wanted) | set(there)):
        store_line, erp_line = wanted.get(sku, _NOTHING), there.get(sku, _NOTHING)
        compare("lines", f"quantity of {sku}", store_line[0], erp_line[0])
        if store_line[1] is not None:
            compare("lines", f"amount of {sku}", store_line[1], erp_line[1] or Decimal(0))
    compare("lines", "amount of all lines", whole, sum((line[1] or Decimal(0) for line in there.values()), Decimal(0)))
    deposits = sorted(deposit.amount for deposit in booked.deposits)
    expected = sorted(_deposits(order, conventions))
    if left is not None:
        # No payment covers more than what is left; which of several covers less is the sender's business.
        # One that was paid before units were lost stays paid whole.
        covered = min(sum(expected, Decimal(0)), order.total if payable is None else payable)
        if payable is None or sum(deposits, Decimal(0)) != sum(expected, Decimal(0)):
            compare("payments", "deposits", covered, sum(deposits, Decimal(0)))
        return out
    compare("payments", "deposits", sum(expected, Decimal(0)), sum(deposits, Decimal(0)))
    if len(expected) == len(deposits):  # another number of deposits with the right sum is counted elsewhere
        for wanted_payment, there_payment in zip(expected, deposits, strict=True):
            compare("payments", "a deposit", wanted_payment, there_payment)
    return out


_Line = tuple[Decimal, Decimal | None]
_NOTHING: _Line = (Decimal(0), Decimal(0))


def _by_rate(taxes: Sequence[StoreTax] | Sequence[ErpTax]) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for tax in taxes:
        key = format(tax.percent.normalize(), "f")
        out[key] = out.get(key, Decimal(0)) + tax.amount
    return out


def _store_lines(rows: Sequence[StoreLine], conventions: Conventions) -> tuple[dict[str, _Line], Decimal]:
    """Quantity and amount before tax by the ERP's SKU, and the amount of all lines.

    A configured article counts as its row, a bundle as its parts; where a bundle has a price of its own, how it is
    spread over the parts is the sender's business: the amounts of these SKUs are then None.
    """
    children = grouped((row for row in rows if row.part_of is not None), lambda row: row.part_of)
    lines: dict[str, _Line] = {}
    whole = Decimal(0)

    def add(row: StoreLine, known: bool = True) -> None:
        sku = conventions.sku(row.sku)
        quantity, amount = lines.get(sku, _NOTHING)
        mine = _amount(row) if known else None
        together = None if amount is None or mine is None else amount + mine
        lines[sku] = (quantity + row.ordered, together)

    for row in rows:
        if row.part_of is not None:
            continue
        parts = children.get(row.id, [])
        if row.kind == "bundle" and parts:
            own_price = not any(part.amount for part in parts)
            whole += _amount(row) if own_price else sum((_amount(part) for part in parts), Decimal(0))
            for part in parts:
                add(part, known=not own_price)
        else:
            whole += _amount(row)
            add(row)
    return lines, whole


def _amount(row: StoreLine) -> Decimal:
    return row.amount - row.discount


def _erp_lines(rows: Sequence[ErpLine]) -> dict[str, _Line]:
    """Quantity and amount by SKU; what lowers the line above it belongs to that."""
    lines: dict[str, _Line] = {}
    above = ""
    for row in rows:
        if row.lowers and above:
            quantity, before = lines[above]
            lines[above] = (quantity, (before or Decimal(0)) + row.amount)
            continue
        above = row.sku
        quantity, before = lines.get(above, _NOTHING)
        lines[above] = (quantity + (row.quantity or Decimal(0)), (before or Decimal(0)) + row.amount)
    return lines


def _deposits(order: StoreOrder, conventions: Conventions) -> list[Decimal]:
    """What the ERP should have as deposits: one for each payment method, gift card and store credit."""
    return [
        payment.amount
        for payment in order.payments
        if payment.amount and (payment.state == "spent" or payment.state in conventions.deposit_states)
    ]
