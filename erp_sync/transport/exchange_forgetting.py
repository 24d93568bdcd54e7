"""What the exchange log wrote down of persons after they were erased: looked for in what is new in it, now and then.

A call costs nothing for it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from erp_sync.model.remains import Remains
from erp_sync.transport.exchange_tables import Position
from erp_sync.transport.exchanges import ExchangeLog

__all__ = ["AGAIN", "Position", "forget"]

#: Processes that write at the same time may write out of order: what is younger is looked through once more.
AGAIN = timedelta(hours=1)


def forget(log: ExchangeLog, remains: Remains, after: Position, now: datetime) -> tuple[Counter[str], Position]:
    """Remove what is left of erased persons in exchanges since `after`. Gives `bodies`, `exchanges` (changed rows) and
    `unreferred` (places in body files to which no row leads: also overwritten, whosever they were), and where to go on.
    Idempotent. Raises StillWriting.

    All of the log is looked through where the position is not of this log, as after a restore.
    """
    done: Counter[str] = Counter()
    position = after
    with log.erasing() as store:
        if unreferred := log.overwrite_unreferred(store):
            done["unreferred"] = unreferred
        for exchange in store.every(after=store.since(after)):
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
