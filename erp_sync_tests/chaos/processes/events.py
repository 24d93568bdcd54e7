"""The way of a system's events to the event service: in time, twice, late, out of order, or never.

The sandbox sends each once and signed, as its vendor does; this stands between it and the service, which is killed now
and then, and hands on what it was given, byte for byte.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from erp_sync_tests.chaos.company import MANNERS

LATE_SECONDS = (4.0, 15.0)
PATIENCE = 5.0
_OWN_HEADERS = ("content-type", "x-")

Event = tuple[bytes, dict[str, str]]


class Teller:
    """A loopback server that events are sent to. `faults` counts how each went; who was not there to be told: ``event
    lost``."""

    def __init__(self, seed: int, faults: Counter[str]) -> None:
        self._random, self._faults = random.Random(f"events {seed}"), faults
        self._due: list[tuple[float, int, Event]] = []
        self._withheld: list[Event] = []
        self._numbers, self._changed, self._ended = itertools.count(), threading.Condition(), False
        self._telling = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._wire = httpx.Client(timeout=PATIENCE, trust_env=False)
        self.to = ""
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True),
            threading.Thread(target=self._tell, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with self._changed:
            self._ended = True
            self._changed.notify()
        for thread in self._threads:
            thread.join()
        self._wire.close()

    def waiting(self) -> bool:
        """Whether some are on their way still."""
        with self._changed:
            return bool(self._due) or self._telling

    def take(self, event: Event, manner: str = "") -> None:
        """An event has come; it goes on in this manner, in some one where none is given."""
        with self._changed:
            manner = manner or self._random.choices(list(MANNERS), list(MANNERS.values()))[0]
            self._faults[f"event {manner}"] += 1
            now = time.monotonic()
            if manner == "never":
                return
            if manner == "out of order":
                # It comes behind those that came after it.
                self._withheld.append(event)
                return
            soon = now + (self._random.uniform(*LATE_SECONDS) if manner == "late" else 0.0)
            again = [event] if manner == "twice" else []
            for one in (event, *again, *reversed(self._withheld)):
                heapq.heappush(self._due, (soon, next(self._numbers), one))
            self._withheld.clear()
            self._changed.notify()

    def _tell(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._ended:
                    return
                _, _, (body, headers) = heapq.heappop(self._due)
                self._telling = True
            try:
                told = self._wire.post(self.to, content=body, headers=headers).is_success
            except httpx.HTTPError:
                told = False
            with self._changed:
                self._telling = False
                self._faults["event lost"] += not told

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        teller = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name: one for name, one in self.headers.items() if name.lower().startswith(_OWN_HEADERS)}
                teller.take((body, headers))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
