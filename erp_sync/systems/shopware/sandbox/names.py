"""Ids that every Shopware installation has, and the form of ids and times.

Facts: src/Core/Defaults.php; the fact sheet, section 1.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime

LIVE_VERSION = "0fa91ce3e96a4bc2be4bd9ce752c3425"
CURRENCY = "b7d2554b0ce847cd82f3ac9bd1c0dfca"
LANGUAGE = "2fbb5fe2e29a4d70aa5854ce7ce3e20b"
STOREFRONT_TYPE = "8a243080f92e4c719546314b577cf82b"
VERSION = "6.7.10.1"

_ID = re.compile(r"[0-9a-f]{32}")


def is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def new_id(moment: datetime) -> str:
    """A UUID of version 7, as the vendor makes them, as 32 hex digits: later ones sort after earlier ones."""
    number = int(moment.timestamp() * 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64
    return f"{number | 2 << 62 | secrets.randbits(62):032x}"


def fixed_id(*words: str) -> str:
    """An id made from words: what the installer and the seed write keeps its id over a reset."""
    return hashlib.md5(" ".join(words).encode(), usedforsecurity=False).hexdigest()


def stored_time(moment: datetime) -> str:
    """UTC text as MySQL's DATETIME(3) keeps it: ``2026-11-02 08:00:00.000``. Texts sort as times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def printed_time(stored: str) -> str:
    """A stored time as the API prints it: ``2026-11-02T08:00:00.000+00:00``."""
    return stored.replace(" ", "T", 1) + "+00:00"


def read_time(text: str) -> datetime | None:
    """A time as clients send it; one without zone is UTC. None if it is no time."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
