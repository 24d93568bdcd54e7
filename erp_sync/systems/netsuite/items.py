"""Item names (SKUs) by internal id: events and lines name items by id, everything else by SKU."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.rows import numbers


class ItemNames:
    """Reads names once and keeps them. Thread-safe.

    An item renamed since keeps its old name here until the process ends: polling finds it by its new one.
    """

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def keys_of(self, native_ids: Sequence[str]) -> dict[str, str]:
        """SKU by internal id; ids that do not exist are left out. Raises the TransportError tree."""
        wanted = [one for one in dict.fromkeys(native_ids) if one.isdigit()]  # no other id can exist
        with self._lock:
            unknown = [one for one in wanted if one not in self._names]
        read: dict[str, str] = {}
        for some in chunks(unknown):
            rows = self._client.query(
                f"SELECT i.id, i.itemid FROM item i WHERE i.id IN ({numbers(some)}) ORDER BY i.id",
                operation="item.read_names",
            )
            read |= {str(row["id"]): str(row["itemid"]) for row in rows}
        with self._lock:
            self._names |= read
            return {one: self._names[one] for one in wanted if one in self._names}
