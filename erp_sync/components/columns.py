"""Columns of the assets as the UI shows them, read off the canonical model. Imports no Arrow: it costs at load."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

import dagster as dg

from erp_sync.components.flow_table import FlowKind
from erp_sync.components.records import RECORDS

_PLAIN = {
    "str": "string",
    "int": "int",
    "bool": "bool",
    "float": "double",
    "Decimal": "decimal",
    "datetime": "timestamp[us, UTC]",
    "date": "date",
    "dict[str, Any]": "map<string, any>",
}
_KEY = {
    "connection": "the system it comes from",
    "scope": "website, subsidiary or company",
    "native_id": "the system's own id",
}
_OFTEN = {
    "number": "what people call it",
    "version": "grows with each change",
    "sku": "stock keeping unit",
    "currency": "ISO code; amounts are in it",
    "custom": "fields of this installation, typed",
    "updated_at": "last change at the source",
}
EXTRACTED: dict[str, tuple[str, str]] = {
    "native_id": ("string", "the system's own id"),
    "scope": ("string", "website, subsidiary or company"),
    "version": ("string", "grows with each change"),
    "source_time": ("timestamp[us, UTC]", "last change, as the source says"),
    "created_time": ("timestamp[us, UTC]", "does not move; completeness is proved on it"),
    "payload": ("json", "the record as received; secrets and card data taken out"),
}
PLAN: dict[str, tuple[str, str]] = {
    "key": ("string", "what is written, e.g. SKU and place"),
    "action": ("string", "set or remove"),
    "before": ("json", "what the target is known to have; an applied plan can be undone by it"),
    "after": ("json", "what it is to have"),
    "reason": ("string", "why it changes"),
    "source_version": ("string", "of the row that it was worked out from"),
}
DELIVERED: dict[str, tuple[str, str]] = {
    "number": ("string", "what people call the document"),
    "operation": ("string", "create, update or cancel"),
    "state": ("string", "delivered, due, waiting, held or dead"),
    "steps": ("list<step>", "each with its key, its receipt and how often it was sent"),
    "code": ("string", "why it waits, is held or is dead"),
    "reason": ("string", "the same in words"),
    "finished_at": ("timestamp[us, UTC]", "when the last step was confirmed"),
}
KNOWN: dict[str, tuple[str, str]] = {
    "key": ("string", "e.g. place and SKU"),
    "value": ("json", "what the target has"),
    "origin": ("string", "written by us, or read"),
    "sure": ("bool", "false after an unknown outcome, or where another write moved it"),
    "source_version": ("string", "of the value's source"),
    "observed_at": ("timestamp[us, UTC]", "when it was written or read"),
}


def schema(columns: Mapping[str, tuple[str, str]]) -> dg.TableSchema:
    """Name to (type, description) as Dagster shows it."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, type=kind, description=words or None) for name, (kind, words) in columns.items()]
    )


@cache
def columns_of(stage: str, delivers: bool, entity: str) -> dg.TableSchema:
    """Columns of an asset; the same for every route, so made once."""
    if stage == "extracted":
        return schema(EXTRACTED)
    if stage == "loaded":
        return schema(DELIVERED if delivers else KNOWN)
    return schema(record_columns(entity) if delivers else PLAN)


def column_metadata(stage: str, kind: FlowKind) -> dict[str, dg.TableSchema]:
    return {"dagster/column_schema": columns_of(stage, kind.delivers, kind.entity)}


def record_columns(entity: str) -> dict[str, tuple[str, str]]:
    """Columns of a canonical record: its fields, their types, and what its docstring says of them."""
    module, name = RECORDS[entity]
    place = importlib.import_module(f"erp_sync.model.{module}")
    record = getattr(place, name)
    told = _OFTEN | _told(record.__doc__ or "") | _KEY
    found = {}
    for field in record.__struct_fields__:
        kind, parts = _type(place, record.__annotations__[field])
        found[field] = (kind, told.get(field) or parts)
    return found


def _type(place: Any, annotation: str) -> tuple[str, str]:
    """An annotation as an Arrow-like type; of a nested record also its fields, of an enumeration its values."""
    text = annotation.removesuffix(" | None")
    if text in _PLAIN:
        return _PLAIN[text], ""
    if match := re.fullmatch(r"tuple\[(.+), \.\.\.\]", text):
        kind, parts = _type(place, match[1])
        return f"list<{kind}>", f"each with {parts}" if parts else ""
    if match := re.fullmatch(r"tuple\[(.+)\]", text):
        return f"struct<{', '.join(_type(place, part)[0] for part in match[1].split(', '))}>", ""
    if match := re.fullmatch(r"Literal\[(.+)\]", text):
        return "string", "one of " + ", ".join(one.strip("'\"") for one in match[1].split(", "))
    nested = getattr(place, text)
    if issubclass(nested, Enum):
        return "string", ", ".join(nested)
    return "struct", ", ".join(nested.__struct_fields__)


def _told(doc: str) -> dict[str, str]:
    """The ``Attributes:`` of a docstring: name to words; a line may name several."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in doc.partition("Attributes:")[2].splitlines():
        if match := re.match(r"        (\w+(?:, \w+)*): (.+)", line):
            names = match[1].split(", ")
            found.update(dict.fromkeys(names, match[2].replace("``", "`")))
        elif line.startswith("            "):
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return {name: words.rstrip(".") for name, words in found.items()}
