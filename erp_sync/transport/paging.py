"""Ways to read page after page. A way that could go on for ever is refused when it is built.

Pages shift while a source changes: records may come twice, and with offsets and page numbers one may
slip through between two pages. Sort by something that does not move, overlap windows, deduplicate.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from erp_sync.model.advice import Advice
from erp_sync.transport.calls import Call, Reply
from erp_sync.transport.client import VendorClient
from erp_sync.transport.errors import TransportError


class PagingError(TransportError):
    """The pages cannot be trusted to be all there are; those given before are valid."""

    advice = Advice(
        means="A list of a system changed while it was read, so that it cannot be trusted to be all. What was read "
        "counts; the rest is read again.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, something changes the list all the time: look for imports in that "
        "system.",
    )


class TooManyRows(PagingError):
    """More rows match than the source gives for one query: split the query. Attributes: rows, most."""

    advice = Advice(
        means="More changed at once than the system gives for one query. It is split and read in parts.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, take a shorter window in the connection's settings.",
    )

    def __init__(self, rows: int, most: int) -> None:
        self.rows, self.most = rows, most
        super().__init__(f"{rows} rows match, and the source gives {most} for one query")


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page, its number from 1, and the whole reply."""

    records: list[Any]
    number: int
    reply: Reply


class Paging(Protocol):
    """One way of paging. Without state: one object serves any number of readings at once."""

    most_pages: int

    def first(self, call: Call) -> Call:
        """The call for the first page."""

    def following(self, call: Call, page: Page) -> Call | None:
        """The call for the page after `page`, which `call` gave; None after the last.

        Raises PagingError where the reply does not say what it must.
        """


def pages(
    client: VendorClient, call: Call, paging: Paging, records: str | Callable[[Reply], list[Any]]
) -> Iterator[Page]:
    """All pages, the empty ones too. `records` is the dotted path of the list in the reply ("" for the
    reply itself), or a function.

    Raises what `send` raises; PagingError for a page that came twice, or after `most_pages`.
    """
    take = records if callable(records) else _list_at(records)
    following: Call | None = paging.first(call)
    before: list[Any] | None = None
    number = 0
    while following is not None:
        number += 1
        if number > paging.most_pages:
            raise _located(PagingError(f"no end after {paging.most_pages} pages"), client, call)
        reply = client.send(following)
        try:
            page = Page(take(reply), number, reply)
            if page.records and page.records == before:
                raise PagingError(f"page {number} is the same as the page before")
            asked, following = following, paging.following(following, page)
            if following is not None and (following.path, following.params) == (asked.path, asked.params):
                raise PagingError(f"page {number} leads to itself")
        except TransportError as error:
            raise _located(error, client, call) from error.__cause__
        before = page.records
        yield page


def _located(error: TransportError, client: VendorClient, call: Call) -> TransportError:
    error.system, error.operation, error.document = client.connection.name, call.operation, call.document
    return error


def with_params(call: Call, params: Mapping[str, str]) -> Call:
    """The call with these parameters instead of its own of the same names."""
    pairs = call.params.items() if isinstance(call.params, Mapping) else call.params
    kept = [(name, value) for name, value in pairs if name not in params]
    return replace(call, params=[*kept, *params.items()])


def at_path(value: Any, path: str) -> Any:
    """What is at a dotted path of nested objects; None where a part is missing."""
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _list_at(path: str) -> Callable[[Reply], list[Any]]:
    def take(reply: Reply) -> list[Any]:
        found = at_path(reply.json(), path)
        if not isinstance(found, list):
            raise PagingError(f"the reply has no list at {path or 'its top'}")
        return found

    return take


def _number_at(reply: Reply, path: str) -> int:
    found = at_path(reply.json(), path)
    if isinstance(found, bool) or not isinstance(found, int | str) or not str(found).isdecimal():
        raise PagingError(f"the reply has no number at {path}")
    return int(found)


def _flag_at(reply: Reply, path: str) -> bool:
    found = at_path(reply.json(), path)
    if not isinstance(found, bool):
        raise PagingError(f"the reply has no true or false at {path}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What offsets and page numbers have in common: how the end is known.

    Attributes:
        size: rows a page.
        total: dotted path of the number of all rows.
        has_more: dotted path of a flag that another page exists.
        short_page_ends: a page with fewer than `size` rows is the last; only for sources that fill pages.
        empty_page_ends: a page without rows is the last; not for sources that repeat their last page.
        most_rows: more rows than this are not to be had for one query (needs `total`).
        most_pages: more are an error.
    """

    size: int
    total: str = ""
    has_more: str = ""
    short_page_ends: bool = False
    empty_page_ends: bool = False
    most_rows: int | None = None
    most_pages: int = 100_000

    def __post_init__(self) -> None:
        if self.size < 1 or self.most_pages < 1:
            raise ValueError(f"paging needs a positive size and most_pages, not {self.size} and {self.most_pages}")
        if not (self.total or self.has_more or self.short_page_ends or self.empty_page_ends):
            raise ValueError("paging cannot stop: give total, has_more, short_page_ends or empty_page_ends")
        if self.most_rows is not None and not self.total:
            raise ValueError("most_rows can only be checked with total")

    def _ends(self, page: Page, read: int) -> bool:
        if self.total:
            rows = _number_at(page.reply, self.total)
            if self.most_rows is not None and rows > self.most_rows:
                raise TooManyRows(rows, self.most_rows)
            if read >= rows:
                return True
            if not page.records:
                raise PagingError(f"page {page.number} is empty, and {read - self.size} of {rows} rows were read")
        if self.has_more and not _flag_at(page.reply, self.has_more):
            return True
        if self.short_page_ends and len(page.records) < self.size:
            return True
        return self.empty_page_ends and not page.records


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset(_Counted):
    """Rows from an offset on: ``limit=100&offset=200``."""

    offset_parameter: str = "offset"
    size_parameter: str = "limit"

    def first(self, call: Call) -> Call:
        return with_params(call, {self.size_parameter: str(self.size), self.offset_parameter: "0"})

    def following(self, call: Call, page: Page) -> Call | None:
        read = page.number * self.size
        if self._ends(page, read):
            return None
        return with_params(call, {self.offset_parameter: str(read)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber(_Counted):
    """Numbered pages: ``pageSize=100&currentPage=3``."""

    page_parameter: str = "page"
    size_parameter: str = "page_size"
    first_page: int = 1

    def first(self, call: Call) -> Call:
        return with_params(call, {self.size_parameter: str(self.size), self.page_parameter: str(self.first_page)})

    def following(self, call: Call, page: Page) -> Call | None:
        if self._ends(page, page.number * self.size):
            return None
        return with_params(call, {self.page_parameter: str(self.first_page + page.number)})


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLink:
    """Each reply carries the URL of the next page, and none on the last.

    Exactly one of:
        path: dotted path of the URL (``@odata.nextLink`` has no dots to split: give it as `key`).
        key: name of the URL at the top of the reply.
        relation: of a list ``links: [{rel, href}]``.
        header_relation: of the Link header (RFC 8288).

    The URL replaces path and parameters of the call. A relative one is taken from the URL of the reply.
    """

    path: str = ""
    key: str = ""
    relation: str = ""
    header_relation: str = ""
    most_pages: int = 100_000

    def __post_init__(self) -> None:
        if sum(map(bool, (self.path, self.key, self.relation, self.header_relation))) != 1:
            raise ValueError("paging cannot stop: give one of path, key, relation and header_relation")
        if self.most_pages < 1:
            raise ValueError(f"paging needs a positive most_pages, not {self.most_pages}")

    def first(self, call: Call) -> Call:
        return call

    def following(self, call: Call, page: Page) -> Call | None:
        link = self._link(page.reply)
        if link is None:
            return None
        if not isinstance(link, str) or not link:
            raise PagingError(f"the link to the next page is {link!r}")
        return replace(call, path=urllib.parse.urljoin(page.reply.origin, link), params=())

    def _link(self, reply: Reply) -> Any:
        if self.header_relation:
            return link_header(reply.header("Link"), self.header_relation)
        body = reply.json()
        if self.key:
            return body.get(self.key) if isinstance(body, Mapping) else None
        if self.path:
            return at_path(body, self.path)
        links = at_path(body, "links")
        if not isinstance(links, list):
            raise PagingError("the reply has no list at links")
        return next((link.get("href") for link in links if link.get("rel") == self.relation), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Each reply carries a token for the next page at a dotted path, and none, or "", on the last."""

    path: str
    parameter: str
    most_pages: int = 100_000

    def __post_init__(self) -> None:
        if not self.path or not self.parameter:
            raise ValueError("paging cannot stop: give path and parameter")
        if self.most_pages < 1:
            raise ValueError(f"paging needs a positive most_pages, not {self.most_pages}")

    def first(self, call: Call) -> Call:
        return call

    def following(self, call: Call, page: Page) -> Call | None:
        token = at_path(page.reply.json(), self.path)
        return None if token in (None, "") else with_params(call, {self.parameter: str(token)})


def link_header(value: str, relation: str) -> str | None:
    """The URL of a relation in a Link header: ``<https://...>; rel="next", <...>; rel="last"``."""
    for part in value.split("<")[1:]:
        url, _, rest = part.partition(">")
        for parameter in rest.split(";"):
            name, _, text = parameter.partition("=")
            if name.strip().lower() == "rel" and relation in text.strip(' ,"').split():
                return url
    return None
