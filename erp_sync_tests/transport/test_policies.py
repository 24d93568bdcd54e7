"""How a request and its answer are described for the exchange log."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from erp_sync.transport.calls import Call
from erp_sync.transport.policies import Log
from erp_sync.transport.redaction import REDACTED, Redactor
from erp_sync.transport.wire import Attempt, WireExchange

ONE = [(b"X-One", b"1"), (b"Accept", b"a/b"), (b"X-One", b"2"), (b"x-ONE", b"3")]


def described(request: list[tuple[bytes, bytes]], response: list[tuple[bytes, bytes]], body: bytes = b"") -> dict:
    sent = httpx.Request("POST", "http://store.example/orders", headers=request, content=body)
    exchange = WireExchange(sent, datetime.now(UTC), httpx.Response(200, headers=response, content=body))
    attempt = Attempt(Call(method="POST", path="/orders", operation="sales_order.create", repeatable=False), 1, 0.0)
    log = Log(lambda attempt: pytest.fail("nothing is sent"), None, "us_store", Redactor())
    return log.describe(attempt, exchange, "ok", "", False) | {"exchange": exchange}


@pytest.mark.parametrize(
    "headers",
    [
        ONE,
        [*ONE, (b"X-Word", "Müller".encode())],
        [*ONE, (b"X-W\xc4rd", "Müller".encode("latin-1"))],
        [(b"Content-Type", b"text/plain"), (b"content-type", b"application/json")],
    ],
    ids=["ascii", "utf-8", "latin-1", "twice"],
)
def test_headers_are_described_as_httpx_reads_them(headers: list[tuple[bytes, bytes]]) -> None:
    record = described(headers, headers)
    exchange = record["exchange"]
    assert record["request_headers"] == list(exchange.request.headers.items())
    assert record["response_headers"] == exchange.response.headers.multi_items()


def test_a_secret_in_any_of_several_headers_of_a_name_goes() -> None:
    secret = [(b"Authorization", b"Bearer abcdefgh"), (b"authorization", b"Bearer ijklmnop"), (b"Api-Key", b"12345678")]
    record = described(secret, secret)
    names = [name for name, _ in record["response_headers"] if name != "content-length"]
    assert names == ["authorization", "authorization", "api-key"]
    for side in ("request_headers", "response_headers"):
        values = {value for name, value in record[side] if name in names}
        assert values == {REDACTED}


def test_a_body_is_redacted_by_its_content_type() -> None:
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    other = [(b"Content-Type", b"text/plain"), (b"Content-Type", b"application/json")]
    record = described(form, other, b"a=1&p%69n=2468")  # a form's name, and no name in a text
    assert record["request_body"] == b"a=1&pin=[redacted]"
    assert record["response_body"] == b"a=1&p%69n=2468"
