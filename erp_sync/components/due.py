"""What is due: polls whose time has come, and work that the ledger holds. Starts nothing itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components import events, shadow, state_due, under_way
from erp_sync.components.configuration import Configuration, FlowSpec, Mode, RouteSpec, WrongConfiguration
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation, current
from erp_sync.components.state_due import Finding, Poll
from erp_sync.components.under_way import UnderWay
from erp_sync.ledger.outlook import Outlook, Reader
from erp_sync.model.keys import Entity
from erp_sync.ports.raw import BadRecord, MappingProblem

log = logging.getLogger(__name__)

# The looks of one tick may take this long together; a run starts where a source could not be judged in time.
LOOK_SECONDS = 3.0
# Looks at once: those at a system that does not answer leave threads for the others.
MOST_LOOKS = 32
ALL = ("extracted", "transformed", "loaded")
# The loaded asset is observed fresh without a run this often within its latest acceptable age.
OBSERVE_SHARE = 3
# The schedule compares once a day; what it missed is made up for after this long, and tried again after AGAIN.
COMPARISON_MISSED = timedelta(hours=25)
AGAIN = timedelta(minutes=10)
# That the sensor ticks, and that sources answer, is told to the watchdog this often.
HEARTBEAT = timedelta(seconds=20)
SENSOR_ALIVE = "sensor/due_work"


def look_alive(route: str, flow: str) -> str:
    """Name of the heartbeat that says that a flow's source answered a look."""
    return f"look/{route}/{flow}"


class Due(msgspec.Struct, frozen=True, kw_only=True):
    route: str
    flow: str
    stages: tuple[str, ...]
    why: str
    lane: str = "normal"
    full: bool = False
    keys: tuple[str, ...] = ()


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one look. `cursor` maps ``route/flow/what`` to ISO times."""

    due: tuple[Due, ...]
    fresh: tuple[tuple[str, str, int], ...]
    cursor: dict[str, Any]
    summary: str


def look(
    configuration: Configuration,
    now: datetime,
    cursor: dict[str, Any],
    *,
    runs: Sequence[UnderWay] = (),
    shown: Mapping[tuple[str, str], shadow.Counts] = {},
    installation: Installation | None = None,
) -> Looked:
    """Look at every poll that is due and at the ledger's due work; what `runs` will do is left to them.

    Args:
        shown: what the loaded assets of flows in shadow mode show, see `shadow.shown`.
    """
    here = installation or current()
    cursor = dict(cursor)
    due: list[Due] = []
    fresh: list[tuple[str, str, int]] = []
    looks: list[tuple[Poll, Future[Finding]]] = []
    found: dict[tuple[str, str], list[Finding]] = {}
    alive = {SENSOR_ALIVE}
    pool = ThreadPoolExecutor(max_workers=MOST_LOOKS, thread_name_prefix="look")
    outlook = here.ledger.outlook(readers(configuration))
    away = here.ledger.unreachable()
    busy = under_way.busy(runs, configuration, outlook.moved)
    left, running = under_way.left_to(runs, now), {(run.route, run.flow) for run in runs}
    try:
        waiting = events.waiting(here, configuration, now)
        for route in configuration.routes.values():
            for flow, spec in route.flows.items():
                if spec.mode is Mode.OFF or not _readable(route, flow, away):
                    continue
                polls = _polls(here, route, flow, spec, now, cursor, busy, outlook)
                polls += events.polls(here, route, flow, spec, now, waiting, cursor, busy)
                looks += [(poll, pool.submit(_ask, poll)) for poll in polls]
        for poll, finding in answers(looks):
            cursor[poll.name] = now.isoformat()
            cursor.update(finding.remember)
            silent = f"{poll.route}/{poll.flow}/silent"
            if finding.answered:
                alive.add(look_alive(poll.route, poll.flow))
                cursor.pop(silent, None)
            else:
                cursor.setdefault(silent, now.isoformat())
            count = f"{poll.route}/{poll.flow}/looks"
            cursor[count] = cursor.get(count, 0) + 1
            if finding.why:
                found.setdefault((poll.route, poll.flow), []).append(finding)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for route in configuration.routes.values():
        for flow, spec in route.flows.items():
            if spec.mode is Mode.OFF:
                continue
            name = f"{route.name}/{flow}"
            reachable = _reachable(route, flow, away)
            starting = events.merged(found.get((route.name, flow), []), FLOWS[flow].delivers)
            due += [
                Due(
                    route=route.name,
                    flow=flow,
                    stages=reachable,
                    why=one.why or "",
                    lane=one.lane,
                    full=one.full,
                    keys=one.keys,
                )
                for one in starting
            ]
            if (route.name, flow, "normal") in busy or any(one.lane == "normal" for one in starting):
                continue
            if starting and FLOWS[flow].delivers:
                continue  # a run that events start takes everything that the ledger holds
            stages = _ledger_has_work(outlook, route, flow, spec, running, away)
            if not stages and spec.mode is Mode.SHADOW and (route.name, flow) not in running:
                stages = () if shadow.is_shown(here, route, flow, shown) else ("loaded",)
            stages = tuple(stage for stage in stages if stage in reachable)
            if stages and (route.name, flow, stages[0]) in left:
                continue
            if stages:
                due.append(Due(route=route.name, flow=flow, stages=stages, why="work is due in the ledger"))
            elif not starting and reachable == ALL and _observe(spec, cursor, name, now):
                fresh.append((route.name, flow, cursor.get(f"{name}/looks", 0)))
                cursor[f"{name}/observed"] = now.isoformat()
                cursor[f"{name}/looks"] = 0
    # A run under way reads its source itself.
    alive |= {look_alive(run.route, run.flow) for run in runs}
    here.ledger.heartbeats.beat(alive, HEARTBEAT)
    summary = f"looked at {len(looks)} sources: nothing new"
    if away:
        summary += "; " + "; ".join(f"{one.connection}: {one.why}" for one in away.values())
    return Looked(due=tuple(due), fresh=tuple(fresh), cursor=cursor, summary=summary)


def answers(
    looks: Sequence[tuple[Poll, Future[Finding]]], clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Poll, Finding]]:
    """What the looks found. All of them have `LOOK_SECONDS` together: a slow system with many routes holds up nobody
    else for longer."""
    until = clock() + LOOK_SECONDS
    for poll, future in looks:
        try:
            finding = future.result(timeout=max(0.0, until - clock()))
        except FutureTimeout:
            finding = Finding(why="could not be judged in time", lane=poll.lane, keys=poll.keys)
        yield poll, finding


def _readable(route: RouteSpec, flow: str, away: Collection[str]) -> bool:
    """Can the flow's source be looked at? A state flow needs both sides: it compares them."""
    kind = FLOWS[flow]
    source, target = getattr(route, kind.source), getattr(route, kind.target)
    return source not in away and (kind.delivers or target not in away)


def _reachable(route: RouteSpec, flow: str, away: Collection[str]) -> tuple[str, ...]:
    """Stages that can be run while these connections cannot be called: documents are received and queue for a
    target that is away."""
    kind = FLOWS[flow]
    source, target = getattr(route, kind.source), getattr(route, kind.target)
    if not kind.delivers:
        return () if source in away or target in away else ALL
    cannot = {"extracted": source in away, "transformed": False, "loaded": target in away}
    return tuple(stage for stage in ALL if not cannot[stage])


def _polls(
    here: Installation,
    route: RouteSpec,
    flow: str,
    spec: FlowSpec,
    now: datetime,
    cursor: dict[str, Any],
    busy: Collection[tuple[str, str, str]],
    outlook: Outlook,
) -> list[Poll]:
    if not FLOWS[flow].delivers:
        return state_due.polls(here, route, flow, spec, now, cursor, busy, outlook)
    found = _missed_comparison(here, route, flow, now, cursor, busy, outlook)
    name = f"{route.name}/{flow}/polled"
    polled = cursor.get(name)
    if (route.name, flow, "normal") in busy:
        return found
    if polled is not None and now - datetime.fromisoformat(polled) < spec.every:
        return found
    return [
        *found,
        Poll(
            route=route.name,
            flow=flow,
            lane="normal",
            name=name,
            ask=lambda: Finding(why=_source_has_news(here, route, flow, spec, now)),
        ),
    ]


def _missed_comparison(
    here: Installation,
    route: RouteSpec,
    flow: str,
    now: datetime,
    cursor: dict[str, Any],
    busy: Collection[tuple[str, str, str]],
    outlook: Outlook,
) -> list[Poll]:
    """The daily comparison of documents is made up for where its schedule did not get through: the daemon was off, or
    the system in maintenance."""
    from erp_sync.flows.extraction import complete_entity

    kind = FLOWS[flow]
    source = getattr(route, kind.source)
    complete = outlook.positions.get((source, complete_entity(kind.entity)))
    if complete is None or now - complete < COMPARISON_MISSED or (route.name, flow, "bulk") in busy:
        return []
    name = f"{route.name}/{flow}/full"
    last = cursor.get(name)
    if (last is not None and now - datetime.fromisoformat(last) < AGAIN) or events.first_reader(
        here.configuration, source, kind.entity
    ) != (route.name, flow):
        return []
    why = f"last compared as a whole {complete:%Y-%m-%d %H:%M} UTC"
    finding = Finding(why=why, lane="bulk", full=True)
    return [Poll(route=route.name, flow=flow, lane="bulk", name=name, ask=lambda: finding)]


def _ask(poll: Poll) -> Finding:
    """The look's answer. A system that does not answer is looked at again next time.

    What only this flow cannot do (a variable that is not set, a record that cannot be understood) keeps no other
    flow from its look: its run starts, and says what is wrong.
    """
    from erp_sync.ledger.errors import LedgerBusy
    from erp_sync.transport.context import call_context
    from erp_sync.transport.errors import TransportError

    with call_context(run_id="sensor", lane=poll.lane, route=poll.route, flow=poll.flow, look=True):
        try:
            return poll.ask()
        except (TransportError, LedgerBusy) as error:
            log.warning("look failed", extra={"route": poll.route, "flow": poll.flow, "error": str(error)})
            return Finding(lane=poll.lane, answered=False)
        except (WrongConfiguration, BadRecord, MappingProblem) as problem:
            log.error("look failed", extra={"route": poll.route, "flow": poll.flow, "error": str(problem)})
            return Finding(why="could not be looked at", lane=poll.lane, keys=poll.keys)


def _source_has_news(here: Installation, route: RouteSpec, flow: str, spec: FlowSpec, now: datetime) -> str | None:
    """Why a run of a document flow should start, or None."""
    from erp_sync.flows.extraction import news

    kind = FLOWS[flow]
    return news(
        here.source(route, flow),
        here.ledger,
        connection=getattr(route, kind.source),
        entity=kind.entity,
        start=spec.start or now - timedelta(days=1),
        now=now,
    )


def readers(configuration: Configuration) -> list[Reader]:
    """What the flows that are not off read."""
    return [
        Reader(route.name, flow, getattr(route, FLOWS[flow].source), FLOWS[flow].source_entity)
        for route in configuration.routes.values()
        for flow, spec in route.flows.items()
        if spec.mode is not Mode.OFF
    ]


def _ledger_has_work(
    outlook: Outlook,
    route: RouteSpec,
    flow: str,
    spec: FlowSpec,
    running: Collection[tuple[str, str]],
    away: Collection[str] = (),
) -> tuple[str, ...]:
    kind = FLOWS[flow]
    if not kind.delivers:
        return state_due.ledger_has_work(outlook, route, flow, spec, running=(route.name, flow) in running)
    if (route.name, flow) in outlook.unhandled:
        return ("transformed", "loaded")
    # Of shipments some go the other way: what was shipped by hand is booked in the ERP.
    targets = {getattr(route, kind.target), *((route.erp,) if kind.entity == Entity.SHIPMENT else ())} - set(away)
    if spec.mode is Mode.ON and any((route.name, flow, one) in outlook.deliveries for one in targets):
        return ("loaded",)
    return ()


def _observe(spec: FlowSpec, cursor: dict[str, Any], name: str, now: datetime) -> bool:
    """Is the loaded asset to be told as fresh? Not while a source is silent: what it has is not known, and the asset
    goes late."""
    if spec.latest is None or f"{name}/silent" in cursor:
        return False
    observed = cursor.get(f"{name}/observed")
    return observed is None or now - datetime.fromisoformat(observed) >= spec.latest / OBSERVE_SHARE
