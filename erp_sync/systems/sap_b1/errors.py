"""What the Service Layer's error bodies mean: `outcome` gives the transport its word on every answer.

Bodies (Working with SAP Business One Service Layer 1.29): v1 ``{"error": {"code": -10, "message": {"lang": "en-us",
"value": "..."}}}``, v2 ``{"error": {"code": "-10", "details": [...], "message": "..."}}``. SAP uses few codes (-10,
-5002) for most refusals, so the words decide; those that SAP does not print are matched loosely and marked unconfirmed.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import httpx
import msgspec

from erp_sync.ports.outcomes import ALREADY_EXISTS, Again
from erp_sync.systems.sap_b1.customer_words import BELOW_MINIMUM
from erp_sync.transport.calls import decode_json
from erp_sync.transport.errors import (
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)

NO_MATCH = "no_matching_record"
CHANGED = "changed_meanwhile"
NOT_SUPPORTED = "not_supported"
SESSION_ENDED, NO_CREDENTIALS, SICK_NODE = "301", "-304", "407"


class ServiceLayerError(NamedTuple):
    """`code` as text, whatever the body had."""

    code: str
    message: str


def error_in(body: Any) -> ServiceLayerError | None:
    """The error of a decoded body of either shape; None where it has another."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    message = error.get("message")
    if isinstance(message, dict):
        message = message.get("value")
    return ServiceLayerError(str(error.get("code", "")), str(message or ""))


def error_of(response: httpx.Response) -> ServiceLayerError | None:
    """Of an answer. A proxy's page, an empty body and what only calls itself JSON have none."""
    try:
        return error_in(decode_json(response.content))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Meaning(NamedTuple):
    """The first whose code (any where empty) and words fit."""

    of: str
    code: str
    words: str = ""
    again: Again = Again.NEVER
    advice: str = ""


_MEANINGS = (
    _Meaning("-2035", ALREADY_EXISTS),
    _Meaning("", ALREADY_EXISTS, r"already exists|already assigned|1320000140"),
    _Meaning("-2039", CHANGED, again=Again.LATER),
    # An add-on's own rules may be about these; its words are the installation's.
    _Meaning("", BELOW_MINIMUM,
             r"minimum (order|value)|(order|value).{0,40}below.{0,20}minimum|mindest(bestell|auftrags)wert"),
    _Meaning("", "credit_limit_exceeded", r"credit limit|credit line|commitment limit|kreditlimit|obligolimit"),
    _Meaning("-1116", "refused_by_add_on", advice="A rule of this installation (SBO_SP_TransactionNotification)."),
    _Meaning("-5006", NOT_SUPPORTED, advice="The object does not allow this."),
    # The wording is unconfirmed by the sources at hand.
    _Meaning("", NOT_SUPPORTED, r"unrecognized resource path", advice="This Service Layer does not have that call."),
    _Meaning("", "base_document_closed", r"base document.{0,40}(already )?been closed"),
    _Meaning("", "negative_inventory", r"negative inventory", Again.LATER),
    # The wordings from here on are unconfirmed.
    _Meaning("", "inactive_customer",
             r"(business partner|customer|\bBP\b).{0,80}(inactive|frozen|on hold|locked)"
             r"|(inactive|frozen|on hold|locked).{0,80}(business partner|customer|\bBP\b)"),
    _Meaning("", "inactive_item", r"\bitem\b.{0,80}(inactive|frozen|not a sales item)|inactive.{0,40}\bitem\b"),
    _Meaning("", "closed_period",
             r"posting period.{0,60}(locked|closed|not defined)|(locked|closed).{0,60}posting period"
             r"|deviates from permissible range", Again.LATER),
    _Meaning("", "insufficient_permission", r"not authori[sz]ed|no authori[sz]ation|permission|no licen[sc]e"),
    _Meaning("", "unknown_field", r"property '[^']+'( of '[^']+')? is invalid|invalid property"),
    _Meaning("", "branch_missing",
             r"\bbranch\b.{0,60}(specif|assign|select|defin)|(specif|assign|select).{0,60}\bbranch\b"),
    _Meaning("", "unknown_tax_code",
             r"(tax code|tax group|vat group).{0,80}(not exist|not found|invalid|inactive|not defined)"),
    _Meaning("-2028", NO_MATCH),
)  # fmt: skip


def outcome(response: httpx.Response) -> TransportError | None:
    """The transport's question: what does this answer say? None leaves it to the HTTP status.

    A body that is no error of the Service Layer (a proxy's 502, 503 or 504, an empty 500) says nothing about what
    was applied: that is left to the status, too. One that calls itself JSON and is cut off or broken may have said that
    the document exists already: of a write nobody knows.
    """
    status = response.status_code
    if status < 400:
        return None
    error = error_of(response)
    if error is None:
        if status < 500 and "json" in response.headers.get("Content-Type", ""):
            return OutcomeUnknown(f"HTTP {status} with an error that cannot be read", status=status)
        return None
    words = f"SAP Business One: {error.message or 'refused without a word'}"
    if status == 401:
        if error.code == SESSION_ENDED:
            return NotSentError(f"{words} A call logs in anew.", retry_after_seconds=0.1)
        return NotAuthenticated(f"{words} (code {error.code}); check company database, user and password")
    if status == 429:
        return Throttled(words)
    if status >= 500:
        if error.code == SICK_NODE:
            words += " (code 407: the node of this session is broken; other sessions work)"
        return OutcomeUnknown(f"HTTP {status} code {error.code}: {words}", status=status)
    return rejection(status, error, response.text)


def rejection(status: int, error: ServiceLayerError, body: str = "") -> Rejected:
    """The refusal that an error body stands for."""
    for meaning in _MEANINGS:
        if meaning.of and meaning.of != error.code:
            continue
        if meaning.words and not re.search(meaning.words, error.message, re.IGNORECASE | re.DOTALL):
            continue
        advice = f" {meaning.advice}" if meaning.advice else ""
        return Rejected(
            status,
            meaning.code,
            f"SAP Business One: {error.message or error.code}{advice}",
            body=body,
            again=meaning.again,
            # Another's edit is over at once; what a person must open is not.
            retry_after_seconds=0.5 if meaning.code == CHANGED else None,
        )
    code = error.code.lstrip("-") or str(status)
    return Rejected(
        status, f"sap_{code}", f"SAP Business One: {error.message or 'refused'} (code {error.code})", body=body
    )
