"""Where a page of a set starts, so that the thousandth page is found as quickly as the first.

A page is an offset (``$skip``) into what the set holds at that moment. The key before that offset is remembered from
the page that ended there, for as long as nothing has changed that could move it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from erp_sync.systems.sap_b1.sandbox.store import Store

Scan = tuple[Any, ...]
Key = tuple[Any, ...]

_SCANS, _PLACES = 32, 256


class Places:
    """Keys by scan (set, condition, bound values) and offset. A scan is in the order of the set's keys."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scans: OrderedDict[Scan, tuple[Key, OrderedDict[int, Key]]] = OrderedDict()

    def forget(self) -> None:
        """Of a transaction that was undone nothing is known."""
        self._scans.clear()

    def before(self, scan: Scan, offset: int) -> Key | None:
        """The key of the entity that stands before the offset, if it is known."""
        return self._known(scan).get(offset)

    def keep(self, scan: Scan, offset: int, key: Sequence[Any]) -> None:
        """`key` is that of the last entity before the offset."""
        known = self._known(scan)
        known[offset] = tuple(key)
        while len(known) > _PLACES:
            known.popitem(last=False)

    def _known(self, scan: Scan) -> OrderedDict[int, Key]:
        state = self._state(scan)
        found = self._scans.get(scan)
        if found is None or found[0] != state:
            found = self._scans[scan] = state, OrderedDict()
        self._scans.move_to_end(scan)
        while len(self._scans) > _SCANS:
            self._scans.popitem(last=False)
        return found[1]

    def _state(self, scan: Scan) -> Key:
        """What an offset of the scan depends on: with a condition on every write to the set, else on its size."""
        set_name, where, *_ = scan
        counts = self._store.resized if where == "1" else self._store.written
        # Counts the commits of other connections.
        return counts[set_name], self._store.value("PRAGMA data_version")
