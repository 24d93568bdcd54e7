"""Notices to operators (one per matter, however often it comes up) and counters by the hour."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.owed import OwedMessage, promise
from erp_sync.ledger.schema import metrics, notices
from erp_sync.ledger.sql import upsert

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    key: of the matter, e.g. ``plan_held/us/inventory``. As long as it stands it is told once.
    times: how often it came up since `raised_at`.
    sent_at: when it was told; None: not yet. UTC.
    cleared_at: when it was settled, where that still has to be told; None: it stands. UTC.
    """

    key: str
    severity: str
    text: str
    link: str
    raised_at: datetime
    last_at: datetime
    times: int
    sent_at: datetime | None
    cleared_at: datetime | None = None


_TOLD = [notices.c[name] for name in Notice.__struct_fields__]


class Notices:
    """`ledger.notices`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def about(self, key: str) -> frozenset[str]:
        """The digests that `raise_once` was given with what stands, or was settled a moment ago; empty where nothing
        does."""
        with self._database.read() as read:
            known = read.execute(sa.select(notices.c.about).where(notices.c.key == key)).scalar()
        return frozenset((known or "").split())

    def raise_once(
        self,
        key: str,
        severity: str,
        text: str,
        link: str = "",
        anew: bool = False,
        about: Collection[str] = (),
    ) -> bool:
        """A matter came up. True the first time, and again only after it was cleared.

        Where it was settled and that is not told yet, it goes on as if it had not been: nobody hears of either.

        Args:
            anew: it has become another matter: who was told of it is told again.
            about: digests of the single matters that it stands for, without blanks; it becomes another with the first
                that it did not stand for.
        """
        with self._database.write() as write:
            self._database.exclude(write, "notice", key)
            now = self._database.now()
            known = write.execute(sa.select(notices.c.about).where(notices.c.key == key)).first()
            digests = " ".join(sorted(set(about)))
            if known is not None:
                anew = anew or bool(set(about) - set(known.about.split()))
                values: dict[str, Any] = {"sent_at": None} if anew else {}
                values |= {"text": text, "link": link, "severity": severity, "last_at": now, "cleared_at": None}
                values["about"] = digests
                write.execute(
                    sa.update(notices).where(notices.c.key == key).values(**values, times=notices.c.times + 1)
                )
                return False
            values = {"key": key, "severity": severity, "text": text, "link": link, "about": digests}
            write.execute(sa.insert(notices), {**values, "raised_at": now, "last_at": now})
            return True

    def reword(self, key: str, text: str, link: str = "") -> None:
        """The matter stands, in other words; nothing where it does not."""
        with self._database.write() as write:
            mine = sa.and_(notices.c.key == key, notices.c.cleared_at.is_(None))
            write.execute(sa.update(notices).where(mine).values(text=text, link=link))

    def clear(self, key: str) -> bool:
        """The matter is settled. False where it was not open. Where somebody was told of it, that is to be told."""
        with self._database.write() as write:
            now = self._database.now()
            told = write.execute(_CLEAR_TOLD, {"of_key": key, "of_now": now}).rowcount
            untold = write.execute(_CLEAR_UNTOLD, {"of_key": key}).rowcount
            return bool(told + untold)

    def open(self) -> list[Notice]:
        """What stands, newest first."""
        with self._database.read() as read:
            query = (
                sa.select(*_TOLD)
                .where(notices.c.cleared_at.is_(None))
                .order_by(notices.c.raised_at.desc(), notices.c.key)
            )
            return [Notice(**row._mapping) for row in read.execute(query)]

    def take_untold(
        self, severities: Collection[str], messages: Callable[[Notice], Sequence[OwedMessage]] = lambda _: ()
    ) -> list[Notice]:
        """What nobody was told of: matters of these severities, and that a matter is settled. Oldest first.

        They count as told from now on, whoever else asks: where telling fails, `not_told` gives them back.

        Args:
            messages: what is going to be told of it, and to whom. Who takes it may die of it: then that is owed.
        """
        with self._database.write() as write:
            now = self._database.now()
            raised = write.execute(
                sa.update(notices)
                .where(notices.c.sent_at.is_(None), notices.c.severity.in_(sorted(severities)))
                .values(sent_at=now)
                .returning(*_TOLD)
            ).all()
            settled = write.execute(sa.delete(notices).where(notices.c.cleared_at.is_not(None)).returning(*_TOLD)).all()
            found = [Notice(**row._mapping) for row in (*raised, *settled)]
            found.sort(key=lambda notice: (notice.cleared_at or notice.raised_at, notice.key))
            promise(write, now, [message for notice in found for message in messages(notice)])
        return found

    def not_told(self, taken: Sequence[Notice]) -> None:
        """Telling failed: the next one to ask gets them again."""
        with self._database.write() as write:
            for notice in taken:
                if notice.cleared_at is None:
                    write.execute(sa.update(notices).where(notices.c.key == notice.key).values(sent_at=None))
                elif write.execute(sa.select(notices.c.key).where(notices.c.key == notice.key)).first() is None:
                    write.execute(sa.insert(notices), msgspec.structs.asdict(notice))


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` counted in the hour that begins at `hour`, UTC."""

    route: str
    flow: str
    name: str
    hour: datetime
    amount: int


class Metrics:
    """`ledger.metrics`: whole numbers counted by hour. Times in milliseconds are counted as sums beside counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, route: str, flow: str, amounts: Mapping[str, int]) -> None:
        """Add to this hour's counters."""
        rows = [(name, amount) for name, amount in sorted(amounts.items()) if amount]
        if not rows:
            return
        with self._database.write() as write:
            hour = self._database.now().replace(minute=0, second=0, microsecond=0)
            statement = upsert(write, metrics)
            statement = statement.on_conflict_do_update(
                index_elements=["route", "flow", "name", "hour"],
                set_={"amount": metrics.c.amount + statement.excluded.amount},
            )
            for name, amount in rows:
                write.execute(statement, {"route": route, "flow": flow, "name": name, "hour": hour, "amount": amount})

    def sums(
        self, since: datetime, route: str | None = None, flow: str | None = None
    ) -> dict[tuple[str, str, str], int]:
        """Totals by (route, flow, name) of the hours from `since` (UTC) on."""
        query = (
            sa.select(metrics.c.route, metrics.c.flow, metrics.c.name, sa.func.sum(metrics.c.amount))
            .where(metrics.c.hour >= since.replace(minute=0, second=0, microsecond=0))
            .group_by(metrics.c.route, metrics.c.flow, metrics.c.name)
        )
        if route is not None:
            query = query.where(metrics.c.route == route)
        if flow is not None:
            query = query.where(metrics.c.flow == flow)
        with self._database.read() as read:
            return {(row[0], row[1], row[2]): int(row[3]) for row in read.execute(query)}

    def series(self, route: str, flow: str, name: str, since: datetime) -> list[MetricPoint]:
        """One counter by hour, oldest first."""
        query = (
            sa.select(metrics)
            .where(metrics.c.route == route, metrics.c.flow == flow, metrics.c.name == name, metrics.c.hour >= since)
            .order_by(metrics.c.hour)
        )
        with self._database.read() as read:
            return [MetricPoint(**row._mapping) for row in read.execute(query)]


_CLEAR_TOLD = (
    sa.update(notices)
    .where(notices.c.key == sa.bindparam("of_key"), notices.c.sent_at.is_not(None), notices.c.cleared_at.is_(None))
    .values(cleared_at=sa.bindparam("of_now"))
)
_CLEAR_UNTOLD = sa.delete(notices).where(notices.c.key == sa.bindparam("of_key"), notices.c.sent_at.is_(None))
