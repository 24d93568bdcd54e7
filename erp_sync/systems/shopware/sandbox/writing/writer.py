"""Upserts and deletes of entities with what is nested in them, as one unit of work.

All rows are checked first and every complaint is kept; only when there is none are the commands carried out, and a
reference that does not exist undoes them all. Facts: shopware/shopware src/Core/Framework/DataAbstractionLayer/Write
(EntityWriter, WriteCommandExtractor). Properties that an entity does not have are passed over in silence. Whoever
nests a child writes its parent, too: the parent's updatedAt moves; a child written by itself moves nothing else.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.errors import Error, ShopwareError
from erp_sync.systems.shopware.sandbox.passwords import hashed
from erp_sync.systems.shopware.sandbox.schema import declared
from erp_sync.systems.shopware.sandbox.schema.fields import Association, Entity, Field, structure
from erp_sync.systems.shopware.sandbox.writing.values import Rejected, checked

Operation = Literal["insert", "update", "delete"]
_CHUNK = 500
_STATES = frozenset({"order", "order_delivery", "order_transaction"})


@dataclass
class Command:
    """One row to insert or update, with the row that was there before."""

    entity: Entity
    operation: Operation
    key: tuple[str, str]
    columns: dict[str, Any]
    before: dict[str, Any] | None = None
    given: list[str] = field(default_factory=list)

    @property
    def keys(self) -> dict[str, str]:
        return {"id": self.key[0], "versionId": self.key[1]} if self.entity.versioned else {"id": self.key[0]}


@dataclass(frozen=True)
class Link:
    """A row of a mapping table to add or to take away."""

    table: str
    columns: Mapping[str, str]
    add: bool = True


class Writer:
    """One unit of work. Use `upsert` and `delete`, then `execute` inside a transaction.

    Arguments:
        system: writes what the API protects (Context::SYSTEM_SCOPE), as the shop's own code does.
    """

    def __init__(
        self, database: Database, entities: Mapping[str, Entity], now: datetime, *, version: str = names.LIVE_VERSION,
        system: bool = False,
    ) -> None:  # fmt: skip
        self.database, self.entities, self.version, self.system = database, entities, version, system
        self.now, self._moment = names.stored_time(now), now
        self.errors: list[Error] = []
        self.commands: list[Command] = []
        self.links: list[Link] = []
        self._known: dict[tuple[str, str, str], dict[str, Any] | None] = {}
        self._staged: set[tuple[str, str, str]] = set()
        self._last: dict[str, int] = {}
        self._within: dict[str, str] = {}
        self._depth = 0

    # -- what is there already -----------------------------------------------------------------------------------

    def prefetch(self, entity: Entity, rows: Iterable[Any]) -> None:
        """Look all rows up at once that are going to be written."""
        wanted = [row["id"] for row in rows if isinstance(row, Mapping) and names.is_id(row.get("id"))]
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            text, values = f'SELECT * FROM "{entity.name}" WHERE id IN ({marks(chunk)})', list(chunk)
            if entity.versioned:
                text, values = f'{text} AND "versionId" = ?', [*values, self.version]
            found = {row["id"]: row for row in self.database.rows(text, values)}
            for identity in chunk:
                self._known[entity.name, identity, self.version] = found.get(identity)

    def existing(self, entity: Entity, identity: str) -> dict[str, Any] | None:
        """The row as it is, or None."""
        key = (entity.name, identity, self.version)
        if key not in self._known:
            self.prefetch(entity, [{"id": identity}])
        return self._known[key]

    # -- upsert --------------------------------------------------------------------------------------------------

    def upsert(
        self,
        entity: Entity,
        row: Any,
        path: str,
        *,
        owner: tuple[str, str] | None = None,
        only: Operation | None = None,
    ) -> str:
        """Check a row and what is nested in it; returns its id.

        Arguments:
            path: pointer to the row.
            owner: field and id of the row that it is nested in.
            only: "insert" or "update" where the other must not happen. Raises ShopwareError.
        """
        if not isinstance(row, Mapping):
            raise errors.plain(400, "Invalid payload. Should contain a list of associative arrays")
        if self._depth == 0:
            self._within = {}
        self._depth += 1
        try:
            return self._upsert(entity, row, path, owner, only)
        finally:
            self._depth -= 1

    def _upsert(
        self, entity: Entity, row: Mapping[str, Any], path: str, owner: tuple[str, str] | None, only: Operation | None
    ) -> str:
        given = dict(row)
        if owner is not None:
            given[owner[0]] = owner[1]
        identity = given.get("id") or names.new_id(self._moment)
        if not names.is_id(identity):
            raise errors.invalid_id(identity)
        given["id"] = identity
        before = self.existing(entity, identity)
        fresh = before is None and (entity.name, identity, self.version) not in self._staged
        if only == "update" and fresh:
            raise errors.write_intent(entity.name)
        self._staged.add((entity.name, identity, self.version))
        self._within[entity.name] = identity
        self._translations(given)
        self._nested_ones(entity, given, path)
        command = Command(entity, "insert" if fresh else "update", (identity, self.version), {}, before)
        command.given = [name for name in given if name in entity.fields]
        self._columns(command, given, path)
        self.commands.append(command)
        self._nested_many(entity, given, path, identity)
        return identity

    def _columns(self, command: Command, given: Mapping[str, Any], path: str) -> None:
        entity, fresh = command.entity, command.operation == "insert"
        parent = given.get("parentId") or (command.before or {}).get("parentId")
        child = bool(parent) and entity.name in declared.INHERITED
        defaults = declared.CHILD_DEFAULTS.get(entity.name, frozenset()) if child else None
        for name, known in entity.fields.items():
            if self._automatic(command, known, given):
                continue
            pointer = f"{path}/{name}"
            if name in given:
                try:
                    self._given(command, known, given[name], pointer, child)
                except Rejected as rejected:
                    self.errors += rejected.errors
            elif fresh and known.default is not None and (defaults is None or name in defaults):
                command.columns[name] = known.stored(known.default)
            elif fresh and known.required and not (child and known.inherited):
                if known.reference in self._within and known.kind == "id":
                    # FkFieldSerializer::shouldUseContext: the row above that is referred to, at any depth
                    command.columns[name] = self._within[known.reference or ""]
                else:
                    self.errors.append(errors.blank(pointer))
        self._generated(command)

    def _automatic(self, command: Command, known: Field, given: Mapping[str, Any]) -> bool:
        """Fields that nobody sets, or that follow from others."""
        name, columns = known.name, command.columns
        if name == "id":
            columns[name] = command.key[0]
        elif name == "versionId":
            columns[name] = command.key[1]
        elif known.kind == "version":
            order = command.entity.name.startswith("order") and not name.startswith("product")
            columns[name] = self.version if order else names.LIVE_VERSION
        elif name == "createdAt":
            if command.operation == "insert":
                moment = names.read_time(str(given["createdAt"])) if given.get("createdAt") else None
                columns[name] = names.stored_time(moment) if moment else self.now
        elif name == "updatedAt":
            if command.operation == "update":
                columns[name] = self.now
        elif known.increment:
            if command.operation == "insert":
                columns[name] = self._incremented(command.entity, name)
        else:
            return False
        return True

    def _incremented(self, entity: Entity, name: str) -> int:
        if entity.name not in self._last:
            self._last[entity.name] = self.database.value(f'SELECT max("{name}") FROM "{entity.name}"') or 0
        self._last[entity.name] += 1
        return self._last[entity.name]

    def _given(self, command: Command, known: Field, value: Any, pointer: str, child: bool) -> None:
        if known.protected and not self.system and known.name not in declared.GENERATED.get(command.entity.name, {}):
            # The pointer names the field twice (WriteCommandExtractor::validateContextHasPermission).
            raise Rejected(errors.violation("This field is write-protected.", f"{pointer}{known.name}"))
        if known.protected and not self.system:
            return
        if known.name == "stateId" and command.entity.name in _STATES and command.operation == "update":
            self._state_unchanged(pointer)
        if value is None and known.required and not (child and known.inherited):
            raise Rejected(errors.blank(pointer))
        made = checked(command.entity, known, value, pointer)
        if made is None and known.required and not (child and known.inherited):
            raise Rejected(errors.blank(pointer))
        if known.kind == "password" and made is not None:
            made = hashed(str(made))
        if known.kind == "custom" and made and command.before and command.before.get(known.name):
            made = {**structure(command.before[known.name]), **made}  # JsonUpdateCommand: merged key by key
        command.columns[known.name] = known.stored(made)

    def _state_unchanged(self, pointer: str) -> None:
        """FieldSerializer/StateMachineStateFieldSerializer."""
        if self.system:
            return
        template = (
            "Changing the state-machine-state of this entity is not allowed for scope {{ scope }}. Either change the "
            "state-machine-state via a state-transition or use a different scope."
        )
        raise Rejected(errors.violation(
            template.replace("{{ scope }}", "crud"), pointer, template=template, parameters={"{{ scope }}": "crud"},
        ))  # fmt: skip

    def _generated(self, command: Command) -> None:
        columns = command.columns
        for name, (source, part) in declared.GENERATED.get(command.entity.name, {}).items():
            if source in columns:
                value = structure(columns[source]) if columns[source] else {}
                known = command.entity.fields[name]
                columns[name] = known.stored(value.get(part)) if isinstance(value, dict) else None
        if command.entity.name == "order" and "orderDateTime" in columns:
            columns["orderDate"] = f"{columns['orderDateTime'][:10]} 00:00:00.000"
        if command.entity.name == "product" and "stock" in columns:
            columns["availableStock"] = columns["stock"]  # AvailableStockMirrorSubscriber

    # -- nested --------------------------------------------------------------------------------------------------

    def _translations(self, given: dict[str, Any]) -> None:
        translations = given.pop("translations", None)
        if isinstance(translations, Mapping):
            rows = [{"languageId": key, **value} for key, value in translations.items() if isinstance(value, Mapping)]
        else:
            rows = [dict(row) for row in translations or () if isinstance(row, Mapping)]
        for row in rows:
            if row.get("languageId") in (names.LANGUAGE, "en-GB"):
                given.update({name: value for name, value in row.items() if name != "languageId"})

    def _nested_ones(self, entity: Entity, given: dict[str, Any], path: str) -> None:
        """What this row refers to is written first, for its id."""
        for known in entity.associations.values():
            value = given.get(known.name)
            if known.kind == "to_one" and isinstance(value, Mapping):
                other = self.entities[known.entity]
                inner = dict(value)
                if given.get(known.own) and "id" not in inner:
                    inner["id"] = given[known.own]
                owner = self._owner_of_nested(entity, other, given)
                given[known.own] = self.upsert(other, inner, f"{path}/{known.name}", owner=owner)

    def _owner_of_nested(self, entity: Entity, other: Entity, given: dict[str, Any]) -> tuple[str, str] | None:
        """Addresses belong to the customer or the order, also where they are nested as its default ones."""
        back = {"customer": "customerId", "order": "orderId", "order_delivery": "orderId"}.get(entity.name)
        if back is None or back not in other.fields:
            return None
        if entity.name == "order_delivery":
            return (back, given["orderId"]) if given.get("orderId") else None
        return back, given["id"]

    def _nested_many(self, entity: Entity, given: Mapping[str, Any], path: str, identity: str) -> None:
        for known in entity.associations.values():
            value = given.get(known.name)
            if value is None or known.kind == "to_one":
                continue
            pointer, other = f"{path}/{known.name}", self.entities[known.entity]
            if known.kind == "one_to_one":
                self.upsert(other, value, pointer, owner=(known.other, identity))
                continue
            if not isinstance(value, list):
                self.errors.append(errors.wrong_type(pointer, "array", value))
                continue
            self.prefetch(other, value)
            for index, row in enumerate(value):
                if known.kind == "many_to_many":
                    self._link(known, other, row, f"{pointer}/{index}", identity)
                else:
                    self.upsert(other, row, f"{pointer}/{index}", owner=(known.other, identity))

    def _link(self, known: Association, other: Entity, row: Any, path: str, identity: str) -> None:
        only_id = isinstance(row, Mapping) and set(row) == {"id"}
        if only_id and not names.is_id(row["id"]):
            raise errors.invalid_id(row["id"])
        target = row["id"] if only_id else self.upsert(other, row, path)
        self.links.append(Link(known.table, {known.near: identity, known.far: target}))

    # -- carrying out --------------------------------------------------------------------------------------------

    def execute(self) -> list[Command]:
        """Raises ShopwareError: all complaints, else the first that the database has."""
        if self.errors:
            raise ShopwareError(self.errors)
        for command in self.commands:
            self._run(command)
        for link in self.links:
            if link.add:
                self.database.insert(link.table, link.columns, instead="OR REPLACE")
            else:
                self.database.delete(link.table, link.columns)
        self._references()
        return self.commands

    def _run(self, command: Command) -> None:
        try:
            if command.operation == "insert":
                self.database.insert(command.entity.name, command.columns)
            else:
                self.database.update(command.entity.name, command.keys, command.columns)
        except sqlite3.IntegrityError as error:
            fields = re.findall(r"\.(\w+)", str(error).partition("failed: ")[2])
            values = [str(command.columns.get(name)) for name in fields if name != "versionId"]
            raise errors.unique(command.entity.name, fields, "-".join(values)) from error

    def _references(self) -> None:
        wanted: dict[str, dict[str, tuple[str, str]]] = {}
        for command in self.commands:
            for name, known in command.entity.fields.items():
                value = command.columns.get(name)
                if value is not None and known.reference and known.constrained:
                    wanted.setdefault(known.reference, {}).setdefault(value, (command.entity.name, name))
        for link in self.links:
            for name, value in link.columns.items() if link.add else ():
                target = _far_entity(link.table, name)
                wanted.setdefault(target, {}).setdefault(value, (link.table, name))
        for reference, ids in wanted.items():
            listed = list(ids)
            for start in range(0, len(listed), _CHUNK):
                chunk = listed[start : start + _CHUNK]
                there = set(self.database.column(f'SELECT id FROM "{reference}" WHERE id IN ({marks(chunk)})', chunk))
                for identity in chunk:
                    if identity not in there:
                        raise errors.foreign_key(*ids[identity], reference)


def _far_entity(table: str, name: str) -> str:
    """The entity that a field of a mapping table refers to."""
    if name == "optionId":
        return "property_group_option"
    if name == "individualPricingId":
        return "b2b_components_individual_pricing"
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name.removesuffix("Id")).lower()
