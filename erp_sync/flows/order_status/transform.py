"""Which change of an order in the ERP the store is told."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.flows.decisions import Before, Decision
from erp_sync.model.keys import Entity
from erp_sync.model.order_status import OrderStatusUpdate

encode = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(OrderStatusUpdate)


def decode(payload: bytes) -> OrderStatusUpdate:
    """The update as the ledger keeps it."""
    return _decoder.decode(payload)


def erp_order(update: OrderStatusUpdate) -> str:
    """The ERP's id of the order, where the record names no order of the store: an adopted one may be linked."""
    return "" if update.order_key else update.native_id


def of_order(update: OrderStatusUpdate, store: str, order_key: str) -> OrderStatusUpdate:
    """The same, of this order of the store."""
    return msgspec.structs.replace(update, order_connection=store, order_key=order_key)


def decide(update: OrderStatusUpdate, start: datetime, before: Before | None, target: str = "") -> Decision:
    """The store is told when number, status or what is cancelled changed, and only of its own orders."""
    if not update.order_key or update.order_connection not in ("", target):
        # Two stores number their orders alike: the id alone would find another customer's order.
        return Decision(action="drop", code="not_from_the_store", reason="the order is not one of this store")
    if update.updated_at is not None and update.updated_at < start:
        return Decision(action="drop", code="before_start", reason=f"changed before the route's start {start:%Y-%m-%d}")
    if before is not None and not before.held and before.content == content(update):
        return Decision(action="drop", code="unchanged", reason="number and status are the same")
    return Decision(action="create")


def content(update: OrderStatusUpdate) -> str:
    """Fingerprint of what the store is told."""
    told: tuple[Any, ...] = (update.number, update.status, update.reason)
    if update.cancelled:
        # Only then: what was told before there were parts is not told once more.
        told = (*told, update.cancelled)
    return hashlib.sha256(encode(told)).hexdigest()[:16]


def concerns(update: OrderStatusUpdate) -> str:
    """Updates of one order are written one after the other."""
    return f"sales_order {update.order_key}"


def facts(update: OrderStatusUpdate) -> dict[str, Any]:
    """What lists of documents show."""
    return {"order": update.order_key, "status": update.status.value}


def target(connector: Any) -> Any:
    """The port that order status goes to."""
    return connector.port(Entity.ORDER_STATUS, "target")
