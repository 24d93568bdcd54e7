"""What orders of the shop are of: their products, whose stock the core raises when an order is cancelled.

Fact (core `OrderStockSubscriber`): by the quantity of every line item of type ``product``, whatever of it has left.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from erp_sync.ports.documents import Requirement
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.common import records

# More than a drain has at a time; an order that was forgotten is read with the next drain.
REMEMBERED = 10_000
RESOLVE = "sales_order.resolve"
LINES = (
    Criteria()
    .along("lineItems")
    .including({"order": ("id", "versionId", "lineItems"), "order_line_item": ("id", "versionId", "type", "payload")})
)


class OrderedProducts:
    """Product numbers by order, as the last look for the order found them. Thread-safe.

    A status update has no lines, and what a step moves is told without a call: so the look for the required orders,
    which comes before each of their steps, reads their products along.
    """

    def __init__(self, client: ShopwareClient, page_size: int) -> None:
        self._client, self._page_size = client, page_size
        self._lock = threading.Lock()
        self._numbers: dict[str, tuple[str, ...]] = {}

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Those of the required orders that the shop has; `key` is its id. Raises the errors of the transport."""
        wanted = {one.key: one for one in requirements if one.entity == "sales_order"}
        found: dict[Requirement, str] = {}
        for page in self._client.by_ids("order", list(wanted), LINES, operation=RESOLVE, page_size=self._page_size):
            for row in page:
                identity = str(row["id"])
                self._remember(identity, _numbers(identity, row.get("lineItems")))
                found[wanted[identity]] = identity
        return found

    def of(self, order_key: str) -> tuple[str, ...]:
        """Product numbers, sorted, as they were when they were ordered; none of an order that was not looked for."""
        with self._lock:
            return self._numbers.get(order_key, ())

    def _remember(self, identity: str, numbers: tuple[str, ...]) -> None:
        with self._lock:
            self._numbers.pop(identity, None)
            self._numbers[identity] = numbers
            while len(self._numbers) > REMEMBERED:
                self._numbers.pop(next(iter(self._numbers)))


def _numbers(identity: str, lines: object) -> tuple[str, ...]:
    if not isinstance(lines, list):
        raise UnexpectedAnswer(f"order {identity} was answered without its lines", operation=RESOLVE)
    payloads = records([row.get("payload") for row in records(lines) if row.get("type") == "product"])
    return tuple(sorted({str(one["productNumber"]) for one in payloads if one.get("productNumber")}))
