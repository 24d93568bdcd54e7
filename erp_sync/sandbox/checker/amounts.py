"""Amounts: what an order is worth in the store and in the ERP, part by part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.remainder import Remainder, remainder
from erp_sync.sandbox.checker.sides import Books, Shop
from erp_sync.sandbox.checker.sources import Conventions, Row, grouped, number


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


def compare_amounts(
    order: Row, row: Row, shop: Shop, books: Books, conventions: Conventions, *, changed: bool = False
) -> Compared:
    """Every amount of an order that differs between store and ERP.

    One that lost units (see `remainder`) may be there whole or without them, but as one of both in every part; or, told
    of the losses after it had gone (`changed`), with closed lines whole, others cut, and whole payments.
    """
    items, taxes = shop.items.get(order["entity_id"], []), shop.taxes.get(order["entity_id"], [])
    context = (shop, books, conventions)
    whole = _differences(order, row, items, taxes, *context)
    left = remainder(order, items, taxes)
    if left is None:
        return Compared(whole)
    closed, ordered = books.closed_units(row), _store_lines(items, conventions)[0]

    def standing(item: Row) -> Decimal | None:
        sku = conventions.sku(item["sku"])
        return closed[sku] / ordered[sku][0] if sku in closed and sku in ordered else None

    cut = remainder(order, items, taxes, standing)
    if cut is None:
        return Compared(whole)  # all that is lost is closed
    rest = _differences(left.order, row, left.items, left.taxes, *context, left)
    partly = rest
    if changed:
        payable = _total(left.order)
        partly = _differences(cut.order, row, cut.items, cut.taxes, *context, cut, payable)
    best = min(whole, rest, partly, key=len)
    return Compared(best, not whole and bool(rest) and bool(partly))


def _total(order: Row) -> Decimal:
    """With what is paid by gift card and store credit."""
    paid_otherwise = number(order.get("gift_cards_amount")) + number(order.get("customer_balance_amount"))
    return number(order["grand_total"]) + paid_otherwise


def _differences(
    order: Row,
    row: Row,
    items: Sequence[Row],
    taxes: Sequence[Row],
    shop: Shop,
    books: Books,
    conventions: Conventions,
    left: Remainder | None = None,
    payable: Decimal | None = None,
) -> list[Difference]:
    name, out = order["increment_id"], []
    tolerance = conventions.tolerance + (left.slack if left else 0)

    def compare(part: str, what: str, store: Decimal, erp: Decimal) -> None:
        if abs(store - erp) > tolerance:
            out.append(Difference(name, part, what, str(store), str(erp)))

    currency = books.currencies.get(row["currency"], str(row["currency"]))
    if order["order_currency_code"] != currency:
        out.append(Difference(name, "header", "currency", str(order["order_currency_code"]), currency))
    total = _total(order)
    compare("header", "total", total, number(row["foreigntotal"]))
    shipping = number(order["shipping_amount"]) - number(order.get("shipping_discount_amount"))
    compare("shipping", "shipping cost", shipping, number(row["shippingcost"]))
    compare("tax", "tax", number(order["tax_amount"]), number(row["taxtotal"]))
    if details := books.taxes.get(row["id"]):
        store_rates = _by_rate(taxes, "percent", "amount")
        erp_rates = _by_rate(details, "taxrate", "taxamount")
        for rate in sorted(set(store_rates) | set(erp_rates)):
            compare("tax", f"tax at {rate} %", store_rates.get(rate, Decimal(0)), erp_rates.get(rate, Decimal(0)))
    wanted, whole = _store_lines(items, conventions)
    there = _erp_lines(books.lines.get(row["id"], []))
    for sku in sorted(set(wanted) | set(there)):
        store_line, erp_line = wanted.get(sku, _NOTHING), there.get(sku, _NOTHING)
        compare("lines", f"quantity of {sku}", store_line[0], erp_line[0])
        if store_line[1] is not None:
            compare("lines", f"amount of {sku}", store_line[1], erp_line[1] or Decimal(0))
    compare("lines", "amount of all lines", whole, sum((line[1] or Decimal(0) for line in there.values()), Decimal(0)))
    deposits = sorted(number(deposit["payment"]) for deposit in books.deposits.get(row["id"], []))
    expected = sorted(_deposits(order, shop.payments.get(order["entity_id"], []), conventions))
    if left is not None:
        # No payment covers more than what is left; which of several covers less is the sender's business.
        # One that was paid before units were lost stays paid whole.
        covered = min(sum(expected, Decimal(0)), total if payable is None else payable)
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


def _by_rate(rows: Sequence[Row], rate: str, amount: str) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for row in rows:
        key = format(number(row[rate]).normalize(), "f")
        out[key] = out.get(key, Decimal(0)) + number(row[amount])
    return out


def _store_lines(items: Sequence[Row], conventions: Conventions) -> tuple[dict[str, _Line], Decimal]:
    """Quantity and amount before tax by the ERP's SKU, and the amount of all lines.

    A configurable product counts as its row, a bundle as its parts; where a bundle has a price of its own, how it is
    spread over the parts is the sender's business: the amounts of these SKUs are then None.
    """
    children = grouped((item for item in items if item["parent_item_id"]), "parent_item_id")
    lines: dict[str, _Line] = {}
    whole = Decimal(0)

    def add(item: Row, known: bool = True) -> None:
        sku = conventions.sku(item["sku"])
        quantity, amount = lines.get(sku, _NOTHING)
        mine = _amount(item) if known else None
        together = None if amount is None or mine is None else amount + mine
        lines[sku] = (quantity + number(item["qty_ordered"]), together)

    for item in items:
        if item["parent_item_id"]:
            continue
        parts = children.get(item["item_id"], [])
        if item["product_type"] == "bundle" and parts:
            own_price = not any(number(part["row_total"]) for part in parts)
            whole += _amount(item) if own_price else sum((_amount(part) for part in parts), Decimal(0))
            for part in parts:
                add(part, known=not own_price)
        else:
            whole += _amount(item)
            add(item)
    return lines, whole


def _amount(item: Row) -> Decimal:
    return number(item["row_total"]) - number(item["discount_amount"])


def _erp_lines(rows: Sequence[Row]) -> dict[str, _Line]:
    """Quantity and amount by SKU; a discount line belongs to the line above it."""
    lines: dict[str, _Line] = {}
    above = ""
    for row in rows:
        amount = -number(row["foreignamount"])
        if row["itemtype"] == "Discount" and above:
            quantity, before = lines[above]
            lines[above] = (quantity, (before or Decimal(0)) + amount)
            continue
        above = row["sku"] or f"line {row['id']}"
        quantity, before = lines.get(above, _NOTHING)
        lines[above] = (quantity - number(row["quantity"]), (before or Decimal(0)) + amount)
    return lines


def _deposits(order: Row, payments: Sequence[Row], conventions: Conventions) -> list[Decimal]:
    """What the ERP should have as deposits: one for each payment method, gift card and store credit."""
    cards = [number(card["amount"]) for card in json.loads(order.get("gift_cards") or "[]", parse_float=Decimal)]
    unnamed = number(order.get("gift_cards_amount")) - sum(cards, Decimal(0))
    out = [*cards, unnamed, number(order.get("customer_balance_amount"))]
    for payment in payments:
        ordered, authorised = number(payment["amount_ordered"]), number(payment["amount_authorized"])
        paid = number(payment["amount_paid"])
        state = "captured" if paid and paid >= ordered else "authorised" if authorised or paid else "pending"
        if state in conventions.deposit_states:
            out.append(min(ordered, authorised) if authorised else ordered)
    return [amount for amount in out if amount]
