"""When planned maintenance recurs: an RFC 5545 rule on the wall clock of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

# A rule counts its intervals (every second week) from this Monday, where nothing else is said.
FIRST_DAY = date(2024, 1, 1)
# Occurrences are looked for around the moment asked about; longer windows are refused.
LONGEST = timedelta(days=14)
# The next occurrence is looked for this far ahead.
AHEAD = timedelta(days=400)
# The window before is looked for this far back.
BEHIND = timedelta(days=28)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Planned maintenance: half-open in UTC. `who` ordered it; empty where the configuration did."""

    starts_at: datetime
    ends_at: datetime
    why: str = ""
    who: str = ""

    def contains(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at


class Recurring:
    """Windows that begin at `begins` on the days of `rule`, wall clock of `zone`, and last `lasts` of real time.

    Args:
        rule: RFC 5545 recurrence rule, e.g. ``FREQ=WEEKLY;BYDAY=SA`` or ``FREQ=MONTHLY;BYDAY=1SU``.
        starting: from which day the rule counts; nothing lies before it.
    Raises:
        ValueError: the rule cannot be read, or the windows are longer than two weeks.
    """

    def __init__(
        self, rule: str, begins: time, lasts: timedelta, zone: ZoneInfo, why: str = "", starting: date = FIRST_DAY
    ) -> None:
        from dateutil.rrule import rrulestr

        if not timedelta(0) < lasts <= LONGEST:
            raise ValueError(f"a window lasts longer than nothing and at most {LONGEST.days} days, not {lasts}")
        self.lasts, self.zone, self.why = lasts, zone, why
        try:
            self._days: Any = rrulestr(rule, dtstart=datetime.combine(starting, begins), cache=True)
        except ValueError as error:
            raise ValueError(f"{rule!r} is no recurrence rule of RFC 5545: {error}") from error

    def at(self, moment: datetime) -> Window | None:
        """The window that contains the moment; of several the one that ends last."""
        found = [one for one in self._between(moment - self.lasts, moment) if one.contains(moment)]
        return max(found, key=lambda one: one.ends_at, default=None)

    def after(self, moment: datetime) -> Window | None:
        """The next window that has not begun at the moment."""
        return next((one for one in self._between(moment, moment + AHEAD) if one.starts_at > moment), None)

    def before(self, moment: datetime) -> Window | None:
        """The window that ended last, in the last weeks."""
        ended = [one for one in self._between(moment - BEHIND, moment) if one.ends_at <= moment]
        return max(ended, key=lambda one: one.ends_at, default=None)

    def _between(self, start: datetime, end: datetime) -> list[Window]:
        # A day to either side: wall clocks jump, and zones lie up to 14 hours apart.
        margin = timedelta(days=1)
        first, last = (
            moment.astimezone(self.zone).replace(tzinfo=None) + shift
            for moment, shift in ((start, -margin), (end, margin))
        )
        windows = []
        for begins in self._days.between(first, last, inc=True):
            starts_at = begins.replace(tzinfo=self.zone).astimezone(UTC)
            windows.append(Window(starts_at=starts_at, ends_at=starts_at + self.lasts, why=self.why))
        return windows


class Once:
    """A single window, e.g. one that the vendor announced. Raises ValueError where it ends before it begins."""

    def __init__(self, starts_at: datetime, lasts: timedelta, why: str = "") -> None:
        if lasts <= timedelta(0):
            raise ValueError(f"a window lasts longer than nothing, not {lasts}")
        self._window = Window(starts_at=starts_at.astimezone(UTC), ends_at=starts_at.astimezone(UTC) + lasts, why=why)

    def at(self, moment: datetime) -> Window | None:
        return self._window if self._window.contains(moment) else None

    def after(self, moment: datetime) -> Window | None:
        return self._window if self._window.starts_at > moment else None

    def before(self, moment: datetime) -> Window | None:
        return self._window if self._window.ends_at <= moment else None
