"""What the exchange log wrote down of persons after they were erased: looked for in what is new in it, now and then.

A call costs nothing for it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import msgspec

from erp_sync.model.remains import Remains
from erp_sync.transport.exchanges import ExchangeLog

#: Processes that write at the same time may write out of order: what is younger is looked through once more.
AGAIN = timedelta(hours=1)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The last exchange that was looked through."""

    id: int = 0
    time: datetime | None = None


def forget(log: ExchangeLog, remains: Remains, after: Position, now: datetime) -> tuple[Counter[str], Position]:
    """Remove what is left of erased persons in exchanges since `after`. Gives `bodies` and `exchanges` (changed rows),
    and where to go on. Idempotent.

    All of the log is looked through where the position is not of this log, as after a restore.
    """
    done: Counter[str] = Counter()
    position = after
    with log.erasing() as store:
        last = after.id if after.time is not None and store.time_of(after.id) == after.time else 0
        for exchange in store.every(after=last):
            for side in ("request", "response"):
                if (text := log.text(exchange, side)) and remains.in_text(text):
                    log.wipe(store, exchange, side)
                    done["bodies"] += 1
            words = {name: getattr(exchange, name) for name in ("document", "url", "error")}
            clean = {name: remains.without_addresses(text) for name, text in words.items()}
            if clean != words:
                store.reword(exchange.id, clean)
                done["exchanges"] += 1
            if exchange.time <= now - AGAIN:
                position = Position(id=exchange.id, time=exchange.time)
        if done:
            store.vacuum()
    return done, position
