"""What the SuiteQL compiler passes around: expressions with their kind, scopes, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol

from sqlglot import exp

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.schema import Column
from erp_sync.systems.netsuite.sandbox.suiteql.functions import UNIT

NUMBERS = ("integer", "decimal")
TIMES = ("date", "datetime", "moment")
PREFIX = "Invalid search query. Detailed unprocessed description follows. Search error occurred: "


def refused(detail: str) -> VendorError:
    """A table, field or function that NetSuite does not have (USER_ERROR)."""
    return VendorError("USER_ERROR", PREFIX + detail)


def malformed(detail: str) -> VendorError:
    """A query that is no SuiteQL (INVALID_PARAMETER)."""
    return VendorError("INVALID_PARAMETER", f"Invalid search query. {detail}", query="q")


@dataclass(frozen=True)
class Typed:
    """SQL text with its kind. `moment` is the value of a date constant, `literal` that of a plain one."""

    sql: str
    kind: str
    moment: datetime | None = None
    literal: str | None = None
    column: Column | None = None
    source: str | None = None
    table: str | None = None


@dataclass
class Scope:
    """What names mean inside one SELECT: alias to (column to Typed), with the scope around it."""

    sources: dict[str, dict[str, Typed]] = field(default_factory=dict)
    base: dict[str, str] = field(default_factory=dict)
    outer: Scope | None = None
    aliases: dict[str, Typed] = field(default_factory=dict)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def scaled(text: str) -> int:
    """A number literal in units of 10^-8."""
    try:
        return int((Decimal(text) * UNIT).to_integral_value())
    except InvalidOperation as error:
        raise malformed(f"invalid number: {text}") from error


class Context(Protocol):
    """What functions and values need of the compiler."""

    options: Options
    now: datetime
    timely: bool

    def query(self, node: exp.Expr, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]: ...

    def expression(self, node: exp.Expr, scope: Scope) -> Typed: ...

    def plain(self, node: exp.Expr, scope: Scope) -> Typed: ...

    def settled(self, typed: Typed, kind: str = "datetime") -> Typed: ...

    def condition(self, node: exp.Expr, scope: Scope) -> str: ...

    def lookup(self, name: str, table: str, scope: Scope) -> Typed: ...

    def constant_time(self, text: str) -> datetime: ...

    def as_decimal(self, typed: Typed) -> str: ...

    def as_text(self, typed: Typed) -> str: ...

    def alike(self, left: Typed, right: Typed) -> tuple[str, str, str]: ...

    def unify(self, values: list[Typed]) -> tuple[list[str], str]: ...
