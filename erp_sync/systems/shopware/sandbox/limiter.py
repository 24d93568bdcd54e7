"""The back-off of failed log-ins, per key.

Facts: shopware/shopware src/Core/Framework/RateLimiter/Policy/TimeBackoff.php, TimeBackoffLimiter.php and
Resources/config/packages/shopware.yaml (oauth and login: 10 attempts, then 10 s between two; 15: 30 s; 20: 60 s; all
is forgotten after 24 hours). A success forgets at once. Who has to wait is not looked at, right secret or not.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.shop import Shop

STEPS = ((10, 10), (15, 30), (20, 60))
FORGOTTEN_HOURS = 24


def interval(attempt: int) -> int:
    """Seconds that must have passed since the last attempt before this one (counted from 1)."""
    for (limit, seconds), following in zip(STEPS, (*STEPS[1:], None), strict=True):
        if following is None:
            return seconds if attempt >= limit else 0
        if limit < attempt <= following[0]:
            return seconds
    return 0


def attempt(shop: Shop, key: str) -> int:
    """Count an attempt; returns 0 when it may go on, else the seconds to wait (nothing is counted then)."""
    now: datetime = shop.clock.wall()
    row = shop.database.row("SELECT attempts, last FROM sandbox_limiter WHERE key = ?", [key])
    attempts = row["attempts"] if row else 0
    last = names.read_time(row["last"]) if row else None
    if last is not None and now - last > timedelta(hours=FORGOTTEN_HOURS):
        attempts = 0
    elif last is not None:
        left = interval(attempts + 1) - (now - last).total_seconds()
        if left > 0:
            return math.ceil(left)
    shop.database.run(
        "INSERT OR REPLACE INTO sandbox_limiter VALUES (?, ?, ?)", [key, attempts + 1, names.stored_time(now)]
    )
    return 0


def forget(shop: Shop, key: str) -> None:
    shop.database.run("DELETE FROM sandbox_limiter WHERE key = ?", [key])
