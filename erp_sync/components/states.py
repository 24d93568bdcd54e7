"""State flows as runs execute them, second stage: received rows are compared, the difference is a judged plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.documents import flow_module, suite_of
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.state_moved import ended, moved_from
from erp_sync.components.state_overlaps import Identity, Ours, crossed, done_by_sku, overlapping
from erp_sync.components.state_planning import Planning
from erp_sync.components.state_recording import Recording
from erp_sync.components.state_rows import (
    Entry,
    canonical,
    gather,
    latest,
    snapshot,
    snapshot_of,
    surroundings,
)
from erp_sync.components.state_task import StateReport, StateTask
from erp_sync.components.state_unknown import unknown_to_erp
from erp_sync.components.table_book import plans_tables
from erp_sync.flows.comparison import COMPARED, Comparison, compare, desired_table, value_text
from erp_sync.flows.state_extraction import base_entity, snapshot_entity
from erp_sync.flows.state_flow import Desired, microseconds
from erp_sync.ledger.plan_values import PlannedValue
from erp_sync.ledger.plans import PlanState
from erp_sync.model.keys import Entity
from erp_sync.quality.gate import judge


def transform_states(
    here: Installation,
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    *,
    run_id: str,
    lane: str = "normal",
    full: bool = False,
    keys: Collection[str] = (),
) -> StateReport:
    """Compare what the target should hold with what it is known to hold; the difference is a judged plan.

    Plan, quarantine and handled marks are one transaction: a crash before it changes nothing, after it
    nothing is left to do. Safe to run several times at once.
    """
    task = StateTask(here, route, kind, flow, run_id=run_id, lane=lane, full=full, keys=keys)
    if plans_tables(kind):
        from erp_sync.components.table_states import TableTransformation

        return TableTransformation(task).run()
    return Transformation(task).run()


class Transformation:
    """One comparison of one flow of a route."""

    def __init__(self, task: StateTask) -> None:
        self.task = task
        self.base_rows = 0
        self.overlapping: set[Identity] = set()

    def run(self) -> StateReport:
        task = self.task
        received = gather(task.here, task.route, task.kind, run_id=task.run_id, only=bool(task.keys))
        entries, token = received, ""
        task.full = task.full or self._never_compared()
        if task.full:
            whole, token, read_at = snapshot(task.here, task.route, task.kind, task.now)
            # What came after the snapshot was begun is left to the run that received it, the fast lane's perhaps.
            received = [one for one in received if one.received is not None and one.received.received_at < read_at]
            entries = [*whole, *received]
        if not entries and not task.full:
            return task.report
        task.report.read = len(entries)
        canonical(task.here, task.route, task.kind, entries)
        good = latest(entries)
        self.overlapping = overlapping(task.here, task.route, task.kind, good)
        if task.kind.entity == Entity.PRODUCT:
            self._announce(good)
        self._judge(good)
        good = [entry for entry in good if entry.problem is None or entry.problem[0] in self.named_only]
        around = surroundings(task.here, task.route, task.kind, task.target, good)
        times = {entry.row.read_at for entry in good} if task.kind.entity == Entity.STOCK_LEVEL else ()
        unknown = unknown_to_erp(task.here, task.route, task.kind, task.target, times)
        around = msgspec.structs.replace(around, unknown_to_erp=unknown)
        desired: Desired = task.logic.desired([entry.row for entry in good], around)
        for one in desired.unusable:
            good[one.position].problem = (one.rule, "", one.problem)
        task.report.left_out = desired.left_out
        task.order = min((entry.order for entry in good), default=0)
        comparison, keys = self._compare(desired, good)
        task.report.keys = keys
        missing = self._missing(token, entries, desired) if task.full else {}
        base = self._base()
        missing |= ended(task, desired, good, base)
        moved = moved_from(task, comparison, desired, good, base)
        planning, recording = Planning(task), Recording(task)
        refused = self._refused_skus(entries) if task.full else ()
        planned = planning.rows(comparison, desired, missing, moved, refused)
        apart = {*planned.standing, *(row.key for row in planned.alone)}
        compared = None if task.full and not apart else [key for key in keys if key not in apart]
        verdicts = planning.verdicts(planned.rows, missing, self.base_rows)
        task.snapshot = token
        recording.record(received, entries, planned, compared, verdicts, whole=not comparison.unread)
        if task.full:
            comparison = self._look_again(comparison, desired, good)
        recording.tell(entries, planned)
        recording.resolve_at_target(comparison, planned)
        doubtful = recording.notify_doubt(verdicts) if task.full else False
        if task.full:
            recording.compared()
        if token and not task.report.held and not doubtful:
            recording.advance_base(token)
        return task.report

    def _announce(self, products: Sequence[Entry]) -> None:
        """Orders that wait for a product at its source go as soon as it is seen there."""
        source, deliveries = getattr(self.task.route, self.task.kind.source), self.task.here.ledger.deliveries
        awaited = deliveries.awaited(source, Entity.PRODUCT)
        there = [entry.row.sku for entry in products if entry.row.active and entry.row.sku in awaited]
        if there:
            deliveries.release_waiting(source, Entity.PRODUCT, there, self.task.run_id)

    def _never_compared(self) -> bool:
        """The first run reads both sides whole without being told to; then its comparison is of everything.

        Only its own: what another run has read of the source says nothing about the target, and everything would
        seem to be missing there.
        """
        task = self.task
        if task.keys:
            return False
        cursors = task.here.ledger.cursors
        base = cursors.get(task.source, base_entity(task.route.name, task.kind.name, task.kind.source_entity))
        return (
            not base.token and cursors.get(task.source, snapshot_entity(task.kind.source_entity)).token == task.run_id
        )

    @property
    def named_only(self) -> Collection[str]:
        """Rules whose rows are named in quarantine and still compared: leaving them would do more harm."""
        return getattr(flow_module(self.task.kind.name, "checks"), "NAMED_ONLY", ())

    def _judge(self, good: Sequence[Entry]) -> None:
        """The flow's suite over the rows; those that break a rule get it as their problem."""
        task = self.task
        import pandas as pd

        checks = flow_module(task.kind.name, "checks")
        owners: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for entry in good:
            owners[task.logic.identity(entry.row)].add(entry.record.native_id)
        others = [len(owners[task.logic.identity(entry.row)]) - 1 for entry in good]
        custom = task.route.flows[task.kind.name].checks
        suite = suite_of(task.kind.name, custom)
        frame = pd.DataFrame(checks.columns([entry.row for entry in good], others))
        for one in custom:
            frame[one.column] = [one.value(task.kind.name, entry.row) for entry in good]
        judgement = judge(suite, frame)
        task.report.rules = judgement.rules
        for position, rules in judgement.by_row().items():
            # A rule that stops the row says more than one that only names it.
            rules = sorted(rules, key=lambda rule: rule.name in self.named_only)
            words = "; ".join(rule.told(frame.iloc[position].to_dict()) for rule in rules)
            good[position].problem = (
                rules[0].name,
                "",
                f"{'/'.join(task.logic.identity(good[position].row))}: {words}",
            )

    def _refused_skus(self, entries: Sequence[Entry]) -> set[str]:
        """SKUs, as the target names them, of rows that are in quarantine."""
        lookups = self.task.here.lookups(self.task.route)
        skus = {entry.row.sku for entry in entries if entry.problem is not None and entry.row is not None}
        return skus | {sku for one in skus for sku in lookups.reverse("sku_map", one)}

    def _compare(self, desired: Desired, good: Sequence[Entry]) -> tuple[Comparison, list[str]]:
        """The comparison, and the keys that were compared."""
        task = self.task
        target = task.target
        table = desired_table(
            (
                target.key(row),
                value_text(target.values(row)),
                good[position].order,
                good[position].record.version,
                at,
            )
            for at, (row, position) in enumerate(desired.rows)
        )
        keys = table.column("key").to_pylist()
        task.orders = dict(zip(keys, table.column("source_order").to_pylist(), strict=True))
        self._doubt(self._overlapping_keys(desired, good))
        some = None if len(keys) > 20_000 else keys
        known = task.here.ledger.known.table(task.target_name, task.kind.entity, some, COMPARED)
        if self._doubt(self._crossed(table, known, desired, good)):
            known = task.here.ledger.known.table(task.target_name, task.kind.entity, some, COMPARED)
        comparison = compare(table, known, all_read=task.full)
        task.report.compared = table.num_rows
        task.report.same, task.report.overtaken = comparison.same, comparison.overtaken
        task.report.unsure = len(comparison.unsure) + len(comparison.unread)
        return comparison, keys

    def _overlapping_keys(self, desired: Desired, good: Sequence[Entry]) -> list[str]:
        """Keys of values that overlap, also with another part of the sum that they are."""
        skus = {one.row.sku for one in good if (one.record.scope, one.record.native_id) in self.overlapping}
        return [self.task.target.key(row) for row, position in desired.rows if good[position].row.sku in skus]

    def _look_again(self, comparison: Comparison, desired: Desired, good: Sequence[Entry]) -> Comparison:
        """What landed while everything was compared overlaps, too, and only now can it be said of what lands later that
        its own comparison sees ours: rows of a snapshot stand nowhere before they are planned. Gives the comparison
        with those unsure that are so only now."""
        task, before = self.task, self.overlapping
        self.overlapping = overlapping(task.here, task.route, task.kind, good) - before
        late = sorted({*self._overlapping_keys(desired, good)}.difference(comparison.unsure, comparison.unread))
        # Higher in the order of values than what was just planned: it may be being written.
        self._doubt(late, order=microseconds(task.here.ledger.now()))
        same = len(set(late).difference(comparison.rows.column("key").to_pylist())) if late else 0
        task.report.unsure += len(late)
        task.report.same = max(0, task.report.same - same)
        return msgspec.structs.replace(comparison, unsure=(*comparison.unsure, *late))

    def _doubt(self, keys: Sequence[str], order: int = 0) -> bool:
        """Keys of which nobody knows which value is the newer one are read once more, at both sides. Nothing that was
        planned from a read until now is applied to them any more: by the plan that is made now, or where that is made
        already by an `order` above it. Whether there are any."""
        task = self.task
        if keys:
            task.here.ledger.known.doubt(
                task.target_name, task.kind.entity, keys, "two versions of it were read at the same time", order
            )
            task.orders |= dict.fromkeys(keys, microseconds(task.here.ledger.now()))
        return bool(keys)

    def _crossed(self, table: pa.Table, known: pa.Table, desired: Desired, good: Sequence[Entry]) -> list[str]:
        """Keys of the compared values that nobody can order with what stands in the ledger. Mostly nothing there is
        newer, which is all that is asked then."""
        task = self.task
        if all(getattr(entry.row, "read_at", None) is None for entry in good):
            return []  # ordered by something else, and as old as the oldest: all that stands would be gone through
        least = pc.min(table.column("source_order")).as_py()
        if least is None:
            return []
        newer = known.filter(pc.greater(known.column("source_order"), least))
        standing = [
            PlannedValue(row["key"], row["source_order"], row["value"], "")
            for row in newer.select(["key", "source_order", "value"]).to_pylist()
        ]
        route, flow = task.route.name, task.kind.name
        standing += task.here.ledger.plans.newer(route, flow, task.target_name, task.kind.entity, least)
        if not standing:
            return []
        asked, now = {one.key for one in standing}, task.here.ledger.now()
        ours, done = {}, done_by_sku(good, now)
        for row in table.filter(pc.is_in(table.column("key"), pa.array(sorted(asked)))).to_pylist():
            entry = good[desired.rows[row["position"]][1]]
            if getattr(entry.row, "read_at", None) is not None:
                last = microseconds(done[entry.row.sku])
                ours[row["key"]] = Ours(row["value"], row["source_version"], row["source_order"], last)
        return sorted(crossed(ours, standing))

    def _base(self) -> str:
        """The run that read the last snapshot that was planned from, or that a person let pass since."""
        task = self.task
        cursor = task.here.ledger.cursors.get(
            task.source, base_entity(task.route.name, task.kind.name, task.kind.source_entity)
        )
        passed = task.here.ledger.plans.find(
            route=task.route.name, flow=task.kind.name, states=[PlanState.APPROVED, PlanState.APPLIED], limit=20
        )
        for plan in passed:
            approved = plan.summary.get("snapshot")
            if approved and plan.created_at > (cursor.changed_at or plan.created_at - timedelta(1)):
                return str(approved)
        return cursor.token

    def _missing(self, token: str, entries: Sequence[Entry], desired: Desired) -> dict[str, str]:
        """Keys whose row the source had in the snapshot before and has no more, with what the target holds."""
        task = self.task
        base = self._base()
        if not base or base == token:
            return {}
        before = snapshot_of(task.here, task.source, task.kind, base)
        self.base_rows = len(before)
        there = {entry.record.native_id for entry in entries}
        gone = [entry for entry in before if entry.record.native_id not in there]
        canonical(task.here, task.route, task.kind, gone)
        gone = [entry for entry in gone if entry.problem is None]
        task.report.missing = len(gone)
        if not gone:
            return {}
        around = surroundings(task.here, task.route, task.kind, task.target, gone)
        still = {task.target.key(row) for row, _ in desired.rows}
        keys = {task.target.key(row) for row, _ in task.logic.desired([entry.row for entry in gone], around).rows}
        known = task.here.ledger.known.get(task.target_name, task.kind.entity, sorted(keys - still))
        return {row.key: row.value for row in known.values() if row.value is not None and row.sure}
