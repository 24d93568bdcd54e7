"""One plan of a state flow as a person sees it who has to decide: its rows, why it waits, what was decided."""

from __future__ import annotations

from datetime import datetime

import msgspec

from erp_sync.components.documents import flow_module
from erp_sync.components.installation import Installation
from erp_sync.ledger.plan_values import Approval, PlanState, Verdict
from erp_sync.monitoring.values import in_words


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row: `before` and `after` in words, empty where there is nothing."""

    key: str
    action: str
    before: str
    after: str
    reason: str
    state: str


class PlanTold(msgspec.Struct, frozen=True, kw_only=True):
    """A plan.

    Attributes:
        states: how many of its rows are held, due, applied and so on.
        verdicts: those that hold it.
        changes: its first rows, in the plan's order.
        undoes: id of the plan that it takes back.
        histogram: of a plan of prices, how many change by how much. Its `changes` are the largest.
        can_do: commands as they are to be given, but for TEXT.
    """

    id: str
    route: str
    flow: str
    target: str
    state: str
    reason: str
    since: datetime
    rows: int
    states: dict[str, int]
    verdicts: list[Verdict]
    changes: list[Change]
    decisions: list[Approval]
    undoes: str | None
    can_do: list[str]
    histogram: dict[str, int] = {}


def told(here: Installation, number: int, most: int) -> PlanTold:
    """Everything about one plan, with at most so many rows. Asks no system. Raises NotInLedger."""
    plans = here.ledger.plans
    plan = plans.get(number)
    word = f"p{plan.id}"
    ways = {
        PlanState.HELD: [f"erp-sync approve {word} [--only KEY]", f"erp-sync reject {word} --why TEXT"],
        PlanState.APPLIED: [f"erp-sync undo {word} --why TEXT"],
    }
    picture = getattr(flow_module(plan.flow, "transform"), "picture", None)
    rows = plans.table(number, limit=most if picture is None else None).to_pylist()
    histogram: dict[str, int] = {}
    if picture is not None:
        histogram = picture.histogram((row["key"], row["before"], row["after"]) for row in rows)
        rows.sort(key=lambda row: -picture.change(row["key"], row["before"], row["after"]))
    return PlanTold(
        id=word,
        route=plan.route,
        flow=plan.flow,
        target=plan.target,
        state=plan.state.value,
        reason=plan.reason,
        since=plan.created_at,
        rows=plan.row_count,
        states=plans.counts(number),
        verdicts=[one for one in plan.verdicts if not one.passed],
        changes=[
            Change(
                key=row["key"],
                action=row["action"],
                before=in_words(row["before"]),
                after=in_words(row["after"]),
                reason=row["reason"],
                state=row["state"],
            )
            for row in rows[:most]
        ],
        decisions=plans.approvals(number),
        undoes=f"p{plan.undoes}" if plan.undoes is not None else None,
        can_do=ways.get(plan.state, []),
        histogram=histogram,
    )
