"""Expressions of SuiteQL: conversions between kinds, comparisons and conditions."""

from __future__ import annotations

from datetime import datetime

from sqlglot import exp

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.suiteql import dates
from erp_sync.systems.netsuite.sandbox.suiteql.calls import CALLS, arguments_of, name_of
from erp_sync.systems.netsuite.sandbox.suiteql.functions import UNIT
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import (
    NUMBERS,
    TIMES,
    Scope,
    Typed,
    malformed,
    quoted,
    refused,
    scaled,
)
from erp_sync.systems.netsuite.sandbox.suiteql.values import VALUES

_COMPARISONS: dict[type, str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
}  # fmt: skip


class Expressions:
    """Turns parsed expressions into SQL with a kind. The compiler adds queries."""

    options: Options
    now: datetime
    timely: bool

    def query(self, node: exp.Expr, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]:
        raise NotImplementedError

    # --- values ------------------------------------------------------------------------------------------

    def expression(self, node: exp.Expr, scope: Scope) -> Typed:
        """Raises VendorError for what SuiteQL does not have."""
        handler = VALUES.get(type(node))
        if handler is not None:
            return handler(self, node, scope)
        name = name_of(node)
        if name is not None:
            call = CALLS.get(name)
            if call is None:
                raise refused(f"Invalid or unsupported search. Function '{name}' is not supported.")
            return call(self, arguments_of(node), scope, node)
        if isinstance(node, exp.Condition | exp.Predicate | exp.Not):
            return Typed(self.condition(node, scope), "condition")
        raise malformed(f"Failed to parse SQL: {node.sql()[:80]} is not supported")

    def plain(self, node: exp.Expr, scope: Scope) -> Typed:
        """An expression whose date constant, if it is one, has become SQL."""
        return self.settled(self.expression(node, scope))

    def settled(self, typed: Typed, kind: str = "datetime") -> Typed:
        if typed.moment is None:
            return typed
        return Typed(quoted(dates.as_stored(typed.moment, kind, self.options.zone)), kind)

    def lookup(self, name: str, table: str, scope: Scope) -> Typed:
        """What a column name means here or in the queries around."""
        around: Scope | None = scope
        while around is not None:
            if table and table in around.sources:
                if name in around.sources[table]:
                    return around.sources[table][name]
                raise _no_field(name, around.base.get(table, table))
            if not table:
                found = [source[name] for source in around.sources.values() if name in source]
                if len(found) > 1:
                    raise malformed(f"column ambiguously defined: {name}")
                if found:
                    return found[0]
            around = around.outer
        if table:
            raise refused(f"Record '{table}' was not found.")
        raise _no_field(name, ", ".join(scope.base.get(alias, alias) for alias in scope.sources))

    def constant_time(self, text: str) -> datetime:
        """A text that stands where a date is expected, in the account's format."""
        try:
            return dates.parse_account_date(text, self.options.date_format, self.options.zone)
        except dates.BadDate as error:
            raise malformed(f"{error}: use TO_DATE or TO_TIMESTAMP with a format") from error

    # --- conversions -------------------------------------------------------------------------------------

    def as_decimal(self, typed: Typed) -> str:
        """SQL of a number in units of 10^-8."""
        if typed.kind in ("decimal", "null"):
            return typed.sql
        if typed.kind == "integer":
            return f"({typed.sql} * {UNIT})"
        if typed.literal is not None:
            return str(scaled(typed.literal))
        if typed.kind == "text":
            return f"ns_to_number({typed.sql})"
        raise malformed("expected a number")

    def as_text(self, typed: Typed) -> str:
        if typed.kind in ("text", "null"):
            return typed.sql
        if typed.kind == "integer":
            return f"CAST({typed.sql} AS TEXT)"
        if typed.kind == "decimal":
            return f"ns_number_text({typed.sql})"
        if typed.kind in TIMES:
            return f"ns_shown({self.settled(typed).sql})"
        raise malformed("expected a text")

    def alike(self, left: Typed, right: Typed) -> tuple[str, str, str]:
        """Both sides in one kind, and that kind."""
        if left.kind in TIMES or right.kind in TIMES:
            return self._times(left, right)
        if left.kind in NUMBERS or right.kind in NUMBERS:
            column, other = (left, right) if left.column is not None else (right, left)
            if other.kind in NUMBERS and column.kind == "text" and other.literal is not None:
                # Oracle turns the texts into numbers; ids and codes are compared as they are written.
                text = quoted(other.literal)
                return (left.sql, text, "text") if column is left else (text, right.sql, "text")
            if left.kind == right.kind == "integer" or "null" in (left.kind, right.kind):
                return left.sql, right.sql, left.kind if right.kind == "null" else right.kind
            integers = [
                side for side in (left, right) if side.kind == "text" and (side.literal or "").lstrip("-").isdigit()
            ]
            if integers and "integer" in (left.kind, right.kind):
                sides = [str(int(side.literal or 0)) if side.kind == "text" else side.sql for side in (left, right)]
                return sides[0], sides[1], "integer"
            return self.as_decimal(left), self.as_decimal(right), "decimal"
        if "condition" in (left.kind, right.kind):
            raise malformed("a condition is not a value")
        return left.sql, right.sql, "text" if left.kind == "null" else left.kind

    def _times(self, left: Typed, right: Typed) -> tuple[str, str, str]:
        sides = []
        for side in (left, right):
            if side.kind == "text":
                if side.literal is None:
                    raise malformed("inconsistent datatypes: expected DATE")
                side = Typed("", "moment", moment=self.constant_time(side.literal))
            if side.kind not in (*TIMES, "null"):
                raise malformed("inconsistent datatypes: expected DATE")
            sides.append(side)
        kinds = {side.kind for side in sides} - {"moment", "null"}
        at_midnight = all(
            side.moment is None or side.moment.astimezone(self.options.zone).strftime("%H%M%S") == "000000"
            for side in sides
        )
        if kinds == {"date"} and at_midnight:
            done = [self.settled(side, "date").sql for side in sides]
            return done[0], done[1], "date"
        done = [f"ns_midnight({side.sql})" if side.kind == "date" else self.settled(side).sql for side in sides]
        return done[0], done[1], "datetime"

    def unify(self, values: list[Typed]) -> tuple[list[str], str]:
        """Several values in one kind."""
        kinds = {value.kind for value in values} - {"null"}
        if not kinds:
            return [value.sql for value in values], "null"
        if kinds <= set(NUMBERS):
            if kinds == {"integer"}:
                return [value.sql for value in values], "integer"
            return [value.sql if value.kind == "null" else self.as_decimal(value) for value in values], "decimal"
        if len(kinds) == 1:
            return [value.sql for value in values], kinds.pop()
        if kinds == {"date", "datetime"}:
            return [f"ns_midnight({value.sql})" if value.kind == "date" else value.sql for value in values], "datetime"
        return [self.as_text(value) for value in values], "text"

    # --- conditions --------------------------------------------------------------------------------------

    def condition(self, node: exp.Expr, scope: Scope) -> str:
        """SQL of a predicate."""
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this, scope)})"
        if isinstance(node, exp.And | exp.Or):
            word = "AND" if isinstance(node, exp.And) else "OR"
            return f"({self.condition(node.left, scope)} {word} {self.condition(node.right, scope)})"
        if isinstance(node, exp.Not):
            return f"NOT ({self.condition(node.this, scope)})"
        if isinstance(node, exp.Binary) and type(node) in _COMPARISONS:
            return self._compare(_COMPARISONS[type(node)], node.left, node.right, scope)
        if isinstance(node, exp.Is):
            if not isinstance(node.expression, exp.Null):
                raise malformed("IS takes NULL or NOT NULL")
            return f"{self.plain(node.this, scope).sql} IS NULL"
        if isinstance(node, exp.Between):
            low = self._compare(">=", node.this, node.args["low"], scope)
            return f"({low} AND {self._compare('<=', node.this, node.args['high'], scope)})"
        if isinstance(node, exp.In):
            return self._in(node, scope)
        if isinstance(node, exp.Like | exp.Escape):
            return self._like(node, scope)
        if isinstance(node, exp.Exists):
            sql, _ = self.query(node.this, scope)
            return f"EXISTS ({sql})"
        raise malformed(f"Failed to parse SQL: {node.sql()[:80]} is no condition")

    def _compare(self, word: str, left: exp.Expr, right: exp.Expr, scope: Scope) -> str:
        one, other = self.expression(left, scope), self.expression(right, scope)
        one, other = _with_status(one, other), _with_status(other, one)
        first, second, _ = self.alike(one, other)
        return f"{first} {word} {second}"

    def _in(self, node: exp.In, scope: Scope) -> str:
        subject = self.expression(node.this, scope)
        query = node.args.get("query")
        if query is not None:
            sql, columns = self.query(query, scope)
            if len(columns) != 1:
                raise malformed("too many values")
            inner = Typed('"v"', columns[0][1])
            if {subject.kind, inner.kind} == {"text", "integer"}:
                return f'{self.as_text(subject)} IN (SELECT CAST("{columns[0][0]}" AS TEXT) FROM ({sql}))'
            return f"{subject.sql} IN ({sql})"
        if len(node.expressions) > 1000:
            raise malformed("maximum number of expressions in a list is 1000")
        values = [self.expression(value, scope) for value in node.expressions]
        kinds = [self.alike(_with_status(subject, value), value) for value in values]
        first = {pair[0] for pair in kinds}
        if len(first) == 1:
            return f"{first.pop()} IN ({', '.join(pair[1] for pair in kinds)})"
        return "(" + " OR ".join(f"{pair[0]} = {pair[1]}" for pair in kinds) + ")"

    def _like(self, node: exp.Expr, scope: Scope) -> str:
        escape = "\\"
        if isinstance(node, exp.Escape):
            escape, node = node.expression.this, node.this
        subject, pattern = self.plain(node.this, scope), self.plain(node.expression, scope)
        if pattern.literal is not None:  # GLOB tells upper from lower case, as Oracle's LIKE does
            return f"{self.as_text(subject)} GLOB {quoted(_glob(pattern.literal, escape))}"
        return f"{self.as_text(subject)} LIKE {self.as_text(pattern)}"


def _no_field(name: str, record: str) -> VendorError:
    return refused(f"Field '{name}' for record '{record}' was not found. Reason: REMOVED - Field is removed")


def _with_status(one: Typed, other: Typed) -> Typed:
    """Both ``status = 'B'`` and ``status = 'SalesOrd:B'`` are understood."""
    is_status = one.column is not None and one.column.name == "status" and one.table == "transaction"
    if is_status and ":" in (other.literal or ""):
        return Typed(f'("{one.source}"."type" || \':\' || {one.sql})', "text", column=one.column)
    return one


def _glob(pattern: str, escape: str) -> str:
    out, index = "", 0
    while index < len(pattern):
        char = pattern[index]
        if char == escape and index + 1 < len(pattern) and pattern[index + 1] in "%_":
            index += 1
            char = pattern[index]
            out += char
        else:
            out += {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(char, char)
        index += 1
    return out
