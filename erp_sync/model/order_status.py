"""What became of an order in the ERP, for the store that took it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.order import OrderStatus


class CancelledUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one article of an order that the ERP will not send any more, though the order goes on."""

    sku: str
    quantity: Decimal


class OrderStatusUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The ERP's number and status of one order. Times are UTC.

    Attributes:
        native_id, number: the ERP's id and document number of the order.
        version: the ERP's version; grows with each change.
        order_connection: connection of the store that took the order; "" where that is not known.
        order_key: native id that the order has in its own store.
        reason: why it, or a part of it, was cancelled or is held, in the ERP's words.
        cancelled: the part of it that was cancelled for this reason. Where all of it was, status says so, and this
            may be empty.
    """

    connection: str
    scope: str
    native_id: str
    number: str
    version: str
    order_connection: str = ""
    order_key: str
    status: OrderStatus
    reason: str = ""
    cancelled: tuple[CancelledUnits, ...] = ()
    updated_at: datetime | None = None
    custom: dict[str, Any] = {}
