"""The rules of quality say the same without their engine."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from erp_sync.components.documents import suite_of
from erp_sync.quality import gate
from erp_sync.transport.auth import OAuth1
from erp_sync_tests.chaos import thrift
from erp_sync_tests.chaos.house import FLOWS

VALUES: dict[str, list[Any]] = {
    "ExpectColumnValuesToBeBetween": [-1, 0, 1, None],
    "ExpectColumnValueLengthsToBeBetween": ["", "A", None, "AB"],
    "ExpectColumnValuesToBeInSet": ["USD", "", "usd", None],
    "ExpectColumnValuesToMatchRegex": ["USD", "", "usd", "USDX"],
}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_rule_says_the_same_as_by_the_engine(flow: str):
    suite = suite_of(flow)
    columns = {rule.arguments["column"]: VALUES[rule.expectation] for rule in suite.rules}
    records = [{name: values[row] for name, values in columns.items()} for row in range(4)]
    ours, theirs = thrift.judge(suite, records), gate.judge(suite, records)
    assert ours.by_row() == theirs.by_row()
    assert ours.rules == theirs.rules


REQUESTS = (
    httpx.Request(
        "GET", "http://store.chaos/rest/all/V1/orders?searchCriteria[pageSize]=8&fields=items[sku,name]&a=b c~"
    ),
    httpx.Request("POST", "http://erp.chaos:8080/record/v1/salesOrder/eid:1%2F2", json={"a": 1}),
    httpx.Request("GET", "https://Erp.chaos/services?empty=&q=%C3%A4+%26"),
    httpx.Request("POST", "http://store.chaos/token", data={"a": "b c"}),
)


@pytest.mark.parametrize("realm", [None, "1234567_SB1"])
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.url.path)
def test_a_request_is_signed_as_by_the_library(request_: httpx.Request, realm: str | None):
    ours = OAuth1("key", "secret&", "token", "token secret", realm=realm)
    ours._signer.nonce, ours._signer.timestamp = "123", "1793628000"
    parts = [sorted(how(ours, request_).removeprefix("OAuth ").split(", ")) for how in (thrift.signed, OAuth1._header)]
    assert parts[0] == parts[1]


def test_cookies_are_kept_as_by_the_library():
    jars = [httpx.Cookies(), httpx.Cookies()]
    for headers in ({"set-cookie": "seat=12; Path=/"}, {}):
        response = httpx.Response(200, headers=headers, request=REQUESTS[0])
        thrift.cookies_kept(jars[0], response)
        jars[1].extract_cookies(response)
    assert [dict(jar) for jar in jars] == [{"seat": "12"}] * 2
