from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.transport.calls import Call, Reply
from erp_sync.transport.errors import OutcomeUnknown
from erp_sync.transport.paging import (
    Cursor,
    NextLink,
    Offset,
    PageNumber,
    Paging,
    PagingError,
    TooManyRows,
    link_header,
    pages,
    with_params,
)
from erp_sync_tests.transport.conftest import read
from erp_sync_tests.transport.conftest import settings as connection
from erp_sync_tests.transport.loopback import answer, drop


class Source:
    """A source as a function of the call; stands in for a client."""

    def __init__(self, respond: Callable[[dict[str, str], str], tuple[Any, dict[str, str]]]) -> None:
        self.connection = connection("http://shop.example/rest")
        self.respond, self.asked = respond, []

    def send(self, call: Call) -> Reply:
        url = urllib.parse.urlsplit(call.path)
        params = dict(urllib.parse.parse_qsl(url.query)) | dict(call.params)
        self.asked.append(params)
        body, headers = self.respond(params, url.path)
        return Reply(
            status=200,
            headers=httpx.Headers(headers),
            content=json.dumps(body).encode(),
            elapsed=0.0,
            url="redacted",
            origin="http://shop.example/rest/orders",
        )


def offsets(rows: list[int], *, clamp: bool = False, **extra: Any) -> Source:
    def respond(params, path):
        size, start = int(params["limit"]), int(params["offset"])
        if clamp and start >= len(rows):
            start = max(0, len(rows) - size)
        items = rows[start : start + size]
        return {"items": items, "total": len(rows), "more": {"flag": start + size < len(rows)}, **extra}, {}

    return Source(respond)


def numbered(rows: list[int], first: int) -> Source:
    def respond(params, path):
        size, start = int(params["size"]), (int(params["p"]) - first) * int(params["size"])
        return {"items": rows[start : start + size], "total": str(len(rows))}, {}

    return Source(respond)


def linked(rows: list[int], size: int, kind: str) -> Source:
    def respond(params, path):
        start = int(params.get("start", 0))
        url = f"http://shop.example/rest/orders?start={start + size}" if start + size < len(rows) else None
        body: dict[str, Any] = {"items": rows[start : start + size], "links": []}
        headers = {}
        if url and kind == "relation":
            body["links"] = [{"rel": "self", "href": "x"}, {"rel": "next", "href": url}]
        elif url and kind == "header_relation":
            headers["Link"] = f'<{url}>; rel="next", <http://x/>; rel="last"'
        elif url and kind == "key":
            body["@odata.nextLink"] = f"?start={start + size}"
        elif kind == "path":
            body["paging"] = {"next": url}
        elif kind == "cursor":
            body["page"] = {"cursor": str(start + size) if url else ""}
        return body, headers

    return Source(respond)


def all_of(source: Source, paging: Paging, records: str = "items") -> list[Any]:
    return [record for page in pages(source, read(), paging, records) for record in page.records]  # type: ignore[arg-type]


ENDS = [{"total": "total"}, {"has_more": "more.flag"}, {"short_page_ends": True}, {"empty_page_ends": True}]
LINKS: dict[str, Paging] = {
    "path": NextLink(path="paging.next"),
    "key": NextLink(key="@odata.nextLink"),
    "relation": NextLink(relation="next"),
    "header_relation": NextLink(header_relation="next"),
    "cursor": Cursor(path="page.cursor", parameter="start"),
}


@settings(deadline=None)
@given(st.integers(0, 25), st.integers(1, 8), st.sampled_from(ENDS))
def test_offsets_give_every_row_once(number, size, end):
    rows = list(range(number))
    source = offsets(rows)
    assert all_of(source, Offset(size=size, **end)) == rows
    assert len(source.asked) <= number // size + 2


@settings(deadline=None)
@given(st.integers(0, 25), st.integers(1, 8), st.sampled_from([0, 1]))
def test_numbered_pages_give_every_row_once(number, size, first):
    paging = PageNumber(size=size, total="total", page_parameter="p", size_parameter="size", first_page=first)
    assert all_of(numbered(list(range(number)), first), paging) == list(range(number))


@settings(deadline=None)
@given(st.integers(0, 25), st.integers(1, 8), st.sampled_from(sorted(LINKS)))
def test_links_and_cursors_give_every_row_once(number, size, kind):
    assert all_of(linked(list(range(number)), size, kind), LINKS[kind]) == list(range(number))


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: Offset(size=10), "cannot stop"),
        (lambda: PageNumber(size=10), "cannot stop"),
        (lambda: NextLink(), "cannot stop"),
        (lambda: NextLink(path="a", key="b"), "cannot stop"),
        (lambda: Cursor(path="", parameter="a"), "cannot stop"),
        (lambda: Offset(size=0, total="t"), "positive"),
        (lambda: PageNumber(size=1, total="t", most_pages=0), "positive"),
        (lambda: NextLink(path="a", most_pages=0), "positive"),
        (lambda: Cursor(path="a", parameter="a", most_pages=0), "positive"),
        (lambda: Offset(size=1, has_more="x", most_rows=5), "total"),
    ],
)
def test_a_way_that_cannot_stop_is_refused_when_built(build, problem):
    with pytest.raises(ValueError, match=problem):
        build()


def test_a_source_that_repeats_its_last_page_is_found_out():
    with pytest.raises(PagingError, match="same as the page before"):
        all_of(offsets([1, 2, 3, 4], clamp=True), Offset(size=2, empty_page_ends=True))
    assert all_of(offsets([1, 2, 3, 4], clamp=True), Offset(size=2, total="total")) == [1, 2, 3, 4]


def test_a_link_to_itself_is_found_out():
    source = Source(lambda params, path: ({"items": [], "paging": {"next": "http://shop.example/rest/orders"}}, {}))
    call = read(path="http://shop.example/rest/orders")
    with pytest.raises(PagingError, match="leads to itself"):
        list(pages(source, call, LINKS["path"], "items"))  # type: ignore[arg-type]


def test_a_source_without_end_is_stopped():
    numbers = iter(range(1000))
    source = Source(lambda params, path: ({"items": [next(numbers)], "page": {"cursor": f"c{next(numbers)}"}}, {}))
    with pytest.raises(PagingError, match="no end after 7 pages") as raised:
        all_of(source, Cursor(path="page.cursor", parameter="c", most_pages=7))
    assert (raised.value.system, raised.value.operation) == ("erp_us", "sales_order.read")
    assert len(source.asked) == 7


def test_more_rows_than_the_source_gives_is_an_error_with_the_first_page():
    with pytest.raises(TooManyRows) as raised:
        all_of(offsets(list(range(50))), Offset(size=10, total="total", most_rows=40))
    assert (raised.value.rows, raised.value.most) == (50, 40)


def test_rows_that_are_promised_and_do_not_come_are_an_error():
    source = Source(lambda params, path: ({"items": [], "total": 5}, {}))
    with pytest.raises(PagingError, match="0 of 5"):
        all_of(source, Offset(size=2, total="total"))


@pytest.mark.parametrize(
    ("body", "paging", "problem"),
    [
        ({"items": [1]}, Offset(size=1, total="total"), "no number at total"),
        ({"items": [1], "total": True}, Offset(size=1, total="total"), "no number at total"),
        ({"items": [1]}, Offset(size=1, has_more="more"), "no true or false at more"),
        ({"items": {}}, Offset(size=1, total="total"), "no list at items"),
        ([1], Offset(size=1, total="total"), "no list at items"),
        ({"items": [1]}, NextLink(relation="next"), "no list at links"),
        ({"items": [1], "next": 7}, NextLink(path="next"), "link to the next page is 7"),
    ],
)
def test_a_reply_that_does_not_say_enough_is_an_error(body, paging, problem):
    with pytest.raises(PagingError, match=problem):
        all_of(Source(lambda params, path: (body, {})), paging)


def test_a_list_may_be_the_whole_reply():
    assert all_of(Source(lambda params, path: ([1, 2], {})), Offset(size=5, short_page_ends=True), "") == [1, 2]


def test_parameters_of_the_same_name_are_replaced():
    call = with_params(read(params={"limit": "1", "a": "b"}), {"limit": "2"})
    assert list(call.params) == [("a", "b"), ("limit", "2")]


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ('<http://x/2>; rel="next"', "http://x/2"),
        ('<http://x/1>; rel="prev", <http://x/3?a=1,2>; title="t"; rel=next', "http://x/3?a=1,2"),
        ('<http://x/4>; rel="last next"', "http://x/4"),
        ('<http://x/5>; rel="nextish"', None),
        ("", None),
    ],
)
def test_link_headers(value, url):
    assert link_header(value, "next") == url


def test_pages_already_given_stay_valid_when_the_source_breaks(server, rig):
    server.script = [answer(200, {"items": [1, 2], "total": 4}), drop, drop, drop]
    given_pages = pages(rig(server.url).client, read(), Offset(size=2, total="total"), "items")
    assert next(given_pages).records == [1, 2]
    with pytest.raises(OutcomeUnknown):
        next(given_pages)
    assert [arrived.target for arrived in server.requests][:2] == [
        "/orders?limit=2&offset=0",
        "/orders?limit=2&offset=2",
    ]


def test_relative_links_are_followed_over_http(server, rig):
    server.script = [answer(200, {"items": [1], "next": "/orders?page=2&q=a%20b"}), answer(200, {"items": [2]})]
    found = list(pages(rig(server.url).client, read(params={"q": "a b"}), NextLink(key="next"), "items"))
    assert [page.records for page in found] == [[1], [2]]
    assert server.requests[1].target == "/orders?page=2&q=a%20b"
