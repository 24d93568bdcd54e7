"""Which SKUs and sources the store knows: stock and price calls accept or reject unknown ones in odd ways."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from erp_sync.ports.documents import Requirement
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.criteria import Criteria

_REMEMBER_SECONDS = 3600.0


class Catalogue:
    """SKUs that exist, with the products' ids, and source codes. Remembers what it found for an hour.

    Only existence is remembered, never absence: a product may come at any time. Thread-safe.
    """

    def __init__(self, client: MagentoClient, page_size: int) -> None:
        self._client, self._page_size = client, page_size
        self._lock = threading.Lock()
        self._ids: dict[str, tuple[str, float]] = {}
        self._sources: tuple[frozenset[str], float] | None = None

    def ids(self, skus: Iterable[str]) -> dict[str, str]:
        """Product id by SKU, of those that exist. Compared letter by letter: the database ignores case, the
        tables that refer to a SKU keep it as it was sent."""
        wanted = set(skus)
        now = time.monotonic()
        with self._lock:
            known = {sku: self._ids[sku][0] for sku in wanted if sku in self._ids and self._ids[sku][1] > now}
        missing = sorted(wanted - set(known))
        if missing:
            pages = self._client.by_keys(
                "products",
                "sku",
                missing,
                operation="product.resolve",
                page_size=self._page_size,
                fields="items[id,sku],total_count",
            )
            found = {sku: number for page in pages for sku, number in self.remember(page).items()}
            known |= {sku: found[sku] for sku in missing if sku in found}
        return known

    def remember(self, items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Products that a read gave: their ids by SKU."""
        found = {str(item["sku"]): str(item["id"]) for item in items}
        until = time.monotonic() + _REMEMBER_SECONDS
        with self._lock:
            self._ids |= {sku: (number, until) for sku, number in found.items()}
        return found

    def forget(self, skus: Iterable[str]) -> None:
        """The store says it does not know them after all."""
        with self._lock:
            for sku in skus:
                self._ids.pop(sku, None)

    def sources(self, needed: Iterable[str]) -> frozenset[str]:
        """All source codes; asked again where a needed one is not among those remembered."""
        now = time.monotonic()
        with self._lock:
            kept = self._sources
        if kept is not None and kept[1] > now and set(needed) <= kept[0]:
            return kept[0]
        pages = self._client.all(
            "inventory/sources",
            Criteria().only("items[source_code],total_count"),
            operation="stock_level.read_sources",
            page_size=self._page_size,
            sort=("source_code",),
        )
        found = frozenset(str(item["source_code"]) for page in pages for item in page)
        with self._lock:
            self._sources = (found, now + _REMEMBER_SECONDS)
        return found

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Product ids of required products that exist."""
        wanted = [one for one in requirements if one.entity == "product"]
        found = self.ids(one.key for one in wanted) if wanted else {}
        return {one: found[one.key] for one in wanted if one.key in found}
