"""Signs as Adobe I/O Events does, by plain arithmetic: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.1)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT_ID = "e142407e73ef48f884aeb8e925c1e256"
# DER of DigestInfo for SHA-256, without the digest (RFC 8017, 9.2, note 1).
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True)
class SigningKey:
    modulus: int
    private_exponent: int
    path: str
    pem: str

    def sign(self, body: bytes) -> str:
        size = (self.modulus.bit_length() + 7) // 8
        digest = _DIGEST_INFO + hashlib.sha256(body).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
        signature = pow(int.from_bytes(padded, "big"), self.private_exponent, self.modulus)
        return base64.b64encode(signature.to_bytes(size, "big")).decode()


@cache
def signing_key(name: str) -> SigningKey:
    """A key made once per process; `name` makes its path."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = private.private_numbers()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return SigningKey(numbers.public_numbers.n, numbers.d, f"/prod/keys/pub-key-{name}.pem", pem)


def event(
    value: dict[str, Any],
    *,
    event_id: str = "bdc6d818-d6d8-4e80-b78f-d8c47890ff40",
    topic: str = "observer.sales_order_save_commit_after",
    time: str = "2026-11-23T09:00:00.811Z",
    client_id: str = CLIENT_ID,
) -> bytes:
    """The envelope of an event of Adobe Commerce, as Adobe documents it."""
    return json.dumps(
        {
            "data": {
                "key": "72d7bb75-9003-4fe5-8096-bf62d64c3745",
                "value": value,
                "_metadata": {"commerceEdition": "Adobe Commerce", "storeId": "1", "websiteId": "1"},
                "source": "tenant.store",
            },
            "id": "80579197-e708-47bf-801c-7a82ec7d36c4",
            "source": "urn:uuid:1d02b72b-225f-45a0-a45f-4e89e1b3f300",
            "specversion": "1.0",
            "type": f"com.adobe.commerce.{topic}",
            "datacontenttype": "application/json",
            "time": time,
            "event_id": event_id,
            "recipient_client_id": client_id,
        }
    ).encode()


def signed(body: bytes, *names: str) -> dict[str, str]:
    """Headers with a signature by each of the keys (two in life)."""
    headers = {"content-type": "application/json", "x-adobe-event-id": "not signed", "user-agent": "Adobe/1.0"}
    for position, name in enumerate(names, start=1):
        key = signing_key(name)
        headers[f"x-adobe-digital-signature-{position}"] = key.sign(body)
        headers[f"x-adobe-public-key{position}-path"] = key.path
    return headers
