"""Ways to authenticate, as `httpx.Auth` plug-ins. None of them knows a vendor.

Libraries for signing are imported when a plug-in is built: they cost more than the rest of the
transport, and one process seldom needs both.
"""

from __future__ import annotations

import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Generator, Sequence
from typing import Any

import httpx
import msgspec

from erp_sync.transport.errors import NotAuthenticated, NotSentError, TransportError

ATTEMPT = "erp_sync.attempt"  # key in httpx request extensions: the attempt a request belongs to
_LOCK_SECONDS = 60.0


class Bearer(httpx.Auth):
    """A fixed token: ``Authorization: Bearer ...``."""

    def __init__(self, token: str) -> None:
        if not token:
            raise ValueError("bearer authentication needs a token")
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._value
        yield request


class OAuth1(httpx.Auth):
    """OAuth 1.0a (RFC 5849) in the Authorization header, one nonce per attempt.

    Query parameters are decoded and encoded again for the base string, so that brackets, blanks and
    plus signs sign alike however the URL was written. A form body is signed, any other is not.

    Args:
        realm: put into the header, never signed.
        signature_method: ``HMAC-SHA256``, ``HMAC-SHA512`` or ``HMAC-SHA1``.
    """

    requires_request_body = True

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        token: str,
        token_secret: str,
        *,
        realm: str | None = None,
        signature_method: str = "HMAC-SHA256",
    ) -> None:
        from oauthlib import oauth1

        if signature_method not in ("HMAC-SHA256", "HMAC-SHA512", "HMAC-SHA1"):
            raise ValueError(f"signature method {signature_method!r}; expected HMAC-SHA256, HMAC-SHA512 or HMAC-SHA1")
        self._signer = oauth1.Client(
            consumer_key,
            client_secret=consumer_secret,
            resource_owner_key=token,
            resource_owner_secret=token_secret,
            signature_method=signature_method,
            realm=realm,
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header(request)
        yield request

    def _header(self, request: httpx.Request) -> str:
        url = urllib.parse.urlsplit(str(request.url))
        pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        address = urllib.parse.urlunsplit(url._replace(query=_encoded(pairs), fragment=""))
        headers: dict[str, str] = {}
        body: str | None = None
        if request.headers.get("Content-Type", "").split(";")[0].strip() == "application/x-www-form-urlencoded":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = _encoded(urllib.parse.parse_qsl(request.content.decode(), keep_blank_values=True))
        _, signed, _ = self._signer.sign(address, request.method, body, headers)
        return signed["Authorization"]


def _encoded(pairs: Sequence[tuple[str, str]]) -> str:
    return urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="~")


TokenVerdict = Callable[[httpx.Response], TransportError | None]


class _TokenAuth(httpx.Auth):
    """A token that is asked for when it is needed and held until shortly before it ends, one for all threads.

    One object may serve several clients (two hosts of one account): they share its token. A 401 to
    a call that may be repeated gets one new token and one more try; to one that may not, it drops
    the token and leaves the 401 to the caller.
    """

    requires_response_body = False

    def __init__(self, margin_seconds: float, clock: Callable[[], float], verdict: TokenVerdict | None = None) -> None:
        self._margin, self._clock, self._verdict = margin_seconds, clock, verdict
        self._lock = threading.Lock()
        self._token: str | None = None
        self._good_until = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = yield from self._valid_token(request)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code != 401:
            return
        self._drop(token)
        attempt = request.extensions.get(ATTEMPT)
        if attempt is not None and attempt.call.repeatable:
            token = yield from self._valid_token(request)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _asking(self, asked_at: float, extensions: dict[str, Any]) -> httpx.Request:
        """The request for a token. With `extensions`: without them it would have no time-out."""
        raise NotImplementedError

    def _valid_token(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, str]:
        token = self._cached()
        if token:
            return token
        # Held while the request is under way: other threads wait for this token instead of asking for
        # theirs. httpx closes the generator on any failure, which leaves the block.
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise NotSentError("another thread has been waiting for a token for a minute")
        try:
            token = self._cached()
            if token:
                return token
            asked_at = self._clock()
            response = yield self._asking(asked_at, dict(request.extensions))
            response.read()
            if self._verdict is not None and (error := self._verdict(response)) is not None:
                raise error
            token, lifetime = _token_in(response)
            self._token, self._good_until = token, asked_at + lifetime - min(self._margin, lifetime / 2)
            return token
        finally:
            self._lock.release()

    def _cached(self) -> str | None:
        token = self._token
        return token if token and self._clock() < self._good_until else None

    def _drop(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._token = None


class OAuth2ClientCredentials(_TokenAuth):
    """OAuth 2.0 client credentials with a signed assertion (RFC 7523), refreshed once by all threads.

    Args:
        token_url: absolute; also the audience unless `audience` is given.
        client_id: issuer of the assertion.
        key_id: ``kid`` of the header, e.g. a certificate id.
        private_key: PEM.
        algorithm: PS256, PS384, PS512, ES256, ES384 or ES512 (RS256 where a vendor wants it).
        scopes: put into the assertion as the vendor wants them: a list, or one text.
        lifetime_seconds: of the assertion.
        margin_seconds: a token is renewed this long before it ends.
        clock: seconds since the epoch.

    Raises ValueError when built with a key that does not fit the algorithm.
    """

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        key_id: str,
        private_key: str,
        algorithm: str = "PS256",
        scopes: Sequence[str] | str = (),
        audience: str | None = None,
        lifetime_seconds: int = 300,
        margin_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        super().__init__(margin_seconds, clock)
        try:
            key: Any = load_pem_private_key(private_key.encode(), password=None)
            jwt.get_algorithm_by_name(algorithm).prepare_key(key)
        except (ValueError, TypeError, NotImplementedError, jwt.InvalidKeyError) as error:
            raise ValueError(f"private key does not fit algorithm {algorithm}: {error}") from error
        self._encode = jwt.encode
        self._token_url, self._client_id, self._key_id, self._key = token_url, client_id, key_id, key
        self._algorithm, self._audience = algorithm, audience or token_url
        self._scopes = scopes if isinstance(scopes, str) else list(scopes)
        self._lifetime = lifetime_seconds

    def _asking(self, asked_at: float, extensions: dict[str, Any]) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._token_url,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assertion(asked_at),
            },
            headers={"Accept": "application/json"},
            extensions=extensions,
        )

    def _assertion(self, now: float) -> str:
        claims: dict[str, Any] = {
            "iss": self._client_id,
            "scope": self._scopes,
            "aud": self._audience,
            "iat": int(now),
            "exp": int(now) + self._lifetime,
            "jti": str(uuid.uuid4()),
        }
        return self._encode(
            claims,
            self._key,
            algorithm=self._algorithm,
            headers={"kid": self._key_id, "typ": "JWT"},
        )


class OAuth2ClientSecret(_TokenAuth):
    """OAuth 2.0 client credentials with a secret (RFC 6749, section 4.4), sent as a JSON body.

    Args:
        token_url: absolute.
        verdict: the connector's word on the token endpoint's answer, asked before it is taken for a token: an error
            to raise (too many logins), or None. Without one a refusal is `NotAuthenticated`, anything else
            `NotSentError`.
        margin_seconds: a token is renewed this long before it ends.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        client_secret: str,
        verdict: TokenVerdict | None = None,
        margin_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(margin_seconds, clock, verdict)
        self._token_url, self._client_id, self._secret = token_url, client_id, client_secret

    def _asking(self, asked_at: float, extensions: dict[str, Any]) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._token_url,
            json={
                "grant_type": "client_credentials",
                "client_id": self._client_id,
                "client_secret": self._secret,
            },
            headers={"Accept": "application/json"},
            extensions=extensions,
        )


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int | str = 3600


def _token_in(response: httpx.Response) -> tuple[str, float]:
    """The token and its lifetime in seconds; whatever else came is an error of the tree."""
    if response.status_code == 200:
        try:
            answer = msgspec.json.decode(response.content, type=_TokenAnswer)
            return answer.access_token, float(answer.expires_in)
        except (msgspec.DecodeError, ValueError) as error:
            raise NotSentError("the token endpoint's answer is not a token") from error
    if response.status_code in (400, 401, 403):
        raise NotAuthenticated(f"the token endpoint refused the credentials: HTTP {response.status_code}")
    raise NotSentError(f"the token endpoint answered HTTP {response.status_code}")
