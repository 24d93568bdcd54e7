"""JSON as the ledger stores it: decimals as text, times in ISO 8601 with their zone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="string")


def to_bytes(value: Any) -> bytes:
    return _encoder.encode(value)


def to_text(value: Any) -> str:
    return _encoder.encode(value).decode()


def from_json(value: str | bytes) -> Any:
    """Decode; numbers that are not whole come back exact, as Decimal."""
    return _decoder.decode(value)


_decoder = msgspec.json.Decoder(float_hook=Decimal)
