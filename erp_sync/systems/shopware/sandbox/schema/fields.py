"""What an entity is made of: fields with their form in the database and in JSON, and associations.

A field's kind decides how a value is checked (`writing.values`), kept and printed. Kinds: id, version, string, int,
float, bool, time, date, json, list, price (a list per currency), custom (custom fields), password.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import msgspec

from erp_sync.systems.shopware.sandbox.database import EXACT
from erp_sync.systems.shopware.sandbox.names import printed_time

FieldKind = Literal[
    "id", "version", "string", "int", "float", "bool", "time", "date", "json", "list", "price", "custom", "password"
]
AssociationKind = Literal["to_one", "to_many", "one_to_one", "many_to_many"]

_encoder = msgspec.json.Encoder(decimal_format="number")
_STRUCTURED = frozenset({"json", "list", "price", "custom"})
_COLUMNS: Mapping[str, str] = {
    "id": "TEXT", "version": "TEXT", "string": "TEXT COLLATE NOCASE", "int": "INTEGER",
    "float": f"TEXT COLLATE {EXACT}",
    "bool": "INTEGER", "time": "TEXT", "date": "TEXT", "json": "TEXT", "list": "TEXT", "price": "TEXT",
    "custom": "TEXT", "password": "TEXT",
}  # fmt: skip


def plain(number: Decimal) -> Decimal | int:
    """A number as PHP prints its floats: no zeros at the end, a whole number without a point."""
    short = number.normalize()
    return int(short) if short == short.to_integral_value() else short


def text_of(value: Any) -> str:
    """JSON of a structure, with exact decimals, printed as `plain` does."""
    return _encoder.encode(_plain(value)).decode()


def structure(text: str) -> Any:
    """What `text_of` wrote; numbers with a point are Decimals."""
    return json.loads(text, parse_float=Decimal)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


@dataclass(frozen=True)
class Field:
    """One property of an entity that is kept in a column of the same name.

    Attributes:
        required: must be there on creation.
        protected: cannot be written through the API.
        inherited: a variant's null means its parent's value.
        reference: entity that an id refers to; None: to one that the sandbox does not keep.
        constrained: the database refuses an id that does not exist.
        increment: the database numbers the rows.
        default: value of a new row without one.
        printed: may be read.
        translated: is printed under `translated`, too.
    """

    name: str
    kind: FieldKind
    required: bool = False
    protected: bool = False
    inherited: bool = False
    reference: str | None = None
    constrained: bool = True
    increment: bool = False
    default: Any = None
    printed: bool = True
    translated: bool = False

    @property
    def structured(self) -> bool:
        return self.kind in _STRUCTURED

    def column(self) -> str:
        return f'"{self.name}" {_COLUMNS[self.kind]}'

    def stored(self, value: Any) -> Any:
        """A checked value as the database keeps it."""
        if value is None:
            return None
        if self.structured:
            return text_of(value)
        if self.kind == "bool":
            return int(value)
        if self.kind == "float":
            return str(plain(Decimal(str(value))))
        return value

    @cached_property
    def loaded(self) -> Callable[[Any], Any]:
        """From the database's form of a value to the one printed."""
        if self.structured:
            return structure
        if self.kind == "bool":
            return bool
        if self.kind == "float":
            return lambda text: plain(Decimal(text))
        if self.kind in ("time", "date"):
            return printed_time
        return _same


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Association:
    """A way from one entity to another.

    Attributes:
        entity: the other one.
        own: field of this entity that is compared with `other` of the other one; for many_to_many with `near` of
            the mapping `table`, whose `far` is the other's id.
        delete: what happens to the others when this row is deleted: "", "cascade", "restrict", "null".
        autoload: is loaded unasked.
    """

    name: str
    kind: AssociationKind
    entity: str
    own: str = "id"
    other: str = "id"
    table: str = ""
    near: str = ""
    far: str = ""
    delete: str = ""
    autoload: bool = False
    inherited: bool = False
    protected: bool = False

    @property
    def many(self) -> bool:
        return self.kind in ("to_many", "many_to_many")


@dataclass(frozen=True)
class Entity:
    """An entity as sync calls it, with its fields and associations by name.

    Attributes:
        schema: its name in the published contract.
        versioned: rows have a version; orders can have drafts.
        unique: fields that no two rows may share.
    """

    name: str
    schema: str
    fields: Mapping[str, Field]
    associations: Mapping[str, Association]
    versioned: bool = False
    unique: tuple[tuple[str, ...], ...] = ()

    @property
    def path(self) -> str:
        """Its resource in URLs: ``order-delivery``."""
        return self.name.replace("_", "-")

    @property
    def keys(self) -> tuple[str, ...]:
        return ("id", "versionId") if self.versioned else ("id",)

    @cached_property
    def translated(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.fields.values() if one.translated)

    def load(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the table with values as they are printed; times become ``...T...+00:00``."""
        return {
            name: None if row[name] is None else known.loaded(row[name])
            for name, known in self.fields.items()
            if name in row
        }

    def statements(self) -> list[str]:
        columns = [one.column() for one in self.fields.values()]
        keys = ", ".join(f'"{name}"' for name in self.keys)
        made = [f'CREATE TABLE "{self.name}" ({", ".join(columns)}, PRIMARY KEY ({keys})) WITHOUT ROWID']
        made += [
            f'CREATE UNIQUE INDEX "uniq.{self.name}.{".".join(names)}" ON "{self.name}" ({", ".join(_quoted(names))})'
            for names in self.unique
        ]
        made += [
            f'CREATE INDEX "idx.{self.name}.{one.name}" ON "{self.name}" ("{one.name}")'
            for one in self.fields.values()
            if one.reference or one.increment
        ]
        return made


def _quoted(names: tuple[str, ...]) -> list[str]:
    return [f'"{name}"' for name in names]
