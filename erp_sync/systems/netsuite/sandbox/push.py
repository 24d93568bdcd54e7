"""The account's change push: user event scripts that tell a web address of saved records.

As this project's script does (`suitescript/erp_sync_change_push.js`): one notification per record and entity,
signed with HMAC-SHA256, sent once; what does not arrive is lost.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import urllib.request
from collections.abc import Callable, Collection
from datetime import datetime

from erp_sync.systems.netsuite.sandbox.session import Session, Written

SIGNATURE = "X-Erp-Sync-Signature"
_STOCK = frozenset({"itemFulfillment", "itemReceipt", "inventoryAdjustment", "salesOrder"})
_PRODUCTS = frozenset({"inventoryItem", "assemblyItem", "kitItem", "nonInventorySaleItem"})
_EVENTS = {"create": "create", "update": "edit", "delete": "delete"}
_MOST_ITEMS = 200
_TIMEOUT_SECONDS = 5.0

Post = Callable[[str, bytes, dict[str, str]], None]


def notifications(session: Session, wall: datetime, deployed: Collection[str] | None = None) -> list[bytes]:
    """Bodies that the scripts send for what the session wrote. `deployed`: records that have one; None: all."""
    sent_at = wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bodies = []
    for written in dict.fromkeys(session.written):
        change = _EVENTS.get(written.change)
        if change is None or (deployed is not None and written.record not in deployed):
            continue
        record = written.record.lower()
        for entity in _entities(written.record):
            native_id = _order(session, written) if entity == "order_status" else written.internal_id
            if native_id is None:
                continue
            body = {
                "id": f"{record}-{written.internal_id}-{entity}-{change}-{sent_at}",
                "entity": entity,
                "record": record,
                "native_id": str(native_id),
                "items": _items(session, written) if entity == "stock_level" else [],
                "change": change,
                "sent_at": sent_at,
            }
            bodies.append(json.dumps(body).encode())
    return bodies


def _entities(record: str) -> list[str]:
    return [
        *(["shipment"] if record == "itemFulfillment" else []),
        *(["order_status"] if record in ("salesOrder", "itemFulfillment") else []),
        *(["stock_level"] if record in _STOCK else []),
        *(["product"] if record in _PRODUCTS else []),
    ]


def _order(session: Session, written: Written) -> int | None:
    """The order whose status a record is about: itself, or the one it was made from."""
    if written.record == "salesOrder":
        return written.internal_id
    order: int | None = session.store.value(
        'SELECT createdfrom FROM "transaction" WHERE id = ? AND createdfrom IS NOT NULL', written.internal_id
    )
    return order


def _items(session: Session, written: Written) -> list[str]:
    rows = session.store.all(
        'SELECT DISTINCT item FROM transactionline WHERE "transaction" = ? AND item IS NOT NULL ORDER BY id LIMIT ?',
        written.internal_id,
        _MOST_ITEMS,
    )
    return [str(row["item"]) for row in rows]


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Pusher:
    """Sends from a thread of its own, so that no save waits for the receiver."""

    def __init__(self, url: str, secret: str, post: Post | None = None) -> None:
        self._url, self._secret = url, secret
        self._post = post or _post
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def send(self, bodies: list[bytes]) -> None:
        if bodies and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="netsuite change push", daemon=True)
            self._thread.start()
        for body in bodies:
            self._waiting.put(body)

    def close(self) -> None:
        """Send what waits, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (body := self._waiting.get()) is not None:
            headers: dict[str, str] = {"Content-Type": "application/json", SIGNATURE: signature(self._secret, body)}
            try:
                self._post(self._url, body, headers)
            except OSError:
                self.lost += 1  # as in life: the script logs it and goes on


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
        pass
