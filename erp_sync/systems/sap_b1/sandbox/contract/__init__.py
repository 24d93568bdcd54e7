"""What the published contract of Service Layer 1.27 allows: types with their properties, enumerations, methods.

A property's kind is "string", "integer", "number", the name of an enumeration, of a type, or ``Type[]``. Dates and
times are strings in the contract; which is which follows from their names (`is_date`, `is_time`).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_DATES = frozenset(
    ["ValidFrom", "ValidTo", "FrozenFrom", "FrozenTo", "DateFrom", "Dateto", "Effectivefrom", "DateOfBirth", "Date",
     "ExemptionValidityDateFrom", "ExemptionValidityDateTo", "RequriedDate"]
)  # fmt: skip


@cache
def _document() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "entities.json").read_text())


@cache
def properties(type_name: str) -> dict[str, str]:
    """Property to kind. Raises KeyError for a type that is not in the cut."""
    return dict(_document()["types"][type_name])


def is_published(type_name: str) -> bool:
    """False for a type whose properties come from the SDK help instead."""
    return type_name not in _document()["own"]


def types() -> list[str]:
    return sorted(_document()["types"])


@cache
def enum(name: str) -> tuple[str, ...] | None:
    """Members of an enumeration, or None if it is none."""
    members = _document()["enums"].get(name)
    return None if members is None else tuple(members)


def methods(entity_set: str) -> dict[str, str]:
    """The writing calls that are published for an entity set or a service, e.g. {"Orders(id)/Close": "POST"}."""
    return dict(_document()["methods"].get(entity_set, {}))


def origin() -> str:
    """Where the contract was published."""
    return str(_document()["origin"])


def element(kind: str) -> str | None:
    """The type of a collection's rows, or None if the kind is no collection."""
    return kind[:-2] if kind.endswith("[]") else None


def is_date(name: str, kind: str) -> bool:
    return kind == "string" and (name.endswith("Date") or name in _DATES)


def is_time(name: str, kind: str) -> bool:
    return kind == "string" and name.endswith("Time")
