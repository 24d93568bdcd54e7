"""Client credentials with a secret: the token's request, its renewal, and the connector's word on a refusal."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from erp_sync.transport.auth import OAuth2ClientSecret
from erp_sync.transport.errors import NotAuthenticated, Throttled, TransportError
from erp_sync_tests.transport.conftest import read, write
from erp_sync_tests.transport.loopback import answer
from erp_sync_tests.transport.test_auth import Clock, asked, called, tokens

SECRET = "s3cr3t-of-the-integration"


def secret(server, clock=None, **options) -> OAuth2ClientSecret:
    return OAuth2ClientSecret(
        f"{server.url}/token", client_id="SWIAKEY", client_secret=SECRET, clock=clock or Clock(), **options
    )


def test_the_secret_goes_as_json_to_the_token_endpoint_only(server, rig):
    tokens(server, lifetime=600)
    it = rig(server.url, auth=secret(server), credentials={"client_secret": SECRET})
    it.client.send(read())
    assert json.loads(asked(server)[0].body) == {
        "grant_type": "client_credentials",
        "client_id": "SWIAKEY",
        "client_secret": SECRET,
    }
    assert asked(server)[0].headers["content-type"] == "application/json"
    assert called(server)[0].headers["authorization"] == "Bearer token-1"
    logged = repr(it.exchanges.records)
    assert SECRET not in logged
    assert "token-1" not in logged


def test_a_token_of_ten_minutes_is_renewed_a_minute_before_its_end_by_one_thread(server, rig):
    tokens(server, lifetime=600)
    clock = Clock()
    it = rig(server.url, auth=secret(server, clock), timeout=10.0)
    it.client.send(read())
    clock.now += 539
    it.client.send(read())
    assert len(asked(server)) == 1
    clock.now += 2
    barrier = threading.Barrier(6)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: (barrier.wait(), it.client.send(read())), range(6)))
    assert len(asked(server)) == 2


def test_a_revoked_token_costs_a_read_one_more_try_and_a_write_none(server, rig):
    tokens(server, data=answer(401))
    it = rig(server.url, auth=secret(server))
    with pytest.raises(NotAuthenticated):
        it.client.send(read())
    with pytest.raises(NotAuthenticated):
        it.client.send(write())
    given = [arrived.headers["authorization"] for arrived in called(server)]
    assert given == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_the_connector_says_what_the_token_endpoint_means(server, rig):
    """Without its word a 429 of the endpoint is only `NotSentError`, and nobody waits."""

    def verdict(response: httpx.Response) -> TransportError | None:
        return Throttled("too many logins", retry_after_seconds=30.0) if response.status_code == 429 else None

    server.always = answer(429, {"errors": []})
    with pytest.raises(Throttled) as raised:
        rig(server.url, auth=secret(server, verdict=verdict)).client.send(write())
    assert raised.value.retry_after_seconds == 30.0
    assert called(server) == []
