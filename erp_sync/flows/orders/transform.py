"""From received records to sales orders in the ledger: which version of an order goes, and as what.

Nothing is lost here: every received record becomes a document, an update of one, or is named with the
reason why not. A record that cannot be understood is a dead letter from the start; it alone stops.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.model.order import OrderStatus, SalesOrder

encode = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(SalesOrder)

# The customer has not paid or somebody looks at the order: it waits in the ledger, and the next
# version of it decides.
HELD = {
    OrderStatus.PENDING_PAYMENT: ("pending_payment", "the store waits for the payment"),
    OrderStatus.ON_HOLD: ("on_hold_in_store", "somebody put the order on hold in the store"),
}


def decode(payload: bytes) -> SalesOrder:
    """The order as the ledger keeps it."""
    return _decoder.decode(payload)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one version of an order.

    Attributes:
        action: ``create`` (a document to deliver), ``hold`` (a document that waits, with code and
            reason), ``cancel`` (of an order that was delivered or is under way), ``drop`` (nothing to
            do, with the reason).
    """

    action: str
    code: str = ""
    reason: str = ""


def decide(order: SalesOrder, start: datetime, delivered_content: str | None) -> Decision:
    """Decide about one version.

    Args:
        start: orders placed before the route's start are never sent.
        delivered_content: `content` of the version that was accepted before, None for a new order.
    """
    if order.placed_at < start:
        return Decision(action="drop", code="before_start", reason=f"placed before the route's start {start:%Y-%m-%d}")
    if order.status is OrderStatus.CANCELLED:
        if delivered_content is None:
            return Decision(action="drop", code="cancelled_in_store", reason="cancelled before it was sent")
        return Decision(action="cancel")
    if delivered_content == content(order):
        return Decision(action="drop", code="unchanged", reason="nothing that the ERP gets has changed")
    if order.status in HELD and delivered_content is None:
        code, reason = HELD[order.status]
        return Decision(action="hold", code=code, reason=reason)
    return Decision(action="create")


def content(order: SalesOrder) -> str:
    """Fingerprint of what the ERP gets. Our own write-backs change an order's version, not this."""
    relevant: dict[str, Any] = {
        "lines": [(line.sku, line.quantity, line.unit_price, line.discount, line.tax_amount) for line in order.lines],
        "billing": order.billing_address,
        "shipping_address": order.shipping_address,
        "shipping": order.shipping,
        "totals": order.totals,
        "currency": order.currency,
    }
    return hashlib.sha256(encode(relevant)).hexdigest()[:16]
