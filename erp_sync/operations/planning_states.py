"""What a run of a state flow would change: the plan that it would make, and the plans that stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger.plans import PlanState, Verdict

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
    """What a run would plan now, judged; `verdicts` that did not pass would hold it."""

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
    open_plans: list[OpenPlan]


def plan_states(
    here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, *, look: bool = True
) -> StatePlan:
    """The plans that stand, and how many received rows wait to be compared."""
    unhandled = here.ledger.received.count_unhandled(route.name, kind.name, getattr(route, kind.source), kind.entity)
    return StatePlan(
        route=route.name,
        flow=kind.name,
        mode=flow.mode.value,
        source=getattr(route, kind.source),
        target=getattr(route, kind.target),
        looked=False,
        words=f"{unhandled} received rows are not compared yet",
        figures={"unhandled": unhandled},
        verdicts=[],
        rows=[],
        open_plans=open_plans(here, route, kind),
    )


def open_plans(here: Installation, route: RouteSpec, kind: FlowKind) -> list[OpenPlan]:
    """Plans of the flow that stand, newest first."""
    found: list[Any] = here.ledger.plans.find(route=route.name, flow=kind.name, states=_STANDING, limit=20)
    return [
        OpenPlan(plan=plan.id, state=plan.state.value, rows=plan.row_count, since=plan.created_at, reason=plan.reason)
        for plan in found
    ]
