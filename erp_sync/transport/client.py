"""The client of one connection. Threads share it; it holds one pool of connections."""

from __future__ import annotations

import email.utils
import json
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import httpx
import msgspec

from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Slots
from erp_sync.ports.outcomes import Again
from erp_sync.transport import context
from erp_sync.transport.auth import ATTEMPT
from erp_sync.transport.calls import Call, Params, Reply, decode_json, encode_json, encode_pairs, path_segment
from erp_sync.transport.errors import (
    NotAuthenticated,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)
from erp_sync.transport.policies import BreakerPolicy, Log, PoolExhausted, Retry, RetryPolicy, Send, Slot
from erp_sync.transport.redaction import Redactor
from erp_sync.transport.sessions import SessionAuth
from erp_sync.transport.wire import Attempt, pooled, translate

__all__ = [
    "Call",
    "Params",
    "Reply",
    "RetryPolicy",
    "VendorClient",
    "decode_json",
    "encode_json",
    "encode_pairs",
    "path_segment",
    "retry_after",
]

_LOGOUT_SECONDS = 5.0

OutcomeFunction = Callable[[httpx.Response], TransportError | None]
CostFunction = Callable[[httpx.Response], float | None]


def no_opinion(response: httpx.Response) -> TransportError | None:
    """An `outcome` for systems whose HTTP statuses say it all."""
    return None


class VendorClient:
    """Sends calls to one connection under its limits, breaker and exchange log.

    Args:
        auth: plug-in of `erp_sync.transport.auth`; may be shared by several clients.
        slots, breaker: of the installation; both see the connection's name.
        exchanges: takes what was exchanged, redacted.
        outcome: the connector's word on an answer that was read to its end: an error to raise, or None.
            Asked about every status, 200 too, but those a call expects. With None a status below 400
            is good and any other becomes the error that HTTP alone suggests (`verdict_of_status`).
            It gets the redirect of a wrong base URL, too. `response.request` is set.
        cost: points that a call cost, by its answer; None where it does not say. For systems that limit points.
        retry: for repeatable calls.
        timeout: seconds for one attempt, from the start of sending to the last byte.
        connect_timeout: seconds for making a connection.
        deadline_seconds: for a whole call: waiting for slots, attempts, pauses.
        connections: size of the pool.
        hosts: further hosts that absolute URLs may name; credentials go to no other.
        headers: sent with every call, beside `User-Agent`, which names the flow: ``erp-sync (orders)``.
        most_bytes: larger answers are given up.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        *,
        auth: httpx.Auth | None,
        slots: Slots,
        breaker: Breaker,
        exchanges: ExchangeSink,
        outcome: OutcomeFunction = no_opinion,
        cost: CostFunction | None = None,
        retry: RetryPolicy | None = None,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        deadline_seconds: float = 60.0,
        connections: int = 24,
        hosts: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        most_bytes: int = 256 * 1024 * 1024,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        base = urllib.parse.urlsplit(connection.base_url)
        if base.scheme not in ("http", "https") or not base.netloc:
            raise ValueError(f"{connection.name}: base_url {connection.base_url!r} is not an absolute http(s) URL")
        self.connection = connection
        self.redactor = Redactor(connection.credentials)
        self._base = connection.base_url.rstrip("/")
        self._origins = {(base.scheme, base.netloc.lower())} | {(base.scheme, host.lower()) for host in hosts}
        self._auth, self._outcome = auth or httpx.Auth(), outcome
        self._timeout, self._connect_timeout, self._deadline = timeout, connect_timeout, deadline_seconds
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._open = lambda: pooled(connection.verify, connections, most_bytes)
        self._http, self._process, self._lock = self._open(), os.getpid(), threading.Lock()
        self.behind_seconds = 0.0  # by which the vendor's clock is behind ours, by its latest answer; never below zero
        stack: Send = BreakerPolicy(self._exchange, breaker, connection.name)
        stack = Slot(stack, slots, connection.name, cost)
        stack = Log(stack, exchanges, connection.name, self.redactor)
        self._send = Retry(stack, retry or RetryPolicy(), sleep=sleep)

    def send(self, call: Call) -> Reply:
        """Send the call and give its good answer.

        Raises NotSentError (Throttled, NotAuthenticated), OutcomeUnknown or Rejected; ValueError for a
        call that cannot be built. A call that is not repeatable leaves at most once, and only while its
        sender may (`erp_sync.ports.leaving`).
        """
        seconds = self._deadline if call.deadline_seconds is None else call.deadline_seconds
        try:
            return self._send(Attempt(call, 1, time.monotonic() + seconds))
        except TransportError as error:
            error.system = error.system or self.connection.name
            error.operation = error.operation or call.operation
            error.document = error.document or call.document or context.current().document
            raise

    def close(self) -> None:
        """End the login where there is one, close the pool. Calls under way break off."""
        if isinstance(self._auth, SessionAuth):
            self._auth.log_out(self._plain)
        self._http.close()

    def __enter__(self) -> VendorClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _plain(self, request: httpx.Request) -> httpx.Response:
        """Send without slot, breaker and log: the last word of a client."""
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), _LOGOUT_SECONDS)
        return self._pool().send(request)

    def _pool(self) -> httpx.Client:
        """The pool of this process: after a fork the parent's sockets must not be used by both."""
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._http, self._process = self._open(), os.getpid()
        return self._http

    def _url(self, call: Call) -> str:
        url = call.path
        if "://" in url:
            parts = urllib.parse.urlsplit(url)
            if (parts.scheme, parts.netloc.lower()) not in self._origins:
                raise ValueError(f"{call.operation}: {parts.scheme}://{parts.netloc} is no host of this connection")
        else:
            url = f"{self._base}/{url.lstrip('/')}"
        if call.params:
            url += ("&" if "?" in url else "?") + encode_pairs(call.params)
        return url

    def _exchange(self, attempt: Attempt) -> Reply:
        """The innermost link: one request, its answer judged."""
        call = attempt.call
        body, content_type = call.body()
        content = {"Content-Type": content_type} if content_type else {}
        headers = {"User-Agent": agent(context.current().flow), **self._headers, **content, **call.headers}
        seconds = self._timeout if call.timeout is None else call.timeout
        if call.repeatable:
            # A write gets its whole time-out: cut short, it would only become an unknown outcome.
            seconds = max(0.001, min(seconds, attempt.deadline - time.monotonic()))
        connect = min(self._connect_timeout, seconds)
        limits = {"connect": connect, "read": seconds, "write": seconds, "pool": connect}
        request = httpx.Request(
            call.method,
            self._url(call),
            headers=headers,
            content=body or None,
            extensions={"timeout": limits, ATTEMPT: attempt},
        )
        try:
            response = self._pool().send(request, auth=self._auth)
        except httpx.PoolTimeout as error:
            raise PoolExhausted("no free connection in the pool in time") from error
        except httpx.RequestError as error:
            raise translate(error, request) from error
        return self._judge(call, response, attempt)

    def _judge(self, call: Call, response: httpx.Response, attempt: Attempt) -> Reply:
        status = response.status_code
        self.behind_seconds = behind_by(response, datetime.now(UTC), self.behind_seconds)
        if status not in call.expected:
            try:
                error = self._outcome(response) or verdict_of_status(response)
            except (msgspec.DecodeError, json.JSONDecodeError, UnicodeDecodeError):
                error = _verdict_of_unreadable(response)
            if error is not None:
                if error.retry_after_seconds is None and not isinstance(error, Rejected):
                    error.retry_after_seconds = retry_after(response)
                raise error
        url = str(response.request.url)
        reply = Reply(
            status=status,
            headers=response.headers,
            content=response.content,
            elapsed=attempt.wire[-1].seconds,
            url=self.redactor.url(url),
            origin=url.partition("#")[0].partition("?")[0],
        )
        if call.json_reply and reply.content and status < 300:
            reply.json()
        return reply


def agent(flow: str) -> str:
    """Who calls, and for which flow: the vendor's own log and a sandbox's journal can tell."""
    return f"erp-sync ({flow})" if flow else "erp-sync"


def behind_by(response: httpx.Response, now: datetime, otherwise: float) -> float:
    """Seconds by which the answer's Date, which has whole ones, is in the past; `otherwise` where it has none."""
    try:
        at = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return otherwise
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (now - at).total_seconds() - 1.0)


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Seconds of Retry-After, given as seconds or as a date; None where it is missing or not readable."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def verdict_of_status(response: httpx.Response) -> TransportError | None:
    """What HTTP alone says of an answer; the careful reading, where a connector has no better one."""
    status = response.status_code
    if 200 <= status < 300:
        return None
    if status == 429:
        return _throttled()
    if status == 401:
        return _not_authenticated()
    if status == 408 or status >= 500:
        return OutcomeUnknown(f"HTTP {status}", status=status)
    if status < 400:
        return Rejected(status, "redirected", f"answered with a redirect to {response.headers.get('Location', '?')}")
    return Rejected(
        status, f"http_{status}", response.reason_phrase or "refused", body=response.text, again=Again.NEVER
    )


def _throttled() -> Throttled:
    return Throttled("HTTP 429: too many calls")


def _not_authenticated() -> NotAuthenticated:
    return NotAuthenticated("HTTP 401: credentials were not accepted")


def _verdict_of_unreadable(response: httpx.Response) -> TransportError:
    """Something between the vendor's application and us answered, and only these two are clear."""
    if response.status_code == 429:
        return _throttled()
    if response.status_code == 401:
        return _not_authenticated()
    return OutcomeUnknown(f"the body of HTTP {response.status_code} cannot be decoded", status=response.status_code)
