"""State flows that plan over tables, second stage: what was received goes into the book of all terms, the book is
compared with what the target is known to have, and only what differs becomes rows of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erp_sync.components.state_recording import Recording
from erp_sync.components.state_rows import Entry, canonical, gather, snapshot, snapshot_of
from erp_sync.components.state_task import StateTask
from erp_sync.components.table_book import MOST_PARTS, Book, BookState
from erp_sync.components.table_recording import TableRecording
from erp_sync.flows.state_extraction import snapshot_entity
from erp_sync.flows.state_flow import microseconds
from erp_sync.flows.table_flow import GONE, TablePlan, TableSurroundings
from erp_sync.ledger.plan_values import PlanRow, PlanState
from erp_sync.model.advice import Advice

#: A comparison that another one has overtaken is made anew so often.
TRIES = 5
#: Changes of a price within this time count together.
DAY = timedelta(days=1)


class Overtaken(RuntimeError):
    """Other comparisons of the flow were recorded again and again while this one was made."""

    advice = Advice(
        means="Several runs compared the same prices at once, and each was recorded before this one: nothing of this "
        "one was. What the others found is planned.",
        look=("erp-sync status",),
        do="Nothing: what is due starts another run. Where it stays, look for what starts so many runs of the flow.",
    )


class TableTransformation:
    """One comparison of one flow of a route."""

    def __init__(self, task: StateTask) -> None:
        self.task = task
        self.book = Book(task.here, task.route, task.kind)
        self.parts = task.logic.book
        self.rules = task.logic.convert_rules(task.flow.rules)

    def run(self) -> Any:
        """Gives the task's report. Raises Overtaken."""
        for _ in range(TRIES):
            if self._once():
                return self.task.report
            # Made of a book that is not the newest any more: nothing of it was recorded.
            self.task.report = type(self.task.report)()
            self.task.seen_at = self.task.here.ledger.now()
        raise Overtaken(f"{self.task.kind.title} on {self.task.route.name}: {TRIES} comparisons were overtaken")

    def _once(self) -> bool:
        """False: another comparison was recorded meanwhile."""
        import duckdb

        task = self.task
        before = self.book.state()
        received, entries, token, read_at = self._gathered(before)
        if not before.parts and not token:
            return True  # nothing is known of the source yet: the first run reads all of it
        task.report.read = len(entries)
        canonical(task.here, task.route, task.kind, [one for one in entries if not _is_gone(one)])
        good = [one for one in entries if one.problem is None]
        change = self.parts.part(self._record_of(one) for one in good) if good or token else None
        task.order = microseconds(task.here.ledger.now())
        with duckdb.connect(":memory:") as database:
            database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            kept = [one.record.native_id for one in entries if one.problem is not None]
            self.parts.open_book(database, self.book.files(before), change, since=read_at, keep=kept)
            state = self._kept(database, before, change, token)
            plan: TablePlan = task.logic.plan_tables(database, self._surroundings())
        state = msgspec.structs.replace(
            state, number=before.number + 1, next_change=plan.next_change.isoformat() if plan.next_change else ""
        )
        return self._record(before, state, received, entries, plan)

    def _record_of(self, entry: Entry) -> Any:
        return self.parts.TermRecord(
            native_id=entry.record.native_id,
            landed=microseconds(entry.landed) if entry.landed is not None else 0,
            source_time=entry.order,
            rows=() if _is_gone(entry) else tuple(entry.row),
        )

    def _gathered(self, before: BookState) -> tuple[list[Entry], list[Entry], str, Any]:
        """Received rows to mark as handled, rows that go into the book, the run of the snapshot among them, and when
        that was begun."""
        task = self.task
        received = gather(task.here, task.route, task.kind)
        newest = task.here.ledger.cursors.get(task.source, snapshot_entity(task.kind.source_entity))
        task.full = task.full or not before.parts
        if not (newest.token and newest.position and newest.token != before.snapshot):
            return received, received, "", None
        if task.full and before.parts == ():
            entries = snapshot_of(task.here, task.source, task.kind, newest.token)
            for entry in entries:
                entry.landed = newest.position
        else:
            entries, _, _ = snapshot(task.here, task.route, task.kind, task.now)
            for entry in entries:
                entry.landed = newest.position
        # What came after the snapshot was begun is newer than it; all before is in it.
        later = [one for one in received if one.landed is not None and one.landed >= newest.position]
        return received, [*entries, *later], newest.token, newest.position

    def _kept(self, database: Any, before: BookState, change: dict[str, Any] | None, token: str) -> BookState:
        """The book as it is to be, its new part written."""
        if change is None:
            return before
        name = f"{self.task.run_id}.{before.number + 1}"
        if token or len(before.parts) >= MOST_PARTS:
            self.book.write(name, self.parts.tables(database))
            return BookState(parts=(name,), snapshot=token or before.snapshot)
        self.book.write(name, change)
        return BookState(parts=(*before.parts, name), snapshot=before.snapshot)

    def _surroundings(self) -> TableSurroundings:
        task = self.task
        ledger, names = task.here.ledger, (task.route.name, task.kind.name, task.target_name, task.kind.entity)
        source = task.here.source(task.route, task.kind.name)
        return TableSurroundings(
            known=ledger.known.table(task.target_name, task.kind.entity, None, ("scope", "key", "value", "sure")),
            source=source,
            target=task.target,
            lookups=task.here.lookups(task.route),
            rules=self.rules,
            limits=task.flow.guards,
            now=ledger.now(),
            then=self._then(),
            going=ledger.plans.open_rows(*names, states=[PlanState.JUDGED, PlanState.APPROVED]),
            waiting=ledger.plans.open_rows(*names, states=[PlanState.HELD]),
            approved=ledger.plans.open_rows(*names, states=[PlanState.APPROVED]),
            settled=ledger.plans.settled_rows(*names),
        )

    def _then(self) -> Any:
        """What the target was known to have before it changed within a day; from a change that a person let pass on."""
        import pyarrow as pa

        ledger, names = self.task.here.ledger, (self.task.route.name, self.task.kind.name)
        before: dict[str, str | None] = {}
        for plan in ledger.plans.went_lately(*names, ledger.now() - DAY):
            if plan.summary.get("first"):
                continue
            decided = any(not one.passed for one in plan.verdicts) or plan.undoes is not None
            for key, was, after in ledger.plans.changes([plan.id]):
                if decided:
                    before[key] = after
                else:
                    before.setdefault(key, was)
        fields = pa.schema([("key", pa.string()), ("value", pa.string())])
        return pa.table([list(before), list(before.values())], schema=fields)

    def _record(
        self,
        before: BookState,
        state: BookState,
        received: Sequence[Entry],
        entries: Sequence[Entry],
        plan: TablePlan,
    ) -> bool:
        task, report = self.task, self.task.report
        rows, held = self._plan_rows(plan.rows), self._plan_rows(plan.held)
        report.compared, report.same, report.changed = plan.whole, plan.same, len(rows) + len(held)
        report.held_already, report.unsure = len(plan.standing), len(plan.unread)
        report.samples = [(row.key, row.before or "", row.reason) for row in (*held, *rows)[:20]]
        recording = TableRecording(task, self.book)
        if not recording.record(before, state, received, entries, plan, rows, held):
            return False
        recording.tell()
        if task.full:
            Recording(task).compared()
        return True

    def _plan_rows(self, rows: Any) -> list[PlanRow]:
        return [
            PlanRow(
                key=one["key"],
                before=one["before"],
                after=one["after"],
                action=one["action"],
                reason=one["reason"],
                source_order=self.task.order,
            )
            for one in rows.to_pylist()
        ]


def _is_gone(entry: Entry) -> bool:
    return entry.record.version.startswith(GONE)
