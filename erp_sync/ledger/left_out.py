"""Steps that the target refused and that the document went without: optional ones, such as an e-mail to the customer.

The document is delivered and no dead letter. A person is told what is missing of it, until somebody says that it is
settled, or a later delivery of the same document has done the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import events
from erp_sync.ledger.documents import State, StepState
from erp_sync.ledger.errors import NotInLedger
from erp_sync.ledger.schema import deliveries, steps
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

# As the index of refused steps says it: a value that is bound would not be found by it.
_REFUSED = steps.c.state == sa.literal_column("'refused'")


class LeftOutGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Of one cause. `number` and `message` of the newest; times UTC."""

    route: str
    flow: str
    code: str
    count: int
    oldest: datetime
    latest: datetime
    number: str
    message: str


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one delivery. `times`: attempts of it; `since` UTC."""

    delivery_id: int
    route: str
    flow: str
    number: str
    step: str
    code: str
    message: str
    times: int
    since: datetime


class LeftOuts:
    """`ledger.left_out`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def groups(self, route: str | None = None, flow: str | None = None) -> list[LeftOutGroup]:
        """By route, flow and code."""
        found = _left_out(route, flow, None).subquery()
        columns = (found.c.route, found.c.flow, found.c.code)
        ranked = sa.select(
            *columns,
            found.c.number,
            found.c.message,
            sa.func.count().over(partition_by=columns).label("count"),
            sa.func.min(found.c.since).over(partition_by=columns).label("oldest"),
            found.c.since.label("latest"),
            sa.func.row_number()
            .over(partition_by=columns, order_by=(found.c.since.desc(), found.c.delivery_id.desc()))
            .label("place"),
        ).subquery()
        query = sa.select(*[one for one in ranked.c if one.name != "place"]).where(ranked.c.place == 1)
        with self._database.read() as read:
            rows = read.execute(query.order_by(ranked.c.route, ranked.c.flow, ranked.c.code))
            return [LeftOutGroup(**row._mapping) for row in rows]

    def find(
        self, route: str | None = None, flow: str | None = None, code: str | None = None, limit: int = 200
    ) -> list[LeftOut]:
        """One by one, latest first."""
        query = _left_out(route, flow, code).order_by(steps.c.changed_at.desc(), steps.c.delivery_id.desc())
        with self._database.read() as read:
            return [LeftOut(**row._mapping) for row in read.execute(query.limit(limit))]

    def of(self, delivery_ids: Sequence[int]) -> list[LeftOut]:
        """What these deliveries went without."""
        found = []
        with self._database.read() as read:
            for some in chunks(sorted(set(delivery_ids))):
                query = _left_out(None, None, None).where(steps.c.delivery_id.in_(some))
                rows = read.execute(query.order_by(steps.c.delivery_id, steps.c.position))
                found += [LeftOut(**row._mapping) for row in rows]
        return found

    def settle(self, delivery_ids: Sequence[int], who: str, why: str, only: Mapping[int, str] = {}) -> None:
        """A person has done it otherwise, or it is not wanted: all that these went without; of others `only` steps of a
        code. Durable.

        Raises NotInLedger for a delivery that went without nothing: then none is settled. ValueError (nobody's name,
        no reason).
        """
        if not who or not why:
            raise ValueError("settling needs the name of who decides, and a reason")
        with self._database.write(durable=True) as write:
            now = self._database.now()
            whole = set(delivery_ids)
            done: dict[int, list[str]] = {one: [] for one in (*delivery_ids, *only)}
            for some in chunks(sorted(done)):
                query = sa.select(steps.c.delivery_id, steps.c.name, steps.c.code)
                query = query.where(_OPEN, steps.c.delivery_id.in_(some)).with_for_update()
                for row in write.execute(query):
                    if row.delivery_id in whole or row.code == only.get(row.delivery_id):
                        done[row.delivery_id].append(row.name)
            for delivery_id, names in done.items():
                if not names:
                    raise NotInLedger(f"a step that delivery {delivery_id} went without")
                for name in names:
                    mine = sa.and_(steps.c.delivery_id == delivery_id, steps.c.name == name)
                    values = {"code": "", "message": f"settled, says {who}: {why}", "changed_at": now}
                    write.execute(sa.update(steps).where(mine).values(**values))
                    events.append(write, now, delivery_id, "dismissed", step=name, actor=who, why=why)


_OPEN = sa.and_(_REFUSED, steps.c.optional, steps.c.code != "")


def _left_out(route: str | None, flow: str | None, code: str | None) -> sa.Select[Any]:
    """Few of all steps: by the index of refused ones. A step that is settled has no code."""
    later, again = deliveries.alias("later"), steps.alias("again")
    document = ("route", "flow", "target", "connection", "scope", "entity", "native_id")
    done_since = (
        sa.exists()
        .where(*(later.c[name] == deliveries.c[name] for name in document), later.c.sequence > deliveries.c.sequence)
        .where(
            again.c.delivery_id == later.c.id,
            again.c.operation == steps.c.operation,
            again.c.state == StepState.CONFIRMED.value,
        )
    )
    query = (
        sa.select(
            steps.c.delivery_id,
            deliveries.c.route,
            deliveries.c.flow,
            sa.case((deliveries.c.number != "", deliveries.c.number), else_=deliveries.c.native_id).label("number"),
            steps.c.name.label("step"),
            steps.c.code,
            steps.c.message,
            steps.c.attempts.label("times"),
            steps.c.changed_at.label("since"),
        )
        .join(deliveries, deliveries.c.id == steps.c.delivery_id)
        # Not by an index of the state: nearly all deliveries have this one.
        .where(_OPEN, deliveries.c.state.concat("") == State.DELIVERED.value, ~done_since)
    )
    asked = ((deliveries.c.route, route), (deliveries.c.flow, flow), (steps.c.code, code))
    return query.where(*(column == value for column, value in asked if value is not None))
