"""Expressions of SuiteQL: operators, functions, conversions between kinds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlglot import exp

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.schema import tables
from erp_sync.systems.netsuite.sandbox.suiteql import dates
from erp_sync.systems.netsuite.sandbox.suiteql.functions import UNIT
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import Scope, Typed, malformed, quoted, refused, scaled

NUMBERS = ("integer", "decimal")
TIMES = ("date", "datetime", "moment")
LABELS = {"customer": "entitytitle", "item": "itemid", "shipitem": "itemid", "salestaxitem": "itemid",
          "account": "fullname", "accountingperiod": "periodname", "transaction": "trandisplayname"}  # fmt: skip
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}


class Expressions:
    """Turns parsed expressions into SQL with a kind. The compiler adds queries."""

    options: Options
    now: datetime
    timely: bool

    def query(self, node: exp.Expression, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]:
        raise NotImplementedError

    # --- values ------------------------------------------------------------------------------------------

    def expression(self, node: exp.Expression, scope: Scope) -> Typed:
        """Raises VendorError for what SuiteQL does not have."""
        handler = _VALUES.get(type(node))
        if handler is not None:
            return handler(self, node, scope)
        name = _function_name(node)
        if name is not None:
            call = CALLS.get(name)
            if call is None:
                raise refused(f"Invalid or unsupported search. Function '{name}' is not supported.")
            return call(self, _arguments(node), scope, node)
        if isinstance(node, exp.Condition | exp.Predicate | exp.Not):
            return Typed(self.condition(node, scope), "condition")
        raise malformed(f"Failed to parse SQL: {node.sql()[:80]} is not supported")

    def plain(self, node: exp.Expression, scope: Scope) -> Typed:
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

    # --- conditions --------------------------------------------------------------------------------------

    def condition(self, node: exp.Expression, scope: Scope) -> str:
        """SQL of a predicate."""
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this, scope)})"
        if isinstance(node, exp.And | exp.Or):
            word = "AND" if isinstance(node, exp.And) else "OR"
            return f"({self.condition(node.left, scope)} {word} {self.condition(node.right, scope)})"
        if isinstance(node, exp.Not):
            return f"NOT ({self.condition(node.this, scope)})"
        if type(node) in _COMPARISONS:
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

    def _compare(self, word: str, left: exp.Expression, right: exp.Expression, scope: Scope) -> str:
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
        if any(value.literal and ":" in value.literal for value in values):
            subject = next(
                s for s in (_with_status(subject, value) for value in values if ":" in (value.literal or ""))
            )
        kinds = [self.alike(subject, value) for value in values]
        first = {pair[0] for pair in kinds}
        if len(first) == 1:
            return f"{first.pop()} IN ({', '.join(pair[1] for pair in kinds)})"
        return "(" + " OR ".join(f"{pair[0]} = {pair[1]}" for pair in kinds) + ")"

    def _like(self, node: exp.Expression, scope: Scope) -> str:
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


# --- plain values ----------------------------------------------------------------------------------------------


def _literal(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    if node.is_string:
        return Typed(quoted(node.this), "text", literal=node.this)
    text = str(node.this)
    if text.isdigit():
        return Typed(text, "integer", literal=text)
    return Typed(str(scaled(text)), "decimal", literal=text)


def _column(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    name, table = node.name.lower(), node.text("table").lower()
    if node.args.get("join_mark"):
        raise refused("Invalid or unsupported search. Outer joins are written as LEFT JOIN here, not with (+).")
    if not table and name in ("sysdate", "current_date", "current_timestamp", "systimestamp"):
        return _now(self, [], scope, node)
    if not table and name == "rownum":
        raise refused("ROWNUM is allowed as ROWNUM <= n at the top of WHERE only.")
    return self.lookup(name, table, scope)


def _arithmetic(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    left, right = self.expression(node.left, scope), self.expression(node.right, scope)
    word = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}[type(node)]
    if left.kind in TIMES and right.kind in (*NUMBERS, "text") and word in "+-":
        days = self.as_decimal(right)
        return Typed(f"ns_add_days({self.settled(left).sql}, {'-' if word == '-' else ''}{days})", _time_kind(left))
    if left.kind in TIMES or right.kind in TIMES:
        raise malformed("inconsistent datatypes: dates can be moved by a number of days only")
    if word in "+-*" and left.kind == right.kind == "integer":
        return Typed(f"({left.sql} {word} {right.sql})", "integer")
    if word in "+-":
        return Typed(f"({self.as_decimal(left)} {word} {self.as_decimal(right)})", "decimal")
    if word == "*" and "integer" in (left.kind, right.kind):
        return Typed(f"({left.sql if left.kind == 'integer' else self.as_decimal(left)} * "
                     f"{right.sql if right.kind == 'integer' else self.as_decimal(right)})", "decimal")  # fmt: skip
    function = "ns_multiply" if word == "*" else "ns_divide"
    return Typed(f"{function}({self.as_decimal(left)}, {self.as_decimal(right)})", "decimal")


def _time_kind(typed: Typed) -> str:
    return "date" if typed.kind == "date" else "datetime"


def _negative(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    value = self.expression(node.this, scope)
    if value.kind not in NUMBERS:
        value = Typed(self.as_decimal(value), "decimal")
    literal = f"-{value.literal}" if value.literal is not None else None
    return Typed(f"(-{value.sql})", value.kind, literal=literal)


def _paren(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    value = self.expression(node.this, scope)
    return value if value.moment is not None else Typed(f"({value.sql})", value.kind, literal=value.literal)


def _case(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    subject = node.args.get("this")
    whens, results = [], []
    for branch in node.args["ifs"]:
        test = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject is not None else branch.this
        whens.append(self.condition(test, scope))
        results.append(self.plain(branch.args["true"], scope))
    default = node.args.get("default")
    results.append(self.plain(default, scope) if default is not None else Typed("NULL", "null"))
    sqls, kind = self_alike(self, results)
    parts = " ".join(f"WHEN {when} THEN {sql}" for when, sql in zip(whens, sqls, strict=False))
    return Typed(f"(CASE {parts} ELSE {sqls[-1]} END)", kind)


def self_alike(self: Expressions, values: list[Typed]) -> tuple[list[str], str]:
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


def _concat(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    parts = [self.as_text(self.expression(part, scope)) for part in (node.left, node.right)]
    return Typed("(" + " || ".join(f"COALESCE({part}, '')" for part in parts) + ")", "text")


def _scalar(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    sql, columns = self.query(node, scope)
    if len(columns) != 1:
        raise malformed("too many values")
    return Typed(f"({sql})", columns[0][1])


def _cast(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    value, target = self.expression(node.this, scope), node.args["to"].this
    if target in exp.DataType.TEXT_TYPES:
        return Typed(self.as_text(value), "text")
    if target in exp.DataType.NUMERIC_TYPES:
        return Typed(self.as_decimal(value), "decimal")
    if target in (exp.DataType.Type.DATE,):
        return _trunc(self, [node.this], scope, node)
    raise refused(f"Invalid or unsupported search. CAST to {target} is not supported.")


def _dot(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    """BUILTIN functions."""
    if not (isinstance(node.this, exp.Identifier | exp.Column) and node.this.name.upper() == "BUILTIN"):
        raise malformed(f"Failed to parse SQL: {node.sql()[:80]} is not supported")
    function = node.expression
    name = function.name.upper() if isinstance(function, exp.Anonymous) else (_function_name(function) or "")
    if name not in ("DF", "CF"):
        raise refused(f"Invalid or unsupported search. Function 'BUILTIN.{name}' is not supported here.")
    (argument,) = _arguments(function)
    value = self.expression(argument, scope)
    return value if name == "CF" else _label(self, value)


def _label(self: Expressions, value: Typed) -> Typed:
    """BUILTIN.DF: what a user sees instead of the id."""
    column = value.column
    if column is None:
        return Typed(self.as_text(value), "text")
    if column.to == "transactionstatus":
        return Typed(f'ns_status("{value.source}"."type", {value.sql})', "text")
    if column.to == "itemtype":
        return Typed(f"ns_itemtype({value.sql})", "text")
    if column.kind == "flag":
        return Typed(f"(CASE {value.sql} WHEN 'T' THEN 'Yes' WHEN 'F' THEN 'No' END)", "text")
    if column.to in tables():
        label = LABELS.get(column.to, "name")
        return Typed(f'(SELECT d."{label}" FROM "{column.to}" d WHERE d.id = {value.sql})', "text")
    return Typed(self.as_text(value), "text")


def _window(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    inner = self.expression(node.this, scope)
    parts = []
    partition = node.args.get("partition_by")
    if partition:
        parts.append("PARTITION BY " + ", ".join(self.plain(part, scope).sql for part in partition))
    order = node.args.get("order")
    if order is not None:
        keys = [f"{self.plain(o.this, scope).sql}{' DESC' if o.args.get('desc') else ''}" for o in order.expressions]
        parts.append("ORDER BY " + ", ".join(keys))
    return Typed(f"{inner.sql} OVER ({' '.join(parts)})", inner.kind)


def _null(self: Expressions, node: exp.Expression, scope: Scope) -> Typed:
    return Typed("NULL", "null")


_VALUES: dict[type, Callable[[Expressions, exp.Expression, Scope], Typed]] = {
    exp.Literal: _literal, exp.Column: _column, exp.Pseudocolumn: _column, exp.Null: _null, exp.Add: _arithmetic,
    exp.Sub: _arithmetic, exp.Mul: _arithmetic, exp.Div: _arithmetic, exp.Neg: _negative, exp.Paren: _paren,
    exp.Case: _case, exp.DPipe: _concat, exp.Subquery: _scalar, exp.Cast: _cast, exp.Dot: _dot, exp.Window: _window,
}  # fmt: skip


# --- functions -------------------------------------------------------------------------------------------------

CallOf = Callable[[Expressions, list[exp.Expression], Scope, exp.Expression], Typed]


def _function_name(node: exp.Expression) -> str | None:
    """The dialect leaves functions as they are written, except TRIM with its keywords."""
    if isinstance(node, exp.Trim):
        return "TRIM"
    return node.name.upper() if isinstance(node, exp.Anonymous) else None


def _arguments(node: exp.Expression) -> list[exp.Expression]:
    return [node.this] if isinstance(node, exp.Trim) else list(node.expressions)


def _now(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    self.timely = True
    return Typed("", "moment", moment=self.now)


def _to_time(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
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


def _model(node: exp.Expression, arguments: list[exp.Expression]) -> str | None:
    """The format model, a constant."""
    if len(arguments) < 2:
        return None
    if not isinstance(arguments[1], exp.Literal) or not arguments[1].is_string:
        raise malformed("the format of a date must be a text constant")
    return str(arguments[1].this)


def _to_char(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
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


def _trunc(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    value = self.expression(arguments[0], scope)
    if value.kind in TIMES:
        if len(arguments) > 1 and arguments[1].name.upper() not in ("DD", "DDD", "DAY", "J"):
            raise refused("Invalid or unsupported search. TRUNC of a date to other than the day is not supported here.")
        return Typed(f"ns_local_day({self.settled(value).sql})", "date")
    return _numeric("ns_trunc", True)(self, arguments, scope, node)


def _numeric(function: str, digits: bool) -> CallOf:
    def call(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
        value = self.as_decimal(self.plain(arguments[0], scope))
        places = "0"
        if digits and len(arguments) > 1:
            places = self.plain(arguments[1], scope).sql
        return Typed(f"{function}({value}, {places})", "decimal")

    return call


def _same_kind(function: str) -> CallOf:
    """Functions whose result has the kind of their argument: ABS, MIN, MAX."""

    def call(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
        inner = arguments[0]
        distinct = isinstance(inner, exp.Distinct)
        value = self.plain(inner.expressions[0] if distinct else inner, scope)
        return Typed(f"{function}({'DISTINCT ' if distinct else ''}{value.sql})", value.kind)

    return call


def _sum(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    inner = arguments[0]
    distinct = isinstance(inner, exp.Distinct)
    value = self.plain(inner.expressions[0] if distinct else inner, scope)
    sql = value.sql if value.kind == "integer" else self.as_decimal(value)
    return Typed(f"SUM({'DISTINCT ' if distinct else ''}{sql})", "integer" if value.kind == "integer" else "decimal")


def _average(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    value = self.as_decimal(self.plain(arguments[0], scope))
    return Typed(f"ns_divide(SUM({value}), COUNT({value}) * {UNIT})", "decimal")


def _count(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    inner = arguments[0] if arguments else exp.Star()
    if isinstance(inner, exp.Star):
        return Typed("COUNT(*)", "integer")
    if isinstance(inner, exp.Distinct):
        return Typed(f"COUNT(DISTINCT {self.plain(inner.expressions[0], scope).sql})", "integer")
    return Typed(f"COUNT({self.plain(inner, scope).sql})", "integer")


def _first_of(function: str) -> CallOf:
    """COALESCE, NVL, GREATEST, LEAST: all arguments in one kind."""

    def call(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
        values = [self.plain(argument, scope) for argument in arguments]
        sqls, kind = self_alike(self, values)
        return Typed(f"{function}({', '.join(sqls)})", kind)

    return call


def _nvl2(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    test, *rest = (self.plain(argument, scope) for argument in arguments)
    sqls, kind = self_alike(self, rest)
    return Typed(f"(CASE WHEN {test.sql} IS NOT NULL THEN {sqls[0]} ELSE {sqls[1]} END)", kind)


def _nullif(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    left, right = (self.plain(argument, scope) for argument in arguments)
    one, other, kind = self.alike(left, right)
    return Typed(f"NULLIF({one}, {other})", kind)


def _decode(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
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
    sqls, kind = self_alike(self, results)
    parts = " ".join(f"WHEN {when} THEN {sql}" for when, sql in zip(whens, sqls, strict=False))
    return Typed(f"(CASE {parts} ELSE {sqls[-1]} END)", kind)


def _textual(template: str, kind: str = "text") -> CallOf:
    """A function of texts; `{0}`, `{1}` stand for its arguments, further ones are numbers as they are."""

    def call(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
        values = []
        for argument in arguments:
            value = self.plain(argument, scope)
            values.append(value.sql if value.kind == "integer" and values else self.as_text(value))
        try:
            return Typed(template.format(*values), kind)
        except IndexError as error:
            raise malformed("not enough arguments for function") from error

    return call


def _substr(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    return _textual("SUBSTR({0}, {1}, {2})" if len(arguments) > 2 else "SUBSTR({0}, {1})")(self, arguments, scope, node)


def _to_number(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    return Typed(self.as_decimal(self.plain(arguments[0], scope)), "decimal")


def _mod(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    left, right = (self.plain(argument, scope) for argument in arguments)
    if left.kind == right.kind == "integer":
        return Typed(f"({left.sql} % {right.sql})", "integer")
    return Typed(f"({self.as_decimal(left)} % {self.as_decimal(right)})", "decimal")


def _ranking(function: str) -> CallOf:
    def call(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
        return Typed(f"{function}()", "integer")

    return call


def _trim(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
    position = str(node.args.get("position") or "").upper()
    function = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(position, "TRIM")
    return _textual(f"{function}({{0}})")(self, arguments[:1], scope, node)


def _pad(self: Expressions, arguments: list[exp.Expression], scope: Scope, node: exp.Expression) -> Typed:
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
    "TO_TIMESTAMP_TZ": _to_time, "TO_NUMBER": _to_number, "ROUND": _numeric("ns_round", True), "TRUNC": _trunc,
    "FLOOR": _numeric("ns_floor", False), "CEIL": _numeric("ns_ceil", False), "MOD": _mod, "SYSDATE": _now,
    "ROW_NUMBER": _ranking("ROW_NUMBER"), "RANK": _ranking("RANK"), "DENSE_RANK": _ranking("DENSE_RANK"),
}  # fmt: skip
