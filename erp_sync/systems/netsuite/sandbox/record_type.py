"""What every record type does: create, change, delete, read, and name itself in the URL."""

from __future__ import annotations

import json
from typing import Any

from erp_sync.systems.netsuite.sandbox import contract
from erp_sync.systems.netsuite.sandbox.errors import VendorError, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, answer, canonical, merged, parse, parse_custom, print_custom
from erp_sync.systems.netsuite.sandbox.fields import parse_other as other_properties
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row

NO_REPLACE: frozenset[str] = frozenset()


class RecordType:
    """One record of the REST service. Subclasses say which table, which properties and which rules.

    Attributes:
        name: as in the URL, e.g. ``salesOrder``.
        table, where: its rows.
        group: whose external ids it shares (transaction, entity, item), or its own table.
        custom_prefix: of its custom fields.
        computed: properties of the contract that NetSuite computes; ignored on write.
        sublists: those that the sandbox fills; others of the contract answer empty.
        writes: False where REST only reads here.
    """

    name: str
    table: str
    where: str = "1 = 1"
    group: str = ""
    custom_prefix: str = "-"
    fields: tuple[Field, ...] = ()
    computed: frozenset[str] = frozenset()
    sublists: tuple[str, ...] = ()
    subrecords: tuple[str, ...] = ()
    writes: bool = True
    label: str = "name"

    # --- finding -------------------------------------------------------------------------------------

    def row(self, session: Session, internal_id: int) -> Row | None:
        return session.store.one(f'SELECT * FROM "{self.table}" WHERE id = ? AND {self.where}', internal_id)

    def by_external_id(self, session: Session, external_id: str) -> int | None:
        found = session.store.value(f'SELECT id FROM "{self.table}" WHERE externalid = ? AND {self.where}', external_id)
        return None if found is None else int(found)

    def document(self, row: Row) -> str:
        """Business key for the journal."""
        return row["externalid"] or str(row["id"])

    # --- writing -------------------------------------------------------------------------------------

    def canonical(self, session: Session, body: Any) -> dict[str, Any]:
        clean = canonical(session, self.name, body, self.custom_prefix, self.hidden(session))
        return {name: value for name, value in clean.items() if name not in self.computed}

    def hidden(self, session: Session) -> tuple[frozenset[str], frozenset[str]]:
        """Properties of the contract, of the body and of lines, that this account does not have."""
        return frozenset(), frozenset()

    def create(self, session: Session, body: Any) -> int:
        raise self._unsupported("create")

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        raise self._unsupported("update")

    def delete(self, session: Session, internal_id: int) -> None:
        raise self._unsupported("delete")

    def editable(self, session: Session, internal_id: int) -> None:
        """Raises VendorError for a record that nobody may change or delete any more."""

    def _unsupported(self, operation: str) -> VendorError:
        return VendorError(
            "METHOD_NOT_ALLOWED", f"The record '{self.name}' does not support the operation '{operation}'.", status=405
        )

    def columns(
        self,
        session: Session,
        body: dict[str, Any],
        stored: Row | None = None,
        replace: frozenset[str] = NO_REPLACE,
    ) -> dict[str, Any]:
        """Columns of the body's declared, custom and otherwise allowed properties."""
        columns = parse(session, self.fields, body)
        if "externalid" in columns:
            own = None if stored is None else stored["id"]
            session.claim_external_id(self.group or self.table, columns["externalid"], own)
        custom = parse_custom(session, body, self.custom_prefix)
        if custom:
            columns["custom"] = merged(stored["custom"] if stored is not None else None, custom)
        handled = {*(field.name for field in self.fields), *self.computed, *self.sublists, *self.subrecords}
        before = stored["other"] if stored is not None else None
        other = other_properties(self.name, body, handled, before, replace)
        if other:
            columns["other"] = merged(before, other)
        return columns

    def forget(self, session: Session, row: Row, script_id: str) -> None:
        """Delete the row and leave its trace in deletedrecord."""
        session.store.delete(self.table, id=row["id"])
        session.store.run(
            "INSERT OR REPLACE INTO deletedrecord (recordid, type, name, scriptid, deleteddate, iscustomlist, "
            "iscustomrecord, iscustomtransaction) VALUES (?, ?, ?, ?, ?, 'F', 'F', 'F')",
            row["id"], self.name.lower(), row[self.label], script_id, session.now,
        )  # fmt: skip
        session.wrote(self.name, row["externalid"], row["id"], "delete")

    # --- reading -------------------------------------------------------------------------------------

    def read(
        self, session: Session, internal_id: int, *, expand: bool, simple_enums: bool = False
    ) -> dict[str, Any] | None:
        """The record as GET answers it, or None. Sublists and subrecords are links unless expanded."""
        row = self.row(session, internal_id)
        if row is None:
            return None
        href = f"{session.base}/{self.name}/{internal_id}"
        out: dict[str, Any] = {"links": [{"rel": "self", "href": href}], "id": str(internal_id)}
        if "other" in row.keys():  # noqa: SIM118
            out.update(_kept(json.loads(row["other"] or "{}"), href, expand))
        out.update(answer(session, self.fields, row, simple_enums=simple_enums))
        if "custom" in row.keys():  # noqa: SIM118
            out.update(print_custom(session, row["custom"]))
        out.update(self.extra(session, row))
        published = contract.record(self.name)
        if published is not None:  # item types share their columns; each answers what its own contract has
            known = published.properties
            out = {name: value for name, value in out.items() if name in known or name.startswith("cust")}
        for name in self.sublists:
            link = f"{href}/{name}"
            out[name] = self.sublist_body(session, row, name, link) if expand else {"links": _self(link)}
        for name in self.subrecords:
            link = f"{href}/{name}"
            out[name] = self.subrecord(session, row, name, link) if expand else {"links": _self(link)}
        return out

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        """Computed properties."""
        return {}

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        """Lines of a sublist, each with `line` or `id` as its key for the link."""
        return []

    def sublist_body(self, session: Session, row: Row, name: str, href: str, key: str = "line") -> dict[str, Any]:
        items = []
        published = contract.record(self.name)
        known = published.sublists.get(name) if published else None
        for index, line in enumerate(self.lines(session, row, name), start=1):
            if known is not None:  # record types share their lines; each answers what its own contract has
                line = {key: value for key, value in line.items() if key in known or key.startswith("custcol")}
            line_key = line.get("line") or line.get("id") or index
            items.append({"links": _self(f"{href}/{line_key}"), **line})
        return {
            "links": _self(href),
            "items": items,
            "totalResults": len(items),
            "count": len(items),
            "hasMore": False,
            "offset": 0,
        }

    def subrecord(self, session: Session, row: Row, name: str, href: str) -> dict[str, Any]:
        return {"links": _self(href)}

    # --- help ----------------------------------------------------------------------------------------

    def allowed(self) -> set[str]:
        published = contract.record(self.name)
        return published.properties if published else {field.name for field in self.fields} | contract.ENVELOPE


def _kept(other: dict[str, Any], href: str, expand: bool) -> dict[str, Any]:
    """Properties kept as they were sent; sublists among them with their envelope."""
    out = {}
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            link = f"{href}/{name}"
            lines = [
                {"links": _self(f"{link}/{number}"), **line} for number, line in enumerate(value["items"], start=1)
            ]
            whole = {"items": lines, "totalResults": len(lines), "count": len(lines), "hasMore": False, "offset": 0}
            value = {"links": _self(link), **(whole if expand else {})}
        out[name] = value
    return out


def _self(href: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": href}]


def dependent(what: str = "record") -> VendorError:
    """A record that others use cannot be deleted."""
    return user_error(f"This {what} cannot be deleted because it has dependent records.")
