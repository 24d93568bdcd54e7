"""What happened to a delivery, appended in the transaction in which it happened. Never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.schema import delivery_events
from erp_sync.ledger.sql import insert_columns


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    at: when, UTC.
    kind: accepted, replaced, claimed, planned, sending, confirmed, unknown, refused, not_sent,
        accepted_by_target, delivered, waiting, released, later, dead, held, retried, edited, dismissed,
        approved, rescued, lost_owner, defect ...
    delivery_id: 0 for what happened to the record before there was a delivery.
    details: facts of the kind.
    """

    at: datetime
    kind: str
    delivery_id: int = 0
    step: str = ""
    actor: str = ""
    run_id: str = ""
    details: dict[str, Any] = {}


_APPEND = sa.insert(delivery_events)


def append(
    write: sa.Connection,
    at: datetime,
    delivery_id: int,
    kind: str,
    *,
    step: str = "",
    actor: str = "",
    run_id: str = "",
    **details: Any,
) -> None:
    append_all(write, at, [delivery_id], kind, step=step, actor=actor, run_id=run_id, **details)


def append_all(
    write: sa.Connection,
    at: datetime,
    delivery_ids: Sequence[int],
    kind: str,
    *,
    step: str = "",
    actor: str = "",
    run_id: str = "",
    **details: Any,
) -> None:
    if not delivery_ids:
        return
    same = {"at": at, "kind": kind, "step": step, "actor": actor, "run_id": run_id, "details": codec.to_text(details)}
    if len(delivery_ids) == 1:
        write.execute(_APPEND, {"delivery_id": delivery_ids[0], **same})
    else:
        insert_columns(write, delivery_events, same, {"delivery_id": delivery_ids})
