"""Credentials are verified by other code than signs them: requests-oauthlib and PyJWT sign here."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from urllib.parse import urlencode

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from requests_oauthlib import OAuth1

from erp_sync.sandbox.core import Request
from erp_sync.systems.netsuite.sandbox.auth import TOKEN_PATH, base_string

HOST = "https://1234567-sb1.suitetalk.api.netsuite.com"
ORDERS = f"{HOST}/services/rest/record/v1/salesOrder"


def signed(
    account, *, url=f"{ORDERS}?q=tranId%20IS%20%22SO%2B1%22&limit=5", realm="1234567_SB1", method="GET", **changes
):
    """A request signed as the fact of life: by a library that was not written for this sandbox."""
    keys = {**account.core.status()["credentials"], **changes}
    auth = OAuth1(
        keys["consumer_key"],
        keys["consumer_secret"],
        keys["token_id"],
        keys["token_secret"],
        signature_method="HMAC-SHA256",
        realm=realm,
        timestamp=str(changes.get("timestamp", int(account.clock.wall().timestamp()))),
        nonce=changes.get("nonce"),
    )
    prepared = requests.Request(method, url, auth=auth).prepare()
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()}
    return Request.build(method, prepared.url, headers=headers)


def test_the_base_string_is_that_of_rfc_5849():
    """Section 3.4.1.1: repeated, blank and encoded parameters of query and form."""
    request = Request.build(
        "POST",
        "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=b"c2&a3=2+q",
    )
    oauth = {
        "realm": "Example",
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
    }
    assert base_string(request, oauth) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26"
        "c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26"
        "oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_a_signed_request_passes(account):
    assert account.core.authenticate(signed(account)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"token_secret": "wrong"},
        {"consumer_key": "another"},
        {"realm": "1234567-sb1"},
        {"nonce": "short"},
        {"timestamp": 1_000_000_000},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_cause_of_refusal_looks_the_same(account, changes):
    answer = account.core.authenticate(signed(account, **changes))
    assert answer.status == 401
    assert json.loads(answer.body)["o:errorDetails"][0]["o:errorCode"] == "INVALID_LOGIN"


def test_a_signed_request_cannot_be_sent_again(account):
    request = signed(account)
    assert account.core.authenticate(request) is None
    assert account.core.authenticate(request).status == 401


def test_a_changed_query_breaks_the_signature(account):
    request = signed(account)
    assert account.core.authenticate(Request.build("GET", request.url + "0", headers=request.headers)).status == 401


def assertion(account, *, algorithm="PS256", key="private_key_pem", kid="certificate_id", minutes=60, **claims):
    keys = account.core.status()["credentials"]
    now = int(account.clock.wall().timestamp())
    payload = {
        "iss": keys["client_id"],
        "scope": ["rest_webservices", "restlets"],
        "aud": HOST + TOKEN_PATH,
        "iat": now,
        "exp": now + 60 * minutes,
        **claims,
    }
    return jwt.encode(payload, private_key(keys[key]), algorithm=algorithm, headers={"kid": keys[kid]})


@cache
def private_key(pem):
    """Read once: that takes a quarter of a second."""
    return serialization.load_pem_private_key(pem.encode(), None)


def token(account, signed_assertion):
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed_assertion,
    }
    return account.call("POST", TOKEN_PATH, urlencode(form).encode(), content_type="application/x-www-form-urlencoded")


def bearer(account, access_token):
    return account.core.authenticate(Request.build("GET", ORDERS, headers={"Authorization": f"Bearer {access_token}"}))


def test_a_signed_assertion_buys_a_token_for_an_hour(account):
    answer = token(account, assertion(account))
    assert answer.status == 200
    assert answer.body["token_type"] == "bearer"
    assert bearer(account, answer.body["access_token"]) is None
    account.clock.advance(timedelta(hours=1))
    assert bearer(account, answer.body["access_token"]).status == 401


def test_an_elliptic_curve_certificate_works_too(account):
    signed_assertion = assertion(account, algorithm="ES256", key="ec_private_key_pem", kid="ec_certificate_id")
    assert token(account, signed_assertion).status == 200


def test_a_token_for_restlets_does_not_open_the_record_service(account):
    answer = token(account, assertion(account, scope="restlets"))
    assert bearer(account, answer.body["access_token"]).status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "RS256"},
        {"minutes": 61},
        {"minutes": -1},
        {"aud": "https://other.suitetalk.api.netsuite.com" + TOKEN_PATH},
        {"iss": "somebody"},
        {"scope": ["everything"]},
        {"kid": "client_id"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_assertion_that_does_not_hold_is_an_invalid_grant(account, wrong):
    answer = token(account, assertion(account, **wrong))
    assert (answer.status, answer.body) == (400, {"error": "invalid_grant"})


def test_the_sixth_request_at_a_time_is_refused(account):
    request = signed(account)
    assert account.core.admit(request, 4) is None
    answer = account.core.admit(request, 5)
    assert answer.status == 429
    assert json.loads(answer.body)["o:errorDetails"][0] == {
        "detail": "Concurrent request limit exceeded. Request blocked.",
        "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED",
    }
