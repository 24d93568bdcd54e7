"""What is to be changed of a sales order so that nothing which the store cancelled can still leave. No I/O.

A line of which nothing is kept and nothing has left is closed: REST sets no cancelled status, and an order whose lines
are all closed becomes Closed (Oracle NetSuite help, Sales Order; Closing a Sales Order). A line of which a part has
left, or is still to leave, is cut to that quantity instead: a line closed before it is billed cannot be billed any more
for what left of it (Closing Line Items on Sales Orders). Lines are named by `line` (Use Case For Updating Your Sales
Order); that SuiteScript's field `line` of sublist item is the same number is unconfirmed. A cut line's amount and tax
are its share; the list of tax details is replaced, since lines without a key are appended (Working with Sublists; that
this list may be replaced is unconfirmed).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, decimal_of, round_money
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.model.remaining import kept, remaining
from erp_sync.ports.outcomes import Refused
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.netsuite.mapping.common import plain
from erp_sync.systems.netsuite.mapping.order_lines import (
    Discounts,
    PreparedLine,
    TaxDetail,
    expanded,
    prepared,
    tax_details,
)

# Lines that only carry an amount or a text, of the line above.
WITHOUT_QUANTITY = ("Discount", "Subtotal", "Description", "Markup")
Taxed = tuple[Decimal, tuple[Decimal, ...]]  # units and each of their taxes

NOTHING: Taxed = (ZERO, ())


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the store keeps of one line of NetSuite's.

    Attributes:
        quantity: units that have left by the store's count, or are still to leave.
        amounts: of that quantity as the store says, and of the discount line below; None: the line's own share.
        taxes: of that quantity, in the order of the store's.
    """

    quantity: Decimal
    amounts: tuple[Decimal, Decimal] | None = None
    taxes: tuple[TaxDetail, ...] = ()


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    Attributes:
        body: of the PATCH; empty where nothing is to be done.
        closes: lines that it closes.
        beyond: of every line of which more was picked, shipped or billed than the store keeps: both quantities.
        legacy_tax: of an account with legacy tax, where a line is cut: the order's tax afterwards as the order RESTlet
            takes it, which then makes the whole change, since REST writes no legacy tax. None: its tax stays. Lines of
            articles that the store has not sold are named in it: where the order is taxed as a whole, which only the
            RESTlet sees, their tax would be lost.
        tax_problem: why that tax cannot be told; then only what is `without_tax` may go.
    """

    body: dict[str, Any] = {}
    closes: tuple[str, ...] = ()
    beyond: tuple[tuple[Decimal, Decimal], ...] = ()
    legacy_tax: dict[str, Any] | None = None
    tax_problem: Refused | None = None

    def without_tax(self) -> dict[str, Any]:
        """Of the body the lines that are closed, or opened, as they stand: they keep amount and tax. Empty where there
        are none."""
        lines = [one for one in self.body.get("item", {}).get("items", ()) if one.keys() == {"line", "isClosed"}]
        return {"item": {"items": lines}} if lines else {}


def needs_names(order: SalesOrder) -> bool:
    """Whether lines have to be told apart; else all of them end."""
    return any(kept(order).values())


def closing(
    order: SalesOrder,
    record: Mapping[str, Any],
    names: Mapping[str, str],
    discounts: Discounts,
    reopen: Collection[str] = (),
    *,
    legacy: bool = False,
) -> Closing:
    """Compare what the store keeps with the sales order as NetSuite has it.

    Arguments:
        names: SKU by internal id of the items, see `needs_names`; with `legacy` always.
        reopen: lines that were closed a moment ago: those of which something has left meanwhile are opened again.
        legacy: the account has legacy tax, and the store's stands in it.

    Raises MappingProblem where the order's lines cannot be worked out.
    """
    lines = list(record.get("item", {}).get("items") or ())
    sold = _with_discounts(lines)
    wanted = _wanted(order, [line for line, _ in sold], names, discounts)
    changed: list[dict[str, Any]] = []
    closes: list[str] = []
    beyond = []
    shares: dict[str, tuple[Decimal, Wanted]] = {}
    stands = {str(line["line"]): _number(line, "quantity") for line, _ in sold}
    cut = False
    for line, below in sold:
        number = str(line["line"])
        want = wanted.get(number)
        if want is None:
            continue
        fulfilled, billed = _number(line, "quantityFulfilled"), _number(line, "quantityBilled")
        done = max(fulfilled, billed)
        # A parcel that is being packed leaves though its line is closed, unless somebody stops it.
        if (leaves := _leaves(line)) > want.quantity:
            beyond.append((leaves, want.quantity))
        closed, target = line.get("isClosed") is True, max(done, want.quantity)
        if closed and not (number in reopen and done):
            continue
        if not target:
            changed += [{"line": one["line"], "isClosed": True} for one in (line, *below)]
            closes.append(number)
        elif target < (quantity := _number(line, "quantity")):
            exact = want if target == want.quantity else Wanted(quantity=target)
            again = {"isClosed": False} if closed else {}
            stands[number], cut = target, True
            changed += [{**one, **again} for one in _cut(line, below, quantity, exact, order.currency)]
            if reference := str(line.get("taxDetailsReference") or ""):
                shares[reference] = (target / quantity, exact)
        elif closed:
            changed.append({"line": line["line"], "isClosed": False})
    body: dict[str, Any] = {"item": {"items": changed}} if changed else {}
    details = list((record.get("taxDetails") or {}).get("items") or ())
    if shares and details and record.get("taxDetailsOverride") is True:
        body["taxDetails"] = {"items": list(_taxes(details, shares, order.currency))}
    found = Closing(body=body, closes=tuple(closes), beyond=tuple(beyond))
    if not (legacy and cut):
        return found
    try:
        tax = _legacy_tax(order, [line for line, _ in sold], stands, names, discounts)
    except MappingProblem as problem:
        return msgspec.structs.replace(found, tax_problem=Refused(code=problem.code, message=str(problem)))
    return msgspec.structs.replace(found, legacy_tax=tax)


def _with_discounts(lines: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Lines that are shipped or billed by quantity, each with the lines below it that only carry an amount."""
    found: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = []
    for line in lines:
        if found and str((line.get("itemType") or {}).get("id")) in WITHOUT_QUANTITY:
            found[-1][1].append(line)
        else:
            found.append((line, []))
    return found


def _wanted(
    order: SalesOrder, there: Sequence[Mapping[str, Any]], names: Mapping[str, str], discounts: Discounts
) -> dict[str, Wanted]:
    """By line of NetSuite's, those that the store lost something of; all of them where the whole order ends, with what
    somebody added there."""
    keeps = kept(order)
    if not any(keeps.values()):
        return {str(line["line"]): Wanted(quantity=ZERO) for line in there}
    left = remaining(order)
    amounts = _amounts(left, discounts)
    by_sku: dict[str, list[Mapping[str, Any]]] = {}
    for line in there:
        by_sku.setdefault(names.get(str((line.get("item") or {}).get("id") or ""), ""), []).append(line)
    ends = order.status is OrderStatus.CANCELLED
    wanted = {str(line["line"]): Wanted(quantity=ZERO) for line in there} if ends else {}
    ours: dict[str, list[PreparedLine]] = {}
    for one in prepared(order, discounts):
        if one.sku:
            ours.setdefault(one.sku, []).append(one)
    for sku, mine in ours.items():
        theirs = by_sku.get(sku, [])
        if not ends and all(keeps[one.line_id] == one.quantity for one in mine):
            continue
        if len(mine) == len(theirs):
            quantities = _where_it_left([keeps[one.line_id] for one in mine], theirs)
            for one, line, quantity in zip(mine, theirs, quantities, strict=True):
                exact = amounts.get(one.line_id)
                wanted[str(line["line"])] = (
                    exact if exact is not None and exact.quantity == quantity else Wanted(quantity=quantity)
                )
        else:
            # The same article in another number of lines: what is kept fills them in their order.
            rest = sum((keeps[one.line_id] for one in mine), ZERO)
            for line in theirs:
                here = min(rest, _number(line, "quantity"))
                wanted[str(line["line"])] = Wanted(quantity=here)
                rest -= here
    return wanted


def _where_it_left(keeps: Sequence[Decimal], lines: Sequence[Mapping[str, Any]]) -> list[Decimal]:
    """What the store keeps of one article, by NetSuite's lines of it.

    Where more has left of a line than the store keeps there, units of the article's other lines that are not gone here
    are counted as these: a store that is told of an article ships by its own rows in their order, so that it may have
    shipped one row where NetSuite shipped the other. Both agree on the article, and nothing is open or too much.
    """
    found = list(keeps)
    leaves = [_leaves(line) for line in lines]
    for place, gone in enumerate(leaves):
        for other, there in enumerate(leaves):
            moved = min(gone - found[place], found[other] - there)
            if moved > 0:
                found[place] += moved
                found[other] -= moved
    return found


def _leaves(line: Mapping[str, Any]) -> Decimal:
    """Units that have left, are billed, or are being packed."""
    return max(_number(line, name) for name in ("quantityFulfilled", "quantityBilled", "quantityPicked"))


def _legacy_tax(
    order: SalesOrder,
    there: Sequence[Mapping[str, Any]],
    stands: Mapping[str, Decimal],
    names: Mapping[str, str],
    discounts: Discounts,
) -> dict[str, Any]:
    """The store's tax of the units that stand there afterwards, closed ones included, which keep their amounts.

    Line by line, as `_wanted` pairs them; where an article is there in another number of lines, by its units. Of as
    many as were ordered, or are left, what the store says to the cent, else their share. A line of an article that the
    store has not sold keeps its tax. Raises MappingProblem where an article of the store has no line there.
    """
    ordered, left = _tax_by_sku(order, discounts), _tax_by_sku(remaining(order), discounts)
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for line in there:
        lines.setdefault(names.get(str((line.get("item") or {}).get("id") or ""), ""), []).append(line)
    if missing := sorted(ordered.keys() - lines.keys()):
        raise MappingProblem(
            "article_without_line",
            "lines",
            ", ".join(missing),
            "the sales order has no line of it in NetSuite, so its tax after the cancellation cannot be told",
        )
    details: list[dict[str, Any]] = []
    for sku, sold in ordered.items():
        mine, kept_of = lines[sku], left.get(sku, {})
        if len(sold) == len(mine):
            for line_id, line in zip(sold, mine, strict=True):
                exact = kept_of.get(line_id, NOTHING)
                amount = _tax_of(stands[str(line["line"])], sold[line_id], exact, order.currency)
                details.append({"line": int(line["line"]), "amount": plain(amount)})
            continue
        units = sum((stands[str(line["line"])] for line in mine), ZERO)
        tax = _tax_of(units, _summed(sold), _summed(kept_of), order.currency)
        given = ZERO
        for position, line in enumerate(mine, 1):
            share = stands[str(line["line"])] / units if units else ZERO
            amount = tax - given if position == len(mine) else round_money(tax * share, order.currency)
            given += amount
            details.append({"line": int(line["line"]), "amount": plain(amount)})
    shipping = sum((tax.amount for tax in order.shipping.taxes), ZERO)
    details.append({"line": None, "amount": plain(shipping)})
    added = sorted(int(line["line"]) for sku in lines.keys() - ordered.keys() for line in lines[sku])
    total = plain(sum((one["amount"] for one in details), ZERO))
    return {"total": total, "details": details, **({"addedLines": added} if added else {})}


def _tax_of(units: Decimal, ordered: Taxed, left: Taxed, currency: str) -> Decimal:
    """Each tax has its own share, rounded by itself as the store's are: the same units have the same tax whatever else
    is cancelled later."""
    if units == left[0]:
        return sum(left[1], ZERO)
    quantity, taxes = ordered
    if not quantity or units == quantity:
        return sum(taxes, ZERO)
    return sum((round_money(tax * units / quantity, currency) for tax in taxes), ZERO)


def _summed(lines: Mapping[str, Taxed]) -> Taxed:
    return sum((one[0] for one in lines.values()), ZERO), tuple(tax for one in lines.values() for tax in one[1])


def _tax_by_sku(order: SalesOrder, discounts: Discounts) -> dict[str, dict[str, Taxed]]:
    """Units and taxes of each article, by line of the store's."""
    lines = prepared(order, discounts) if order.lines else []
    taxes: dict[str, tuple[Decimal, ...]] = {}
    for one in tax_details(order, lines):
        taxes[one.reference] = (*taxes.get(one.reference, ()), one.amount)
    found: dict[str, dict[str, Taxed]] = {}
    for line in lines:
        if line.sku:
            taxed = (line.quantity or ZERO, taxes.get(line.reference, ()))
            found.setdefault(line.sku, {})[line.line_id] = taxed
    return found


def _amounts(left: SalesOrder, discounts: Discounts) -> dict[str, Wanted]:
    """By the store's line, what is left of it to the cent."""
    lines = prepared(left, discounts) if left.lines else []
    quantities = {line.line_id: line.quantity for line in expanded(left)}
    found = {}
    for line in lines:
        if not line.sku:
            continue
        below = sum((one.amount for one in lines if one.line_id == line.line_id and not one.sku), ZERO)
        taxes = tuple(one for one in tax_details(left, lines) if one.reference == line.reference)
        found[line.line_id] = Wanted(quantity=quantities[line.line_id], amounts=(line.amount, below), taxes=taxes)
    return found


def _cut(
    line: Mapping[str, Any], below: Sequence[Mapping[str, Any]], quantity: Decimal, want: Wanted, currency: str
) -> Iterator[dict[str, Any]]:
    share = want.quantity / quantity
    amount, discount = want.amounts or (round_money(_number(line, "amount") * share, currency), None)
    yield {"line": line["line"], "quantity": plain(want.quantity), "amount": plain(amount)}
    for one in below:
        own = round_money(_number(one, "amount") * share, currency)
        yield {"line": one["line"], "amount": plain(own if discount is None or len(below) > 1 else discount)}


def _taxes(
    details: Sequence[Mapping[str, Any]], shares: Mapping[str, tuple[Decimal, Wanted]], currency: str
) -> Iterator[dict[str, Any]]:
    """All tax details, those of cut lines with what is left."""
    seen: dict[str, int] = {}
    counts: dict[str, int] = {}
    for detail in details:
        counts[_reference(detail)] = counts.get(_reference(detail), 0) + 1
    for detail in details:
        reference = _reference(detail)
        out = {name: value for name, value in detail.items() if name != "links"}
        out["taxDetailsReference"] = {"id": reference}
        if reference in shares:
            share, want = shares[reference]
            position = seen.get(reference, 0)
            seen[reference] = position + 1
            basis = round_money(_number(detail, "taxBasis") * share, currency)
            amount = round_money(_number(detail, "taxAmount") * share, currency)
            if len(want.taxes) == counts[reference]:
                basis, amount = want.taxes[position].basis, want.taxes[position].amount
            out |= {"taxBasis": plain(basis), "netAmount": plain(basis), "taxAmount": plain(amount)}
        yield out


def _reference(detail: Mapping[str, Any]) -> str:
    told = detail.get("taxDetailsReference")
    return str(told.get("id") if isinstance(told, Mapping) else told or "")


def _number(record: Mapping[str, Any], name: str) -> Decimal:
    value = record.get(name)
    return ZERO if value is None or value == "" else decimal_of(value)
