"""The ``q`` of record collections: ``lastModifiedDate AFTER "1/15/2024" AND (tranId IS "SO1001" OR ...)``.

Facts (Oracle help, Record Collection Filtering): operators by the field's type, each with ``_NOT``; values in
quotes or as numbers, lists in square brackets; dates in the account's format, not ISO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.fields import Field
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.schema import SCALES
from erp_sync.systems.netsuite.sandbox.suiteql import dates

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\],])|(?P<word>[^\s()\[\],"]+))')
_TEXT = ("IS", "CONTAIN", "START_WITH", "END_WITH")
_NUMBER = ("EQUAL", "GREATER", "GREATER_OR_EQUAL", "LESS", "LESS_OR_EQUAL", "ANY_OF", "BETWEEN", "WITHIN")
_DATE = ("AFTER", "BEFORE", "ON", "ON_OR_AFTER", "ON_OR_BEFORE", "BETWEEN", "WITHIN")
_COMPARE = {"EQUAL": "=", "GREATER": ">", "GREATER_OR_EQUAL": ">=", "LESS": "<", "LESS_OR_EQUAL": "<="}


def condition(query: str, fields: Iterable[Field], options: Options) -> tuple[str, list[Any]]:
    """SQL condition and its values. Raises VendorError (INVALID_PARAMETER) for what is not understood."""
    parser = _Parser(query, {field.name.lower(): field for field in fields}, options)
    sql = parser.either()
    if parser.rest:
        raise parser.wrong(f"unexpected '{parser.rest[0]}'")
    return sql, parser.values


class _Parser:
    def __init__(self, query: str, fields: dict[str, Field], options: Options) -> None:
        self.query, self.fields, self.options = query, fields, options
        self.values: list[Any] = []
        self.rest: list[str] = []
        at = 0
        while at < len(query.rstrip()):
            match = _TOKEN.match(query, at)
            if match is None:
                raise self.wrong("unbalanced quotes")
            self.rest.append(match.group(match.lastgroup or 0))
            at = match.end()

    def wrong(self, why: str) -> VendorError:
        return VendorError("INVALID_PARAMETER", f"Invalid query parameter q ({self.query[:200]}): {why}.", query="q")

    def take(self) -> str:
        if not self.rest:
            raise self.wrong("it ends too early")
        return self.rest.pop(0)

    def either(self) -> str:
        parts = [self.both()]
        while self.rest and self.rest[0].upper() == "OR":
            self.take()
            parts.append(self.both())
        return "(" + " OR ".join(parts) + ")"

    def both(self) -> str:
        parts = [self.single()]
        while self.rest and self.rest[0].upper() == "AND":
            self.take()
            parts.append(self.single())
        return " AND ".join(parts)

    def single(self) -> str:
        first = self.take()
        if first == "(":
            inner = self.either()
            if self.take() != ")":
                raise self.wrong("a parenthesis is missing")
            return inner
        field = self.fields.get(first.lower())
        if field is None and first.lower() == "id":
            field = Field("id", "id", "integer")
        if field is None:
            raise self.wrong(f"the field '{first}' cannot be filtered")
        operator = self.take().upper()
        negated = operator.endswith("_NOT")
        sql = self.compare(field, operator.removesuffix("_NOT"))
        return f"NOT COALESCE(({sql}), 0)" if negated else sql

    def compare(self, field: Field, operator: str) -> str:
        column = f'"{field.column}"'
        if operator == "EMPTY":
            return f"{column} IS NULL"
        if field.kind == "date" or field.column.endswith(("date", "datecreated")):
            return self.dated(field, column, operator)
        if field.kind in SCALES or field.kind in ("integer", "reference"):
            return self.numeric(field, column, operator)
        if field.kind == "flag" and operator == "IS":
            self.values.append("T" if self.value().lower() == "true" else "F")
            return f"{column} = ?"
        return self.textual(field, column, operator)

    def textual(self, field: Field, column: str, operator: str) -> str:
        if operator == "ANY_OF":
            values = self.list_of()
            self.values += values
            return f"{column} IN ({', '.join('?' * len(values))})"
        if operator not in _TEXT:
            raise self.wrong(f"'{operator}' does not suit '{field.name}'; use one of {', '.join(_TEXT)}")
        value = self.value()
        if operator == "IS":
            self.values.append(value)
            return f"LOWER({column}) = LOWER(?)"
        escaped = re.sub(r"([\\%_])", r"\\\1", value)
        self.values.append(
            {"CONTAIN": f"%{escaped}%", "START_WITH": f"{escaped}%", "END_WITH": f"%{escaped}"}[operator]
        )
        return f"{column} LIKE ? ESCAPE '\\'"

    def numeric(self, field: Field, column: str, operator: str) -> str:
        if operator not in _NUMBER and operator != "IS":
            raise self.wrong(f"'{operator}' does not suit '{field.name}'; use one of {', '.join(_NUMBER)}")
        number = f"CAST({column} AS NUMERIC)"
        values = self.list_of() if operator in ("ANY_OF", "BETWEEN", "WITHIN") else [self.value()]
        for value in values:
            if not re.fullmatch(r"-?\d+(\.\d+)?", value):
                raise self.wrong(f"'{value}' is no number")
        self.values += values
        marks = ["CAST(? AS NUMERIC)"] * len(values)
        if operator == "ANY_OF":
            return f"{number} IN ({', '.join(marks)})"
        if operator in ("BETWEEN", "WITHIN"):
            if len(values) != 2:
                raise self.wrong(f"{operator} takes two values")
            return f"{number} BETWEEN {marks[0]} AND {marks[1]}"
        return f"{number} {_COMPARE.get(operator, '=')} {marks[0]}"

    def dated(self, field: Field, column: str, operator: str) -> str:
        if operator not in _DATE:
            raise self.wrong(f"'{operator}' does not suit '{field.name}'; use one of {', '.join(_DATE)}")
        texts = self.list_of() if operator in ("BETWEEN", "WITHIN") else [self.value()]
        try:
            zone = self.options.zone
            moments = [dates.parse_account_date(text, self.options.date_format, zone) for text in texts]
        except dates.BadDate as error:
            raise self.wrong(str(error)) from error
        kind = "date" if field.kind == "date" else "datetime"
        starts = [dates.as_stored(moment, kind, zone) for moment in moments]
        timed = [":" in text for text in texts]
        ends = [
            start if has_time and kind == "datetime" else dates.as_stored(moment + timedelta(days=1), kind, zone)
            for moment, start, has_time in zip(moments, starts, timed, strict=True)
        ]
        if operator in ("BETWEEN", "WITHIN"):
            if len(starts) != 2:
                raise self.wrong(f"{operator} takes two values")
            self.values += [starts[0], ends[1]]
            return f"({column} >= ? AND {column} < ?)"
        if operator == "ON":
            self.values += [starts[0], ends[0]]
            return f"({column} >= ? AND {column} < ?)"
        self.values.append({"AFTER": ends, "ON_OR_BEFORE": ends, "BEFORE": starts, "ON_OR_AFTER": starts}[operator][0])
        return f"{column} {'>=' if operator in ('AFTER', 'ON_OR_AFTER') else '<'} ?"

    def value(self) -> str:
        token = self.take()
        if token in "()[],":
            raise self.wrong("a value is missing")
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token

    def list_of(self) -> list[str]:
        if not self.rest or self.rest[0] != "[":
            return [self.value(), *([self.value()] if self.rest and self.rest[0] == "AND" and self.take() else [])]
        self.take()
        values = [self.value()]
        while self.rest and self.rest[0] == ",":
            self.take()
            values.append(self.value())
        if self.take() != "]":
            raise self.wrong("a bracket is missing")
        return values
