"""Stock level of one item at one location."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from erp_sync.model.money import ZERO


class StockLevel(msgspec.Struct, frozen=True, kw_only=True):
    """What the system of record says about one SKU at one location.

    All quantities are in the item's stock unit and are not netted against each other; what may be
    offered is worked out by the inventory flow.

    Attributes:
        on_hand: physically there, reserved or not.
        allocated: committed to orders that the system of record knows.
        read_at: when the read *started* (UTC): the order of values without a source version.
    """

    connection: str
    scope: str
    sku: str
    location: str
    on_hand: Decimal
    allocated: Decimal = ZERO
    reserved: Decimal = ZERO
    damaged: Decimal = ZERO
    quarantined: Decimal = ZERO
    on_order: Decimal = ZERO
    backorders: bool = False
    restock_date: str | None = None
    version: str = ""
    read_at: datetime
