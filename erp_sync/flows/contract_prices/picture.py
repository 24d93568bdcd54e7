"""What a plan of contract prices does, at one glance: how many prices change by how much, and the largest changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from erp_sync.model.native_prices import NativeRow, native_row

#: Lower ends of the classes of changes, in percent, largest fall first.
_FROM = (-100, -50, -20, -5, 0, 5, 20, 50)


def histogram(rows: Iterable[tuple[str, str | None, str | None]]) -> dict[str, int]:
    """How many rows (key, before, after) there are of each kind, in order: prices that fall or rise by so much, prices
    that are new or go, rules and their members."""
    found: Counter[str] = Counter()
    for key, before, after in rows:
        was, will = _price(key, before), _price(key, after)
        if not key.startswith("row/"):
            found["rules and members"] += 1
        elif was is None or will is None:
            found["new prices" if was is None else "prices that go"] += 1
        else:
            found[_class(was, will)] += 1
    return {name: found[name] for name in _NAMES if found[name]}


def change(key: str, before: str | None, after: str | None) -> Decimal:
    """By how much a price rises or falls, as a share; 0 where there is none before or after."""
    was, will = _price(key, before), _price(key, after)
    return abs(will / was - 1) if was and will is not None else Decimal(0)


def _class(was: Decimal, will: Decimal) -> str:
    if was == 0:
        return "from zero"
    percent = (will / was - 1) * 100
    return _named(max((one for one in _FROM if one <= percent), default=_FROM[0]))


def _named(least: int) -> str:
    at = _FROM.index(least)
    return f"{least:+d} % to {_FROM[at + 1]:+d} %" if at + 1 < len(_FROM) else f"{least:+d} % and more"


_NAMES = (*map(_named, _FROM), "from zero", "new prices", "prices that go", "rules and members")


def _price(key: str, value: str | None) -> Decimal | None:
    if value is None or not key.startswith("row/"):
        return None
    row = native_row(key, msgspec.json.decode(value))
    return row.price if isinstance(row, NativeRow) else None
