"""What answers mean. Bodies as the core writes them (ErrorResponseFactory; fact sheet, section 6)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from erp_sync.ports.outcomes import Again, Refused
from erp_sync.systems.shopware.errors import outcome, possible_transitions, token_outcome
from erp_sync.transport.errors import (
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
)


def answer(
    status: int, *errors: dict[str, Any], path: str = "/api/search/order", method: str = "POST", **more: Any
) -> httpx.Response:
    content = json.dumps({"errors": list(errors)}).encode() if errors else b""
    request = httpx.Request(method, f"https://shop.example{path}")
    return httpx.Response(status, **{"content": content, **more}, request=request)


def error(code: str, detail: str = "words", pointer: str = "", **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"code": code, "status": "400", "title": "Bad Request", "detail": detail}
    if parameters:
        found["meta"] = {"parameters": parameters}
    return {**found, "source": {"pointer": pointer}} if pointer else found


@pytest.mark.parametrize("spoil", [lambda whole: whole * 2, lambda whole: whole[:-9], lambda whole: b""])
def test_a_refusal_that_cannot_be_read_is_none(spoil):
    whole = answer(400, error("SYSTEM__ILLEGAL_STATE_TRANSITION")).content
    broken = answer(400, content=spoil(whole), headers={"Content-Type": "application/vnd.api+json"})
    assert isinstance(outcome(broken), OutcomeUnknown)


def test_a_page_of_the_web_server_is_a_refusal():
    assert isinstance(outcome(answer(403, content=b"<html>", headers={"Content-Type": "text/html"})), Rejected)


@pytest.mark.parametrize("status", [200, 204])
def test_a_good_answer_is_none(status):
    assert outcome(answer(status)) is None


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "SYSTEM__ILLEGAL_STATE_TRANSITION", "illegal_transition"),
        (400, "CONTENT__DUPLICATE_PRODUCT_NUMBER", "duplicate_number"),
        (400, "FRAMEWORK__WRITE_TYPE_INTEND_ERROR", "not_found"),
        (404, "FRAMEWORK__RESOURCE_NOT_FOUND", "not_found"),
        (409, "FRAMEWORK__DELETE_RESTRICTED", "in_use"),
        (400, "FRAMEWORK__QUERY_LIMIT_EXCEEDED", "page_too_large"),
        (400, "SOMETHING__ELSE", "refused"),
        (404, "SOMETHING__ELSE", "not_found"),
    ],
)
def test_a_refusal_has_a_code_of_ours_and_the_vendors_words(status, code, ours):
    found = outcome(answer(status, error(code, "the vendor's  own\nwords")))
    assert isinstance(found, Rejected)
    assert (found.code, found.again, found.message) == (ours, Again.NEVER, "the vendor's own words")
    assert found.as_outcome().whole_batch is False


def test_every_error_of_a_sync_is_told_with_its_row_and_all_of_it_is_refused():
    blank = {
        "code": "c1051bb4-d103-4f74-8988-acbcafc7fdc3",
        "status": "400",
        "template": "This value should not be blank.",
        "detail": "This value should not be blank.",
        "source": {"pointer": "/products/3/name"},
    }
    found = outcome(answer(400, blank, {**blank, "source": {"pointer": "/products/9/taxId"}}, path="/api/_action/sync"))
    refused = found.as_outcome()
    assert isinstance(refused, Refused)
    assert (refused.code, refused.whole_batch) == ("invalid_value", True)
    assert "/products/3/name: This value" in refused.message
    assert "/products/9/taxId" in refused.message


def test_missing_privileges_are_named():
    detail = json.dumps({"message": "Missing privilege", "missingPrivileges": ["order:read", "product:update"]})
    found = outcome(answer(403, error("FRAMEWORK__MISSING_PRIVILEGE_ERROR", detail)))
    assert isinstance(found, Rejected)
    assert (found.code, found.message) == (
        "missing_privilege",
        "the integration's role lacks order:read, product:update",
    )


def test_an_expired_token_is_told_with_what_to_do():
    found = outcome(answer(401, error("9", "Access token could not be verified")))
    assert isinstance(found, NotAuthenticated)
    assert "could not be verified" in str(found)
    assert "Integrations" in str(found)


@pytest.mark.parametrize("judge", [outcome, token_outcome])
def test_a_throttled_login_waits_as_long_as_the_vendor_says(judge):
    body = error("FRAMEWORK__AUTH_THROTTLED", "Auth throttled for 30 seconds.", seconds=30)
    assert judge(answer(429, body)).retry_after_seconds == 30.0
    assert judge(answer(429, body, headers={"Retry-After": "7"})).retry_after_seconds == 7.0
    assert isinstance(judge(answer(429)), Throttled)
    assert judge(answer(429)).retry_after_seconds == 10.0


@pytest.mark.parametrize(("status", "kind"), [(400, NotAuthenticated), (401, NotAuthenticated), (500, NotSentError)])
def test_a_token_that_is_refused_is_about_credentials_and_one_that_fails_is_not(status, kind):
    found = token_outcome(answer(status, error("4", "Client authentication failed")))
    assert type(found) is kind
    assert token_outcome(answer(200, error("x"))) is None


def test_a_server_error_proves_nothing_but_where_the_database_rolled_back():
    unknown = outcome(answer(500, error("0", "An exception occurred in the indexer")))
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.status == 500
    deadlock = outcome(answer(500, error("0", "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found")))
    assert isinstance(deadlock, Rejected)
    assert (deadlock.code, deadlock.again, deadlock.retry_after_seconds) == ("locked", Again.LATER, 1.0)
    foreign = error("0", "SQLSTATE[23000]: Integrity constraint violation: 1452 Cannot add or update a child row")
    refused = outcome(answer(500, foreign, path="/api/_action/sync"))
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.whole_batch) == ("unknown_reference", True)
    assert isinstance(outcome(answer(500, foreign, path="/api/_action/order/x/state/process")), OutcomeUnknown)


def test_a_page_of_the_web_server_is_no_word_of_the_application():
    page = {"content": b"<html>maintenance</html>"}
    down = outcome(answer(503, **page))
    assert isinstance(down, NotSentError)
    assert down.retry_after_seconds == 30.0
    assert isinstance(outcome(answer(502, **page)), OutcomeUnknown)
    refused = outcome(answer(403, **page))
    assert isinstance(refused, Rejected)
    assert refused.code == "http_403"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/_action/sync"),
        ("POST", "/api/_action/order/x/state/cancel"),
        ("PATCH", "/api/order/x"),
        ("DELETE", "/api/customer/x"),
    ],
)
def test_a_503_of_the_web_server_may_come_after_it_forwarded_a_write(method, path):
    page = {"content": b"<html>Service Unavailable</html>", "method": method, "path": path}
    found = outcome(answer(503, **page))
    assert isinstance(found, OutcomeUnknown)
    assert (found.status, found.retry_after_seconds) == (503, 30.0)
    assert outcome(answer(503, **page, headers={"Retry-After": "7"})).retry_after_seconds == 7.0


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/search/product"), ("POST", "/api/oauth/token"), ("GET", "/api/_info/version")]
)
def test_a_read_that_is_answered_with_503_changed_nothing(method, path):
    assert isinstance(outcome(answer(503, content=b"down", method=method, path=path)), NotSentError)


def test_a_refused_transition_says_which_are_possible():
    body = json.dumps({"errors": [error("SYSTEM__ILLEGAL_STATE_TRANSITION", possibleTransitions=["reopen", "retour"])]})
    assert possible_transitions(body) == ["reopen", "retour"]
    assert possible_transitions("<html>") == []
