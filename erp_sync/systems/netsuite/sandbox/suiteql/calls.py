"""Functions of SuiteQL, by name, with their arguments in the order written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from sqlglot import exp

from erp_sync.systems.netsuite.sandbox.suiteql import dates
from erp_sync.systems.netsuite.sandbox.suiteql.functions import UNIT
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import (
    NUMBERS,
    TIMES,
    Context,
    Scope,
    Typed,
    malformed,
    quoted,
    refused,
)

CallOf = Callable[[Context, list[exp.Expr], Scope, exp.Expr], Typed]


def name_of(node: exp.Expr) -> str | None:
    """The dialect leaves functions as they are written, except TRIM with its keywords."""
    if isinstance(node, exp.Trim):
        return "TRIM"
    return node.name.upper() if isinstance(node, exp.Anonymous) else None


def arguments_of(node: exp.Expr) -> list[exp.Expr]:
    return [node.this] if isinstance(node, exp.Trim) else list(node.expressions)


def now(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    self.timely = True
    return Typed("", "moment", moment=self.now)


def _to_time(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    values = [self.expression(argument, scope) for argument in arguments[:1]]
    model = _model(node, arguments)
    if model is None:
        if values[0].literal is None:
            raise malformed("TO_DATE needs a format")
        return Typed("", "moment", moment=self.constant_time(values[0].literal))
    if values[0].literal is None:
        return Typed(f"ns_to_moment({self.as_text(values[0])}, {quoted(model)})", "datetime")
    try:
        return Typed("", "moment", moment=dates.parse(values[0].literal, model, self.options.zone).astimezone(UTC))
    except dates.BadDate as error:
        raise malformed(str(error)) from error


def _model(node: exp.Expr, arguments: list[exp.Expr]) -> str | None:
    """The format model, a constant."""
    if len(arguments) < 2:
        return None
    if not isinstance(arguments[1], exp.Literal) or not arguments[1].is_string:
        raise malformed("the format of a date must be a text constant")
    return str(arguments[1].this)


def _to_char(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    value, model = self.plain(arguments[0], scope), _model(node, arguments)
    if model is None or value.kind in (*NUMBERS, "text"):
        if model is not None and value.kind in NUMBERS and set(model.upper()) - set("FM9"):
            raise refused("Invalid or unsupported search. Number formats other than FM999 are not supported here.")
        return Typed(self.as_text(value), "text")
    try:
        dates.tokens(model)
    except dates.BadDate as error:
        raise malformed(str(error)) from error
    return Typed(f"ns_to_char({value.sql}, {quoted(model)})", "text")


def trunc(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    value = self.expression(arguments[0], scope)
    if value.kind in TIMES:
        if len(arguments) > 1 and arguments[1].name.upper() not in ("DD", "DDD", "DAY", "J"):
            raise refused("Invalid or unsupported search. TRUNC of a date to other than the day is not supported here.")
        return Typed(f"ns_local_day({self.settled(value).sql})", "date")
    return _numeric("ns_trunc", True)(self, arguments, scope, node)


def _numeric(function: str, digits: bool) -> CallOf:
    def call(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
        value = self.as_decimal(self.plain(arguments[0], scope))
        places = "0"
        if digits and len(arguments) > 1:
            places = self.plain(arguments[1], scope).sql
        return Typed(f"{function}({value}, {places})", "decimal")

    return call


def _same_kind(function: str) -> CallOf:
    """Functions whose result has the kind of their argument: ABS, MIN, MAX."""

    def call(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
        inner = arguments[0]
        distinct = isinstance(inner, exp.Distinct)
        value = self.plain(inner.expressions[0] if distinct else inner, scope)
        return Typed(f"{function}({'DISTINCT ' if distinct else ''}{value.sql})", value.kind)

    return call


def _sum(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    inner = arguments[0]
    distinct = isinstance(inner, exp.Distinct)
    value = self.plain(inner.expressions[0] if distinct else inner, scope)
    sql = value.sql if value.kind == "integer" else self.as_decimal(value)
    return Typed(f"SUM({'DISTINCT ' if distinct else ''}{sql})", "integer" if value.kind == "integer" else "decimal")


def _average(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    value = self.as_decimal(self.plain(arguments[0], scope))
    return Typed(f"ns_divide(SUM({value}), COUNT({value}) * {UNIT})", "decimal")


def _count(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    inner = arguments[0] if arguments else exp.Star()
    if isinstance(inner, exp.Star):
        return Typed("COUNT(*)", "integer")
    if isinstance(inner, exp.Distinct):
        return Typed(f"COUNT(DISTINCT {self.plain(inner.expressions[0], scope).sql})", "integer")
    return Typed(f"COUNT({self.plain(inner, scope).sql})", "integer")


def _first_of(function: str) -> CallOf:
    """COALESCE, NVL, GREATEST, LEAST: all arguments in one kind."""

    def call(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
        values = [self.plain(argument, scope) for argument in arguments]
        sqls, kind = self.unify(values)
        return Typed(f"{function}({', '.join(sqls)})", kind)

    return call


def _nvl2(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    test, *rest = (self.plain(argument, scope) for argument in arguments)
    sqls, kind = self.unify(rest)
    return Typed(f"(CASE WHEN {test.sql} IS NOT NULL THEN {sqls[0]} ELSE {sqls[1]} END)", kind)


def _nullif(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    left, right = (self.plain(argument, scope) for argument in arguments)
    one, other, kind = self.alike(left, right)
    return Typed(f"NULLIF({one}, {other})", kind)


def _decode(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    subject, *rest = arguments
    pairs, default = rest[: len(rest) // 2 * 2], rest[-1] if len(rest) % 2 else None
    whens, results = [], []
    for search, result in zip(pairs[::2], pairs[1::2], strict=True):
        if isinstance(search, exp.Null):
            whens.append(f"{self.plain(subject, scope).sql} IS NULL")
        else:
            whens.append(self.condition(exp.EQ(this=subject.copy(), expression=search.copy()), scope))
        results.append(self.plain(result, scope))
    results.append(self.plain(default, scope) if default is not None else Typed("NULL", "null"))
    sqls, kind = self.unify(results)
    parts = " ".join(f"WHEN {when} THEN {sql}" for when, sql in zip(whens, sqls, strict=False))
    return Typed(f"(CASE {parts} ELSE {sqls[-1]} END)", kind)


def _textual(template: str, kind: str = "text") -> CallOf:
    """A function of texts; `{0}`, `{1}` stand for its arguments, further ones are numbers as they are."""

    def call(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
        values: list[str] = []
        for argument in arguments:
            value = self.plain(argument, scope)
            values.append(value.sql if value.kind == "integer" and values else self.as_text(value))
        try:
            return Typed(template.format(*values), kind)
        except IndexError as error:
            raise malformed("not enough arguments for function") from error

    return call


def _substr(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    return _textual("SUBSTR({0}, {1}, {2})" if len(arguments) > 2 else "SUBSTR({0}, {1})")(self, arguments, scope, node)


def _to_number(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    return Typed(self.as_decimal(self.plain(arguments[0], scope)), "decimal")


def _mod(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    left, right = (self.plain(argument, scope) for argument in arguments)
    if left.kind == right.kind == "integer":
        return Typed(f"({left.sql} % {right.sql})", "integer")
    return Typed(f"({self.as_decimal(left)} % {self.as_decimal(right)})", "decimal")


def _ranking(function: str) -> CallOf:
    def call(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
        return Typed(f"{function}()", "integer")

    return call


def _trim(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    position = str(node.args.get("position") or "").upper()
    function = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(position, "TRIM")
    return _textual(f"{function}({{0}})")(self, arguments[:1], scope, node)


def _pad(self: Context, arguments: list[exp.Expr], scope: Scope, node: exp.Expr) -> Typed:
    function = "ns_lpad" if node.name.upper() == "LPAD" else "ns_rpad"
    fill = "{2}" if len(arguments) > 2 else "' '"
    return _textual(f"{function}({{0}}, {{1}}, {fill})")(self, arguments, scope, node)


# Supported: Oracle help, SuiteQL Supported and Unsupported Functions (section_158513731864), those of use here.
CALLS: dict[str, CallOf] = {
    "ABS": _same_kind("ABS"), "MIN": _same_kind("MIN"), "MAX": _same_kind("MAX"), "SUM": _sum, "AVG": _average,
    "COUNT": _count, "COALESCE": _first_of("COALESCE"), "NVL": _first_of("COALESCE"), "IFNULL": _first_of("COALESCE"),
    "GREATEST": _first_of("MAX"), "LEAST": _first_of("MIN"), "NVL2": _nvl2, "NULLIF": _nullif, "DECODE": _decode,
    "LOWER": _textual("LOWER({0})"), "UPPER": _textual("UPPER({0})"), "INITCAP": _textual("ns_initcap({0})"),
    "TRIM": _trim, "LTRIM": _textual("LTRIM({0})"), "RTRIM": _textual("RTRIM({0})"), "SUBSTR": _substr,
    "REPLACE": _textual("REPLACE({0}, {1}, {2})"), "INSTR": _textual("INSTR({0}, {1})", "integer"),
    "LENGTH": _textual("LENGTH({0})", "integer"), "CONCAT": _textual("(COALESCE({0}, '') || COALESCE({1}, ''))"),
    "LPAD": _pad, "RPAD": _pad, "TO_CHAR": _to_char, "TO_DATE": _to_time, "TO_TIMESTAMP": _to_time,
    "TO_TIMESTAMP_TZ": _to_time, "TO_NUMBER": _to_number, "ROUND": _numeric("ns_round", True), "TRUNC": trunc,
    "FLOOR": _numeric("ns_floor", False), "CEIL": _numeric("ns_ceil", False), "MOD": _mod, "SYSDATE": now,
    "ROW_NUMBER": _ranking("ROW_NUMBER"), "RANK": _ranking("RANK"), "DENSE_RANK": _ranking("DENSE_RANK"),
}  # fmt: skip
