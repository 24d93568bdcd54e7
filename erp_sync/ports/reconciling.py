"""What a target has booked of documents, as a reconciliation compares it. Read in pages, never one by one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec


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
