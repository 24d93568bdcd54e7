"""Values as people read them, where a system's own form is hard to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

# A binary fraction written with all of its digits: 30.649999999999999 is the double that 30.65 is, too.
_ALL_DIGITS = re.compile(r"-?\d+\.\d{14,}")


def readable(value: Any) -> Any:
    """The same with every number that a system wrote with all digits of a binary fraction as short as it can be.

    Only where both name the same double: nothing else changes, and what is kept or sent is never this.
    """
    if isinstance(value, Mapping):
        return {name: readable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one) for one in value]
    if isinstance(value, Decimal):
        short = _short(format(value, "f"))
        return Decimal(short)
    return _short(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    if not _ALL_DIGITS.fullmatch(text):
        return text
    short = format(Decimal(repr(float(text))), "f")
    return short if len(short) < len(text) and format(float(text), ".17g") == text else text


def in_words(value: str | None) -> str:
    """One line of a row's value, which is JSON text: ``in_stock yes, quantity 6``; dots for parts with parts of their
    own; nothing of what is empty."""
    if not value:
        return ""
    try:
        decoded = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    if not isinstance(decoded, dict):
        return _word(decoded)
    told = [f"{name} {_word(one)}" for name, one in decoded.items() if one not in (None, "", [], {})]
    return ", ".join(told)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return " ".join(_word(one) for one in value)
    return "..." if isinstance(value, dict | list) else str(value)
