"""What a warehouse gets while the ERP is away: orders as CSV, a pick list to print, a list to fill in. No I/O."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any

import msgspec

from erp_sync.model.address import Address
from erp_sync.model.money import ZERO
from erp_sync.model.order import LineKind, OrderLine, SalesOrder

COLUMNS = (
    *("order", "order_id", "placed_at", "store", "store_view", "line", "kind", "part_of", "sku", "store_sku", "name"),
    *("options", "quantity", "ordered", "unit", "bin", "gift_message", "ship_to", "company", "street", "street_2"),
    *("city", "region", "postcode", "country", "phone", "email", "shipping_method", "shipping", "instructions"),
    *("coupon_codes", "payment", "currency", "line_amount", "line_tax", "order_total"),
)
SHIPPED_COLUMNS = ("order", "sku", "quantity", "carrier", "tracking", "location", "shipped_on")
# What a spreadsheet would take for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class PickLine(msgspec.Struct, frozen=True, kw_only=True):
    """`quantity` is still to be shipped; `part_of` the bundle that it belongs to; `bin` "" where none is known."""

    line: OrderLine
    quantity: Decimal
    part_of: str = ""
    bin: str = ""

    @property
    def picked(self) -> bool:
        return self.line.kind is not LineKind.NON_STOCK


class PickOrder(msgspec.Struct, frozen=True, kw_only=True):
    order: SalesOrder
    lines: tuple[PickLine, ...]

    @property
    def address(self) -> Address:
        return self.order.shipping_address or self.order.billing_address

    @property
    def gifts(self) -> list[str]:
        """Messages and wrapping, with what they are for."""
        found = [
            f"{one.line.sku}: {message}"
            for one in self.lines
            if (message := str(one.line.custom.get("gift_message") or ""))
        ]
        found += [f"{one.line.name or one.line.sku}" for one in self.lines if one.line.sku.startswith("gift-wrapping")]
        return found


def pick_order(order: SalesOrder, shipped: Mapping[str, Decimal], bins: Mapping[str, str]) -> PickOrder:
    """What of an order is still to be shipped. `shipped`: by SKU, what left already. `bins`: by SKU."""
    left = _beyond(order, shipped)
    bundles = {line.line_id: line for line in order.lines if line.kind is LineKind.BUNDLE}
    lines = []
    for line in order.lines:
        if line.kind is LineKind.BUNDLE:
            continue
        gone = line.quantity_cancelled + max(line.quantity_refunded, line.quantity_shipped)
        open_ = max(line.quantity - gone, ZERO)
        if line.kind is not LineKind.NON_STOCK:
            taken = min(open_, max(left.get(line.sku, ZERO), ZERO))
            left[line.sku] = left.get(line.sku, ZERO) - taken
            open_ -= taken
        if open_ <= 0:
            continue
        bundle = bundles.get(line.parent_line_id or "")
        part_of = f"{bundle.store_sku or bundle.sku} {bundle.name}".strip() if bundle is not None else ""
        lines.append(PickLine(line=line, quantity=open_, part_of=part_of, bin=bins.get(line.sku, "")))
    return PickOrder(order=order, lines=tuple(lines))


def _beyond(order: SalesOrder, shipped: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What left and the order, as the store gave it, does not know of yet."""
    found = dict(shipped)
    for line in order.lines:
        if line.kind in (LineKind.ITEM, LineKind.COMPONENT) and line.sku in found:
            found[line.sku] = max(found[line.sku] - line.quantity_shipped, ZERO)
    return found


def orders_csv(orders: Sequence[PickOrder]) -> str:
    """A row per order line, with all that a warehouse needs to ship it."""
    rows = [row for one in orders for row in _rows(one)]
    return _csv(COLUMNS, rows)


def shipped_csv(orders: Sequence[PickOrder]) -> str:
    """The list that the warehouse fills in: carrier and tracking number, and the quantity where less was shipped."""
    rows = [
        {"order": one.order.number, "sku": line.line.sku, "quantity": _number(line.quantity)}
        for one in orders
        for line in one.lines
        if line.picked
    ]
    return _csv(SHIPPED_COLUMNS, rows)


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: str) -> str:
    """As text, whatever a customer wrote: a spreadsheet runs what begins like a formula."""
    return f"'{value}" if value.startswith(_FORMULAS) else value


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _rows(one: PickOrder) -> list[dict[str, str]]:
    order, address = one.order, one.address
    street = [*address.street, "", ""]
    whole = {
        "order": order.number,
        "order_id": order.native_id,
        "placed_at": _moment(order.placed_at),
        "store": order.connection,
        "store_view": order.store_view or order.website,
        "ship_to": address.addressee,
        "company": address.company,
        "street": street[0],
        "street_2": ", ".join(part for part in street[1:] if part),
        "city": address.city,
        "region": address.region,
        "postcode": address.postcode,
        "country": address.country,
        "phone": address.phone or order.customer.phone,
        "email": order.customer.email,
        "shipping_method": order.shipping.method,
        "shipping": order.shipping.description,
        "instructions": order.special_instructions,
        "coupon_codes": " ".join(order.coupon_codes),
        "payment": ", ".join(f"{payment.method} {payment.state.value}" for payment in order.payments),
        "currency": order.currency,
        "order_total": f"{order.totals.grand_total:f}",
    }
    return [
        {
            **whole,
            "line": line.line.line_id,
            "kind": line.line.kind.value,
            "part_of": line.part_of,
            "sku": line.line.sku,
            "store_sku": line.line.store_sku,
            "name": line.line.name,
            "options": _options(line.line),
            "quantity": _number(line.quantity),
            "ordered": _number(line.line.quantity),
            "unit": line.line.unit,
            "bin": line.bin,
            "gift_message": str(line.line.custom.get("gift_message") or ""),
            "line_amount": f"{line.line.amount:f}",
            "line_tax": f"{line.line.tax_amount:f}",
        }
        for line in one.lines
    ]


def _options(line: OrderLine) -> str:
    return "; ".join(f"{label}: {value}" for label, value in line.options)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


_STYLE = """
body { font: 11pt/1.35 system-ui, sans-serif; margin: 1.5rem; color: #111 }
h1 { font-size: 17pt; margin: 0 0 .2rem } h2 { font-size: 13pt; margin: 0 }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 }
th, td { border: 1px solid #999; padding: .25rem .45rem; text-align: left; vertical-align: top }
th { background: #eee } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.box { width: 1.4rem } .small { color: #444; font-size: 9.5pt }
.slip { break-before: page; border-top: 2px solid #111; padding-top: .6rem; margin-top: 1.6rem }
.head { display: flex; justify-content: space-between; gap: 2rem }
.note { border: 2px solid #111; padding: .3rem .5rem; margin: .5rem 0; white-space: pre-wrap }
thead { display: table-header-group } tr { break-inside: avoid }
@media print { body { margin: 0 } .slip { border-top: 0; margin-top: 0 } }
@page { margin: 14mm }
"""


def pick_list(orders: Sequence[PickOrder], *, batch: str, at: datetime, who: str) -> str:
    """One page that needs nothing else: what to fetch from where, then a slip per order."""
    totals: dict[tuple[str, str], list[Any]] = {}
    for one in orders:
        for line in one.lines:
            if line.picked:
                entry = totals.setdefault((line.bin, line.line.sku), [line.line.name, ZERO, 0])
                entry[1] += line.quantity
                entry[2] += 1
    fetched = "".join(
        f'<tr><td class="box"></td><td>{escape(place)}</td><td>{escape(sku)}</td><td>{escape(name)}</td>'
        f'<td class="n">{_number(quantity)}</td><td class="n">{lines}</td></tr>'
        for (place, sku), (name, quantity, lines) in sorted(totals.items(), key=lambda entry: _place(*entry[0]))
    )
    units = sum((entry[1] for entry in totals.values()), ZERO)
    head = (
        f"<h1>Pick list {escape(batch)}</h1>"
        f'<p class="small">{len(orders)} orders, {len(totals)} articles, {_number(units)} units. Handed out '
        f"{_moment(at)} by {escape(who)}. What was shipped goes back by the list shipped-{escape(batch)}.csv.</p>"
        '<table id="picks"><thead><tr><th></th><th>Bin</th><th>SKU</th><th>Article</th><th class="n">Units</th>'
        f'<th class="n">Lines</th></tr></thead><tbody>{fetched}</tbody>'
        f'<tfoot><tr><th></th><th></th><th></th><th>Total</th><th class="n">{_number(units)}</th><th></th></tr></tfoot>'
        "</table>"
    )
    slips = "".join(_slip(one) for one in orders)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pick list {escape(batch)}</title>'
        f"<style>{_STYLE}</style></head><body>{head}{slips}</body></html>\n"
    )


def _place(place: str, sku: str) -> tuple[bool, str, str]:
    """By bin, articles without one last."""
    return (not place, place, sku)


def _slip(one: PickOrder) -> str:
    order, address = one.order, one.address
    to = [address.addressee, *([address.company] if address.company not in ("", address.addressee) else [])]
    to += [*address.street, f"{address.postcode} {address.city} {address.region}".strip(), address.country]
    contact = " · ".join(part for part in (address.phone or order.customer.phone, order.customer.email) if part)
    lines = "".join(
        f'<tr><td class="box"></td><td>{escape(line.bin)}</td><td>{escape(line.line.sku)}</td>'
        f"<td>{escape(line.line.name)}{_more(line)}</td>"
        f'<td class="n">{_number(line.quantity)}</td></tr>'
        for line in sorted(one.lines, key=lambda line: (not line.picked, *_place(line.bin, line.line.sku)))
    )
    notes = []
    if order.special_instructions:
        notes.append(f'<div class="note"><b>Instructions:</b> {escape(order.special_instructions)}</div>')
    if one.gifts:
        notes.append(f'<div class="note"><b>Gift:</b> {escape(chr(10).join(one.gifts))}</div>')
    return (
        f'<section class="slip"><div class="head"><div><h2>Order {escape(order.number)}</h2>'
        f'<p class="small">{_moment(order.placed_at)}, {escape(order.connection)}<br>'
        f"{escape(order.shipping.description or order.shipping.method)}</p></div>"
        f"<address>{'<br>'.join(escape(part) for part in to if part)}<br>"
        f'<span class="small">{escape(contact)}</span></address></div>{"".join(notes)}'
        "<table><thead><tr><th></th><th>Bin</th><th>SKU</th><th>Article</th>"
        f'<th class="n">Units</th></tr></thead><tbody>{lines}</tbody></table>'
        "<p>Carrier: ______________ &nbsp; Tracking: ____________________________ &nbsp; Packed by: __________</p>"
        "</section>"
    )


def _more(line: PickLine) -> str:
    parts = [
        _options(line.line),
        f"part of {line.part_of}" if line.part_of else "",
        "" if line.picked else "not from stock",
    ]
    told = "; ".join(part for part in parts if part)
    return f'<br><span class="small">{escape(told)}</span>' if told else ""
