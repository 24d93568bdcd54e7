"""Logins that a system counts: a limited number may be open at once, and each ends by a logout or when it is idle.

Business systems sell seats: whoever logs in once too often locks people out, or is refused. Places for logins are a
limit of the connection (`Limits.sessions`), held in the ledger for the whole installation.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import httpx
import msgspec

from erp_sync.ports.connection import NoSlot, Sessions
from erp_sync.transport.auth import ATTEMPT
from erp_sync.transport.errors import NoSession, NotAuthenticated, NotSentError, Throttled
from erp_sync.transport.wire import NEVER_LEFT, Attempt

_LOCK_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 1.0
_KEEP_SHARE = 0.25
"""A login's place is kept anew when this share of its idle time has passed since the last time."""


class Ticket(msgspec.Struct, frozen=True):
    """What a login gave. `headers` go with every call."""

    headers: dict[str, str]


class LoginWords(Protocol):
    """How a system is logged in to and out of. Knows no limits."""

    idle_seconds: float  # after which the system forgets a login that is not used

    def login(self) -> httpx.Request: ...

    def ticket(self, response: httpx.Response) -> Ticket:
        """What the login's answer gives. Raises NotAuthenticated or NotSentError."""

    def logout(self, ticket: Ticket) -> httpx.Request: ...

    def serves_no_more(self, response: httpx.Response) -> bool:
        """Whether an answer other than 401 says that the login is of no use any more, though the system may count it
        still: what serves it is broken, and another login is served elsewhere."""


class SessionAuth(httpx.Auth):
    """One login per process and connection, shared by its threads; its place is taken before it is asked for.

    Where all places are taken the call is not sent (`NoSession`) and gives its slot back meanwhile: who has a login
    may need that slot to come to an end. A 401 ends the login; a call that may be repeated gets another one. So does
    what `LoginWords.serves_no_more` says, but the place stays taken until the login is idle.
    `log_out` ends it at the system, and with it its place: call it when the client is closed.
    """

    requires_response_body = False

    def __init__(
        self,
        connection: str,
        sessions: Sessions,
        words: LoginWords,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection, self._sessions, self._words, self._monotonic = connection, sessions, words, monotonic
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._lease: Any = None
        self._process, self._used = 0, 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        ticket = yield from self._open(request.extensions)
        request.headers.update(ticket.headers)
        response = yield request
        unknown = response.status_code == 401
        if not unknown and not self._words.serves_no_more(response):
            return
        self._ended(ticket, free=unknown)
        attempt = request.extensions.get(ATTEMPT)
        if attempt is not None and attempt.call.repeatable:
            ticket = yield from self._open(request.extensions)
            request.headers.update(ticket.headers)
            yield request

    def log_out(self, send: Callable[[httpx.Request], Any]) -> None:
        """End the login at the system. Its place stays taken until it is idle where that fails."""
        with self._lock:
            ticket, lease, own = self._ticket, self._lease, self._process == os.getpid()
            self._forget()
        if ticket is None or not own:
            return
        try:
            send(self._words.logout(ticket))
        except httpx.HTTPError:
            return
        self._sessions.close_session(lease)

    def _open(self, extensions: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Ticket]:
        # Held while the login is under way: other threads wait for this one instead of taking a place of their own.
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise NotSentError("another thread has been logging in for a minute")
        try:
            if self._ticket is not None and self._process == os.getpid() and self._kept():
                return self._ticket
            try:
                lease = self._sessions.open_session(self._connection, self._words.idle_seconds)
            except NoSlot as full:
                again = min(full.retry_after_seconds, _LOOK_AGAIN_SECONDS)
                raise NoSession(full.why, retry_after_seconds=again) from full
            login = self._words.login()
            login.extensions = {**extensions}
            try:
                response = yield login
            except GeneratorExit:
                # A login whose answer was lost may be open at the system: its place stays taken until it is idle.
                if _never_left(extensions.get(ATTEMPT)):
                    self._sessions.close_session(lease)
                raise
            response.read()
            try:
                ticket = self._words.ticket(response)
            except (NotAuthenticated, Throttled):
                self._sessions.close_session(lease)  # refused: nothing is open
                raise
            self._ticket, self._lease, self._process, self._used = ticket, lease, os.getpid(), self._monotonic()
            return ticket
        finally:
            self._lock.release()

    def _kept(self) -> bool:
        """Is the login still one? Its place is kept from time to time."""
        idle, now = self._words.idle_seconds, self._monotonic()
        if now - self._used >= idle:
            return False
        if now - self._used >= idle * _KEEP_SHARE:
            if not self._sessions.keep_session(self._lease, idle):
                return False
            self._used = now
        return True

    def _ended(self, ticket: Ticket, *, free: bool) -> None:
        """The login is used no more. `free`: the system knows it no more, and its place is free."""
        with self._lock:
            if self._ticket is ticket:
                if free:
                    self._sessions.close_session(self._lease)
                self._forget()

    def _forget(self) -> None:
        self._ticket, self._lease, self._process, self._used = None, None, 0, 0.0


def _never_left(attempt: Attempt | None) -> bool:
    error = attempt.wire[-1].error if attempt is not None and attempt.wire else ""
    return error.partition(":")[0] in {kind.__name__ for kind in NEVER_LEFT}
