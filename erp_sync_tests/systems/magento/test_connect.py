"""A connector over real HTTP: signature, error bodies, what the exchange log keeps."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from oauthlib.common import Request as SignedRequest
from oauthlib.oauth1.rfc5849 import signature

from erp_sync.model.stock import StockOffer
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.outcomes import Refused, Unknown
from erp_sync.ports.raw import Window
from erp_sync.systems.magento.connector import MagentoConnector, connect
from erp_sync.transport.errors import NotAuthenticated
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.magento.store_fake import D

CREDENTIALS = {
    "consumer_key": "consumer-key-1", "consumer_secret": "consumer-secret-1",
    "access_token": "access-token-1", "access_token_secret": "access-token-secret-1",
}  # fmt: skip
Answer = Callable[[str, str, list[tuple[str, str]], Any], tuple[int, Any]]


class Store:
    """A loopback server that verifies signatures and answers by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.calls, self.nonces = answer, [], set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = outer.handle(self.command, self.path, dict(self.headers), body)
                encoded = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            do_GET = do_POST = handle_any

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        parts = urlsplit(path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self.calls.append((method, parts.path, query))
        signed = dict(
            pair
            for pair in signature.collect_parameters(headers=headers, exclude_oauth_signature=False)
            if pair[0].startswith("oauth_")
        )
        request = SignedRequest(f"{self.base_url}{path}", method)
        request.params = [*query, *((name, value) for name, value in signed.items() if name != "oauth_signature")]
        request.signature = signed.get("oauth_signature", "")
        good = signature.verify_hmac_sha256(request, CREDENTIALS["consumer_secret"], CREDENTIALS["access_token_secret"])
        if not good or signed["oauth_nonce"] in self.nonces:
            return 401, {"message": "The signature is invalid. Verify and try again."}
        self.nonces.add(signed["oauth_nonce"])
        return self.answer(method, parts.path, query, json.loads(body) if body else None)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Store]]:
    stores: list[Store] = []

    def start(answer: Answer) -> Store:
        stores.append(Store(answer))
        return stores[-1]

    yield start
    for store in stores:
        store.server.shutdown()
        store.server.server_close()


def connected(store: Store, credentials: dict[str, str] | None = None, **settings: Any) -> MagentoConnector:
    connection = ConnectionSettings(
        name="magento_us",
        vendor="magento",
        base_url=store.base_url,
        credentials=credentials or CREDENTIALS,
        settings={"website": "base", **settings},
    )
    exchanges = MemoryExchanges()
    connector = connect(
        connection, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=exchanges, sleep=lambda seconds: None
    )
    connector.exchanges = exchanges  # type: ignore[attr-defined]
    return connector


def test_searches_with_brackets_blanks_and_signs_are_signed_so_that_another_library_agrees(serve):
    store = serve(lambda *call: (200, {"items": [], "search_criteria": {}, "total_count": 0}))
    connector = connected(store)
    assert list(connector.port("stock_level", "target").read(["A B", "C+D", "E/F", "[G]", "H,I", "Ü&=%"])) == []
    window = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    assert list(connector.port("sales_order", "source").changed(window)) == []
    assert len(store.calls) == 2
    connector.close()


def test_wrong_keys_say_what_to_check_and_are_not_repeated(serve):
    store = serve(lambda *call: (200, {}))
    connector = connected(store, {**CREDENTIALS, "access_token_secret": "wrong"})
    window = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(NotAuthenticated, match="signature is invalid"):
        connector.port("sales_order", "source").peek(window)
    assert len(store.calls) == 1
    connector.close()


def test_an_error_body_reaches_the_operator_with_its_placeholders_filled_in(serve):
    def answer(method: str, path: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "POST":
            message = '"%field" is wrong: %1'
            return 400, {
                "message": "Validation Failed",
                "errors": [{"message": message, "parameters": {"field": "sku"}}],
            }
        item = {"id": 1, "sku": "A", "source_code": "east"}
        return 200, {"items": [item], "search_criteria": {}, "total_count": 1}

    connector = connected(serve(answer))
    row = StockOffer(connection="c", sku="A", source="east", quantity=D("1.5"))
    (done,) = connector.port("stock_level", "target").submit([row])
    assert isinstance(done, Refused)
    assert (done.code, done.message) == ("invalid_value", 'Validation Failed; "sku" is wrong: %1')
    connector.close()


def test_a_fault_of_the_application_leaves_the_outcome_unknown(serve):
    def answer(method: str, path: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "POST":
            return 500, {"message": "Internal Error. Details are available in Magento log file. Report ID: webapi-1"}
        return 200, {"items": [{"id": 1, "sku": "A", "source_code": "east"}], "total_count": 1}

    connector = connected(serve(answer))
    row = StockOffer(connection="c", sku="A", source="east", quantity=D("1.5"))
    (done,) = connector.port("stock_level", "target").submit([row])
    assert isinstance(done, Unknown)
    connector.close()


def test_the_exchange_log_has_no_secrets(serve):
    store = serve(lambda *call: (200, {"items": [], "total_count": 0}))
    connector = connected(store)
    list(connector.port("sales_order", "source").fetch(["5"]))
    connector.close()
    text = repr(connector.exchanges.records)  # type: ignore[attr-defined]
    assert "sales_order.read" in text
    assert all(secret not in text for name, secret in CREDENTIALS.items() if name != "consumer_key")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"edition": "cloud"}, "open_source or commerce"),
        ({"authentication": "password"}, "oauth or bearer"),
        ({"mapping": {"orders": {}}}, "sales_order"),
    ],
)
def test_wrong_settings_are_refused_before_any_call(serve, changes, words):
    store = serve(lambda *call: (200, {}))
    with pytest.raises(ValueError, match=words):
        connected(store, **changes)
    assert store.calls == []


def test_a_missing_credential_is_named(serve):
    store = serve(lambda *call: (200, {}))
    with pytest.raises(ValueError, match="access_token_secret is missing"):
        connected(store, {name: value for name, value in CREDENTIALS.items() if name != "access_token_secret"})
