"""Recording a comparison over tables: plan, book, quarantine and handled marks in one transaction, then notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.components import held_plans
from erp_sync.components.configuration import Mode
from erp_sync.components.mapping_version import mapping_version
from erp_sync.components.state_rows import Entry
from erp_sync.components.state_task import StateTask
from erp_sync.components.table_book import Book, BookState
from erp_sync.flows.table_flow import TablePlan
from erp_sync.ledger.handling import Handling
from erp_sync.ledger.plans import NewPlan, PlanRow, Verdict
from erp_sync.ledger.quarantine import Refusal

#: Of what the planner has put in quarantine so many rows are named at most, those of single accounts last.
NAMED = 2_000
#: Check of a plan whose rows wait each for itself.
ROWS = "rows"
#: How names in quarantine begin that are of terms, not of a record.
TERMS = "terms/"


class TableRecording:
    """Writes down what one comparison found."""

    def __init__(self, task: StateTask, book: Book) -> None:
        self.task, self.book = task, book
        self._held_before = 0
        self._first = False
        self._passed: list[str] = []

    def record(
        self,
        before: BookState,
        state: BookState,
        received: Sequence[Entry],
        entries: Sequence[Entry],
        plan: TablePlan,
        rows: list[PlanRow],
        held: list[PlanRow],
    ) -> bool:
        """One transaction; False where another comparison was recorded since the book was read: then nothing is."""
        task = self.task
        names = (task.route.name, task.kind.name, task.target_name)
        self._held_before = held_plans.waiting(task.here, *names)
        refusals = self._refusals(entries, plan)
        self._first = before.number == 0
        open_ids = task.here.ledger.quarantine.open_ids(task.source, *names[:2])
        there = {one.native_id for one in refusals}
        looked_at = {entry.record.native_id for entry in entries}
        self._passed = sorted(one for one in open_ids - there if one in looked_at or one.startswith(TERMS))
        with task.here.ledger.handling(*names[:2], run_id=task.run_id) as work:
            if not work.keep_token(
                self.book.source, self.book.entity, state.text, before.text if before.number else ""
            ):
                return False
            work.refuse([one for one in refusals if one.native_id not in open_ids])
            verdicts = self._verdicts(plan)
            task.report.verdicts = [*verdicts]
            self._add(work, rows, plan, verdicts, plan.overtaken, task.order)
            if held:
                why = tuple(
                    Verdict(check=ROWS, passed=False, words=f"{count} rows: {words or 'with what waits'}")
                    for words, count in plan.held_why.items()
                )
                task.report.verdicts += why
                # It does not overtake what goes now: prices that accounts keep until somebody has decided.
                self._add(work, held, plan, why, [], task.order - 1)
            work.mark_handled([entry.received.id for entry in received if entry.received is not None])
        task.report.rejected += [(one.native_id, one.rule, one.problem) for one in refusals]
        return True

    def _add(
        self,
        work: Handling,
        rows: list[PlanRow],
        plan: TablePlan,
        verdicts: tuple[Verdict, ...],
        overtaken: Sequence[str],
        order: int,
    ) -> None:
        task = self.task
        added = work.add_plan(
            NewPlan(
                entity=task.kind.entity,
                target=task.target_name,
                rows=rows,
                compared=overtaken,
                seen_at=task.seen_at,
                order=order,
                lane=task.lane,
                verdicts=verdicts if rows else (),
                approval=task.flow.approval == "required",
                summary=self._summary(plan, self._first),
            )
        )
        if added.id is not None and added.state is not None:
            why = "; ".join(verdict.words for verdict in verdicts if not verdict.passed)
            why = why or ("waits for approval" if added.state.value == "held" else "")
            task.report.plans.append((added.id, added.state.value, len(rows), why))

    def _verdicts(self, plan: TablePlan) -> tuple[Verdict, ...]:
        found = [
            Verdict(check=one.guard, passed=one.passed, words=one.words, figure=one.figure, limit=one.limit)
            for one in plan.verdicts
        ]
        if self.task.flow.mode is Mode.SHADOW:
            found.append(Verdict(check="mode", passed=False, words="shadow mode: nothing is written"))
        return tuple(found)

    def _summary(self, plan: TablePlan, first: bool) -> dict[str, Any]:
        task = self.task
        return {
            "compared": task.report.compared,
            "same": task.report.same,
            "full": task.full,
            "first": first,
            "keyed": bool(task.keys),
            "lane": task.lane,
            "kept": plan.kept,
            "mapping": mapping_version(task.here.configuration, task.route, task.kind.name).value,
        }

    def _refusals(self, entries: Sequence[Entry], plan: TablePlan) -> list[Refusal]:
        """Records that cannot be understood, and terms that are wrong: by account, price list, item and rule."""
        task = self.task
        found = [
            Refusal(
                connection=task.source,
                entity=task.kind.source_entity,
                native_id=entry.record.native_id,
                scope=entry.record.scope,
                rule=entry.problem[0],
                field=entry.problem[1],
                problem=entry.problem[2],
                row=msgspec.json.encode(entry.record.payload),
                received_id=entry.received.id if entry.received is not None else None,
            )
            for entry in entries
            if entry.problem is not None
        ]
        wrong = sorted(
            plan.quarantine, key=lambda one: (one["account"] != "", one["rule"], one["account"], one["item"])
        )
        for one in wrong[:NAMED]:
            found.append(
                Refusal(
                    connection=task.source,
                    entity=task.kind.source_entity,
                    native_id=_name(one),
                    rule=one["rule"],
                    field="",
                    problem=f"{_subject(one)}: {one['problem']}",
                    row=msgspec.json.encode(one),
                )
            )
        return found

    def tell(self) -> None:
        """What people hear of it, and see settled."""
        task = self.task
        names = (task.route.name, task.kind.name)
        if self._passed:
            task.here.ledger.quarantine.resolve(
                task.source, task.kind.source_entity, self._passed, f"passed in run {task.run_id}", *names
            )
        waiting = held_plans.waiting(task.here, *names, task.target_name)
        if task.report.held and task.flow.mode is Mode.ON:
            held_plans.tell(task.here, *names, before=self._held_before, now=waiting)
        else:
            held_plans.settle(task.here, *names)


def _name(one: Mapping[str, str]) -> str:
    """The name of a row in quarantine: what it is about, and the rule."""
    parts = [f"{what}={one[what]}" for what in ("account", "price_list", "item", "term") if one.get(what)]
    return f"{TERMS}{one['rule']}/{'/'.join(parts)}"


def _subject(one: Mapping[str, str]) -> str:
    words = [
        f"{what.replace('_', ' ')} {one[what]}" for what in ("account", "price_list", "item", "term") if one.get(what)
    ]
    return ", ".join(words) or "the terms"
