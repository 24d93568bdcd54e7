"""Messages that one alert channel did not take while others did: told to it again, so that it misses none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.schema import owed_messages

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Older messages help nobody any more.
OWED_FOR = timedelta(days=7)


class OwedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`key` of the notice; `settled`: the message says that it is over. UTC."""

    channel: str
    key: str
    settled: bool
    severity: str
    title: str
    text: str
    since: datetime


class Owed:
    """`ledger.owed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, messages: Sequence[OwedMessage]) -> None:
        """These channels did not take these messages."""
        if messages:
            with self._database.write() as write:
                write.execute(sa.insert(owed_messages), [msgspec.structs.asdict(one) for one in messages])

    def take(self, channel: str) -> list[OwedMessage]:
        """What is owed to a channel, oldest first. It is owed no more: where telling fails, `add` it again."""
        with self._database.write() as write:
            rows = write.execute(
                sa.delete(owed_messages).where(owed_messages.c.channel == channel).returning(owed_messages)
            ).all()
        since = self._database.now() - OWED_FOR
        return [
            OwedMessage(**{name: row._mapping[name] for name in OwedMessage.__struct_fields__})
            for row in sorted(rows, key=lambda row: row.id)
            if row.since >= since
        ]

    def forgive(self, channel: str, key: str) -> bool:
        """Something is over of which the channel never heard that it began: it need not hear of either. Whether so."""
        with self._database.write() as write:
            return bool(
                write.execute(
                    sa.delete(owed_messages).where(
                        owed_messages.c.channel == channel, owed_messages.c.key == key, ~owed_messages.c.settled
                    )
                ).rowcount
            )

    def channels(self) -> set[str]:
        """Those that are owed something."""
        with self._database.read() as read:
            return set(read.execute(sa.select(owed_messages.c.channel).distinct()).scalars())

    def keep(self, channels: Collection[str]) -> None:
        """Other channels are there no more."""
        for gone in self.channels() - set(channels):
            self.take(gone)
