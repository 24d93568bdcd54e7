"""What a first connection found, and what was linked."""

from __future__ import annotations

from datetime import datetime

import msgspec

from erp_sync.ports.adoption import Match


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the store that could not be mapped, and so not be looked for."""

    number: str
    problem: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What was linked.

    Attributes:
        doubtful: orders that are dead letters now, until a person decides.
        under_way: orders that are being delivered at this moment: run it again.
        conflicts: ids that are linked to another record already.
        external_ids: records of the ERP that carry our external id now.
        not_written: those that did not take it, with the reason; they are linked all the same.
        told_again: records (status, shipments) that were left out because nobody knew their order; transformed again.
    """

    orders: int = 0
    customers: int = 0
    items: int = 0
    doubtful: int = 0
    under_way: list[str] = []
    conflicts: list[str] = []
    external_ids: int = 0
    not_written: list[str] = []
    told_again: int = 0


class AdoptionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the ERP holds of the store's orders, customers and items.

    Attributes:
        counts: {orders, payments, customers, items: {certain, doubtful, missing, ours: number}}; ``ours`` carry our
            external id. Payments are those of certain orders: missing ones have no deposit and are not booked again.
        bare: certain orders that carry no external id: they are known by the cross references alone.
        matches: everything that is not ours, doubtful first.
        applied: None for a dry run.
    """

    route: str
    store: str
    erp: str
    since: datetime
    counts: dict[str, dict[str, int]]
    matches: list[Match]
    unreadable: list[Unreadable]
    bare: int = 0
    applied: Applied | None = None
