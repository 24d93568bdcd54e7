"""State flows, first stage: reading both sides. What a comparison needs is read here; nothing is decided.

The source is read by changes, by keys or as a whole; the target where its state is not known: keys that were
never read, keys that a write moved or left unknown (`ledger.known`), and everything in a full comparison.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components import events, table_reading
from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.state_refunds import doubt_refunded
from erp_sync.components.state_unknown import doubt_sold
from erp_sync.components.table_book import plans_tables
from erp_sync.flows import extraction, state_extraction
from erp_sync.flows.comparison import value_text
from erp_sync.flows.extraction import Extraction
from erp_sync.ledger.known_state import ABSENT, KnownRow
from erp_sync.ports.raw import RawRecord

# Writes raw records of an entity's folder in the lake; gives the file.
LandAs = Callable[[str, list[RawRecord]], str]


class Reading(msgspec.Struct, kw_only=True):
    """What an extraction of state read. `drifted` counts keys that the target holds differently than known."""

    extraction: Extraction
    again: Extraction | None = None
    events: int = 0
    target_read: int = 0
    drifted: int = 0


def read_states(
    here: Installation,
    connection: str,
    kind: FlowKind,
    routes: Sequence[RouteSpec],
    land_as: LandAs,
    *,
    run_id: str,
    now: datetime,
    full: bool = False,
    keys: Sequence[str] = (),
) -> Reading:
    """Read what is to be compared. Raises the systems' errors; what was received until then stays."""
    source = here.source(routes[0], kind.name)
    common: dict[str, Any] = {"connection": connection, "entity": kind.source_entity, "run_id": run_id, "now": now}
    ledger = here.ledger

    def land(records: list[RawRecord]) -> str:
        return land_as(kind.source_entity, records)

    tables = plans_tables(kind)
    on = [route for route in routes if route.flows[kind.name].mode is not Mode.OFF]
    doubt_sold(here, routes, kind)
    targets_read = targets_drifted = 0
    if keys and tables:
        done, _ = table_reading.read_named(here, source, land, ids=keys, **common)
    elif keys:
        done = state_extraction.extract_keys(source, ledger, land, keys=keys, **common)
    elif full or snapshot_position(here, connection, kind) is None:
        full = True
        entity = state_extraction.snapshot_entity(kind.source_entity)
        # Both sides at once: while one answers, rows of the other are read.
        with ThreadPoolExecutor(max_workers=max(1, len(on)), thread_name_prefix="target") as pool:
            learning = [
                pool.submit(
                    contextvars.copy_context().run, _read_whole_target, here, route, kind, target_of(here, route, kind)
                )
                for route in on
            ]
            done = state_extraction.extract_snapshot(source, ledger, lambda records: land_as(entity, records), **common)
            for one in learning:
                read, drifted = one.result()
                targets_read, targets_drifted = targets_read + read, targets_drifted + drifted
    else:
        done = extraction.extract_changes(source, ledger, land, start=now - timedelta(days=1), **common)
    result = Reading(extraction=done, target_read=targets_read, drifted=targets_drifted)
    if tables:
        if not keys:
            result.again, result.events = table_reading.read_named(here, source, land, **common)
        for route in on if not full else ():
            result.target_read += table_reading.read_doubted(here, route, kind, target_of(here, route, kind))
        return result
    if not full:
        doubt_refunded(here, routes, kind, run_id, now)
    unsure = _unsure(here, kind, routes)
    _read_again(here, connection, kind, routes, source, land, result, unsure, common)
    if not full:
        _read_partners(here, kind, routes, source, land, common)
        for route in on:
            _read_target_keys(here, route, kind, target_of(here, route, kind), result, unsure[route.name])
    return result


def snapshot_position(here: Installation, connection: str, kind: FlowKind) -> datetime | None:
    """When the last complete snapshot was read."""
    cursor = here.ledger.cursors.get(connection, state_extraction.snapshot_entity(kind.source_entity))
    return cursor.position


def target_of(here: Installation, route: RouteSpec, kind: FlowKind) -> Any:
    return here.connector_for(route, kind.target).port(kind.entity, "target")


def _unsure(here: Installation, kind: FlowKind, routes: Sequence[RouteSpec]) -> dict[str, dict[str, str]]:
    """Keys to read again, with their SKUs, by route. Asked once, before either side is read.

    A key that becomes unsure while the run reads is left to the next one: made sure by a read of the target
    without its row of the source, it would never be compared.
    """
    found: dict[str, dict[str, str]] = {}
    for route in routes:
        target = target_of(here, route, kind)
        rows = here.ledger.known.unsure(getattr(route, kind.target), kind.entity)
        found[route.name] = {row.key: target.sku(row.key) for row in rows}
    return found


def _read_again(
    here: Installation,
    connection: str,
    kind: FlowKind,
    routes: Sequence[RouteSpec],
    source: Any,
    land: Callable[[list[RawRecord]], str],
    result: Reading,
    unsure: dict[str, dict[str, str]],
    common: dict[str, Any],
) -> None:
    """Rows to compare though they did not change: the target's side did, or an event says so."""
    skus: set[str] = set()
    for route in routes:
        lookups = here.lookups(route)
        skus.update(lookups.get("sku_map", sku) or sku for sku in unsure[route.name].values())
    waiting = here.ledger.inbox.waiting(common["now"] - events.delay(here, connection), connection, kind.source_entity)
    skus.update(events.keys_of(source, [event.native_id for event in waiting if event.native_id]).values())
    if skus:
        result.again = state_extraction.extract_keys(source, here.ledger, land, keys=sorted(skus), again=True, **common)
    if waiting:
        here.ledger.inbox.mark([event.id for event in waiting], "read")
        result.events = len(waiting)


def _read_partners(
    here: Installation,
    kind: FlowKind,
    routes: Sequence[RouteSpec],
    source: Any,
    land: Callable[[list[RawRecord]], str],
    common: dict[str, Any],
) -> None:
    """Further rows without which those that changed cannot be compared."""
    from erp_sync.components.state_rows import canonical, gather, latest

    logic = flow_module(kind.name, "transform")
    if not hasattr(logic, "incomplete"):
        return
    skus: set[str] = set()
    for route in routes:
        entries = gather(here, route, kind)
        canonical(here, route, kind, entries)
        skus |= logic.incomplete([entry.row for entry in latest(entries)], here.lookups(route))
    if skus:
        state_extraction.extract_keys(source, here.ledger, land, keys=sorted(skus), again=True, **common)


def _read_whole_target(here: Installation, route: RouteSpec, kind: FlowKind, target: Any) -> tuple[int, int]:
    """Know everything that the target holds. Only what differs from what is known is written.

    Gives how many rows were read, and how many the target holds differently than was known for sure.

    A row that is new since the last comparison of everything was made by somebody else.
    """
    started = here.ledger.now()
    connection = getattr(route, kind.target)
    base = state_extraction.base_entity(route.name, kind.name, kind.source_entity)
    carried = hasattr(flow_module(kind.name, "transform"), "realm")
    agreed = ABSENT if carried and here.ledger.cursors.get(getattr(route, kind.source), base).token else None
    before = _known(here, connection, kind.entity, None)
    found: dict[str, str] = {}
    for page in target.snapshot():
        for row in page:
            found[target.key(row)] = value_text(target.values(row))
    drifted = 0
    news: list[KnownRow] = []
    for key, value in found.items():
        was = before.get(key)
        if was is None or not was[1] or was[0] != value:
            news.append(KnownRow(key=key, value=value, agreed=agreed))
            drifted += was is not None and was[1]
    news += [KnownRow(key=key, value=None) for key, was in before.items() if key not in found and was[0] is not None]
    here.ledger.known.read(connection, kind.entity, news, started)
    return len(found), drifted


def _read_target_keys(
    here: Installation, route: RouteSpec, kind: FlowKind, target: Any, result: Reading, unsure: dict[str, str]
) -> None:
    """Know the keys that are about to be compared and were never read, or have to be read again."""
    from erp_sync.components.state_rows import wanted_rows

    connection = getattr(route, kind.target)
    wanted = {target.key(row): row.sku for row in wanted_rows(here, route, kind, target)}
    known = _known(here, connection, kind.entity, list(wanted))
    # What has become unsure since this run asked is left to the next one, which reads its row of the source again.
    unknown = {key: sku for key, sku in wanted.items() if key not in known}
    unknown |= unsure
    if not unknown:
        return
    started = here.ledger.now()
    found = {
        target.key(row): value_text(target.values(row))
        for page in target.read(sorted(set(unknown.values())))
        for row in page
    }
    rows = [KnownRow(key=key, value=value) for key, value in found.items()]
    rows += [KnownRow(key=key, value=None) for key in unknown if key not in found]
    here.ledger.known.read(connection, kind.entity, rows, started)
    result.target_read += len(found)


def _known(
    here: Installation, connection: str, entity: str, keys: Sequence[str] | None
) -> dict[str, tuple[str | None, bool]]:
    table = here.ledger.known.table(connection, entity, keys, ("scope", "key", "value", "sure"))
    columns: Iterable[Any] = (table.column(name).to_pylist() for name in ("key", "value", "sure"))
    return {key: (value, sure) for key, value, sure in zip(*columns, strict=True)}
