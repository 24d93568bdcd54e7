"""The leases of what a drain has claimed, kept while its threads wait for the target."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from erp_sync.ledger.deliveries import Deliveries
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.errors import LeaseLost, is_away
from erp_sync.ledger.plans import Plans
from erp_sync.ledger.rows import RowClaim

log = logging.getLogger(__name__)

Held = TypeVar("Held")


class Leases(Generic[Held]):
    """Claims under way, and until when each certainly holds.

    Args:
        renew: asks the ledger for so many seconds more; gives the keys of the claims that have them now.
        key: of a claim.
        name: of the thread that renews.
    """

    def __init__(
        self,
        renew: Callable[[Sequence[Held], float], Collection[Hashable]],
        key: Callable[[Held], Hashable],
        seconds: float,
        name: str,
    ) -> None:
        self._ask, self._key, self.seconds, self.name = renew, key, seconds, name
        self._lock = threading.Lock()
        self._held: dict[Hashable, Held] = {}
        self._since: dict[Hashable, float] = {}
        self._until: dict[Hashable, float] = {}  # time.monotonic() at which the lease of a claim certainly still holds

    def hold(self, claims: Sequence[Held], asked: float) -> None:
        """Claimed; `asked` is time.monotonic() before the ledger was asked for them."""
        with self._lock:
            self._held.update((self._key(claim), claim) for claim in claims)
            self._since.update((self._key(claim), asked) for claim in claims)
            self._until.update((self._key(claim), asked + self.seconds) for claim in claims)

    def holds(self, claim: Held) -> bool:
        """Whether the lease certainly still holds. No I/O."""
        return time.monotonic() < self._until.get(self._key(claim), 0.0)

    def keeps(self, claim: Held) -> bool:
        """Whether the claim has not ended yet. Its lease may have."""
        with self._lock:
            return self._key(claim) in self._held

    def all_stuck(self, claims: Collection[Held], seconds: float) -> bool:
        """Whether each of these has been held for longer than that."""
        border = time.monotonic() - seconds
        with self._lock:
            return bool(claims) and all(self._since.get(self._key(claim), border) < border for claim in claims)

    def any_stuck(self, seconds: float) -> bool:
        """Whether a claim has been held for longer than that."""
        border = time.monotonic() - seconds
        with self._lock:
            return any(since < border for since in self._since.values())

    def let_go(self, claim: Held) -> None:
        """The claim has ended."""
        with self._lock:
            self._held.pop(self._key(claim), None)
            self._since.pop(self._key(claim), None)
            self._until.pop(self._key(claim), None)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the leases of everything claimed, whatever the other threads wait for.

        While the ledger's database is away (`is_away`) they are asked for again with every beat. Another error ends
        the renewing and is raised at the end, unless what was done meanwhile has failed by itself.
        """
        stop = threading.Event()
        failures: list[Exception] = []

        def beat() -> None:
            try:
                while not stop.wait(self.seconds / 4):
                    self._beat()
            except Exception as failure:
                log.exception("heartbeat ended", extra={"leases": self.name})
                failures.append(failure)

        thread = threading.Thread(target=beat, name=self.name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        for failure in failures:
            raise failure

    def _beat(self) -> None:
        with self._lock:
            claims = list(self._held.values())
        if not claims:
            return
        try:
            self._renew(claims)
        except Exception as failure:
            # A database that is away for once leaves three more beats before a lease ends.
            if not is_away(failure):
                raise
            log.warning("ledger away", extra={"leases": self.name, "why": str(failure)})

    def _renew(self, claims: Sequence[Held]) -> None:
        asked = time.monotonic()
        renewed = self._ask(claims, self.seconds)
        with self._lock:
            for key in map(self._key, claims):
                if key in self._until:
                    self._until[key] = asked + self.seconds if key in renewed else 0.0


def of_deliveries(deliveries: Deliveries, seconds: float, name: str) -> Leases[Claim]:
    """Leases of documents.

    By fencing number: a drain that stood still may rescue and claim what one of its own threads still has in hand,
    and the new claim must not speak for the old one.
    """

    def key(claim: Claim) -> tuple[int, int]:
        return claim.id, claim.fencing

    return Leases(
        lambda claims, longer: {key(claim) for claim in deliveries.heartbeat(claims, longer)}, key, seconds, name
    )


def of_rows(plans: Plans, seconds: float, name: str) -> Leases[RowClaim]:
    """Leases of batches of a plan's rows."""

    def renew(claims: Sequence[RowClaim], longer: float) -> set[str]:
        renewed = set()
        for claim in claims:
            with suppress(LeaseLost):
                renewed.add(plans.heartbeat(claim, longer).token)
        return renewed

    return Leases(renew, lambda claim: claim.token, seconds, name)
