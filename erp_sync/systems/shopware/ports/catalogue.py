"""Products of the shop by number, with their ids. Remembers what it found for an hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from erp_sync.ports.documents import Requirement
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria, OneOf

_REMEMBER_SECONDS = 3600.0
LISTED = Criteria().including({"product": ("id", "versionId", "autoIncrement", "productNumber")})


class Catalogue:
    """Only existence is remembered, never absence: a product may come at any time. Thread-safe."""

    def __init__(self, client: ShopwareClient, page_size: int) -> None:
        self._client, self._page_size = client, page_size
        self._lock = threading.Lock()
        self._ids: dict[str, tuple[str, float]] = {}

    def ids(self, numbers: Iterable[str]) -> dict[str, str]:
        """Product id by number, of those that exist. Compared letter by letter: the database ignores case."""
        wanted = set(numbers)
        now = time.monotonic()
        with self._lock:
            known = {one: self._ids[one][0] for one in wanted if one in self._ids and self._ids[one][1] > now}
        missing = sorted(wanted - set(known))
        if missing:
            for page in self.rows(missing, LISTED, operation="product.resolve"):
                known |= {number: identity for number, identity in self.remember(page).items() if number in wanted}
        return known

    def rows(
        self, numbers: Sequence[str], criteria: Criteria, *, operation: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Products of these numbers, in pages. An empty number is none."""
        wanted = sorted({one for one in numbers if one})
        for start in range(0, len(wanted), self._page_size):
            search = criteria.where(OneOf("productNumber", tuple(wanted[start : start + self._page_size])))
            yield from self._client.all(
                "product", search, operation=operation, page_size=self._page_size, headers=headers
            )

    def remember(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Products that a read gave: their ids by number."""
        found = {str(row["productNumber"]): str(row["id"]) for row in rows if row.get("productNumber")}
        until = time.monotonic() + _REMEMBER_SECONDS
        with self._lock:
            self._ids |= {number: (identity, until) for number, identity in found.items()}
        return found

    def forget(self, numbers: Iterable[str]) -> None:
        """The shop says that it does not know them after all."""
        with self._lock:
            for number in numbers:
                self._ids.pop(number, None)

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Product ids of required products that exist."""
        wanted = [one for one in requirements if one.entity == "product"]
        found = self.ids(one.key for one in wanted) if wanted else {}
        return {one: found[one.key] for one in wanted if one.key in found}
