"""Verifies the webhooks of an app in a Shopware shop.

Source: shopware/docs, "Webhook" (body, signature, retries); core `Webhook/Hookable/HookableEntityWrittenEvent`. The raw
body is signed with HMAC-SHA256 and the secret that the shop agreed on with the app. Delivered at least once, in no
order, or, with the admin worker, at most once: what does not come is found by polling.

Credential ``webhook_secret`` is the shop's secret; while it is being replaced (re-registration),
``webhook_secret_before`` is the one that it had. Webhooks that belong to no app are not signed and are refused.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected, Notification
from erp_sync.systems.shopware.client import LIVE
from erp_sync.systems.shopware.criteria import is_id

SIGNATURE = "shopware-shop-signature"
SECRETS = ("webhook_secret", "webhook_secret_before")
# Beginning of a topic -> (what it is about, the record in a business event's payload). What belongs to an order fires
# its parent's ``order.written``, too, with no updated fields (fact sheet, section 7).
TOPICS: tuple[tuple[str, str, str], ...] = (
    ("order.", Entity.SALES_ORDER, "order"),
    ("checkout.order.", Entity.SALES_ORDER, "order"),
    ("state_enter.order", Entity.SALES_ORDER, "order"),
    ("state_leave.order", Entity.SALES_ORDER, "order"),
    ("customer.", Entity.CUSTOMER, "customer"),
    ("checkout.customer.", Entity.CUSTOMER, "customer"),
    ("product.", Entity.PRODUCT, "product"),
)


class Source(msgspec.Struct, kw_only=True, rename="camel"):
    """`event_id` is the same in every retry."""

    event_id: str
    url: str = ""
    shop_id: str = ""


class Data(msgspec.Struct, kw_only=True):
    """`payload` lists what was written, or holds the records of a business event."""

    payload: Any = None
    event: str


class Webhook(msgspec.Struct, kw_only=True):
    """`timestamp` in seconds."""

    data: Data
    source: Source
    timestamp: int


_decoder = msgspec.json.Decoder(Webhook)


def verify(headers: Mapping[str, str], body: bytes, connection: ConnectionSettings) -> list[Notification]:
    """The changes that a webhook tells of. Raises NotExpected, BadSignature, Malformed.

    Only live versions are told: a draft of an order that somebody edits fires events, too, and is nobody's order.
    """
    _check_signature(headers.get(SIGNATURE), body, connection)
    try:
        webhook = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no webhook of Shopware: {error}") from error
    if not webhook.source.event_id:
        raise Malformed("no webhook of Shopware: eventId is empty")
    try:
        sent_at = datetime.fromtimestamp(webhook.timestamp, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(f"no webhook of Shopware: timestamp {webhook.timestamp} is no time") from error
    topic, payload = webhook.data.event, webhook.data.payload
    entity, name = next(((entity, name) for start, entity, name in TOPICS if topic.startswith(start)), ("", ""))
    ids = list(dict.fromkeys(_ids(payload, name)))
    drafts = isinstance(payload, list) and bool(payload) and not ids
    return [
        Notification(
            event_id=webhook.source.event_id,
            topic=topic,
            entity="" if drafts else entity,
            native_ids=tuple(ids) if entity else (),
            sent_at=sent_at,
            detail={"shop": webhook.source.shop_id} if webhook.source.shop_id else {},
        )
    ]


def _ids(payload: Any, name: str) -> Iterator[str]:
    """Ids of the live records of this name that a payload is about."""
    written: list[Mapping[str, Any]] = []
    if isinstance(payload, Mapping):
        record = payload.get(name)
        if isinstance(record, Mapping):
            written = [{"primaryKey": record.get("id"), **record}]
    elif isinstance(payload, list):
        written = [one for one in payload if isinstance(one, Mapping)]
    for one in written:
        key = one.get("primaryKey")
        identity = key.get("id") if isinstance(key, Mapping) else key
        if one.get("versionId", LIVE) == LIVE and isinstance(identity, str) and is_id(identity):
            yield identity


def _check_signature(signature: str | None, body: bytes, connection: ConnectionSettings) -> None:
    secrets = [connection.credentials[name] for name in SECRETS if connection.credentials.get(name)]
    if not secrets:
        raise NotExpected(f"{connection.name} has no credential {SECRETS[0]}, so no webhook can be verified")
    if not signature:
        raise BadSignature(f"header {SIGNATURE} is missing")
    given = signature.encode("utf-8", "surrogatepass")
    # Every secret is tried, whatever the first says: the time taken tells nothing.
    right = [
        hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode(), given)
        for secret in secrets
    ]
    if not any(right):
        raise BadSignature(f"header {SIGNATURE} does not fit the body")
