"""The rules of quality say the same without their engine."""

from __future__ import annotations

from typing import Any

import httpx
import pandas as pd
import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

from erp_sync.components.documents import suite_of
from erp_sync.quality import gate
from erp_sync.transport.auth import OAuth1
from erp_sync.transport.redaction import REDACTED, Redactor
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
    for given in (records, pd.DataFrame(records)):
        ours, theirs = thrift.judge(suite, given), gate.judge(suite, given)
        assert ours.by_row() == theirs.by_row()
        assert (ours.rows, ours.rules) == (theirs.rows, theirs.rules) == (4, len(suite.rules))


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


ADDRESSES = (
    "http://store_us.chaos/rest/all/V1/orders?searchCriteria%5BpageSize%5D=8&fields=items%5Bsku%2Cname%5D&a=b%20c~",
    "http://erp.chaos/record/v1/salesOrder/eid:1%2F2",
    "http://erp.chaos/services/rest/record/v1/salesOrder/eid%3A1%2f2?",
    "http://erp.chaos/services/rest/record/v1/salesOrder/12/!transform/invoice?a=",
    "http://erp.chaos/a//b/?empty=&q=%C3%A4+%26&q=x",
    "http://erp.chaos/a/../b/./c.json?d=..",
    "http://erp.chaos/V1/%zz?half=%2",
    "https://Erp.chaos:443/V1#part",
    "http://127.0.0.1:8080/V1/orders",
    "http://erp.chaos",
    "/V1/orders?a=b",
)


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_is_taken_apart_as_by_the_library(url: str):
    assert thrift.address(url) == thrift._urlparse(url)


def test_most_addresses_of_a_seed_are_plain():
    assert [bool(thrift._PLAIN.fullmatch(url)) for url in ADDRESSES] == [True] * 4 + [False] * 7


@pytest.mark.parametrize("realm", [None, "1234567_SB1"])
@pytest.mark.parametrize("url", [url for url in ADDRESSES if "%zz" not in url and url[0] != "/"])
def test_people_sign_as_by_the_library(url: str, realm: str | None):
    ours = Client("key", "secret&", "token", "token secret", realm=realm, signature_method=SIGNATURE_HMAC_SHA256)
    ours.nonce, ours.timestamp = "123", "1793628000"
    signed, known = thrift.signed_by_people(ours, url, "POST"), thrift._sign(ours, url, "POST")
    assert (signed[0], signed[2]) == (known[0], known[2])
    parts = [sorted(one[1]["Authorization"].removeprefix("OAuth ").split(", ")) for one in (signed, known)]
    assert parts[0] == parts[1]


def test_people_sign_a_form_as_by_the_library():
    ours = Client("key", "secret", "token", "token secret")
    ours.nonce, ours.timestamp = "123", "1793628000"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert thrift.signed_by_people(ours, ADDRESSES[0], "POST", "a=b", form) == thrift._sign(
        ours, ADDRESSES[0], "POST", "a=b", form
    )


def test_who_reads_a_query_may_change_what_it_read():
    thrift.pairs("a=b&c=", keep_blank_values=True).clear()
    assert thrift.pairs("a=b&c=", keep_blank_values=True) == [("a", "b"), ("c", "")]
    assert thrift.pairs("a=b&c=") == [("a", "b")]


def test_secrets_of_one_system_are_not_taken_for_those_of_another():
    with thrift.thrifty():
        one, same, other = (Redactor({"access_token": text}) for text in ("abcdefgh", "abcdefgh", "stuvwxyz"))
        assert [redactor.text("abcdefgh stuvwxyz") for redactor in (one, same, other)] == [
            f"{REDACTED} stuvwxyz",
            f"{REDACTED} stuvwxyz",
            f"abcdefgh {REDACTED}",
        ]
        assert one._short is same._short


def test_cookies_are_kept_as_by_the_library():
    jars = [httpx.Cookies(), httpx.Cookies()]
    for headers in ({"set-cookie": "seat=12; Path=/"}, {}):
        response = httpx.Response(200, headers=headers, request=REQUESTS[0])
        thrift.cookies_kept(jars[0], response)
        jars[1].extract_cookies(response)
    assert [dict(jar) for jar in jars] == [{"seat": "12"}] * 2
