"""From what a comparison found to the rows of a plan and the verdicts of its guards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode
from erp_sync.components.state_task import StateTask
from erp_sync.flows.comparison import Comparison, value_text
from erp_sync.flows.guards import judge_shares
from erp_sync.flows.state_flow import Desired, microseconds
from erp_sync.ledger.plans import PlanRow, PlanState, Verdict

# A value that the target refused is not planned again for this long, except by a full comparison.
REFUSED_FOR = timedelta(hours=24)


class Planning:
    """Makes the plan of one comparison."""

    def __init__(self, task: StateTask) -> None:
        self.task = task

    def rows(
        self, comparison: Comparison, desired: Desired, missing: dict[str, str]
    ) -> tuple[list[PlanRow], list[PlanRow], list[str]]:
        """Rows of the plan, rows that wait for a person one by one, and keys that stand in a held plan as they are."""
        task = self.task
        held = self._held() if not task.full else {}
        refused = {}
        if not task.full:
            since = task.now - REFUSED_FOR
            refused = task.here.ledger.plans.refusals(task.target_name, task.kind.entity, since)
        limits, partial = task.flow.guards, getattr(task.logic, "PARTIAL", False)
        rows: list[PlanRow] = []
        alone: list[PlanRow] = []
        standing: list[str] = []
        for one in comparison.rows.to_pylist():
            row, _ = desired.rows[one["position"]]
            was = msgspec.json.decode(one["before"]) if one["before"] is not None else None
            will = msgspec.json.decode(one["value"])
            if partial and was is not None and all(was.get(name) == value for name, value in will.items()):
                task.report.same += 1
                continue
            after = self._after(row, one["value"])
            if held.get(one["key"]) == after:
                standing.append(one["key"])
                continue
            refusal = refused.get(("", one["key"]))
            if refusal is not None and refusal.after == after:
                task.report.refused_before += 1
                continue
            by_itself = task.logic.alone(was, will, limits)
            (alone if by_itself else rows).append(
                PlanRow(
                    key=one["key"],
                    before=one["before"],
                    after=after,
                    action=task.logic.action(was, will),
                    reason=by_itself or task.logic.reason(was, will),
                    source_version=one["source_version"],
                    source_order=one["source_order"],
                )
            )
        order = microseconds(task.now)
        for key, before in missing.items():
            gone = task.logic.missing_row(key, msgspec.json.decode(before))
            if gone is not None:
                action, after = gone
                rows.append(
                    PlanRow(
                        key=key,
                        before=before,
                        after=value_text(after) if after is not None else None,
                        action=action,
                        reason=f"{task.source} has it no more",
                        source_order=order,
                    )
                )
        task.report.changed, task.report.held_already = len(rows) + len(alone), len(standing)
        task.report.samples = [(row.key, row.before or "", row.reason) for row in (*alone, *rows)[:20]]
        return rows, alone, standing

    def _after(self, row: Any, value: str) -> str:
        """What the plan keeps of the row: its values, and where these do not make the row again, the row."""
        whole = getattr(self.task.logic, "whole", None)
        return value if whole is None else whole(row, value)

    def _held(self) -> dict[str, str | None]:
        """Keys that wait for a person already, with what would be written."""
        task = self.task
        found: dict[str, str | None] = {}
        plans = task.here.ledger.plans
        for plan in plans.find(route=task.route.name, flow=task.kind.name, states=[PlanState.HELD], limit=20):
            table = plans.table(plan.id, states=["held"])
            found |= dict(zip(table.column("key").to_pylist(), table.column("after").to_pylist(), strict=True))
        return found

    def verdicts(self, rows: Sequence[PlanRow], missing: dict[str, str], base_rows: int) -> tuple[Verdict, ...]:
        task = self.task
        pairs = [
            (
                msgspec.json.decode(row.before) if row.before is not None else None,
                msgspec.json.decode(row.after) if row.after else {},
            )
            for row in rows
        ]
        # Where only changes were read they are judged against all that the target holds of this flow.
        whole = task.report.compared + len(missing)
        if not task.full and not task.keys:
            whole = max(whole, task.here.ledger.known.count(task.target_name, task.kind.entity))
        shares = task.logic.shares(pairs, whole=whole, missing=task.report.missing, base=base_rows)
        found = [
            Verdict(check=one.guard, passed=one.passed, words=one.words, figure=one.figure, limit=one.limit)
            for one in judge_shares(shares, task.flow.guards, task.logic.GUARDS)
        ]
        if task.full and task.report.read == 0:
            found.append(Verdict(check="row_count", passed=False, words=f"{task.source} gave no row at all"))
        if task.flow.mode is Mode.SHADOW:
            found.append(Verdict(check="mode", passed=False, words="shadow mode: nothing is written"))
        task.report.verdicts = found
        return tuple(found)
