"""What of an order the ERP cancelled for want of stock: units, and what they would have brought.

Pure arithmetic over what the ledger keeps: every word of the ERP about the order, and every version of the order as
the store had it. Each unit counts once, when the ERP first says so: a line that is closed today is not counted again
when the rest of its order is cancelled tomorrow. What the store had cancelled by itself before was not lost for want of
stock, and what it cancels since the ERP did is the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from erp_sync.model.money import ZERO
from erp_sync.model.order import OrderLine, OrderStatus, SalesOrder
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.model.remaining import kept, remaining

replace = msgspec.structs.replace
Units = dict[str, Decimal]
"""By line id of the store's order."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A word of the ERP. `id`: of its delivery; `at`: when it was accepted, UTC."""

    id: int
    at: datetime
    update: OrderStatusUpdate


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Units, and money in the order's currency: with tax, and with shipping where nothing of the order is left."""

    currency: str
    units: Decimal
    revenue: Decimal


def lacks(update: OrderStatusUpdate, words: Sequence[str]) -> bool:
    """Whether it tells of something cancelled for want of stock; `words` in lower case."""
    reason = update.reason.lower()
    return _cancels(update) and any(word in reason for word in words)


def loss_of(
    said: Sequence[Said], orders: Sequence[tuple[int, SalesOrder]], words: Sequence[str], since: datetime
) -> Loss:
    """What was lost from `since` on.

    Args:
        said: everything that the ERP said about the order, oldest first.
        orders: the order's versions, each with the id of its delivery, oldest first; at least one.
    """
    gone: Units = {}  # by the ERP, whatever its reason
    own: Units = {}  # by the store, by itself
    earlier = now = Loss(currency=orders[0][1].currency, units=ZERO, revenue=ZERO)
    for one in sorted(said, key=lambda word: word.id):
        order = next((order for number, order in reversed(orders) if number < one.id), orders[0][1])
        keeps = kept(order)
        own = {
            line.line_id: max(
                own.get(line.line_id, ZERO), line.quantity - keeps[line.line_id] - gone.get(line.line_id, ZERO)
            )
            for line in order.lines
        }
        gone = _gone(order, own, one.update) if _cancels(one.update) else {}
        now = _worth(order, own, gone if lacks(one.update, words) else {})
        if one.at < since:
            earlier = now
    return Loss(
        currency=now.currency,
        units=max(now.units - earlier.units, ZERO),
        revenue=max(now.revenue - earlier.revenue, ZERO),
    )


def _cancels(update: OrderStatusUpdate) -> bool:
    return update.status is OrderStatus.CANCELLED or bool(update.cancelled)


def _gone(order: SalesOrder, own: Mapping[str, Decimal], update: OrderStatusUpdate) -> Units:
    """Units of each line that the ERP does not send. It names articles, not lines: they fill the lines in their order,
    and what has left of a line is none of them."""
    left = {line.line_id: line.quantity - own[line.line_id] for line in order.lines}
    if update.status is OrderStatus.CANCELLED:
        return left
    rest: dict[str, Decimal] = {}
    for part in update.cancelled:
        rest[part.sku] = rest.get(part.sku, ZERO) + part.quantity
    parts = _parts(order)
    found: Units = {}
    for line in order.lines:
        if line.line_id not in parts:
            most = max(left[line.line_id] - line.quantity_shipped, ZERO)
            found[line.line_id] = min(most, rest.get(line.sku, ZERO))
            rest[line.sku] = rest.get(line.sku, ZERO) - found[line.line_id]
    for line in order.lines:
        if inside := parts.get(line.line_id):
            # The price of a bundle may stand in its header: that share of it is lost which is lost of its units.
            share = sum((found.get(part.line_id, ZERO) for part in inside), ZERO)
            whole = sum((part.quantity for part in inside), ZERO)
            found[line.line_id] = min(left[line.line_id], line.quantity * share / whole) if whole else ZERO
    return found


def _worth(order: SalesOrder, own: Mapping[str, Decimal], gone: Mapping[str, Decimal]) -> Loss:
    """A bundle's units are those of its components."""
    parts = _parts(order)
    units = sum((quantity for line_id, quantity in gone.items() if line_id not in parts), ZERO)
    before, after = _total(order, own), _total(order, {key: own[key] + gone.get(key, ZERO) for key in own})
    return Loss(currency=order.currency, units=units, revenue=before - after)


def _total(order: SalesOrder, cancelled: Mapping[str, Decimal]) -> Decimal:
    """Grand total of what is left, as the order flow shares it; nothing where no line is left."""
    lines = tuple(
        replace(line, quantity_cancelled=cancelled[line.line_id], quantity_refunded=ZERO) for line in order.lines
    )
    left = remaining(replace(order, lines=lines))
    return left.totals.grand_total if left.lines else ZERO


def _parts(order: SalesOrder) -> dict[str, list[OrderLine]]:
    """Components by the line id of their header."""
    found: dict[str, list[OrderLine]] = {}
    for line in order.lines:
        if line.parent_line_id is not None:
            found.setdefault(line.parent_line_id, []).append(line)
    return found
