"""Custom records: ``customrecord_x`` with fields by script id."""

from __future__ import annotations

import json
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import VendorError, already_exists
from erp_sync.systems.netsuite.sandbox.fields import Field, merged, parse, parse_value, print_value
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE, RecordType
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row

_KINDS = {"number": "rate", "boolean": "flag", "list": "enum"}


class CustomRecord(RecordType):
    """One custom record type of the account; external ids are unique within it."""

    table = "customrecord"
    custom_prefix = "custrecord"
    fields = (
        Field("name", "name", length=100),
        Field("externalId", "externalid"),
        Field("isInactive", "isinactive", "flag"),
        Field("created", "created", writable=False),
        Field("lastModified", "lastmodified", writable=False),
    )

    def __init__(self, script_id: str, declared: dict[str, str]) -> None:
        self.name, self._declared = script_id, declared

    @property
    def where(self) -> str:  # type: ignore[override]
        return f"scriptid = '{self.name}'"

    def create(self, session: Session, body: Any) -> int:
        columns = self._columns(session, body, None)
        record = session.store.insert(
            "customrecord",
            **{
                "isinactive": "F", **columns, "id": session.next_number(f"id of {self.name}"), "scriptid": self.name,
                "created": session.now, "lastmodified": session.now,
            },
        )  # fmt: skip
        internal_id = int(session.store.value("SELECT id FROM customrecord WHERE rowid = ?", record))
        session.wrote(self.name, columns.get("externalid"), internal_id)
        return internal_id

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        columns = self._columns(session, body, stored)
        keys = {"scriptid": self.name, "id": internal_id}
        session.store.update("customrecord", keys, **columns, lastmodified=session.now)
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        session.store.delete("customrecord", scriptid=self.name, id=internal_id)
        session.wrote(self.name, row["externalid"], internal_id, "delete")

    def _columns(self, session: Session, body: Any, stored: Row | None) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise VendorError("INVALID_CONTENT", "The request body is not a JSON object.")
        names = {name.lower(): name for name in [*self._declared, *(field.name for field in self.fields)]}
        clean = {}
        for key, value in body.items():
            if key.lower() in names:
                clean[names[key.lower()]] = value
            elif session.names == "Error":
                raise VendorError(
                    "INVALID_CONTENT", f"Unknown property '{key}'. Provide a valid property name.", path=key
                )
        columns = parse(session, self.fields, clean)
        if columns.get("externalid") is not None:
            other = self.by_external_id(session, columns["externalid"])
            if other is not None and (stored is None or other != stored["id"]):
                raise already_exists(self.name)
        custom = {
            name: parse_value(session, Field(name, name, _KINDS.get(kind, kind)), clean[name], name)
            for name, kind in self._declared.items()
            if name in clean
        }
        if custom:
            columns["custom"] = merged(None if stored is None else stored["custom"], custom)
        return columns

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        out = {}
        for name, value in json.loads(row["custom"] or "{}").items():
            kind = self._declared.get(name)
            if kind is not None:
                out[name] = print_value(session, Field(name, name, _KINDS.get(kind, kind)), value)
        return out
