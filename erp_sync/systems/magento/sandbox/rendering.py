"""JSON as Magento prints it.

Facts: numbers are PHP floats; with `serialize_precision = 17` they show their noise (29.95 is
29.949999999999999), an option of the sandbox. Getters that give null are left out unless the contract
says that the property is always there (magento/magento2 `Framework/Reflection/DataObjectProcessor`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

_PLAIN = frozenset({str, int, bool, float, type(None)})

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any, *, float_noise: bool) -> bytes:
    """The answer's bytes; decimals become floats of 17 digits, or of the shortest form."""
    return _encoder.encode(_floats(value, ".17g" if float_noise else ""))


def _floats(value: Any, form: str) -> Any:
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is Decimal:
        return _number(value, form)
    if isinstance(value, dict):
        # Most parts are plain: asked here, not in a call for each.
        return {name: part if type(part) in _PLAIN else _floats(part, form) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [part if type(part) in _PLAIN else _floats(part, form) for part in value]
    return value


@lru_cache(maxsize=8192)  # the same amounts and quantities come again and again
def _number(value: Decimal, form: str) -> int | Decimal:
    number = float(value)
    if number == int(number) and abs(number) < 1e15:
        return int(number)
    return Decimal(format(number, form) if form else repr(number))


def shape(value: Any, fields: Mapping[str, Any] | None) -> Any:
    """What the `fields` parameter leaves: ``{"items": {"sku": None}}`` keeps the SKUs of the items."""
    if not fields:
        return value
    if isinstance(value, list):
        return [shape(part, fields) for part in value]
    if isinstance(value, dict):
        return {name: shape(value[name], inner) for name, inner in fields.items() if name in value}
    return value


def fields_filter(text: str) -> dict[str, Any] | None:
    """Parse ``items[sku,extension_attributes[stock_item]],total_count``; None when it cannot be read.

    Magento answers an empty array for a filter that it cannot read (`Rest/Response/FieldsFilter`).
    """
    result: dict[str, Any] = {}
    stack = [result]
    name = ""
    for character in text + ",":
        if character in ",[]":
            if name.strip():
                stack[-1].setdefault(name.strip(), {})
            if character == "[":
                if not name.strip():
                    return None
                stack.append(stack[-1][name.strip()])
            elif character == "]":
                if len(stack) == 1:
                    return None
                stack.pop()
            name = ""
        else:
            name += character
    return result if len(stack) == 1 else None
