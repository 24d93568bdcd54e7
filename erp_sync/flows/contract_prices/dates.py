"""When a date makes a price change by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import duckdb

_DATED = ("discount_rules", "special_prices", "agreements")


def next_change(database: duckdb.DuckDBPyConnection, day: date, now: datetime, zone: str) -> datetime | None:
    """The first moment after `now` (UTC) at which a term begins or ends, a rate counts, or a promotion does; None:
    none is known. The day of the source begins at midnight in `zone`."""
    begins = " UNION ALL ".join(
        [f"SELECT valid_from AS day FROM {name} WHERE valid_from > $day" for name in _DATED]
        + [
            f"SELECT valid_to + 1 FROM {name} WHERE valid_to >= $day AND valid_to < DATE '9999-01-01'"
            for name in _DATED
        ]
        + ["SELECT day FROM exchange_rates WHERE day > $day"]
    )
    (first,) = database.execute(f"SELECT min(day)::DATE FROM ({begins})", {"day": day}).fetchall()[0]
    moments = " UNION ALL ".join(
        f"SELECT epoch_us({column}) AS moment FROM promotions WHERE epoch_us({column}) > $now"
        for column in ("starts", "ends")
    )
    microseconds = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    (moment,) = database.execute(f"SELECT min(moment) FROM ({moments})", {"now": microseconds}).fetchall()[0]
    found = []
    if first is not None:
        found.append(datetime.combine(first, time(), ZoneInfo(zone)).astimezone(UTC))
    if moment is not None:
        found.append(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment))
    return min(found, default=None)
