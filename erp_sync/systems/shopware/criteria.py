"""Search criteria of the Admin API, typed.

Facts: shopware/docs search-criteria; core `Search/Parser/QueryStringParser` (filters), `SqlQueryParser` (a range's
values go to the database as they are, so times are written as it stores them), `RequestCriteriaBuilder`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

LARGEST_PAGE = 500  # shopware.api.max_limit; above it: 400 FRAMEWORK__QUERY_LIMIT_EXCEEDED
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_ID = re.compile(r"[0-9a-f]{32}")
_MILLISECOND = timedelta(milliseconds=1)


class Filter(Protocol):
    """One condition."""

    def body(self) -> dict[str, Any]:
        """As the request has it."""


def _checked(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise ValueError(f"{name!r} is no field of a search; expected a path such as deliveries.updatedAt")
    return name


@dataclass(frozen=True)
class Equals:
    """The field has this value; None is null. Raises ValueError for "", which the vendor refuses."""

    field: str
    value: str | int | bool | None

    def __post_init__(self) -> None:
        _checked(self.field)
        if self.value == "":
            raise ValueError(f"{self.field}: the vendor has no search for an empty text")

    def body(self) -> dict[str, Any]:
        return {"type": "equals", "field": self.field, "value": self.value}


@dataclass(frozen=True)
class OneOf:
    """The field has one of these values. Raises ValueError where there is none: the vendor refuses an empty list."""

    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _checked(self.field)
        if not self.values or "" in self.values:
            raise ValueError(f"{self.field}: no values to look for, or an empty one")

    def body(self) -> dict[str, Any]:
        return {"type": "equalsAny", "field": self.field, "value": list(self.values)}


@dataclass(frozen=True)
class Between:
    """A time in [start, end), widened to whole milliseconds, in which the vendor stores it."""

    field: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        _checked(self.field)

    def body(self) -> dict[str, Any]:
        parameters = {"gte": time_text(self.start), "lt": time_text(_whole(self.end))}
        return {"type": "range", "field": self.field, "parameters": parameters}


@dataclass(frozen=True)
class Above:
    """A number greater than this one."""

    field: str
    number: int

    def __post_init__(self) -> None:
        _checked(self.field)

    def body(self) -> dict[str, Any]:
        return {"type": "range", "field": self.field, "parameters": {"gt": self.number}}


@dataclass(frozen=True)
class All:
    """All of the conditions hold: of a list's element all on the same one (core: JoinGroupBuilder)."""

    queries: tuple[Filter, ...]
    operator: str = "and"

    def __post_init__(self) -> None:
        if not self.queries:
            raise ValueError("a group of no conditions")

    def body(self) -> dict[str, Any]:
        return {"type": "multi", "operator": self.operator, "queries": [one.body() for one in self.queries]}


def any_of(*queries: Filter) -> All:
    """At least one of the conditions holds."""
    return All(queries, "or")


def touched(start: datetime, end: datetime, path: str = "") -> tuple[Filter, ...]:
    """The record (or one below `path`, e.g. ``deliveries``) was last written in [start, end).

    ``updatedAt`` is null until the first change: until then the time of creation counts. Alternatives for `any_of`.
    """
    stem = f"{path}." if path else ""
    created = All((Equals(f"{stem}updatedAt", None), Between(f"{stem}createdAt", start, end)))
    return (Between(f"{stem}updatedAt", start, end), created)


@dataclass(frozen=True)
class Criteria:
    """A search. Immutable: each method returns a larger one.

    Attributes:
        filters: joined by AND.
        sort: (field, direction), most significant first.
        ids: only these; switches the vendor's paging off, so never more than a page of them.
        associations: name to the criteria of what is answered along.
        includes: entity (snake_case) to the fields answered of it; of entities that are not named, all.
    """

    filters: tuple[Filter, ...] = ()
    sort: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    ids: tuple[str, ...] = ()
    associations: Mapping[str, Criteria] = field(default_factory=dict)
    includes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def where(self, *filters: Filter) -> Criteria:
        return replace(self, filters=(*self.filters, *filters))

    def sorted_by(self, *fields: str) -> Criteria:
        """Ascending."""
        return replace(self, sort=tuple((_checked(one), "ASC") for one in fields))

    def at_most(self, limit: int) -> Criteria:
        """Raises ValueError for a limit that the vendor refuses."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise ValueError(f"a page of {limit} rows; the vendor answers 1 to {LARGEST_PAGE}")
        return replace(self, limit=limit)

    def only(self, ids: Iterable[str]) -> Criteria:
        """Raises ValueError for none, for more than a page, and for what is no id (the vendor answers 400)."""
        given = tuple(ids)
        if not 1 <= len(given) <= LARGEST_PAGE:
            raise ValueError(f"{len(given)} ids in one search; 1 to {LARGEST_PAGE} are read")
        for one in given:
            if not is_id(one):
                raise ValueError(f"{one!r} is no id of the vendor: 32 lower-case hexadecimal digits")
        return replace(self, ids=given)

    def along(self, *paths: str) -> Criteria:
        """Answer these, too: ``deliveries.stateMachineState``."""
        found = self
        for path in paths:
            name, _, rest = _checked(path).partition(".")
            inner = found.associations.get(name, Criteria())
            found = replace(found, associations={**found.associations, name: inner.along(rest) if rest else inner})
        return found

    def including(self, includes: Mapping[str, tuple[str, ...]]) -> Criteria:
        return replace(self, includes={**self.includes, **includes})

    def body(self) -> dict[str, Any]:
        """The request's body. Without ``total-count-mode``: the total is then that of the page, and costs nothing."""
        found: dict[str, Any] = {}
        if self.ids:
            found["ids"] = list(self.ids)
        if self.limit is not None:
            found["limit"] = self.limit
        if self.filters:
            found["filter"] = [one.body() for one in self.filters]
        if self.sort:
            found["sort"] = [{"field": name, "order": direction} for name, direction in self.sort]
        if self.associations:
            found["associations"] = {name: inner.body() for name, inner in self.associations.items()}
        if self.includes:
            found["includes"] = {entity: list(fields) for entity, fields in self.includes.items()}
        return found


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def time_text(moment: datetime) -> str:
    """As the vendor stores a time: UTC, milliseconds (rounded down). Raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def time_of(text: str) -> datetime:
    """The aware UTC time of the vendor's notation, ``2025-10-09T12:11:03.811+00:00``. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _whole(moment: datetime) -> datetime:
    part = moment.microsecond % 1000
    return moment if part == 0 else moment - timedelta(microseconds=part) + _MILLISECOND
