"""Rows of state on their way from the source: gathered, mapped, and the logic's surroundings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.state_facts import booked_shipments
from erp_sync.flows.state_extraction import snapshot_entity
from erp_sync.flows.state_flow import Desired, Surroundings
from erp_sync.ledger.received import ReceivedRow
from erp_sync.model.advice import Advice
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord

# Received rows handled in one comparison; far more than the changes of a day.
MOST_ROWS = 250_000
# A full comparison works on a snapshot no older than this: state has no past.
OLDEST_SNAPSHOT = timedelta(hours=2)


class SnapshotTooOld(RuntimeError):
    """A full comparison found no snapshot of this run: read the source again first."""

    advice = Advice(
        means="A full comparison had no fresh picture of the source: nothing was compared, nothing was written.",
        look=("erp-sync status",),
        do="Nothing: the next run reads the source first. Where it stays, look at the failed run of asset extracted.",
    )


class Entry(msgspec.Struct, gc=False):
    """A row of the source on its way. `landed`: when it, or the snapshot that it is of, was there; `problem`
    is (rule, field, words) once it is refused."""

    record: RawRecord
    received: ReceivedRow | None = None
    landed: datetime | None = None
    row: Any = None
    order: int = 0
    problem: tuple[str, str, str] | None = None


def gather(
    here: Installation, route: RouteSpec, kind: FlowKind, *, run_id: str = "", only: bool = False
) -> list[Entry]:
    """Received rows that the flow has not handled, and all that the run `run_id` received; with `only` no others.

    Another run may have handled a run's rows while their keys were still unsure at the target, and planned nothing
    of them. The run that has read both sides of a key compares it, whoever else has.
    """
    source = getattr(route, kind.source)
    rows = here.ledger.unhandled(route.name, kind.name, source, kind.source_entity, limit=MOST_ROWS)
    entries = [entry_of(row) for row in rows if not only or row.run_id == run_id]
    if run_id:
        open_rows = {row.id for row in rows}
        own = here.ledger.received.of_run(source, kind.source_entity, run_id)
        entries += [
            Entry(record=row.record(), landed=row.received_at)
            for row in own
            if row.id not in open_rows and row.payload is not None
        ]
    return entries


def entry_of(row: ReceivedRow) -> Entry:
    """One that retention removed before this flow handled it is named in quarantine, and stops nothing."""
    if row.payload is not None:
        return Entry(record=row.record(), received=row, landed=row.received_at)
    empty = RawRecord(
        native_id=row.native_id, scope=row.scope, version=row.version, source_time=row.source_time, payload={}
    )
    return Entry(record=empty, received=row, landed=row.received_at)


def snapshot(here: Installation, route: RouteSpec, kind: FlowKind, now: datetime) -> tuple[list[Entry], str, datetime]:
    """Rows of the last complete snapshot, the run that read it, and when it began to. Raises SnapshotTooOld,
    DamagedFile.
    """
    source = getattr(route, kind.source)
    cursor = here.ledger.cursors.get(source, snapshot_entity(kind.source_entity))
    if cursor.position is None or now - cursor.position > OLDEST_SNAPSHOT:
        raise SnapshotTooOld(
            f"the last snapshot of {kind.source_entity} of {source} is of {cursor.position}: "
            "start the run with `extracted`"
        )
    entries = snapshot_of(here, source, kind, cursor.token)
    for entry in entries:
        entry.landed = cursor.changed_at
    return entries, cursor.token, cursor.position


def snapshot_of(
    here: Installation, source: str, kind: FlowKind, run_id: str, native_ids: Collection[str] | None = None
) -> list[Entry]:
    """Rows that this run read, all or those of these ids."""
    from erp_sync.ledger.codec import from_json

    table = here.lake.table(source, snapshot_entity(kind.source_entity), run_id=run_id)
    if table.num_rows and native_ids is not None:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = table.filter(pc.is_in(table.column("native_id"), pa.array(sorted(native_ids), pa.string())))
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
        keeps_terms=getattr(target, "keeps_terms", False),
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
