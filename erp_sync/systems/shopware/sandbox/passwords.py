"""Passwords of customers, kept as salted scrypt hashes (the vendor: PHP's password_hash)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_COST = {"n": 1 << 10, "r": 8, "p": 1}


def hashed(password: str) -> str:
    salt = secrets.token_bytes(12)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}"


def matches(password: str, kept: str | None) -> bool:
    if not kept:
        return False
    salt, _, digest = kept.partition("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_COST).hex()
    return hmac.compare_digest(found, digest)
