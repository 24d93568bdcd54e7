"""From received records to sales orders in the ledger: which version of an order goes, and as what.

Nothing is lost here: every received record becomes a document, an update of one, or is named with the
reason why not. A record that cannot be understood is a dead letter from the start; it alone stops.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.flows.decisions import Before, Decision
from erp_sync.flows.orders.target import OrdersTarget
from erp_sync.model.correction import OrderCorrection
from erp_sync.model.money import ZERO
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.model.remaining import ended, lost, remaining

encode = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(SalesOrder)
_correction = msgspec.json.Decoder(OrderCorrection)
_units = msgspec.json.Decoder(dict[str, Decimal])

# The customer has not paid or somebody looks at the order: it waits in the ledger, and the next
# version of it decides.
HELD = {
    OrderStatus.PENDING_PAYMENT: ("pending_payment", "the store waits for the payment"),
    OrderStatus.ON_HOLD: ("on_hold_in_store", "somebody put the order on hold in the store"),
}


def decode(payload: bytes) -> SalesOrder:
    """The order as the ledger keeps it."""
    return _correction.decode(payload) if b'"put_back":[' in payload else _decoder.decode(payload)


def decide(order: SalesOrder, start: datetime, before: Before | None, target: str = "") -> Decision:
    """Decide about one version; `start` is the route's: orders placed before it are never sent.

    One that was sent under an earlier start is ours all the same: what follows goes. A cancellation also takes back
    what only waits. One of which a part was cancelled after it was sent goes once more: that part is closed.
    """
    if isinstance(order, OrderCorrection):
        return Decision(action="update")  # of an order that was sent
    ours = before is not None and (before.begun or order.status is OrderStatus.CANCELLED)
    if order.placed_at < start and not ours:
        return Decision(action="drop", code="before_start", reason=f"placed before the route's start {start:%Y-%m-%d}")
    unchanged = before is not None and _same(before.content, content(order))
    if order.status is OrderStatus.CANCELLED:
        if before is None:
            return Decision(action="drop", code="cancelled_in_store", reason="cancelled before it was seen")
        if unchanged:
            return Decision(action="drop", code="unchanged", reason="its cancellation was seen before")
        return Decision(action="cancel", code="cancelled_in_store", reason="cancelled in the store")
    if before is None and not remaining(order).lines:
        reason = "every unit was cancelled or refunded in the store before it was seen"
        return Decision(action="drop", code="nothing_left", reason=reason)
    if before is not None and not unchanged and ended(order):
        return Decision(
            action="cancel", code="nothing_left", reason="every unit was cancelled or refunded in the store"
        )
    if order.status in HELD and (before is None or not before.begun):
        code, reason = HELD[order.status]
        return Decision(action="hold", code=code, reason=reason)
    if before is None or before.held:
        return Decision(action="create")
    if unchanged:
        return Decision(action="drop", code="unchanged", reason="nothing that the ERP gets has changed")
    if not before.begun:
        return Decision(action="create")
    if not before.case:
        now = content(order)
        if _placed(before.content) == _placed(now) != "" and _more_lost(before.content, now):
            reason = "units were cancelled in the store, or refunded unshipped, after it was sent"
            return Decision(action="update", code="partly_cancelled", reason=reason)
        if _goods(before.content) == _goods(now) or _placed(before.content) == _placed(now) != "":
            return Decision(action="update", code="payments_changed", reason="a payment came in or changed")
    return Decision(
        action="hold",
        code="changed_after_delivery",
        reason="the order was changed in the store after it was sent: compare both, then correct the ERP's by hand",
    )


def content(order: SalesOrder) -> str:
    """Fingerprint of what the ERP gets. Our own write-backs change an order's version, not this.

    Four parts: the goods, the payments, the goods as they were placed, and the units lost of each line since. The
    first, in which cancelled units are one with the rest, is what ledgers of earlier versions know (with the second).
    """
    placed: dict[str, Any] = {
        "lines": [(line.sku, line.quantity, line.unit_price, line.discount, line.tax_amount) for line in order.lines],
        "billing": order.billing_address,
        "shipping_address": order.shipping_address,
        "shipping": order.shipping,
        "totals": order.totals,
        "currency": order.currency,
        "cancelled": order.status is OrderStatus.CANCELLED,
    }
    with_cancelled = [
        (line.sku, line.quantity, line.quantity_cancelled, line.unit_price, line.discount, line.tax_amount)
        for line in order.lines
    ]
    goods = {**placed, "lines": with_cancelled}
    payments = [(payment.payment_id, payment.amount, payment.state) for payment in order.payments]
    gone = {line: quantity.normalize() for line, quantity in sorted(lost(order).items())}
    return f"{_digest(goods)}/{_digest(payments)}/{_digest(placed)}/{encode(gone).decode()}"


def _same(before: str, now: str) -> bool:
    """Nothing that the ERP gets differs. Units that are lost no more (refunded first, and then shipped) change nothing:
    nothing is opened again."""
    if not _placed(before):
        return before == "/".join(now.split("/")[:2])
    if before.split("/")[1:3] != now.split("/")[1:3]:
        return False
    return not _more_lost(before, now)


def _goods(fingerprint: str) -> str:
    """The part of a fingerprint that is not about payments."""
    return fingerprint.partition("/")[0]


def _placed(fingerprint: str) -> str:
    """Its part about the goods as they were placed; "" where an earlier version wrote it."""
    return next(iter(fingerprint.split("/")[2:3]), "")


def _more_lost(before: str, now: str) -> bool:
    """Whether a line has lost more units."""
    earlier, later = _lost(before), _lost(now)
    return any(quantity > earlier.get(line, ZERO) for line, quantity in later.items())


def _lost(fingerprint: str) -> dict[str, Decimal]:
    """Units lost by line."""
    return _units.decode("/".join(fingerprint.split("/")[3:]))


def _digest(value: Any) -> str:
    return hashlib.sha256(encode(value)).hexdigest()[:16]


def concerns(order: SalesOrder) -> str:
    """Orders of one customer are not written side by side: they share the customer's record."""
    return f"customer {order.customer.email.strip().lower()}"


def facts(order: SalesOrder) -> dict[str, Any]:
    """What lists of documents show."""
    return {
        "total": str(order.totals.grand_total),
        "currency": order.currency,
        "placed_at": order.placed_at.isoformat(),
    }


def target(connector: Any) -> OrdersTarget:
    """The port that orders of this flow go to."""
    return OrdersTarget(connector)
