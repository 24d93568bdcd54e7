"""Verifies what this project's change push sends out of a NetSuite account.

The script (`suitescript/erp_sync_change_push.js`) signs the body with HMAC-SHA256 and the secret of its
deployment. Credential ``push_secret`` is that secret; while it is being replaced, ``push_secret_before`` is
the one that some deployments still have.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected, Notification
from erp_sync.systems.netsuite.capabilities import NOTIFICATIONS

SIGNATURE = "x-erp-sync-signature"
SECRETS = ("push_secret", "push_secret_before")


class Push(msgspec.Struct, kw_only=True):
    """Body of a push. `items` are the internal ids of what stock was moved; `native_id` that of the record."""

    id: str
    entity: str
    record: str
    native_id: str
    items: tuple[str, ...] = ()
    change: str
    sent_at: datetime


_decoder = msgspec.json.Decoder(Push)


def verify(headers: Mapping[str, str], body: bytes, connection: ConnectionSettings) -> list[Notification]:
    """The changes that a push tells of. Raises NotExpected, BadSignature, Malformed.

    An item that was saved may have got another price: it stands for both.
    """
    _check_signature(headers.get(SIGNATURE), body, connection)
    try:
        push = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no change push: {error}") from error
    if push.sent_at.tzinfo is None:
        raise Malformed("no change push: sent_at has no time zone")
    if not push.id or not push.native_id:
        raise Malformed("no change push: id or native_id is empty")
    entities = [push.entity if push.entity in NOTIFICATIONS.entities else ""]
    if push.entity == Entity.PRODUCT:
        entities.append(Entity.PRICE)
    return [
        Notification(
            event_id=push.id if entity in (push.entity, "") else f"{push.id}/{entity}",
            topic=f"{push.record}.{push.change}",
            entity=entity,
            native_ids=tuple(dict.fromkeys(push.items)) if entity == Entity.STOCK_LEVEL else (push.native_id,),
            sent_at=push.sent_at.astimezone(UTC),
            detail={"record": push.record, "record_id": push.native_id, "change": push.change},
        )
        for entity in entities
    ]


def _check_signature(signature: str | None, body: bytes, connection: ConnectionSettings) -> None:
    secrets = [connection.credentials[name] for name in SECRETS if connection.credentials.get(name)]
    if not secrets:
        raise NotExpected(f"{connection.name} has no credential {SECRETS[0]}, so no push can be verified")
    if not signature:
        raise BadSignature(f"header {SIGNATURE} is missing")
    given = signature.encode("utf-8", "surrogatepass")
    # Every secret is tried, whatever the first says: the time taken tells nothing.
    right = [
        hmac.compare_digest(b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode(), given)
        for secret in secrets
    ]
    if not any(right):
        raise BadSignature(f"header {SIGNATURE} does not fit the body")
