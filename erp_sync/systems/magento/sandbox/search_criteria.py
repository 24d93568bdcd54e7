"""`searchCriteria` of Magento's lists: filters, sorting, paging.

Facts: developer.adobe.com "Search using REST APIs" and magento/magento2 `Framework/Api/SearchCriteria`,
`Framework/Data/Collection/AbstractDb`. Filters in a group are joined by OR, groups by AND; without pageSize
everything is returned; a page past the end is empty (since 2.4); currentPage below 1 is 1. A condition type that the
database adapter does not know is equality, without a word (`Framework/DB/Adapter/Pdo/Mysql::prepareSqlCondition`):
misspelt ones, ones in capitals, and `moreq`, which the documentation lists (AdobeDocs/commerce-webapi issue 602).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeVar

from erp_sync.systems.magento.sandbox.database import DECIMAL, EXACT, Database, Row
from erp_sync.systems.magento.sandbox.errors import InputException, InternalError, LocalizedException

Key = TypeVar("Key")
Found = TypeVar("Found")

MAX_PAGE_SIZE = 300  # with input limits on
DEFAULT_PAGE_SIZE = 20  # with input limits on

_BRACKETS = re.compile(r"\[([^\]]*)\]")


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Query parameters as PHP reads them: ``a[b][0]=1`` is ``{"a": {"b": {"0": "1"}}}``."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, _ = name.partition("[")
        keys = [head, *_BRACKETS.findall(name[len(head) :])] if bracket else [head]
        place = result
        for key in keys[:-1]:
            deeper = place.get(key or str(len(place)))
            if not isinstance(deeper, dict):
                deeper = place[key or str(len(place))] = {}
            place = deeper
        place[keys[-1] or str(len(place))] = value
    return result


@dataclass(frozen=True)
class Filter:
    field: str
    value: str
    condition: str = "eq"


@dataclass(frozen=True)
class SearchCriteria:
    """What a list was asked for."""

    groups: tuple[tuple[Filter, ...], ...] = ()
    orders: tuple[tuple[str, str], ...] = ()
    page_size: int | None = None
    current_page: int | None = None
    echo: dict[str, Any] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        return (max(self.current_page or 1, 1) - 1) * (self.page_size or 0)

    def fields(self) -> set[str]:
        return {entry.field for group in self.groups for entry in group}

    @classmethod
    def parse(cls, query: Mapping[str, Any], *, input_limits: bool = False) -> SearchCriteria:
        """From nested query parameters. Raises InputException when `searchCriteria` is missing at all."""
        if "searchCriteria" not in query and "search_criteria" not in query:
            raise InputException.required(["searchCriteria"])
        given = query.get("searchCriteria", query.get("search_criteria"))
        given = given if isinstance(given, dict) else {}
        known = {_plain(name): value for name, value in given.items()}
        unknown = set(known) - {"filter_groups", "sort_orders", "page_size", "current_page"}
        if unknown:
            raise InternalError(f'Property "{sorted(unknown)[0]}" does not have accessor method in SearchCriteria.')
        groups = tuple(
            tuple(_filter(entry) for entry in _entries(group.get("filters") if isinstance(group, dict) else None))
            for group in _entries(known.get("filter_groups"))
        )
        orders = tuple(
            (str(entry.get("field", "")), str(entry.get("direction", "")).upper())
            for entry in _entries(known.get("sort_orders"))
            if isinstance(entry, dict)
        )
        for _, direction in orders:
            if direction not in ("ASC", "DESC", ""):
                raise InputException("Sort order direction must be one of ASC, DESC")
        size, page = _number(known.get("page_size"), "pageSize"), _number(known.get("current_page"), "currentPage")
        if input_limits:
            size = size or DEFAULT_PAGE_SIZE
            if size > MAX_PAGE_SIZE:
                raise InputException("Maximum SearchCriteria pageSize is %max", {"max": MAX_PAGE_SIZE})
        groups = tuple(group for group in groups if group)
        echo: dict[str, Any] = {
            "filter_groups": [
                {"filters": [{"field": f.field, "value": f.value, "condition_type": f.condition} for f in group]}
                for group in groups
            ]
        }
        if orders:
            echo["sort_orders"] = [{"field": name, "direction": direction} for name, direction in orders]
        if size is not None:
            echo["page_size"] = size
        if page is not None:
            echo["current_page"] = page
        return cls(groups, orders, size or None, page, echo)


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _entries(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


def _filter(entry: Any) -> Filter:
    known = {_plain(name): value for name, value in entry.items()} if isinstance(entry, dict) else {}
    value = known.get("value", "")
    if isinstance(value, dict):
        value = ",".join(map(str, value.values()))
    return Filter(str(known.get("field", "")), str(value), str(known.get("condition_type") or "eq"))


def _number(value: Any, name: str) -> int | None:
    if value is None or value == "":
        return None
    try:
        return int(str(value))
    except ValueError:
        raise InputException(
            f'Error occurred during "{name}" processing. The "{value}" value\'s type is invalid. '
            'The "int" type was expected. Verify and try again.'
        ) from None


Column = tuple[str, str]  # SQL expression, declared type


@dataclass(frozen=True)
class Listing:
    """A table that can be listed.

    Attributes:
        source: what stands after FROM.
        columns: attributes that may be filtered and sorted by, with SQL expression and type.
        key: expression that is selected and orders rows of equal rank.
        attribute: for EAV entities, finds the expression of an attribute without a column.
        unknown: what an unknown attribute raises: a masked SQL error for flat tables.
    """

    source: str
    columns: Mapping[str, Column]
    key: str
    attribute: Callable[[str], Column | None] | None = None
    eav: bool = False

    def keys(self, database: Database, criteria: SearchCriteria) -> tuple[list[Any], int]:
        """Keys of the asked page in order, and the total count."""
        values: list[Any] = []
        conditions = []
        for group in criteria.groups:
            alternatives = [self._condition(entry, values) for entry in group]
            conditions.append("(" + " OR ".join(alternatives) + ")")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        total = int(database.value(f"SELECT count(*) AS total FROM {self.source}{where}", values))
        orders = [
            f"{_comparable(self._column(name))} {'ASC' if direction == 'ASC' else 'DESC'}"
            for name, direction in criteria.orders
        ]
        query = f"SELECT {self.key} AS found FROM {self.source}{where} ORDER BY {', '.join([*orders, self.key])}"
        if criteria.page_size:
            query += " LIMIT ? OFFSET ?"
            values = [*values, criteria.page_size, criteria.offset]
        return database.column(query, values), total

    def _column(self, name: str) -> Column:
        column = self.columns.get(name) or (self.attribute(name) if self.attribute else None)
        if column is None:
            if self.eav:
                raise LocalizedException("Invalid attribute name: %1", [name])
            raise InternalError(f"SQLSTATE[42S22]: Column not found: 1054 Unknown column '{name}' in 'where clause'")
        return column

    def _condition(self, entry: Filter, values: list[Any]) -> str:
        column = self._column(entry.field)
        side = _comparable(column)
        condition, text = entry.condition, entry.value
        if condition in ("eq", "neq", "gt", "gteq", "lt", "lteq", "from", "to"):
            operator = {"eq": "=", "neq": "<>", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}
            operator |= {"from": ">=", "to": "<="}
            values.append(_operand(text, column))
            return f"{side} {operator[condition]} ?"
        if condition in ("in", "nin"):
            parts = text.split(",")
            values.extend(
                _operand(part.strip() if column[1] not in ("TEXT", "TIME") else part, column) for part in parts
            )
            return f"{side} {'NOT IN' if condition == 'nin' else 'IN'} ({', '.join('?' * len(parts))})"
        if condition in ("like", "nlike"):
            values.append(text.replace("\\%", "%"))
            return f"{column[0]} {'NOT LIKE' if condition == 'nlike' else 'LIKE'} ?"
        if condition in ("null", "notnull"):
            return f"{column[0]} IS {'NOT ' if condition == 'notnull' else ''}NULL"
        if condition in ("finset", "nfinset"):
            values.append(f"%,{text},%")
            return f"(',' || coalesce({column[0]}, '') || ',') {'NOT ' if condition == 'nfinset' else ''}LIKE ?"
        values.append(_operand(text, column))
        return f"{side} = ?"


def _comparable(column: Column) -> str:
    expression, kind = column
    if kind == DECIMAL:
        return f"CAST({expression} AS TEXT) COLLATE {EXACT}"
    return f"{expression} COLLATE NOCASE" if kind == "TEXT" else expression


def _operand(text: str, column: Column) -> Any:
    if column[1] in (DECIMAL, "INTEGER"):
        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            return "0" if column[1] == DECIMAL else 0  # MySQL compares text with a number column as 0
        if column[1] == DECIMAL:
            return format(number, "f")
        return int(number) if number == int(number) else float(number)
    if column[1] == "TIME" and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?(Z|\+00:00)?", text):
        return text[:19].replace("T", " ")
    return text


def table_listing(database: Database, table: str, key: str) -> Listing:
    """A flat table: its columns are what it may be filtered by."""
    return _flat(table, key, tuple(database.columns(table).items()))


@lru_cache(256)
def _flat(table: str, key: str, kinds: tuple[tuple[str, str], ...]) -> Listing:
    columns = {name: (f"{table}.{name}", "TIME" if name.endswith("_at") else kind) for name, kind in kinds}
    return Listing(source=table, columns=columns, key=f"{table}.{key}")


def answer(items: list[Any], criteria: SearchCriteria, total: int) -> dict[str, Any]:
    """The three parts of every list."""
    return {"items": items, "search_criteria": criteria.echo, "total_count": total}


def in_parts(keys: Sequence[Key], find: Callable[[list[Key]], list[Found]], size: int = 500) -> list[Found]:
    """What `find` gives for all keys, asked in parts: a list without pageSize can be longer than a query may be."""
    return [one for start in range(0, len(keys), size) for one in find(list(keys[start : start + size]))]


def in_order(rows: list[Row], key: str, wanted: list[Any]) -> list[Row]:
    """Rows in the order of their keys."""
    by_key = {row[key]: row for row in rows}
    return [by_key[value] for value in wanted if value in by_key]
