"""Which fields of a source's record a document's fields are made of, by the mapping that its connection declares.

A record in quarantine never became a document: people name fields as documents do, and the record has the vendor's.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger import codec
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import RecordMapping
from erp_sync.ports.paths import MISSING, BadPath, getter, leaves
from erp_sync.ports.published import Served


class RecordFields:
    """Of one installation, whose mappings are worked out once each. Calls no vendor, reads no secret."""

    def __init__(self, here: Installation) -> None:
        self._here = here
        self._known: dict[tuple[str, str], RecordMapping | None] = {}

    def mapping(self, row: Quarantined) -> RecordMapping | None:
        """What makes a document of the row's record; None for rows of plans and what no source declares."""
        kind, route = FLOWS.get(row.flow), self._here.configuration.routes.get(row.route)
        if kind is None or route is None or getattr(route, kind.source) != row.connection:
            return None
        key = (row.connection, kind.source_entity)
        if key not in self._known:
            self._known[key] = self._declared(*key)
        return self._known[key]

    def number(self, row: Quarantined) -> str:
        """What customer and operator call the document; the record's id where it holds no number."""
        mapping, record = self.mapping(row), held(row)
        sources = mapping.sources_of("number") if mapping is not None else ()
        numbers = [str(value) for source in sources[:1] if (value := getter(source)(record))]
        return numbers[0] if numbers else row.native_id

    def to_set(self, row: Quarantined) -> list[str]:
        """Fields of the document for which the row was refused: the one that its reason names, and those of the same
        kind that are made of the same value, which would be refused next. Empty where nothing can be set."""
        mapping, record = self.mapping(row), held(row)
        if mapping is None or not row.field:
            return []
        rows = [one for one in mapping.rows() if "[]" not in one.target and mapping.sources_of(one.target)]
        refused = next((one for one in rows if one.target == row.field), None)
        if refused is None or len(mapping.sources_of(row.field)) != 1:
            return []
        name, value = row.field.rpartition(".")[2], getter(refused.source)(record)
        return [
            one.target
            for one in rows
            if (one.mapping, one.target.rpartition(".")[2]) == (refused.mapping, name)
            and getter(one.source)(record) == value
            and getter(one.source.rpartition(".")[0])(record)  # where there is no address, none is asked for
        ]

    def _declared(self, connection: str, entity: str) -> RecordMapping | None:
        spec = self._here.configuration.connection(connection)
        one = ConnectionSettings(
            name=connection,
            vendor=spec.vendor,
            base_url="",
            credentials={},
            settings=spec.settings,
            time_zone=spec.time_zone,
        )
        system = f"erp_sync.systems.{one.vendor}"
        served: Served = importlib.import_module(f"{system}.contract").SERVED.get((entity, "source"), Served())
        declared: dict[str, RecordMapping] = importlib.import_module(f"{system}.connector").mappings(one)
        return declared[served.mappings[0]] if served.mappings else None


def held(row: Quarantined) -> Any:
    """The record as it was refused; an empty one where it is kept no more or cannot be read."""
    try:
        return codec.from_json(row.row) if row.row else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def in_record(mapping: RecordMapping, record: Any, changes: Mapping[str, str]) -> dict[str, str]:
    """These changes with the record's own paths in place of the document's. Raises CannotDo for a path that is
    neither, and for a field that is made of several."""
    found = {}
    for path, value in changes.items():
        if _has(record, path):
            found[path] = value
            continue
        sources = mapping.sources_of(path)
        if len(sources) > 1:
            raise CannotDo(f"{path} is made of {', '.join(sources)}: set one of these")
        if not sources and path.partition(".")[0].partition("[")[0] not in record:
            raise no_field(path, [*mapping.target_paths(), *leaves(record)])
        found[sources[0] if sources else path] = value
    return found


def refuse_unread(mapping: RecordMapping, before: Any, after: Any) -> None:
    """Raises CannotDo where a field was put into the record that the mapping does not read."""
    known = mapping.unread(before)
    for path in mapping.unread(after):
        if path not in known:
            raise no_field(path, leaves(before))


def no_field(path: str, known: list[str]) -> CannotDo:
    """That there is no such field; the one that is spelled most like it is named."""
    nearest = get_close_matches(path, known, 1)
    meant = f"; {nearest[0]} is" if nearest else ""
    return CannotDo(f"{path} is no field of it{meant}; `erp-sync deadletters show` prints all of them")


def _has(record: Any, path: str) -> bool:
    try:
        return getter(path)(record) is not MISSING
    except BadPath:
        return False
