"""What sold most lately, from the orders in the ledger. Counted on: each look reads only what came since the last."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from erp_sync.model.order import LineKind

if TYPE_CHECKING:
    from erp_sync.ledger import Ledger

# Orders that are read in one go; a process that has just started reads these, the latest first.
MOST_ORDERS = 20_000


class _Line(msgspec.Struct, gc=False):
    sku: str
    quantity: Decimal
    kind: str = LineKind.ITEM


class _Order(msgspec.Struct, gc=False):
    """What is needed of a canonical order; the rest is not decoded."""

    placed_at: datetime
    lines: list[_Line]


_decode = msgspec.json.Decoder(_Order).decode


class BestSellers:
    """Units sold by SKU of one route's orders, fractions too, by the hour in which they were placed. Thread-safe.

    It lives as long as its process: another one counts once from the beginning. Later versions of an order count
    for nothing, as before: the first one says what was bought.
    """

    def __init__(self, ledger: Ledger, route: str) -> None:
        self._ledger, self._route = ledger, route
        self._lock = threading.Lock()
        self._last = 0
        self._hours: dict[datetime, dict[str, Decimal]] = {}
        self._kept_since = datetime.max.replace(tzinfo=UTC)

    def skus(self, since: datetime, count: int) -> list[str]:
        """The store's SKUs that sold most since then, at most so many; the hour of `since` counts as a whole."""
        begin = _hour(since)
        with self._lock:
            if begin < self._kept_since:
                # Hours before what is kept were never counted, or were dropped.
                self._last, self._hours, self._kept_since = 0, {}, begin
            self._count_on()
            self._kept_since = begin
            self._hours = {hour: units for hour, units in self._hours.items() if hour >= begin}
            total: dict[str, Decimal] = {}
            for units in self._hours.values():
                for sku, quantity in units.items():
                    total[sku] = total.get(sku, Decimal(0)) + quantity
        best = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
        return [sku for sku, _ in best]

    def _count_on(self) -> None:
        orders = self._ledger.deliveries.first_versions(
            self._route, "orders", after=self._last, since=self._kept_since, limit=MOST_ORDERS
        )
        for number, payload in orders:
            self._last = max(self._last, number)
            order = _decode(payload)
            hour = _hour(order.placed_at)
            if hour < self._kept_since:
                continue
            units = self._hours.setdefault(hour, {})
            for line in order.lines:
                if line.kind != LineKind.BUNDLE:
                    units[line.sku] = units.get(line.sku, Decimal(0)) + max(line.quantity, Decimal(0))


def _hour(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
