"""Documents that their source cancelled while the target has them in work: taken back, or soon asked about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from erp_sync.ledger import events
from erp_sync.ledger.documents import CANCEL, Claim, State
from erp_sync.ledger.ending import end_claim, refuse_in_flight
from erp_sync.ledger.leases import lock_claim
from erp_sync.ledger.releasing import free_keys, release_followers
from erp_sync.ledger.schema import deliveries, steps
from erp_sync.ledger.sql import chunks
from erp_sync.ports.outcomes import APPROVAL_REJECTED

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_CANCELLATIONS = sa.select(deliveries.c.id).where(
    deliveries.c.follows == sa.bindparam("of_delivery"),
    deliveries.c.operation == CANCEL,
    deliveries.c.state == State.WAITING,
)
_END = sa.update(deliveries).where(deliveries.c.id.in_(sa.bindparam("of_ids", expanding=True)))
_HASTEN = (
    sa.update(deliveries)
    .where(
        deliveries.c.id == sa.bindparam("of_delivery"),
        deliveries.c.state == State.DUE,
        deliveries.c.due_at > sa.bindparam("of_now", type_=deliveries.c.due_at.type),
        sa.exists().where(steps.c.delivery_id == deliveries.c.id, steps.c.state == "accepted"),
    )
    .values(due_at=sa.bindparam("of_now", type_=deliveries.c.due_at.type))
)


# What a person rejected there may be approved after all.
_REJECTED = (
    sa.update(deliveries)
    .where(
        deliveries.c.id == sa.bindparam("of_delivery"),
        deliveries.c.state == State.DEAD,
        deliveries.c.code == APPROVAL_REJECTED,
    )
    .values(state=State.DUE.value, due_at=sa.bindparam("of_now", type_=deliveries.c.due_at.type), code="", reason="")
)


def hasten(write: sa.Connection, now: datetime, delivery_id: int) -> None:
    """What waits at the target, for a person perhaps, or was rejected by one, is looked at now: its cancellation has
    come, and it is to be taken back."""
    given = {"of_delivery": delivery_id, "of_now": now}
    write.execute(_HASTEN, given)
    if write.execute(_REJECTED, given).rowcount:
        events.append(write, now, delivery_id, "released", because="it was cancelled at its source")


class TakingBack:
    """A part of `ledger.deliveries`."""

    _database: Database

    def is_cancelled_after(self, delivery_id: int) -> bool:
        """Whether the cancellation of its document waits for it to be finished."""
        with self._database.read() as read:
            return read.execute(_CANCELLATIONS, {"of_delivery": delivery_id}).first() is not None

    def taken_back(self, claim: Claim, code: str, reason: str) -> None:
        """Its document was cancelled at the source, and the target has nothing of it and will have nothing: superseded,
        and with it the cancellation that waits for it. Raises LeaseLost, WrongState (sending)."""
        with self._database.write(durable=True) as write:
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            now = self._database.now()
            end_claim(write, now, claim, State.SUPERSEDED, "withdrawn", code=code, reason=reason)
            free_keys(write, [claim.id])
            ids = [row.id for row in write.execute(_CANCELLATIONS, {"of_delivery": claim.id}).all()]
            for some in chunks(ids):
                values = {"state": State.SUPERSEDED.value, "code": code, "reason": reason, "due_at": None}
                write.execute(_END, {"of_ids": list(some), **values, "changed_at": now, "finished_at": now})
                events.append_all(write, now, list(some), "withdrawn", run_id=claim.run_id, code=code, reason=reason)
            release_followers(write, now, [claim.id, *ids])
