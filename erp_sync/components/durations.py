"""Durations as people write them: ``60s``, ``5m``, ``1h``, ``1d``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: Any) -> Any:
    """``60s``, ``5m``, ``1h``, ``1d`` as timedelta; a timedelta stays as it is. Raises ValueError for others."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str) and text[:-1].replace(".", "", 1).isdigit() and text[-1] in _UNITS:
        return timedelta(**{_UNITS[text[-1]]: float(text[:-1])})
    raise ValueError(f"{text!r} is no duration; expected e.g. 30s, 5m, 1h or 1d")


def clock(value: Any) -> Any:
    """A time of day as text. YAML 1.1 reads ``22:00`` without quotes as the number 1,320."""
    return f"{value // 60 % 24:02d}:{value % 60:02d}" if isinstance(value, int) else value
