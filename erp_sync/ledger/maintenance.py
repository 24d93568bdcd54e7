"""Planned maintenance of connections: from a calendar in the configuration, or ordered by a person.

While a window is open no call leaves: work queues in the ledger and goes when it ends. A person may also open a
connection before its window ends; the latest word of a person wins over earlier ones and over the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from erp_sync.ledger.calendars import Window
from erp_sync.ledger.releasing import release_postponed
from erp_sync.ledger.schema import maintenance_windows
from erp_sync.model.advice import Advice

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

# What persons ordered is read again after this long: calls are many.
REMEMBER = timedelta(seconds=1)


class Calendar(Protocol):
    """Windows that the configuration knows."""

    def at(self, moment: datetime) -> Window | None: ...

    def after(self, moment: datetime) -> Window | None: ...

    def before(self, moment: datetime) -> Window | None: ...


class NoMaintenance(LookupError):
    """There is no window to end."""

    advice = Advice(
        means="There is no maintenance window to end.",
        look=("erp-sync maintenance list",),
        do="Nothing. A window of the YAML is ended by changing the YAML.",
    )


class Maintenance:
    """`ledger.maintenance`. Times UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calendars: dict[str, tuple[Calendar, ...]] = {}
        self._ordered: tuple[datetime, list[sa.Row]] | None = None

    def configure(self, connection: str, calendars: Sequence[Calendar]) -> None:
        """The windows of the configuration, in this process."""
        self._calendars[connection] = tuple(calendars)

    def start(self, connection: str, *, starts_at: datetime, ends_at: datetime, why: str, who: str) -> Window:
        """A person orders a window. Raises ValueError where it would end before it begins, or is over already."""
        now = self._database.now()
        if ends_at <= max(starts_at, now):
            raise ValueError(f"maintenance of {connection} would end at {ends_at}, before it begins")
        self._order(connection, starts_at, ends_at, why, who, closed=True)
        return Window(starts_at=starts_at, ends_at=ends_at, why=why, who=who)

    def end(self, connection: str, *, who: str, why: str = "") -> Window:
        """Open the connection now; work that waited for its window is due. Raises NoMaintenance where it is open."""
        now = self._database.now()
        self._ordered = None
        window = self.window(connection, now)
        if window is None:
            raise NoMaintenance(f"{connection} is in no maintenance window")
        self._order(connection, now, window.ends_at, why, who, closed=False)
        with self._database.write() as write:
            release_postponed(write, now, connection)
        return window

    def window(self, connection: str, moment: datetime | None = None) -> Window | None:
        """The window that is open at the moment (now); None: calls may leave."""
        now = moment if moment is not None else self._database.now()
        said = [row for row in self._rows(now) if row.connection == connection and row.starts_at <= now < row.ends_at]
        if said:
            last = max(said, key=lambda row: row.id)
            return _window(last) if last.closed else None
        open_now = [found for one in self._calendars.get(connection, ()) if (found := one.at(now)) is not None]
        return max(open_now, key=lambda one: one.ends_at, default=None)

    def following(self, connection: str) -> Window | None:
        """The next window that has not begun."""
        now = self._database.now()
        found = [one.after(now) for one in self._calendars.get(connection, ())]
        found += [
            _window(row)
            for row in self._rows(now)
            if row.connection == connection and row.closed and row.starts_at > now
        ]
        return min((one for one in found if one is not None), key=lambda one: one.starts_at, default=None)

    def last_ended(self, connection: str) -> datetime | None:
        """When the connection was opened again last, by the calendar or by a person; None: it never was away."""
        now = self._database.now()
        table = maintenance_windows.c
        query = sa.select(sa.func.max(sa.case((table.closed, table.ends_at), else_=table.starts_at))).where(
            table.connection == connection, sa.case((table.closed, table.ends_at), else_=table.starts_at) <= now
        )
        with self._database.read() as read:
            ordered = read.execute(query).scalar()
        ends = [one.ends_at for calendar in self._calendars.get(connection, ()) if (one := calendar.before(now))]
        return max([*ends, *([ordered] if ordered is not None else [])], default=None)

    def under_way(self) -> dict[str, Window]:
        """Every connection whose window is open now."""
        now = self._database.now()
        names = {*self._calendars, *(row.connection for row in self._rows(now))}
        return {name: window for name in sorted(names) if (window := self.window(name, now)) is not None}

    def _rows(self, now: datetime) -> list[sa.Row]:
        """What persons ordered and is not over, as of a second ago at most."""
        if self._ordered is None or not timedelta(0) <= now - self._ordered[0] < REMEMBER:
            with self._database.read() as read:
                self._ordered = (now, list(read.execute(_NOT_OVER, {"now": now}).all()))
        return self._ordered[1]

    def _order(
        self, connection: str, starts_at: datetime, ends_at: datetime, why: str, who: str, *, closed: bool
    ) -> None:
        row = {"connection": connection, "starts_at": starts_at, "ends_at": ends_at, "why": why, "who": who}
        with self._database.write(durable=True) as write:
            write.execute(sa.insert(maintenance_windows), {**row, "closed": closed, "ordered_at": self._database.now()})
        self._ordered = None


def _window(row: sa.Row) -> Window:
    return Window(starts_at=row.starts_at, ends_at=row.ends_at, why=row.why, who=row.who)


_NOT_OVER = sa.select(maintenance_windows).where(maintenance_windows.c.ends_at > sa.bindparam("now"))
