"""Adobe I/O Events of a Commerce installation: orders and products that were saved, pushed to one address.

Facts: developer.adobe.com events documentation. A registration is proved by echoing a `challenge`; deliveries are POSTs
of cloud events signed twice (RSA-SHA256, base64) with public keys whose paths are headers, too; ten seconds to answer;
retries after one minute, doubling to fifteen, for 24 hours; at least once, in no order. The keys are served by this
sandbox under the same paths (in life by static.adobeioevents.com).
"""

from __future__ import annotations

import base64
import queue
import secrets
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from erp_sync.sandbox.core import Commit
from erp_sync.systems.magento.sandbox.shop import Shop, json_text, text_time

TIMEOUT_SECONDS = 10
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, GIVE_UP_HOURS = 60, 900, 24
KEY_PATHS = ("/prod/keys/pub-key-sandbox-1.pem", "/prod/keys/pub-key-sandbox-2.pem")
_CODES = {
    "sales_order": "com.adobe.commerce.observer.sales_order_save_after",
    "product": "com.adobe.commerce.observer.catalog_product_save_after",
}
_FIELDS = {
    "sales_order": ("entity_id", "increment_id", "state", "status", "store_id", "created_at", "updated_at"),
    "product": ("entity_id", "sku", "type_id", "updated_at"),
}

Send = Callable[[str, str, bytes, dict[str, str]], tuple[int, bytes]]
"""method, URL, body, headers -> status and body. Raises OSError when nothing answered."""


@dataclass(frozen=True)
class Attempt:
    event_id: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    event_id: int
    delivered: bool


def send(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body if method == "POST" else None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Courier:
    """Carries attempts to the address from a thread of its own, so that no call waits for the receiver.

    What came of them is fetched with `outcomes`. With `threaded` False each attempt is made at once, for tests.
    """

    def __init__(self, url: str, carry: Send = send, *, threaded: bool = True) -> None:
        self._url, self._send, self._threaded = url, carry, threaded
        self._waiting: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._registered = False

    def take(self, attempt: Attempt) -> None:
        if not self._threaded:
            self._done.put(self._deliver(attempt))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="adobe i/o events", daemon=True)
            self._thread.start()
        self._waiting.put(attempt)

    def outcomes(self) -> list[Outcome]:
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def close(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (attempt := self._waiting.get()) is not None:
            self._done.put(self._deliver(attempt))

    def _deliver(self, attempt: Attempt) -> Outcome:
        try:
            if not self._registered:
                self._registered = self._prove()
            if not self._registered:
                return Outcome(attempt.event_id, False)
            status, _ = self._send("POST", self._url, attempt.body, attempt.headers)
        except OSError:
            return Outcome(attempt.event_id, False)
        return Outcome(attempt.event_id, 200 <= status < 300)

    def _prove(self) -> bool:
        challenge = secrets.token_hex(16)
        status, body = self._send("GET", f"{self._url}?{urlencode({'challenge': challenge})}", b"", {})
        return status == 200 and challenge.encode() in body


# -- keys --------------------------------------------------------------------------------------------------------


def _private_key(shop: Shop, number: int) -> rsa.RSAPrivateKey:
    """Kept with the installation. Installations that one process serves share their keys: they have one publisher."""
    path = f"sandbox/events_key_{number}"
    text = shop.config(path)
    if not text:
        text = _made(number)
        with shop.database.transaction():
            shop.database.run("INSERT OR REPLACE INTO core_config_data VALUES (?, ?)", [path, text])
    return _loaded(text)


@cache
def _made(number: int) -> str:
    """PEM of a new key, made once per process."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


@lru_cache(maxsize=8)
def _loaded(text: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(text.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_key(shop: Shop, path: str) -> bytes | None:
    """PEM of the key under a path, as the signature headers name it."""
    if path not in KEY_PATHS:
        return None
    key = _private_key(shop, KEY_PATHS.index(path) + 1).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def client_id(shop: Shop) -> str:
    return shop.secret("events_client_id")


# -- from a commit to a delivery ---------------------------------------------------------------------------------


def record(shop: Shop, commits: list[Commit]) -> None:
    """Keep an event for each saved order and product; in the transaction of the save."""
    for commit in commits:
        code = _CODES.get(commit.entity)
        if code is None or commit.change == "delete":
            continue
        if commit.entity == "sales_order":
            table, key = "sales_order", "increment_id"
        else:
            table, key = "catalog_product_entity", "sku"
        row = shop.database.row(f"SELECT * FROM {table} WHERE {key} = ? ORDER BY entity_id DESC", [commit.document])
        if row is None:
            continue
        identity = str(uuid.uuid4())
        payload = {
            "specversion": "1.0",
            "id": identity,
            "source": "urn:uuid:" + str(uuid.UUID(shop.secret("events_provider"))),
            "type": code,
            "datacontenttype": "application/json",
            "time": text_time(shop.clock.wall()).replace(" ", "T") + "Z",
            "event_id": identity,
            "recipient_client_id": client_id(shop),
            "data": {
                "key": identity,
                "value": {name: row[name] for name in _FIELDS[commit.entity]},
                "source": "commerce.sandbox",
                "_metadata": {
                    "commerceEdition": "Adobe Commerce",
                    "commerceVersion": "2.4.8",
                    "storeId": str(row.get("store_id") or 0),
                },
            },
        }
        shop.database.insert(
            "sandbox_event",
            {
                "uuid": identity,
                "event_code": code,
                "payload": json_text(payload),
                "created_at": shop.wall(),
                "due_at": shop.wall(),
            },
        )


def run_due(shop: Shop, courier: Courier) -> None:
    """Note what came of the last deliveries, and hand over those that are due."""
    now = shop.clock.wall()
    for outcome in courier.outcomes():
        row = shop.database.row("SELECT * FROM sandbox_event WHERE event_id = ?", [outcome.event_id])
        if row is None:
            continue
        attempts = row["attempts"] + 1
        fields: dict[str, Any] = {"attempts": attempts}
        if outcome.delivered:
            fields["delivered_at"] = shop.wall()
        else:
            wait = min(FIRST_RETRY_SECONDS * 2 ** (attempts - 1), LAST_RETRY_SECONDS)
            first = datetime.fromisoformat(row["created_at"])
            fields["due_at"] = shop.wall(wait)
            fields["given_up"] = int(now - first > timedelta(hours=GIVE_UP_HOURS))
        with shop.database.transaction():
            shop.database.update("sandbox_event", {"event_id": outcome.event_id}, fields)
    due = shop.database.rows(
        "SELECT * FROM sandbox_event WHERE delivered_at IS NULL AND given_up = 0 AND due_at <= ? "
        "ORDER BY event_id LIMIT 50",
        [shop.wall()],
    )
    for row in due:
        # Out of reach until its outcome is known; a restart in between sends it again.
        with shop.database.transaction():
            shop.database.update(
                "sandbox_event", {"event_id": row["event_id"]}, {"due_at": shop.wall(6 * TIMEOUT_SECONDS)}
            )
        courier.take(_attempt(shop, row))


def _attempt(shop: Shop, row: dict[str, Any]) -> Attempt:
    body = row["payload"].encode()
    headers = {"content-type": "application/cloudevents+json", "x-adobe-event-id": row["uuid"],
               "x-adobe-event-code": row["event_code"], "x-adobe-retry-count": str(row["attempts"])}  # fmt: skip
    for number, path in enumerate(KEY_PATHS, 1):
        signed = _private_key(shop, number).sign(body, padding.PKCS1v15(), hashes.SHA256())
        headers[f"x-adobe-digital-signature-{number}"] = base64.b64encode(signed).decode()
        headers[f"x-adobe-public-key{number}-path"] = path
    return Attempt(row["event_id"], body, headers)
