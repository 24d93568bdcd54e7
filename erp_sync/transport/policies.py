"""Policies around an attempt. Each is a callable of one shape, stacked by the client:

    Retry( Log( Slot( Breaker( wire ) ) ) )

The slot is outside the breaker: a caller let through as the breaker's probe then always reports. The
log is outside the slot: redaction must not keep one of the vendor's few slots busy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from erp_sync.model.advice import Advice
from erp_sync.ports.connection import Breaker, ExchangeSink, NoSlot, Slots
from erp_sync.ports.leaving import may_leave
from erp_sync.ports.outcomes import Again
from erp_sync.transport import context
from erp_sync.transport.calls import Reply
from erp_sync.transport.errors import (
    NoSession,
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)
from erp_sync.transport.redaction import Redactor
from erp_sync.transport.wire import Attempt, WireExchange

Send = Callable[[Attempt], Reply]

LONGEST_PAUSE_SECONDS = 3600.0  # a vendor's slip in Retry-After must not stop an installation for days


class BreakerOpen(NotSentError):
    """The circuit breaker let nothing through, or the system is in planned maintenance (`planned`)."""

    advice = Advice(
        means="The system failed too often or is in maintenance: nothing is sent. Work queues.",
        look=("erp-sync status",),
        do="See alert breaker.",
    )


class NoSlotInTime(NotSentError):
    """No slot, rate or quota before the deadline. Waiting once more inside the same call is no use."""

    advice = Advice(
        means="All calls that the vendor allows at once were taken for longer than one may wait. The work goes later.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, look for other users of the same account, or raise its limit.",
    )


class PoolExhausted(NotSentError):
    """Our own connection pool was full; says nothing about the vendor."""

    advice = Advice(
        means="Our own connections were all in use. Nothing was applied; it is sent again by itself.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, restart with `erp-sync down`, `erp-sync up` and report it.",
    )


class LeaseEnded(NotSentError):
    """Who wanted to send lost the right to it meanwhile; says nothing about the vendor."""

    advice = Advice(
        means="Who wanted to send had lost the right to it meanwhile. Another does it.",
        look=("erp-sync trace NUMBER",),
        do="Nothing.",
    )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Times in seconds. Pauses grow twofold from `first_pause` to `longest_pause`, each drawn evenly
    between half and all of it, and are never shorter than the vendor's Retry-After. A system that is busy
    with others says nothing about the call: it is asked more often (`throttled_attempts`) than one that
    fails."""

    attempts: int = 5
    throttled_attempts: int = 20
    first_pause: float = 0.25
    longest_pause: float = 15.0

    def __post_init__(self) -> None:
        if (
            min(self.attempts, self.throttled_attempts) < 1
            or self.first_pause < 0
            or self.longest_pause < self.first_pause
        ):
            raise ValueError(f"a retry policy needs an attempt and growing pauses, not {self}")

    def pause(self, attempt: int, chance: Callable[[], float]) -> float:
        whole = min(self.longest_pause, self.first_pause * 2 ** (attempt - 1))
        return whole * (0.5 + 0.5 * chance())


def may_repeat(error: TransportError) -> bool:
    """Whether the same repeatable call may be sent again at once."""
    if isinstance(error, NotAuthenticated | NoSlotInTime | LeaseEnded):
        return False
    if isinstance(error, Rejected):
        return error.again is Again.LATER and error.retry_after_seconds is not None
    return True


class Retry:
    """Tries repeatable calls again until the deadline; any other call has one attempt."""

    def __init__(
        self,
        below: Send,
        policy: RetryPolicy,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._below, self._policy, self._sleep, self._chance = below, policy, sleep, chance

    def __call__(self, attempt: Attempt) -> Reply:
        """Where an attempt may have arrived, a later one that never left does not undo it: OutcomeUnknown."""
        unknown: OutcomeUnknown | None = None
        while True:
            try:
                return self._below(attempt)
            except TransportError as error:
                error.attempts = attempt.number
                unknown = error if isinstance(error, OutcomeUnknown) else unknown
                policy = self._policy
                most = policy.throttled_attempts if isinstance(error, Throttled | NoSession) else policy.attempts
                pause = max(self._policy.pause(attempt.number, self._chance), error.retry_after_seconds or 0.0)
                if (
                    not attempt.call.repeatable
                    or attempt.number >= most
                    or not may_repeat(error)
                    or time.monotonic() + pause >= attempt.deadline
                ):
                    if unknown is None or not isinstance(error, NotSentError) or attempt.call.method == "GET":
                        raise
                    raise _still_unknown(unknown, error) from error
            self._sleep(pause)
            attempt = Attempt(attempt.call, attempt.number + 1, attempt.deadline)


def _still_unknown(unknown: OutcomeUnknown, last: NotSentError) -> OutcomeUnknown:
    told = OutcomeUnknown(
        f"{unknown.why}; and again: {last.why}", status=unknown.status, retry_after_seconds=last.retry_after_seconds
    )
    told.attempts = last.attempts
    return told


class Slot:
    """Holds one of the connection's slots for the attempt; passes on the vendor's wish to be left alone."""

    def __init__(
        self,
        below: Send,
        slots: Slots,
        connection: str,
        cost: Callable[[httpx.Response], float | None] | None = None,
    ) -> None:
        self._below, self._slots, self._connection, self._cost = below, slots, connection, cost

    def __call__(self, attempt: Attempt) -> Reply:
        lane = context.current().lane
        try:
            lease = self._slots.acquire(self._connection, lane, attempt.deadline, attempt.call.cost)
        except NoSlot as error:
            raise NoSlotInTime(error.why, retry_after_seconds=error.retry_after_seconds) from error
        try:
            # After the wait, which may have been long, and before the breaker, to which this says nothing.
            if not may_leave(repeatable=attempt.call.repeatable):
                raise LeaseEnded("the right to send it ended before it left")
            return self._below(attempt)
        except TransportError as error:
            asked = error.retry_after_seconds
            if asked and (isinstance(error, Throttled) or getattr(error, "status", None) in (429, 503)):
                self._slots.pause(self._connection, min(asked, LONGEST_PAUSE_SECONDS))
            raise
        finally:
            self._charge(attempt)
            self._slots.release(lease)

    def _charge(self, attempt: Attempt) -> None:
        response = attempt.wire[-1].response if attempt.wire else None
        if self._cost is None or response is None:
            return
        cost = self._cost(response)
        if cost is not None and cost != attempt.call.cost:
            self._slots.charge(self._connection, cost - attempt.call.cost)


class BreakerPolicy:
    """Counts what says that the system is out of order: no connection, no answer, 5xx. A refusal, even
    429, is an answer: the system works."""

    def __init__(self, below: Send, breaker: Breaker, connection: str) -> None:
        self._below, self._breaker, self._connection = below, breaker, connection

    def __call__(self, attempt: Attempt) -> Reply:
        try:
            self._breaker.check(self._connection)
        except NoSlot as error:
            refused = BreakerOpen(error.why, retry_after_seconds=error.retry_after_seconds)
            refused.planned = error.planned
            raise refused from error
        try:
            reply = self._below(attempt)
        except TransportError as error:
            if isinstance(error, OutcomeUnknown) or (
                isinstance(error, NotSentError)
                and not isinstance(error, Throttled | NotAuthenticated | PoolExhausted | NoSession)
            ):
                self._breaker.failure(self._connection, error.why)
            elif not isinstance(error, PoolExhausted | NoSession):
                self._breaker.success(self._connection)
            raise
        self._breaker.success(self._connection)
        return reply


class Log:
    """Records every request that went out, redacted, with the verdict on it.

    The keys of a record are those of `describe`, beside ``found_nothing``, which is true where a poll
    had nothing to tell. Of a look that went well the body of the answer is left out: the run that it starts
    reads the same again, and looks come every few seconds.
    """

    def __init__(self, below: Send, exchanges: ExchangeSink, connection: str, redactor: Redactor) -> None:
        self._below, self._exchanges, self._connection, self._redactor = below, exchanges, connection, redactor

    def __call__(self, attempt: Attempt) -> Reply:
        verdict, why, nothing = "not finished", "", False
        try:
            reply = self._below(attempt)
            verdict = "ok"
            nothing = attempt.call.found_nothing is not None and attempt.call.found_nothing(reply)
            return reply
        except TransportError as error:
            verdict, why = type(error).__name__, error.why
            raise
        finally:
            self._record(attempt, verdict, why, nothing)
            attempt.forget()

    def _record(self, attempt: Attempt, verdict: str, why: str, nothing: bool) -> None:
        for exchange in attempt.wire[:-1]:
            self._exchanges.record(self.describe(attempt, exchange, "authentication", "", False))
        if attempt.wire:
            self._exchanges.record(self.describe(attempt, attempt.wire[-1], verdict, why, nothing))

    def describe(
        self, attempt: Attempt, exchange: WireExchange, verdict: str, why: str, nothing: bool
    ) -> dict[str, Any]:
        """One exchange as it is written. Times UTC, `seconds` of the exchange, bodies as bytes."""
        request, response, clean = exchange.request, exchange.response, self._redactor
        now = context.current()
        record: dict[str, Any] = {
            "time": exchange.started_at,
            "connection": self._connection,
            "operation": attempt.call.operation,
            "document": attempt.call.document or now.document,
            "run_id": now.run_id,
            "route": now.route,
            "flow": now.flow,
            "lane": now.lane,
            "attempt": attempt.number,
            "method": request.method,
            "url": clean.url(str(request.url)),
            "status": response.status_code if response is not None else None,
            "verdict": verdict,
            "error": clean.text(exchange.error or why),
            "seconds": exchange.seconds,
            "found_nothing": nothing,
            "request_headers": [],
            "request_body": b"",
            "response_headers": [],
            "response_body": b"",
        }
        if nothing:
            return record
        headers = _pairs(request.headers)
        record["request_headers"] = clean.headers(_joined(headers))
        record["request_body"] = clean.body(request.content, _content_type(headers))
        if response is not None:
            headers = _pairs(response.headers)
            record["response_headers"] = clean.headers(headers)
            if not (now.look and verdict == "ok"):
                record["response_body"] = clean.body(response.content, _content_type(headers))
        return record


def _pairs(headers: httpx.Headers) -> list[tuple[str, str]]:
    """Names in lower case. As `multi_items` of httpx, which asks for the encoding anew for each word."""
    encoding = headers.encoding
    return [(name.lower().decode(encoding), value.decode(encoding)) for name, value in headers.raw]


def _joined(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each name once, with all of its values."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return list(joined.items())


def _content_type(headers: Sequence[tuple[str, str]]) -> str:
    return ", ".join([value for name, value in headers if name == "content-type"])
