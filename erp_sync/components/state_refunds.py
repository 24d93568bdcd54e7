"""Stock that the store gave back to a source by itself: a refund there may raise a quantity that we wrote.

No write of ours tells of it and the source items have no time of change, so refunds are read: the quantities of
their SKUs are unknown until they are read again, and compared in the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.flows.extraction import read_until
from erp_sync.model.keys import Entity
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord, Window

# Cursor of the refunds that stock was doubted for, per route.
CURSOR = "refund.stock"
FIRST_WINDOW = timedelta(hours=1)


def doubt_refunded(here: Installation, routes: Sequence[RouteSpec], kind: FlowKind, run_id: str, now: datetime) -> None:
    """Mark what refunds since the last look may have moved. Raises the store's errors; then nothing is marked."""
    for route in routes:
        source = _source(here, route, kind)
        if source is None or route.flows[kind.name].mode is Mode.OFF:
            continue
        store = getattr(route, kind.target)
        records = [record for page in source.changed(_window(here, route, store, source, now)) for record in page]
        seen = here.ledger.cursors.not_received(store, _entity(route), records)
        skus = {sku for record in seen for sku in _skus(here, route, source, record)}
        if skus:
            target = here.connector_for(route, kind.target).port(kind.entity, "target")
            keys = here.ledger.known.table(store, kind.entity, None, ("scope", "key")).column("key").to_pylist()
            moved = [key for key in keys if target.sku(key) in skus]
            here.ledger.known.mark_unknown(store, kind.entity, moved, "refunded in the store")
        # Only that they were seen is kept: no flow handles them, and so nothing would ever remove their payloads.
        noted = [msgspec.structs.replace(record, payload={}) for record in seen]
        here.ledger.receive(store, _entity(route), noted, advance_to=read_until(source, now), run_id=run_id)


def refunded(here: Installation, route: RouteSpec, kind: FlowKind, now: datetime) -> str | None:
    """Why a run should start; None where no refund is new."""
    source = _source(here, route, kind)
    if source is None:
        return None
    store = getattr(route, kind.target)
    found = source.peek(_window(here, route, store, source, now))
    if found is None:
        return "more refunds than a page"
    new = here.ledger.cursors.count_new(store, _entity(route), found)
    return f"{new} refunds" if new else None


def _source(here: Installation, route: RouteSpec, kind: FlowKind) -> Any:
    if kind.entity != Entity.STOCK_LEVEL:
        return None
    try:
        return here.connector_for(route, kind.target).port(Entity.REFUND, "source")
    except KeyError:
        return None


def _entity(route: RouteSpec) -> str:
    return f"{CURSOR}.{route.name}"


def _window(here: Installation, route: RouteSpec, store: str, source: Any, now: datetime) -> Window:
    position = here.ledger.cursors.get(store, _entity(route)).position
    late = timedelta(seconds=source.capabilities.reading(Entity.REFUND).lateness_seconds)
    return Window(start=(position or now - FIRST_WINDOW) - late, end=now)


def _skus(here: Installation, route: RouteSpec, source: Any, record: RawRecord) -> set[str]:
    try:
        return {line.sku for line in source.to_canonical(record, here.lookups(route)).lines}
    except (BadRecord, MappingProblem):
        # It is named where refunds are read; what it gave back is found by the daily comparison.
        return set()
