"""Circuit breakers of connections, shared by the installation.

closed     calls go; `threshold` failures in a row open it (a success starts the count again)
open       no call goes until the cool-down ends, then the first caller becomes the probe
half_open  the probe is under way; everybody else waits. Its success closes the breaker, its failure
           opens it with twice the cool-down (up to the longest). A probe that never answers, because
           its process died, is replaced after `probe_seconds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.schema import breakers
from erp_sync.ledger.sql import upsert
from erp_sync.ports.connection import NoSlot

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


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

    def __init__(self, database: Database, policy: BreakerPolicy = BreakerPolicy()) -> None:
        self._database = database
        self.policy = policy
        self.policies: dict[str, BreakerPolicy] = {}

    def configure(self, connection: str, policy: BreakerPolicy) -> None:
        """Another policy than the default for one connection, in this process."""
        self.policies[connection] = policy

    def check(self, connection: str) -> None:
        """Raises NoSlot while open. Where half-open, one caller is let through as the probe."""
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        if row is None or row.state == "closed":
            return
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
        """A call was answered: the failures are forgotten, an open breaker closes."""
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        if row is None or (row.state == "closed" and row.failures == 0):
            return
        with self._database.write() as write:
            write.execute(
                sa.update(breakers)
                .where(breakers.c.connection == connection)
                .values(state="closed", failures=0, openings=0, next_probe_at=0.0, why="", changed_at=self._now())
            )

    def failure(self, connection: str, why: str) -> None:
        """A call failed in a way that says that the system is not well (no answer, 5xx, maintenance)."""
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
            statement = upsert(write, breakers)
            write.execute(
                statement.on_conflict_do_update(index_elements=["connection"], set_=values),
                {"connection": connection, **values},
            )

    def close(self, connection: str) -> None:
        """An operator closes the breaker by hand."""
        self.success(connection)

    def state(self, connection: str) -> BreakerState:
        with self._database.read() as read:
            row = read.execute(_ROW, {"connection": connection}).first()
        return self._told(connection, row)

    def all(self) -> list[BreakerState]:
        with self._database.read() as read:
            rows = read.execute(sa.select(breakers).order_by(breakers.c.connection)).all()
        return [self._told(row.connection, row) for row in rows]

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


_ROW = sa.select(breakers).where(breakers.c.connection == sa.bindparam("connection"))
