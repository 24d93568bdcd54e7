"""Circuit breakers of connections, shared by the installation.

closed     calls go; `threshold` failures in a row open it (a success starts the count again)
open       no call goes until the cool-down ends, then the first caller becomes the probe
half_open  the probe is under way; everybody else waits. Its success closes the breaker, its failure
           opens it with twice the cool-down (up to the longest). A probe that never answers, because
           its process died, is replaced after `probe_seconds`.

Operators have one notice for as long as a breaker is not closed. When it closes, what did not leave meanwhile is
due at once. In planned maintenance nothing leaves either, which is nobody's failure.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.calendars import Window
from erp_sync.ledger.errors import AWAY, is_away
from erp_sync.ledger.releasing import release_postponed
from erp_sync.ledger.schema import breakers
from erp_sync.ledger.sql import insert_into
from erp_sync.ports.connection import NoSlot

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database
    from erp_sync.ledger.maintenance import Maintenance
    from erp_sync.ledger.notices import Notices

log = logging.getLogger(__name__)


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens and for how long, in seconds."""

    threshold: int = 5
    cool_down_seconds: float = 15.0
    longest_cool_down_seconds: float = 300.0
    probe_seconds: float = 60.0


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    connection: str
    state: str
    failures: int
    retry_after_seconds: float
    why: str


class LedgerBreakers:
    """`ledger.breakers`: `erp_sync.ports.connection.Breaker` on the ledger's database."""

    def __init__(
        self, database: Database, maintenance: Maintenance, notices: Notices, policy: BreakerPolicy = BreakerPolicy()
    ) -> None:
        self._database, self._maintenance, self._notices = database, maintenance, notices
        self.policy = policy
        self.policies: dict[str, BreakerPolicy] = {}
        # Closed and without a failure when last looked at, and none of this process since.
        self._well: set[str] = set()

    def configure(self, connection: str, policy: BreakerPolicy) -> None:
        """Another policy than the default for one connection, in this process."""
        self.policies[connection] = policy

    def check(self, connection: str) -> None:
        """Raises NoSlot while open, and in planned maintenance. Where half-open, one caller is let through as the
        probe."""
        window = self._maintenance.window(connection)
        if window is not None:
            left = (window.ends_at - self._database.now()).total_seconds()
            raise NoSlot(connection, max(0.05, left), words(window), planned=True)
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        if row is None or row.state == "closed":
            if row is None or row.failures == 0:
                self._well.add(connection)
            else:
                self._well.discard(connection)
            return
        self._well.discard(connection)
        now = self._now()
        if now < row.next_probe_at:
            raise NoSlot(connection, row.next_probe_at - now, f"circuit breaker {row.state}: {row.why}")
        probe_until = now + self._policy(connection).probe_seconds
        with self._database.write() as write:
            taken = write.execute(
                sa.update(breakers)
                .where(
                    breakers.c.connection == connection,
                    breakers.c.state != "closed",
                    breakers.c.next_probe_at == row.next_probe_at,
                )
                .values(state="half_open", next_probe_at=probe_until, changed_at=now)
            ).rowcount
            if taken:
                return
            row = write.execute(_ROW, {"connection": connection}).first()
        if row is not None and row.state != "closed":
            raise NoSlot(connection, max(0.05, row.next_probe_at - now), f"circuit breaker {row.state}: {row.why}")

    def success(self, connection: str) -> None:
        """A call was answered: the failures are forgotten, an open breaker closes.

        Nothing is looked up where there was none to forget as the call left; what failed elsewhere meanwhile, the
        next answer forgets, as it does where the ledger does not answer now: what the vendor has just answered must not
        be lost for that.
        """
        if connection in self._well:
            return
        try:
            self._forget(connection)
        except AWAY as error:
            _not_counted(error, connection)

    def _forget(self, connection: str) -> None:
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        if row is None or (row.state == "closed" and row.failures == 0):
            return
        with self._database.write() as write:
            write.execute(_CLOSE, {"of_connection": connection, "changed_at": self._now()})
            if row.state != "closed":
                release_postponed(write, self._database.now(), connection)
        if row.state != "closed":
            self._notices.clear(matter(connection))

    def failure(self, connection: str, why: str) -> None:
        """A call failed in a way that says that the system is not well (no answer, 5xx, maintenance).

        Not counted where the ledger does not answer either: what became of the call must not be lost for that.
        """
        self._well.discard(connection)
        try:
            self._count(connection, why)
        except AWAY as error:
            _not_counted(error, connection)

    def _count(self, connection: str, why: str) -> None:
        policy = self._policy(connection)
        with self._database.write() as write:
            self._database.exclude(write, "breaker", connection)
            now = self._now()
            row = write.execute(_ROW, {"connection": connection}).first()
            state = row.state if row is not None else "closed"
            failures = (row.failures if row is not None else 0) + 1
            openings = row.openings if row is not None else 0
            next_probe_at = row.next_probe_at if row is not None else 0.0
            if state == "half_open" or (state == "closed" and failures >= policy.threshold):
                cool_down = min(policy.cool_down_seconds * 2**openings, policy.longest_cool_down_seconds)
                state, openings, next_probe_at = "open", min(openings + 1, 20), now + cool_down
            values = {
                "state": state,
                "failures": failures,
                "openings": openings,
                "next_probe_at": next_probe_at,
                "why": why,
                "changed_at": now,
            }
            write.execute(_counted(write.dialect.name), {"connection": connection, **values})
        if state == "open":
            text = (
                f"{connection} does not answer ({failures} calls in a row failed, the last: {why}): nothing is sent to "
                "it, work waits. It is asked from time to time, and what waits goes by itself once it answers."
            )
            self._notices.raise_once(matter(connection), "warning", text, link=f"connection/{connection}")

    def probe_now(self, connection: str) -> bool:
        """Somebody knows that the system is back: the next call is the probe, and what waits is due for it. Its answer
        closes the breaker; where there is none, the cool-down goes on growing. False where it is not open."""
        with self._database.write() as write:
            now = self._now()
            opened = write.execute(
                sa.update(breakers)
                .where(breakers.c.connection == connection, breakers.c.state == "open")
                .values(next_probe_at=now, changed_at=now)
            ).rowcount
            if opened:
                release_postponed(write, self._database.now(), connection)
        return bool(opened)

    def state(self, connection: str) -> BreakerState:
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        return self._told(connection, row)

    def all(self) -> list[BreakerState]:
        with self._database.read() as read:
            rows = read.execute(_ALL).all()
        return [self._told(row.connection, row) for row in rows]

    def open(self) -> dict[str, BreakerState]:
        """Breakers that let nobody through now: open, or waiting for what their probe says."""
        return {one.connection: one for one in self.all() if one.retry_after_seconds > 0}

    def _told(self, connection: str, row: sa.Row | None) -> BreakerState:
        if row is None:
            return BreakerState(connection=connection, state="closed", failures=0, retry_after_seconds=0.0, why="")
        wait = max(0.0, row.next_probe_at - self._now()) if row.state != "closed" else 0.0
        return BreakerState(
            connection=connection, state=row.state, failures=row.failures, retry_after_seconds=wait, why=row.why
        )

    def _policy(self, connection: str) -> BreakerPolicy:
        return self.policies.get(connection, self.policy)

    def _now(self) -> float:
        return self._database.now().timestamp()


@cache
def _counted(dialect: str) -> Any:
    """A breaker's row, new or in the place of the one that is there."""
    statement = insert_into(dialect, breakers)
    columns = [column.name for column in breakers.c if column.name != "connection"]
    return statement.on_conflict_do_update(
        index_elements=["connection"], set_={name: statement.excluded[name] for name in columns}
    )


_CLOSE = (
    sa.update(breakers)
    .where(breakers.c.connection == sa.bindparam("of_connection"))
    .values(state="closed", failures=0, openings=0, next_probe_at=0.0, why="")
)
_ALL = sa.select(breakers).order_by(breakers.c.connection)
_ROW = sa.select(breakers).where(breakers.c.connection == sa.bindparam("connection"))


def _not_counted(error: Exception, connection: str) -> None:
    """Raises what is not the ledger's being away."""
    if not is_away(error):
        raise error
    log.warning("call not counted", extra={"connection": connection, "why": str(error)})


def words(window: Window) -> str:
    """A window, as a caller that has to wait is told."""
    return f"planned maintenance until {window.ends_at:%Y-%m-%d %H:%M} UTC" + (f": {window.why}" if window.why else "")


def matter(connection: str) -> str:
    """Key of the notice that operators have while a breaker is not closed."""
    return f"breaker/{connection}"
