"""Plans as values: what a comparison hands in, and what the ledger tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec


class PlannedValue(NamedTuple):
    """What a row of a plan makes of a key (None: it goes), with its place in the order of values and its version."""

    key: str
    order: int
    value: str | None
    version: str


class PlanState(StrEnum):
    """States of a plan. Final ones are kept until retention removes them.

    judged      passed its checks: rows are due. Out: applied.
    held        a check or guard wants a person. Out: approved, rejected, expired, superseded.
    approved    a person let it pass: rows are due. Out: applied.
    rejected    final: a person refused it; the same plan is not held again.
    applied     final: no row is open (rows tell what became of each). Out: undone.
    expired     final: nobody decided in time.
    superseded  final: a newer comparison took its place before anything was decided.
    undone      final: a plan that restores what was before stands beside it.
    """

    JUDGED = "judged"
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    APPLIED = "applied"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    UNDONE = "undone"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one check said about a plan: `passed`, its figure and limit as text, and in words."""

    check: str
    passed: bool
    words: str
    figure: str = ""
    limit: str = ""


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `before` and `after` are JSON text (None: not there).

    Attributes:
        action: in the flow's words: ``create``, ``update``, ``disable`` ...
        source_order: orders versions of the source, see `known_state.KnownRow`.
    """

    key: str
    before: str | None
    after: str | None
    action: str = "update"
    reason: str = ""
    scope: str = ""
    source_version: str = ""
    source_order: int = 0


class NewPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison's result.

    Attributes:
        compared: keys that were compared, also those that do not differ: whatever older plans still want to
            do with them is overtaken. None: all keys of this entity.
        seen_at: the ledger's time before anything that the rows were worked out from was looked at. A row whose
            key was moved, written or read since is not planned: its key is read and planned again. None: trust
            the rows.
        order: rows of a source version after this were planned from a later read: they are not overtaken.
        orders: where compared keys stand in the order of values, those that do not differ, too. Of these keys all
            that is older goes.
        verdicts: of checks and guards; with one that did not pass the plan is held.
        approval: the flow wants a person's approval even if all passed.
        summary: figures for people, JSON.
    """

    entity: str
    target: str
    rows: Sequence[PlanRow]
    compared: Sequence[str] | None = None
    seen_at: datetime | None = None
    order: int | None = None
    orders: Mapping[str, int] = {}
    lane: str = "normal"
    verdicts: tuple[Verdict, ...] = ()
    approval: bool = False
    summary: dict[str, Any] = {}


class AddedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a new plan.

    Attributes:
        id: None where there was nothing to do.
        known: the same plan stands already (held or rejected): no second alert.
        overtaken: rows of older plans that are not applied any more.
    """

    id: int | None
    state: PlanState | None
    known: bool = False
    overtaken: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    route: str
    flow: str
    entity: str
    target: str
    lane: str
    state: PlanState
    row_count: int
    summary: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    reason: str
    undoes: int | None
    run_id: str
    created_at: datetime
    changed_at: datetime
    finished_at: datetime | None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    subject_id: int
    decision: str
    who: str
    why: str
    at: datetime
