"""What goes over the wire: one pooled httpx client, total time-out, errors translated.

httpx's read time-out starts again with every byte, so a body that trickles would last for ever; here
the whole attempt has one time-out.
"""

from __future__ import annotations

import http.cookiejar
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import httpx

from erp_sync.transport.auth import ATTEMPT
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, TransportError

# Each says whether a request that failed so may have reached the vendor. LocalProtocolError may come
# after the first bytes, so it proves nothing. test_wire fails when httpx gains an exception that is
# in neither table.
NEVER_LEFT: dict[type[httpx.RequestError], str] = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.ConnectError: "no connection",
    httpx.PoolTimeout: "no free connection in the pool in time",
    httpx.ProxyError: "the proxy made no connection",
    httpx.UnsupportedProtocol: "the URL's scheme is not supported",
}
MAY_HAVE_ARRIVED: dict[type[httpx.RequestError], str] = {
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "the request could not be written in time",
    httpx.ReadError: "the connection broke while reading",
    httpx.WriteError: "the connection broke while writing",
    httpx.CloseError: "the connection broke while closing",
    httpx.RemoteProtocolError: "the answer was cut off or is not HTTP",
    httpx.LocalProtocolError: "the request broke the protocol",
    httpx.DecodingError: "the body could not be decompressed",
    httpx.TooManyRedirects: "too many redirects",
}


_READ = httpx.ByteStream(b"")
"""In the place of a stream that was read to its end."""


@dataclass(slots=True)
class WireExchange:
    """One request as it was really sent; a call has several where a token was fetched first."""

    request: httpx.Request
    started_at: datetime
    response: httpx.Response | None = None
    error: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Attempt:
    """One attempt of a call. `wire` grows while it is under way."""

    call: Call
    number: int
    deadline: float  # time.monotonic() of the whole call
    wire: list[WireExchange] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of what was exchanged; a `Reply` keeps what it needs.

        A request names its attempt, and httpx ties every answer to its own stream: bodies of megabytes would stay in
        these rings until Python looks for garbage among all objects, which a large process seldom does.
        """
        for exchange in self.wire:
            if exchange.response is not None:
                exchange.response.stream = _READ
        self.wire.clear()


def translate(error: httpx.RequestError, main: httpx.Request) -> TransportError:
    """The error of our tree. Whatever happens to another request than `main` (a token's) happened
    before `main` left."""
    kind = type(error)
    detail = f"{kind.__name__}: {error}" if str(error) else kind.__name__
    if kind in NEVER_LEFT:
        return NotSentError(f"{NEVER_LEFT[kind]} ({detail})")
    why = f"{MAY_HAVE_ARRIVED.get(kind, 'the call failed')} ({detail})"
    failed = error._request
    if failed is not None and failed is not main:
        return NotSentError(f"while authenticating: {why}")
    return OutcomeUnknown(why)


class _ReadToTheEnd(httpx.BaseTransport):
    """Sends, reads the whole body within the attempt's time-out, and notes what was exchanged."""

    def __init__(self, below: httpx.BaseTransport, most_bytes: int) -> None:
        self._below, self._most_bytes = below, most_bytes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        seconds = request.extensions["timeout"]["read"]
        exchange = WireExchange(request, datetime.now(UTC))
        attempt: Attempt | None = request.extensions.get(ATTEMPT)
        if attempt is not None:
            attempt.wire.append(exchange)
        started = time.monotonic()
        try:
            exchange.response = self._read(request, started, seconds)
        except httpx.HTTPError as error:
            exchange.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            exchange.seconds = time.monotonic() - started
        return exchange.response

    def _read(self, request: httpx.Request, started: float, seconds: float) -> httpx.Response:
        response = self._below.handle_request(request)
        try:
            chunks = []
            size = 0
            assert isinstance(response.stream, httpx.SyncByteStream)
            for chunk in response.stream:
                chunks.append(chunk)
                size += len(chunk)
                if time.monotonic() - started > seconds:
                    raise httpx.ReadTimeout(f"body not complete after {seconds:g} s", request=request)
                if size > self._most_bytes:
                    raise httpx.RemoteProtocolError(f"body exceeds {self._most_bytes} bytes", request=request)
        finally:
            response.close()
        whole = httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(b"".join(chunks)),
            extensions=response.extensions,
            request=request,
        )
        whole.read()  # decompresses
        return whole

    def close(self) -> None:
        self._below.close()


@cache
def _trust(verify: bool) -> ssl.SSLContext:
    """The usual authorities. One for all clients, and for all runs: reading them costs more than many calls."""
    return httpx.create_ssl_context(verify=verify, trust_env=False)


def pooled(verify: str | bool, connections: int, most_bytes: int) -> httpx.Client:
    """A client that threads share: keep-alive, no redirects, no cookies, no proxies from the environment.

    A session cookie sent back would make PHP systems serve our calls one after the other. Idle
    connections are dropped after 4 s, before usual servers (5 s) drop them under a request.
    """
    below = httpx.HTTPTransport(
        verify=ssl.create_default_context(cafile=verify) if isinstance(verify, str) else _trust(verify),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=4.0),
        trust_env=False,
    )
    no_cookies = http.cookiejar.CookieJar(policy=http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(
        transport=_ReadToTheEnd(below, most_bytes),
        cookies=no_cookies,
        follow_redirects=False,
        trust_env=False,
    )
