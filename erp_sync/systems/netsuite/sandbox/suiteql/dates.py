"""Dates in SuiteQL: Oracle format models, the account's date format and time zone.

Stored moments are UTC; SuiteQL speaks the account's local time (that it is not the user's: unconfirmed).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from erp_sync.systems.netsuite.sandbox.store import utc_text, utc_time

_TOKENS = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<fill>FM)|(?P<token>YYYY|RRRR|YY|MONTH|MON|MM|DDD|DD|DAY|DY|HH24|HH12|HH|MI|SSSSS|SS|FF[0-9]?'
    r"|AM|PM|A\.M\.|P\.M\.|TZR|TZH|TZM|Q|WW|IW|D)|(?P<other>.)",
    re.IGNORECASE,
)


class BadDate(ValueError):
    """A text does not match its format, or the format has an element that is not known."""


@lru_cache(maxsize=256)
def tokens(model: str) -> tuple[tuple[str, str], ...]:
    """(kind, text) of a format model: token, text."""
    found = []
    for match in _TOKENS.finditer(model):
        if match["token"]:
            found.append(("token", match["token"].upper()))
        elif match["fill"]:
            found.append(("fill", "FM"))
        else:
            text = match["quoted"] if match["quoted"] is not None else match["other"]
            if match["quoted"] is None and text.isalpha() and text not in "T":
                raise BadDate(f"date format not recognized: {model}")
            found.append(("text", text))
    return tuple(found)


def to_char(moment: datetime, model: str) -> str:
    """Oracle TO_CHAR of an aware or naive local time."""
    out, filled = [], True
    for kind, text in tokens(model):
        if kind == "fill":
            filled = not filled
        elif kind == "text":
            out.append(text)
        else:
            value = _element(moment, text)
            out.append(value if filled or not value.isdigit() else str(int(value)))
    return "".join(out)


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


_ELEMENTS: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda m: f"{m.year:04}",
    "RRRR": lambda m: f"{m.year:04}",
    "YY": lambda m: f"{m.year % 100:02}",
    "MM": lambda m: f"{m.month:02}",
    "MON": lambda m: f"{m:%b}".upper(),
    "MONTH": lambda m: f"{m:%B}".upper(),
    "DD": lambda m: f"{m.day:02}",
    "DDD": lambda m: f"{m.timetuple().tm_yday:03}",
    "D": lambda m: str(m.isoweekday() % 7 + 1),
    "DY": lambda m: f"{m:%a}".upper(),
    "DAY": lambda m: f"{m:%A}".upper(),
    "Q": lambda m: str((m.month + 2) // 3),
    "IW": lambda m: f"{m.isocalendar().week:02}",
    "WW": lambda m: f"{(m.timetuple().tm_yday + 6) // 7:02}",
    "HH24": lambda m: f"{m.hour:02}",
    "HH12": lambda m: f"{(m.hour + 11) % 12 + 1:02}",
    "HH": lambda m: f"{(m.hour + 11) % 12 + 1:02}",
    "MI": lambda m: f"{m.minute:02}",
    "SS": lambda m: f"{m.second:02}",
    "SSSSS": lambda m: f"{m.hour * 3600 + m.minute * 60 + m.second:05}",
    "TZH": lambda m: f"{'-' if _offset(m) < timedelta() else '+'}{abs(_offset(m)) // timedelta(hours=1):02}",
    "TZM": lambda m: f"{abs(_offset(m)) // timedelta(minutes=1) % 60:02}",
    "TZR": lambda m: str(m.tzinfo or ""),
    **dict.fromkeys(("AM", "PM", "A.M.", "P.M."), lambda m: "AM" if m.hour < 12 else "PM"),
}


def _element(moment: datetime, token: str) -> str:
    if token.startswith("FF"):
        return "0" * int(token[2:] or 6)
    return _ELEMENTS[token](moment)


_PATTERNS = {
    "YYYY": r"(?P<year>\d{4})",
    "RRRR": r"(?P<year>\d{4})",
    "YY": r"(?P<short>\d{2})",
    "MM": r"(?P<month>\d{1,2})",
    "MON": r"(?P<name>[A-Za-z]{3})",
    "DD": r"(?P<day>\d{1,2})",
    "HH24": r"(?P<hour>\d{1,2})",
    "HH12": r"(?P<hour>\d{1,2})",
    "HH": r"(?P<hour>\d{1,2})",
    "MI": r"(?P<minute>\d{1,2})",
    "SS": r"(?P<second>\d{1,2})",
    "AM": r"(?P<half>[AaPp][Mm])",
    "PM": r"(?P<half>[AaPp][Mm])",
    "TZH": r"(?P<zone>[+-]\d{2})",
    "TZM": r"(?P<zone_minute>\d{2})",
}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def parse(text: str, model: str, zone: ZoneInfo) -> datetime:
    """Oracle TO_DATE and TO_TIMESTAMP: an aware time. Missing trailing time elements are zero."""
    pattern = ""
    for kind, token in tokens(model):
        if kind == "fill":
            continue
        if kind == "text":
            pattern += re.escape(token)
        elif token.startswith("FF"):
            pattern += r"(?P<fraction>\d{1,9})"
        elif token in _PATTERNS:
            pattern += _PATTERNS[token]
        else:
            raise BadDate(f"date format element {token} is not supported here")
    match = re.fullmatch(pattern, text.strip())
    if match is None:
        raise BadDate(f"'{text}' does not match the date format '{model}'")
    found = match.groupdict()
    year = int(found.get("year") or 0) or 2000 + int(found.get("short") or 0)
    month = int(found["month"]) if found.get("month") else 1
    if found.get("name"):
        if found["name"].upper() not in _MONTHS:
            raise BadDate(f"'{text}' names no month")
        month = _MONTHS.index(found["name"].upper()) + 1
    hour = int(found.get("hour") or 0)
    if found.get("half"):
        hour = hour % 12 + (12 if found["half"].upper() == "PM" else 0)
    offset: timezone | ZoneInfo = zone
    if found.get("zone"):
        minutes = int(found["zone"]) * 60
        extra = int(found.get("zone_minute") or 0)
        offset = timezone(timedelta(minutes=minutes + (-extra if found["zone"][0] == "-" else extra)))
    micro = int((found.get("fraction") or "0").ljust(6, "0")[:6])
    try:
        return datetime(
            year, month, int(found.get("day") or 1), hour, int(found.get("minute") or 0), int(found.get("second") or 0),
            micro, tzinfo=offset,
        )  # fmt: skip
    except ValueError as error:
        raise BadDate(f"'{text}' is not a date") from error


# The account's date formats as Oracle models; FM drops leading zeros.
_ACCOUNT = {
    "M/D/YYYY": "FMMM/DD/YYYY", "D/M/YYYY": "FMDD/MM/YYYY", "DD/MM/YYYY": "DD/MM/YYYY", "MM/DD/YYYY": "MM/DD/YYYY",
    "YYYY-MM-DD": "YYYY-MM-DD", "DD.MM.YYYY": "DD.MM.YYYY",
}  # fmt: skip


def account_date(day: date, style: str) -> str:
    """A date as the account shows it, e.g. 1/15/2024."""
    return to_char(datetime(day.year, day.month, day.day), _ACCOUNT[style])  # noqa: DTZ001 - a day has no zone


def parse_account_date(text: str, style: str, zone: ZoneInfo) -> datetime:
    """A text date in the account's format, with or without a time after it."""
    model = _ACCOUNT[style].removeprefix("FM")
    for suffix in ("", " HH24:MI:SS", " HH24:MI", " HH:MI AM", " HH:MI:SS AM"):
        try:
            return parse(text, model + suffix, zone)
        except BadDate:
            continue
    raise BadDate(f"'{text}' is not a date in the format {style}")


def local(stored: str, zone: ZoneInfo) -> datetime:
    """A stored moment (UTC) or day in local time."""
    if len(stored) == 10:
        return datetime.fromisoformat(stored).replace(tzinfo=zone)
    return utc_time(stored).astimezone(zone)


def as_stored(moment: datetime, kind: str, zone: ZoneInfo) -> str:
    """A moment as columns of that kind hold it."""
    if kind == "date":
        return moment.astimezone(zone).strftime("%Y-%m-%d")
    return utc_text(moment.astimezone(UTC))
