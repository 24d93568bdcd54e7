"""One run of a flow, as the assets do it, without Dagster: extracted, transformed, loaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from erp_sync.components import events
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import drain_documents, transform_documents
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.components.state_loading import load_states
from erp_sync.components.state_reading import read_states
from erp_sync.components.states import transform_states
from erp_sync.flows.extraction import extract_changes, extract_missing
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import RawRecord, Window
from erp_sync.transport.context import call_context


def run(
    here: Installation,
    route: RouteSpec,
    flow: str,
    run_id: str,
    *,
    full: bool = False,
    keys: Sequence[str] = (),
    days: int = 1,
) -> None:
    """A failed extraction ends the run, as it does in Dagster; what is due is loaded by the next one.

    With `keys` a state flow's run is one of the fast lane, of these SKUs. A `full` run of a document flow completes so
    many days.
    """
    kind = FLOWS[flow]
    if kind.delivers:
        _documents(here, route, kind, run_id, full, days)
    else:
        _states(here, route, kind, run_id, full, keys)


def load(here: Installation, route: RouteSpec, flow: str, run_id: str) -> None:
    """Only the last asset: whatever is due."""
    kind = FLOWS[flow]
    if kind.delivers:
        drain_documents(here, route, kind, owner=f"{run_id}:1", lane="normal")
    else:
        load_states(here, route, kind, owner=f"{run_id}:1")


def _documents(here: Installation, route: RouteSpec, kind: FlowKind, run_id: str, full: bool, days: int) -> None:
    source, connection = here.source(route, kind.name), getattr(route, kind.source)
    spec = route.flows[kind.name]
    now = here.ledger.now()
    common: dict[str, Any] = {"connection": connection, "entity": kind.entity, "run_id": run_id}

    def land(records: list[RawRecord]) -> str:
        return land_records(here, connection, kind.entity, run_id, records)

    assert spec.start is not None
    with call_context(run_id=run_id, lane="normal", route=route.name, flow=kind.name):
        taken = events.take(here, source, land, now=now, **common)
        extract_changes(source, here.ledger, land, start=max(spec.start, now - timedelta(days=1)), now=now, **common)
        events.put_away(here, taken.unnamed)
        if full:
            window = Window(start=now - timedelta(days=days), end=now)
            extract_missing(source, here.ledger, land, window=window, **common)
    transform_documents(here, route, kind, spec, run_id=run_id)
    drain_documents(here, route, kind, owner=f"{run_id}:1", lane="normal")


def _states(here: Installation, route: RouteSpec, kind: FlowKind, run_id: str, full: bool, keys: Sequence[str]) -> None:
    connection, lane = getattr(route, kind.source), "now" if keys else "normal"
    spec = route.flows[kind.name]

    def land(entity: str, records: list[RawRecord]) -> str:
        return land_records(here, connection, entity, run_id, records)

    with call_context(run_id=run_id, lane=lane, route=route.name, flow=kind.name):
        now = here.ledger.now()
        read_states(here, connection, kind, [route], land, run_id=run_id, now=now, full=full, keys=keys)
    transform_states(here, route, kind, spec, run_id=run_id, lane=lane, full=full, keys=keys)
    load_states(here, route, kind, owner=f"{run_id}:1", lane=lane)


def failed_call(failure: BaseException | None) -> bool:
    """Whether a run ended because a system did not answer, which is no defect."""
    return isinstance(failure, CallFailed)
