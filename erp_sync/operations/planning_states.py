"""What a run of a state flow would change: the plan that it would make, and the plans that stand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.ownership import in_words, system_of_record
from erp_sync.components.state_task import StateReport
from erp_sync.ledger.plans import PlanState, Verdict
from erp_sync.operations.choosing import connector
from erp_sync.operations.trying import trial
from erp_sync.ports.raw import RawRecord

RUN = "plan"
_STANDING = (PlanState.HELD, PlanState.JUDGED, PlanState.APPROVED)


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One difference; `before` and `after` are JSON text, None where there is nothing."""

    key: str
    action: str
    before: str | None
    after: str | None
    reason: str


class OpenPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that stands: it waits for a person, or its rows are due."""

    plan: int
    state: str
    rows: int
    since: datetime
    reason: str


class StatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would plan now, judged; `verdicts` that did not pass would hold it.

    `edits`: what somebody edited at the target without owning it, with both values.
    """

    route: str
    flow: str
    mode: str
    source: str
    target: str
    looked: bool
    words: str
    figures: dict[str, int]
    verdicts: list[Verdict]
    rows: list[StateRow]
    edits: list[str]
    system_of_record: str
    open_plans: list[OpenPlan]


def plan_states(
    here: Installation,
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    *,
    look: bool = True,
    full: bool = False,
) -> StatePlan:
    """Read and compare as a run would, on a copy of the ledger; nothing is written but to the exchange log.

    Args:
        look: False asks no system: only the plans that stand are told, and how much waits to be compared.
        full: compare everything, as the daily full comparison does.
    Raises the TransportError tree where a system does not answer, CannotDo for wrong settings.
    """
    standing = open_plans(here, route, kind)
    if look and flow.mode is not Mode.OFF:
        return _tried(here, route, kind, flow, full, standing)
    unhandled = here.ledger.received.count_unhandled(
        route.name, kind.name, getattr(route, kind.source), kind.source_entity
    )
    words = f"{unhandled} received rows are not compared yet"
    return _plan(route, kind, flow, words=words, figures={"unhandled": unhandled}, standing=standing)


def _tried(
    here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, full: bool, standing: list[OpenPlan]
) -> StatePlan:
    tried = try_states(here, route, kind, flow, full)
    report = tried.report
    figures = {
        "read": tried.read,
        "read_at_target": tried.read_at_target,
        "compared": report.compared,
        "same": report.same,
        "changed": report.changed,
        "missing": report.missing,
        "rejected": len(report.rejected),
        "held_already": report.held_already,
        "refused_before": report.refused_before,
        "foreign_edits": len(report.edits),
    }
    words = (
        f"{len(tried.rows)} of {report.compared} rows compared would change, "
        f"{len(report.rejected)} would be quarantined"
    )
    record = system_of_record(kind, flow.system_of_record, getattr(route, kind.source), getattr(route, kind.target))
    return _plan(
        route,
        kind,
        flow,
        words=words,
        figures=figures,
        standing=standing,
        verdicts=report.verdicts,
        rows=tried.rows,
        edits=[f"{edit.key}: {edit.words(record)}" for edit in report.edits],
        looked=True,
    )


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would have found. `held` is what the target is known to hold after it, by key."""

    read: int
    read_at_target: int
    report: StateReport
    rows: list[StateRow]
    held: dict[str, str]


def try_states(here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, full: bool) -> Tried:
    """Read and compare as a run would, on a copy of the ledger. Raises the TransportError tree, CannotDo."""
    from erp_sync.components.run_context import land_records
    from erp_sync.components.state_reading import read_states
    from erp_sync.components.states import transform_states
    from erp_sync.transport.context import call_context

    # Wrong settings are refused before anything is copied.
    for side in ("store", "erp"):
        connector(here, route, side)
    source = getattr(route, kind.source)
    with trial(here, source) as tried, call_context(run_id=RUN, lane="bulk", route=route.name, flow=kind.name):

        def land(entity: str, records: list[RawRecord]) -> str:
            return land_records(tried, source, entity, RUN, records)

        now = datetime.now(UTC)
        reading = read_states(tried, source, kind, [route], land, run_id=RUN, now=now, full=full)
        report = transform_states(tried, route, kind, flow, run_id=RUN, full=full)
        tables = [tried.ledger.plans.table(plan) for plan, _, _, _ in report.plans]
        known = tried.ledger.known.table(getattr(route, kind.target), kind.entity, None) if full else None
    here.exchanges.flush()
    rows = [
        StateRow(key=row["key"], action=row["action"], before=row["before"], after=row["after"], reason=row["reason"])
        for table in tables
        for row in table.to_pylist()
    ]
    pairs = [] if known is None else zip(known["key"].to_pylist(), known["value"].to_pylist(), strict=True)
    return Tried(
        read=reading.extraction.seen,
        read_at_target=reading.target_read,
        report=report,
        rows=rows,
        held={key: value for key, value in pairs if value is not None},
    )


def _plan(
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    *,
    words: str,
    figures: dict[str, int],
    standing: list[OpenPlan],
    verdicts: Sequence[Verdict] = (),
    rows: Sequence[StateRow] = (),
    edits: Sequence[str] = (),
    looked: bool = False,
) -> StatePlan:
    return StatePlan(
        route=route.name,
        flow=kind.name,
        mode=flow.mode.value,
        source=getattr(route, kind.source),
        target=getattr(route, kind.target),
        looked=looked,
        words=words,
        figures=figures,
        verdicts=list(verdicts),
        rows=list(rows),
        edits=list(edits),
        system_of_record=in_words(
            kind, flow.system_of_record, getattr(route, kind.source), getattr(route, kind.target)
        ),
        open_plans=standing,
    )


def open_plans(here: Installation, route: RouteSpec, kind: FlowKind) -> list[OpenPlan]:
    """Plans of the flow that stand, newest first."""
    found: list[Any] = here.ledger.plans.find(route=route.name, flow=kind.name, states=_STANDING, limit=20)
    return [
        OpenPlan(plan=plan.id, state=plan.state.value, rows=plan.row_count, since=plan.created_at, reason=plan.reason)
        for plan in found
    ]
