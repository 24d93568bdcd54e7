"""The leases of what a drain has claimed, kept while its threads wait for the target."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from erp_sync.ledger.deliveries import Deliveries
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.errors import LedgerBusy


class Leases:
    """Claims under way, and until when each certainly holds.

    Args:
        name: of the thread that renews.
    """

    def __init__(self, deliveries: Deliveries, seconds: float, name: str) -> None:
        self.deliveries, self.seconds, self.name = deliveries, seconds, name
        self._lock = threading.Lock()
        self._held: dict[int, Claim] = {}
        self._until: dict[int, float] = {}  # time.monotonic() at which the lease of a claim certainly still holds

    def hold(self, claims: Sequence[Claim], asked: float) -> None:
        """Claimed; `asked` is time.monotonic() before the ledger was asked for them."""
        with self._lock:
            self._held.update((claim.id, claim) for claim in claims)
            self._until.update((claim.id, asked + self.seconds) for claim in claims)

    def holds(self, claim: Claim) -> bool:
        """Whether the lease certainly still holds. No I/O."""
        return time.monotonic() < self._until.get(claim.id, 0.0)

    def let_go(self, claim: Claim) -> None:
        """The claim has ended."""
        with self._lock:
            self._held.pop(claim.id, None)
            self._until.pop(claim.id, None)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the leases of everything claimed, whatever the other threads wait for."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self.seconds / 4):
                with self._lock:
                    claims = list(self._held.values())
                if claims:
                    # A ledger that is busy for once leaves three more beats before a lease ends.
                    with suppress(LedgerBusy):
                        self._renew(claims)

        thread = threading.Thread(target=beat, name=self.name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _renew(self, claims: Sequence[Claim]) -> None:
        asked = time.monotonic()
        renewed = {claim.id for claim in self.deliveries.heartbeat(claims, self.seconds)}
        with self._lock:
            for claim in claims:
                if claim.id in self._until:
                    self._until[claim.id] = asked + self.seconds if claim.id in renewed else 0.0
