"""What NetSuite's error bodies mean: `outcome` gives the transport its word on every answer.

Body (Oracle NetSuite help, Errors): ``{type, title, status, "o:errorDetails": [{detail, "o:errorCode",
"o:errorPath"?}]}``; RESTlets answer ``{"error": {"code", "message"}}``. NetSuite uses one code, USER_ERROR,
for most refusals, so the detail's words decide; those not shown by Oracle are matched loosely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from erp_sync.ports.outcomes import ALREADY_EXISTS, Again
from erp_sync.transport.calls import decode_json
from erp_sync.transport.errors import NotAuthenticated, Rejected, Throttled, TransportError

UNKNOWN_ITEM = "unknown_item"
UNKNOWN_CUSTOMER = "unknown_customer"
LACKS_CURRENCY = "customer_lacks_currency"


class ErrorDetail(msgspec.Struct, frozen=True):
    """One entry of an error body. `path` is like ``item.items[0].item``."""

    code: str
    text: str
    path: str = ""


def details_of(body: Any) -> list[ErrorDetail]:
    """The error details of a body; none where it has another shape."""
    if not isinstance(body, Mapping):
        return []
    found = [
        ErrorDetail(
            str(entry.get("o:errorCode", "")),
            str(entry.get("detail", "")),
            str(entry.get("o:errorPath", "") or entry.get("o:errorQueryParam", "")),
        )
        for entry in body.get("o:errorDetails") or []
        if isinstance(entry, Mapping)
    ]
    error = body.get("error")
    if not found and isinstance(error, Mapping):
        found = [ErrorDetail(str(error.get("code", "")), str(error.get("message", "")))]
    elif not found and isinstance(error, str):
        found = [ErrorDetail(error, str(body.get("error_description", "")))]
    return found


# (code, pattern in the detail, our code, may the same pass later, what an operator does). The first that
# matches wins. The wordings of the period, the inactive record and the lock are unconfirmed.
_RULES: tuple[tuple[str, str, str, Again, str], ...] = (
    ("", r"already exists|DUP_RCRD", ALREADY_EXISTS, Again.NEVER, ""),
    ("IDEMPOTENCY_ERROR", "", "idempotency_key_used", Again.NEVER, ""),
    ("", r"record has been changed", "record_changed", Again.LATER, ""),
    ("RCRD_HAS_BEEN_CHANGED", "", "record_changed", Again.LATER, ""),
    ("", r"period.{0,60}(closed|locked)|(closed|locked).{0,60}period|not within.{0,60} accounting period",
     "closed_period", Again.LATER,
     "Open the accounting period, or change the transaction date."),
    ("", r"(customer|entity|account).{0,60}inactive|inactive.{0,60}(customer|entity)", "inactive_customer", Again.NEVER,
     "Make the customer active again, or merge it, then retry."),
    ("", r"item.{0,60}inactive|inactive.{0,60}item", "inactive_item", Again.NEVER,
     "Make the item active again, or map the SKU to another, then retry."),
    ("INSUFFICIENT_PERMISSION", "", "insufficient_permission", Again.NEVER,
     "Give the integration's role the permission named, then retry."),
    ("", r"permission|do not have privileges", "insufficient_permission", Again.NEVER,
     "Give the integration's role the permission named, then retry."),
    ("", r"invalid currency reference key .* for entity", LACKS_CURRENCY, Again.NEVER,
     "Add the order's currency to the customer in NetSuite (Financial, Currencies), then retry."),
    ("", r"invalid field value .* for the following field: item\b", UNKNOWN_ITEM, Again.AFTER_DEPENDENCY,
     "Create the item in NetSuite, or map its SKU."),
    ("", r"invalid field value .* for the following field: (entity|customer)\b", UNKNOWN_CUSTOMER,
     Again.AFTER_DEPENDENCY, "The customer is not there, is inactive, or not of this subsidiary."),
    ("", r"invalid field value .* for the following field: (?P<field>[\w.]+)", "invalid_{field}", Again.NEVER,
     "Correct the look-up table or setting that gives this value."),
    ("", r"unknown (field|property)|invalid (field|property) name|is not a valid (field|property)", "unknown_field",
     Again.NEVER, "The account lacks this field: run the doctor, then create it or drop it from the mapping."),
    ("", r"please enter value|missing required|required field|enter a value", "missing_field", Again.NEVER,
     "The account demands a field that the mapping does not fill."),
    ("", r"locked|workflow", "locked_record", Again.LATER, "A workflow or user locks the record."),
    ("NONEXISTENT_ID", "", "not_found", Again.NEVER, ""),
    ("SSS_REQUEST_LIMIT_EXCEEDED", "", "", Again.LATER, ""),
)  # fmt: skip


def outcome(response: httpx.Response) -> TransportError | None:
    """The transport's question: what does this answer say? None leaves it to the HTTP status.

    Raises msgspec.DecodeError for a 2xx or 4xx body that calls itself JSON and is not.
    """
    status = response.status_code
    if 200 <= status < 300 or status >= 500:
        return _silent_error(response) if status == 200 else None
    body = decode_json(response.content) if "json" in response.headers.get("Content-Type", "") else None
    details = details_of(body)
    words = "; ".join(detail.text for detail in details if detail.text) or response.reason_phrase or "refused"
    codes = {detail.code for detail in details}
    if status == 429 or codes & {"CONCURRENCY_LIMIT_EXCEEDED", "SSS_REQUEST_LIMIT_EXCEEDED", "WS_REQUEST_BLOCKED"}:
        return Throttled(f"NetSuite: too many requests at once: {words}")
    if status == 401 or codes & {"INVALID_LOGIN", "invalid_grant"}:
        return NotAuthenticated(
            "NetSuite did not accept the credentials (one code stands for all causes: wrong or revoked token, "
            f"wrong account or role, clock off by minutes; seen under overload, too): {words}; check the token and its "
            "role (Setup > Users/Roles > Access Tokens), and put a new one where the connection reads it"
        )
    return rejection(status, details, words, response.text)


def rejection(status: int, details: list[ErrorDetail], words: str, body: str = "") -> Rejected:
    """The Rejected that an error body stands for."""
    for detail in details:
        for code, pattern, ours, again, advice in _RULES:
            if code and code != detail.code:
                continue
            match = re.search(pattern, f"{detail.text} {detail.code}", re.IGNORECASE | re.DOTALL)
            if match is None:
                continue
            named = ours.format(**{key: value.lower() for key, value in match.groupdict().items()})
            return Rejected(
                status,
                named,
                f"NetSuite: {detail.text}{f' ({detail.path})' if detail.path else ''}{f' {advice}' if advice else ''}",
                body=body,
                again=again,
                # An edit collision passes at once; what a person must open does not.
                retry_after_seconds=0.5 if named == "record_changed" else None,
            )
    if status == 404:
        return Rejected(status, "not_found", f"NetSuite: {words}", body=body)
    if status == 403:
        return Rejected(status, "insufficient_permission", f"NetSuite: {words}", body=body)
    first = details[0] if details else ErrorDetail("", "")
    name = first.code.lower() or f"http_{status}"
    where = f" ({first.path})" if first.path else ""
    return Rejected(status, name, f"NetSuite: {words}{where}", body=body)


def _silent_error(response: httpx.Response) -> TransportError | None:
    """A RESTlet may answer 200 with an error in it."""
    if "restlet.nl" not in response.request.url.path or "json" not in response.headers.get("Content-Type", ""):
        return None
    body = decode_json(response.content)
    details = details_of(body)
    if not details:
        return None
    return rejection(400, details, "; ".join(detail.text for detail in details), response.text)


def line_of(rejected: Rejected) -> int | None:
    """Index of the line that a refusal names in its path (``item.items[3].item``); None where it names none."""
    try:
        details = details_of(decode_json(rejected.body))
    except msgspec.DecodeError:
        return None
    for detail in details:
        match = re.search(r"items\[(\d+)\]", detail.path)
        if match:
            return int(match.group(1))
    return None


__all__ = ["ALREADY_EXISTS", "ErrorDetail", "details_of", "line_of", "outcome", "rejection"]
