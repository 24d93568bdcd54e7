"""Dead letters: deliveries that a person, or a change of data, must help. They never block others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec, events
from erp_sync.ledger.documents import Delivery, State, delivery_of
from erp_sync.ledger.errors import NotInLedger, WrongState
from erp_sync.ledger.finding import filters
from erp_sync.ledger.releasing import before_is_open, free_keys, release_followers
from erp_sync.ledger.schema import deliveries, delivery_events, requirements, steps
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Dead because a step's outcome is unknown and the target cannot tell: retrying says "it is not there".
OUTCOME_UNKNOWN = "outcome_unknown"
#: Codes of this kind. The other one: what was asked for leaves no trace there that anybody could look up.
MAY_HAVE_LEFT = (OUTCOME_UNKNOWN, "no_trace")
#: What waits with this code lacks something at its target: a person may decide about it like about a dead letter.
#: What waits without a code comes after another delivery of its document.
LACKING = "requirement_missing"


class DeadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Letters in one state with one code. `example` is the reason of the newest; times UTC."""

    state: State
    route: str
    flow: str
    code: str
    count: int
    oldest: datetime
    latest: datetime
    example: str
    example_number: str


class DeadLetters:
    """`ledger.dead_letters`. What a person does is durable and in the delivery's events, with name and reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def groups(
        self, route: str | None = None, flow: str | None = None, states: Sequence[State] = (State.DEAD,)
    ) -> list[DeadGroup]:
        """By state, route, flow and code, most first. What only follows another delivery has no code, and no group."""
        columns = (deliveries.c.state, deliveries.c.route, deliveries.c.flow, deliveries.c.code)
        query = (
            sa.select(
                *columns,
                sa.func.count().label("letters"),
                sa.func.min(deliveries.c.changed_at).label("oldest"),
                sa.func.max(deliveries.c.changed_at).label("latest"),
                sa.func.max(deliveries.c.id).label("example"),
            )
            .where(*filters(route, flow, states, None), deliveries.c.code != "")
            .group_by(*columns)
            .order_by(sa.func.count().desc(), *columns)
        )
        with self._database.read() as read:
            groups = read.execute(query).all()
            ids = [group.example for group in groups]
            shown = {
                row.id: row
                for some in chunks(ids)
                for row in read.execute(
                    sa.select(deliveries.c.id, deliveries.c.reason, deliveries.c.number, deliveries.c.native_id).where(
                        deliveries.c.id.in_(some)
                    )
                )
            }
        return [
            DeadGroup(
                state=State(group.state),
                route=group.route,
                flow=group.flow,
                code=group.code,
                count=group.letters,
                oldest=group.oldest,
                latest=group.latest,
                example=shown[group.example].reason,
                example_number=shown[group.example].number or shown[group.example].native_id,
            )
            for group in groups
        ]

    def find(
        self, route: str | None = None, flow: str | None = None, code: str | None = None, limit: int = 200
    ) -> list[Delivery]:
        """Dead deliveries, latest first."""
        query = (
            sa.select(deliveries)
            .where(*_dead(route, flow, code))
            .order_by(deliveries.c.changed_at.desc(), deliveries.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as read:
            return [delivery_of(row) for row in read.execute(query)]

    def retry(
        self,
        ids: Sequence[int] | None = None,
        *,
        route: str | None = None,
        flow: str | None = None,
        code: str | None = None,
        who: str,
        why: str = "",
    ) -> list[int]:
        """Make dead letters due: by id, or all of a route, flow or code (at least one of them). Gives their ids.

        By id also what waits for what its target lacks: it is looked for again at once, and its deadline begins anew.

        Steps that are confirmed stay so; the delivery goes on at the first one that is not. One that died of
        `MAY_HAVE_LEFT` is sent again: retrying it says that somebody looked and it is not there.

        Raises NotInLedger or WrongState for an id that is neither: then none is retried.
        """
        if ids is None and route is None and flow is None and code is None:
            raise ValueError("say which: ids, route, flow or code")
        _signed(who)
        with self._database.write(durable=True) as write:
            now = self._database.now()
            chosen = self._chosen(write, ids, route, flow, code)
            for some in chunks(sorted(chosen)):
                unknown = [one for one in some if chosen[one] in MAY_HAVE_LEFT]
                if unknown:
                    looked_for = write.execute(
                        sa.update(steps)
                        .where(
                            steps.c.delivery_id.in_(unknown),
                            steps.c.state == "unknown",
                            sa.or_(steps.c.settle_until.is_(None), steps.c.settle_until <= now),
                        )
                        .values(state="planned", settle_until=None, message="not there, says " + who, changed_at=now)
                        .returning(steps.c.delivery_id, steps.c.name, steps.c.key)
                    ).all()
                    for step in looked_for:
                        events.append(
                            write, now, step.delivery_id, "not_found", step=step.name, actor=who, key=step.key
                        )
                write.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id.in_(some))
                    .values(state=State.DUE.value, due_at=now, deadline=None, code="", reason="", changed_at=now)
                )
                write.execute(sa.delete(requirements).where(requirements.c.delivery_id.in_(some)))
                events.append_all(write, now, some, "retried", actor=who, why=why)
            return sorted(chosen)

    def overruled(self, ids: Sequence[int], codes: Sequence[str]) -> set[int]:
        """Those that a person retried after they had died of one of these codes: it is not asked again."""
        with self._database.read() as read:
            return overruled(read, ids, codes)

    def edit(self, delivery_id: int, payload: bytes, who: str, why: str, go: bool = False) -> Delivery:
        """Deliver a corrected payload instead; the original stays beside it. `retry` sends it.

        A newer version from the source drops the correction.

        Args:
            go: make it due at once, also where it waits or is held.
        Raises:
            NotInLedger, ValueError (no JSON, nobody's name, no reason).
            WrongState: it is under way, or done.
        """
        _signed(who)
        if not why:
            raise ValueError("a correction needs a reason")
        try:
            codec.from_json(payload)
        except msgspec.DecodeError as error:
            raise ValueError(f"the corrected payload is no JSON: {error}") from error
        with self._database.write(durable=True) as write:
            now = self._database.now()
            before = write.execute(
                sa.select(deliveries.c.payload, deliveries.c.corrected, deliveries.c.state)
                .where(deliveries.c.id == delivery_id)
                .with_for_update()
            ).first()
            if before is None:
                raise NotInLedger(f"delivery {delivery_id}")
            if before.state not in (State.DEAD, State.WAITING, State.HELD, State.DUE):
                raise WrongState(f"delivery {delivery_id}", before.state, "what is under way or done is not edited")
            values: dict[str, Any] = {"corrected": payload, "changed_at": now}
            if go:
                values |= {"state": State.DUE.value, "due_at": now, "deadline": None, "code": "", "reason": ""}
                if before_is_open(write, delivery_id):
                    after = "comes after the delivery before it"
                    values |= {"state": State.WAITING.value, "due_at": None, "reason": after}
                write.execute(sa.delete(requirements).where(requirements.c.delivery_id == delivery_id))
            write.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
            old = before.corrected if before.corrected is not None else before.payload
            events.append(
                write, now, delivery_id, "edited", actor=who, why=why, before=old.decode(), after=payload.decode()
            )
            return delivery_of(write.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).one())

    def dismiss(self, ids: Sequence[int], who: str, why: str) -> list[int]:
        """These are not delivered: entered by hand, or not wanted. Their follow-ups become due.

        Dead letters, and what waits for what its target lacks.

        Raises NotInLedger, WrongState, ValueError: then none is dismissed.
        """
        _signed(who)
        if not why:
            raise ValueError("dismissing needs a reason")
        with self._database.write(durable=True) as write:
            now = self._database.now()
            chosen = sorted(self._chosen(write, ids, None, None, None))
            for some in chunks(chosen):
                write.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id.in_(some))
                    .values(
                        state=State.DISMISSED.value,
                        due_at=None,
                        deadline=None,
                        changed_at=now,
                        finished_at=now,
                        reason=why,
                    )
                )
                write.execute(sa.delete(requirements).where(requirements.c.delivery_id.in_(some)))
                free_keys(write, some)
                events.append_all(write, now, some, "dismissed", actor=who, why=why)
                release_followers(write, now, some)
            return chosen

    def _chosen(
        self,
        write: sa.Connection,
        ids: Sequence[int] | None,
        route: str | None,
        flow: str | None,
        code: str | None,
    ) -> dict[int, str]:
        """Ids of dead letters, by id also of what waits for what it lacks, with their codes; their rows locked."""
        columns = sa.select(deliveries.c.id, deliveries.c.code, deliveries.c.state).with_for_update()
        if ids is None:
            rows = write.execute(columns.where(*_dead(route, flow, code)).order_by(deliveries.c.id)).all()
            return {row.id: row.code for row in rows}
        found: dict[int, str] = {}
        for some in chunks(sorted(set(ids))):
            for row in write.execute(columns.where(deliveries.c.id.in_(some)).order_by(deliveries.c.id)):
                if row.state != State.DEAD and (row.state, row.code) != (State.WAITING, LACKING):
                    raise WrongState(f"delivery {row.id}", row.state, "it is not a dead letter")
                found[row.id] = row.code
        for one in ids:
            if one not in found:
                raise NotInLedger(f"delivery {one}")
        return found


def overruled(read: sa.Connection, ids: Sequence[int], codes: Sequence[str]) -> set[int]:
    """See `DeadLetters.overruled`."""
    found: set[int] = set()
    doubted: set[int] = set()
    for some in chunks(sorted(set(ids))):
        query = (
            sa.select(delivery_events)
            .where(delivery_events.c.delivery_id.in_(some), delivery_events.c.kind.in_(("dead", "retried")))
            .order_by(delivery_events.c.id)
        )
        for row in read.execute(query):
            if row.kind == "dead" and codec.from_json(row.details).get("code") in codes:
                doubted.add(row.delivery_id)
            elif row.kind == "retried" and row.delivery_id in doubted:
                found.add(row.delivery_id)
    return found


def _dead(route: str | None, flow: str | None, code: str | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [deliveries.c.state == State.DEAD]
    for column, value in ((deliveries.c.route, route), (deliveries.c.flow, flow), (deliveries.c.code, code)):
        if value is not None:
            conditions.append(column == value)
    return conditions


def _signed(who: str) -> None:
    if not who:
        raise ValueError("a decision needs the name of who decides")
