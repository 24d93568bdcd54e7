"""Stock level of one item at one location."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from erp_sync.model.money import ZERO

# An empty date that the system of record gives: none is expected.
NO_DATE = "none"


class ChannelDemand(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel's orders take of a stock level, as the system of record says.

    Attributes:
        channel: connection of the store.
        allocated: part of the level's `allocated` that is for this channel's orders, picked ones included.
        shipped: shipments that left lately, id in the system of record to quantity. Read *before* the
            quantities: one that leaves in between is missing here, so that too little is offered, never too much.
    """

    channel: str
    allocated: Decimal = ZERO
    shipped: tuple[tuple[str, Decimal], ...] = ()


class StockLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the system of record says about one SKU at one location.

    All quantities are in the item's stock unit and are not netted against each other; what may be
    offered is worked out by the inventory flow.

    Attributes:
        on_hand: physically there, reserved or not.
        allocated: committed to orders that the system of record knows.
        backorders: the item may be sold when there is none; None: the system of record does not say.
        restock_date: ISO date on which stock is expected again; `NO_DATE`: none is; None: it does not say.
        demands: what single channels' orders take, where the system of record can tell.
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
    backorders: bool | None = None
    restock_date: str | None = None
    demands: tuple[ChannelDemand, ...] = ()
    version: str = ""
    read_at: datetime


class StockOffer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a channel may sell of one SKU at one of its sources: what the inventory flow worked out.

    Attributes:
        sku, source: as the channel names them.
        quantity: in the item's stock unit, never below zero.
        in_stock: may be sold; with backorders also at zero.
        version, read_at: of the stock level it was worked out from.
    """

    connection: str
    scope: str = ""
    sku: str
    source: str
    quantity: Decimal
    in_stock: bool = True
    version: str = ""
    read_at: datetime | None = None


class StockTerms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a channel may sell one SKU when there is none of it, whatever the source.

    Attributes:
        backorders: it may be sold; None: nothing is said.
        restock_date: ISO date on which stock is expected again; "": none is; None: nothing is said.
    """

    connection: str
    scope: str = ""
    sku: str
    backorders: bool | None = None
    restock_date: str | None = None
    version: str = ""
    read_at: datetime | None = None
