"""Limits of connections, held for the whole installation: concurrency, rate, quota, pause.

A call takes a *lease* on one of the connection's slots. A lease ends when it is released; where its process
was killed, as soon as another of the same machine wants the slot; else by itself after the connection's
longest call.

Lanes: a share of the slots is reserved for a lane *while somebody of that lane waits*; an idle share is
lent, one call at a time, and goes back at the end of the call under way. Shared slots go to the more
urgent lane first. So no slot stands idle while anybody waits, and bulk work cannot slow urgent work by
more than one call.

Sessions: where a system counts open logins, each takes a place until it is ended there, or until the system
forgets it: that of a killed process stays open at the system, so its place stays taken until then. They stand in
the same tables, under a name of their own.

Times in these tables are seconds of the Unix epoch.
"""

from __future__ import annotations

import logging
import math
import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec, owners
from erp_sync.ledger.errors import AWAY, NO_ANSWER, is_away, is_restarted
from erp_sync.ledger.lanes import lane_rank
from erp_sync.ledger.schema import limit_leases, limits
from erp_sync.ledger.sql import upsert
from erp_sync.ports.capabilities import Limits
from erp_sync.ports.connection import NoSlot

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

log = logging.getLogger(__name__)

LONGEST_CALL_SECONDS = 150.0
POLL_SECONDS = (0.005, 0.025)
#: So long between two knocks at a server that is restarted, which has other things to do.
KNOCK_SECONDS = (0.2, 0.4)
#: Who has waited so much longer goes first.
ELDER_SECONDS = 0.25
#: So long a free slot is left to those who go first: theirs may be a process that has no time to look.
GIVE_WAY_SECONDS = 0.05
#: The more wait, the less often each looks, down to a so many-th: together they look about as often as two would.
SELDOM = 16
#: A waiter says so with each poll; its word is forgotten after this long.
WAITER_SECONDS = 1.0
#: Who waits looks this often whether those who hold the slots still live.
LOOK_FOR_DEAD_SECONDS = 1.0


class SlotLease(msgspec.Struct, frozen=True):
    connection: str
    id: str
    lane: str
    cost: float = 1.0
    since: float = 0.0


class SessionLease(msgspec.Struct, frozen=True):
    connection: str
    id: str


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` tells: slots in use and callers waiting by lane, pause, quota used today (UTC), open logins."""

    connection: str
    concurrency: int | None
    in_use: dict[str, int]
    waiting: dict[str, int]
    paused_seconds: float
    paused_why: str
    quota_per_day: int | None
    quota_used: int
    sessions: int | None
    sessions_open: int


class _Wait(Exception):
    """`others`: how many look before or beside one. `way_given`: one might start, but for those who wait longer."""

    def __init__(self, seconds: float, why: str, others: int = 0, way_given: bool = False) -> None:
        self.seconds, self.why, self.others, self.way_given = seconds, why, others, way_given


class LedgerSlots:
    """`ledger.limits`: `erp_sync.ports.connection.Slots` on the ledger's database."""

    def __init__(self, database: Database, longest_call_seconds: float = LONGEST_CALL_SECONDS) -> None:
        self._database = database
        self._longest_call = longest_call_seconds
        self._owner = ""
        self._pid = 0
        self._looked_for_dead = -LOOK_FOR_DEAD_SECONDS
        self._left: set[str] = set()  # ids of leases that may stand in the ledger, which did not answer
        # Seams for tests on a virtual clock.
        self.give_way_seconds = GIVE_WAY_SECONDS
        self.sleep: Callable[[float], None] = time.sleep
        self.monotonic: Callable[[], float] = time.monotonic

    def configure(self, connection: str, declared: Limits, override: Mapping[str, Any] | None = None) -> None:
        """Set the connection's limits; state (tokens, quota used, pause) is kept. Cheap if nothing changes.

        Args:
            override: settings of the connection that replace declared limits, by their names in `Limits`.
        Raises:
            ValueError: an unknown name, or shares that exceed 1, named.
        """
        values = {field: getattr(declared, field) for field in declared.__struct_fields__}
        unknown = set(override or {}) - set(values)
        if unknown:
            raise ValueError(f"{connection}: no such limit {sorted(unknown)[0]}; there are {', '.join(values)}")
        values.update(override or {})
        shares = {lane: float(share) for lane, share in dict(values["lane_shares"]).items()}
        for lane in shares:
            lane_rank(lane)
        if sum(shares.values()) > 1 + 1e-9 or any(share < 0 for share in shares.values()):
            raise ValueError(f"{connection}: lane shares are {shares}; each at least 0, together at most 1")
        for name in ("concurrency", "rate_per_second", "quota_per_day", "burst", "sessions"):
            if values[name] is not None and values[name] <= 0:
                raise ValueError(f"{connection}: limit {name} is {values[name]}; expected more than 0, or none")
        row = {
            "connection": connection,
            "concurrency": values["concurrency"],
            "rate_per_second": values["rate_per_second"],
            "burst": values["burst"],
            "quota_per_day": values["quota_per_day"],
            "lane_shares": codec.to_text(dict(sorted(shares.items()))),
        }
        logins = {
            "connection": _sessions_of(connection),
            "concurrency": values["sessions"],
            "rate_per_second": None,
            "burst": 1,
            "quota_per_day": None,
            "lane_shares": "{}",
        }
        names = [row["connection"], logins["connection"]]
        with self._database.read() as read:
            found = read.execute(_LIMITS_OF, {"of_connections": names}).all()
        current = {one.connection: one._mapping for one in found}
        wanted = [row, *([logins] if values["sessions"] is not None or names[1] in current else [])]
        changed = [
            one
            for one in wanted
            if one["connection"] not in current
            or any(current[one["connection"]][name] != value for name, value in one.items())
        ]
        if not changed:
            return
        with self._database.write() as write:
            statement = upsert(write, limits)
            for one in changed:
                write.execute(
                    statement.on_conflict_do_update(
                        index_elements=["connection"], set_={name: one[name] for name in one if name != "connection"}
                    ),
                    {**one, "tokens": float(one["burst"]), "refilled_at": self._now()},
                )

    def acquire(self, connection: str, lane: str, deadline: float, cost: float = 1.0) -> SlotLease:
        """Block until a call may start, at most until `deadline` (of `time.monotonic()`).

        Raises NoSlot with the time after which to try again: at once where waiting until the deadline
        cannot help (pause, quota), else at the deadline.

        Args:
            cost: points of the rate that the call takes; one of more than `burst` needs a full bucket.
        """
        lane_rank(lane)
        lease = SlotLease(connection, uuid.uuid4().hex, lane, cost, self._now())
        waited, said, pressing_at = False, -math.inf, math.inf
        try:
            while True:
                try:
                    if self._left:
                        self._give_back()
                    pressing = self.monotonic() >= pressing_at
                    if self.monotonic() - said < WAITER_SECONDS / 2:
                        self._look(lease, pressing)
                    said = self.monotonic()
                    self._try(lease, waited, pressing)
                except _Wait as wait:
                    waited = True
                    left = deadline - self.monotonic()
                    if left <= 0 or wait.seconds > left:
                        raise NoSlot(connection, max(wait.seconds, 0.05), wait.why) from None
                    if wait.way_given:
                        pressing_at = min(pressing_at, self.monotonic() + self.give_way_seconds)
                    else:
                        pressing_at = math.inf
                    seldom = min(1 + wait.others, SELDOM)
                    self.sleep(max(wait.seconds, random.uniform(*POLL_SECONDS) * seldom))
                except NO_ANSWER as error:
                    waited = True  # it may be written all the same
                    if not is_restarted(error) or self.monotonic() >= deadline:
                        raise
                    self.sleep(random.uniform(*KNOCK_SECONDS))
                else:
                    waited = False
                    return lease
        finally:
            if waited:
                self.release(lease)

    def release(self, lease: SlotLease) -> None:
        """Give the slot back. Idempotent; harmless where the lease had run out.

        Where the ledger does not answer the next call gives it back: what the vendor has just answered must not be
        lost for that.
        """
        try:
            self._forget(lease)
        except AWAY as error:
            if not is_away(error):
                raise
            self._left.add(lease.id)
            log.warning("slot not given back", extra={"connection": lease.connection, "why": str(error)})

    def charge(self, connection: str, more: float) -> None:
        """A call cost so many points more than it was let through for (fewer: below zero): those that follow wait.

        Where the ledger does not answer that is not counted; the vendor's next answer says it again.
        """
        if not more:
            return
        try:
            self._charge(connection, more)
        except AWAY as error:
            if not is_away(error):
                raise
            log.warning("points not counted", extra={"connection": connection, "points": more, "why": str(error)})

    def _charge(self, connection: str, more: float) -> None:
        with self._database.write() as write:
            self._database.exclude(write, "limits", connection)
            now = self._now()
            settings = write.execute(_LIMITS, {"connection": connection}).first()
            if settings is not None and settings.rate_per_second is not None:
                tokens = min(float(settings.burst), _tokens(settings, now) - more)
                write.execute(
                    sa.update(limits).where(limits.c.connection == connection).values(tokens=tokens, refilled_at=now)
                )

    def pause(self, connection: str, seconds: float, why: str = "the vendor asked to wait") -> None:
        """Nobody of the installation calls before that. A shorter pause never ends a longer one.

        Where the ledger does not answer nothing pauses; who calls meanwhile is told to wait by the vendor.
        """
        try:
            self._pause(connection, seconds, why)
        except AWAY as error:
            if not is_away(error):
                raise
            log.warning("pause not kept", extra={"connection": connection, "seconds": seconds, "why": str(error)})

    def _pause(self, connection: str, seconds: float, why: str) -> None:
        until = self._now() + seconds
        with self._database.write() as write:
            statement = upsert(write, limits)
            write.execute(
                statement.on_conflict_do_update(
                    index_elements=["connection"],
                    set_={"paused_until": until, "paused_why": why},
                    where=limits.c.paused_until < until,
                ),
                {"connection": connection, "lane_shares": "{}", "paused_until": until, "paused_why": why},
            )

    def resume(self, connection: str) -> None:
        """End a pause early."""
        with self._database.write() as write:
            write.execute(
                sa.update(limits).where(limits.c.connection == connection).values(paused_until=0.0, paused_why="")
            )

    def status(self) -> list[LimitState]:
        """All connections with limits, for `erp-sync status`."""
        now = self._now()
        with self._database.read() as read:
            rows = read.execute(sa.select(limits).order_by(limits.c.connection)).all()
            leases = read.execute(
                sa.select(limit_leases.c.connection, limit_leases.c.lane, limit_leases.c.waiting, sa.func.count())
                .where(limit_leases.c.until > now)
                .group_by(limit_leases.c.connection, limit_leases.c.lane, limit_leases.c.waiting)
            ).all()
        today = self._day()
        logins = {row.connection: row.concurrency for row in rows if row.connection.endswith(_SESSIONS)}
        opened = {name: n for name, lane, _, n in leases if lane == _SESSION}
        return [
            LimitState(
                connection=row.connection,
                concurrency=row.concurrency,
                in_use={lane: n for name, lane, waiting, n in leases if name == row.connection and not waiting},
                waiting={lane: n for name, lane, waiting, n in leases if name == row.connection and waiting},
                paused_seconds=max(0.0, row.paused_until - now),
                paused_why=row.paused_why if row.paused_until > now else "",
                quota_per_day=row.quota_per_day,
                quota_used=row.quota_used if row.quota_day == today else 0,
                sessions=logins.get(_sessions_of(row.connection)),
                sessions_open=opened.get(_sessions_of(row.connection), 0),
            )
            for row in rows
            if row.connection not in logins
        ]

    def open_session(self, connection: str, seconds: float) -> SessionLease:
        """Take a place for a login that the system forgets after so many idle seconds. Never waits.

        Raises NoSlot where all are taken, with the time after which the next one is free at the latest.
        """
        name, lease = _sessions_of(connection), SessionLease(connection, uuid.uuid4().hex)
        with self._database.write() as write:
            self._database.exclude(write, "limits", name)
            now = self._now()
            settings = write.execute(_LIMITS, {"connection": name}).first()
            leases = write.execute(_LEASES, {"connection": name}).all()
            held = [one for one in leases if one.until > now]
            if len(held) < len(leases):
                write.execute(
                    sa.delete(limit_leases).where(limit_leases.c.connection == name, limit_leases.c.until <= now)
                )
            full = settings is not None and settings.concurrency is not None and len(held) >= settings.concurrency
            if not full:
                row = {"id": lease.id, "connection": name, "lane": _SESSION, "waiting": False, "since": now}
                write.execute(sa.insert(limit_leases), {**row, "until": now + seconds, "owner": self._who()})
        if full:
            left = min(one.until for one in held) - now
            raise NoSlot(connection, max(left, 0.05), f"all {len(held)} sessions are open")
        return lease

    def keep_session(self, lease: SessionLease, seconds: float) -> bool:
        """The login was used: it ends so many seconds from now. False where its place had run out."""
        with self._database.write() as write:
            now = self._now()
            result = write.execute(
                sa.update(limit_leases)
                .where(limit_leases.c.id == lease.id, limit_leases.c.until > now)
                .values(until=now + seconds)
            )
            return bool(result.rowcount)

    def close_session(self, lease: SessionLease) -> None:
        """The login was ended at the system: its place is free. Idempotent."""
        with self._database.write() as write:
            write.execute(_FORGET, {"lease": lease.id})

    def _look(self, lease: SlotLease, pressing: bool) -> None:
        """Raise _Wait where an attempt would: a look hinders nobody, an attempt is alone in the database."""
        with self._database.read() as read:
            now = self._now()
            rows = read.execute(_LIMITS_AND_LEASES, {"connection": lease.connection}).all()
        held = [row for row in rows if row.id is not None and row.until > now]
        problem = self._refusal(rows[0] if rows else None, held, lease, now, pressing)
        if problem is not None:
            raise problem

    def _try(self, lease: SlotLease, waited: bool, pressing: bool) -> None:
        """One attempt, one transaction. Raises _Wait, having said that this lane waits."""
        problem: _Wait | None = None
        with self._database.write() as write:
            self._database.exclude(write, "limits", lease.connection)
            now = self._now()
            rows = write.execute(_LIMITS_AND_LEASES, {"connection": lease.connection}).all()
            settings = rows[0] if rows else None
            leases = [row for row in rows if row.id is not None]
            if any(one.until <= now for one in leases):
                write.execute(_FORGET_ENDED, {"of_connection": lease.connection, "of_now": now})
            held = [one for one in leases if one.until > now]
            problem = self._refusal(settings, held, lease, now, pressing)
            if problem is not None and (gone := self._of_the_dead(held)):
                write.execute(sa.delete(limit_leases).where(limit_leases.c.id.in_(gone)))
                problem = self._refusal(settings, [one for one in held if one.id not in gone], lease, now, pressing)
            waiting = problem is not None
            row = {
                "id": lease.id,
                "connection": lease.connection,
                "lane": lease.lane,
                "waiting": waiting,
                "until": now + (WAITER_SECONDS if waiting else self._longest_call),
                "owner": self._who(),
                "since": lease.since,
            }
            if waited:
                # The row may have been swept as expired while its thread slept.
                write.execute(_FORGET, {"lease": lease.id})
            write.execute(_TAKE, row)
            if problem is None and settings is not None:
                self._spend(write, settings, now, lease.cost)
        if problem is not None:
            raise problem

    def _of_the_dead(self, leases: list[Any]) -> set[str]:
        """Ids of leases whose process was killed: what it had under way, nobody waits for any more."""
        if time.monotonic() - self._looked_for_dead < LOOK_FOR_DEAD_SECONDS:
            return set()
        self._looked_for_dead = time.monotonic()
        gone = {owner for owner in {one.owner for one in leases} if owners.is_gone(owner)}
        return {one.id for one in leases if one.owner in gone}

    def _refusal(self, settings: Any, leases: list[Any], lease: SlotLease, now: float, pressing: bool) -> _Wait | None:
        if settings is None:
            return None
        if settings.paused_until > now:
            return _Wait(settings.paused_until - now, settings.paused_why)
        quota = settings.quota_per_day
        if quota is not None and settings.quota_day == self._day() and settings.quota_used >= quota:
            return _Wait(86400 - now % 86400, f"the quota of {quota} calls a day is used up")
        others = [one for one in leases if one.id != lease.id]
        before = lease.since - ELDER_SECONDS
        waiting = [one.since for one in others if one.waiting and one.lane == lease.lane]
        elders = sum(1 for since in waiting if since < before)
        peers = sum(1 for since in waiting if before <= since <= lease.since + ELDER_SECONDS)
        ahead = max(elders, peers // 2)
        slots = settings.concurrency
        shares = codec.from_json(settings.lane_shares)
        if slots is not None and not _may_start(slots, shares, others, lease.lane):
            return _Wait(0.0, f"all {slots} slots are in use or owed to other lanes", ahead)
        if slots is not None and not pressing and not _may_start(slots, shares, others, lease.lane, elders):
            return _Wait(0.0, f"all {slots} slots are in use, or owed to calls that wait longer", ahead, way_given=True)
        if settings.rate_per_second is not None:
            tokens = _tokens(settings, now)
            needed = min(lease.cost + (0 if pressing else elders), float(settings.burst))
            if tokens < needed:
                unit = "calls" if lease.cost == 1 else "points"
                why = f"{settings.rate_per_second:g} {unit} a second"
                return _Wait((needed - tokens) / settings.rate_per_second, why)
        return None

    def _spend(self, write: sa.Connection, settings: Any, now: float, cost: float) -> None:
        values: dict[str, Any] = {}
        if settings.rate_per_second is not None:
            values.update(tokens=_tokens(settings, now) - cost, refilled_at=now)
        if settings.quota_per_day is not None:
            today = self._day()
            values.update(quota_used=settings.quota_used + 1 if settings.quota_day == today else 1, quota_day=today)
        if values:
            write.execute(sa.update(limits).where(limits.c.connection == settings.connection).values(values))

    def _give_back(self) -> None:
        left = list(self._left)
        with self._database.write() as write:
            write.execute(_FORGET, [{"lease": one} for one in left])
        self._left.difference_update(left)

    def _forget(self, lease: SlotLease) -> None:
        with self._database.write() as write:
            write.execute(_FORGET, {"lease": lease.id})

    def _now(self) -> float:
        return self._database.now().timestamp()

    def _day(self) -> str:
        return self._database.now().date().isoformat()

    def _who(self) -> str:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._owner = owners.process_name()
        return owners.holder(self._owner)


_LIMITS = sa.select(limits).where(limits.c.connection == sa.bindparam("connection"))
_LIMITS_OF = sa.select(limits).where(limits.c.connection.in_(sa.bindparam("of_connections", expanding=True)))
_LEASES = sa.select(
    limit_leases.c.id, limit_leases.c.lane, limit_leases.c.waiting, limit_leases.c.until, limit_leases.c.owner
).where(limit_leases.c.connection == sa.bindparam("connection"))
#: What limits a connection beside each of its leases; once, with leases of None, where there is none.
_LIMITS_AND_LEASES = (
    sa.select(
        limits,
        limit_leases.c.id,
        limit_leases.c.lane,
        limit_leases.c.waiting,
        limit_leases.c.until,
        limit_leases.c.owner,
        limit_leases.c.since,
    )
    .join_from(limits, limit_leases, limit_leases.c.connection == limits.c.connection, isouter=True)
    .where(limits.c.connection == sa.bindparam("connection"))
)
_TAKE = sa.insert(limit_leases)
_FORGET_ENDED = sa.delete(limit_leases).where(
    limit_leases.c.connection == sa.bindparam("of_connection"), limit_leases.c.until <= sa.bindparam("of_now")
)
_FORGET = sa.delete(limit_leases).where(limit_leases.c.id == sa.bindparam("lease"))


_SESSION = "session"
_SESSIONS = "|sessions"


def _sessions_of(connection: str) -> str:
    """Under which name the logins of a connection are limited. No connection is called so."""
    return connection + _SESSIONS


def _tokens(settings: Any, now: float) -> float:
    return min(float(settings.burst), settings.tokens + (now - settings.refilled_at) * settings.rate_per_second)


def _may_start(slots: int, shares: Mapping[str, Any], leases: list[Any], lane: str, elders: int = 0) -> bool:
    """May one more call of `lane` start? `leases` are all others, in use and waiting; so many of the lane go first."""
    used: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for one in leases:
        counts = waiting if one.waiting else used
        counts[one.lane] = counts.get(one.lane, 0) + 1
    free = slots - sum(used.values())
    if free <= 0:
        return False
    reserved = {name: max(1, math.floor(slots * float(share))) for name, share in shares.items() if float(share) > 0}
    owed = sum(
        min(max(0, reserved.get(name, 0) - used.get(name, 0)), count) for name, count in waiting.items() if name != lane
    )
    if used.get(lane, 0) < reserved.get(lane, 0):
        # Reserved slots may be lent out at this moment; several lanes then share what comes free, urgent first.
        urgent = sum(
            min(max(0, reserved.get(name, 0) - used.get(name, 0)), count)
            for name, count in waiting.items()
            if lane_rank(name) < lane_rank(lane)
        )
        return free > urgent + elders
    more_urgent = sum(count for name, count in waiting.items() if lane_rank(name) < lane_rank(lane))
    return free > max(owed, more_urgent) + elders
