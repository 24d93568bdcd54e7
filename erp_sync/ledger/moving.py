"""State that a document's write moves besides its own key: who moves it now, and who has to wait for whom.

A shipment posted at a store lowers the stock of its articles. While it may do so nothing else writes that
stock: a quantity worked out before it would be too high after it. So the keys are *held* in the transaction
that persists "sending", and until the outcome is known:

- their known state is unsure and cannot be read into being sure, and rows of plans for them are overtaken;
  once the hold ends both sides are read again and planned again;
- no row of a plan is claimed or begun for them.

A row that is at the target already goes first: the document comes again in a moment, and meanwhile no new row
is begun for its keys (`waiting`). Documents do not keep each other waiting, they move a key by so much. That
they do not keep a key from its plan for ever, the key rests after `PATIENCE` of movement without a pause.

Every hold ends by itself: a worker, or a whole flow, that never comes back stops nobody for ever. What it left
unknown counts as moved then, so that too little is offered rather than too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from erp_sync.ledger import known_state
from erp_sync.ledger.row_queries import close_plans
from erp_sync.ledger.rows import RowState
from erp_sync.ledger.schema import known_state as known
from erp_sync.ledger.schema import moving_keys, plan_rows
from erp_sync.ledger.sql import chunks, insert_columns

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: (connection, entity, keys)
Moves = Sequence[tuple[str, str, Sequence[str]]]

# A hold whose outcome nobody found out ends so long after its settle time.
UNKNOWN_FOR = timedelta(minutes=10)
# A document that waits for rows at the target keeps new ones away for so long; it comes again sooner.
WAITING_FOR = timedelta(seconds=30)
ASK_AGAIN = timedelta(seconds=1)
# After so long without a pause a key rests: time to read both sides, to plan and to write.
PATIENCE = timedelta(seconds=60)
REST = timedelta(seconds=20)
LONGEST_REST = timedelta(seconds=60)


_OF_STEP = sa.and_(
    moving_keys.c.delivery_id == sa.bindparam("of_delivery"), moving_keys.c.step == sa.bindparam("of_step")
)
_HELD = (
    sa.select(moving_keys.c.connection, moving_keys.c.entity, moving_keys.c.key)
    .where(_OF_STEP)
    .order_by(moving_keys.c.connection, moving_keys.c.entity, moving_keys.c.key)
)
_CHANGE = sa.update(moving_keys).where(_OF_STEP)
_LET_GO = sa.delete(moving_keys).where(_OF_STEP)
_OF_KEYS = sa.and_(
    plan_rows.c.target == sa.bindparam("of_target"),
    plan_rows.c.entity == sa.bindparam("of_entity"),
    plan_rows.c.key.in_(sa.bindparam("of_keys", expanding=True)),
)
_PLANNED = (
    sa.select(plan_rows.c.id, plan_rows.c.plan_id)
    .where(_OF_KEYS, plan_rows.c.state.in_([RowState.DUE, RowState.CLAIMED]), plan_rows.c.handle == "")
    .order_by(plan_rows.c.id)
    .with_for_update()
)
_AT_THE_TARGET = sa.select(plan_rows.c.due_at, plan_rows.c.sent_at, plan_rows.c.settle_seconds).where(
    _OF_KEYS,
    sa.or_(
        plan_rows.c.state.in_([RowState.SENDING, RowState.ACCEPTED]),
        sa.and_(plan_rows.c.state == RowState.CLAIMED, plan_rows.c.handle != ""),
    ),
)
_CHANGE_KNOWN = sa.update(known).where(known_state.OF_KEYS)
_BLOCKED_UNTIL = sa.select(sa.func.max(known.c.blocked_until)).where(
    known_state.OF_KEYS, known.c.blocked_until > sa.bindparam("of_now", type_=known.c.blocked_until.type)
)
_MOVEMENT = sa.select(
    known.c.key,
    known.c.moving_since,
    known.c.moved_at,
    known_state.held(
        known.c.connection, known.c.entity, known.c.key, sa.bindparam("of_now", type_=moving_keys.c.until.type)
    ).label("held"),
).where(known_state.OF_KEYS, known.c.moving_since.is_not(None))


def exclude(database: Database, write: sa.Connection, moves: Moves) -> None:
    """Take turns with everybody who begins to move or to write this state. Comes before any lock on a row."""
    for connection, entity in sorted({(connection, entity) for connection, entity, _ in moves}):
        database.exclude(write, "moving", connection, entity)


def held_by(read: sa.Connection, delivery_id: int, step: str) -> list[tuple[str, str, list[str]]]:
    """What the step holds."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in read.execute(_HELD, {"of_delivery": delivery_id, "of_step": step}):
        found.setdefault((row.connection, row.entity), []).append(row.key)
    return [(connection, entity, keys) for (connection, entity), keys in found.items()]


def busy_until(write: sa.Connection, now: datetime, delivery_id: int, step: str, moves: Moves) -> datetime | None:
    """None: the step may be sent as far as these keys go. Else when to ask again; what waits is noted down."""
    for connection, entity, keys in moves:
        if _rows_at_the_target(write, now, connection, entity, keys):
            _hold(write, now, delivery_id, step, (connection, entity, keys), "waiting", now + WAITING_FOR)
            return now + ASK_AGAIN
        settling = _settling(write, now, connection, entity, keys)
        if settling is not None:
            return settling
        resting = _resting(write, now, connection, entity, keys)
        if resting is not None:
            return resting
    return None


def hold(
    write: sa.Connection, now: datetime, delivery_id: int, step: str, moves: Moves, until: datetime, why: str
) -> None:
    """The step is about to be sent: its keys are unsure, and nobody else's, until `release`."""
    for connection, entity, keys in moves:
        _since(write, now, connection, entity, keys)
        _hold(write, now, delivery_id, step, (connection, entity, keys), "sending", until)
        _doubt(write, now, connection, entity, keys, why)


def unknown(write: sa.Connection, delivery_id: int, step: str, settle_until: datetime) -> None:
    """Nobody knows whether the step moved its keys: they stay held until somebody has found out."""
    mine = {"of_delivery": delivery_id, "of_step": step}
    write.execute(_CHANGE, {**mine, "state": "unknown", "until": settle_until + UNKNOWN_FOR})


def release(write: sa.Connection, now: datetime, delivery_id: int, step: str, why: str, *, moved: bool) -> None:
    """The outcome is known. `moved`: whatever was planned or read meanwhile is void."""
    held = held_by(write, delivery_id, step)
    if held:
        write.execute(_LET_GO, {"of_delivery": delivery_id, "of_step": step})
    for connection, entity, keys in held if moved else ():
        _doubt(write, now, connection, entity, keys, why)


def _hold(
    write: sa.Connection,
    now: datetime,
    delivery_id: int,
    step: str,
    move: tuple[str, str, Sequence[str]],
    state: str,
    until: datetime,
) -> None:
    connection, entity, keys = move
    same = {
        "connection": connection,
        "entity": entity,
        "delivery_id": delivery_id,
        "step": step,
        "state": state,
        "since": now,
        "until": until,
    }
    conflict = {
        "index_elements": ["connection", "entity", "key", "delivery_id", "step"],
        "set_": {"state": state, "since": now, "until": until},
    }
    insert_columns(write, moving_keys, same, {"key": sorted(set(keys))}, conflict)


def _doubt(write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str], why: str) -> None:
    """Rows that were planned from what the keys were before are not applied; the keys are read again."""
    touched: set[int] = set()
    for some in chunks(sorted(set(keys))):
        rows = write.execute(_PLANNED, {"of_target": connection, "of_entity": entity, "of_keys": list(some)}).all()
        if rows:
            touched.update(row.plan_id for row in rows)
            write.execute(
                sa.update(plan_rows)
                .where(plan_rows.c.id.in_([row.id for row in rows]))
                .values(
                    state=RowState.OVERTAKEN.value,
                    due_at=None,
                    owner="",
                    token="",
                    message=f"{why} moves the key: it is read and planned again",
                    changed_at=now,
                )
            )
    close_plans(write, now, touched)
    known_state.mark_unknown(write, now, connection, entity, keys, why)
    for mine in known_state.of_keys(write, connection, entity, keys):
        write.execute(_CHANGE_KNOWN, {**mine, "moved_at": now})


def _rows_at_the_target(write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str]) -> bool:
    """Is a write of one of the keys on its way? One that nobody came back to ends with its lease and settle time."""
    for some in chunks(sorted(set(keys))):
        mine = {"of_target": connection, "of_entity": entity, "of_keys": list(some)}
        for row in write.execute(_AT_THE_TARGET, mine):
            ends = [one for one in (row.due_at, row.sent_at) if one is not None]
            if row.sent_at is not None:
                ends.append(row.sent_at + timedelta(seconds=row.settle_seconds))
            if ends and max(ends) > now:
                return True
    return False


def _settling(
    write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str]
) -> datetime | None:
    """Until when a write with an unknown outcome may still change one of the keys."""
    latest: datetime | None = None
    for mine in known_state.of_keys(write, connection, entity, keys):
        found = write.execute(_BLOCKED_UNTIL, {**mine, "of_now": now}).scalar()
        if found is not None and (latest is None or found > latest):
            latest = found
    return latest


def _resting(write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str]) -> datetime | None:
    """Until when one of the keys rests, since documents moved it for long without a pause."""
    latest: datetime | None = None
    for row in _movement(write, now, connection, entity, keys):
        tired = row.moving_since + PATIENCE
        if _quiet(row, now) or not tired <= now < tired + LONGEST_REST:
            continue
        until = min(tired + LONGEST_REST, (now if row.held else row.moved_at) + REST)
        latest = until if latest is None else max(latest, until)
    return latest


def _since(write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str]) -> None:
    """A period of movement begins for keys that were not moving, or have had their rest."""
    going_on = {
        row.key
        for row in _movement(write, now, connection, entity, keys)
        if not _quiet(row, now) and now < row.moving_since + PATIENCE
    }
    for mine in known_state.of_keys(write, connection, entity, set(keys) - going_on):
        write.execute(_CHANGE_KNOWN, {**mine, "moving_since": now})


def _movement(write: sa.Connection, now: datetime, connection: str, entity: str, keys: Sequence[str]) -> list[Any]:
    rows: list[Any] = []
    for mine in known_state.of_keys(write, connection, entity, keys):
        rows.extend(write.execute(_MOVEMENT, {**mine, "of_now": now}))
    return rows


def _quiet(row: Any, now: datetime) -> bool:
    return not row.held and now - row.moved_at >= REST
