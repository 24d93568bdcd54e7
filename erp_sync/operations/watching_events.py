"""Whether systems that are to tell of changes still do.

Polling finds everything without them, only later: a subscription that is gone, or an event service that nobody
reaches, fails without an error. Nothing is expected of a system by the clock: what polling found, and no event told
of, is what counts, so that quiet hours are quiet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from erp_sync.components import events
from erp_sync.components.configuration import Mode
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger.ledger import Unreachable

#: So long a connection's events may be missing, where its setting ``events.silent_after_seconds`` says nothing.
PATIENCE = timedelta(hours=1)
#: An event may be lost, and a document may be made in a way that raises none: so many are no accident.
SEVERAL = 3
#: What came longer ago is not looked at.
LONGEST = timedelta(days=7)
#: A system's clock may be off by so much.
CLOCKS = timedelta(minutes=10)


class Unannounced(msgspec.Struct, frozen=True, kw_only=True):
    """New documents of a flow that polling found, and no event of their connection told of.

    Attributes:
        last: when the last event about such documents came; None: never, or longer ago than events are kept.
        first: when the first of them was made.
    """

    connection: str
    flow: FlowKind
    count: int
    first: datetime
    last: datetime | None


class Announcements:
    """Looks at one installation, again and again; remembers which events it has seen."""

    def __init__(self, here: Installation) -> None:
        self._here = here
        self._seen = 0
        self._last: dict[events.Place, datetime] = {}

    def missing(self, now: datetime, away: Mapping[str, Unreachable]) -> Iterator[Unannounced]:
        """Where events have stopped although documents go on coming; one a connection and entity."""
        for event in self._here.ledger.inbox.latest(after=self._seen):
            self._seen = max(self._seen, event.id)
            self._last[event.connection, event.entity] = event.received_at
        for connection, every in self._told_of().items():
            if connection in away and away[connection].planned:
                continue
            opened = self._here.ledger.maintenance.last_ended(connection)
            for kind, interval in every:
                last = self._last.get((connection, kind.source_entity))
                patience = self._patience(connection)
                since = max(one for one in (now - LONGEST, last, opened) if one is not None)
                # What was read long after it was made may be of a time before there were events, or before us.
                made = self._here.ledger.activity.made(
                    connection,
                    kind.source_entity,
                    since + min(patience, CLOCKS),
                    read_within=max(patience, 2 * interval),
                )
                if len(made) >= SEVERAL and made[0] <= now - patience:
                    yield Unannounced(connection=connection, flow=kind, count=len(made), first=made[0], last=last)

    def _told_of(self) -> dict[str, list[tuple[FlowKind, timedelta]]]:
        """By connection that takes events: the flows whose documents it should tell of, and how often they are polled.

        State is not among them: events of it start runs of the fast lane only, and what a poll finds is compared.
        """
        found: dict[tuple[str, str], tuple[FlowKind, timedelta]] = {}
        for route in self._here.configuration.routes.values():
            for flow, spec in route.flows.items():
                kind = FLOWS[flow]
                if kind.delivers and spec.mode is not Mode.OFF:
                    place = (getattr(route, kind.source), kind.source_entity)
                    slowest = max(spec.every, found[place][1]) if place in found else spec.every
                    found[place] = (kind, slowest)
        told: dict[str, list[tuple[FlowKind, timedelta]]] = {}
        taking: dict[str, bool] = {}
        for (connection, entity), flow_of in found.items():
            if connection not in taking:
                taking[connection] = events.takes_any(self._here.configuration.connection(connection))
            if taking[connection] and self._tells_of(connection, entity):
                told.setdefault(connection, []).append(flow_of)
        return told

    def _tells_of(self, connection: str, entity: str) -> bool:
        spec = self._here.configuration.connection(connection)
        rules = events.rules_of(spec)
        return rules is not None and entity in rules.entities and events.starts_runs(spec.settings, entity)

    def _patience(self, connection: str) -> timedelta:
        settings = self._here.configuration.connection(connection).settings
        given = (settings.get("events") or {}).get("silent_after_seconds")
        return PATIENCE if given is None else timedelta(seconds=float(given))
