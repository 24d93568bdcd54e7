"""What NetSuite's published contract allows: properties of records, their sublists and subrecords."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Properties that every resource may carry (REST shapes, not fields of the record).
ENVELOPE = frozenset({"links", "refName", "externalId", "id"})
CUSTOM_PREFIXES = ("custbody", "custcol", "custentity", "custitem", "custrecord")


@dataclass(frozen=True)
class RecordContract:
    """Names and SOAP types of one record; "unknown" is a type that only the REST browser lists.

    Attributes:
        fields: body property to type.
        sublists: sublist to (line property to type).
        subrecords: body property to the name of a shape in `subrecord`.
    """

    name: str
    fields: dict[str, str]
    sublists: dict[str, dict[str, str]]
    subrecords: dict[str, str]

    @property
    def properties(self) -> set[str]:
        return {*self.fields, *self.sublists, *self.subrecords, *ENVELOPE}


@cache
def _document() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "records.json").read_text())


@cache
def record(name: str) -> RecordContract | None:
    """The published contract of a record, or None where none is published."""
    found = _document()["records"].get(name)
    return RecordContract(name, found["fields"], found["sublists"], found["subrecords"]) if found else None


@cache
def subrecord(shape: str) -> dict[str, str]:
    """Properties of ``Address`` or ``InventoryDetail``."""
    return _document()["subrecords"][shape]


def origin() -> str:
    """Where the contract was published."""
    return _document()["origin"]


def records() -> list[str]:
    return sorted(_document()["records"])
