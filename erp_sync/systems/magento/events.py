"""Verifies Adobe I/O Events of an Adobe Commerce store. Magento Open Source sends none.

Source: Adobe I/O Events, "Introduction to Adobe I/O Events Webhooks", Security Considerations: the raw body is
signed twice, RSA-SHA256 (PKCS #1 v1.5 as in Adobe's own libraries), signatures in base64; headers name the
paths of the public keys on static.adobeioevents.com; one valid signature is enough; the body names its
recipient. Delivered at least once, in any order.

Settings of the connection::

    events:
      client_id: the OAuth client id of the project in Adobe Developer Console
      keys:
        /prod/keys/pub-key-....pem: |
          -----BEGIN PUBLIC KEY-----
          ...

Keys are configuration and are not fetched: no sender can make this process call an address.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected, Notification

SIGNATURES = (
    ("x-adobe-digital-signature-1", "x-adobe-public-key1-path"),
    ("x-adobe-digital-signature-2", "x-adobe-public-key2-path"),
)
PREFIX = "com.adobe.commerce."
# Event name (without prefix) -> entity. Names: Adobe Commerce Extensibility, "Events".
TOPICS = {
    "observer.sales_order_save_after": Entity.SALES_ORDER,
    "observer.sales_order_save_commit_after": Entity.SALES_ORDER,
    "observer.sales_order_place_after": Entity.SALES_ORDER,
    "observer.sales_order_creditmemo_save_after": Entity.REFUND,
    "observer.sales_order_creditmemo_save_commit_after": Entity.REFUND,
    "observer.customer_save_after": Entity.CUSTOMER,
    "observer.customer_save_commit_after": Entity.CUSTOMER,
    "observer.catalog_product_save_after": Entity.PRODUCT,
    "observer.catalog_product_save_commit_after": Entity.PRODUCT,
}


class Data(msgspec.Struct, kw_only=True):
    """`value` holds the fields that the store's event subscription chose."""

    value: dict[str, Any] = {}
    metadata: dict[str, Any] = msgspec.field(default={}, name="_metadata")


class Event(msgspec.Struct, kw_only=True):
    """A CloudEvents 1.0 envelope with Adobe's `event_id` and `recipient_client_id`."""

    id: str
    type: str
    time: datetime
    event_id: str = ""
    recipient_client_id: str
    data: Data


_decoder = msgspec.json.Decoder(Event)


def verify(headers: Mapping[str, str], body: bytes, connection: ConnectionSettings) -> list[Notification]:
    """The change that an event tells of. Raises NotExpected, BadSignature, Malformed.

    Headers are not signed, so nothing but the signatures is taken from them.
    """
    settings = _settings(connection)
    _check_signatures(headers, body, settings["keys"])
    try:
        event = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no event of Adobe Commerce: {error}") from error
    if not hmac.compare_digest(event.recipient_client_id.encode(), str(settings["client_id"]).encode()):
        raise BadSignature("the event is meant for another recipient")
    if event.time.tzinfo is None or not (event.event_id or event.id):
        raise Malformed("no event of Adobe Commerce: no id, or a time without a zone")
    topic = event.type.removeprefix(PREFIX)
    entity = TOPICS.get(topic, "")
    native_id = _native_id(entity, event.data.value)
    return [
        Notification(
            event_id=event.event_id or event.id,
            topic=topic,
            entity=entity,
            native_ids=(native_id,) if native_id else (),
            sent_at=event.time.astimezone(UTC),
            detail={name: event.data.value[name] for name in ("increment_id", "sku") if name in event.data.value},
        )
    ]


def _settings(connection: ConnectionSettings) -> Mapping[str, Any]:
    if connection.settings.get("edition", "open_source") != "commerce":
        raise NotExpected(f"{connection.name} is Magento Open Source, which sends no events")
    settings = connection.settings.get("events") or {}
    for name in ("client_id", "keys"):
        if not settings.get(name):
            raise NotExpected(f"{connection.name} has no setting events.{name}, so no event can be verified")
    return settings


def _check_signatures(headers: Mapping[str, str], body: bytes, keys: Mapping[str, str]) -> None:
    """One valid signature is enough. One that is wrong though its key is known condemns the event."""
    checked = 0
    for signature_header, path_header in SIGNATURES:
        signature, pem = headers.get(signature_header), keys.get(headers.get(path_header, ""))
        if signature is None or pem is None:
            continue
        key = _key(pem)
        try:
            key.verify(_decoded(signature), body, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError) as error:
            raise BadSignature(f"header {signature_header} does not fit the body") from error
        checked += 1
    if not checked:
        raise BadSignature("no signature with a key of setting events.keys")


def _decoded(signature: str) -> bytes:
    """Raises ValueError for what is not exactly the base64 text of some bytes: one signature, one header."""
    decoded = base64.b64decode(signature, validate=True)
    if base64.b64encode(decoded).decode() != signature:
        raise ValueError("not canonical base64")
    return decoded


@lru_cache(maxsize=32)
def _key(pem: str) -> RSAPublicKey:
    """Raises NotExpected for a PEM that is no RSA public key: a mistake in the settings."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise NotExpected(f"a PEM of setting events.keys is none: {error}") from error
    if not isinstance(key, RSAPublicKey):
        raise NotExpected("a key of setting events.keys is no RSA key")
    return key


def _native_id(entity: str, value: Mapping[str, Any]) -> str:
    """The record's id. A new order has none among its fields yet, but its lines and its payment name it."""
    for name in ("entity_id", "id"):
        if value.get(name):
            return str(value[name])
    if entity == Entity.SALES_ORDER:
        payment = value.get("payment")
        if isinstance(payment, Mapping) and payment.get("parent_id"):
            return str(payment["parent_id"])
        lines = value.get("items")
        for line in lines if isinstance(lines, list) else ():
            if isinstance(line, Mapping) and line.get("order_id"):
                return str(line["order_id"])
    return ""
