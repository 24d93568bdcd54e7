"""Whether state flows still change as much as they usually do.

A run that compares and finds nothing is green, and so is one whose source answers what it said yesterday: only what a
flow usually changes at this hour tells them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger.activity import Change
from erp_sync.ledger.heartbeats import Heartbeat
from erp_sync.monitoring.expectations import LONGEST, WEEKS, Expectation, Silence, stillness

#: Expectations are learned anew this often.
LEARN_EVERY = timedelta(hours=1)
#: A plan may become visible so much later than one with a higher number.
LATE = timedelta(minutes=10)
#: That a flow cannot be looked at is noted this often.
NOTED_EVERY = timedelta(minutes=1)
#: Where no watchdog looked for so long, nobody knows what could be looked at until now.
UNWATCHED = timedelta(hours=2)


def unlooked(route: str, flow: str) -> str:
    """Name of the heartbeat that says when a flow could not be looked at last."""
    return f"unlooked/{route}/{flow}"


class Changes:
    """Looks at one installation, again and again; remembers what it learned and which plans it has seen."""

    def __init__(self, here: Installation) -> None:
        self._here = here
        self._learned: dict[tuple[str, str], tuple[datetime, Expectation]] = {}
        self._seen: dict[int, Change] = {}
        self._after = 0
        self._unlooked: set[str] = set()
        self._unlooked_at: dict[str, datetime] = {}

    def still(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Silence | None:
        """What is missing of a flow, or None. Nothing is judged before the last moment at which the flow could not be
        looked at."""
        ledger, name = self._here.ledger, unlooked(route.name, kind.name)
        if flow.approval == "required" or name in self._unlooked:
            return None
        expectation = self._expected(route, kind, flow, now)
        opened = [ledger.maintenance.last_ended(getattr(route, side)) for side in (kind.source, kind.target)]
        moments = (flow.start, *opened, self._unlooked_at.get(name))
        start = max([one for one in moments if one is not None], default=now - LONGEST)
        changes = [
            (one.at, one.rows)
            for one in sorted(self._seen.values(), key=lambda one: one.at)
            if (one.route, one.flow) == (route.name, kind.name)
        ]
        return stillness(expectation, changes, start, now, flow.every)

    def look(
        self, now: datetime, beats: Mapping[str, Heartbeat], away: Collection[str], *, sensor_silent: bool
    ) -> None:
        """Read the plans that were made since the last look, and note which flows cannot be looked at now: they are not
        on, nobody looks for work, one of the sides that they compare is away, or a plan of theirs is held. That is told
        by itself; what changes meanwhile joins that plan, so that the time until it is decided says nothing of what is
        usual, after the decision neither. Plans of the last week are kept.

        Args:
            beats: as they were before this look.
        """
        last = beats.get("watchdog")
        unknown = sensor_silent or (last is not None and now - last.at > UNWATCHED)
        held = self._here.ledger.activity.plans_held()
        self._unlooked = {
            unlooked(route.name, flow)
            for route in self._here.configuration.routes.values()
            for flow, spec in route.flows.items()
            if not FLOWS[flow].delivers
            and (unknown or spec.mode is not Mode.ON or (route.name, flow) in held or _away(route, FLOWS[flow], away))
        }
        # In the ledger, so that a watchdog that is started anew, or by cron, knows it.
        self._here.ledger.heartbeats.beat(self._unlooked, NOTED_EVERY)
        self._unlooked_at = {name: beat.at for name, beat in beats.items() if name.startswith("unlooked/")}
        for one in self._here.ledger.activity.changes(after=self._after, since=now - LONGEST):
            self._seen[one.plan] = one
        self._seen = {plan: one for plan, one in self._seen.items() if one.at >= now - LONGEST}
        self._after = max([self._after, *(plan for plan, one in self._seen.items() if one.at < now - LATE)])

    def _expected(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Expectation:
        name = (route.name, kind.name)
        known = self._learned.get(name)
        if known is not None and now - known[0] < LEARN_EVERY:
            return known[1]
        zone = ZoneInfo(self._here.configuration.connection(getattr(route, kind.source)).time_zone)
        ever = self._here.ledger.activity.changes(of=name)
        lately = [(one.at, one.rows) for one in ever if one.at >= now - timedelta(weeks=WEEKS)]
        since = ever[0].at if ever else None
        learned = Expectation.of_changes(lately, since, now, zone, [one.by_hand() for one in flow.expected])
        self._learned[name] = (now, learned)
        return learned


def _away(route: RouteSpec, kind: FlowKind, away: Collection[str]) -> bool:
    return any(getattr(route, side) in away for side in (kind.source, kind.target))
