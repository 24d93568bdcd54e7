"""The mapping document: which field becomes which, how sure each write is, and what is not mapped.

Made from what is executed: declared mappings with the connection's overlay, declared operations. What is not
mapped is told against the vendor's published contract and against real traffic in the lake.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.mapping_version import mapping_version, written_version
from erp_sync.components.own_rules import Told
from erp_sync.components.own_rules import told as own_told
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports import mapping_coverage
from erp_sync.ports.capabilities import Capabilities, Operation
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import Direction, MappingMistake, MappingRow, RecordMapping
from erp_sync.ports.mapping_coverage import Untargeted
from erp_sync.ports.own_functions import OwnFunctionMistake
from erp_sync.ports.published import PublishedField, PublishedRecord, Served

Progress = Callable[[str, int, int], None]

# Records of the lake that are looked through for fields that no mapping reads; the latest ones.
LATEST_RECORDS = 500

MEANINGS = {
    "A": "unique key: the system refuses a second, so it is sent again after an unknown outcome",
    "B": "idempotency token: sent again with the same token",
    "C": "searchable key: waits the settle time, searches, then sends once",
    "D": "no key: never sent again by itself; found by content or a case for an operator",
}


class OperationTold(msgspec.Struct, frozen=True, kw_only=True):
    """A writing operation and how sure it is. `guarantee` is its class, A to D; `source` cites the vendor."""

    name: str
    guarantee: str
    batch_size: int
    settle_seconds: float
    settle_source: str
    moves: tuple[str, ...]
    source: str


class DroppedField(msgspec.Struct, frozen=True, kw_only=True):
    """A field that came and that no mapping reads. `example` is the id of a record that has it."""

    path: str
    records: int
    example: str


class MappingTold(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping of one connection.

    Attributes:
        version: changes with any declaration.
        contract: what the vendor publishes of the record, cited; empty where it publishes nothing.
        unmapped: fields of that contract that the mapping neither reads nor writes.
        looked_at: records of real traffic that were looked through.
        dropped: fields that came in them and are not read.
    """

    name: str
    connection: str
    vendor: str
    direction: str
    version: str
    fields: tuple[MappingRow, ...]
    contract: str
    unmapped: tuple[PublishedField, ...]
    looked_at: int = 0
    dropped: tuple[DroppedField, ...] = ()


class FlowMapping(msgspec.Struct, frozen=True, kw_only=True):
    """What one flow maps, source first.

    Attributes:
        version: of all of it, with the settings that it looks at; runs and documents tell the one that they went by.
        untargeted: canonical fields that the source fills and no field of the target gets.
        undeclared: names sides whose writes have no declared mapping.
        own: the company's own checks, guards and policies; its own mapping functions are rules of their fields.
    """

    flow: str
    title: str
    mode: str
    version: str
    source: str
    target: str
    mappings: tuple[MappingTold, ...]
    operations: tuple[OperationTold, ...]
    undeclared: tuple[str, ...]
    untargeted: tuple[Untargeted, ...] = ()
    own: tuple[Told, ...] = ()


class MappingDocument(msgspec.Struct, frozen=True, kw_only=True):
    route: str
    flows: tuple[FlowMapping, ...]


def mapping_document(
    here: Installation,
    route: RouteSpec,
    *,
    traffic: bool = True,
    progress: Progress = lambda what, done, total: None,
) -> MappingDocument:
    """The document of a route, all its flows, also those that are off. Calls no vendor.

    Args:
        traffic: look through the latest records of the lake for fields that were dropped.
    Raises CannotDo for a wrong overlay, DamagedFile.
    """
    told = []
    for position, name in enumerate(route.flows):
        progress(name, position, len(route.flows))
        told.append(_flow(here, route, FLOWS[name], traffic))
    progress("", len(route.flows), len(route.flows))
    return MappingDocument(route=route.name, flows=tuple(told))


def _flow(here: Installation, route: RouteSpec, kind: FlowKind, traffic: bool) -> FlowMapping:
    mappings: list[MappingTold] = []
    operations: list[OperationTold] = []
    undeclared: list[str] = []
    for side, role in ((kind.source, "source"), (kind.target, "target")):
        one = _settings(here, getattr(route, side))
        contract = _contract(one)
        served: Served = contract.SERVED.get((kind.entity_of(role), role), Served())
        for name in served.mappings:
            reads = (getattr(route, side), kind.source_entity) if role == "source" and traffic else None
            mappings.append(_told(here, one, _mappings(one)[name], contract.published(name), reads))
        writes = _written(one, contract, served)
        mappings += writes
        if not served.mappings and not writes:
            undeclared.append(f"{role} {getattr(route, side)}")
        operations += [_operation(_capabilities(one).operation(name)) for name in served.operations]
        if role == "source" and kind.delivers:
            # What of the flow goes back: what was shipped by hand is booked in the ERP.
            back: Served = contract.SERVED.get((kind.entity, "target"), Served())
            operations += [_operation(_capabilities(one).operation(name)) for name in back.operations]
        for entity in kind.compares:
            compared: Served = contract.SERVED.get((entity, role), Served())
            mappings += [
                _told(here, one, _mappings(one)[name], contract.published(name), None) for name in compared.mappings
            ]
    return FlowMapping(
        flow=kind.name,
        title=kind.title,
        mode=route.flows[kind.name].mode.value,
        version=mapping_version(here.configuration, route, kind.name).value,
        source=getattr(route, kind.source),
        target=getattr(route, kind.target),
        mappings=tuple(mappings),
        operations=tuple(operations),
        undeclared=tuple(undeclared),
        own=_own(kind, route),
        untargeted=untargeted(
            kind, _settings(here, getattr(route, kind.source)), _settings(here, getattr(route, kind.target))
        ),
    )


def _own(kind: FlowKind, route: RouteSpec) -> tuple[Told, ...]:
    try:
        spec = route.flows[kind.name]
        return own_told(kind.name, spec.checks, spec.own_guards, spec.policies)
    except OwnFunctionMistake as mistake:
        raise CannotDo(f"route {route.name}, flow {kind.name}: {mistake}") from mistake


def untargeted(kind: FlowKind, source: ConnectionSettings, target: ConnectionSettings) -> tuple[Untargeted, ...]:
    """Canonical fields that the source of a flow fills and no field of its target gets; none where the flow makes the
    target's records of all of the source's together, as prices of terms. Raises CannotDo."""
    if kind.reads:
        return ()
    fills: dict[str, str] = {}
    given = _mappings(source)
    for name in _contract(source).SERVED.get((kind.source_entity, "source"), Served()).mappings:
        fills |= mapping_coverage.filled(given[name])
    contract = _contract(target)
    served: Served = contract.SERVED.get((kind.entity, "target"), Served())
    taken = [one for name, one in _mappings(target).items() if name in served.mappings]
    reads = {path for one in taken if one.direction is Direction.TO_VENDOR for path in mapping_coverage.read(one)}
    if hasattr(contract, "written"):
        for operation in served.operations:
            reads |= mapping_coverage.written_from(contract.written(operation))
    return mapping_coverage.untargeted(fills, reads, served)


def _contract(one: ConnectionSettings) -> Any:
    return importlib.import_module(f"erp_sync.systems.{one.vendor}.contract")


def _written(one: ConnectionSettings, contract: Any, served: Served) -> list[MappingTold]:
    """Writes whose body no record mapping makes, told like one."""
    if not hasattr(contract, "body"):
        return []
    found = []
    for operation in served.operations:
        record: PublishedRecord | None = contract.body(operation)
        if record is None:
            continue
        rows = [
            MappingRow(operation, Direction.TO_VENDOR.value, source, target, rule, "", False, "", "")
            for source, target, rule in contract.written(operation)
        ]
        sent = {row.target for row in rows}
        found.append(
            MappingTold(
                name=operation,
                connection=one.name,
                vendor=one.vendor,
                direction=Direction.TO_VENDOR.value,
                version=written_version(contract.written(operation)),
                fields=tuple(rows),
                contract=f"{record.name}: {record.origin}",
                unmapped=tuple(field for field in record.fields if field.path not in sent),
            )
        )
    return found


def _settings(here: Installation, name: str) -> ConnectionSettings:
    """The connection without its secrets: the document is printed where they are not, too."""
    spec = here.configuration.connection(name)
    return ConnectionSettings(
        name=name, vendor=spec.vendor, base_url="", credentials={}, settings=spec.settings, time_zone=spec.time_zone
    )


def _mappings(one: ConnectionSettings) -> dict[str, RecordMapping]:
    try:
        return importlib.import_module(f"erp_sync.systems.{one.vendor}.connector").mappings(one)
    except MappingMistake as mistake:
        raise CannotDo(f"connection {one.name}: {mistake}") from mistake


def _capabilities(one: ConnectionSettings) -> Capabilities:
    module = importlib.import_module(f"erp_sync.systems.{one.vendor}.capabilities")
    if not hasattr(module, "capabilities_of"):
        return module.CAPABILITIES
    try:
        return module.capabilities_of(one.settings)
    except ValueError as wrong:
        raise CannotDo(f"connection {one.name}: {wrong}") from wrong


def _operation(one: Operation) -> OperationTold:
    return OperationTold(
        name=one.name,
        guarantee=one.guarantee.value,
        batch_size=one.batch_size,
        settle_seconds=one.settle_seconds,
        settle_source=one.settle_source,
        moves=one.moves,
        source=one.source,
    )


def _told(
    here: Installation,
    one: ConnectionSettings,
    mapping: RecordMapping,
    record: PublishedRecord | None,
    reads: tuple[str, str] | None,
) -> MappingTold:
    looked_at, dropped = _dropped(here, mapping, *reads) if reads is not None else (0, ())
    return MappingTold(
        name=mapping.name,
        connection=one.name,
        vendor=one.vendor,
        direction=mapping.direction.value,
        version=mapping.version,
        fields=tuple(mapping.rows()),
        contract=f"{record.name}: {record.origin}" if record is not None else "",
        unmapped=tuple(unmapped(mapping, record)) if record is not None else (),
        looked_at=looked_at,
        dropped=dropped,
    )


def unmapped(mapping: RecordMapping, record: PublishedRecord) -> list[PublishedField]:
    """Fields of the contract that the mapping does not read, or does not write."""
    if mapping.direction is Direction.TO_CANONICAL:
        paths = [field.path if record.letters_count else field.path.lower() for field in record.fields]
        unread = set(mapping.unread(_example(paths)))
        return [field for field, path in zip(record.fields, paths, strict=True) if path in unread]
    written = mapping.target_paths()
    return [
        field
        for field in record.fields
        if not any(field.path == path or field.path.startswith((f"{path}.", f"{path}[]")) for path in _leaves(written))
    ]


def _leaves(paths: set[str]) -> set[str]:
    """Without those that only lead to others: a written sublist says nothing of its other fields."""
    return {path for path in paths if not any(other.startswith((f"{path}.", f"{path}[]")) for other in paths)}


def _example(paths: list[str]) -> dict[str, Any]:
    """A record that has all these fields, list elements once."""
    record: dict[str, Any] = {}
    for path in paths:
        here: Any = record
        parts = path.split(".")
        for part in parts[:-1]:
            name = part.removesuffix("[]")
            if part.endswith("[]"):
                here = here.setdefault(name, [{}])[0]
            else:
                here = here.setdefault(name, {})
        last = parts[-1]
        here[last.removesuffix("[]")] = ["x"] if last.endswith("[]") else "x"
    return record


def _dropped(
    here: Installation, mapping: RecordMapping, connection: str, entity: str
) -> tuple[int, tuple[DroppedField, ...]]:
    """Fields of the latest records as received that the mapping does not read. Raises DamagedFile."""
    records = _latest_records(here, connection, entity)
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for native_id, record in records:
        for path in mapping.unread(record):
            counts[path] += 1
            examples.setdefault(path, native_id)
    found = [DroppedField(path=path, records=count, example=examples[path]) for path, count in sorted(counts.items())]
    return len(records), tuple(found)


def _latest_records(here: Installation, connection: str, entity: str) -> list[tuple[str, Mapping[str, Any]]]:
    files = here.lake.files(connection, entity)
    rows, since = 0, None
    for entry in reversed(files):
        since, rows = entry.earliest, rows + entry.rows
        if rows >= LATEST_RECORDS:
            break
    if since is None:
        return []
    table = here.lake.table(connection, entity, since=since, columns=["native_id", "payload"])
    table = table.slice(max(0, table.num_rows - LATEST_RECORDS))
    return [
        (native_id, msgspec.json.decode(payload))
        for native_id, payload in zip(
            table.column("native_id").to_pylist(), table.column("payload").to_pylist(), strict=True
        )
    ]
