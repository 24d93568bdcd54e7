"""Applying plans: rows are claimed in batches, sent, and recorded together with known state.

One write per key is in flight: a row is not claimed while another row of its key is being sent, or while
its key is in the settle time of an unknown outcome, or while a document moves it (`erp_sync.ledger.moving`).
A row whose key is known in a newer version of the source is overtaken, not sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import known_state, moving, overtaking, quarantine, row_deaths
from erp_sync.ledger.errors import LeaseLost
from erp_sync.ledger.lanes import LANES
from erp_sync.ledger.row_queries import close_plans, doubt_rows, given_back, take
from erp_sync.ledger.rows import ClaimedRow, PutBack, Refusal, RowClaim, RowsDue, RowState
from erp_sync.ledger.schema import known_state as known
from erp_sync.ledger.schema import plan_rows
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: An owner that ends a row so has sent it, or asked about it, and lives. Who puts it back may not have come so far.
# What comes after rows of which nobody knows whether they were written waits for so long: they are read back meanwhile.
_BEHIND = timedelta(seconds=30)
_SURVIVED = (RowState.APPLIED, RowState.REFUSED, RowState.UNKNOWN, RowState.ACCEPTED)


class PlanRows:
    """The part of `ledger.plans` that applies rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any_due(self, flow: str, target: str, route: str | None = None) -> bool:
        """Are there rows to claim or to rescue? One query on an index."""
        query = sa.select(sa.literal(1)).where(
            plan_rows.c.due_at <= self._database.now(), plan_rows.c.flow == flow, plan_rows.c.target == target
        )
        if route is not None:
            query = query.where(plan_rows.c.route == route)
        with self._database.read() as read:
            return read.execute(query.limit(1)).first() is not None

    def due_counts(self) -> list[RowsDue]:
        """Due rows of the whole installation by (route, flow, target, lane), in one query."""
        columns = (plan_rows.c.route, plan_rows.c.flow, plan_rows.c.target, plan_rows.c.lane)
        query = (
            sa.select(*columns, sa.func.count(), sa.func.min(plan_rows.c.due_at))
            .where(plan_rows.c.due_at <= self._database.now())
            .group_by(*columns)
            .order_by(*columns)
        )
        with self._database.read() as read:
            return [
                RowsDue(route=row[0], flow=row[1], target=row[2], lane=LANES[row[3]], count=row[4], oldest=row[5])
                for row in read.execute(query)
            ]

    def claim(
        self,
        route: str | None,
        flow: str,
        target: str,
        lanes: Sequence[str] = LANES,
        limit: int = 500,
        owner: str = "",
        lease_seconds: float = 60.0,
        keys: Collection[str] | None = None,
        suspects: bool | None = None,
    ) -> RowClaim | None:
        """Take due rows of one route and entity: most urgent lane first, then by when they are due, which is the
        order of plans. None: nothing.

        Args:
            keys: only rows of these keys.
            suspects: those with whose keys owners died in a row (True: take one batch at a time, with nothing else
                in hand), the others (False), or both. The more owners died, the smaller the batch.
        """
        if not owner:
            raise ValueError("a claim needs an owner: run id, process and thread")
        if lease_seconds <= 0 or limit <= 0:
            raise ValueError(f"lease of {lease_seconds} s, limit {limit}: expected more than 0")
        asked = self._database.now()
        with self._database.write() as write:
            now = self._database.now()
            self._database.exclude(write, "plan rows", target)
            row_deaths.rescue_rows(write, now, flow, target, ended_by=asked)
            died = row_deaths.any_of(write, target)
            if suspects and not died:
                return None
            if died:
                row_deaths.put_off(write, now, target)

            def narrowed(query: Any) -> Any:
                if keys is not None:
                    query = query.where(plan_rows.c.key.in_(sorted(keys)))
                if died and suspects is not None:
                    return (
                        row_deaths.most_deaths_first(query, now) if suspects else query.where(~row_deaths.suspect(now))
                    )
                return query

            # What a newer plan or a document overtakes at this moment is not taken.
            whole = keys is None and not died
            rows = take(write, now, route, flow, target, lanes, limit, None if whole else narrowed)
            if not rows:
                return None
            first = rows[0]
            seen: set[tuple[str, str]] = set()
            chosen = []
            for row in rows:
                if (row.route, row.entity) == (first.route, first.entity) and (row.scope, row.key) not in seen:
                    seen.add((row.scope, row.key))
                    chosen.append(row)
            if suspects:
                chosen = chosen[: row_deaths.batch_size(limit, first.deaths)]
            died_with = row_deaths.met(write, chosen, len(chosen) if suspects else None) if died else frozenset()
            token = uuid.uuid4().hex
            lease_until = now + timedelta(seconds=lease_seconds)
            for some in chunks([row.id for row in chosen]):
                write.execute(
                    sa.update(plan_rows)
                    .where(plan_rows.c.id.in_(some))
                    .values(state=RowState.CLAIMED.value, owner=owner, token=token, due_at=lease_until, changed_at=now)
                )
            return RowClaim(
                route=first.route,
                flow=flow,
                target=target,
                entity=first.entity,
                owner=owner,
                token=token,
                lease_until=lease_until,
                rows=tuple(_claimed(row) for row in chosen),
                died_with=died_with,
            )

    def any_suspects(self, target: str) -> bool:
        """Has a process died with rows of the target lately? One query on an index."""
        with self._database.read() as read:
            return row_deaths.any_of(read, target)

    def begin(self, claim: RowClaim, settle_seconds: float = 0.0, *, again: bool = False) -> list[ClaimedRow]:
        """Persist "sending", durably, before the request leaves; gives the rows that are still to be sent.

        Rows that a newer plan or a newer known version overtook meanwhile are left out, rows whose key a document
        moves, and rows with a handle: the target has them.

        Args:
            again: it was begun, nobody knows whether that was committed, and nothing has left since.
        Raises LeaseLost where the lease ended.
        """
        with self._database.write(durable=True) as write:
            moving.exclude(self._database, write, [(claim.target, claim.entity, ())])
            now = self._database.now()
            if claim.lease_until <= now:
                raise LeaseLost(_named(claim), claim.owner, 0)
            newer = sa.exists().where(
                known.c.connection == plan_rows.c.target,
                known.c.entity == plan_rows.c.entity,
                known.c.scope == plan_rows.c.scope,
                known.c.key == plan_rows.c.key,
                known.c.source_order > plan_rows.c.source_order,
            )
            moved = known_state.held(plan_rows.c.target, plan_rows.c.entity, plan_rows.c.key, now)
            begun = plan_rows.c.state.in_([RowState.CLAIMED, *([RowState.SENDING] if again else [])])
            mine = sa.and_(plan_rows.c.token == claim.token, begun, plan_rows.c.handle == "")
            ids = [row.id for row in claim.rows]
            touched: set[int] = set()
            standing: set[int] = set()
            for some in chunks(ids):
                stale = list(
                    write.execute(
                        sa.update(plan_rows)
                        .where(plan_rows.c.id.in_(some), mine, sa.or_(newer, moved))
                        .values(
                            state=RowState.OVERTAKEN.value,
                            due_at=None,
                            token="",
                            message=sa.case(
                                (newer, "the target was written for a newer version"),
                                else_="a document moves the key: it is read and planned again",
                            ),
                            changed_at=now,
                        )
                        .returning(plan_rows.c.plan_id)
                    ).scalars()
                )
                touched.update(stale)
                standing.update(
                    write.execute(
                        sa.update(plan_rows)
                        .where(plan_rows.c.id.in_(some), mine)
                        .values(
                            state=RowState.SENDING.value,
                            sent_at=now,
                            settle_seconds=settle_seconds,
                            attempts=plan_rows.c.attempts + 1,
                            changed_at=now,
                        )
                        .returning(plan_rows.c.id)
                    ).scalars()
                )
            close_plans(write, now, touched)
            return [row for row in claim.rows if row.id in standing]

    def heartbeat(self, claim: RowClaim, lease_seconds: float = 60.0) -> RowClaim:
        """Renew the lease of what is open of the claim. Raises LeaseLost where nothing is."""
        with self._database.write() as write:
            until = self._database.now() + timedelta(seconds=lease_seconds)
            renewed = write.execute(
                sa.update(plan_rows)
                .where(
                    plan_rows.c.id.in_([row.id for row in claim.rows]),
                    plan_rows.c.token == claim.token,
                    plan_rows.c.state.in_([RowState.CLAIMED, RowState.SENDING]),
                )
                .values(due_at=until)
            ).rowcount
            if not renewed:
                raise LeaseLost(_named(claim), claim.owner, 0)
            return msgspec.structs.replace(claim, lease_until=until)

    def applied(
        self,
        claim: RowClaim,
        rows: Sequence[ClaimedRow],
        values: Mapping[int, str | None] | None = None,
        moves: Sequence[tuple[str, str, Sequence[str]]] = (),
        agreed: Mapping[int, str] | None = None,
    ) -> None:
        """The target has these rows. Durable. Known state is written, and what was refused of them resolved, with it.

        Args:
            values: by row id, the value as the target normalised it (JSON text), where it differs from `after`.
            moves: (connection, entity, keys) that the write moved besides: they become unknown.
            agreed: by row id, what both sides agreed on, where the write left an edit at the target as it is.
        Raises LeaseLost: then nothing was written.
        """
        with self._database.write(durable=True) as write:
            now = self._database.now()
            self._end(write, now, claim, [row.id for row in rows], RowState.APPLIED)
            fresh = [
                known_state.KnownRow(
                    key=row.key,
                    scope=row.scope,
                    value=(values or {}).get(row.id, row.after),
                    source_version=row.source_version,
                    source_order=row.source_order,
                    agreed=(agreed or {}).get(row.id),
                )
                for row in sorted(rows, key=lambda row: (row.scope, row.key))
            ]
            if known_state.put(write, claim.target, claim.entity, fresh, "written", now, now) < len(fresh):
                overtaking.doubt_older(write, now, claim.target, claim.entity, rows)
            for connection, entity, keys in moves:
                known_state.mark_unknown(write, now, connection, entity, keys, why=f"{claim.flow} wrote {claim.entity}")
            quarantine.written(
                write,
                now,
                claim.route,
                claim.flow,
                claim.target,
                claim.entity,
                [(row.scope, row.key) for row in rows],
                f"written in run {claim.owner.split(':')[0]}",
            )

    def refused(
        self,
        claim: RowClaim,
        rows: Sequence[tuple[ClaimedRow, str, str]],
        refusals: Sequence[quarantine.Refusal] = (),
        run_id: str = "",
    ) -> None:
        """(row, code, message): the target said no and applied nothing. `refusals` go to quarantine in the same
        transaction. Raises LeaseLost: then nothing was written."""
        with self._database.write() as write:
            now = self._database.now()
            groups: dict[tuple[str, str], list[int]] = {}
            for row, code, message in rows:
                groups.setdefault((code, message), []).append(row.id)
            for (code, message), ids in groups.items():
                self._end(write, now, claim, ids, RowState.REFUSED, code=code, message=message)
            quarantine.add(write, now, claim.route, claim.flow, run_id, refusals)

    def unknown(
        self,
        claim: RowClaim,
        rows: Sequence[ClaimedRow],
        why: str,
        settle_until: datetime | None = None,
        code: str = "",
    ) -> datetime:
        """No trustworthy answer. The keys are blocked until they have settled, then read again and replanned.

        Gives until when (default: now plus the `settle_seconds` given to `begin`; the request may have left long after
        that). Raises LeaseLost.
        """
        with self._database.write(durable=True) as write:
            now = self._database.now()
            if settle_until is None:
                seconds = write.execute(
                    sa.select(plan_rows.c.settle_seconds).where(plan_rows.c.id == rows[0].id)
                ).scalar_one()
                settle_until = now + timedelta(seconds=seconds)
            self._end(write, now, claim, [row.id for row in rows], RowState.UNKNOWN, code=code, message=why)
            doubt_rows(write, now, claim.target, claim.entity, rows, why, settle_until)
            return settle_until

    def keep_handles(self, claim: RowClaim, rows: Sequence[tuple[ClaimedRow, str]]) -> None:
        """(row, handle): the target took these while we wait for them. Durable: should we die, whoever takes over
        asks with the handles. Raises LeaseLost."""
        with self._database.write(durable=True) as write:
            self._each(write, claim, [(row, {"handle": handle}) for row, handle in _with_handles(rows)])

    def accepted(self, claim: RowClaim, rows: Sequence[tuple[ClaimedRow, str]], due_at: datetime) -> None:
        """(row, handle): the target took these and is not done. Durable. `claim` gives them again from `due_at` on,
        with their handles, to whoever asks; their keys stay in flight until then. Raises LeaseLost."""
        with self._database.write(durable=True) as write:
            ended: dict[str, Any] = {"state": RowState.ACCEPTED.value, "due_at": due_at, "owner": "", "token": ""}
            ended["changed_at"] = self._database.now()
            self._each(write, claim, [(row, {**ended, "handle": handle}) for row, handle in _with_handles(rows)])
            self._survived(write, claim, [row.id for row, _ in rows], RowState.ACCEPTED)

    def not_sent(
        self, claim: RowClaim, rows: Sequence[ClaimedRow], why: str, due_at: datetime | None = None, code: str = ""
    ) -> None:
        """The request certainly did not reach the target: due again, now or at `due_at`. Raises LeaseLost.

        Args:
            code: what the rows wait for, see `release_waiting`.
        """
        self.put_back(claim, [PutBack(rows=tuple(rows), why=why, due_at=due_at or self._database.now(), code=code)])

    def put_back(self, claim: RowClaim, some: Sequence[PutBack]) -> None:
        """`not_sent` of rows with different reasons, in one transaction. Raises LeaseLost: then none is."""
        with self._database.write() as write:
            ended: dict[str, Any] = {
                "state": RowState.DUE.value,
                "owner": "",
                "token": "",
                "sent_at": None,
                "handle": "",
            }
            ended["changed_at"] = self._database.now()
            self._each(
                write,
                claim,
                [
                    (row, {**ended, "message": one.why, "code": one.code, "due_at": one.due_at})
                    for one in some
                    for row in one.rows
                ],
            )

    def postpone(self, claim: RowClaim) -> int:
        """What is due of the claim's flow waits as long as what of it is due again last, so that it stays behind that;
        gives how many rows. What waits for something that the target lacks waits by itself."""
        mine = sa.and_(
            plan_rows.c.route == claim.route,
            plan_rows.c.flow == claim.flow,
            plan_rows.c.target == claim.target,
            plan_rows.c.entity == claim.entity,
            plan_rows.c.state == RowState.DUE,
        )
        waits = plan_rows.c.code.startswith("missing_", autoescape=True)
        with self._database.write() as write:
            now = self._database.now()
            again = [
                row.due_at
                for some in chunks([row.id for row in claim.rows])
                for row in write.execute(sa.select(plan_rows.c.due_at).where(mine, plan_rows.c.id.in_(some), ~waits))
            ]
            until = max([now + _BEHIND, *again])
            return write.execute(
                sa.update(plan_rows).where(mine, plan_rows.c.due_at < until).values(due_at=until, changed_at=now)
            ).rowcount

    def release_waiting(self, target: str, codes: Sequence[str]) -> int:
        """What rows wait for is there now: they are due at once. Gives how many. Idempotent."""
        awaited = set(codes)
        if not awaited:
            return 0
        waiting = sa.and_(
            plan_rows.c.target == target, plan_rows.c.state == RowState.DUE, plan_rows.c.due_at > sa.bindparam("now")
        )
        count = 0
        # One pass over what waits, whatever the number of codes: each of them would be a pass of its own.
        with self._database.read() as read:
            rows = read.execute(
                sa.select(plan_rows.c.id, plan_rows.c.code).where(waiting, plan_rows.c.code != ""),
                {"now": self._database.now()},
            ).all()
        ready = sorted(row.id for row in rows if row.code in awaited)
        for some in chunks(ready):
            with self._database.write() as write:
                now = self._database.now()
                count += write.execute(
                    sa.update(plan_rows).where(waiting, plan_rows.c.id.in_(some)).values(due_at=now), {"now": now}
                ).rowcount
        return count

    def made(self, target: str, entity: str, keys: Sequence[str], lacking: str) -> set[str]:
        """Which of these keys a plan has made at the target.

        Args:
            lacking: how the code of a row begins that waits for what it lacks, though its key is there.
        """
        found: set[str] = set()
        partly = plan_rows.c.code.startswith(lacking, autoescape=True)
        with self._database.read() as read:
            for some in chunks(sorted(set(keys))):
                query = sa.select(plan_rows.c.key).where(
                    plan_rows.c.target == target,
                    plan_rows.c.entity == entity,
                    plan_rows.c.key.in_(some),
                    sa.or_(plan_rows.c.state == RowState.APPLIED, partly),
                )
                found.update(read.execute(query).scalars())
        return found

    def release(self, claim: RowClaim) -> None:
        """Give back what of the claim was not sent; due at once."""
        with self._database.write() as write:
            write.execute(
                sa.update(plan_rows)
                .where(plan_rows.c.token == claim.token, plan_rows.c.state == RowState.CLAIMED)
                .where(plan_rows.c.id.in_([row.id for row in claim.rows]))
                .values(state=given_back(), due_at=self._database.now(), owner="", token="")
            )

    def refusals(
        self, target: str, entity: str, since: datetime, keys: Collection[str] | None = None
    ) -> dict[tuple[str, str], Refusal]:
        """By (scope, key): the latest refusal since then, unless the key was applied after it.

        For comparisons: planning the same value again would be refused again. None asks for all `keys`, and goes
        through everything that was written since then: on the day of a first load that is every row there is.
        """
        query = sa.select(plan_rows).where(
            plan_rows.c.target == target,
            plan_rows.c.entity == entity,
            plan_rows.c.state.in_([RowState.REFUSED, RowState.APPLIED]),
            plan_rows.c.changed_at >= since,
        )
        # All rows of a key are in one of the parts.
        parts = [query] if keys is None else [query.where(plan_rows.c.key.in_(some)) for some in chunks(sorted(keys))]
        found: dict[tuple[str, str], Refusal] = {}
        with self._database.read() as read:
            ordered = (part.order_by(plan_rows.c.changed_at, plan_rows.c.id) for part in parts)
            for row in (row for part in ordered for row in read.execute(part)):
                if row.state == RowState.APPLIED:
                    found.pop((row.scope, row.key), None)
                    continue
                found[row.scope, row.key] = Refusal(
                    key=row.key,
                    scope=row.scope,
                    after=row.after,
                    code=row.code,
                    message=row.message,
                    at=row.changed_at,
                )
        return found

    def _each(self, write: sa.Connection, claim: RowClaim, rows: Sequence[tuple[ClaimedRow, dict[str, Any]]]) -> None:
        """Each of the rows, which stay open, gets values of its own, or LeaseLost is raised and all rolls back.

        One statement for all of them: built for each row it costs a hundred times what it does.
        """
        mine = 0
        for some in chunks(sorted(row.id for row, _ in rows)):
            query = sa.select(plan_rows.c.id).where(
                plan_rows.c.id.in_(some),
                plan_rows.c.token == claim.token,
                plan_rows.c.state.in_([RowState.CLAIMED, RowState.SENDING]),
            )
            mine += len(write.execute(query.with_for_update()).all())
        if mine != len(rows):
            raise LeaseLost(_named(claim), claim.owner, 0)
        if rows:
            statement = sa.update(plan_rows).where(plan_rows.c.id == sa.bindparam("row_id"))
            named = {name: sa.bindparam(f"new_{name}", type_=plan_rows.c[name].type) for name in rows[0][1]}
            write.execute(
                statement.values(**named),
                [{"row_id": row.id, **{f"new_{name}": value for name, value in one.items()}} for row, one in rows],
            )

    def _end(
        self,
        write: sa.Connection,
        now: datetime,
        claim: RowClaim,
        ids: Sequence[int],
        state: RowState,
        **values: Any,
    ) -> None:
        """All of the rows change, or LeaseLost is raised and the transaction rolls back."""
        changed = 0
        touched: set[int] = set()
        for some in chunks(sorted(ids)):
            result = write.execute(
                sa.update(plan_rows)
                .where(
                    plan_rows.c.id.in_(some),
                    plan_rows.c.token == claim.token,
                    plan_rows.c.state.in_([RowState.CLAIMED, RowState.SENDING]),
                )
                .values(**{"due_at": None, **values}, state=state.value, owner="", token="", changed_at=now)
                .returning(plan_rows.c.plan_id)
            )
            plan_ids = list(result.scalars())
            changed += len(plan_ids)
            touched.update(plan_ids)
        if changed != len(ids):
            raise LeaseLost(_named(claim), claim.owner, 0)
        self._survived(write, claim, ids, state)
        close_plans(write, now, touched)

    @staticmethod
    def _survived(write: sa.Connection, claim: RowClaim, ids: Sequence[int], state: RowState) -> None:
        if claim.died_with and state in _SURVIVED:
            row_deaths.ended(write, claim, ids)


def _claimed(row: Any) -> ClaimedRow:
    return ClaimedRow(**{name: row._mapping[name] for name in ClaimedRow.__struct_fields__})


def _with_handles(rows: Sequence[tuple[ClaimedRow, str]]) -> Sequence[tuple[ClaimedRow, str]]:
    for row, handle in rows:
        if not handle:
            raise ValueError(f"row {row.id} has no handle to ask with")
    return rows


def _named(claim: RowClaim) -> str:
    return f"{len(claim.rows)} rows of {claim.flow} to {claim.target}"
