"""Values in SuiteQL that are no function calls: literals, columns, arithmetic, CASE, BUILTIN.DF."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from erp_sync.systems.netsuite.sandbox.schema import tables
from erp_sync.systems.netsuite.sandbox.suiteql.calls import arguments_of, name_of, now, trunc
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import (
    NUMBERS,
    TIMES,
    Context,
    Scope,
    Typed,
    malformed,
    quoted,
    refused,
    scaled,
)

# Column that BUILTIN.DF shows, where it is not `name`.
LABELS = {
    "customer": "entitytitle", "item": "itemid", "shipitem": "itemid", "salestaxitem": "itemid",
    "account": "fullname", "accountingperiod": "periodname", "transaction": "trandisplayname",
}  # fmt: skip


_ARITHMETIC: dict[type, str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


def _literal(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    if node.is_string:
        return Typed(quoted(node.this), "text", literal=node.this)
    text = str(node.this)
    if text.isdigit():
        return Typed(text, "integer", literal=text)
    return Typed(str(scaled(text)), "decimal", literal=text)


def _column(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    name, table = node.name.lower(), node.text("table").lower()
    if not table and name in ("sysdate", "current_date", "current_timestamp", "systimestamp"):
        return now(self, [], scope, node)
    if not table and name == "rownum":
        raise refused("ROWNUM is allowed as ROWNUM <= n at the top of WHERE only.")
    return self.lookup(name, table, scope)


def _arithmetic(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    left, right = self.expression(node.this, scope), self.expression(node.args["expression"], scope)
    word = _ARITHMETIC[type(node)]
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


def _negative(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    value = self.expression(node.this, scope)
    if value.kind not in NUMBERS:
        value = Typed(self.as_decimal(value), "decimal")
    literal = f"-{value.literal}" if value.literal is not None else None
    return Typed(f"(-{value.sql})", value.kind, literal=literal)


def _paren(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    value = self.expression(node.this, scope)
    return value if value.moment is not None else Typed(f"({value.sql})", value.kind, literal=value.literal)


def _case(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    subject = node.args.get("this")
    whens, results = [], []
    for branch in node.args["ifs"]:
        test = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject is not None else branch.this
        whens.append(self.condition(test, scope))
        results.append(self.plain(branch.args["true"], scope))
    default = node.args.get("default")
    results.append(self.plain(default, scope) if default is not None else Typed("NULL", "null"))
    sqls, kind = self.unify(results)
    parts = " ".join(f"WHEN {when} THEN {sql}" for when, sql in zip(whens, sqls, strict=False))
    return Typed(f"(CASE {parts} ELSE {sqls[-1]} END)", kind)


def _concat(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    parts = [self.as_text(self.expression(part, scope)) for part in (node.this, node.args["expression"])]
    return Typed("(" + " || ".join(f"COALESCE({part}, '')" for part in parts) + ")", "text")


def _scalar(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    sql, columns = self.query(node, scope)
    if len(columns) != 1:
        raise malformed("too many values")
    return Typed(f"({sql})", columns[0][1])


def _cast(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    value, target = self.expression(node.this, scope), node.args["to"].this
    if target in exp.DataType.TEXT_TYPES:
        return Typed(self.as_text(value), "text")
    if target in exp.DataType.NUMERIC_TYPES:
        return Typed(self.as_decimal(value), "decimal")
    if target in (exp.DataType.Type.DATE,):
        return trunc(self, [node.this], scope, node)
    raise refused(f"Invalid or unsupported search. CAST to {target} is not supported.")


def _dot(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    """BUILTIN functions."""
    if not (isinstance(node.this, exp.Identifier | exp.Column) and node.this.name.upper() == "BUILTIN"):
        raise malformed(f"Failed to parse SQL: {node.sql()[:80]} is not supported")
    function = node.expression
    name = function.name.upper() if isinstance(function, exp.Anonymous) else (name_of(function) or "")
    if name not in ("DF", "CF"):
        raise refused(f"Invalid or unsupported search. Function 'BUILTIN.{name}' is not supported here.")
    (argument,) = arguments_of(function)
    value = self.expression(argument, scope)
    return value if name == "CF" else _label(self, value)


def _label(self: Context, value: Typed) -> Typed:
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


def _window(self: Context, node: exp.Expr, scope: Scope) -> Typed:
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


def _null(self: Context, node: exp.Expr, scope: Scope) -> Typed:
    return Typed("NULL", "null")


VALUES: dict[type, Callable[[Context, exp.Expr, Scope], Typed]] = {
    exp.Literal: _literal, exp.Column: _column, exp.Pseudocolumn: _column, exp.Null: _null, exp.Add: _arithmetic,
    exp.Sub: _arithmetic, exp.Mul: _arithmetic, exp.Div: _arithmetic, exp.Neg: _negative, exp.Paren: _paren,
    exp.Case: _case, exp.DPipe: _concat, exp.Subquery: _scalar, exp.Cast: _cast, exp.Dot: _dot, exp.Window: _window,
}  # fmt: skip
