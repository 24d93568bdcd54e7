"""What a transformation may do in its one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from erp_sync.ledger import accepting, by_hand, cross_references, cursors, quarantine
from erp_sync.ledger.by_hand import HandShipment
from erp_sync.ledger.cross_references import Link
from erp_sync.ledger.documents import Accepted, Delivery, NewDelivery
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.ledger.plans import AddedPlan, NewPlan, add_plan
from erp_sync.ledger.privacy import NOBODY_PAYLOAD
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.received import ReceivedRow, mark_handled, newest
from erp_sync.ledger.releasing import release_waiting
from erp_sync.ledger.schema import notes, received
from erp_sync.ledger.sql import chunks
from erp_sync.model.keys import EntityKey

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


_GONE = (
    sa.select(
        received.c.id, (received.c.payload == NOBODY_PAYLOAD).label("gone")
    )  # payloads are large, and had already
    .where(received.c.id.in_(sa.bindparam("of_ids", expanding=True)))
    .with_for_update()
)
_NOTED = sa.select(notes.c.id).where(
    notes.c.route == sa.bindparam("of_route"),
    notes.c.flow == sa.bindparam("of_flow"),
    notes.c.connection == sa.bindparam("of_connection"),
    notes.c.scope == sa.bindparam("of_scope"),
    notes.c.entity == sa.bindparam("of_entity"),
    notes.c.native_id == sa.bindparam("of_native_id"),
    notes.c.code == sa.bindparam("of_code"),
)
_NOTE = sa.insert(notes)


class Handling:
    """Made by `Ledger.handling`; usable until its `with` block ends, by one thread."""

    def __init__(self, database: Database, write: sa.Connection, route: str, flow: str, run_id: str) -> None:
        self._database, self._write = database, write
        self.route, self.flow, self.run_id = route, flow, run_id

    def mark_handled(self, received_ids: Sequence[int]) -> None:
        """The flow has dealt with these: delivered, planned, refused or nothing to do. Idempotent."""
        mark_handled(self._write, self.route, self.flow, received_ids)

    def erased(self, received_ids: Sequence[int]) -> set[int]:
        """Those whose person was erased since the run read them: nothing may become of what it still holds. They stay
        as they are until the transaction ends."""
        found: set[int] = set()
        for some in chunks(sorted(received_ids)):
            found |= {row.id for row in self._write.execute(_GONE, {"of_ids": list(some)}) if row.gone}
        return found

    def newest(self, keys: Iterable[EntityKey]) -> dict[EntityKey, datetime]:
        """When the source last changed each record, of all versions that were received, handled or not."""
        return newest(self._write, keys)

    def latest(self, target: str, keys: Iterable[EntityKey]) -> dict[EntityKey, Delivery]:
        """The last delivery of each document, to tell whether what changed concerns the target. They stay as they
        are until the transaction ends."""
        return accepting.latest(self._write, self.route, self.flow, target, keys, lock=True)

    def begun(self, deliveries: Iterable[Delivery]) -> set[int]:
        """Ids of those of which a step left at some time and may be, or is, at the target."""
        return accepting.begun(self._write, [delivery.id for delivery in deliveries])

    def accept(self, documents: Sequence[NewDelivery]) -> list[Accepted]:
        """Record documents to deliver; one answer each, in order. A version that is there changes nothing."""
        return accepting.accept(self._write, self._database.now(), self.route, self.flow, self.run_id, documents)

    def quarantine(self, row: ReceivedRow, *, rule: str, problem: str, field: str = "") -> int:
        """Put a received record in quarantine with its reason; gives the id of the quarantine's row."""
        refusal = Refusal(
            connection=row.connection,
            scope=row.scope,
            entity=row.entity,
            native_id=row.native_id,
            rule=rule,
            field=field,
            problem=problem,
            row=row.payload,
            received_id=row.id,
        )
        return self.refuse([refusal])[0]

    def refuse(self, refusals: Sequence[Refusal]) -> list[int]:
        """Put rows in quarantine with their reasons; gives ids of the quarantine's rows."""
        return quarantine.add(self._write, self._database.now(), self.route, self.flow, self.run_id, refusals)

    def note(self, key: EntityKey, code: str, reason: str, number: str = "") -> None:
        """Why a record became nothing: leaving one out always leaves a row. Once per key and code."""
        given = {
            "of_route": self.route,
            "of_flow": self.flow,
            "of_connection": key.connection,
            "of_scope": key.scope,
            "of_entity": key.entity,
            "of_native_id": key.native_id,
            "of_code": code,
        }
        if self._write.execute(_NOTED, given).first() is None:
            self._write.execute(
                _NOTE,
                {
                    "route": self.route,
                    "flow": self.flow,
                    "connection": key.connection,
                    "scope": key.scope,
                    "entity": key.entity,
                    "native_id": key.native_id,
                    "number": number,
                    "code": code,
                    "reason": reason,
                    "run_id": self.run_id,
                    "at": self._database.now(),
                },
            )

    def by_hand(self, order_ids: Iterable[str]) -> list[HandShipment]:
        """What left by hand for these orders of the route's store."""
        return by_hand.shipments_of(self._write, self.route, order_ids)

    def add_by_hand(self, rows: Sequence[HandShipment]) -> None:
        """Remember what left by hand; what is known stays as it is."""
        by_hand.add_shipments(self._write, self._database.now(), rows)

    def link(self, links: Iterable[Link]) -> None:
        """Cross references; one that has another partner keeps it."""
        for link in links:
            with suppress(CrossReferenceConflict):
                cross_references.record(self._write, self._database.now(), link)

    def withdraw(self, target: str, keys: Iterable[EntityKey], code: str, reason: str) -> dict[EntityKey, bool]:
        """Take back deliveries that have not begun (cancelled at the source meanwhile): superseded.

        Gives for each key that has a delivery whether nothing of it will go, or went, to the target.
        """
        return accepting.withdraw(
            self._write, self._database.now(), self.route, self.flow, self.run_id, target, keys, code, reason
        )

    def add_plan(self, plan: NewPlan) -> AddedPlan:
        """Record a comparison's result: judged (its rows are due) or held. What older plans of this flow still
        want to do with the compared keys is overtaken. A plan that stands held or rejected already is not
        repeated. Rows without a difference are left out by the caller; no row at all makes no plan."""
        return add_plan(self._write, self._database.now(), self.route, self.flow, self.run_id, plan)

    def keep_token(self, connection: str, entity: str, token: str, was: str) -> bool:
        """Let a cursor's token follow another in this transaction; False, and nothing is changed, where it is not `was`
        any more ("": there was none)."""
        cursor = cursors.current(self._write, connection, entity)
        if (cursor.token if cursor is not None else "") != was:
            return False
        cursors.advance(self._database, self._write, connection, entity, self._database.now(), token, self.run_id)
        return True

    def release_waiting(self, connection: str, entity: str, keys: Sequence[str]) -> list[int]:
        """See `Deliveries.release_waiting`."""
        return release_waiting(self._write, self._database.now(), connection, entity, keys, self.run_id)
