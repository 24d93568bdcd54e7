"""A person's decision on a held delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from erp_sync.ledger import codec, events
from erp_sync.ledger.documents import State, differences_of
from erp_sync.ledger.errors import NotInLedger, WrongState
from erp_sync.ledger.releasing import before_is_open, release_followers
from erp_sync.ledger.schema import approvals, deliveries
from erp_sync.ports.differences import allowing

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


def decide(database: Database, delivery_id: int, decision: str, who: str, why: str, state: State) -> None:
    """It is due, or dismissed. Who, why and what differs in it are in its events and among the approvals.

    Raises NotInLedger, WrongState, ValueError (nobody's name).
    """
    if not who:
        raise ValueError("a decision needs the name of who decides")
    with database.write(durable=True) as write:
        now = database.now()
        row = write.execute(
            sa.select(deliveries.c.state, deliveries.c.differences, deliveries.c.allowed)
            .where(deliveries.c.id == delivery_id)
            .with_for_update()
        ).first()
        if row is None:
            raise NotInLedger(f"delivery {delivery_id}")
        if row.state != State.HELD:
            raise WrongState(f"delivery {delivery_id}", row.state, "only a held one can be decided on")
        values: dict[str, Any] = {"state": state.value, "changed_at": now, "due_at": None}
        told: dict[str, Any] = {}
        differences = differences_of(row.differences)
        if differences:
            told["differences"] = [str(one) for one in differences if one.beyond]
        if differences and state is State.DUE:
            values["allowed"] = codec.to_text(allowing(differences_of(row.allowed), differences))
        if state is State.DISMISSED:
            values.update(finished_at=now, reason=why)
        elif before_is_open(write, delivery_id):
            values.update(state=State.WAITING.value, reason="comes after the delivery before it")
        else:
            values["due_at"] = now
        write.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
        write.execute(
            sa.insert(approvals),
            {
                "subject": "delivery",
                "subject_id": delivery_id,
                "decision": decision,
                "who": who,
                "why": why,
                "at": now,
            },
        )
        events.append(write, now, delivery_id, decision, actor=who, why=why, **told)
        if state is State.DISMISSED:
            release_followers(write, now, [delivery_id])
