"""Filters, keys and time stamps as the Service Layer reads and writes them. Pure.

Sources: Working with SAP Business One Service Layer 1.29 (OData: `$filter` with eq, ne, gt, ge, lt, le, and, or, not;
a quote inside a text is doubled; dates and times are two fields). That the stamps are in the server's local time is
unconfirmed; the connection's `time_zone` says which that is.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Key = int | str


def literal(value: Key) -> str:
    """A number as it is, a text in quotes with the quotes inside doubled. Raises ValueError for what is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is no key: a whole number or a text is")
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def equals(field: str, value: Key) -> str:
    return f"{field} eq {literal(value)}"


def any_of(field: str, values: Iterable[Key]) -> str:
    """One of the values. Raises ValueError where there are none: a filter that lets everything through is none."""
    conditions = [equals(field, value) for value in dict.fromkeys(values)]
    if not conditions:
        raise ValueError(f"{field}: no value to look for")
    return " or ".join(conditions)


def every(*conditions: str) -> str:
    """All of them, the empty ones left out."""
    given = [one for one in conditions if one]
    return given[0] if len(given) == 1 else " and ".join(f"({one})" for one in given)


def after(fields: Sequence[str], row: Mapping[str, Any]) -> str:
    """What follows the row in the order of these fields: its key, so that no two rows have all of them alike."""
    same: list[str] = []
    ways: list[str] = []
    for field in fields:
        ways.append(every(*same, f"{field} gt {literal(row[field])}"))
        same.append(equals(field, row[field]))
    return " or ".join(f"({one})" for one in ways) if len(ways) > 1 else ways[0]


def path(entity_set: str, key: int | Mapping[str, Key]) -> str:
    """``Orders(22)``, ``SpecialPrices(CardCode='c1',ItemCode='i1')``, encoded for a URL.

    A single text key is looked for by `equals`: whether the proxy takes an encoded slash in a path is unconfirmed.
    """
    if isinstance(key, int) and not isinstance(key, bool):
        return f"{entity_set}({key})"
    if not isinstance(key, Mapping) or not key:
        raise ValueError(f"{key!r} is no key of {entity_set}")
    inside = ",".join(f"{name}={literal(value)}" for name, value in key.items())
    encoded = urllib.parse.quote(inside, safe="',=~")
    return f"{entity_set}({encoded})"


def changed_since(at: datetime, zone: str, *, date_field: str = "UpdateDate", time_field: str = "UpdateTime") -> str:
    """Changed at that time or later. Date filters ignore the time of day, so date and time are two conditions.

    Of the hour that comes twice in autumn the second pass has stamps that look earlier than a start in the first: then
    it is asked from as much earlier as clocks were set back.

    Args:
        at: aware.
    """
    local = at.astimezone(ZoneInfo(zone))
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    # Where clocks are set forward, the second is the greater.
    if not local.fold and first is not None and second is not None and second < first:
        local = (at - (first - second)).astimezone(ZoneInfo(zone))
    day, clock = local.strftime("%Y-%m-%d"), local.strftime("%H:%M:%S")
    return f"{date_field} gt '{day}' or ({date_field} eq '{day}' and {time_field} ge '{clock}')"


def day_of(value: Any) -> date:
    """Of a date field, ``2014-04-01`` or ``2014-04-01T00:00:00Z``: the day, whatever zone it pretends to be in. Raises
    ValueError."""
    return date.fromisoformat(str(value)[:10])


def stamp(day: Any, clock: Any, zone: str) -> datetime:
    """UTC of a date field and a time field (``HH:MM:SS`` or ``HH:MM``), which are local to the server.

    Of the hour that comes twice in autumn the later one: a cursor that is behind reads again, one ahead skips. Raises
    ValueError for what is neither.
    """
    local = time.fromisoformat(str(clock or "00:00:00"))
    return datetime.combine(day_of(day), local, ZoneInfo(zone)).replace(fold=1).astimezone(UTC)


def ordered(day: Any, clock: Any, zone: str, count: int = 0) -> datetime:
    """`stamp`, for putting the versions of one record in order: later than all before it and earlier than all after.

    Of the hour that comes twice a stamp may mean either pass, so that of two the later one may look earlier. All of
    that hour count as its end, by the record's own count of changes (DataVersion, which grows with each).
    """
    second = stamp(day, clock, zone)
    local = second.astimezone(ZoneInfo(zone))
    first = local.replace(fold=0).astimezone(UTC)
    if first >= second:
        return second
    # Clocks were set back somewhere between both readings.
    before, after = first, second
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        set_back = middle.astimezone(ZoneInfo(zone)).utcoffset() == local.utcoffset()
        before, after = (before, middle) if set_back else (middle, after)
    end = after.replace(microsecond=0) + (second - first)
    return end - timedelta(seconds=1) + timedelta(microseconds=min(count, 999_999))
