"""Whatever goes wrong, and in whatever order: how often something leaves."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.ports.capabilities import Limits
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.outcomes import Again
from erp_sync.transport.auth import OAuth2ClientCredentials
from erp_sync.transport.client import Call, Reply, RetryPolicy, VendorClient
from erp_sync.transport.errors import (
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync.transport.wire import MAY_HAVE_ARRIVED, NEVER_LEFT
from erp_sync_tests.transport.test_auth import RSA, pem

ATTEMPTS = 4
THROTTLED = 6
RAISED = [*NEVER_LEFT, *MAY_HAVE_ARRIVED]
TOKEN = {"access_token": "token", "expires_in": 3600}
KEY = pem(RSA)

answers = st.tuples(
    st.integers(200, 599),
    st.sampled_from([b"", b"{}", b"[1, 2", b"<html>", b'{"again": true}', b'{"maintenance": 1}', b"\xff\xfe"]),
    st.sampled_from([{}, {"Retry-After": "0"}, {"Retry-After": "3600"}, {"Retry-After": "x"}, {"Location": "//"}]),
)
events = st.lists(st.sampled_from(RAISED) | answers, min_size=1, max_size=8)


def vendor_outcome(response: httpx.Response) -> TransportError | None:
    """A connector that knows some bodies, and fails on those that are no JSON."""
    body = json.loads(response.content or b"{}")
    if isinstance(body, dict) and "again" in body:
        return Rejected(response.status_code, "busy", "later", again=Again.LATER, retry_after_seconds=0.0)
    if isinstance(body, dict) and "maintenance" in body:
        return NotSentError("maintenance")
    return None


class Vendor(httpx.BaseTransport):
    """Counts what arrives and plays the events; the last one for ever."""

    def __init__(self, script, token_script) -> None:
        self.scripts = {"/orders": list(script), "/token": list(token_script)}
        self.arrived = {"/orders": 0, "/token": 0}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.arrived[path] += 1
        script = self.scripts[path]
        event = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(event, type):
            raise event("fault", request=request)
        status, body, headers = event
        return httpx.Response(status, content=body, headers=headers)


def sent(monkeypatch, script, token_script, repeatable, outcome):
    """Send one call through the whole stack: the vendor, the client's surroundings, and the result."""
    vendor = Vendor(script, token_script or [(200, json.dumps(TOKEN).encode(), {})])
    slots = MemorySlots({"erp": Limits(concurrency=2)})
    exchanges = MemoryExchanges()
    auth = None
    if token_script is not None:
        auth = OAuth2ClientCredentials("http://erp.example/token", client_id="c", key_id="k", private_key=KEY)
    monkeypatch.setattr("httpx.HTTPTransport", lambda **options: vendor)
    client = VendorClient(
        ConnectionSettings(name="erp", vendor="any", base_url="http://erp.example", credentials={}),
        auth=auth,
        slots=slots,
        breaker=MemoryBreaker(threshold=1000),
        exchanges=exchanges,
        outcome=outcome,
        retry=RetryPolicy(attempts=ATTEMPTS, throttled_attempts=THROTTLED, first_pause=0, longest_pause=0),
        deadline_seconds=30,
        sleep=lambda seconds: None,
    )
    result: Reply | TransportError
    try:
        result = client.send(
            Call(method="POST", path="/orders", json={"id": "1"}, operation="o", document="d", repeatable=repeatable)
        )
    except TransportError as error:
        result = error
    assert slots.held("erp") == 0
    assert len(exchanges.records) == vendor.arrived["/orders"] + vendor.arrived["/token"]
    return vendor, result


outcomes = st.sampled_from([vendor_outcome, lambda response: None])


@settings(max_examples=150, deadline=None)
@given(events, st.none() | st.just([]) | events, outcomes)
def test_what_must_not_be_repeated_leaves_at_most_once(script, token_script, outcome):
    with pytest.MonkeyPatch.context() as monkeypatch:
        first = script[0]
        vendor, result = sent(monkeypatch, script, token_script, False, outcome)
        assert vendor.arrived["/orders"] <= 1
        assert vendor.arrived["/token"] <= 1
        if vendor.arrived["/orders"] and isinstance(first, type) and first in MAY_HAVE_ARRIVED:
            assert type(result) is OutcomeUnknown
        if not vendor.arrived["/orders"]:
            assert isinstance(result, NotSentError)
        if isinstance(result, NotSentError) and vendor.arrived["/orders"]:
            # Only where the vendor, or nobody, can have applied it.
            assert (
                first in NEVER_LEFT if isinstance(first, type) else first[0] in (401, 429) or b"maintenance" in first[1]
            )


@settings(max_examples=100, deadline=None)
@given(events, st.none() | st.just([]) | events, outcomes)
def test_what_may_be_repeated_leaves_a_bounded_number_of_times(script, token_script, outcome):
    with pytest.MonkeyPatch.context() as monkeypatch:
        vendor, result = sent(monkeypatch, script, token_script, True, outcome)
        # A revoked token may add one request to each attempt.
        assert vendor.arrived["/orders"] <= THROTTLED * (1 if token_script is None else 2)
        if isinstance(result, Reply):
            assert 200 <= result.status < 300


@pytest.mark.parametrize("last", [httpx.ConnectError, (429, b"", {"Retry-After": "3600"}), (401, b"", {})])
def test_what_may_have_arrived_is_not_unsent_by_a_later_attempt_that_never_left(last, monkeypatch):
    _, result = sent(monkeypatch, [httpx.ReadTimeout, last], None, True, vendor_outcome)
    assert type(result) is OutcomeUnknown
    _, result = sent(monkeypatch, [last], None, True, vendor_outcome)
    assert isinstance(result, NotSentError)


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (httpx.ConnectError, ATTEMPTS),
        (httpx.ReadTimeout, ATTEMPTS),
        ((502, b"<html>", {}), ATTEMPTS),
        ((429, b"", {}), THROTTLED),
        ((429, b"", {"Retry-After": "3600"}), 1),
        ((401, b"", {}), 1),
        ((404, b"", {}), 1),
        ((400, b'{"again": true}', {}), ATTEMPTS),
    ],
)
def test_how_often_a_repeatable_call_is_tried(fault, times, monkeypatch):
    vendor, result = sent(monkeypatch, [fault], None, True, vendor_outcome)
    assert vendor.arrived["/orders"] == times
    assert isinstance(result, TransportError)
    assert result.attempts == times


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, NotAuthenticated), (429, Throttled), (403, OutcomeUnknown), (500, OutcomeUnknown), (200, OutcomeUnknown)],
)
def test_a_body_between_the_vendor_and_us_says_little(status, error, monkeypatch):
    _, result = sent(monkeypatch, [(status, b"<html>", {})], None, False, vendor_outcome)
    assert type(result) is error
