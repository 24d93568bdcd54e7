"""Slots, sessions, breaker and exchange log of one process, for tests and single tools.

An installation uses those of the ledger's database, which hold for all its processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from erp_sync.ports.capabilities import Limits
from erp_sync.ports.connection import NoSlot


class MemorySlots:
    """Concurrency and pauses per connection; lanes are recorded, not weighed.

    Attributes:
        most: highest number of leases held at once, per connection.
        acquired: (connection, lane) of every lease given, in order.
        charged: points of all calls, per connection.
        sessions: places for logins that are taken, per connection; none ends by being idle.
    """

    def __init__(self, limits: Mapping[str, Limits] | None = None) -> None:
        self._limits = dict(limits or {})
        self._condition = threading.Condition()
        self._held: dict[str, int] = {}
        self._paused_until: dict[str, float] = {}
        self.most: dict[str, int] = {}
        self.acquired: list[tuple[str, str]] = []
        self.charged: dict[str, float] = {}
        self.sessions: dict[str, list[object]] = {}

    def acquire(self, connection: str, lane: str, deadline: float, cost: float = 1.0) -> str:
        """Block until a call may start. Raises NoSlot at `deadline` (time.monotonic()), at once
        where a pause lasts longer."""
        limits = self._limits.get(connection)
        most = limits.concurrency if limits else None
        with self._condition:
            while True:
                now = time.monotonic()
                paused = self._paused_until.get(connection, 0.0) - now
                if paused > 0 and now + paused > deadline:
                    raise NoSlot(connection, paused, "paused at the vendor's request")
                held = self._held.get(connection, 0)
                if paused <= 0 and (most is None or held < most):
                    self._held[connection] = held + 1
                    self.most[connection] = max(self.most.get(connection, 0), held + 1)
                    self.acquired.append((connection, lane))
                    self.charged[connection] = self.charged.get(connection, 0.0) + cost
                    return connection
                if now >= deadline:
                    raise NoSlot(connection, 1.0, f"all {most} slots are in use")
                self._condition.wait(min(deadline - now, paused) if paused > 0 else deadline - now)

    def release(self, lease: str) -> None:
        with self._condition:
            self._held[lease] -= 1
            self._condition.notify_all()

    def charge(self, connection: str, more: float) -> None:
        with self._condition:
            self.charged[connection] = self.charged.get(connection, 0.0) + more

    def pause(self, connection: str, seconds: float) -> None:
        with self._condition:
            until = time.monotonic() + seconds
            self._paused_until[connection] = max(until, self._paused_until.get(connection, 0.0))
            self._condition.notify_all()

    def held(self, connection: str) -> int:
        """Leases in use now."""
        with self._condition:
            return self._held.get(connection, 0)

    def open_session(self, connection: str, seconds: float) -> tuple[str, object]:
        """Take a place for a login. Raises NoSlot where all are taken."""
        limits = self._limits.get(connection)
        most = limits.sessions if limits else None
        with self._condition:
            held = self.sessions.setdefault(connection, [])
            if most is not None and len(held) >= most:
                raise NoSlot(connection, seconds, f"all {most} sessions are open")
            held.append(place := object())
            return connection, place

    def keep_session(self, lease: tuple[str, object], seconds: float) -> bool:
        with self._condition:
            return lease[1] in self.sessions.get(lease[0], ())

    def close_session(self, lease: tuple[str, object]) -> None:
        with self._condition:
            held = self.sessions.get(lease[0], [])
            if lease[1] in held:
                held.remove(lease[1])


class MemoryBreaker:
    """Opens after `threshold` failures in a row, for `open_seconds`; then one probe at a time.

    A probe that never reports is given up after another `open_seconds`.
    """

    def __init__(
        self, threshold: int = 5, open_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold, self._open_seconds, self._clock = threshold, open_seconds, clock
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._open_until: dict[str, float] = {}
        self.reports: list[tuple[str, str]] = []

    def check(self, connection: str) -> None:
        """Raises NoSlot while open. The caller let through when half-open is the probe."""
        with self._lock:
            until = self._open_until.get(connection)
            if until is None:
                return
            now = self._clock()
            if now < until:
                raise NoSlot(connection, until - now, "circuit breaker is open")
            self._open_until[connection] = now + self._open_seconds

    def success(self, connection: str) -> None:
        with self._lock:
            self.reports.append(("success", connection))
            self._failures.pop(connection, None)
            self._open_until.pop(connection, None)

    def failure(self, connection: str, why: str) -> None:
        with self._lock:
            self.reports.append(("failure", why))
            self._failures[connection] = self._failures.get(connection, 0) + 1
            if self._failures[connection] >= self._threshold:
                self._open_until[connection] = self._clock() + self._open_seconds

    def is_open(self, connection: str) -> bool:
        with self._lock:
            return self._clock() < self._open_until.get(connection, float("-inf"))


class MemoryExchanges:
    """Keeps exchanges in a list, `records`, as they would be written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records: list[dict[str, Any]] = []

    def record(self, exchange: Mapping[str, Any]) -> None:
        with self._lock:
            self.records.append(dict(exchange))
