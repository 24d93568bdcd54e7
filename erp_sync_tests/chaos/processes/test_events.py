"""Events go to the service in every manner, byte for byte, and one that is not there is told nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from erp_sync_tests.chaos.processes import events
from erp_sync_tests.chaos.processes.events import Teller

PATIENCE = 30.0


class Service:
    """What events come to."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.heard.append((body, self.headers["x-erp-sync-signature"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/events/erp"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def teller(service: Service) -> Iterator[Teller]:
    made = Teller(1, Counter())
    made.to = service.url
    yield made
    made.close()


def tell(teller: Teller, monkeypatch: pytest.MonkeyPatch, **manners: str) -> None:
    for body, manner in manners.items():
        monkeypatch.setattr(teller._random, "choices", lambda *_, manner=manner.replace("_", " "): [manner])
        signed = {"X-Erp-Sync-Signature": f"of {body}"}
        assert httpx.post(teller.url, content=body.encode(), headers=signed, trust_env=False).is_success
    until(lambda: not teller.waiting())


def until(true: object) -> None:
    end = time.monotonic() + PATIENCE
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_is_told_in_its_manner_with_what_signs_it(teller: Teller, service: Service, monkeypatch):
    tell(teller, monkeypatch, a="never", b="out_of_order", c="in_time", e="twice")
    assert [body.decode() for body, _ in service.heard] == ["c", "b", "e", "e"]
    assert all(signature == f"of {body.decode()}" for body, signature in service.heard)
    told = {"event never": 1, "event out of order": 1, "event in time": 1, "event twice": 1, "event lost": 0}
    assert teller._faults == told


def test_a_late_one_waits(teller: Teller, service: Service, monkeypatch):
    monkeypatch.setattr(events, "LATE_SECONDS", (3600.0, 3600.0))
    teller.take((b"late", {}), "late")
    assert teller.waiting()
    teller.take((b"in time", {"x-erp-sync-signature": ""}), "in time")
    until(lambda: service.heard)
    assert [body for body, _ in service.heard] == [b"in time"]
    assert teller._due[0][0] > time.monotonic() + 3000
    assert teller._faults["event late"] == 1


def test_one_that_comes_while_nobody_is_there_is_lost_and_the_next_is_told(
    teller: Teller, service: Service, monkeypatch
):
    teller.to = "http://127.0.0.1:1/"
    tell(teller, monkeypatch, a="in_time")
    teller.to = service.url
    tell(teller, monkeypatch, b="in_time")
    assert [body for body, _ in service.heard] == [b"b"]
    assert teller._faults["event lost"] == 1
