"""Planned maintenance, ordered and ended by a person, and a system that is known to be back. Calls no vendor."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger.calendars import Window
from erp_sync.ledger.maintenance import NoMaintenance
from erp_sync.operations.choosing import CannotDo, connection


class ConnectionMaintenance(msgspec.Struct, frozen=True, kw_only=True):
    """`window` is open now, `following` begins next; times UTC. `waiting`: documents and rows that are on their way
    to this connection."""

    connection: str
    window: Window | None
    following: Window | None
    waiting: int


def start(
    here: Installation, name: str, lasts: timedelta, *, at: datetime | None = None, who: str, why: str = ""
) -> ConnectionMaintenance:
    """Nothing is sent to the connection (of that name, or the only one to that vendor) from `at` (now) on for so long;
    work queues. Raises CannotDo."""
    name = connection(here, name)
    starts_at = at or here.ledger.now()
    try:
        here.ledger.maintenance.start(name, starts_at=starts_at, ends_at=starts_at + lasts, who=who, why=why)
    except ValueError as error:
        raise CannotDo(f"{error}; --for says how long it lasts, e.g. 2h") from error
    return of(here, name)


def end(here: Installation, name: str, *, who: str, why: str = "") -> ConnectionMaintenance:
    """Open the connection now; what waits goes with the next run. Raises CannotDo where no window is open."""
    name = connection(here, name)
    try:
        here.ledger.maintenance.end(name, who=who, why=why)
    except NoMaintenance as error:
        raise CannotDo(f"{error}; erp-sync maintenance list shows what is planned") from error
    return of(here, name)


def every(here: Installation) -> list[ConnectionMaintenance]:
    """All connections."""
    return [of(here, name) for name in here.configuration.connections]


def of(here: Installation, name: str) -> ConnectionMaintenance:
    """How a connection stands."""
    return ConnectionMaintenance(
        connection=name,
        window=here.ledger.maintenance.window(name),
        following=here.ledger.maintenance.following(name),
        waiting=here.ledger.overview.on_the_way(name),
    )


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker of which the next call is the probe. `waiting`: as of `ConnectionMaintenance`."""

    connection: str
    why: str
    waiting: int


def probe(here: Installation, name: str) -> Probed:
    """A system whose breaker is open is asked again with the next call, instead of when its cool-down ends. Raises
    CannotDo where its breaker is not open."""
    name = connection(here, name)
    before = here.ledger.breakers.state(name)
    if not here.ledger.breakers.probe_now(name):
        asked = "it is being asked now" if before.state == "half_open" else "its breaker is closed: calls go"
        raise CannotDo(f"{name} does not wait to be asked again; {asked}")
    return Probed(connection=name, why=before.why, waiting=here.ledger.overview.on_the_way(name))
