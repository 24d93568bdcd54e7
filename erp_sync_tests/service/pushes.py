"""What the systems send, made and signed for tests."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


def push(sent_at: datetime, secret: str = "s3cret", **values: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body of NetSuite's change push: shipment 1 unless told otherwise."""
    text = (sent_at.replace(tzinfo=None)).isoformat(timespec="milliseconds") + "Z"
    body = {
        "entity": "shipment",
        "record": "itemfulfillment",
        "native_id": "1",
        "items": [],
        "change": "create",
        "sent_at": text,
        **values,
    }
    body.setdefault("id", f"{body['record']}-{body['native_id']}-{body['entity']}-{body['change']}-{text}")
    raw = json.dumps(body).encode()
    signer = HMAC(secret.encode(), SHA256())
    signer.update(raw)
    return {"x-erp-sync-signature": f"sha256={signer.finalize().hex()}"}, raw


def later(time: datetime, seconds: float) -> datetime:
    return time + timedelta(seconds=seconds)
