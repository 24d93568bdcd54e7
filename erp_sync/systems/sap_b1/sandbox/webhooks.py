"""EventSubscriptions: which changes are told to which address, and the queue of what is to be told.

Fact sheet, section 7 (from 10.0 FP 2602, newer than the published contract; v2 only): off until
``CompanyService_UpdateAdminInfo {"AdminInfo": {"EnableWebhook": "tYES"}}``; at most 16; https. Unconfirmed: the words
of refusals, the shape of the catalogue, which objects are in it besides documents and master data (prices are not
here), that a subscription whose deliveries failed goes on with what waited when it is resumed, and that Replay sends
the last 24 hours again.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from erp_sync.sandbox.core import Request, Response, json_response
from erp_sync.systems.sap_b1.sandbox import add_on_events, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.courier import Courier, Undelivered, signed
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import JSON, malformed, not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.paths import Resource, unrecognized
from erp_sync.systems.sap_b1.sandbox.service import body_of
from erp_sync.systems.sap_b1.sandbox.store import Store, dumps, loads

MOST = 16
TRANSACTIONS = ("Created", "Updated", "Deleted", "Closed", "Cancelled", "Reopened")
_KNOWN = frozenset(["WebhookID", "WebhookURL", "AuthenticationType", "AuthenticationCred", "Handshake",
                    "EventCollection", "Status"])  # fmt: skip
_SCHEMA = """
CREATE TABLE IF NOT EXISTS subscriptions (id TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhook_events (
    number INTEGER PRIMARY KEY, subscription TEXT NOT NULL, event TEXT NOT NULL,
    made_at TEXT NOT NULL,              -- technical time, ISO 8601 UTC
    delivered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS webhook_waiting ON webhook_events (subscription, delivered, number);
"""


def create(store: Store) -> None:
    store.connection.executescript(_SCHEMA)


class Subscriptions:
    """The resource ``EventSubscriptions`` and what it queues."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier

    def handle(self, context: Context, request: Request, resource: Resource) -> Response:
        """Raises ServiceLayerError."""
        if context.version != "v2":
            raise unrecognized()
        if not context.setting("webhooks"):
            raise rule("Webhook is not enabled for the company")
        if resource.key is None:
            if request.method == "GET":
                texts = context.store.rows("SELECT data FROM subscriptions WHERE id <> ? ORDER BY id", add_on_events.ID)
                return json_response({"value": [_shown(loads(text)) for (text,) in texts]}, 200, content_type=JSON)
            if request.method == "POST":
                return self._create(context, request)
            raise unsupported()
        if resource.key[0] == add_on_events.ID:
            raise not_found()
        found = self._stored(context.store, str(resource.key[0]))
        match request.method, resource.tail:
            case "GET", "":
                return json_response(_shown(found), 200, content_type=JSON)
            case "PATCH", "":
                self._save(context, self._checked(context, {**found, **_body(request)}))
                return Response(204)
            case "DELETE", "":
                context.store.run("DELETE FROM subscriptions WHERE id = ?", found["WebhookID"])
                context.store.run("DELETE FROM webhook_events WHERE subscription = ?", found["WebhookID"])
                return Response(204)
            case "POST", "Pause" | "Resume" | "Replay":
                return self._act(context, found, resource.tail)
        raise unrecognized()

    @staticmethod
    def _stored(store: Store, webhook: str) -> dict[str, Any]:
        text = store.value("SELECT data FROM subscriptions WHERE id = ?", webhook)
        if text is None:
            raise not_found()
        return loads(text)

    def _create(self, context: Context, request: Request) -> Response:
        found = self._checked(context, {"Handshake": "tNO", "AuthenticationType": "None", **_body(request)})
        if context.store.value("SELECT 1 FROM subscriptions WHERE id = ?", found["WebhookID"]) is not None:
            raise rule(f"Webhook '{found['WebhookID']}' already exists")
        if context.store.value("SELECT COUNT(*) FROM subscriptions WHERE id <> ?", add_on_events.ID) >= MOST:
            raise rule(f"At most {MOST} webhooks are allowed")
        found["Status"] = "Active"
        if found["Handshake"] == "tYES":
            self._shake(found)
        self._save(context, found)
        where = f"{context.origin}{context.root}/EventSubscriptions('{found['WebhookID']}')"
        return json_response(_shown(found), 201, {"location": where}, JSON)

    @staticmethod
    def _checked(context: Context, found: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(found) - _KNOWN:
            raise malformed(f"Property '{sorted(unknown)[0]}' of 'EventSubscription' is invalid")
        for name in ("WebhookID", "WebhookURL", "EventCollection"):
            if not found.get(name):
                raise malformed(f"Property '{name}' of 'EventSubscription' is mandatory")
        scheme = urlsplit(found["WebhookURL"]).scheme
        if scheme != "https" and not (scheme == "http" and context.options.webhook_plain_http):
            raise rule("WebhookURL must be https")
        if found["AuthenticationType"] not in ("HMAC", "None"):
            raise rule("This sandbox knows the authentication types HMAC and None")
        signed(found, b"")  # the credentials can be read
        for event in found["EventCollection"]:
            if event.get("BusinessObject") not in context.options.webhook_objects:
                raise rule(f"Business object '{event.get('BusinessObject')}' has no events")
            if event.get("TransactionType") not in TRANSACTIONS:
                raise rule(f"Transaction type '{event.get('TransactionType')}' is not known")
        return found

    def _shake(self, found: dict[str, Any]) -> None:
        """GET with a token, whose echo must come back."""
        token = uuid.uuid4().hex
        headers = {"X-B1-Webhook-Token": token, **signed(found, token.encode())}
        try:
            status, body = self.courier.send("GET", found["WebhookURL"], b"", headers)
        except Undelivered as error:
            raise rule(f"Handshake failed: {error}") from error
        try:
            answered = json.loads(body).get("Challenge") if status == 200 else None
        except (ValueError, AttributeError):
            answered = None
        if answered != token:
            raise rule(f"Handshake failed: status {status}, the challenge did not come back")

    def _act(self, context: Context, found: dict[str, Any], action: str) -> Response:
        found["Status"] = "Paused" if action == "Pause" else "Active"
        if action == "Replay":
            context.store.run("UPDATE webhook_events SET delivered = 0 WHERE subscription = ?", found["WebhookID"])
        self._save(context, found)
        return Response(204)

    @staticmethod
    def _save(context: Context, found: dict[str, Any]) -> None:
        context.store.run("INSERT OR REPLACE INTO subscriptions VALUES (?, ?)", found["WebhookID"], dumps(found))


def _body(request: Request) -> dict[str, Any]:
    body = body_of(request)
    if not isinstance(body, dict):
        raise malformed("Invalid JSON for 'EventSubscription'")
    return body


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "AuthenticationCred"}


def queue(context: Context, wall: datetime) -> None:
    """Put the call's changes into the queue of every subscription that wants them; a paused one gathers them too."""
    if not context.events:
        return
    add_on_events.subscribe(context)
    enabled = context.setting("webhooks")
    for (text,) in context.store.rows("SELECT data FROM subscriptions ORDER BY id"):
        subscription = loads(text)
        if not enabled and subscription["WebhookID"] != add_on_events.ID:
            continue
        wanted = {(one["BusinessObject"], one["TransactionType"]) for one in subscription["EventCollection"]}
        for name, transaction, key in context.events:
            if (name, transaction) in wanted:
                context.store.run(
                    "INSERT INTO webhook_events (subscription, event, made_at) VALUES (?, ?, ?)",
                    subscription["WebhookID"],
                    dumps(_event(context, name, transaction, key, wall)),
                    wall.isoformat(),
                )


def _event(context: Context, name: str, transaction: str, key: dict[str, Any], wall: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "specversion": "1.0",
        "source": f"{context.origin}{context.root}",
        "type": f"sap.b1.{name}.{transaction}.v1",
        "subject": ",".join(str(value) for value in rows.key_of(SETS[name], key)),
        "time": wall.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {part: str(value) for part, value in key.items()},
    }


def catalog(context: Context, request: Request, resource: Resource) -> Response:
    """``GET EventSubscriptionsService_GetEventCatalog``: the objects that have events."""
    if context.version != "v2":
        raise unrecognized()
    value = [
        {"BusinessObject": name, "TransactionTypes": list(TRANSACTIONS)} for name in context.options.webhook_objects
    ]
    return json_response({"value": value}, 200, content_type=JSON)
