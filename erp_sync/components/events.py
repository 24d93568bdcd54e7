"""Events that wait in the inbox: which runs they start, and how a run takes them.

An event only triggers a read of the record that it names. Documents are read at once, stock only of the fast
lane's SKUs; what else changed is found by the next poll, which is the net beneath everything here.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import (
    Configuration,
    ConnectionSpec,
    FlowSpec,
    Mode,
    RouteSpec,
    WrongConfiguration,
)
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.state_due import Finding, Poll
from erp_sync.components.table_book import plans_tables
from erp_sync.flows.extraction import Extraction, Landing, extract_named
from erp_sync.ledger.inbox import WaitingEvent
from erp_sync.ports.capabilities import Notifications
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import NotExpected, NotificationRefused, Verify
from erp_sync.ports.state import NamesKeys

log = logging.getLogger(__name__)

# Ids that a run is started with; it takes whatever else waits by then, too.
MOST_KEYS = 200
# Records read in one go.
BATCH = 500
# What events start runs of one flow so far apart at least, where the connection's settings say nothing.
EVERY = timedelta(seconds=2)
# Ids named in a run's tag.
SHOWN = 3

Place = tuple[str, str]
"""Connection and entity."""


class Taken(msgspec.Struct, kw_only=True):
    """What a run made of the events that waited. `extractions` are those of the records that they name."""

    events: int = 0
    not_found: int = 0
    unnamed: list[int] = []
    extractions: list[Extraction] = []

    @property
    def received(self) -> int:
        return sum(one.received for one in self.extractions)


# -- what a connection takes ---------------------------------------------------------------------------


def rules_of(spec: ConnectionSpec) -> Notifications | None:
    """How its vendor tells of changes; None where it does not."""
    module = importlib.import_module(f"erp_sync.systems.{spec.vendor}.capabilities")
    rules: Notifications | None = module.CAPABILITIES.notifications
    return rules


def verifier(vendor: str) -> Verify:
    """Of a vendor that tells of changes."""
    verify: Verify = importlib.import_module(f"erp_sync.systems.{vendor}.events").verify
    return verify


def refusal(verify: Verify, settings: ConnectionSettings) -> str:
    """Why a connection takes no events; "" where it takes them."""
    try:
        verify({}, b"", settings)
    except NotExpected as refused:
        return refused.problem
    except NotificationRefused:
        pass  # it refused an empty message for its missing signature, so it can verify
    return ""


def takes_any(spec: ConnectionSpec) -> bool:
    """Whether a connection has what it needs to take events; not where secrets of it are missing here."""
    if rules_of(spec) is None:
        return False
    try:
        return not refusal(verifier(spec.vendor), spec.resolve())
    except WrongConfiguration:
        return False


# -- the sensor's side ---------------------------------------------------------------------------------


def waiting(here: Installation, configuration: Configuration, now: datetime) -> dict[Place, list[WaitingEvent]]:
    """Events old enough to be read, by connection and entity. Those that no flow reads are put away."""
    found: dict[Place, list[WaitingEvent]] = {}
    for event in here.ledger.inbox.waiting(now):
        found.setdefault((event.connection, event.entity), []).append(event)
    if not found:
        return {}
    read = {
        (getattr(route, FLOWS[flow].source), FLOWS[flow].source_entity)
        for route in configuration.routes.values()
        for flow, spec in route.flows.items()
        if spec.mode is not Mode.OFF
    }
    for place in [place for place in found if place not in read]:
        here.ledger.inbox.mark([event.id for event in found.pop(place)], "no flow reads it")
    for place in [place for place in found if not _starts_runs(here, *place)]:
        here.ledger.inbox.mark([event.id for event in found.pop(place)], "left to the next poll")
    ripe = {place: [event for event in events if event.received_at <= now - delay(here, place[0])]
            for place, events in found.items()}  # fmt: skip
    return {place: events for place, events in ripe.items() if events}


def starts_runs(settings: Mapping[str, Any], entity: str) -> bool:
    """Whether the connection's setting ``events`` lets events of this entity start runs; all do where it says none."""
    chosen = (settings.get("events") or {}).get("entities")
    return chosen is None or entity in chosen


def _starts_runs(here: Installation, connection: str, entity: str) -> bool:
    return starts_runs(here.configuration.connection(connection).settings, entity)


def delay(here: Installation, connection: str) -> timedelta:
    """How long after an event its system may still answer without the change (`Notifications.delay_seconds`)."""
    spec = here.configuration.connection(connection)
    given = (spec.settings.get("events") or {}).get("delay_seconds")
    rules = here.capabilities(spec.vendor).notifications
    return timedelta(seconds=float(given if given is not None else rules.delay_seconds if rules else 0.0))


def _too_soon(here: Installation, connection: str, last: str | None, now: datetime) -> bool:
    given = (here.configuration.connection(connection).settings.get("events") or {}).get("every_seconds")
    every = EVERY if given is None else timedelta(seconds=float(given))
    return last is not None and now - datetime.fromisoformat(last) < every


def polls(
    here: Installation,
    route: RouteSpec,
    flow: str,
    spec: FlowSpec,
    now: datetime,
    events: Mapping[Place, Sequence[WaitingEvent]],
    cursor: Mapping[str, Any],
    busy: Collection[tuple[str, str, str]],
) -> list[Poll]:
    """Looks at what waits for one flow; a finding has lane `now`, or `normal` where an event names nothing.

    A flow's events are looked at some seconds apart: a run takes all that came meanwhile, and a rush costs a run
    each time and not one an event.
    """
    kind = FLOWS[flow]
    source = getattr(route, kind.source)
    mine = events.get((source, kind.source_entity), ())
    name = f"{route.name}/{flow}/events"
    if not mine or (route.name, flow, "now") in busy or _too_soon(here, source, cursor.get(name), now):
        return []
    common: dict[str, Any] = {"route": route.name, "flow": flow, "name": name}
    if kind.delivers or plans_tables(kind):
        if first_reader(here.configuration, source, kind.source_entity) != (route.name, flow):
            return []  # the records that its run receives are this flow's, too
        named = all(event.native_id for event in mine)
        if not named and (route.name, flow, "normal") in busy:
            return []
        return [Poll(**common, lane="now" if named else "normal", ask=lambda: _documents(mine, named))]
    fast = _fast_keys(here.configuration, source, kind.source_entity, cursor)
    return [Poll(**common, lane="now", ask=lambda: _fast_states(here, route, flow, mine, fast))]


def merged(findings: Sequence[Finding], delivers: bool) -> list[Finding]:
    """At most one finding a lane. A run that reads all changes of a document flow takes its events along."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.lane, finding)
    if delivers and "normal" in first:
        first.pop("now", None)
    return list(first.values())


def first_reader(configuration: Configuration, connection: str, entity: str) -> tuple[str, str]:
    """Route and flow that what is read of this entity for several routes is told of."""
    for route in configuration.routes.values():
        for flow, spec in route.flows.items():
            kind = FLOWS[flow]
            if spec.mode is not Mode.OFF and (getattr(route, kind.source), kind.source_entity) == (connection, entity):
                return route.name, flow
    raise KeyError(f"no flow reads {entity} of {connection}")


def _documents(events: Sequence[WaitingEvent], named: bool) -> Finding:
    ids = tuple(dict.fromkeys(event.native_id for event in events if event.native_id))
    if not named:
        return Finding(why=_words(len(events), ()))
    return Finding(why=_words(len(events), ids), lane="now", keys=ids[:MOST_KEYS])


def _fast_states(
    here: Installation,
    route: RouteSpec,
    flow: str,
    events: Sequence[WaitingEvent],
    fast: Mapping[tuple[str, str], Collection[str]],
) -> Finding:
    """Keys of the route's fast lane that events name. Events of keys of no fast lane are put away."""
    everybodys = {key for keys in fast.values() for key in keys}
    keys: dict[str, None] = {}
    left = [event.id for event in events if not event.native_id or not everybodys]
    if everybodys:
        named = keys_of(here.source(route, flow), [event.native_id for event in events if event.native_id])
        left += [event.id for event in events if event.native_id and named.get(event.native_id) not in everybodys]
        keys = dict.fromkeys(key for key in named.values() if key in fast.get((route.name, flow), ()))
    here.ledger.inbox.mark(left, "left to the next poll")
    if not keys:
        return Finding(lane="now")
    return Finding(why=_words(len(events) - len(left), list(keys)), lane="now", keys=tuple(keys)[:MOST_KEYS])


def _fast_keys(
    configuration: Configuration, connection: str, entity: str, cursor: Mapping[str, Any]
) -> dict[tuple[str, str], frozenset[str]]:
    """The fast lanes' SKUs of every flow that reads the entity, as their own looks worked them out last."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for route in configuration.routes.values():
        for flow, spec in route.flows.items():
            kind = FLOWS[flow]
            if spec.mode is Mode.OFF or (getattr(route, kind.source), kind.source_entity) != (connection, entity):
                continue
            kept = cursor.get(f"{route.name}/{flow}/fast_keys") or {}
            if spec.fast is not None:
                found[route.name, flow] = frozenset(kept.get("keys") or ())
    return found


def _words(count: int, keys: Sequence[str]) -> str:
    events = "an event" if count == 1 else f"{count} events"
    named = ", ".join(keys[:SHOWN]) + (" ..." if len(keys) > SHOWN else "")
    return f"{events}: {named}" if named else events


# -- the run's side --------------------------------------------------------------------------------------


def take(
    here: Installation,
    source: Any,
    land: Landing,
    *,
    connection: str,
    entity: str,
    run_id: str,
    now: datetime,
    keys: Sequence[str] = (),
) -> Taken:
    """Read the documents that events name, and those of `keys`; mark the events as processed.

    Events that name nothing are only counted (`unnamed`, inbox ids): the caller marks them once it has read all
    changes. A crash before the mark leaves them waiting; what was received is not received twice. Raises the
    source's TransportError; what was taken until then stays taken.
    """
    common: dict[str, Any] = {"connection": connection, "entity": entity, "run_id": run_id}
    taken = Taken()
    events = here.ledger.inbox.waiting(now - delay(here, connection), connection, entity)
    taken.unnamed = [event.id for event in events if not event.native_id]
    ids = list(dict.fromkeys([*keys, *(event.native_id for event in events if event.native_id)]))
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        done, found = extract_named(source, here.ledger, land, native_ids=some, **common)
        taken.extractions.append(done)
        theirs = [event for event in events if event.native_id in some]
        here.ledger.inbox.mark([event.id for event in theirs if event.native_id in found], "read")
        missing = [event for event in theirs if event.native_id not in found]
        here.ledger.inbox.mark([event.id for event in missing], "not found")
        taken.events += len(theirs)
        taken.not_found += len(missing)
    return taken


def put_away(here: Installation, ids: Sequence[int]) -> None:
    """Mark events that named nothing: all changes were read since they came."""
    if ids:
        here.ledger.inbox.mark(ids, "all changes read")


def keys_of(source: Any, native_ids: Sequence[str]) -> dict[str, str]:
    """Key of a state source by the system's own id, as events name records. What does not exist is left out."""
    if isinstance(source, NamesKeys):
        return source.keys_of(list(dict.fromkeys(native_ids)))
    return {one: one for one in native_ids}
