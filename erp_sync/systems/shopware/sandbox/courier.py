"""Carries requests to the outside from a thread of its own, so that no call waits for a receiver.

Facts: shopware/shopware src/Core/Framework/Webhook/Handler/WebhookEventMessageHandler.php: ten seconds to connect,
twenty in all; urllib knows one limit, which is the latter.
"""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

TIMEOUT_SECONDS = 20

Carry = Callable[[str, str, bytes, Mapping[str, str]], tuple[int, bytes]]
"""Method, URL, body, headers; status and body of the answer. Raises OSError when nothing answered."""


def carry(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body or None, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Courier:
    """Runs jobs in their order. A job sends with what it is given and returns what is to be noted, if anything.

    With `threaded` False each is run at once, for tests.
    """

    def __init__(self, send: Carry = carry, *, threaded: bool = True) -> None:
        self._send, self._threaded = send, threaded
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def take(self, job: Job) -> None:
        if not self._threaded:
            self._run(job)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="shopware webhooks", daemon=True)
            self._thread.start()
        self._waiting.put(job)

    def notes(self) -> list[Note]:
        """What came of jobs since the last time."""
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def close(self) -> None:
        """Let what waits go out, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            self._run(job)

    def _run(self, job: Job) -> None:
        note = job(self._send)
        if note is not None:
            self._done.put(note)


Note = Callable[[object], None]
"""Writes down what came of a job; called with the shop, in its thread."""
Job = Callable[[Carry], "Note | None"]
