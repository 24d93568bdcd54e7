"""How a claim on a delivery ends: its new state and what happened, in one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import codec, events
from erp_sync.ledger.documents import FINISHED, Claim, State
from erp_sync.ledger.errors import LeaseLost, WrongState
from erp_sync.ledger.leases import HELD, holder
from erp_sync.ledger.schema import deliveries, delivery_events, steps
from erp_sync.ports.differences import Difference

_END = sa.update(deliveries).where(HELD)


def end_claim(
    write: sa.Connection,
    now: datetime,
    claim: Claim,
    state: State,
    kind: str,
    *,
    code: str = "",
    reason: str = "",
    due_at: datetime | None = None,
    deadline: datetime | None = None,
    differences: Sequence[Difference] = (),
) -> None:
    """Raises LeaseLost, and then wrote nothing."""
    values: dict[str, Any] = {
        "state": state.value,
        "owner": "",
        "code": code,
        "reason": reason,
        "due_at": due_at,
        "changed_at": now,
        "finished_at": now if state in FINISHED else None,
    }
    if deadline is not None:
        values["deadline"] = deadline
    if differences:
        values["differences"] = codec.to_text(differences)
    if not write.execute(_END, {**holder(claim), **values}).rowcount:
        raise LeaseLost(str(claim), claim.owner, claim.fencing)
    details: dict[str, Any] = {"code": code, "reason": reason, "due_at": due_at}
    given = {name: value for name, value in details.items() if value}
    if differences:
        given["differences"] = [str(one) for one in differences if one.beyond]
    events.append(write, now, claim.id, kind, actor=claim.owner, run_id=claim.run_id, **given)


_END_ALL = sa.update(deliveries).where(deliveries.c.id.in_(sa.bindparam("of_ids", expanding=True)))


def end_claims(write: sa.Connection, now: datetime, claims: Sequence[Claim], state: State, kind: str) -> None:
    """Many claims end alike for good. The caller has locked their rows: `lock_claims`."""
    if not claims:
        return
    values = {
        "state": state.value,
        "owner": "",
        "code": "",
        "reason": "",
        "due_at": None,
        "changed_at": now,
        "finished_at": now,
    }
    write.execute(_END_ALL, {"of_ids": [claim.id for claim in claims], **values})
    by_owner: dict[tuple[str, str], list[int]] = {}
    for claim in claims:
        by_owner.setdefault((claim.owner, claim.run_id), []).append(claim.id)
    for (owner, run_id), ids in by_owner.items():
        events.append_all(write, now, ids, kind, actor=owner, run_id=run_id)


def refuse_in_flight(write: sa.Connection, claim: Claim) -> None:
    """A delivery is not given back while a step may be on its way: its outcome is recorded first."""
    sending = write.execute(
        sa.select(steps.c.name).where(steps.c.delivery_id == claim.id, steps.c.state == "sending")
    ).scalar()
    if sending is not None:
        raise WrongState(f"step {sending} of {claim}", "sending", "record its outcome first (`steps.unknown` at least)")


def defects_so_far(write: sa.Connection, delivery_id: int) -> int:
    """How often a defect of ours has stopped the delivery since it was made, replaced or retried."""
    anew = sa.select(sa.func.coalesce(sa.func.max(delivery_events.c.id), 0)).where(
        delivery_events.c.delivery_id == delivery_id, delivery_events.c.kind.in_(("accepted", "replaced", "retried"))
    )
    query = sa.select(sa.func.count()).where(
        delivery_events.c.delivery_id == delivery_id,
        delivery_events.c.kind == "defect",
        delivery_events.c.id > anew.scalar_subquery(),
    )
    return int(write.execute(query).scalar_one())
