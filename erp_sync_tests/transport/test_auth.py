"""Signatures are checked by an implementation of the test's own and by another library than the signer."""

from __future__ import annotations

import base64
import hmac
import itertools
import re
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as verifier
from joserfc.jwk import ECKey, RSAKey

from erp_sync.transport.auth import Bearer, OAuth1, OAuth2ClientCredentials
from erp_sync.transport.calls import encode_pairs
from erp_sync.transport.errors import NotAuthenticated, NotSentError, OutcomeUnknown
from erp_sync_tests.transport.conftest import read, write
from erp_sync_tests.transport.loopback import Arrived, answer, drop, silence

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def escape(text: str) -> str:
    return urllib.parse.quote(text, safe="~")


def signed_header(auth: httpx.Auth, request: httpx.Request) -> dict[str, str]:
    header = next(auth.sync_auth_flow(request)).headers["Authorization"]
    assert header.startswith("OAuth ")
    return {name: urllib.parse.unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


def expected_signature(request: httpx.Request, header: dict[str, str], key: str, digest: str = "sha256") -> str:
    """RFC 5849 section 3.4, from what the server gets."""
    target = request.url.raw_path.decode()
    path, _, query = target.partition("?")
    pairs = [
        (urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(value))
        for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
    ]
    if request.headers.get("content-type") == "application/x-www-form-urlencoded":
        pairs += urllib.parse.parse_qsl(request.content.decode(), keep_blank_values=True)
    pairs += [(name, value) for name, value in header.items() if name not in ("realm", "oauth_signature")]
    normal = "&".join(f"{name}={value}" for name, value in sorted((escape(a), escape(b)) for a, b in pairs))
    port = f":{request.url.port}" if request.url.port else ""
    base = "&".join(map(escape, (request.method, f"{request.url.scheme}://{request.url.host}{port}{path}", normal)))
    return base64.b64encode(hmac.new(key.encode(), base.encode(), digest).digest()).decode()


SIGNER = OAuth1("key", "se&cret", "token", "tok en", realm="1234567_SB1")
KEY = "se%26cret&tok%20en"


def test_the_example_of_rfc_5849_signs_as_printed(monkeypatch):
    # Section 1.2: the request for the protected resource; HMAC-SHA1 is what the RFC has.
    monkeypatch.setattr("oauthlib.oauth1.rfc5849.generate_timestamp", lambda: "137131202")
    monkeypatch.setattr("oauthlib.oauth1.rfc5849.generate_nonce", lambda: "chapoH")
    auth = OAuth1(
        "dpf43f3p2l4k3l03",
        "kd94hf93k423kf44",
        "nnch734d00sl2jdk",
        "pfkkdhi9sl3r4s00",
        realm="Photos",
        signature_method="HMAC-SHA1",
    )
    request = httpx.Request("GET", "http://photos.example.net/photos?file=vacation.jpg&size=original")
    header = signed_header(auth, request)
    # The RFC leaves oauth_version out; it is one more signed parameter here.
    assert header["realm"] == "Photos"
    assert header["oauth_signature"] == expected_signature(request, header, "kd94hf93k423kf44&pfkkdhi9sl3r4s00", "sha1")
    without = {name: value for name, value in header.items() if name != "oauth_version"}
    assert (
        expected_signature(request, without, "kd94hf93k423kf44&pfkkdhi9sl3r4s00", "sha1")
        == "MdpQcU8iPSUjWoN/UDMsK2sui9I="
    )


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=12), st.text(max_size=12)), max_size=5),
    st.sampled_from(["GET", "POST"]),
)
def test_any_parameters_sign_as_the_server_reads_them(pairs, method):
    request = httpx.Request(method, f"http://shop.example:8080/rest/V1/orders?{encode_pairs(pairs)}")
    header = signed_header(SIGNER, request)
    assert header["oauth_signature_method"] == "HMAC-SHA256"
    assert header["oauth_signature"] == expected_signature(request, header, KEY)


@pytest.mark.parametrize(
    "query",
    [
        "searchCriteria[filter_groups][0][filters][0][field]=sku&a=1",  # brackets left bare by a next-link
        "q=a+b%20c%2Bd",
        "empty=&flag&a=2&a=1",
        "name=M%C3%BCller&q=%27%22%28%29*",
        "",
    ],
)
def test_a_query_signs_alike_however_it_was_written(query):
    request = httpx.Request("GET", f"https://shop.example/rest/V1/products/A%20B%5B1%5D?{query}")
    header = signed_header(SIGNER, request)
    assert header["oauth_signature"] == expected_signature(request, header, KEY)


def test_a_form_body_is_signed_and_a_json_body_is_not():
    form = httpx.Request("POST", "https://shop.example/x", data={"a b": "c&d", "e": ""})
    header = signed_header(SIGNER, form)
    assert header["oauth_signature"] == expected_signature(form, header, KEY)
    body = httpx.Request("POST", "https://shop.example/x", content=b"a=b", headers={"Content-Type": "application/json"})
    header = signed_header(SIGNER, body)
    assert header["oauth_signature"] == expected_signature(body, header, KEY)


def test_every_attempt_has_its_own_nonce(server, rig):
    server.script = [drop]
    rig(server.url, auth=SIGNER).client.send(read())
    nonces = {
        re.search('oauth_nonce="([^"]+)"', arrived.headers["authorization"]).group(1) for arrived in server.requests
    }
    assert len(nonces) == 2


def test_an_unknown_signature_method_is_refused():
    with pytest.raises(ValueError, match="HMAC-SHA256"):
        OAuth1("a", "b", "c", "d", signature_method="PLAINTEXT")


def test_bearer(server, rig):
    rig(server.url, auth=Bearer("t0ken")).client.send(read())
    assert server.requests[0].headers["authorization"] == "Bearer t0ken"
    with pytest.raises(ValueError, match="token"):
        Bearer("")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def machine(server, algorithm="PS256", key=RSA, clock=None, **options) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(
        f"{server.url}/token",
        client_id="client-1",
        key_id="certificate-1",
        private_key=pem(key),
        algorithm=algorithm,
        scopes=["rest_webservices"],
        clock=clock or Clock(),
        **options,
    )


def tokens(server, *, lifetime=3600, data=None) -> None:
    """Serve numbered tokens at /token, and whatever `data` says elsewhere."""
    numbers = itertools.count(1)

    def give(connection, loopback):
        body = {"access_token": f"token-{next(numbers)}", "expires_in": lifetime, "token_type": "bearer"}
        return answer(200, body)(connection, loopback)

    server.routes["/token"] = give
    server.always = data or answer(200, {"ok": True})


def asked(server) -> list[Arrived]:
    return [arrived for arrived in server.requests if arrived.target == "/token"]


def called(server) -> list[Arrived]:
    return [arrived for arrived in server.requests if arrived.target != "/token"]


@pytest.mark.parametrize(
    ("algorithm", "key", "jwk"), [("PS256", RSA, RSAKey), ("ES256", EC, ECKey)], ids=["PS256", "ES256"]
)
def test_the_assertion_is_what_the_vendor_verifies(algorithm, key, jwk, server, rig):
    tokens(server)
    clock = Clock()
    rig(server.url, auth=machine(server, algorithm, key, clock)).client.send(read())
    form = dict(urllib.parse.parse_qsl(asked(server)[0].body.decode()))
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    token = verifier.decode(form["client_assertion"], jwk.import_key(public(key)), algorithms=[algorithm])
    assert token.header == {"typ": "JWT", "alg": algorithm, "kid": "certificate-1"}
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["scope"]) == (
        "client-1",
        f"{server.url}/token",
        ["rest_webservices"],
    )
    assert claims["iat"] == int(clock.now)
    assert 0 < claims["exp"] - claims["iat"] < 3600
    assert called(server)[0].headers["authorization"] == "Bearer token-1"


def test_threads_with_an_expired_token_ask_for_one(server, rig):
    tokens(server)
    clock = Clock()
    it = rig(server.url, auth=machine(server, clock=clock), timeout=10.0)
    it.client.send(read())
    clock.now += 3600
    barrier = threading.Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: (barrier.wait(), it.client.send(read())), range(8)))
    assert len(asked(server)) == 2
    assert {arrived.headers["authorization"] for arrived in called(server)} == {"Bearer token-1", "Bearer token-2"}


def test_a_token_is_renewed_before_it_ends(server, rig):
    tokens(server)
    clock = Clock()
    it = rig(server.url, auth=machine(server, clock=clock))
    it.client.send(read())
    clock.now += 3530
    it.client.send(read())
    clock.now += 20
    it.client.send(read())
    assert len(asked(server)) == 2


def test_two_clients_share_a_token(server, rig):
    tokens(server)
    auth = machine(server)
    rig(server.url, auth=auth).client.send(read())
    rig(server.url, auth=auth).client.send(read())
    assert len(asked(server)) == 1


def test_a_read_with_a_revoked_token_gets_a_new_one_once(server, rig):
    tokens(server, data=answer(401))
    with pytest.raises(NotAuthenticated):
        rig(server.url, auth=machine(server)).client.send(read())
    assert [arrived.headers["authorization"] for arrived in called(server)] == ["Bearer token-1", "Bearer token-2"]


def test_a_write_with_a_revoked_token_is_sent_once_and_the_next_has_a_new_one(server, rig):
    tokens(server, data=answer(401))
    it = rig(server.url, auth=machine(server))
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            it.client.send(write())
    assert [arrived.headers["authorization"] for arrived in called(server)] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("fault", [drop, silence, answer(500), answer(200, {"odd": 1})])
def test_a_token_that_does_not_come_means_the_write_never_left(fault, server, rig):
    server.always = fault
    with pytest.raises(NotSentError) as raised:
        rig(server.url, auth=machine(server)).client.send(write())
    assert not isinstance(raised.value, NotAuthenticated)
    assert called(server) == []


def test_refused_credentials_are_said_so_and_not_repeated(server, rig):
    server.always = answer(400, {"error": "invalid_grant"})
    it = rig(server.url, auth=machine(server))
    with pytest.raises(NotAuthenticated):
        it.client.send(read())
    assert len(server.requests) == 1
    with pytest.raises(NotAuthenticated):  # the lock was given back
        it.client.send(read())


def test_a_lost_answer_after_a_fresh_token_is_unknown(server, rig):
    tokens(server, data=drop)
    with pytest.raises(OutcomeUnknown):
        rig(server.url, auth=machine(server)).client.send(write())
    assert len(called(server)) == 1


def test_neither_token_nor_assertion_reaches_the_log(server, rig):
    tokens(server)
    it = rig(server.url, auth=machine(server))
    it.client.send(read())
    assert [record["verdict"] for record in it.exchanges.records] == ["authentication", "ok"]
    text = repr(it.exchanges.records)
    assert "token-1" not in text
    assert "eyJ" not in text


@pytest.mark.parametrize(("algorithm", "key"), [("PS256", EC), ("ES256", RSA), ("XX1", RSA)])
def test_a_key_that_does_not_fit_is_refused_when_built(algorithm, key, server):
    with pytest.raises(ValueError, match="does not fit"):
        machine(server, algorithm, key)


def test_a_key_that_is_none_is_refused_when_built(server):
    with pytest.raises(ValueError, match="does not fit"):
        OAuth2ClientCredentials(server.url, client_id="a", key_id="b", private_key="nonsense")
