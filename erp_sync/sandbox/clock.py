"""Two times of a sandbox: its calendar, which a demo may compress, and technical time, which never is.

Business dates of documents follow the calendar (`Clock.now`). Signatures, token lifetimes, index lag,
job duration and latency follow `Clock.wall`, since the client on the other side lives in real time.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Calendar time runs `speed` times as fast as real time, from `start`. Both times are aware UTC.

    Safe to call from several threads. ``Clock()`` is real time.
    """

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        if speed < 0:
            raise ValueError(f"speed is {speed}; expected 0 (stopped) or more")
        if start is not None and start.tzinfo is None:
            raise ValueError(f"start is {start}; expected a time with a time zone")
        self._lock = threading.Lock()
        self._speed = speed
        self._wall_zero = self.wall()
        self._zero = (start or self._wall_zero).astimezone(UTC)

    @property
    def speed(self) -> float:
        return self._speed

    def wall(self) -> datetime:
        """Technical time: the machine's own."""
        return datetime.fromtimestamp(time.time(), UTC)

    def now(self) -> datetime:
        """Calendar time of the sandbox."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        return self._zero + (self.wall() - self._wall_zero) * self._speed

    def set(self, *, speed: float | None = None, now: datetime | None = None) -> None:
        """Go on from here with another speed, or from another calendar time, or both."""
        if speed is not None and speed < 0:
            raise ValueError(f"speed is {speed}; expected 0 (stopped) or more")
        if now is not None and now.tzinfo is None:
            raise ValueError(f"now is {now}; expected a time with a time zone")
        with self._lock:
            self._zero, self._wall_zero = (now or self._now()).astimezone(UTC), self.wall()
            if speed is not None:
                self._speed = speed

    def shift(self, by: timedelta) -> None:
        """Move the calendar, e.g. to let a day pass; technical time stays."""
        with self._lock:
            self._zero += by


class ManualClock(Clock):
    """Stands still until `advance`; calendar and technical time are the same. For tests."""

    def __init__(self, start: datetime | None = None) -> None:
        self._at = (start or datetime(2026, 11, 2, 8, tzinfo=UTC)).astimezone(UTC)
        super().__init__(start=self._at)

    def wall(self) -> datetime:
        return self._at

    def advance(self, by: timedelta | float) -> datetime:
        """Let `by` (a timedelta or seconds) pass; returns the new time."""
        self._at += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self._at
