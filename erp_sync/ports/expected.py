"""What is expected of a setting's value, as data: capabilities declare it, so that a wrong one is refused at load.

Nothing here reads a clock, a system or a model: definitions are loaded by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

WORD = "text or a number"
NUMBER = "a number that is not negative"
WHOLE_NUMBER = "a whole number above zero"
YES_OR_NO = "true or false"
LIST = "a list"
TABLE = "a table of names and values"


class ListOf(NamedTuple):
    """Values of a list."""

    each: str | tuple[str, ...]


class TableOf(NamedTuple):
    """Values of a table; its names are judged where they are known."""

    each: str | tuple[str, ...]


# A kind above, or the only values that there are.
Expected = str | tuple[str, ...] | ListOf | TableOf

# Values of the model's enumerations; a test holds both together (the model is no part of definitions).
ORDER_STATUSES = ("pending_payment", "open", "on_hold", "partially_fulfilled", "fulfilled", "closed", "cancelled")
PAYMENT_KINDS = (
    *("card", "wallet", "transfer", "on_account", "gift_card", "store_credit", "cash_on_delivery", "other"),
)


def wrong(value: Any, expected: Expected, where: str) -> Iterator[tuple[str, str]]:
    """Place and problem of what is not as expected."""
    if isinstance(expected, ListOf):
        if not isinstance(value, list | tuple):
            yield where, _told(value, f"a list of {_words(expected.each)}")
            return
        for number, one in enumerate(value):
            yield from wrong(one, expected.each, f"{where}.{number}")
    elif isinstance(expected, TableOf):
        if not isinstance(value, Mapping):
            yield where, _told(value, f"a table whose values are {_words(expected.each)}")
            return
        for name, one in value.items():
            yield from wrong(one, expected.each, f"{where}.{name}")
    elif isinstance(expected, tuple):
        if value not in expected:
            near = get_close_matches(str(value), expected, n=1)
            yield where, _told(value, _words(expected)) + (f" (is {near[0]} meant?)" if near else "")
    elif not _is(value, expected):
        yield where, _told(value, expected)


def _is(value: Any, kind: str) -> bool:
    if kind == YES_OR_NO:
        return isinstance(value, bool)
    if kind == LIST:
        return isinstance(value, list | tuple)
    if kind == TABLE:
        return isinstance(value, Mapping)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if kind == WORD:
        return True
    try:
        number = float(value)
    except ValueError:
        return False
    if kind == WHOLE_NUMBER:
        return number >= 1 and number.is_integer() and not isinstance(value, float) and "." not in str(value)
    return math.isfinite(number) and number >= 0


def _words(expected: str | tuple[Any, ...]) -> str:
    if isinstance(expected, str):
        return expected
    *others, last = expected
    return f"{', '.join(others)} or {last}" if others else last


def _told(value: Any, expected: str) -> str:
    given = "nothing" if value is None else repr(value)
    return f"{given} is given; expected is {expected}"
