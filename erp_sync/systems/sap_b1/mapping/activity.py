"""Whether an item may be sold on a day. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from erp_sync.systems.sap_b1 import odata

FIELDS = ("Valid", "ValidFrom", "ValidTo", "Frozen", "FrozenFrom", "FrozenTo")


def is_active(item: Mapping[str, Any], today: date) -> bool:
    """Not frozen on that day, and within the dates of its validity where it has any. What begins or ends by its date
    alone moves no stamp."""
    if item.get("Frozen") == "tYES":
        return not within(item, "Frozen", today)
    dated = item.get("ValidFrom") or item.get("ValidTo")
    return within(item, "Valid", today) if item.get("Valid") == "tYES" and dated else True


def within(item: Mapping[str, Any], name: str, today: date) -> bool:
    """Whether the day is between the record's dates `name`From and `name`To, both of which belong to it."""
    start, end = item.get(f"{name}From"), item.get(f"{name}To")
    return (not start or odata.day_of(start) <= today) and (not end or today <= odata.day_of(end))
