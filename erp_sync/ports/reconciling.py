"""What a target has booked of documents, as a reconciliation compares it. Read in pages, never one by one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec

from erp_sync.ports.raw import Window


class BookedShipment(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment as the store has it.

    Attributes:
        order_key: the store's id of its order.
        keys: our keys in it; empty for one that somebody else booked.
        quantities: shipped of it, by the store's SKU.
    """

    target_id: str
    number: str
    order_key: str
    keys: tuple[str, ...]
    parcels: tuple[str, ...]
    quantities: dict[str, Decimal]


@runtime_checkable
class ListsShipments(Protocol):
    """A shipment target that can say what it holds."""

    def booked(self, order_keys: Sequence[str]) -> list[BookedShipment]:
        """All shipments of these orders. Raises CallFailed."""


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a store's orders, and those of them that wait for stock that is not there."""

    ordered: Decimal
    short: Decimal


@runtime_checkable
class TellsShortage(Protocol):
    """A source of an ERP's orders that can say what they wait for."""

    def shortage(self, window: Window, store: str) -> Shortage:
        """Of the store's orders created in the window and not cancelled. Raises CallFailed."""
