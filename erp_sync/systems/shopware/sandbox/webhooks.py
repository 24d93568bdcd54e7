"""Webhooks: what was written and what happened, told to addresses.

Facts: shopware/shopware src/Core/Framework/Webhook (WebhookDispatcher, Hookable/HookableEntityWrittenEvent,
Subscriber/RetryWebhookMessageFailedSubscriber); fact sheet, section 7. With the admin worker (the default) a call is
made at once, unlogged, and never again; with a queue three more times after 1, 2 and 4 s, and a webhook that failed ten
times is switched off. Written events hold ids only and name the owners of children without fields; drafts of orders
are told, too, unless `onlyLiveVersion`. Nothing is in order. Of deleted rows the fields are left out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from erp_sync.systems.shopware.sandbox import apps, names, saving
from erp_sync.systems.shopware.sandbox.courier import Carry, Courier, Note
from erp_sync.systems.shopware.sandbox.criteria import Criteria
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.schema.fields import text_of
from erp_sync.systems.shopware.sandbox.shop import Shop

#: Hookable/HookableEventCollector::HOOKABLE_ENTITIES, of those kept here.
HOOKABLE = frozenset({"product", "product_price", "category", "sales_channel", "sales_channel_domain", "customer",
                      "customer_address", "order", "order_address"})  # fmt: skip
RETRIES = (1, 2, 4)
MOST_ERRORS = 10
SCHEMA = (
    "CREATE TABLE sandbox_webhook (id TEXT PRIMARY KEY, webhook TEXT, name TEXT, body TEXT, attempts INTEGER, "
    "due TEXT, status TEXT)",
)
#: What of an order is told with business events.
_ORDER = ("orderCustomer", "lineItems", "deliveries.stateMachineState", "transactions.stateMachineState", "addresses",
          "currency", "stateMachineState")  # fmt: skip

Event = tuple[str, Any]


def record(shop: Shop) -> None:
    """Keep what the call has to tell, in its transaction."""
    hooks = shop.database.rows("SELECT * FROM webhook WHERE active = 1")
    if not hooks:
        return
    wanted = {hook["eventName"] for hook in hooks}
    for name, payload in (*_written(shop), *_happened(shop, wanted)):
        for hook in hooks:
            if hook["eventName"] == name and apps.may_hear(shop, hook["appId"], name):
                _queue(shop, hook, name, payload)


def _queue(shop: Shop, hook: dict[str, Any], name: str, payload: Any) -> None:
    if isinstance(payload, list) and hook["onlyLiveVersion"]:
        payload = [one for one in payload if one.get("versionId") == names.LIVE_VERSION]
        if not payload:
            return
    identity = names.new_id(shop.clock.wall())
    source = {"url": apps.shop_url(shop), "eventId": identity, **apps.source(shop, hook["appId"])}
    body = text_of({"data": {"payload": payload, "event": name}, "source": source})
    shop.database.insert("sandbox_webhook", {
        "id": identity, "webhook": hook["id"], "name": name, "body": body, "attempts": 0, "due": shop.wall(),
        "status": "queued",
    })  # fmt: skip


def _written(shop: Shop) -> Iterable[Event]:
    found: dict[str, list[dict[str, Any]]] = {}
    for command in shop.written:
        if command.entity.name not in HOOKABLE:
            continue
        deleted = command.operation == "delete"
        one: dict[str, Any] = {
            "entity": command.entity.name, "operation": command.operation, "primaryKey": command.key[0],
        }  # fmt: skip
        if not deleted:
            one["updatedFields"] = list(command.columns)
        if command.entity.versioned:
            one["versionId"] = command.key[1]
        found.setdefault(f"{command.entity.name}.{'deleted' if deleted else 'written'}", []).append(one)
    for entity, identity in saving.parents(shop, shop.written):
        if entity in HOOKABLE:
            owner = {"entity": entity, "operation": "update", "primaryKey": identity, "updatedFields": []}
            found.setdefault(f"{entity}.written", []).append(owner)
    return found.items()


def _happened(shop: Shop, wanted: set[str]) -> Iterable[Event]:
    """Business events, which carry entities; they are made only where somebody listens."""
    events: list[Event] = []
    for change in shop.states:
        name = f"state_enter.{change.machine}.{change.after}"
        if name in wanted:
            events.append((name, {"order": _order(shop, change.entity, change.identity)}))
    if "checkout.order.placed" in wanted:
        events += [("checkout.order.placed", {"order": _order(shop, "order", one)}) for one in shop.placed]
    if "checkout.customer.login" in wanted:
        events += [
            ("checkout.customer.login", {"customer": _printed(shop, "customer", customer, ()), "contextToken": token})
            for customer, token in shop.logins
        ]
    if "checkout.customer.register" in wanted:
        events += [
            ("checkout.customer.register", {"customer": _printed(shop, "customer", one.key[0], ())})
            for one in shop.written
            if one.entity.name == "customer" and one.operation == "insert" and not one.columns.get("guest")
        ]
    return events


def _order(shop: Shop, entity: str, identity: str) -> Any:
    if entity != "order":
        row = shop.raw(entity, identity)
        identity = row["orderId"] if row else identity
    return _printed(shop, "order", identity, _ORDER)


def _printed(shop: Shop, name: str, identity: str, paths: Iterable[str]) -> Any:
    criteria, entity = Criteria(), shop.entity(name)
    for path in paths:
        criteria.association(path)
    row = shop.reader().one(entity, identity, criteria)
    return Printer(shop.entities, criteria, apps.shop_url(shop)).plain(entity, row) if row else None


# -- sending -------------------------------------------------------------------------------------------------------


def hand_over(shop: Shop, courier: Courier) -> None:
    """With the admin worker: what the call has recorded leaves now, and nothing is kept of it."""
    if not shop.options.admin_worker:
        return
    rows = shop.database.rows("SELECT * FROM sandbox_webhook ORDER BY id")
    if not rows:
        return
    with shop.database.transaction():
        shop.database.run("DELETE FROM sandbox_webhook")
    for row in rows:
        hook = shop.raw("webhook", row["webhook"])
        if hook is not None:
            _send(shop, courier, row, hook, note=False)


def run_due(shop: Shop, courier: Courier) -> None:
    """With a queue: messages that are due, and what came of earlier ones."""
    for note in courier.notes():
        with shop.database.transaction():
            note(shop)
    if shop.options.admin_worker:
        return
    rows = shop.database.rows(
        "SELECT * FROM sandbox_webhook WHERE status = 'queued' AND due <= ? ORDER BY due, id LIMIT 100", [shop.wall()]
    )
    for row in rows:
        hook = shop.raw("webhook", row["webhook"])
        with shop.database.transaction():
            shop.database.update("sandbox_webhook", {"id": row["id"]}, {"status": "running" if hook else "failed"})
        if hook is not None:
            _send(shop, courier, row, hook, note=True)


def _send(shop: Shop, courier: Courier, row: dict[str, Any], hook: dict[str, Any], *, note: bool) -> None:
    body = json.loads(row["body"])
    body["timestamp"] = int(shop.clock.wall().timestamp())
    raw = json.dumps(body, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json", "sw-version": names.VERSION, "sw-context-language": names.LANGUAGE,
        "sw-user-language": "en-GB",
    }  # fmt: skip
    secret = apps.secret(shop, hook["appId"])
    if secret:
        headers["shopware-shop-signature"] = signature(raw, secret)
    url, identity = hook["url"], row["id"]

    def job(send: Carry) -> Note | None:
        try:
            status, _ = send("POST", url, raw, headers)
        except OSError:
            status = 0
        if not note:
            return None
        return lambda there: _noted(there, identity, 200 <= status < 400)

    courier.take(job)


def signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _noted(there: object, identity: str, arrived: bool) -> None:
    """A success clears the webhook's errors; a failure is tried again, and after the last time is one error."""
    assert isinstance(there, Shop)
    row = there.database.row("SELECT * FROM sandbox_webhook WHERE id = ?", [identity])
    if row is None:
        return
    hook, attempts = there.raw("webhook", row["webhook"]), row["attempts"] + 1
    if arrived:
        there.database.update("sandbox_webhook", {"id": identity}, {"attempts": attempts, "status": "success"})
        there.database.update("webhook", {"id": row["webhook"]}, {"errorCount": 0})
    elif attempts <= len(RETRIES):
        due = there.wall(RETRIES[attempts - 1])
        there.database.update(
            "sandbox_webhook", {"id": identity}, {"attempts": attempts, "status": "queued", "due": due}
        )
    else:
        there.database.update("sandbox_webhook", {"id": identity}, {"attempts": attempts, "status": "failed"})
        errors = (hook["errorCount"] or 0) + 1 if hook else 0
        given_up = errors >= MOST_ERRORS
        there.database.update(
            "webhook", {"id": row["webhook"]},
            {"errorCount": 0, "active": 0} if given_up else {"errorCount": errors},
        )  # fmt: skip
