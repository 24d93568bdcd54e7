"""From what a comparison found to the rows of a plan and the verdicts of its guards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode
from erp_sync.components.own_rules import verdicts as own_verdicts
from erp_sync.components.own_rules import waits
from erp_sync.components.state_task import StateTask
from erp_sync.flows.comparison import REPLACES, Comparison, value_text
from erp_sync.flows.guards import Share, judge_shares
from erp_sync.flows.ownership import AGREED, ForeignEdits, Judged, foreign_row, judge
from erp_sync.flows.state_flow import Desired, microseconds
from erp_sync.ledger.known_state import ABSENT
from erp_sync.ledger.plans import Plan, PlanRow, PlanState, Verdict

# A value that the target refused is not planned again for this long, except by a full comparison.
REFUSED_FOR = timedelta(hours=24)


#: Rows against which a run of chosen keys is judged at least, where the target holds so many.
SMALLEST_WHOLE = 100
#: What was written in this time is judged together: many small plans could empty a shop like a large one. Runs of
#: chosen keys are judged with their like, those that read changes with both; a comparison of everything by itself.
TOGETHER = timedelta(hours=1)


# What the target holds of a row, and what it is to hold.
Pair = tuple[dict[str, Any] | None, dict[str, Any]]


class Planned(msgspec.Struct, kw_only=True):
    """What a comparison would have written.

    Attributes:
        rows: of the plan.
        alone: rows that wait for a person one by one while the others go, and `alone_why`.
        standing: keys that a person decides on, or has decided on, as they are.
        settled: keys that were edited at the target and on which both sides agree again.
        equal: keys that differ in nothing that the flow writes.
    """

    rows: list[PlanRow] = []
    alone: list[PlanRow] = []
    alone_why: list[Verdict] = []
    standing: list[str] = []
    settled: list[str] = []
    equal: list[str] = []


class Planning:
    """Makes the plan of one comparison."""

    def __init__(self, task: StateTask) -> None:
        self.task = task
        self.planned = Planned()
        self._jumps = self._edits = self._owns = 0
        self._replaced: set[str] = set()

    def rows(
        self,
        comparison: Comparison,
        desired: Desired,
        missing: dict[str, str],
        moved: dict[str, dict[str, str]],
        refused_skus: Collection[str] = (),
    ) -> Planned:
        """Args:
        missing: what the target holds by key of rows that the source has no more.
        moved: by new key, what the target still holds of the row under keys that it had before.
        refused_skus: of rows that are in quarantine, as the target names them: nothing is known of their rows.
        """
        task = self.task
        held = self._waiting(PlanState.HELD) if not task.full else {}
        refused = {}
        if not task.full:
            since = task.now - REFUSED_FOR
            differing = comparison.rows.column("key").to_pylist()
            refused = task.here.ledger.plans.refusals(task.target_name, task.kind.entity, since, differing)
        edited = task.here.ledger.known.edited(task.target_name, task.kind.entity)
        # What a person judged row by row is not asked again as it is.
        judged = task.flow.approval == "required"
        rejected = self._waiting(PlanState.REJECTED) if edited or judged else {}
        partial = getattr(task.logic, "PARTIAL", False)
        for one in comparison.rows.to_pylist():
            key = one["key"]
            row, _ = desired.rows[one["position"]]
            was = msgspec.json.decode(one["before"]) if one["before"] is not None else None
            found = self._judged(key, was, msgspec.json.decode(one["value"]), edited.get(key))
            task.report.edits += found.edits
            will = found.after
            if was == will or (partial and was is not None and all(was.get(name) == will[name] for name in will)):
                task.report.same += 1
                self.planned.equal.append(key)
                continue
            gone = self._displaced(key, moved.get(key, {}))
            after = self._after(row, was, will if not found.left else {**will, AGREED: found.left})
            if away := [one.key for one in gone if one.after is None]:
                after = value_text({**msgspec.json.decode(after), REPLACES: away})
            if held.get(key) == after or ((found.held or judged) and rejected.get(key) == after):
                self.planned.standing.append(key)
                continue
            refusal = refused.get(("", key))
            if refusal is not None and refusal.after == after:
                task.report.refused_before += 1
                continue
            self._add(one, was, found, after, gone)
        self._add_missing({key: before for key, before in missing.items() if key not in self._replaced})
        if task.full and edited:
            self._add_foreign(edited, desired, missing, refused_skus, rejected)
        self.planned.settled = self._settled(edited, comparison, desired)
        planned = self.planned
        if self._jumps:
            words = f"{self._jumps} rows jump; see each"
            planned.alone_why.append(Verdict(check="max_jump_factor", passed=False, words=words))
        if self._owns:
            words = f"own guards let {self._owns} rows wait; see each"
            planned.alone_why.append(Verdict(check="own_guards", passed=False, words=words))
        if self._edits:
            words = f"{self._edits} rows were edited in {task.target_name}; see each"
            planned.alone_why.append(Verdict(check="foreign_edits", passed=False, words=words))
        task.report.changed = len(planned.rows) + len(planned.alone)
        task.report.held_already = len(planned.standing)
        shown = (*planned.alone, *planned.rows)[:20]
        task.report.samples = [(row.key, row.before or "", row.reason) for row in shown]
        return planned

    def _judged(self, key: str, was: dict[str, Any] | None, will: dict[str, Any], agreed: str | None) -> Judged:
        record = self.task.record
        if agreed is None and not record.of_target:
            return Judged(after=will)
        base = msgspec.json.decode(agreed) if agreed is not None else None
        return judge(key, was, base, will, record, edited=agreed is not None)

    def _displaced(self, key: str, there: dict[str, str]) -> list[PlanRow]:
        """Rows that take away what the target holds of a row under the keys that it had before `key`."""
        rows = (
            self._gone(other, before, f"{self.task.source} has it as {key} now")
            for other, before in there.items()
            if other not in self._replaced
        )
        return [row for row in rows if row is not None]

    def _add(
        self, one: dict[str, Any], was: dict[str, Any] | None, found: Judged, after: str, gone: Sequence[PlanRow]
    ) -> None:
        """`gone`: goes with the row, and before it."""
        task, will = self.task, found.after
        there = next((row.before for row in gone if row.before is not None), None)
        jump = task.logic.alone(was or (msgspec.json.decode(there) if there else None), will, task.flow.guards)
        row = PlanRow(
            key=one["key"],
            before=one["before"],
            after=after,
            action=task.logic.action(was, will),
            reason=jump or self._reason(was, found),
            source_version=one["source_version"],
            source_order=one["source_order"],
        )
        own = waits(task.flow.own_guards, row)
        if own is not None and jump is None:
            row = msgspec.structs.replace(row, reason=own)
        self._owns += own is not None
        self._jumps += jump is not None
        self._edits += found.held
        self._replaced.update(row.key for row in gone)
        (self.planned.alone if jump or own or found.held else self.planned.rows).extend((*gone, row))

    def _reason(self, was: dict[str, Any] | None, found: Judged) -> str:
        """Both values of what somebody edited, and why the rest is written."""
        if not found.edits:
            return str(self.task.logic.reason(was, found.after))
        words = [edit.words(self.task.record) for edit in found.edits]
        fields = {edit.field for edit in found.edits}
        others = [name for name, value in found.after.items() if was is not None and was.get(name) != value]
        if any(name not in fields for name in others):
            words.append(str(self.task.logic.reason(was, found.after)))
        return "; ".join(words)

    def _add_missing(self, missing: dict[str, str]) -> None:
        for key, before in missing.items():
            row = self._gone(key, before, f"{self.task.source} has it no more, or it has ended")
            if row is None:
                continue
            own = waits(self.task.flow.own_guards, row)
            if own is None:
                self.planned.rows.append(row)
            else:
                self._owns += 1
                self.planned.alone.append(msgspec.structs.replace(row, reason=own))

    def _gone(self, key: str, before: str, reason: str) -> PlanRow | None:
        """The row that takes away what should not be there; None where the flow leaves it."""
        gone = self.task.logic.missing_row(key, msgspec.json.decode(before))
        if gone is None:
            return None
        action, after = gone
        return PlanRow(
            key=key,
            before=before,
            after=value_text(after) if after is not None else None,
            action=action,
            reason=reason,
            source_order=microseconds(self.task.now),
        )

    def _add_foreign(
        self,
        edited: dict[str, str],
        desired: Desired,
        missing: dict[str, str],
        refused_skus: Collection[str],
        rejected: dict[str, str | None],
    ) -> None:
        """Rows that somebody made at the target, of a kind that the flow carries, and unknown to the source."""
        task = self.task
        realm = getattr(task.logic, "realm", None)
        if realm is None:
            return
        target = task.target
        wanted = {target.key(row) for row, _ in desired.rows}
        keys = [key for key, agreed in edited.items() if agreed == ABSENT and key not in wanted and key not in missing]
        if not keys:
            return
        realms = {realm(row) for row, _ in desired.rows}
        for known in task.here.ledger.known.get(task.target_name, task.kind.entity, keys).values():
            if known.value is None or not known.sure or target.sku(known.key) in refused_skus:
                continue
            values = msgspec.json.decode(known.value)
            if realm(target.row(known.key, values)) not in realms:
                continue
            edit = foreign_row(known.key, values, task.record)
            row = self._gone(known.key, known.value, edit.words(task.record))
            if row is None:
                continue
            task.report.edits.append(edit)
            if edit.policy is ForeignEdits.PUT_BACK:
                self.planned.rows.append(row)
            elif edit.policy is ForeignEdits.HOLD and known.key in rejected and rejected[known.key] == row.after:
                self.planned.standing.append(known.key)
            elif edit.policy is ForeignEdits.HOLD:
                self._edits += 1
                self.planned.alone.append(row)

    def _settled(self, edited: dict[str, str], comparison: Comparison, desired: Desired) -> list[str]:
        if not edited:
            return []
        apart = {*comparison.rows.column("key").to_pylist(), *comparison.unsure, *comparison.unread}
        return [key for row, _ in desired.rows if (key := self.task.target.key(row)) in edited and key not in apart]

    def _after(self, row: Any, was: dict[str, Any] | None, will: dict[str, Any]) -> str:
        """What the plan keeps of the row: its values, and where these do not make the row again, the row."""
        whole = getattr(self.task.logic, "whole", None)
        if whole is not None:
            return str(whole(row, was, will))
        return value_text({**was, **will} if was is not None and getattr(self.task.logic, "PARTIAL", False) else will)

    def _waiting(self, state: PlanState) -> dict[str, str | None]:
        """Keys of plans that wait for a person, or were rejected by one, with what would be written."""
        task = self.task
        found: dict[str, str | None] = {}
        plans = task.here.ledger.plans
        for plan in reversed(plans.find(route=task.route.name, flow=task.kind.name, states=[state], limit=20)):
            table = plans.table(plan.id, states=[state.value])
            found |= dict(zip(table.column("key").to_pylist(), table.column("after").to_pylist(), strict=True))
        return found

    def verdicts(self, rows: Sequence[PlanRow], missing: dict[str, str], base_rows: int) -> tuple[Verdict, ...]:
        task = self.task
        pairs = {row.key: _pair(row.before, row.after) for row in rows}
        # Where only changes were read they are judged against all that the target holds of this flow. A few chosen
        # keys are no sample of it: the one best seller that an event tells of may sell out, fifty at once may not.
        whole = task.report.compared + len(missing)
        if not task.full:
            held = task.here.ledger.known.count(task.target_name, task.kind.entity)
            whole = max(whole, min(held, SMALLEST_WHOLE) if task.keys else held)
        counted: dict[str, Any] = {"whole": whole, "missing": task.report.missing, "base": base_rows}
        shares = task.logic.shares(list(pairs.values()), **counted)
        task.report.parts = {one.guard: one.part for one in shares}
        shares = self._together(shares, pairs, counted)
        found = [
            Verdict(check=one.guard, passed=one.passed, words=one.words, figure=one.figure, limit=one.limit)
            for one in judge_shares(shares, task.flow.guards, task.logic.GUARDS)
        ]
        for name, why in own_verdicts(task.flow.own_guards, rows, task.report.compared):
            words = why if why is not None else "lets it pass"
            found.append(Verdict(check=f"own_{name}", passed=why is None, words=words))
        if task.full and task.report.read == 0:
            found.append(Verdict(check="row_count", passed=False, words=f"{task.source} gave no row at all"))
        if task.flow.mode is Mode.SHADOW:
            found.append(Verdict(check="mode", passed=False, words="shadow mode: nothing is written"))
        task.report.verdicts = found
        return tuple(found)

    def _together(self, shares: list[Share], pairs: dict[str, Pair], counted: dict[str, Any]) -> list[Share]:
        """The shares with what went within `TOGETHER`, where that could be too much: by key, the last change of each.

        Rows are read only where the plans' own figures, taken together, go beyond a limit: a key that went to zero
        twice counts once, and one that came back does not count.
        """
        task = self.task
        own = [one for one in shares if one.part and (task.keys or one.summed)]
        if not own or (task.full and not task.keys):
            return shares
        lately = self._lately()
        most = [
            msgspec.structs.replace(one, part=one.part + sum(_part(plan, one.guard) for plan in lately)) for one in own
        ]
        if all(one.passed for one in judge_shares(most, task.flow.guards, task.logic.GUARDS)):
            return shares
        rows = task.here.ledger.plans.changes([plan.id for plan in lately])
        found = {key: _pair(before, after) for key, before, after in rows}
        together = {one.guard: one for one in task.logic.shares(list({**found, **pairs}.values()), **counted)}
        return [together[one.guard] if one in own else one for one in shares]

    def _lately(self) -> list[Plan]:
        """Plans that count with this one, since a person let one of them pass; in their order."""
        task = self.task
        found: list[Plan] = []
        for plan in task.here.ledger.plans.went_lately(task.route.name, task.kind.name, task.now - TOGETHER):
            if not plan.summary.get("keyed") and (task.keys or plan.summary.get("full")):
                continue
            if any(not one.passed for one in plan.verdicts):
                found.clear()
            else:
                found.append(plan)
        return found


def _part(plan: Plan, guard: str) -> int:
    """A plan that does not say may be all of it."""
    return int(plan.summary.get("parts", {}).get(guard, plan.row_count))


def _pair(before: str | None, after: str | None) -> Pair:
    return (
        msgspec.json.decode(before) if before is not None else None,
        msgspec.json.decode(after) if after else {},
    )
