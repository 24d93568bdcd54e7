"""The SuiteQL resource: ``POST /services/rest/query/v1/suiteql``.

Facts (Oracle help, Executing SuiteQL Queries Through REST Web Services, section_157909186990): header
``Prefer: transient``, body ``{"q": ...}``, at most 1,000 rows a page and 100,000 rows a query. Values are
texts; columns without a value are left out (unconfirmed); a date-time shows its date only. Without a unique order
pages repeat or skip rows (fact sheet, section 3): here a query without any order comes in another one from the
second page on.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.sandbox.core import BadJson, Request, Response, json_response
from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Store
from erp_sync.systems.netsuite.sandbox.suiteql import dates
from erp_sync.systems.netsuite.sandbox.suiteql.compiler import STORED, Compiled, Compiler
from erp_sync.systems.netsuite.sandbox.suiteql.functions import install, number_text
from erp_sync.systems.netsuite.sandbox.suiteql.kinds import malformed, quoted

PATH = "/services/rest/query/v1/suiteql"
MAX_PAGE, MAX_ROWS = 1000, 100_000
# By query, custom fields and records, options and schema: for all accounts of a process.
_compiled: OrderedDict[tuple[str, str, str], Compiled] = OrderedDict()


class SuiteQLService:
    """Answers queries; `schema` is the attached database that lags behind, or empty for the current one."""

    def __init__(self, store: Store, session_options: Any, schema: str = "") -> None:
        install(store, session_options.zone, session_options.date_format)
        self._schema = schema
        self._totals: OrderedDict[tuple[str, int], int] = OrderedDict()

    def handle(self, session: Session, request: Request) -> Response:
        if "transient" not in request.headers.get("prefer", ""):
            raise VendorError(
                "INVALID_HEADER", "The header 'Prefer' must be set to 'transient' for this request.", header="Prefer"
            )
        try:
            body = request.json()
        except BadJson as error:
            raise VendorError("INVALID_CONTENT", f"The request body is not valid JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("q"), str) or not body["q"].strip():
            raise VendorError("INVALID_CONTENT", "Provide the query as the text property 'q'.", path="q")
        limit, offset = page_of(request)
        page, total = self.run(session, body["q"], limit, offset)
        content = {
            "links": page_links(request, limit, offset, total),
            "count": len(page),
            "hasMore": offset + len(page) < total,
            "items": [{"links": [], **row} for row in page],
            "offset": offset,
            "totalResults": total,
        }
        return json_response(content, content_type=COLLECTION_TYPE)

    def run(self, session: Session, query: str, limit: int, offset: int) -> tuple[list[dict[str, str]], int]:
        """One page of rows and the number of all. Raises VendorError."""
        compiled = self._compile(session, query)
        try:
            page = max(min(limit, MAX_ROWS - offset), 0)
            inner = f"SELECT * FROM ({compiled.sql})" if compiled.limited else compiled.sql
            if offset and not compiled.ordered:  # so that one who pages without an order meets rows twice, or never
                backwards = ", ".join(f'"{name}" DESC' for name, _ in compiled.columns)
                inner = f"SELECT * FROM ({compiled.sql}) ORDER BY {backwards}"
            rows = session.store.tuples(f"{inner} LIMIT {page} OFFSET {offset}")
            # A page that is not full is the last one.
            total = offset + len(rows) if len(rows) < page and (rows or not offset) else self._total(session, compiled)
        except sqlite3.OperationalError as error:
            # SQLite does not tell what a function said; in Oracle's words ORA-01476 and ORA-01722.
            why = "divisor is equal to zero, or invalid number" if "user-defined" in str(error) else str(error)
            raise malformed(f"Invalid or unsupported search: {why}") from error
        return printed(rows, compiled.columns, session.options), total

    def _total(self, session: Session, compiled: Compiled) -> int:
        key = (compiled.counted, session.store.version)
        total = None if compiled.timely else self._totals.get(key)
        if total is None:
            total = min(int(session.store.value(compiled.counted)), MAX_ROWS)
            self._totals[key] = total
            if len(self._totals) > 64:
                self._totals.popitem(last=False)
        return total

    def _compile(self, session: Session, query: str) -> Compiled:
        """The query compiled. Those that differ only in their moments, as windows do, or in what stands in their lists
        are compiled once."""
        model, moments, lists = _model_of(query)
        if model == query:
            return self._compiled(session, query)
        try:
            found = self._compiled(session, model)
        except VendorError:
            return self._compiled(session, query)  # refused in its own words
        return _with_values(found, moments, lists, session.options.zone) or self._compiled(session, query)

    def _compiled(self, session: Session, query: str) -> Compiled:
        custom, records = session.custom_fields(), session.custom_records()
        kind = f"{session.options!r} {self._schema}"
        key = (query, json.dumps([custom, records], sort_keys=True, default=str), kind)
        found = _compiled.get(key)
        if found is None or found.timely:
            found = Compiler(session.options, custom, session.moment, self._schema, records).compile(query)
            _compiled[key] = found
            if len(_compiled) > 512:
                _compiled.popitem(last=False)
        return found


_MODEL = "YYYY-MM-DD HH24:MI:SS"
_MOMENT = re.compile(rf"TO_TIMESTAMP\('(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)', '{_MODEL}'\)")
_STAND_IN_DAY = "2001-02-03"
_STAND_INS = [f"{_STAND_IN_DAY} 04:05:0{number}" for number in range(10)]
# A list of texts or of whole numbers. A text with a colon is more than its letters where a status is asked for, an
# empty one is Oracle's null.
_LIST = re.compile(r"\bIN \(((?:'[^':]+'(?:, ?'[^':]+')*)|(?:[1-9]\d{0,14}(?:, ?[1-9]\d{0,14})*))\)")
_LONGEST_LIST = 1000
_STAND_IN_TEXT, _STAND_IN_NUMBER = "'a list stands here, the {}.'", "9876501234{:04}"
_STAND_IN_LISTS = ("a list stands here", "9876501234")


def _model_of(query: str) -> tuple[str, list[str], list[str]]:
    """The query with stand-ins, and in whose places they stand: moments, and lists as SQL. The query itself where it
    has none, or more than there are stand-ins, or speaks of those."""
    moments = _MOMENT.findall(query)
    if len(moments) > len(_STAND_INS) or any(one in query for one in (_STAND_IN_DAY, *_STAND_IN_LISTS)):
        return query, [], []
    if moments:
        stand_ins = iter(_STAND_INS)
        query = _MOMENT.sub(lambda _: _to_timestamp(next(stand_ins)), query)
    lists: list[str] = []

    def lifted(found: re.Match[str]) -> str:
        values = found[1]
        inside_a_text = found.string[: found.start()].count("'") % 2
        if inside_a_text or values.count(",") >= _LONGEST_LIST:  # or texts with commas
            return found[0]
        lists.append(values)
        return f"IN ({_stand_in(values, len(lists))})"

    return _LIST.sub(lifted, query), moments, lists


def _stand_in(values: str, number: int) -> str:
    return (_STAND_IN_TEXT if values.startswith("'") else _STAND_IN_NUMBER).format(number)


def _to_timestamp(moment: str) -> str:
    return f"TO_TIMESTAMP('{moment}', '{_MODEL}')"


def _stored(moment: str, zone: ZoneInfo) -> str:
    return quoted(dates.as_stored(dates.parse(moment, _MODEL, zone), "datetime", zone))


def _with_values(compiled: Compiled, moments: list[str], lists: list[str], zone: ZoneInfo) -> Compiled | None:
    """What was compiled with stand-ins, with these values in their places; None where they stand in another form."""
    places = []
    for stand_in, moment in zip(_STAND_INS, moments, strict=False):
        try:
            places.append((_stored(stand_in, zone), _stored(moment, zone)))
        except dates.BadDate:
            return None
    for number, values in enumerate(lists, 1):
        each = re.findall(r"'[^']+'" if values.startswith("'") else r"\d+", values)
        places.append((f" IN ({_stand_in(values, number)})", f" IN ({', '.join(each)})"))
    sql, counted = compiled.sql, compiled.counted
    for ours, theirs in places:
        sql, counted = sql.replace(ours, theirs), counted.replace(ours, theirs)
    names = [name for name, _ in compiled.columns]
    if any(one in text for text in (sql, *names) for one in (_STAND_IN_DAY, *_STAND_IN_LISTS)):
        return None
    return replace(compiled, sql=sql, counted=counted)


COLLECTION_TYPE = "application/vnd.oracle.resource+json; type=collection; charset=UTF-8"


def printed(
    rows: Iterable[tuple[Any, ...]], columns: Iterable[tuple[str, str]], options: Options
) -> list[dict[str, str]]:
    """Rows as NetSuite prints them; a column without a value is left out."""
    printers = [(name, _printer(kind, options)) for name, kind in columns]
    return [
        {name: show(value) for value, (name, show) in zip(row, printers, strict=True) if value is not None}
        for row in rows
    ]


def _printer(kind: str, options: Options) -> Callable[[Any], str]:
    if kind == STORED:
        return lambda text: text.rstrip("0").rstrip(".")
    if kind == "decimal":
        return lambda scaled: number_text(int(scaled)) or ""
    if kind in ("date", "datetime"):
        return lambda stored: dates.account_date(dates.local(stored, options.zone).date(), options.date_format)
    return str


def page_of(request: Request, default: int = MAX_PAGE) -> tuple[int, int]:
    """Limit and offset of a request. Raises VendorError: at most 1,000, the offset a multiple of the limit."""
    limit = _whole(request, "limit", default)
    offset = _whole(request, "offset", 0)
    if not 1 <= limit <= MAX_PAGE:
        raise VendorError("INVALID_PARAMETER", "The limit must be a number from 1 to 1000.", query="limit")
    if offset % limit:
        raise VendorError(
            "INVALID_PARAMETER", "The offset must be divisible by the limit.", query="offset"
        )  # Oracle help, Collection Paging
    return limit, offset


def _whole(request: Request, name: str, default: int) -> int:
    text = request.parameter(name)
    if text is None:
        return default
    if not text.isdigit():
        raise VendorError("INVALID_PARAMETER", f"The value of the query parameter '{name}' is not valid.", query=name)
    return int(text)


def page_links(request: Request, limit: int, offset: int, total: int) -> list[dict[str, str]]:
    """Links to this page and those around it."""
    base = request.url.partition("?")[0]
    kept = "".join(f"&{name}={value}" for name, value in request.query if name not in ("limit", "offset"))

    def link(rel: str, at: int) -> dict[str, str]:
        return {"rel": rel, "href": f"{base}?limit={limit}&offset={at}{kept}"}

    links = []
    last = max((total - 1) // limit * limit, 0)
    if offset > 0:
        links += [link("previous", max(offset - limit, 0)), link("first", 0)]
    if offset + limit < total:
        links += [link("next", offset + limit), link("last", last)]
    return [*links, link("self", offset)]
