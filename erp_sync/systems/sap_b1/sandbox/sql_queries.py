"""``SQLQueries``: a query is stored under a code and its rows are listed, always in pages.

Fact sheet, section 3: SELECT only, no ``*``, calculated columns need an alias, placeholders ``:p`` whose values come in
the query string or as ParamList; error 701 for syntax, 702 for a table that is not accessible. An empty result may be
404 -2028 (obs.; option `empty_query_is_not_found`). Seen on live systems (b1sl-python 0.16.0, its exceptions): 704
"Parameter error." for values that are missing, too many or of the wrong kind; no LENGTH, CASE or COALESCE; an alias
once; ``*`` in subqueries only; the answer tells the SqlText. Which functions are allowed beyond aggregates is
unconfirmed; unknown ones are refused.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any
from urllib.parse import parse_qsl, quote

import sqlglot
from sqlglot import exp

from erp_sync.sandbox.core import Request, Response
from erp_sync.systems.sap_b1.sandbox import odata_query, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.database_tables import TABLES, select_of
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, malformed, not_found, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.paths import Resource
from erp_sync.systems.sap_b1.sandbox.service import body_of

_FUNCTIONS = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.Upper, exp.Lower, exp.Concat)
_PLAIN = "'()*,"
_PARAMETER = re.compile(r"^(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))$")


def checked(text: str) -> exp.Query:
    """The parsed query. Raises ServiceLayerError: 701, or 702 "Table 'X' not accessible"."""
    try:
        tree = sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        raise _syntax(str(error).partition("\n")[0]) from error
    if not isinstance(tree, exp.Query) or any(tree.find_all(exp.With)):
        raise _syntax("only SELECT is allowed")
    for table in tree.find_all(exp.Table):
        if table.name.upper() not in TABLES or table.db:
            raise ServiceLayerError(702, f"Table '{table.name}' not accessible")
    for star in tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count) and star.find_ancestor(exp.Subquery) is None:
            raise _syntax("'*' is not allowed")
    for function in tree.find_all(exp.Func):
        if not isinstance(function, (*_FUNCTIONS, exp.Connector)):
            raise _syntax(f"function '{function.sql_name()}' is not allowed")
    for select in tree.find_all(exp.Select):
        for column in select.expressions:
            if not isinstance(column, exp.Column | exp.Alias | exp.Star):
                raise _syntax(f"an alias is required for '{column.sql()}'")
        names = [column.alias_or_name.upper() for column in select.expressions if column.alias_or_name != "*"]
        if len(names) != len(set(names)):
            raise _syntax("an alias is used twice")
    return tree


def _parameters() -> ServiceLayerError:
    """Says not which (obs.)."""
    return ServiceLayerError(704, "Parameter error.")


def _syntax(what: str) -> ServiceLayerError:
    return ServiceLayerError(701, f"Invalid SQL syntax: {what}")


def _run(context: Context, text: str, values: dict[str, Any], limit: int, offset: int) -> list[dict[str, Any]]:
    tree = checked(text)
    names = {table.name.upper() for table in tree.find_all(exp.Table)}
    for table in tree.find_all(exp.Table):
        table.this.set("this", f"sap_{table.name.upper()}")
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name.removeprefix("sap_"))))
    tables = ", ".join(f'"sap_{name}" AS ({select_of(name, context.user_fields)})' for name in sorted(names))
    sql = f"WITH {tables} SELECT * FROM ({tree.sql(dialect='sqlite')}) LIMIT {limit} OFFSET {offset}"
    try:
        cursor = context.store.connection.execute(sql, values)
    except sqlite3.OperationalError as error:
        raise _syntax(str(error)) from error
    columns = [column[0] for column in cursor.description]
    return [
        {name: round(value, 6) if isinstance(value, float) else value for name, value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


class SQLQueries(Kind):
    def new(self, context: Context, sent: Entity) -> Entity:
        for name in ("SqlCode", "SqlName", "SqlText"):
            if not sent.get(name):
                raise malformed(f"Property '{name}' of 'SQLQuery' is mandatory")
        return super().new(context, self._with_parameters(sent))

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return self._with_parameters(after)

    @staticmethod
    def _with_parameters(entity: Entity) -> Entity:
        names = [one.name for one in checked(entity["SqlText"]).find_all(exp.Placeholder)]
        return {**entity, "ParamList": ",".join(dict.fromkeys(names)) or None}


def list_rows(context: Context, request: Request, resource: Resource) -> Response:
    """``GET SQLQueries('c')/List?p=1`` or ``POST`` with ``{"ParamList": "p=1"}``. Raises ServiceLayerError."""
    query = rows.read(context.store, "SQLQueries", *(resource.key or ()))
    if query is None:
        raise not_found()
    text = _parameter_text(request)
    values = _values(text)
    wanted = [name for name in (query.get("ParamList") or "").split(",") if name]
    if set(wanted) != set(values):
        raise _parameters()
    size, applied = odata_query.page_size(request, context)
    size = size or odata_query.PAGE  # always paged
    skip = request.parameter("$skip") or "0"
    if not skip.isdigit():
        raise malformed(f"Query string error: $skip '{skip}'")
    found = _run(context, query["SqlText"], {name: values[name] for name in wanted}, size + 1, int(skip))
    if not found and context.options.empty_query_is_not_found:
        raise not_found()
    link = None
    if len(found) > size:
        base = f"SQLQueries({rows.key_text_of('SQLQueries', query)})/List?{text}&$skip={int(skip) + size}"
        link = f"{context.root}/{base}" if context.version == "v1" else base
    name = "Collection(SAPB1.SQLQueryResult)"
    more = {"SqlText": query["SqlText"]}
    return odata_query.collection(list(found[:size]), name, context, link=link, applied=applied, more=more)


def _parameter_text(request: Request) -> str:
    if request.method == "POST":
        body = body_of(request) if request.body else {}
        text = body.get("ParamList") if isinstance(body, dict) else None
        return text or ""
    if request.method != "GET":
        raise unsupported()
    given = request.parameter("ParamList")
    if given is not None:
        return given
    return "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in request.query if not name.startswith("$"))


def _values(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        match = _PARAMETER.match(value)
        if match is None:
            raise _parameters()
        found[name] = match[1].replace("''", "'") if match[1] is not None else float(match[2])
    return found
