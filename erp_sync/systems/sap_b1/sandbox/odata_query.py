"""Collections: ``$filter $select $orderby $top $skip``, counting, and pages that drift.

A page is an offset into whatever the set holds at that moment (fact sheet, section 3): a row that appears or goes
between two pages moves the others, so that one is read twice or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from erp_sync.sandbox.core import Request, Response, json_response
from erp_sync.systems.sap_b1.sandbox import contract, odata_filter
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.entities import EntitySet
from erp_sync.systems.sap_b1.sandbox.errors import JSON, malformed, wrong_property
from erp_sync.systems.sap_b1.sandbox.values import kind_of

PAGE = 20
_PREFER = re.compile(r"odata\.maxpagesize\s*=\s*(\d+)")
_KNOWN = frozenset(["$filter", "$select", "$orderby", "$top", "$skip", "$expand", "$count", "$inlinecount", "$format"])


@dataclass(frozen=True)
class Query:
    """The options of one request, checked.

    Attributes:
        by_key: rows come in the order of the set's keys.
        page: rows a page, 0 for all (``Prefer: odata.maxpagesize=0``); no maximum is documented.
        applied: the preference that the answer echoes.
        counted: the answer tells how many rows there are in all.
    """

    where: str
    values: list[object]
    order: str
    by_key: bool
    select: tuple[str, ...] | None
    top: int | None
    skip: int
    page: int
    applied: str | None
    counted: bool

    @classmethod
    def of(cls, request: Request, entity: EntitySet, context: Context) -> Query:
        """Read the options. Raises ServiceLayerError."""
        given = dict(request.query)
        for name in given:
            if name.startswith("$") and name not in _KNOWN:
                raise malformed(f"Query string error: '{name}' is not supported")
        if given.get("$expand"):
            raise _no_expand(entity, given["$expand"])
        where: str = "1"
        values: list[object] = []
        if given.get("$filter"):
            where, values = odata_filter.where(entity, given["$filter"], context.user_fields)
        order = list(entity.key_columns)
        if given.get("$orderby"):
            order = [*odata_filter.order(entity, given["$orderby"], context.user_fields), *order]
        order = list(dict.fromkeys(order))
        counting = "$inlinecount" if context.version == "v1" else "$count"
        if "$inlinecount" in given and context.version == "v2":
            raise malformed("Query string error: '$inlinecount' is not supported")
        page, applied = page_size(request, context)
        return cls(
            where,
            values,
            ", ".join(order),
            order == list(entity.key_columns),
            selected(given.get("$select"), entity, context),
            _natural("$top", given.get("$top")),
            _natural("$skip", given.get("$skip")) or 0,
            page,
            applied,
            given.get(counting) in ("allpages", "true"),
        )


def page_size(request: Request, context: Context) -> tuple[int, str | None]:
    """Rows a page, and the preference to echo. The header B1S-PageSize is not echoed.

    With option `page_limit` pages are cut short whatever is echoed (seen on a live system, fact sheet, section 11).
    """
    preferred = _PREFER.search(request.headers.get("prefer", ""))
    own = request.headers.get("b1s-pagesize", "")
    size, applied = PAGE, None
    if preferred is not None:
        size, applied = int(preferred[1]), preferred[0]
    elif own.isdigit():
        size = int(own)
    limit = context.options.page_limit
    if limit is not None and (size == 0 or size > limit):
        size = limit
    return size, applied


def selected(text: str | None, entity: EntitySet, context: Context) -> tuple[str, ...] | None:
    """The names of a $select. Raises ServiceLayerError."""
    if not text or text == "*":
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if kind_of(entity.type_name, name, context.user_fields) is None:
            raise wrong_property(name, entity.type_name)
    return names


def _no_expand(entity: EntitySet, text: str) -> Exception:
    """Complex collections come with the entity, and expanding them is an error (section 3). Navigation to other
    entities is not in this sandbox."""
    for name in text.split(","):
        kind = contract.properties(entity.type_name).get(name.strip())
        if kind is not None and contract.element(kind):
            return malformed(f"Query string error: '{name.strip()}' is not a navigation property")
    return malformed(f"Query string error: '$expand={text}' is not supported")


def _natural(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise malformed(f"Query string error: {name} '{text}'")
    return int(text)


def count(entity: EntitySet, query: Query, context: Context) -> int:
    return int(context.store.value(f'SELECT COUNT(*) FROM "{entity.name}" WHERE {query.where}', *query.values))


def page(entity: EntitySet, query: Query, context: Context) -> tuple[list[str], bool]:
    """The rows' JSON texts, and whether more follow."""
    wanted = query.top
    if query.page:
        wanted = query.page if wanted is None else min(wanted, query.page)
    if wanted == 0:
        return [], False
    more = wanted is not None and (query.top is None or query.top > wanted)
    limit = -1 if wanted is None else wanted + more
    rows = _rows(entity, query, context, limit)
    if more and wanted is not None and len(rows) > wanted:
        rows = rows[:wanted]
        if query.by_key:
            context.store.places.keep(_scan(entity, query), query.skip + wanted, rows[-1][1:])
        return [row[0] for row in rows], True
    return [row[0] for row in rows], False


def _scan(entity: EntitySet, query: Query) -> tuple[object, ...]:
    return entity.name, query.where, tuple(query.values)


def _rows(entity: EntitySet, query: Query, context: Context, limit: int) -> list[tuple[Any, ...]]:
    """Text and key of each entity, from the known place before the page on, else by counting up to it."""
    keys = ", ".join(entity.key_columns)
    columns = f'SELECT data, {keys} FROM "{entity.name}" WHERE {query.where}'
    if query.by_key and query.skip:
        before = context.store.places.before(_scan(entity, query), query.skip)
        if before is not None:
            marks = ", ".join("?" * len(before))
            return context.store.rows(
                f"{columns} AND ({keys}) > ({marks}) ORDER BY {query.order} LIMIT ?", *query.values, *before, limit
            )
    return context.store.rows(f"{columns} ORDER BY {query.order} LIMIT ? OFFSET ?", *query.values, limit, query.skip)


def next_link(request: Request, path: str, given: int, query: Query, context: Context) -> str:
    """A relative link: v1 with the path from the host, v2 from the service root (manual v1.29, section 8.1).

    What remains of $top is in it (unconfirmed). Service Layer now and then leaves out filters and selections
    (b1sl-python 0.16.0, obs.): with option `bare_next_links` it does so always.
    """
    if context.options.bare_next_links:
        text = f"$skip={query.skip + given}"
        return f"{context.root}/{path}?{text}" if context.version == "v1" else f"{path}?{text}"
    options = []
    for name, value in request.query:
        if name == "$skip" or (name == "$top" and query.top is not None):
            continue
        options.append((name, value))
    if query.top is not None:
        options.append(("$top", str(query.top - given)))
    options.append(("$skip", str(query.skip + given)))
    text = "&".join(f"{name}={quote(value, safe='$,()*')}" for name, value in options)
    return f"{context.root}/{path}?{text}" if context.version == "v1" else f"{path}?{text}"


def collection(
    values: list[object],
    name: str,
    context: Context,
    *,
    link: str | None,
    counted: int | None = None,
    applied: str | None = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Response:
    """The answer with a page of a collection; `more` stands before the rows."""
    v1 = context.version == "v1"
    mark = "odata." if v1 else "@odata."
    body: dict[str, object] = {
        ("odata.metadata" if v1 else "@odata.context"): f"{context.origin}{context.root}/$metadata#{name}"
    }
    if counted is not None:
        # OData 3 writes the number as text.
        body[f"{mark}count"] = str(counted) if v1 else counted
    body |= more
    body["value"] = values
    if link is not None:
        body[f"{mark}nextLink"] = link
    headers = {} if applied is None else {"preference-applied": applied}
    return json_response(body, 200, headers, JSON)
