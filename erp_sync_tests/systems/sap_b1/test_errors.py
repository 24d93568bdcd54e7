"""What answers of the Service Layer mean."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from erp_sync.systems.sap_b1.errors import ALREADY_EXISTS, outcome
from erp_sync.transport.errors import OutcomeUnknown, Rejected

MESSAGE = "This entry already exists in the following tables"
WHOLE = json.dumps({"error": {"code": "-2035", "message": MESSAGE}}).encode()


def answer(content: bytes, kind: str = "application/json;odata.metadata=minimal") -> httpx.Response:
    request = httpx.Request("POST", "https://sap.example/b1s/v2/BusinessPartners")
    return httpx.Response(400, content=content, headers={"Content-Type": kind}, request=request)


def test_a_refusal_has_a_code_of_ours() -> None:
    found = outcome(answer(WHOLE))
    assert isinstance(found, Rejected)
    assert found.code == ALREADY_EXISTS


@pytest.mark.parametrize("spoil", [lambda whole: whole * 2, lambda whole: whole[:-9], lambda whole: b""])
def test_a_refusal_that_cannot_be_read_may_have_said_that_the_document_exists(spoil: Callable[[bytes], bytes]) -> None:
    assert isinstance(outcome(answer(spoil(WHOLE))), OutcomeUnknown)


def test_what_a_proxy_says_is_left_to_the_status() -> None:
    assert outcome(answer(b"<html>", "text/html")) is None
