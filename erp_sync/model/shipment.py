"""Shipment: parcels that left a location for an order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class ShipmentStatus(StrEnum):
    PICKED = "picked"
    PACKED = "packed"
    SHIPPED = "shipped"  # the carrier has the parcel


def plain_number(tracking: str) -> str:
    """A tracking number without what people put into it to read it better."""
    return "".join(letter for letter in tracking.upper() if letter.isalnum())


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    tracking_number: str
    carrier: str
    description: str = ""
    weight: Decimal | None = None


class ShipmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """`order_line` is the line of the order in the system that shipped."""

    order_line: str
    sku: str
    quantity: Decimal
    location: str = ""


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """One fulfillment.

    Attributes:
        order_native_id: of the order in the system that shipped.
        order_connection: connection of the store that took the order; "" where that is not known.
        order_key: id that the order has in its own store, where known.
    """

    connection: str
    scope: str
    native_id: str
    number: str = ""
    version: str = ""
    status: ShipmentStatus
    order_native_id: str
    order_connection: str = ""
    order_key: str = ""
    location: str = ""
    shipped_at: datetime | None = None
    updated_at: datetime | None = None
    lines: tuple[ShipmentLine, ...]
    parcels: tuple[Parcel, ...] = ()
    custom: dict[str, Any] = {}
