"""Messages that one alert channel did not take while others did: told to it again, so that it misses none.

So are those that were being told as whoever told them died: what is taken to be told is written down before it is sent,
as `being told` to a channel, and is owed to it a while later where nobody has said what came of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.schema import owed_messages
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Older messages help nobody any more.
OWED_FOR = timedelta(days=7)
#: Who tells takes less; who takes longer is dead.
TELLS_FOR = timedelta(minutes=15)
_MARK = "being told until "
_BEING_TOLD = owed_messages.c.channel.startswith(_MARK)


class OwedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`key` of the notice; `settled`: the message says that it is over; `id` of what is in the ledger. UTC."""

    id: int = 0
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

    def take(self, channel: str) -> list[OwedMessage]:
        """What is owed to a channel, oldest first, to be told now: say then which was `told`, and `give_back` the rest.
        What is too old is owed no more."""
        now = self._database.now()
        mine = owed_messages.c.channel == channel
        with self._database.write() as write:
            write.execute(sa.delete(owed_messages).where(mine, owed_messages.c.since < now - OWED_FOR))
            rows = write.execute(
                sa.update(owed_messages).where(mine).values(channel=_marked(channel, now)).returning(owed_messages)
            ).all()
        return [OwedMessage(**{**row._mapping, "channel": channel}) for row in sorted(rows, key=lambda row: row.id)]

    def told(self, ids: Collection[int]) -> None:
        """The channel has taken them."""
        with self._database.write() as write:
            for some in chunks(sorted(ids)):
                write.execute(sa.delete(owed_messages).where(owed_messages.c.id.in_(some)))

    def give_back(self, messages: Sequence[OwedMessage]) -> None:
        """The channel has not taken these: they are owed to it still."""
        with self._database.write() as write:
            for one in messages:
                mine = owed_messages.c.id == one.id
                write.execute(sa.update(owed_messages).where(mine).values(channel=one.channel))

    def settle(self, key: str, settled: bool, refused: Sequence[OwedMessage]) -> None:
        """It has been told what was promised of a matter: only these channels have not taken it."""
        with self._database.write() as write:
            matter = (owed_messages.c.key == key, owed_messages.c.settled == settled)
            write.execute(sa.delete(owed_messages).where(_BEING_TOLD, *matter))
            if refused:
                write.execute(sa.insert(owed_messages), [_row(one) for one in refused])

    def take_over(self) -> None:
        """What somebody was telling and has not said since what came of it, is owed."""
        with self._database.write() as write:
            now = self._database.now()
            for row in write.execute(sa.select(owed_messages).where(_BEING_TOLD)).all():
                until, _, channel = row.channel.removeprefix(_MARK).partition(" ")
                if datetime.fromisoformat(until) <= now:
                    mine = owed_messages.c.id == row.id
                    write.execute(sa.update(owed_messages).where(mine).values(channel=channel))

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
        """Those that are owed something; what is being told is not."""
        with self._database.read() as read:
            return set(read.execute(sa.select(owed_messages.c.channel).where(~_BEING_TOLD).distinct()).scalars())

    def keep(self, channels: Collection[str]) -> None:
        """Other channels are there no more."""
        for gone in self.channels() - set(channels):
            self.told([one.id for one in self.take(gone)])


def promise(write: sa.Connection, now: datetime, messages: Sequence[OwedMessage]) -> None:
    """These are being told now. In the transaction that takes their notices; in the place of what was being told of the
    same matters before."""
    for some in chunks(sorted({one.key for one in messages})):
        write.execute(sa.delete(owed_messages).where(_BEING_TOLD, owed_messages.c.key.in_(some)))
    if messages:
        rows = [_row(one) | {"channel": _marked(one.channel, now)} for one in messages]
        write.execute(sa.insert(owed_messages), rows)


def _row(one: OwedMessage) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(one).items() if name != "id"}


def _marked(channel: str, now: datetime) -> str:
    return f"{_MARK}{(now + TELLS_FOR).isoformat()} {channel}"
