"""Compile SuiteQL to SQL for SQLite.

Only what is known passes: tables and columns of the catalogue, the functions of `calls`, and plain query
syntax. Every expression gets a kind (integer, decimal, text, date, datetime, moment, null) so that numbers are
compared as numbers, dates in the account's time zone, and results are printed as NetSuite prints them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlglot import TokenType, exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import SqlglotError
from sqlglot.transforms import eliminate_join_marks

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.schema import Column, tables
from erp_sync.systems.netsuite.sandbox.suiteql.expressions import Expressions
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import PREFIX, Scope, Typed, malformed, refused

# Reading every column of these takes longer than NetSuite waits.
_TOO_WIDE = ("transaction", "transactionline")
_CUSTOM_KINDS = {
    "text": "text", "list": "text", "boolean": "text", "number": "decimal", "reference": "integer", "date": "date",
    "datetime": "datetime",
}  # fmt: skip
STORED = "stored decimal"
CUSTOM_PREFIX = {"transaction": "custbody", "transactionline": "custcol", "customer": "custentity", "item": "custitem"}


class SuiteQL(Oracle):
    """Oracle's syntax with functions left as they are written: each is looked up by name here."""

    class Parser(Oracle.Parser):  # type: ignore[valid-type,misc]  # made by sqlglot's metaclass
        FUNCTIONS: dict[str, object] = {}
        NO_PAREN_FUNCTIONS: dict[object, object] = {}
        NO_PAREN_FUNCTION_PARSERS = {"CASE": Oracle.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
        FUNCTION_PARSERS = {name: Oracle.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "TRIM")}


@dataclass(frozen=True)
class Compiled:
    """Attributes:
    sql: with ORDER BY. counted: without, for the total.
    limited: has a limit of its own, so that a page's limit cannot be put behind it.
    columns: name and kind of each result column, in order; a decimal read as it is stored is "stored decimal".
    timely: mentions the current time, so it may not be kept.
    ordered: says in which order its rows come.
    """

    sql: str
    counted: str
    limited: bool
    columns: tuple[tuple[str, str], ...]
    timely: bool
    ordered: bool


class Compiler(Expressions):
    """Compiles one query. `custom` are the account's custom fields, `schema` names another attached database."""

    def __init__(
        self, options: Options, custom: dict[str, dict[str, object]], now: datetime, schema: str = "",
        custom_records: dict[str, dict[str, str]] | None = None,
    ) -> None:  # fmt: skip
        self.options, self.custom, self.now = options, custom, now
        self.schema = f'"{schema}".' if schema else ""
        self.custom_records = custom_records or {}
        self.timely = False
        self.with_tables: dict[str, dict[str, Typed]] = {}
        self.depth = 0
        self.order = ""  # ORDER BY of the query compiled last: in the end, of the whole

    def compile(self, query: str) -> Compiled:
        """Raises VendorError for what is malformed or not allowed."""
        try:
            dialect = SuiteQL()
            tokens = dialect.tokenize(query)
            if any(token.token_type in (TokenType.LIMIT, TokenType.SEMICOLON) for token in tokens):
                raise malformed(f"Failed to parse SQL [{query[:200]}]: syntax error near: LIMIT or ;")
            if any(token.token_type is TokenType.DCOLON for token in tokens):  # a cast of PostgreSQL's
                raise malformed(f"Failed to parse SQL [{query[:200]}]: syntax error near: ::")
            statements = dialect.parser().parse(tokens, query)
        except SqlglotError as error:
            first = str(error).splitlines()[0]
            raise malformed(f"Failed to parse SQL [{query[:200]}]: {first}") from error
        if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation | exp.Subquery):
            raise malformed(f"Failed to parse SQL [{query[:200]}]: only one SELECT is allowed")
        tree = statements[0]
        if any(column.args.get("join_mark") for column in tree.find_all(exp.Column)):
            if tree.find(exp.Join) is not None and any(join.args.get("on") for join in tree.find_all(exp.Join)):
                raise malformed("Old style outer joins (+) cannot be mixed with ANSI joins")
            tree = eliminate_join_marks(tree)  # type: ignore[assignment]
        sql, columns = self.query(tree, None)
        counted = sql if tree.args.get("limit") else sql.removesuffix(self.order)
        limited = bool(re.search(r" LIMIT -?\d+( OFFSET \d+)?$", sql)) or isinstance(tree, exp.Subquery)
        return Compiled(
            sql, f"SELECT COUNT(*) FROM ({counted})", limited, tuple(columns), self.timely, bool(self.order)
        )

    # --- queries -----------------------------------------------------------------------------------------

    def query(self, node: exp.Expr, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]:
        """SQL and result columns of a SELECT, UNION or parenthesised query."""
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer)
        self.depth += 1
        before = dict(self.with_tables)
        head = self._with(node, outer)
        if isinstance(node, exp.SetOperation):
            sql, columns = self._set_operation(node, outer)
        elif isinstance(node, exp.Select):
            sql, columns = self._select(node, outer)
        else:
            raise malformed(f"Failed to parse SQL: {node.key} is not allowed")
        self.with_tables = before
        self.depth -= 1
        return head + sql, columns

    def _with(self, node: exp.Expr, outer: Scope | None) -> str:
        clause = node.args.get("with_") or node.args.get("with")
        if clause is None:
            return ""
        parts = []
        for common in clause.expressions:
            name = common.alias.lower()
            sql, columns = self.query(common.this, outer)
            self.with_tables[name] = _columns_of(columns)
            parts.append(f'"{name}" AS ({sql})')
        return f"WITH {', '.join(parts)} "

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]:
        word = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}.get(type(node))
        if word is None:
            raise malformed(f"Failed to parse SQL: {node.key} is not allowed")
        if isinstance(node, exp.Union) and not node.args.get("distinct"):
            word = "UNION ALL"
        left, columns = self.query(node.left, outer)
        right, other = self.query(node.right, outer)
        if len(columns) != len(other):
            raise malformed("Query block has incorrect number of result columns")
        kinds = [
            (name, kind if kind == kind2 else "text") for (name, kind), (_, kind2) in zip(columns, other, strict=True)
        ]
        if any(
            kind != kind2 for (_, kind), (_, kind2) in zip(columns, other, strict=True) if "null" not in (kind, kind2)
        ):
            raise malformed("expression must have same datatype as corresponding expression")
        kinds = [(n, k2 if k == "null" else k) for (n, k), (_, k2) in zip(columns, other, strict=True)]
        sql = f"SELECT * FROM ({left}) {word} SELECT * FROM ({right})"
        scope = Scope({"": _columns_of(kinds)}, {}, outer)
        return sql + self._order(node, scope, kinds) + self._limit(node), kinds

    def _select(self, node: exp.Select, outer: Scope | None) -> tuple[str, list[tuple[str, str]]]:
        _check_clauses(node)
        scope = Scope(outer=outer)
        source = self._sources(node, scope)
        items = self._items(node, scope)
        columns = _named(items)
        scope.aliases = {name: typed for (name, _), (_, typed) in zip(columns, items, strict=True)}
        where, rownum = self._where(node, scope)
        shown = [typed for _, typed in items]
        if self.depth == 1 and rownum is None and not node.args.get("distinct") and not _by_position(node):
            shown = [_as_stored(typed) for typed in shown]
            columns = [(name, typed.kind) for (name, _), typed in zip(columns, shown, strict=True)]
        selected = ", ".join(f'{typed.sql} AS "{name}"' for (name, _), typed in zip(columns, shown, strict=True))
        sql = f"SELECT {'DISTINCT ' if node.args.get('distinct') else ''}{selected} FROM {source}{where}"
        group = node.args.get("group")
        if group is not None:
            sql += " GROUP BY " + ", ".join(self.plain(part, scope).sql for part in group.expressions)
        having = node.args.get("having")
        if having is not None:
            sql += f" HAVING {self.condition(having.this, scope)}"
        if rownum is not None:
            if node.args.get("order") is not None:  # Oracle takes the rows first and sorts them then
                inner = Scope({"": _columns_of(columns)}, {}, outer)
                return f"SELECT * FROM ({sql} LIMIT {rownum})" + self._order(node, inner, columns), columns
            return f"{sql} LIMIT {rownum}", columns
        return sql + self._order(node, scope, columns) + self._limit(node), columns

    def _sources(self, node: exp.Select, scope: Scope) -> str:
        start = node.args.get("from_") or node.args.get("from")
        if start is None:
            raise malformed("FROM keyword not found where expected")
        parts = [self._source(start.this, scope)]
        for join in node.args.get("joins") or []:
            side, kind = _outer(join), (join.kind or "").upper()
            if join.args.get("using") or (join.method or "").upper() == "NATURAL":
                raise malformed("NATURAL and USING joins are not supported")
            table = self._source(join.this, scope)
            on = join.args.get("on")
            if on is None:
                parts.append(f" CROSS JOIN {table}")
                continue
            word = {"LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}.get(side, "JOIN")
            if kind == "CROSS":
                raise malformed("CROSS JOIN takes no condition")
            parts.append(f" {word} {table} ON {self.condition(on, scope)}")
        return "".join(parts)

    def _source(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node, exp.Subquery):
            sql, columns = self.query(node.this, scope.outer)
            alias = node.alias.lower() or f"sub{len(scope.sources)}"
            scope.sources[alias] = _columns_of(columns, alias)
            return f'({sql}) AS "{alias}"'
        if not isinstance(node, exp.Table) or node.db or not isinstance(node.this, exp.Identifier):
            raise malformed(f"Failed to parse SQL: {node.sql()} is no record")
        name = node.name.lower()
        alias = (node.alias or node.name).lower()
        if alias in scope.sources:
            raise malformed(f"Record alias '{alias}' is ambiguous")
        if name in self.with_tables:
            scope.sources[alias] = {
                column: Typed(f'"{alias}"."{column}"', typed.kind) for column, typed in self.with_tables[name].items()
            }
            return f'"{name}" AS "{alias}"'
        if name == "dual":
            scope.sources[alias] = {"dummy": Typed("'X'", "text")}
            return f'(SELECT 1) AS "{alias}"'
        if name in self.custom_records:
            scope.sources[alias] = self._custom_record(name, alias)
            return f'(SELECT * FROM {self.schema}"customrecord" WHERE scriptid = \'{name}\') AS "{alias}"'
        table = tables().get(name)
        if table is None or name == "customrecord":
            raise refused(f"Record '{node.name}' was not found.")
        scope.base[alias] = name
        visible = {
            column.name: self._column(alias, name, column) for column in table.columns.values() if not column.hidden
        }
        prefix = CUSTOM_PREFIX.get(name)
        for script_id, declared in self.custom.items():
            if prefix and script_id.startswith(prefix):
                visible[script_id] = self._custom(alias, script_id, str(declared["type"]))
        scope.sources[alias] = visible
        return f'{self.schema}"{name}" AS "{alias}"'

    def _column(self, alias: str, table: str, column: Column) -> Typed:
        raw = f'"{alias}"."{column.name}"'
        if column.scale is not None:
            factor = 10 ** (8 - column.scale)
            scaled = f"CAST(REPLACE({raw}, '.', '') AS INTEGER)" + (f" * {factor}" if factor > 1 else "")
            sql = f"(CASE WHEN {raw} IS NULL THEN NULL ELSE {scaled} END)"
            return Typed(sql, "decimal", column=column, source=alias, table=table)
        kind = "integer" if column.integer else column.kind if column.kind in ("date", "datetime") else "text"
        return Typed(raw, kind, column=column, source=alias, table=table)

    def _custom(self, alias: str, script_id: str, declared: str) -> Typed:
        raw = f'json_extract("{alias}"."custom", \'$.{script_id}\')'
        kind = _CUSTOM_KINDS[declared]
        if kind == "decimal":
            return Typed(f"ns_to_number({raw})", "decimal")
        return Typed(f"CAST({raw} AS INTEGER)" if kind == "integer" else raw, kind)

    def _custom_record(self, name: str, alias: str) -> dict[str, Typed]:
        table = tables()["customrecord"]
        visible = {c.name: self._column(alias, "customrecord", c) for c in table.columns.values() if not c.hidden}
        for script_id, declared in self.custom_records[name].items():
            visible[script_id] = self._custom(alias, script_id, declared)
        return visible

    def _items(self, node: exp.Select, scope: Scope) -> list[tuple[str | None, Typed]]:
        items: list[tuple[str | None, Typed]] = []
        for item in node.expressions:
            star = item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) else None
            if isinstance(star, exp.Star):
                wanted = [item.table.lower()] if isinstance(item, exp.Column) and item.table else list(scope.sources)
                for alias in wanted:
                    if alias not in scope.sources:
                        raise refused(f"Record '{alias}' was not found.")
                    if scope.base.get(alias) in _TOO_WIDE:
                        raise VendorError(
                            "UNEXPECTED_ERROR",
                            f"{PREFIX}the query on '{scope.base[alias]}' with * timed out. Name the fields.",
                        )
                    items += list(scope.sources[alias].items())
                continue
            inner = item.this if isinstance(item, exp.Alias) else item
            name = item.alias.lower() if isinstance(item, exp.Alias) else None
            if name is None and isinstance(inner, exp.Column):
                name = inner.name.lower()
            items.append((name, self.settled(self.expression(inner, scope))))
        return items

    def _where(self, node: exp.Select, scope: Scope) -> tuple[str, int | None]:
        """The condition, with a limit on ROWNUM taken out of its top level."""
        where = node.args.get("where")
        if where is None:
            return "", None
        rownum, kept = None, []
        for part in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
            limit = _rownum(part)
            if limit is None:
                kept.append(self.condition(part, scope))
            else:
                rownum = limit if rownum is None else min(rownum, limit)
        return (" WHERE " + " AND ".join(kept) if kept else ""), rownum

    def _order(self, node: exp.Expr, scope: Scope, columns: list[tuple[str, str]]) -> str:
        order, self.order = node.args.get("order"), ""
        if order is None:
            return ""
        parts = []
        for ordered in order.expressions:
            target, typed = ordered.this, None
            if isinstance(target, exp.Literal) and not target.is_string:
                if not 1 <= int(target.this) <= len(columns):
                    raise malformed("ORDER BY item must be the number of a SELECT-list expression")
                sql = target.this
            elif isinstance(target, exp.Column) and not target.table and target.name.lower() in scope.aliases:
                typed = scope.aliases[target.name.lower()]
                sql = typed.sql
            else:
                typed = self.plain(target, scope)
                sql = typed.sql
            # Oracle puts NULL last when ascending and first when descending. A key has none, and without the
            # words an index serves.
            descending = bool(ordered.args.get("desc"))
            nulls = "" if typed is not None and _is_key(typed, node) else f" NULLS {'FIRST' if descending else 'LAST'}"
            parts.append(f"{sql}{' DESC' if descending else ''}{nulls}")
        self.order = " ORDER BY " + ", ".join(parts)
        return self.order

    def _limit(self, node: exp.Expr) -> str:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        sql = ""
        if limit is not None:  # TOP n or FETCH FIRST n ROWS ONLY
            count = limit.args.get("count") or limit.args.get("expression")
            if not isinstance(count, exp.Literal):
                raise malformed("Failed to parse SQL: FETCH takes a number")
            sql = f" LIMIT {int(count.this)}"
        if offset is not None:
            sql += f"{'' if sql else ' LIMIT -1'} OFFSET {int(offset.expression.this)}"
        return sql


def _columns_of(columns: list[tuple[str, str]], alias: str = "") -> dict[str, Typed]:
    prefix = f'"{alias}".' if alias else ""
    return {name: Typed(f'{prefix}"{name}"', kind) for name, kind in columns}


def _named(items: list[tuple[str | None, Typed]]) -> list[tuple[str, str]]:
    """Result names in lower case; an expression without alias is expr1, expr2, ..."""
    columns: list[tuple[str, str]] = []
    taken: set[str] = set()
    number = 0
    for name, typed in items:
        if name is None:
            number += 1
            name = f"expr{number}"
        unique, again = name, 1
        while unique in taken:
            again += 1
            unique = f"{name}_{again}"
        taken.add(unique)
        columns.append((unique, typed.kind))
    return columns


def _by_position(node: exp.Expr) -> bool:
    """Whether a query is ordered by the number of a result column."""
    order = node.args.get("order")
    return order is not None and any(isinstance(ordered.this, exp.Literal) for ordered in order.expressions)


def _as_stored(typed: Typed) -> Typed:
    """A decimal column that is only shown needs no arithmetic: its text is printed."""
    if typed.kind != "decimal" or typed.column is None:
        return typed
    return Typed(f'"{typed.source}"."{typed.column.name}"', STORED)


def _outer(join: exp.Join) -> str:
    """LEFT, RIGHT, FULL or nothing; what comes of Oracle's (+) says it in the kind."""
    side, kind = (join.side or "").upper(), (join.kind or "").upper()
    return side or (kind if kind in ("LEFT", "RIGHT", "FULL") else "")


def _is_key(typed: Typed, node: exp.Expr) -> bool:
    """Whether a column is part of its table's key, and no outer join can empty it."""
    if typed.column is None or typed.table is None or any(map(_outer, node.args.get("joins") or [])):
        return False
    return typed.column.name in tables()[typed.table].key


def _rownum(node: exp.Expr) -> int | None:
    """The limit of ``ROWNUM <= n`` or ``ROWNUM < n``, else None."""
    if isinstance(node, exp.Paren):
        return _rownum(node.this)
    left = node.args.get("this")
    is_rownum = isinstance(left, exp.Pseudocolumn | exp.Column | exp.Identifier) and left.name.lower() == "rownum"
    if not is_rownum or not isinstance(node, exp.LTE | exp.LT | exp.EQ):
        return None
    if not isinstance(node.expression, exp.Literal):
        raise malformed("ROWNUM is compared with a number only")
    limit = int(node.expression.this)
    return limit - 1 if isinstance(node, exp.LT) else limit


def _check_clauses(node: exp.Select) -> None:
    allowed = {
        "expressions", "from_", "from", "joins", "where", "group", "having", "order", "distinct", "limit", "offset",
        "with_", "with", "kind", "hint", "operation_modifiers", "exclude",
    }  # fmt: skip
    for name, value in node.args.items():
        if value and name not in allowed:
            raise malformed(f"Failed to parse SQL: {name} is not supported")
