"""Carries webhook deliveries to their addresses, from a thread of its own, and takes note of what came of them.

A delivery is a POST of an **array** of at most 1024 events, keys only, signed with ``X-B1-Webhook-Signature`` (Base64
of the HMAC of the body); answers 5xx, 408, 429 and network errors are tried again, three times after two seconds by
default; ten seconds to answer; events live for 24 hours; then the subscription is Inactive. Ordered per company;
duplicates are possible (fact sheet, section 7).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from erp_sync.systems.sap_b1.sandbox.errors import rule
from erp_sync.systems.sap_b1.sandbox.store import Store, dumps, loads

MOST_EVENTS = 1024
TIMEOUT_SECONDS = 10
LIFE = timedelta(hours=24)

Send = Callable[[str, str, bytes, dict[str, str]], tuple[int, bytes]]
"""method, URL, body, headers -> status and body. Raises Undelivered when nothing answered."""


class Undelivered(OSError):
    """Nothing answered at the address."""


def send(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body if method == "POST" else None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        raise Undelivered(str(error)) from error


def signed(subscription: dict[str, Any], content: bytes) -> dict[str, str]:
    """The header that proves where a delivery comes from. Raises ServiceLayerError for unreadable credentials."""
    if subscription["AuthenticationType"] == "None":
        return {}
    try:
        given = json.loads(subscription.get("AuthenticationCred") or "")
        key, algorithm = given["Key"], given.get("Algorithm", "HMACSha256")
    except (ValueError, KeyError, TypeError) as error:
        raise rule("AuthenticationCred must be JSON with Key and Algorithm") from error
    if algorithm != "HMACSha256":
        raise rule("This sandbox signs with HMACSha256")
    digest = hmac.new(key.encode(), content, hashlib.sha256).digest()
    return {"X-B1-Webhook-Signature": base64.b64encode(digest).decode()}


@dataclass(frozen=True)
class _Attempt:
    subscription: str
    numbers: tuple[int, ...]
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass
class _State:
    """Of one subscription: attempts of the delivery at its head, when the next is due, whether one is under way."""

    attempts: int = 0
    due: datetime | None = None
    under_way: bool = False


@dataclass
class Courier:
    """Works through the queue at every `run`, which is quick: sending is the thread's.

    With `threaded` False an attempt is made at once, for tests.
    """

    retries: int = 3
    retry_seconds: float = 2.0
    duplicate_every: int | None = None
    send: Send = send
    threaded: bool = True
    _states: dict[str, _State] = field(default_factory=dict)
    _waiting: queue.SimpleQueue[_Attempt] = field(default_factory=queue.SimpleQueue)
    _done: queue.SimpleQueue[tuple[_Attempt, bool, bool]] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _delivered: int = 0

    def run(self, store: Store, now: datetime) -> None:
        """Note what came of earlier attempts, and make those that are due."""
        self._settle(store, now)
        store.run("DELETE FROM webhook_events WHERE made_at < ?", (now - LIFE).isoformat())
        for (text,) in store.rows("SELECT data FROM subscriptions ORDER BY id"):
            subscription = loads(text)
            state = self._states.setdefault(subscription["WebhookID"], _State())
            if subscription["Status"] != "Active" or state.under_way or (state.due is not None and now < state.due):
                continue
            attempt = self._attempt(store, subscription)
            if attempt is not None:
                state.under_way = True
                self._start(attempt)
        self._settle(store, now)

    def _attempt(self, store: Store, subscription: dict[str, Any]) -> _Attempt | None:
        waiting = store.rows(
            "SELECT number, event FROM webhook_events WHERE subscription = ? AND delivered = 0 ORDER BY number LIMIT ?",
            subscription["WebhookID"], MOST_EVENTS,
        )  # fmt: skip
        if not waiting:
            return None
        body = dumps([loads(event) for _, event in waiting]).encode()
        headers = {"Content-Type": "application/json", **signed(subscription, body)}
        numbers = tuple(number for number, _ in waiting)
        return _Attempt(subscription["WebhookID"], numbers, subscription["WebhookURL"], body, headers)

    def _start(self, attempt: _Attempt) -> None:
        if not self.threaded:
            self._make(attempt)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sap_b1 webhooks", daemon=True)
            self._thread.start()
        self._waiting.put(attempt)

    def _work(self) -> None:
        while True:
            self._make(self._waiting.get())

    def _make(self, attempt: _Attempt) -> None:
        try:
            status, _ = self.send("POST", attempt.url, attempt.body, attempt.headers)
        except Undelivered:
            self._done.put((attempt, False, True))
            return
        self._done.put((attempt, 200 <= status < 300, status >= 500 or status in (408, 429)))

    def _settle(self, store: Store, now: datetime) -> None:
        while True:
            try:
                attempt, delivered, again = self._done.get_nowait()
            except queue.Empty:
                return
            state = self._states.setdefault(attempt.subscription, _State())
            state.under_way = False
            if delivered:
                state.attempts, state.due = 0, None
                self._delivered += 1
                if self.duplicate_every is None or self._delivered % self.duplicate_every:
                    store.many(
                        "UPDATE webhook_events SET delivered = 1 WHERE number = ?", [(n,) for n in attempt.numbers]
                    )
                continue
            state.attempts += 1
            state.due = now + timedelta(seconds=self.retry_seconds)
            if not again or state.attempts > self.retries:
                state.attempts, state.due = 0, None
                self._switch_off(store, attempt.subscription)

    @staticmethod
    def _switch_off(store: Store, webhook: str) -> None:
        text = store.value("SELECT data FROM subscriptions WHERE id = ?", webhook)
        if text is not None:
            found = {**loads(text), "Status": "Inactive"}
            store.run("UPDATE subscriptions SET data = ? WHERE id = ?", dumps(found), webhook)
