"""Who reads on in a list, and what people ask."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from erp_sync.sandbox.core import Request
from erp_sync_tests.chaos.network import People, _asked, _goes_on


def asked(path: str = "/orders", body: bytes = b"", **query: str) -> Request:
    return Request(method="GET", path=path, query=list(query.items()), headers={}, body=body, url=path)


@pytest.mark.parametrize(
    ("then", "reads_on"),
    [
        (asked(since="9", page="2"), True),
        (asked(since="10", page="1"), True),
        (asked(body=b"{}", since="9", page="1"), True),
        (asked(since="9", page="1"), False),
        (asked("/shipments", since="9", page="2"), False),
    ],
)
def test_who_asks_for_something_else_of_the_same_place_reads_on(then: Request, reads_on: bool):
    assert _goes_on(asked(since="9", page="1"), then) is reads_on


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("http://store.chaos/rest/V1/orders?searchCriteria%5BpageSize%5D=8&b=&b=a+c", None),
        ("http://erp.chaos/record/v1/salesOrder/eid:1%2F2", b'{"a": 1}'),
    ],
)
def test_what_people_ask_comes_as_a_client_would_send_it(url: str, content: bytes | None):
    people, came = People(), list[Request]()
    people.network = SimpleNamespace(direct=came.append)  # type: ignore[assignment]
    given = {"accept": "application/json", "Authorization": "Bearer x"}
    people.request("POST", url, content=content, headers=given)
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, request=request))) as client:
        sent = _asked(client.request("POST", url, content=content, headers=given).request)
    (ours,) = came
    assert [(one.method, one.path, one.query, one.body, one.url) for one in (ours, sent)] == [
        ("POST", sent.path, sent.query, sent.body, url)
    ] * 2
    assert ours.headers.items() <= sent.headers.items()
    assert ours.headers.keys() == {"accept", "authorization", "user-agent"}
