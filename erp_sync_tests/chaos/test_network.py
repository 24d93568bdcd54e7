"""Who reads on in a list."""

from __future__ import annotations

import pytest

from erp_sync.sandbox.core import Request
from erp_sync_tests.chaos.network import _goes_on


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
