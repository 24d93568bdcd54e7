"""What an answer of the Admin API means. Pure: reads only the response.

Facts: core `Api/EventListener/ErrorResponseFactory` (``{errors: [{code, status, title, detail, meta, source}]}``),
`Api/OAuth`, `Controller/Exception/AuthThrottledException`, `StateMachineException`; contract 6.7.10.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from erp_sync.model.advice import Advice
from erp_sync.ports.outcomes import Again
from erp_sync.transport.client import retry_after
from erp_sync.transport.errors import (
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)

THROTTLED_SECONDS = 10.0  # the login limiter's first wait (fact sheet, section 6), where the answer says none
MAINTENANCE_SECONDS = 30.0
DEADLOCK_SECONDS = 1.0
SYNC_PATH = "/api/_action/sync"
_HINT = (
    "; check the integration's access key (Settings > System > Integrations) and put a new one where the connection "
    "reads it"
)


class UnexpectedAnswer(OutcomeUnknown):
    """The vendor answered with something of another shape than its contract says."""

    advice = Advice(
        means="The shop answered something of another shape than its contract says. What may have been written is "
        "looked for before it is sent again.",
        look=("erp-sync trace NUMBER", "erp-sync doctor ROUTE"),
        do="Look at the answer in the trace. Mostly a proxy, firewall or plugin changes it: let that be mended.",
    )


class _Meaning(msgspec.Struct, frozen=True):
    """What a known error code of the vendor means to us."""

    error: str
    code: str
    again: Again = Again.NEVER
    retry_after_seconds: float | None = None


# The vendor's code -> ours. The first of an answer's errors that is known counts.
MEANINGS = (
    _Meaning("SYSTEM__ILLEGAL_STATE_TRANSITION", "illegal_transition"),
    _Meaning("CONTENT__DUPLICATE_PRODUCT_NUMBER", "duplicate_number"),
    _Meaning("FRAMEWORK__RESOURCE_NOT_FOUND", "not_found"),
    _Meaning("FRAMEWORK__WRITE_TYPE_INTEND_ERROR", "not_found"),
    _Meaning("CHECKOUT__ORDER_ORDER_NOT_FOUND", "not_found"),
    _Meaning("CHECKOUT__ORDER_ORDER_DELIVERY_NOT_FOUND", "not_found"),
    _Meaning("FRAMEWORK__MISSING_PRIVILEGE_ERROR", "missing_privilege"),
    _Meaning("FRAMEWORK__INVALID_UUID", "invalid_value"),
    _Meaning("FRAMEWORK__DELETE_RESTRICTED", "in_use"),
    _Meaning("FRAMEWORK__QUERY_LIMIT_EXCEEDED", "page_too_large"),
)
_BY_ERROR = {one.error: one for one in MEANINGS}
# SQL states in the text of a 500: the transaction was rolled back as a whole (fact sheet, section 6).
_DEADLOCK = re.compile(r"SQLSTATE\[40001\]")
_BROKEN_KEY = re.compile(r"SQLSTATE\[23000\]")


def errors_of(body: Any) -> list[Mapping[str, Any]]:
    """The errors of an answer, none where it is of another shape."""
    found = body.get("errors") if isinstance(body, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def error_text(errors: list[Mapping[str, Any]]) -> str:
    """All that the errors say, for a reader, each with the place that it is about."""
    parts = []
    for one in errors:
        words = str(one.get("detail") or one.get("title") or one.get("template") or one.get("code") or "no words")
        source = one.get("source")
        pointer = source.get("pointer") if isinstance(source, Mapping) else None
        parts.append(f"{pointer}: {words}" if pointer else words)
    return "; ".join(" ".join(part.split()) for part in parts)


def parameters_of(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """``meta.parameters``; an empty one comes as a list."""
    meta = error.get("meta")
    found = meta.get("parameters") if isinstance(meta, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def possible_transitions(body: str) -> list[str]:
    """Of a refused transition, which ones the state allows."""
    for one in errors_of(_decoded(body.encode())):
        found = parameters_of(one).get("possibleTransitions")
        if isinstance(found, list):
            return [str(name) for name in found]
    return []


def outcome(response: httpx.Response) -> TransportError | None:
    """What an answer means; None is a good answer.

    A request is one transaction (since 6.5), and an error answer comes before its commit or after its rollback; a 5xx
    may come from whatever ran after the commit (indexers, flows), so it proves nothing, but where the text names a
    database error that rolls back. A 503 that is not the application's may be a proxy's that had forwarded the request:
    a read was not answered (NotSentError), of a write nobody knows (OutcomeUnknown).
    """
    status = response.status_code
    if 200 <= status < 300:
        return None
    body = _decoded(response.content)
    errors = errors_of(body)
    text = error_text(errors) or f"HTTP {status} without a message"
    if status == 429:
        return Throttled(text, retry_after_seconds=_wait(response, errors))
    if status == 401:
        return NotAuthenticated(f"HTTP 401: {text}{_HINT}")
    if status == 503 and not errors:
        # The web tier or the shop's own maintenance answers, not the application's controller (unconfirmed).
        wait = _wait(response, errors, MAINTENANCE_SECONDS)
        if _reads(response.request):
            return NotSentError("the shop is down for maintenance", retry_after_seconds=wait)
        return OutcomeUnknown(
            "HTTP 503 without the shop's own words: it is down for maintenance, or a proxy gave up on it",
            status=status,
            retry_after_seconds=wait,
        )
    if status >= 500:
        return _server_error(response, status, text)
    whole = str(response.request.url.path).endswith(SYNC_PATH)
    if not errors and "json" in response.headers.get("Content-Type", "") and body is None:
        # It may have said anything, also that what was to be done is done.
        return OutcomeUnknown(f"HTTP {status} with an error that cannot be read", status=status)
    if not errors:
        return Rejected(status, f"http_{status}", "the web server refused the request", body=response.text)
    for one in errors:
        meaning = _BY_ERROR.get(str(one.get("code")))
        if meaning is not None:
            return Rejected(
                status,
                meaning.code,
                _privileges(one) or text,
                again=meaning.again,
                retry_after_seconds=meaning.retry_after_seconds,
                whole_batch=whole,
                body=response.text,
            )
    pointed = any(isinstance(one.get("source"), Mapping) and one["source"].get("pointer") for one in errors)
    code = "invalid_value" if pointed else "not_found" if status == 404 else "refused"
    return Rejected(status, code, text, whole_batch=whole, body=response.text)


def token_outcome(response: httpx.Response) -> TransportError | None:
    """What the token endpoint's answer means. A wrong secret is not tried again: it would run into its limiter."""
    status = response.status_code
    if status == 200:
        return None
    errors = errors_of(_decoded(response.content))
    text = error_text(errors) or f"HTTP {status} without a message"
    if status == 429:
        return Throttled(text, retry_after_seconds=_wait(response, errors))
    if status in (400, 401, 403):
        return NotAuthenticated(f"the token endpoint refused the credentials, HTTP {status}: {text}{_HINT}")
    return NotSentError(f"the token endpoint answered HTTP {status}: {text}", retry_after_seconds=retry_after(response))


def _reads(request: httpx.Request) -> bool:
    """Whether it changes nothing: a GET, a search, or the asking for a token."""
    path = str(request.url.path)
    return request.method in ("GET", "HEAD") or "/api/search/" in path or path.endswith("/api/oauth/token")


def _server_error(response: httpx.Response, status: int, text: str) -> TransportError:
    whole = str(response.request.url.path).endswith(SYNC_PATH)
    if _DEADLOCK.search(text):
        return Rejected(
            status,
            "locked",
            text,
            again=Again.LATER,
            retry_after_seconds=DEADLOCK_SECONDS,
            whole_batch=whole,
            body=response.text,
        )
    if whole and _BROKEN_KEY.search(text):
        return Rejected(status, "unknown_reference", text, whole_batch=whole, body=response.text)
    return OutcomeUnknown(text, status=status)


def _wait(response: httpx.Response, errors: list[Mapping[str, Any]], otherwise: float = THROTTLED_SECONDS) -> float:
    """Seconds to wait: Retry-After (newer 6.7 only), else what the error names."""
    told = retry_after(response)
    if told is not None:
        return told
    for one in errors:
        seconds = parameters_of(one).get("seconds")
        if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 0:
            return float(seconds)
    return otherwise


def _privileges(error: Mapping[str, Any]) -> str:
    """The missing rights of a 403, whose detail is JSON in a text; "" for any other error."""
    if error.get("code") != "FRAMEWORK__MISSING_PRIVILEGE_ERROR":
        return ""
    inner = _decoded(str(error.get("detail") or "").encode())
    names = inner.get("missingPrivileges") if isinstance(inner, Mapping) else None
    if not isinstance(names, list):
        return ""
    return f"the integration's role lacks {', '.join(str(one) for one in names)}"


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
