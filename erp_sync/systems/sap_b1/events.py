"""Verifies the webhooks of SAP Business One, and what an installation's add-on posts in the same form.

Source: fact sheet, webhooks from 10.0 FP 2602 on: a POST of an array of at most 1,024 events in the
form of CloudEvents, keys only; header ``X-B1-Webhook-Signature`` is the Base64 of the HMAC-SHA256 of the body, by the
key of the subscription. Retried for 24 hours, delivered at least once. Which objects have events is told by
`EventSubscriptionsService_GetEventCatalog`; that special prices and lists are among them is unconfirmed. Where they are
not, an add-on behind SBO_SP_PostTransactionNotice may post them in this form.

Credential ``webhook_secret`` is the key; while it is being replaced, ``webhook_secret_before`` is the one before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected, Notification
from erp_sync.systems.sap_b1.term_tables import TABLES, native_id

SIGNATURE = "x-b1-webhook-signature"
SECRETS = ("webhook_secret", "webhook_secret_before")
ITEMS = "Items"


class Event(msgspec.Struct, kw_only=True):
    """`type` is ``sap.b1.SpecialPrices.Updated.v1``, `data` the parts of the key as texts."""

    id: str
    type: str
    time: datetime
    data: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(list[Event])


def verify(headers: Mapping[str, str], body: bytes, connection: ConnectionSettings) -> list[Notification]:
    """The changes that a delivery tells of. Raises NotExpected, BadSignature, Malformed.

    An item is a product, and decides prices: it is told twice, as each.
    """
    _check_signature(headers.get(SIGNATURE), body, connection)
    try:
        events = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no events of SAP Business One: {error}") from error
    return [told for event in events for told in _told(event)]


def _told(event: Event) -> list[Notification]:
    name = event.type.removeprefix("sap.b1.").split(".")[0]
    if not event.id or not name or event.time.tzinfo is None:
        raise Malformed("no event of SAP Business One: id, type or the zone of its time is missing")
    common: dict[str, Any] = {"topic": event.type, "sent_at": event.time.astimezone(UTC)}
    table = TABLES.get(name)
    if table is None:
        return [Notification(event_id=event.id, entity="", **common)]
    parts = [str(event.data.get(field) or "") for field in table.key]
    if not all(parts):
        raise Malformed(f"event {event.id} ({event.type}) lacks {', '.join(table.key)}")
    terms = Notification(
        event_id=f"{event.id}/terms" if name == ITEMS else event.id,
        entity=Entity.PRICE_TERMS,
        native_ids=(native_id(name, *parts),),
        **common,
    )
    if name != ITEMS:
        return [terms]
    return [Notification(event_id=event.id, entity=Entity.PRODUCT, native_ids=(parts[0],), **common), terms]


def _check_signature(signature: str | None, body: bytes, connection: ConnectionSettings) -> None:
    secrets = [connection.credentials[name] for name in SECRETS if connection.credentials.get(name)]
    if not secrets:
        raise NotExpected(f"{connection.name} has no credential {SECRETS[0]}, so no event can be verified")
    if not signature:
        raise BadSignature(f"header {SIGNATURE} is missing")
    given = signature.encode("utf-8", "surrogatepass")
    # Every secret is tried, whatever the first says: the time taken tells nothing.
    right = [
        hmac.compare_digest(base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()), given)
        for secret in secrets
    ]
    if not any(right):
        raise BadSignature(f"header {SIGNATURE} does not fit the body")
