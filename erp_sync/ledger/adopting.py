"""Documents that the target holds already: recorded as delivered, so that nothing of them is ever sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import accepting, codec, cross_references, events
from erp_sync.ledger.cursors import advance
from erp_sync.ledger.dead_letters import overruled
from erp_sync.ledger.documents import Delivery, NewDelivery, State, StepState, receipt_of
from erp_sync.ledger.received import among
from erp_sync.ledger.releasing import free_keys, release_followers
from erp_sync.ledger.schema import cursors, deliveries, notes, receipts, received, requirements, steps
from erp_sync.ledger.sql import chunks, upsert
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_POSITION = sa.select(cursors.c.position).where(
    cursors.c.connection == sa.bindparam("of_connection"), cursors.c.entity == sa.bindparam("of_entity")
)


class AdoptedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a person or an earlier integration entered at the target.

    Attributes:
        document: as a transformation would hand it in.
        step: the write that stands for the document; it counts as confirmed.
        receipt: what the target has.
        link: the cross reference to record.
        others: further steps that are never to be sent (its payments), with what the target has of them.
    """

    document: NewDelivery
    step: Step
    receipt: Receipt
    link: cross_references.Link
    others: Sequence[tuple[Step, Receipt]] = ()


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of documents: `new` are recorded now, `known` were linked before, `under_way` are being delivered at
    this moment and were left alone."""

    new: int = 0
    known: int = 0
    under_way: tuple[str, ...] = ()


class Adopting:
    """`ledger.adopting`. Each method is one durable transaction and idempotent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, route: str, flow: str, adopted: Sequence[AdoptedDocument], who: str) -> Adopted:
        """Record these as delivered. One of which something has been sent is left alone.

        The transformation finds them delivered: a version with the same content changes nothing. The receipt
        stands under the step's key, too, so that no other delivery sends it.

        Raises CrossReferenceConflict where an id has another partner: then nothing is recorded.
        """
        with self._database.write(durable=True) as write:
            self._database.exclude(write, "handling", route, flow)
            now = self._database.now()
            free, known, under_way = self._sorted(write, route, flow, [one.document for one in adopted])
            for one in adopted:
                key = one.document.key
                if key in known:
                    cross_references.record(write, now, one.link)
                if key not in free:
                    continue
                delivery_id = free[key] or accepting.accept(write, now, route, flow, "", [one.document])[0].id
                _deliver(write, now, delivery_id, one, who)
                for step, receipt in [(one.step, one.receipt), *one.others]:
                    _receipt(write, now, one.document.target, step.key, step.operation, receipt, delivery_id)
                cross_references.record(write, now, one.link)
            return Adopted(new=len(free), known=len(known), under_way=under_way)

    def doubt(self, route: str, flow: str, doubtful: Sequence[tuple[NewDelivery, str]], code: str, who: str) -> Adopted:
        """These may be at the target: dead letters with the reason beside them, until a person retries (it is not
        there) or dismisses (it is). One of which something has been sent, or that was retried, is left alone."""
        with self._database.write(durable=True) as write:
            self._database.exclude(write, "handling", route, flow)
            now = self._database.now()
            free, known, under_way = self._sorted(write, route, flow, [document for document, _ in doubtful])
            decided = overruled(write, [one for one in free.values() if one is not None], [code])
            for document, reason in doubtful:
                if document.key not in free or free[document.key] in decided:
                    continue
                delivery_id = free[document.key] or accepting.accept(write, now, route, flow, "", [document])[0].id
                write.execute(sa.delete(requirements).where(requirements.c.delivery_id == delivery_id))
                write.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id == delivery_id)
                    .values(
                        state=State.DEAD.value,
                        code=code,
                        reason=reason,
                        due_at=None,
                        fencing=deliveries.c.fencing + 1,
                        changed_at=now,
                    )
                )
                events.append(write, now, delivery_id, "dead", actor=who, code=code, reason=reason)
            return Adopted(new=len(free), known=len(known), under_way=under_way)

    def receipts(
        self,
        target: str,
        found: Sequence[tuple[str, str, Receipt]],
        links: Sequence[cross_references.Link] = (),
        *,
        replace: bool = False,
    ) -> int:
        """Records that deliveries share (customers): steps with these (key, operation) come back confirmed.

        A receipt that is there stays. Gives how many are new. Raises CrossReferenceConflict: then none is.

        Args:
            replace: a person says that the record is another one by now (the old one was deleted or merged): the old
                receipt and link are forgotten, by unfinished deliveries as well.
        """
        with self._database.write(durable=True) as write:
            now = self._database.now()
            if replace:
                found = [one for one in found if _forget(write, target, *one)]
            count = sum(_receipt(write, now, target, *one, delivery_id=None) for one in found)
            for link in links:
                cross_references.record(write, now, link, replace)
            return count

    def finished(self, route: str, target: str, until: datetime) -> None:
        """All that the target held of documents placed before `until` is linked."""
        with self._database.write() as write:
            advance(self._database, write, target, f"adopted/{route}", until, "", "adopt")

    def finished_until(self, route: str, target: str) -> datetime | None:
        """See `finished`; None where the route was never adopted."""
        with self._database.read() as read:
            return read.execute(_POSITION, {"of_connection": target, "of_entity": f"adopted/{route}"}).scalar()

    def left_out(
        self, route: str, flow: str, connection: str, entity: str, code: str, only: Collection[str] | None = None
    ) -> list[int]:
        """Received ids, the newest of each record, that this flow made nothing of for this reason (`received.rewind`
        lets it handle them again). `only`: of these native ids."""
        query = sa.select(notes.c.native_id).where(
            notes.c.route == route,
            notes.c.flow == flow,
            notes.c.connection == connection,
            notes.c.entity == entity,
            notes.c.code == code,
        )
        newest = sa.select(sa.func.max(received.c.id)).where(among(connection, entity))
        ids: list[int] = []
        with self._database.read() as read:
            names = set(read.execute(query).scalars())
            for some in chunks(sorted(names if only is None else names & set(only))):
                group = newest.where(received.c.native_id.in_(some)).group_by(received.c.scope, received.c.native_id)
                ids += read.execute(group).scalars()
        return ids

    @staticmethod
    def _sorted(
        write: sa.Connection, route: str, flow: str, documents: Sequence[NewDelivery]
    ) -> tuple[dict[EntityKey, int | None], set[EntityKey], tuple[str, ...]]:
        """Keys that nothing was sent of, with their delivery if there is one; keys that are delivered; numbers of
        those that somebody works on."""
        by_target: dict[str, list[EntityKey]] = {}
        for document in documents:
            by_target.setdefault(document.target, []).append(document.key)
        current: dict[EntityKey, Delivery] = {}
        for target, keys in by_target.items():
            current |= accepting.latest(write, route, flow, target, keys, lock=True)
        begun = accepting.begun(write, [delivery.id for delivery in current.values()])
        free: dict[EntityKey, int | None] = {}
        known: set[EntityKey] = set()
        under_way = []
        for document in documents:
            before = current.get(document.key)
            if before is None:
                free[document.key] = None
            elif before.state is State.DELIVERED:
                known.add(document.key)
            elif before.id in begun or before.state is State.CLAIMED or before.sequence > 1:
                under_way.append(document.number)
            else:
                free[document.key] = before.id
        return free, known, tuple(under_way)


def _deliver(write: sa.Connection, now: datetime, delivery_id: int, one: AdoptedDocument, who: str) -> None:
    """The delivery as it would stand after it was sent; its claim, should somebody have it, is fenced off."""
    write.execute(sa.delete(steps).where(steps.c.delivery_id == delivery_id))
    write.execute(sa.delete(requirements).where(requirements.c.delivery_id == delivery_id))
    write.execute(
        sa.insert(steps),
        {
            "delivery_id": delivery_id,
            "name": one.step.name,
            "position": 0,
            "operation": one.step.operation,
            "key": one.step.key,
            "concerns": one.step.concerns or one.step.key,
            "optional": False,
            "state": StepState.CONFIRMED.value,
            "receipt": codec.to_text(one.receipt),
            "changed_at": now,
        },
    )
    write.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(
            state=State.DELIVERED.value,
            facts=codec.to_text(one.document.facts),
            payload=one.document.payload,
            version=one.document.version,
            corrected=None,
            code="",
            reason="",
            due_at=None,
            fencing=deliveries.c.fencing + 1,
            changed_at=now,
            finished_at=now,
        )
    )
    free_keys(write, [delivery_id])
    events.append(
        write,
        now,
        delivery_id,
        "adopted",
        step=one.step.name,
        actor=who,
        target_id=one.receipt.target_id,
        number=one.receipt.number,
    )
    release_followers(write, now, [delivery_id])


def _forget(write: sa.Connection, target: str, key: str, operation: str, receipt: Receipt) -> bool:
    """The receipt under the key, where it is of another record; False where it is of this one."""
    mine = (receipts.c.target == target, receipts.c.key == key, receipts.c.operation == operation)
    known = write.execute(sa.select(receipts.c.receipt).where(*mine)).scalar()
    if known is not None and receipt_of(known).target_id == receipt.target_id:
        return False
    write.execute(sa.delete(receipts).where(*mine))
    unfinished = sa.select(deliveries.c.id).where(deliveries.c.target == target, deliveries.c.finished_at.is_(None))
    write.execute(
        sa.update(steps)
        .where(
            steps.c.delivery_id.in_(unfinished),
            steps.c.key == key,
            steps.c.operation == operation,
            steps.c.state == StepState.CONFIRMED.value,
        )
        .values(receipt=codec.to_text(receipt))
    )
    return True


def _receipt(
    write: sa.Connection,
    now: datetime,
    target: str,
    key: str,
    operation: str,
    receipt: Receipt,
    delivery_id: int | None,
) -> bool:
    values = {
        "target": target,
        "key": key,
        "operation": operation,
        "receipt": codec.to_text(receipt),
        "delivery_id": delivery_id,
        "confirmed_at": now,
    }
    statement = upsert(write, receipts).on_conflict_do_nothing().returning(receipts.c.key)
    return write.execute(statement, values).first() is not None
