"""Recording a comparison: plan, quarantine and handled marks in one transaction, then notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from erp_sync.components import held_plans
from erp_sync.components.configuration import Mode
from erp_sync.components.mapping_version import mapping_version
from erp_sync.components.state_planning import Planned
from erp_sync.components.state_rows import Entry
from erp_sync.components.state_task import StateTask
from erp_sync.flows.comparison import Comparison
from erp_sync.flows.ownership import ForeignEdits
from erp_sync.flows.state_extraction import base_entity, compared_entity
from erp_sync.ledger.handling import Handling
from erp_sync.ledger.plans import NewPlan, PlanRow, PlanState, Verdict
from erp_sync.ledger.quarantine import Refusal
from erp_sync.monitoring.kpis import ROWS_COMPARED, ROWS_EQUAL


class Recording:
    """Writes down what one comparison found."""

    def __init__(self, task: StateTask) -> None:
        self.task = task
        self._held_before = 0

    def record(
        self,
        received: Sequence[Entry],
        entries: Sequence[Entry],
        planned: Planned,
        compared: list[str] | None,
        verdicts: tuple[Verdict, ...],
        *,
        whole: bool,
    ) -> None:
        """One transaction. What could not be compared because its target was never read stays unhandled. `tell` comes
        after it."""
        task = self.task
        summary = {
            "compared": task.report.compared,
            "same": task.report.same,
            "missing": task.report.missing,
            "full": task.full,
            "keyed": bool(task.keys),
            "parts": task.report.parts,
            "lane": task.lane,
            "snapshot": task.snapshot,
            "mapping": mapping_version(task.here.configuration, task.route, task.kind.name).value,
        }
        problems = [entry for entry in entries if entry.problem is not None]
        names = (task.route.name, task.kind.name, task.target_name)
        self._held_before = held_plans.waiting(task.here, *names) if planned.rows or planned.alone else 0
        with task.here.ledger.handling(task.route.name, task.kind.name, run_id=task.run_id) as work:
            self._refuse(work, problems)
            self._add(work, planned.rows, compared, verdicts, summary)
            if planned.alone:
                task.report.verdicts += planned.alone_why
                self._add(work, planned.alone, [row.key for row in planned.alone], tuple(planned.alone_why), summary)
            if whole:
                work.mark_handled([entry.received.id for entry in received if entry.received is not None])

    def tell(self, entries: Sequence[Entry], planned: Planned) -> None:
        """What people hear of it, and see settled."""
        task = self.task
        names = (task.route.name, task.kind.name, task.target_name)
        task.here.ledger.known.settle_edits(task.target_name, task.kind.entity, planned.settled)
        self._resolve(entries)
        if task.report.held and task.flow.mode is Mode.ON:
            held_plans.tell(task.here, *names[:2], before=self._held_before, now=held_plans.waiting(task.here, *names))
        else:
            held_plans.settle(task.here, *names[:2])
        self._notify_edits()

    def _add(
        self,
        work: Handling,
        rows: list[PlanRow],
        compared: Sequence[str] | None,
        verdicts: tuple[Verdict, ...],
        summary: dict[str, Any],
    ) -> None:
        task = self.task
        added = work.add_plan(
            NewPlan(
                entity=task.kind.entity,
                target=task.target_name,
                rows=rows,
                compared=compared,
                seen_at=task.seen_at,
                order=task.order or None,
                orders=self._orders(compared),
                lane=task.lane,
                verdicts=verdicts if rows else (),
                approval=task.flow.approval == "required",
                summary=summary,
            )
        )
        if added.id is not None and added.state is not None:
            why = "; ".join(verdict.words for verdict in verdicts if not verdict.passed)
            why = why or ("waits for approval" if added.state is PlanState.HELD else "")
            task.report.plans.append((added.id, added.state.value, len(rows), why))

    def _orders(self, compared: Sequence[str] | None) -> dict[str, int]:
        """Of what was compared; what goes without having been compared has no place of its own."""
        orders = self.task.orders
        return orders if compared is None else {key: orders[key] for key in compared if key in orders}

    def _refuse(self, work: Handling, problems: Sequence[Entry]) -> None:
        task = self.task
        refusals = []
        for entry in problems:
            assert entry.problem is not None
            rule, field, words = entry.problem
            task.report.rejected.append((entry.record.native_id, rule, words))
            refusals.append(
                Refusal(
                    connection=task.source,
                    entity=task.kind.source_entity,
                    native_id=entry.record.native_id,
                    scope=entry.record.scope,
                    rule=rule,
                    field=field,
                    problem=words,
                    row=msgspec.json.encode(entry.record.payload),
                    received_id=entry.received.id if entry.received is not None else None,
                )
            )
        work.refuse(refusals)

    def _resolve(self, entries: Sequence[Entry]) -> None:
        """What was refused before and passed now needs nobody any more."""
        task = self.task
        refused = task.here.ledger.quarantine.open_ids(task.source, task.route.name, task.kind.name)
        if not refused:
            return
        passed = {entry.record.native_id for entry in entries if entry.problem is None}
        passed -= {entry.record.native_id for entry in entries if entry.problem is not None}
        ids = sorted(refused & passed)
        if ids:
            task.here.ledger.quarantine.resolve(
                task.source,
                task.kind.source_entity,
                ids,
                f"passed in run {task.run_id}",
                task.route.name,
                task.kind.name,
            )

    def resolve_at_target(self, comparison: Comparison, planned: Planned) -> None:
        """What the target refused before and holds now needs nobody any more."""
        task = self.task
        refused = task.here.ledger.quarantine.open_ids(task.target_name, task.route.name, task.kind.name)
        if not refused:
            return
        differs = set(comparison.rows.column("key").to_pylist()).difference(planned.equal)
        ids = refused.intersection(task.report.keys).difference(differs, comparison.unsure, comparison.unread)
        if ids:
            names = (task.route.name, task.kind.name)
            words = f"{task.target_name} holds it, found run {task.run_id}"
            task.here.ledger.quarantine.resolve(task.target_name, task.kind.entity, sorted(ids), words, *names)

    def notify_doubt(self, verdicts: Sequence[Verdict]) -> bool:
        """The source's answer cannot be all, though nothing would be written for it (base prices stay): one notice.

        A plan that is held for it says so itself.
        """
        task = self.task
        key = f"source_answer/{task.route.name}/{task.kind.name}"
        failed = [one for one in verdicts if not one.passed and one.check in ("row_count", "max_missing_share")]
        if not failed or task.report.held:
            task.here.ledger.notices.clear(key)
            return False
        words = "; ".join(one.words for one in failed)
        text = (
            f"{task.kind.title} on {task.route.name}: what {task.source} answered cannot be all: {words}. Nothing was "
            f"written for it, and the next whole answer is taken by itself. Where it stays, `erp-sync doctor "
            f"{task.route.name}`."
        )
        task.here.ledger.notices.raise_once(key, "warning", text)
        return True

    def _notify_edits(self) -> None:
        """One notice for edits that stay; it ends when a comparison of everything finds none."""
        task = self.task
        key = f"foreign_edits/{task.route.name}/{task.kind.name}"
        stay = [edit for edit in task.report.edits if edit.policy is ForeignEdits.REPORT]
        if stay and task.flow.mode is Mode.ON:
            first = f"{stay[0].key}: {stay[0].words(task.record)}"
            more = f" and {len(stay) - 1} more" if len(stay) > 1 else ""
            task.here.ledger.notices.raise_once(key, "info", f"{task.kind.title} on {task.route.name}: {first}{more}")
        elif task.full:
            task.here.ledger.notices.clear(key)

    def compared(self) -> None:
        """Everything was compared, whatever became of the plan."""
        task = self.task
        # What was never read at the target before, or may be moving, is no row that is right or wrong.
        judged = task.report.compared - task.report.unsure - task.report.overtaken
        task.here.ledger.metrics.add(
            task.route.name, task.kind.name, {ROWS_COMPARED: judged, ROWS_EQUAL: task.report.same}
        )
        shadow = task.flow.mode is Mode.SHADOW
        entity = compared_entity(task.route.name, task.kind.name, task.kind.source_entity, shadow=shadow)
        task.here.ledger.receive(task.source, entity, [], advance_to=task.now, run_id=task.run_id)

    def advance_base(self, token: str) -> None:
        task = self.task
        task.here.ledger.receive(
            task.source,
            base_entity(task.route.name, task.kind.name, task.kind.source_entity),
            [],
            advance_to=task.now,
            run_id=task.run_id,
            token=token,
        )
