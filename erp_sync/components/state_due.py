"""What is due of state flows: full comparisons, polls, the fast lane, and work that the ledger holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import FastLane, FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.state_refunds import refunded
from erp_sync.components.state_unknown import sold
from erp_sync.components.table_book import Book, plans_tables
from erp_sync.ledger.outlook import Outlook

log = logging.getLogger(__name__)

# Best sellers are worked out again this often.
BEST_SELLERS_EVERY = timedelta(minutes=10)
# Whether a date has come is looked at this often.
DATES_EVERY = timedelta(seconds=15)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run should start; `remember` goes into the sensor's cursor whether or not one does.

    `answered` is False where the system did not answer: nobody knows whether there is news.
    """

    why: str | None = None
    answered: bool = True
    lane: str = "normal"
    full: bool = False
    keys: tuple[str, ...] = ()
    remember: dict[str, Any] = {}


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A look whose time has come. `name` is its place in the sensor's cursor.

    `keys`: what a run is about where the look could not be made in time.
    """

    route: str
    flow: str
    lane: str
    name: str
    ask: Callable[[], Finding]
    keys: tuple[str, ...] = ()


def polls(
    here: Installation,
    route: RouteSpec,
    flow: str,
    spec: FlowSpec,
    now: datetime,
    cursor: dict[str, Any],
    busy: Collection[tuple[str, str, str]],
    outlook: Outlook,
) -> list[Poll]:
    """Looks that are due for one state flow.

    Before the first full comparison is through there is nothing to look at: it starts by itself.
    """
    if spec.start is not None and now < spec.start:
        return []
    name = f"{route.name}/{flow}"
    common: dict[str, Any] = {"route": route.name, "flow": flow}
    compared = _last_comparison(outlook, route, flow)
    full_due = compared is None or (spec.full is not None and now - compared >= spec.full)
    found: list[Poll] = []
    again = min(spec.every, spec.full or spec.every)  # one that failed is tried again after this long
    if full_due and (route.name, flow, "bulk") not in busy and _time_has_come(cursor, f"{name}/full", again, now):
        why = "never compared" if compared is None else f"last compared as a whole {compared:%Y-%m-%d %H:%M} UTC"
        found.append(
            Poll(**common, lane="bulk", name=f"{name}/full", ask=lambda: Finding(why=why, lane="bulk", full=True))
        )
    if compared is None:
        return found
    if (route.name, flow, "normal") not in busy and _time_has_come(cursor, f"{name}/polled", spec.every, now):
        found.append(Poll(**common, lane="normal", name=f"{name}/polled", ask=lambda: _changed(here, route, flow, now)))
    dated = plans_tables(FLOWS[flow]) and _time_has_come(cursor, f"{name}/dated", DATES_EVERY, now)
    if dated and (route.name, flow, "normal") not in busy:
        found.append(Poll(**common, lane="normal", name=f"{name}/dated", ask=lambda: _dated(here, route, flow, now)))
    fast = spec.fast
    if fast is not None and _time_has_come(cursor, f"{name}/fast", fast.every, now):
        kept = cursor.get(f"{name}/fast_keys")
        free = (route.name, flow, "now") not in busy
        if free:
            found.append(
                Poll(
                    **common,
                    lane="now",
                    name=f"{name}/fast",
                    ask=lambda: _fast(here, route, flow, fast, now, kept, f"{name}/fast_keys"),
                    keys=tuple(kept["keys"]) if kept else fast.skus,
                )
            )
    return found


def ledger_has_work(outlook: Outlook, route: RouteSpec, flow: str, spec: FlowSpec, *, running: bool) -> tuple[str, ...]:
    """Stages to run for what the ledger holds. What a run under way will do anyway is left to it."""
    kind = FLOWS[flow]
    target = getattr(route, kind.target)
    everything = ("extracted", "transformed", "loaded")
    if _last_comparison(outlook, route, flow) is None:
        return ()
    if not running and ((route.name, flow) in outlook.unhandled or (target, kind.entity) in outlook.unsure):
        return everything
    if spec.mode is Mode.ON and (route.name, flow, target) in outlook.rows:
        return ("loaded",)
    return ()


def fast_keys(here: Installation, route: RouteSpec, fast: FastLane, now: datetime) -> tuple[str, ...]:
    """SKUs, as the ERP names them, of the fast lane: the list of the route, else what sold most lately."""
    if fast.skus:
        return fast.skus
    lookups = here.lookups(route)
    best = here.best_sellers(route).skus(now - timedelta(days=fast.days), fast.best_sellers)
    return tuple(dict.fromkeys(lookups.get("sku_map", sku) or sku for sku in best))


def _last_comparison(outlook: Outlook, route: RouteSpec, flow: str) -> datetime | None:
    """When the route's flow last compared everything in its mode. A snapshot of the source alone is no comparison: the
    target may not be read yet, or never for this route.

    A flow that is switched on compares everything anew: what it planned in shadow stands held, and is overtaken then.
    """
    from erp_sync.flows.state_extraction import compared_entity

    kind = FLOWS[flow]
    at = {
        shadow: outlook.positions.get(
            (getattr(route, kind.source), compared_entity(route.name, flow, kind.source_entity, shadow=shadow))
        )
        for shadow in (True, False)
    }
    shadow = route.flows[flow].mode is Mode.SHADOW
    mine, other = at[shadow], at[not shadow]
    return None if mine is None or (other is not None and other > mine) else mine


def _changed(here: Installation, route: RouteSpec, flow: str, now: datetime) -> Finding:
    from erp_sync.flows.extraction import news

    kind = FLOWS[flow]
    why = news(
        here.source(route, flow),
        here.ledger,
        connection=getattr(route, kind.source),
        entity=kind.source_entity,
        start=now - timedelta(days=1),
        now=now,
    )
    return Finding(why=why or sold(here, route, kind) or refunded(here, route, kind, now))


def _dated(here: Installation, route: RouteSpec, flow: str, now: datetime) -> Finding:
    """Whether a date has changed what the target should hold, though nothing changed at the source."""
    due = Book(here, route, FLOWS[flow]).state().next_change
    if not due or datetime.fromisoformat(due) > now:
        return Finding()
    return Finding(why=f"terms begin or end {datetime.fromisoformat(due):%Y-%m-%d %H:%M} UTC")


def _fast(
    here: Installation,
    route: RouteSpec,
    flow: str,
    fast: FastLane,
    now: datetime,
    kept: dict[str, Any] | None,
    place: str,
) -> Finding:
    from erp_sync.flows.state_extraction import keys_changed

    kind = FLOWS[flow]
    if kept is None or now - datetime.fromisoformat(kept["at"]) >= BEST_SELLERS_EVERY:
        kept = {"at": now.isoformat(), "keys": list(fast_keys(here, route, fast, now))}
    keys = tuple(kept["keys"])
    if not keys:
        return Finding(lane="now")
    why = keys_changed(
        here.source(route, flow),
        here.ledger,
        connection=getattr(route, kind.source),
        entity=kind.source_entity,
        keys=keys,
    )
    return Finding(why=why or sold(here, route, kind), lane="now", keys=keys, remember={place: kept})


def _time_has_come(cursor: dict[str, Any], name: str, every: timedelta, now: datetime) -> bool:
    last = cursor.get(name)
    return last is None or now - datetime.fromisoformat(last) >= every
