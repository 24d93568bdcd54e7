"""What senders are answered, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from erp_sync.components.configuration import Configuration, ConnectionSpec
from erp_sync.ledger import Ledger
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.monitoring.exposition import Exposition
from erp_sync.monitoring.kpis import Figure
from erp_sync.service.app import create_app
from erp_sync.service.receiving import Receiver
from erp_sync_tests.service.conftest import NOW, Clock, configuration
from erp_sync_tests.service.pushes import later, push
from erp_sync_tests.systems.magento import io_events

NETSUITE = "/events/netsuite_us"


@pytest.fixture
def web(receiver: Receiver) -> Iterator[TestClient]:
    with TestClient(create_app(receiver)) as client:
        yield client


def post(web: TestClient, message: tuple[dict[str, str], Any], path: str = NETSUITE) -> Any:
    headers, body = message
    return web.post(path, headers=headers, content=body)


def test_a_notification_is_stored_and_its_repetition_too(web: TestClient, ledger: Ledger):
    message = push(NOW)
    first, second = post(web, message), post(web, message)
    assert (first.status_code, first.json()) == (200, {"stored": 1, "duplicates": 0})
    assert (second.status_code, second.json()) == (200, {"stored": 0, "duplicates": 1})
    assert len(ledger.inbox.unprocessed()) == 1


def test_adobe_registers_by_a_challenge(web: TestClient):
    answer = web.get("/events/magento_us", params={"challenge": "8ec8d794-e0ab-42df-9017-e3dada8e84f7"})
    assert answer.json() == {"challenge": "8ec8d794-e0ab-42df-9017-e3dada8e84f7"}
    assert answer.headers["content-type"] == "application/json"


def test_sap_business_one_registers_by_a_token_in_a_header(ledger: Ledger, clock: Clock):
    company = ConnectionSpec(
        name="sap_de", vendor="sap_b1", base_url="https://sap.test:50000", credentials={"webhook_secret": "key"}
    )
    receiver = Receiver(Configuration(connections={company.name: company}, routes={}), ledger.inbox, clock)
    with TestClient(create_app(receiver)) as web:
        answer = web.get("/events/sap_de", headers={"X-B1-Webhook-Token": "8ec8d794-e0ab"})
        assert (answer.status_code, answer.json()) == (200, {"Challenge": "8ec8d794-e0ab"})
        assert web.get("/events/sap_de", params={"Challenge": "8ec8d794-e0ab"}).status_code == 400


@pytest.mark.parametrize("challenge", ["", "<script>alert(1)</script>", "x" * 201, "a b"])
def test_nothing_else_is_echoed(web: TestClient, challenge: str):
    answer = web.get("/events/magento_us", params={"challenge": challenge})
    assert answer.status_code == 400
    assert not challenge or challenge not in answer.text


def test_who_has_no_challenge_echoes_none(web: TestClient):
    assert web.get(NETSUITE, params={"challenge": "abc"}).status_code == 400


def stale() -> tuple[dict[str, str], bytes]:
    return push(later(NOW, -301))


def unknown_shape() -> tuple[dict[str, str], bytes]:
    return push(NOW, native_id=7)


@pytest.mark.parametrize(
    ("path", "message", "status", "code"),
    [
        (NETSUITE, ({}, b"{}"), 401, "bad_signature"),
        (NETSUITE, push(NOW, secret="another"), 401, "bad_signature"),
        (NETSUITE, stale(), 403, "out_of_window"),
        (NETSUITE, unknown_shape(), 422, "malformed"),
        (NETSUITE, ({}, b"x" * 65_537), 413, "too_large"),
        (NETSUITE, ({}, iter([b"x" * 40_000, b"y" * 40_000])), 413, "too_large"),
        ("/events/nobody", push(NOW), 404, "unknown_connection"),
        ("/events/magento_open", push(NOW), 404, "not_expected"),
        ("/events/netsuite_wrong", push(NOW), 503, "not_configured"),
    ],
)
def test_what_is_refused_says_why_and_leaves_nothing(
    web: TestClient, ledger: Ledger, path: str, message: Any, status: int, code: str
):
    answer = post(web, message, path)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert ledger.inbox.unprocessed() == []


def test_a_secret_that_is_missing_is_not_told_to_senders(web: TestClient):
    assert "NO_SUCH_VARIABLE" not in post(web, push(NOW), "/events/netsuite_wrong").text


def test_a_signature_given_twice_is_none(web: TestClient, ledger: Ledger):
    headers, body = push(NOW)
    answer = web.post(NETSUITE, headers=[*headers.items(), *headers.items()], content=body)
    assert answer.status_code == 401


def test_what_cannot_be_stored_is_to_be_sent_again(ledger: Ledger, clock: Clock):
    class BusyOnce:
        pending = ledger.inbox.pending
        busy = True

        def put_all(self, events: list[Any]) -> int:
            if self.busy:
                self.busy = False
                raise LedgerBusy("ledger.db", 30.0)
            return ledger.inbox.put_all(events)

    with TestClient(create_app(Receiver(configuration(), BusyOnce(), clock))) as web:
        message = push(NOW)
        refused = post(web, message)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert post(web, message).json() == {"stored": 1, "duplicates": 0}


def test_an_event_of_commerce_is_stored(web: TestClient, ledger: Ledger):
    body = io_events.event({"entity_id": "673"})
    assert post(web, (io_events.signed(body, "one"), body), "/events/magento_us").status_code == 200
    [row] = ledger.inbox.unprocessed()
    assert (row.event.entity, row.event.native_id) == ("sales_order", "673")


def test_health_tells_what_waits_and_who_is_ready(web: TestClient):
    post(web, push(NOW))
    health = web.get("/health").json()
    assert (health["status"], health["waiting"], health["connections"]["netsuite_us"]) == ("ok", 1, "ready")


def test_figures_are_scraped_at_metrics(receiver: Receiver):
    figure = Figure(kpi="success_rate", route="us", flow="orders", value=0.998)
    with TestClient(create_app(receiver, Exposition(lambda: [figure]))) as web:
        answer = web.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'erp_sync_success_ratio{flow="orders",route="us"} 0.998' in answer.text


def test_a_ledger_that_cannot_be_read_fails_the_scrape_and_says_nothing_old(receiver: Receiver):
    def look() -> list[Figure]:
        raise LedgerBusy("ledger.db", 30.0)

    with TestClient(create_app(receiver, Exposition(look))) as web:
        assert web.get("/metrics").status_code == 503
    with TestClient(create_app(receiver)) as web:
        assert web.get("/metrics").status_code == 404
