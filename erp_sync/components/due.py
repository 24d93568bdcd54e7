"""What is due: polls whose time has come, and work that the ledger holds. Starts nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import Configuration, FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation, current

log = logging.getLogger(__name__)

# A look at a source may take this long; a run starts where it could not be judged in time.
LOOK_SECONDS = 3.0
ALL = ("extracted", "transformed", "loaded")
# The loaded asset is observed fresh without a run this often within its latest acceptable age.
OBSERVE_SHARE = 3


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
    busy: Collection[tuple[str, str, str]] = (),
    installation: Installation | None = None,
) -> Looked:
    """Look at every poll that is due and at the ledger's due work.

    `busy` names (route, flow, lane) of which a run is about to start or enough are running.
    """
    here = installation or current()
    cursor = dict(cursor)
    due: list[Due] = []
    fresh: list[tuple[str, str, int]] = []
    polls: list[tuple[RouteSpec, str, FlowSpec, Any]] = []
    pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="look")
    try:
        for route in configuration.routes.values():
            for flow, spec in route.flows.items():
                if spec.mode is Mode.OFF or (route.name, flow, "normal") in busy:
                    continue
                polled = cursor.get(f"{route.name}/{flow}/polled")
                if polled is None or now - datetime.fromisoformat(polled) >= spec.every:
                    polls.append((route, flow, spec, pool.submit(_source_has_news, here, route, flow, spec, now)))
        deadline = LOOK_SECONDS
        found: dict[tuple[str, str], str] = {}
        for route, flow, _spec, future in polls:
            try:
                news = future.result(timeout=deadline)
            except FutureTimeout:
                news = "could not be judged in time"
            name = f"{route.name}/{flow}"
            cursor[f"{name}/polled"] = now.isoformat()
            cursor[f"{name}/looks"] = cursor.get(f"{name}/looks", 0) + 1
            if news:
                found[route.name, flow] = news
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    waiting = 0
    for route in configuration.routes.values():
        for flow, spec in route.flows.items():
            if spec.mode is Mode.OFF or (route.name, flow, "normal") in busy:
                continue
            name = f"{route.name}/{flow}"
            if (route.name, flow) in found:
                due.append(Due(route=route.name, flow=flow, stages=ALL, why=found[route.name, flow]))
            else:
                stages = _ledger_has_work(here, route, flow, spec)
                if stages:
                    due.append(Due(route=route.name, flow=flow, stages=stages, why="work is due in the ledger"))
                elif _observe(spec, cursor, name, now):
                    fresh.append((route.name, flow, cursor.get(f"{name}/looks", 0)))
                    cursor[f"{name}/observed"] = now.isoformat()
                    cursor[f"{name}/looks"] = 0
    summary = f"looked at {len(polls)} sources: nothing new" + (f"; {waiting} wait" if waiting else "")
    return Looked(due=tuple(due), fresh=tuple(fresh), cursor=cursor, summary=summary)


def _source_has_news(here: Installation, route: RouteSpec, flow: str, spec: FlowSpec, now: datetime) -> str | None:
    """Why a run should start, or None. A source that does not answer is looked at again next time."""
    from erp_sync.flows.extraction import news
    from erp_sync.transport.context import call_context
    from erp_sync.transport.errors import TransportError

    kind = FLOWS[flow]
    with call_context(run_id="sensor", lane="normal", route=route.name, flow=flow):
        try:
            return news(
                here.source(route, flow),
                here.ledger,
                connection=getattr(route, kind.source),
                entity=kind.entity,
                start=spec.start or now - timedelta(days=1),
                now=now,
            )
        except TransportError as error:
            log.warning("look failed", extra={"route": route.name, "flow": flow, "error": str(error)})
            return None


def _ledger_has_work(here: Installation, route: RouteSpec, flow: str, spec: FlowSpec) -> tuple[str, ...]:
    kind = FLOWS[flow]
    if here.ledger.any_unhandled(route.name, flow, getattr(route, kind.source), kind.entity):
        return ("transformed", "loaded")
    if spec.mode is Mode.ON and here.ledger.any_due(route.name, flow, getattr(route, kind.target)):
        return ("loaded",)
    return ()


def _observe(spec: FlowSpec, cursor: dict[str, Any], name: str, now: datetime) -> bool:
    if spec.latest is None:
        return False
    observed = cursor.get(f"{name}/observed")
    return observed is None or now - datetime.fromisoformat(observed) >= spec.latest / OBSERVE_SHARE
