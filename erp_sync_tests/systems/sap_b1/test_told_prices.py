"""A price that somebody changes in the company is told by its add-on, and read as it is now."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from erp_sync.model.price_terms import SpecialPrice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Passthrough
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.systems.sap_b1.connector import connect
from erp_sync.systems.sap_b1.events import verify
from erp_sync.systems.sap_b1.price_terms import PriceTermsSource
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.sap_b1.samples import D

KEY = "a key of both"
Delivery = tuple[dict[str, str], bytes]


@pytest.fixture
def deliveries() -> Iterator[tuple[str, queue.Queue[Delivery]]]:
    """The address of a receiver, and what it was posted."""
    taken: queue.Queue[Delivery] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/events/sap_de", taken
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def company(deliveries: tuple[str, queue.Queue[Delivery]]) -> Iterator[RunningSandbox]:
    special = {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9.5, "Currency": "USD"}
    with running(create, vendor="sap_b1") as sandbox:
        sandbox.control("POST", "seed", {
            "items": [{"sku": "BOLT", "price": "10"}], "special_prices": [special],
            "business_partners": [{"CardCode": "C1", "CardName": "Works", "CardType": "cCustomer"}],
        })  # fmt: skip
        sandbox.control("POST", "seed", {"add_on_events": {"url": deliveries[0], "key": KEY}})
        yield sandbox


@pytest.fixture
def told(company: RunningSandbox) -> ConnectionSettings:
    keys = company.status()["credentials"] | {"webhook_secret": KEY}
    return ConnectionSettings(name="sap_de", vendor="sap_b1", base_url=company.base_url, credentials=keys,
                              time_zone="UTC")  # fmt: skip


@pytest.fixture
def source(told: ConnectionSettings) -> Iterator[PriceTermsSource]:
    connector = connect(told, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=MemoryExchanges())
    yield connector.port("price_terms", "source")
    connector.close()


@pytest.fixture
def office(company: RunningSandbox) -> Iterator[httpx.Client]:
    """Somebody at SAP Business One."""
    keys = company.status()["credentials"]
    login = {"CompanyDB": keys["company_db"], "UserName": keys["user_name"], "Password": keys["password"]}
    with httpx.Client(base_url=f"{company.base_url}/b1s/v2/") as client:
        client.post("Login", json=login).raise_for_status()
        yield client


def fetched(source: PriceTermsSource, names: tuple[str, ...]) -> list[Any]:
    return [
        row for page in source.fetch(names) for record in page for row in source.to_canonical(record, Passthrough())
    ]


def test_a_changed_special_price_is_told_and_read(company, told, source, office, deliveries):
    office.patch("SpecialPrices(CardCode='C1',ItemCode='BOLT')", json={"Price": 8.25}).raise_for_status()
    (event,) = verify(*deliveries[1].get(timeout=20), told)
    assert (event.entity, event.native_ids) == ("price_terms", ("SpecialPrices/C1/BOLT",))
    assert fetched(source, event.native_ids) == [
        SpecialPrice(account="C1", item="BOLT", price=D("8.25"), currency="USD")
    ]


def test_a_removed_special_price_is_told_and_is_not_there(company, told, source, office, deliveries):
    office.delete("SpecialPrices(CardCode='C1',ItemCode='BOLT')").raise_for_status()
    (event,) = verify(*deliveries[1].get(timeout=20), told)
    assert event.topic == "sap.b1.SpecialPrices.Deleted.v1"
    assert fetched(source, event.native_ids) == []
