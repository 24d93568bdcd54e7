"""What the ledger forgets, and when. Nothing that is open, and nothing that keeps a second send away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.by_hand import LINKED
from erp_sync.ledger.documents import FINISHED, FORGOTTEN
from erp_sync.ledger.outlook import Reader
from erp_sync.ledger.row_deaths import FORGOTTEN_AFTER
from erp_sync.ledger.schema import (
    attempts,
    corrections,
    cross_references,
    deliveries,
    delivery_events,
    hand_shipments,
    handed_out,
    handled_marks,
    inbox,
    key_locks,
    metrics,
    moving_keys,
    notes,
    plan_rows,
    plans,
    quarantine,
    received,
    requirements,
    row_deaths,
    steps,
)
from erp_sync.ledger.still_open import still_open
from erp_sync.model.still_open import StillOpen

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_AT_ONCE = 1000


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long finished things are kept, in days.

    Attributes:
        payloads: received payloads (the lake keeps them as long as it is told to). The ids stay for ever:
            without them a record would be received again.
        quarantine: resolved rows, and corrections of records that are neither handled again nor open any more.
        deliveries: finished deliveries with steps, attempts and events, and what a warehouse had on paper. Receipts and
            cross references stay; so does what left by hand, without its content, since its fulfillment is not to be
            sent to the store as another one.
    """

    payloads: int = 30
    deliveries: int = 400
    plans: int = 90
    inbox: int = 30
    quarantine: int = 180
    metrics: int = 800


class Expiry:
    """`ledger.retention`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> StillOpen:
        """By which names calls were made for what is still open."""
        return still_open(self._database)

    def expire(self, keep: Retention = Retention(), readers: Sequence[Reader] = ()) -> dict[str, int]:
        """Remove what is older, in small transactions; gives how many rows by kind. Run it daily.

        Args:
            readers: flows that read received records; one that has handled none yet keeps their payloads.
        """
        now = self._database.now()

        def before(days: int) -> Any:
            return now - timedelta(days=days)

        counts = {
            "payloads": self._forget_payloads(before(keep.payloads), readers),
            "deliveries": self._deliveries(before(keep.deliveries)),
            "plans": self._plans(before(keep.plans)),
            "inbox": self._simple(inbox, inbox.c.processed_at < before(keep.inbox)),
            "quarantine": self._simple(quarantine, quarantine.c.resolved_at < before(keep.quarantine)),
            "corrections": self._simple(
                corrections, sa.and_(corrections.c.at < before(keep.quarantine), ~_may_be_handled(), ~_is_refused())
            ),
            "handed_out": self._handed_out(before(keep.deliveries)),
            "hand_shipments": self._hand_shipments(before(keep.deliveries)),
            "notes": self._simple(notes, notes.c.at < before(keep.deliveries)),
        }
        with self._database.write() as write:
            write.execute(sa.delete(moving_keys).where(moving_keys.c.until < now - timedelta(days=1)))
            write.execute(sa.delete(row_deaths).where(row_deaths.c.last_at < now - FORGOTTEN_AFTER))
            counts["metrics"] = write.execute(sa.delete(metrics).where(metrics.c.hour < before(keep.metrics))).rowcount
        return counts

    def _batches(self, ids_query: Any, act: Any) -> int:
        total = 0
        while True:
            with self._database.write() as write:
                ids = list(write.execute(ids_query.limit(_AT_ONCE)).scalars())
                if ids:
                    act(write, ids)
            total += len(ids)
            if len(ids) < _AT_ONCE:
                return total

    def _forget_payloads(self, limit: Any, readers: Sequence[Reader]) -> int:
        """Only below the marks of every flow that reads the entity: what is not handled keeps its payload. So does what
        a rule refused and what is not delivered yet: a person corrects it, or has it made anew."""
        with self._database.read() as read:
            marks = read.execute(sa.select(handled_marks)).all()
        handled_to = {Reader(mark.route, mark.flow, mark.connection, mark.entity): mark.up_to for mark in marks}
        lowest: dict[tuple[str, str], int] = {}
        for reader in {*handled_to, *readers}:
            place, up_to = (reader.connection, reader.entity), handled_to.get(reader, 0)
            lowest[place] = min(lowest.get(place, up_to), up_to)
        total = 0
        for (connection, entity), up_to in sorted(lowest.items()):
            query = sa.select(received.c.id).where(
                received.c.connection == connection,
                received.c.entity == entity,
                received.c.id <= up_to,
                received.c.received_at < limit,
                received.c.payload.is_not(None),
                received.c.id.not_in(_refused_records()),
                received.c.id.not_in(_undelivered_records()),
            )
            total += self._batches(
                query,
                lambda write, ids: write.execute(
                    sa.update(received).where(received.c.id.in_(ids)).values(payload=None)
                ),
            )
        return total

    def _deliveries(self, limit: Any) -> int:
        follower = deliveries.alias("follower")
        awaited = sa.exists().where(
            follower.c.follows == deliveries.c.id, follower.c.state.not_in([state.value for state in FINISHED])
        )
        newer = deliveries.alias("newer")
        # The last delivery of a document tells what its next version is compared with: it stays.
        overtaken = sa.exists().where(
            newer.c.route == deliveries.c.route,
            newer.c.flow == deliveries.c.flow,
            newer.c.target == deliveries.c.target,
            newer.c.connection == deliveries.c.connection,
            newer.c.scope == deliveries.c.scope,
            newer.c.entity == deliveries.c.entity,
            newer.c.native_id == deliveries.c.native_id,
            newer.c.sequence > deliveries.c.sequence,
        )
        query = sa.select(deliveries.c.id).where(
            deliveries.c.finished_at < limit, deliveries.c.state.in_(FINISHED), overtaken, ~awaited
        )

        def act(write: sa.Connection, ids: list[int]) -> None:
            for table in (steps, attempts, delivery_events, requirements, key_locks, moving_keys):
                write.execute(sa.delete(table).where(table.c.delivery_id.in_(ids)))
            write.execute(sa.delete(deliveries).where(deliveries.c.id.in_(ids)))

        def lighten(write: sa.Connection, ids: list[int]) -> None:
            for table in (attempts, delivery_events):
                write.execute(sa.delete(table).where(table.c.delivery_id.in_(ids)))
            write.execute(
                sa.update(deliveries).where(deliveries.c.id.in_(ids)).values(payload=FORGOTTEN, corrected=None)
            )

        last = sa.select(deliveries.c.id).where(
            deliveries.c.finished_at < limit,
            deliveries.c.state.in_(FINISHED),
            ~overtaken,
            deliveries.c.payload != FORGOTTEN,
        )
        return self._batches(query, act) + self._batches(last, lighten)

    def _handed_out(self, limit: Any) -> int:
        with self._database.write() as write:
            return write.execute(sa.delete(handed_out).where(handed_out.c.at < limit)).rowcount

    def _hand_shipments(self, limit: Any) -> int:
        """Content of those that the ERP has known of for so long. Until it does, stock is reckoned with them."""
        known = sa.exists().where(LINKED, cross_references.c.linked_at < limit)
        query = sa.update(hand_shipments).where(known, hand_shipments.c.payload != FORGOTTEN)
        with self._database.write() as write:
            return write.execute(query.values(payload=FORGOTTEN, file="", who="")).rowcount

    def _plans(self, limit: Any) -> int:
        query = sa.select(plans.c.id).where(plans.c.finished_at < limit)

        def act(write: sa.Connection, ids: list[int]) -> None:
            write.execute(sa.delete(plan_rows).where(plan_rows.c.plan_id.in_(ids)))
            write.execute(sa.delete(plans).where(plans.c.id.in_(ids)))

        return self._batches(query, act)

    def _simple(self, table: sa.Table, condition: Any) -> int:
        return self._batches(
            sa.select(table.c.id).where(condition),
            lambda write, ids: write.execute(sa.delete(table).where(table.c.id.in_(ids))),
        )


def _refused_records() -> sa.Select[Any]:
    return sa.select(quarantine.c.received_id).where(
        quarantine.c.resolved_at.is_(None), quarantine.c.received_id.is_not(None)
    )


def _undelivered_records() -> sa.Select[Any]:
    return sa.select(deliveries.c.received_id).where(
        deliveries.c.state.not_in([state.value for state in FINISHED]), deliveries.c.received_id.is_not(None)
    )


def _may_be_handled() -> sa.Exists:
    """The corrected record is still there: its flow handles it with the correction whenever it is looked at again."""
    return sa.exists().where(received.c.id == corrections.c.received_id, received.c.payload.is_not(None))


def _is_refused() -> sa.Exists:
    return sa.exists().where(
        quarantine.c.received_id == corrections.c.received_id,
        quarantine.c.route == corrections.c.route,
        quarantine.c.flow == corrections.c.flow,
        quarantine.c.resolved_at.is_(None),
    )
