"""Whether state flows still change as much as they usually do.

A run that compares and finds nothing is green, and so is one whose source answers what it said yesterday: only what a
flow usually changes at this hour tells them apart.

When a flow could not be looked at is in the ledger, as heartbeats: a span each, of the last week. A watchdog that is
started anew, or by cron, knows it so. Nothing is expected in them; they do not begin the judging anew, else a system
that is away for a minute now and then would hide for ever that nothing changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger.activity import Change, FlowName
from erp_sync.ledger.heartbeats import Heartbeat
from erp_sync.monitoring.expectations import LONGEST, SHORTEST, WEEKS, Expectation, Silence, Span, stillness

#: Expectations are learned anew this often.
LEARN_EVERY = timedelta(hours=1)
#: A plan may become visible so much later than one with a higher number.
LATE = timedelta(minutes=10)
#: That a flow cannot be looked at is noted this often.
NOTED_EVERY = timedelta(minutes=1)
#: Where no watchdog looked for so long, nobody knows what could be looked at until now.
UNWATCHED = timedelta(hours=2)
#: Spans that lie no further apart are one.
JOINED = timedelta(minutes=10)


def unlooked(route: str, flow: str, since: datetime) -> str:
    """Name of the heartbeat that says until when a flow could not be looked at, from then on."""
    return f"unlooked/{route}/{flow}/{since.isoformat()}"


class Changes:
    """Looks at one installation, again and again; remembers what it learned and which plans it has seen."""

    def __init__(self, here: Installation) -> None:
        self._here = here
        self._learned: dict[tuple[str, str], tuple[datetime, Expectation]] = {}
        self._seen: dict[int, Change] = {}
        self._after = 0
        self._unlooked: set[FlowName] = set()
        self._spans: dict[FlowName, list[Span]] = {}

    def still(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Silence | None:
        """What is missing of a flow, or None: also where it cannot be judged now, since it cannot be looked at, or
        could not a moment ago and may still find what changed meanwhile."""
        name = (route.name, kind.name)
        catches_up = min(2 * flow.every, SHORTEST)
        away = [(begins, ends + catches_up) for begins, ends in self._spans.get(name, ())]
        if flow.approval == "required" or name in self._unlooked or any(now < ends for _, ends in away):
            return None
        start = flow.start or now - LONGEST
        return stillness(self._expected(route, kind, flow, now), self._changes(name), start, now, flow.every, away)

    def over(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, told: datetime, now: datetime) -> bool:
        """Whether what was told then of a flow is settled: a plan as large as usual came after it. Of a flow whose
        plans all wait for a person nothing is told."""
        handful = self._expected(route, kind, flow, now).handful
        usual = [at for at, rows in self._changes((route.name, kind.name)) if rows >= handful]
        return flow.approval == "required" or any(at > told - LATE for at in usual)

    def _changes(self, name: FlowName) -> list[tuple[datetime, int]]:
        ordered = sorted(self._seen.values(), key=lambda one: one.at)
        return [(one.at, one.rows) for one in ordered if (one.route, one.flow) == name]

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
            (route.name, flow)
            for route in self._here.configuration.routes.values()
            for flow, spec in route.flows.items()
            if not FLOWS[flow].delivers
            and (unknown or spec.mode is not Mode.ON or (route.name, flow) in held or _away(route, FLOWS[flow], away))
        }
        self._note(now, beats, last)
        for one in self._here.ledger.activity.changes(after=self._after, since=now - LONGEST):
            self._seen[one.plan] = one
        self._seen = {plan: one for plan, one in self._seen.items() if one.at >= now - LONGEST}
        self._after = max([self._after, *(plan for plan, one in self._seen.items() if one.at < now - LATE)])

    def _note(self, now: datetime, beats: Mapping[str, Heartbeat], last: Heartbeat | None) -> None:
        """The spans as they were known, and those that go on or begin now: nobody knows more of the time since the
        look before."""
        heartbeats, old = self._here.ledger.heartbeats, []
        self._spans = {}
        for name, beat in beats.items():
            if not name.startswith("unlooked/"):
                continue
            _, route, flow, *begins = name.split("/", 3)
            if begins and beat.at >= now - LONGEST:
                self._spans.setdefault((route, flow), []).append((datetime.fromisoformat(begins[0]), beat.at))
            else:
                old.append(name)
        names = []
        for route, flow in self._unlooked:
            since = last.at if last is not None else now
            if spans := self._spans.get((route, flow)):
                begins_at, ends = max(spans, key=lambda span: span[1])
                if ends >= min(now - JOINED, since - NOTED_EVERY):
                    since = begins_at
            names.append(unlooked(route, flow, since))
        heartbeats.beat(names, NOTED_EVERY)
        if old:
            heartbeats.forget(old)

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
