"""What a drain has looked up at its target so far."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from erp_sync.ports.documents import Requirement


class Resolved:
    """Target ids that the drain knows by now: of what documents need, and of documents delivered before."""

    def __init__(self) -> None:
        self.references: dict[Requirement, str] = {}
        self.partners: dict[int, str] = {}  # by delivery
        self._lock = threading.Lock()

    def add(self, references: Mapping[Requirement, str]) -> None:
        with self._lock:
            self.references.update(references)

    def forget(self, need: Requirement) -> None:
        """The target says that it does not have it after all."""
        with self._lock:
            self.references.pop(need, None)

    def add_partners(self, partners: Mapping[int, str]) -> None:
        with self._lock:
            self.partners.update(partners)
