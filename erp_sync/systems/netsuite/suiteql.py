"""Writing SuiteQL and reading its values.

Columns come back in lower case, values mostly as text, booleans as T and F, empty columns left out, and
times in the account's or user's time zone and format (Oracle NetSuite help, SuiteQL; which of the two
zones is unconfirmed: the connection's `time_zone` is used). So times are asked for by TO_CHAR.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from erp_sync.ports.raw import Window

_ORACLE = "YYYY-MM-DD HH24:MI:SS"
_PYTHON = "%Y-%m-%d %H:%M:%S"
LIST = 1000
_LENGTH = len("2026-11-28 18:39:13")


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """A list of text literals for IN."""
    return ", ".join(text(value) for value in values)


def number(value: str) -> str:
    """An internal id as a number literal. Raises ValueError for what is none."""
    if not value.isdigit():
        raise ValueError(f"{value!r} is no internal id")
    return value


def numbers_in(column: str, values: Sequence[str]) -> str:
    """Condition that a column is one of these internal ids, of which there is at least one. A list of Oracle's has
    1,000 entries at most. Raises ValueError for what is no id."""
    ids = [number(value) for value in values]
    lists = [ids[start : start + LIST] for start in range(0, len(ids), LIST)]
    return "(" + " OR ".join(f"{column} IN ({', '.join(some)})" for some in lists) + ")"


def time_column(column: str, name: str) -> str:
    return f"TO_CHAR({column}, '{_ORACLE}') AS {name}"


def time_literal(local: datetime) -> str:
    return f"TO_TIMESTAMP('{local.strftime(_PYTHON)}', '{_ORACLE}')"


def local_time(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as `time_column` gives it in that zone, without fractions of its second."""
    return moment.astimezone(zone).strftime(_PYTHON)


def within(column: str, window: Window, zone: ZoneInfo) -> str:
    """Condition for a half-open window of UTC on a column of local times.

    In the hour that a zone repeats when summer time ends, local times are ambiguous: the window is
    widened by what the clock was put back, so it may give records again but leaves none out.
    """
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    if start.fold:
        start -= timedelta(hours=1)
    local_start, local_end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    # Truncated to the whole second below, raised to the whole second above: columns have seconds.
    local_start = local_start.replace(microsecond=0)
    if local_end.microsecond:
        local_end = local_end.replace(microsecond=0) + timedelta(seconds=1)
    back = (start.utcoffset() or timedelta()) - (end.utcoffset() or timedelta())
    if back > timedelta():
        local_start, local_end = local_start - back, max(local_end, local_start) + back
    return f"{column} >= {time_literal(local_start)} AND {column} < {time_literal(local_end)}"


@lru_cache(maxsize=4096)
def utc(value: str, zone: ZoneInfo) -> datetime:
    """The UTC time of a local time as `time_column` gives it; the earlier one where it is ambiguous.

    Raises ValueError.
    """
    if len(value) != _LENGTH:
        raise ValueError(f"{value!r} is no time; expected {_ORACLE}")
    # Twenty times as quick as strptime, and as strict for a text of this length but for the sign in the middle.
    return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)


def after(columns: Sequence[str], values: Sequence[str]) -> str:
    """Condition for rows behind a key of several numeric columns, in their order.

    Raises ValueError for a value that is no number.
    """
    alternatives = []
    for position, column in enumerate(columns):
        same = [f"{columns[index]} = {_key_value(values[index])}" for index in range(position)]
        alternatives.append(" AND ".join([*same, f"{column} > {_key_value(values[position])}"]))
    return "(" + " OR ".join(f"({one})" for one in alternatives) + ")"


def _key_value(value: str) -> str:
    """Internal ids are whole; a quantity break may have decimals."""
    whole, _, fraction = value.partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise ValueError(f"{value!r} is no number to page by")
    return value
