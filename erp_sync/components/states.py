"""State flows as runs execute them: received rows to a judged plan, due rows of plans to the target."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.documents import flow_module, suite_of
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.state_facts import booked_shipments
from erp_sync.flows.comparison import Comparison, compare, desired_table, value_text
from erp_sync.flows.convergence import Convergence, ConvergenceReport, waiting_code
from erp_sync.flows.guards import judge_shares
from erp_sync.flows.state_extraction import base_entity, snapshot_entity
from erp_sync.flows.state_flow import Desired, Surroundings, microseconds
from erp_sync.ledger.handling import Handling
from erp_sync.ledger.plans import NewPlan, PlanRow, PlanState, Verdict
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.received import ReceivedRow
from erp_sync.model.keys import Entity
from erp_sync.ports.documents import Requirement
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord
from erp_sync.quality.gate import judge

# Received rows handled in one comparison; far more than the changes of a day.
MOST_ROWS = 250_000
# A value that the target refused is not planned again for this long, except by a full comparison.
REFUSED_FOR = timedelta(hours=24)
# A full comparison works on a snapshot no older than this: state has no past.
OLDEST_SNAPSHOT = timedelta(hours=2)


class SnapshotTooOld(RuntimeError):
    """A full comparison found no snapshot of this run: read the source again first."""


class Entry(msgspec.Struct, gc=False):
    """A row of the source on its way. `problem` is (rule, field, words) once it is refused."""

    record: RawRecord
    received: ReceivedRow | None = None
    row: Any = None
    order: int = 0
    problem: tuple[str, str, str] | None = None


class StateReport(msgspec.Struct, kw_only=True):
    """What a comparison did, by number of rows; `plans` are (id, state, rows, why it is held)."""

    read: int = 0
    compared: int = 0
    same: int = 0
    changed: int = 0
    overtaken: int = 0
    unsure: int = 0
    missing: int = 0
    held_already: int = 0
    refused_before: int = 0
    left_out: dict[str, int] = {}
    rules: int = 0
    rejected: list[tuple[str, str, str]] = []
    plans: list[tuple[int, str, int, str]] = []
    verdicts: list[Verdict] = []
    samples: list[tuple[str, str, str]] = []

    @property
    def held(self) -> bool:
        return any(state == PlanState.HELD for _, state, _, _ in self.plans)


# -- rows ----------------------------------------------------------------------------------------


def gather(here: Installation, route: RouteSpec, kind: FlowKind, *, run_id: str | None = None) -> list[Entry]:
    """Received rows that the flow has not handled; with `run_id` only those that this run received."""
    source = getattr(route, kind.source)
    rows = here.ledger.unhandled(route.name, kind.name, source, kind.entity, limit=MOST_ROWS)
    return [Entry(record=row.record(), received=row) for row in rows if run_id is None or row.run_id == run_id]


def snapshot(here: Installation, route: RouteSpec, kind: FlowKind, now: datetime) -> tuple[list[Entry], str]:
    """Rows of the last complete snapshot, and the run that read it. Raises SnapshotTooOld, DamagedFile."""
    source = getattr(route, kind.source)
    cursor = here.ledger.cursors.get(source, snapshot_entity(kind.entity))
    if cursor.position is None or now - cursor.position > OLDEST_SNAPSHOT:
        raise SnapshotTooOld(
            f"the last snapshot of {kind.entity} of {source} is of {cursor.position}: start the run with `extracted`"
        )
    return _snapshot_of(here, source, kind, cursor.token), cursor.token


def _snapshot_of(here: Installation, source: str, kind: FlowKind, run_id: str) -> list[Entry]:
    from erp_sync.ledger.codec import from_json

    table = here.lake.table(source, snapshot_entity(kind.entity), run_id=run_id)
    if table.num_rows == 0:
        return []
    names = ("native_id", "scope", "version", "source_time", "payload")
    columns = [table.column(name).to_pylist() for name in names]
    return [
        Entry(record=RawRecord(native_id=one, scope=scope, version=version, source_time=at, payload=from_json(payload)))
        for one, scope, version, at, payload in zip(*columns, strict=True)
    ]


def canonical(here: Installation, route: RouteSpec, kind: FlowKind, entries: Sequence[Entry]) -> None:
    """Map the rows in place; what cannot be understood gets its problem."""
    logic = flow_module(kind.name, "transform")
    to_canonical, order = here.source(route, kind.name).mapper(here.lookups(route)), logic.order
    for entry in entries:
        try:
            entry.row = to_canonical(entry.record)
            entry.order = order(entry.row, entry.record)
        except BadRecord as problem:
            entry.problem = ("malformed_record", problem.field, str(problem))
        except MappingProblem as problem:
            entry.problem = (problem.code, problem.field, str(problem))


def latest(entries: Sequence[Entry]) -> list[Entry]:
    """The newest readable row of each record, in the order of first sight."""
    newest: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = (entry.record.scope, entry.record.native_id)
        if entry.problem is None and (key not in newest or newest[key].order <= entry.order):
            newest[key] = entry
    return list(newest.values())


def surroundings(
    here: Installation, route: RouteSpec, kind: FlowKind, target: Any, entries: Sequence[Entry]
) -> Surroundings:
    """What the flow's logic gets besides the rows. Raises ValueError for a wrong rule of the route."""
    logic = flow_module(kind.name, "transform")
    channel = getattr(route, kind.target)
    around = Surroundings(
        lookups=here.lookups(route),
        rules=logic.convert_rules(route.flows[kind.name].rules),
        channel=channel,
        now=datetime.now(UTC),
        nets_own_orders=target.nets_own_orders,
        currency=getattr(target, "currency", ""),
    )
    if not hasattr(logic, "shipments_of"):
        return around
    lately = logic.shipments_of([entry.row for entry in entries], channel)
    return msgspec.structs.replace(around, booked=booked_shipments(here, route, lately))


def wanted_rows(here: Installation, route: RouteSpec, kind: FlowKind, target: Any) -> list[Any]:
    """Rows that the target should hold by what is not handled yet: to know which keys to read there."""
    entries = gather(here, route, kind)
    canonical(here, route, kind, entries)
    good = latest(entries)
    if not good:
        return []
    logic = flow_module(kind.name, "transform")
    desired: Desired = logic.desired([entry.row for entry in good], surroundings(here, route, kind, target, good))
    return [row for row, _ in desired.rows]


# -- the comparison ------------------------------------------------------------------------------


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
    return Transformation(here, route, kind, flow, run_id=run_id, lane=lane, full=full, keys=keys).run()


class Transformation:
    """One comparison of one flow of a route."""

    def __init__(
        self,
        here: Installation,
        route: RouteSpec,
        kind: FlowKind,
        flow: FlowSpec,
        *,
        run_id: str,
        lane: str,
        full: bool,
        keys: Collection[str],
    ) -> None:
        self.here, self.route, self.kind, self.flow = here, route, kind, flow
        self.run_id, self.lane, self.full, self.keys = run_id, lane, full, keys
        self.logic = flow_module(kind.name, "transform")
        self.source, self.target_name = getattr(route, kind.source), getattr(route, kind.target)
        self.target = here.connector_for(route, kind.target).port(kind.entity, "target")
        self.report = StateReport()
        self.now = datetime.now(UTC)
        self.base_rows = 0
        self.order = 0

    def run(self) -> StateReport:
        received = gather(self.here, self.route, self.kind, run_id=self.run_id if self.keys else None)
        entries, token = received, ""
        self.full = self.full or self._never_compared()
        if self.full:
            whole, token = snapshot(self.here, self.route, self.kind, self.now)
            entries = [*whole, *received]
        if not entries and not self.full:
            return self.report
        self.report.read = len(entries)
        canonical(self.here, self.route, self.kind, entries)
        good = latest(entries)
        self._judge(good)
        good = [entry for entry in good if entry.problem is None or entry.problem[0] in self.named_only]
        around = surroundings(self.here, self.route, self.kind, self.target, good)
        desired: Desired = self.logic.desired([entry.row for entry in good], around)
        for one in desired.unusable:
            good[one.position].problem = (one.rule, "", one.problem)
        self.report.left_out = desired.left_out
        self.order = min((entry.order for entry in good), default=0)
        comparison, keys = self._compare(desired, good)
        missing = self._missing(token, entries, desired) if self.full else {}
        rows, alone, standing = self._plan_rows(comparison, desired, missing)
        apart = {*standing, *(row.key for row in alone)}
        compared = None if self.full and not apart else [key for key in keys if key not in apart]
        verdicts = self._verdicts(rows, missing)
        self._record(received, entries, rows, alone, compared, verdicts, whole=not comparison.unread)
        if token and not self.report.held:
            self._advance_base(token)
        return self.report

    def _never_compared(self) -> bool:
        """The route's first comparison is of everything, once there is a snapshot."""
        if self.keys:
            return False
        cursors = self.here.ledger.cursors
        base = cursors.get(self.source, base_entity(self.route.name, self.kind.name, self.kind.entity))
        read = cursors.get(self.source, snapshot_entity(self.kind.entity)).position
        return not base.token and read is not None and self.now - read <= OLDEST_SNAPSHOT

    @property
    def named_only(self) -> Collection[str]:
        """Rules whose rows are named in quarantine and still compared: leaving them would do more harm."""
        return getattr(flow_module(self.kind.name, "checks"), "NAMED_ONLY", ())

    def _judge(self, good: Sequence[Entry]) -> None:
        """The flow's suite over the rows; those that break a rule get it as their problem."""
        import pandas as pd

        checks = flow_module(self.kind.name, "checks")
        owners: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for entry in good:
            owners[self.logic.identity(entry.row)].add(entry.record.native_id)
        others = [len(owners[self.logic.identity(entry.row)]) - 1 for entry in good]
        suite = suite_of(self.kind.name)
        frame = pd.DataFrame(checks.columns([entry.row for entry in good], others))
        judgement = judge(suite, frame)
        self.report.rules = judgement.rules
        for position, rules in judgement.by_row().items():
            # A rule that stops the row says more than one that only names it.
            rules = sorted(rules, key=lambda rule: rule.name in self.named_only)
            words = "; ".join(rule.words for rule in rules)
            good[position].problem = (
                rules[0].name,
                "",
                f"{'/'.join(self.logic.identity(good[position].row))}: {words}",
            )

    def _compare(self, desired: Desired, good: Sequence[Entry]) -> tuple[Comparison, list[str]]:
        """The comparison, and the keys that were compared."""
        target = self.target
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
        some = None if len(keys) > 20_000 else keys
        known = self.here.ledger.known.table(self.target_name, self.kind.entity, some)
        comparison = compare(table, known, all_read=self.full)
        self.report.compared = table.num_rows
        self.report.same, self.report.overtaken = comparison.same, comparison.overtaken
        self.report.unsure = len(comparison.unsure) + len(comparison.unread)
        return comparison, keys

    def _missing(self, token: str, entries: Sequence[Entry], desired: Desired) -> dict[str, str]:
        """Keys whose row the source had in the snapshot before and has no more, with what the target holds."""
        base = self.here.ledger.cursors.get(
            self.source, base_entity(self.route.name, self.kind.name, self.kind.entity)
        ).token
        if not base or base == token:
            return {}
        before = _snapshot_of(self.here, self.source, self.kind, base)
        self.base_rows = len(before)
        there = {entry.record.native_id for entry in entries}
        gone = [entry for entry in before if entry.record.native_id not in there]
        canonical(self.here, self.route, self.kind, gone)
        gone = [entry for entry in gone if entry.problem is None]
        self.report.missing = len(gone)
        if not gone:
            return {}
        around = surroundings(self.here, self.route, self.kind, self.target, gone)
        still = {self.target.key(row) for row, _ in desired.rows}
        keys = {self.target.key(row) for row, _ in self.logic.desired([entry.row for entry in gone], around).rows}
        known = self.here.ledger.known.get(self.target_name, self.kind.entity, sorted(keys - still))
        return {row.key: row.value for row in known.values() if row.value is not None and row.sure}

    def _plan_rows(
        self, comparison: Comparison, desired: Desired, missing: dict[str, str]
    ) -> tuple[list[PlanRow], list[PlanRow], list[str]]:
        """Rows of the plan, rows that wait for a person one by one, and keys that stand in a held plan as they are."""
        held = self._held() if not self.full else {}
        refused = {}
        if not self.full:
            since = self.now - REFUSED_FOR
            refused = self.here.ledger.plans.refusals(self.target_name, self.kind.entity, since)
        limits, partial = self.flow.guards, getattr(self.logic, "PARTIAL", False)
        rows: list[PlanRow] = []
        alone: list[PlanRow] = []
        standing: list[str] = []
        for one in comparison.rows.to_pylist():
            row, _ = desired.rows[one["position"]]
            was = msgspec.json.decode(one["before"]) if one["before"] is not None else None
            will = msgspec.json.decode(one["value"])
            if partial and was is not None and all(was.get(name) == value for name, value in will.items()):
                self.report.same += 1
                continue
            after = self._after(row, one["value"])
            if held.get(one["key"]) == after:
                standing.append(one["key"])
                continue
            refusal = refused.get(("", one["key"]))
            if refusal is not None and refusal.after == after:
                self.report.refused_before += 1
                continue
            by_itself = self.logic.alone(was, will, limits)
            (alone if by_itself else rows).append(
                PlanRow(
                    key=one["key"],
                    before=one["before"],
                    after=after,
                    action=self.logic.action(was, will),
                    reason=by_itself or self.logic.reason(was, will),
                    source_version=one["source_version"],
                    source_order=one["source_order"],
                )
            )
        order = microseconds(self.now)
        for key, before in missing.items():
            gone = self.logic.missing_row(key, msgspec.json.decode(before))
            if gone is not None:
                action, after = gone
                rows.append(
                    PlanRow(
                        key=key,
                        before=before,
                        after=value_text(after) if after is not None else None,
                        action=action,
                        reason=f"{self.source} has it no more",
                        source_order=order,
                    )
                )
        self.report.changed, self.report.held_already = len(rows) + len(alone), len(standing)
        self.report.samples = [(row.key, row.before or "", row.reason) for row in (*alone, *rows)[:20]]
        return rows, alone, standing

    def _after(self, row: Any, value: str) -> str:
        """What the plan keeps of the row: its values, and where these do not make the row again, the row."""
        whole = getattr(self.logic, "whole", None)
        return value if whole is None else whole(row, value)

    def _held(self) -> dict[str, str | None]:
        """Keys that wait for a person already, with what would be written."""
        found: dict[str, str | None] = {}
        plans = self.here.ledger.plans
        for plan in plans.find(route=self.route.name, flow=self.kind.name, states=[PlanState.HELD], limit=20):
            table = plans.table(plan.id, states=["held"])
            found |= dict(zip(table.column("key").to_pylist(), table.column("after").to_pylist(), strict=True))
        return found

    def _verdicts(self, rows: Sequence[PlanRow], missing: dict[str, str]) -> tuple[Verdict, ...]:
        pairs = [
            (
                msgspec.json.decode(row.before) if row.before is not None else None,
                msgspec.json.decode(row.after) if row.after else {},
            )
            for row in rows
        ]
        # Where only changes were read they are judged against all that the target holds of this flow.
        whole = self.report.compared + len(missing)
        if not self.full and not self.keys:
            whole = max(whole, self.here.ledger.known.count(self.target_name, self.kind.entity))
        shares = self.logic.shares(pairs, whole=whole, missing=self.report.missing, base=self.base_rows)
        found = [
            Verdict(check=one.guard, passed=one.passed, words=one.words, figure=one.figure, limit=one.limit)
            for one in judge_shares(shares, self.flow.guards, self.logic.GUARDS)
        ]
        if self.full and self.report.read == 0:
            found.append(Verdict(check="row_count", passed=False, words=f"{self.source} gave no row at all"))
        if self.flow.mode is Mode.SHADOW:
            found.append(Verdict(check="mode", passed=False, words="shadow mode: nothing is written"))
        self.report.verdicts = found
        return tuple(found)

    # -- recording -----------------------------------------------------------------------------

    def _record(
        self,
        received: Sequence[Entry],
        entries: Sequence[Entry],
        rows: list[PlanRow],
        alone: list[PlanRow],
        compared: list[str] | None,
        verdicts: tuple[Verdict, ...],
        *,
        whole: bool,
    ) -> None:
        """One transaction. What could not be compared because its target was never read stays unhandled."""
        summary = {
            "compared": self.report.compared,
            "same": self.report.same,
            "missing": self.report.missing,
            "full": self.full,
            "lane": self.lane,
        }
        problems = [entry for entry in entries if entry.problem is not None]
        with self.here.ledger.handling(self.route.name, self.kind.name, run_id=self.run_id) as work:
            self._refuse(work, problems)
            self._add(work, rows, compared, verdicts, summary)
            if alone:
                verdict = Verdict(check="max_jump_factor", passed=False, words=f"{len(alone)} rows jump; see each")
                self.report.verdicts.append(verdict)
                self._add(work, alone, [row.key for row in alone], (verdict,), summary)
            if whole:
                work.mark_handled([entry.received.id for entry in received if entry.received is not None])
        self._resolve(entries)
        self._notify()

    def _add(
        self,
        work: Handling,
        rows: list[PlanRow],
        compared: Sequence[str] | None,
        verdicts: tuple[Verdict, ...],
        summary: dict[str, Any],
    ) -> None:
        added = work.add_plan(
            NewPlan(
                entity=self.kind.entity,
                target=self.target_name,
                rows=rows,
                compared=compared,
                order=self.order or None,
                lane=self.lane,
                verdicts=verdicts if rows else (),
                approval=self.flow.approval == "required",
                summary=summary,
            )
        )
        if added.id is not None and added.state is not None:
            why = "; ".join(verdict.words for verdict in verdicts if not verdict.passed)
            why = why or ("waits for approval" if added.state is PlanState.HELD else "")
            self.report.plans.append((added.id, added.state.value, len(rows), why))

    def _refuse(self, work: Handling, problems: Sequence[Entry]) -> None:
        refusals = []
        for entry in problems:
            assert entry.problem is not None
            rule, field, words = entry.problem
            self.report.rejected.append((entry.record.native_id, rule, words))
            refusals.append(
                Refusal(
                    connection=self.source,
                    entity=self.kind.entity,
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
        open_rows = self.here.ledger.quarantine.find(route=self.route.name, flow=self.kind.name, limit=10_000)
        if not open_rows:
            return
        passed = {entry.record.native_id for entry in entries if entry.problem is None}
        passed -= {entry.record.native_id for entry in entries if entry.problem is not None}
        ids = [row.native_id for row in open_rows if row.connection == self.source and row.native_id in passed]
        if ids:
            self.here.ledger.quarantine.resolve(
                self.source, self.kind.entity, ids, f"passed in run {self.run_id}", self.route.name, self.kind.name
            )

    def _notify(self) -> None:
        """One notice for a held plan, however often it is found again."""
        held = [plan for plan in self.report.plans if plan[1] == PlanState.HELD]
        key = f"plan_held/{self.route.name}/{self.kind.name}"
        if held and self.flow.mode is Mode.ON:
            plan_id, _, rows, why = held[-1]
            text = f"plan {plan_id} of {self.kind.name} on {self.route.name} waits: {rows} rows, {why}"
            self.here.ledger.notices.raise_once(key, "warning", text, link=f"plan/{plan_id}")
        elif not self.here.ledger.plans.find(
            route=self.route.name, flow=self.kind.name, states=[PlanState.HELD], limit=1
        ):
            self.here.ledger.notices.clear(key)

    def _advance_base(self, token: str) -> None:
        self.here.ledger.receive(
            self.source,
            base_entity(self.route.name, self.kind.name, self.kind.entity),
            [],
            advance_to=self.now,
            run_id=self.run_id,
            token=token,
        )


# -- loading -------------------------------------------------------------------------------------


def load_states(
    here: Installation, route: RouteSpec, kind: FlowKind, *, owner: str, lane: str = "normal"
) -> ConvergenceReport:
    """Write whatever is due of the flow's plans."""
    from erp_sync.transport.context import call_context

    target = here.connector_for(route, kind.target).port(kind.entity, "target")
    connection = getattr(route, kind.target)
    # A run of the fast lane takes only what is urgent: it must not wait behind a full comparison.
    lanes = ("now",) if lane == "now" else ("now", "normal", "bulk")
    with call_context(run_id=owner.split(":")[0], lane=lane, route=route.name, flow=kind.name):
        drain = Convergence(
            here.ledger,
            target,
            route=route.name,
            flow=kind.name,
            entity=kind.entity,
            connection=connection,
            source=getattr(route, kind.source),
            owner=owner,
            senders=min(4, here.concurrency(connection)),
            lanes=lanes,
        )
        report = drain.run()
        # Variants wait for their configurable product, which this very run may have made.
        while kind.entity == Entity.PRODUCT and release(here, connection, drain.take_created()):
            report = drain.run()
        return report


def release(here: Installation, connection: str, skus: Sequence[str]) -> int:
    """These products are in the target now: what waits for them is due. Gives how many rows of plans."""
    if not skus:
        return 0
    here.ledger.deliveries.release_waiting(connection, Entity.PRODUCT, skus)
    codes = [waiting_code(Requirement(Entity.PRODUCT, sku)) for sku in skus]
    return here.ledger.plans.release_waiting(connection, codes)


def count_reasons(report: StateReport) -> dict[str, int]:
    """Rejected rows by rule."""
    return dict(Counter(rule for _, rule, _ in report.rejected).most_common())
