"""Deliveries as values: what flows hand in and get back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.lanes import LANES
from erp_sync.model.keys import EntityKey
from erp_sync.ports.differences import Difference
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Receipt


class State(StrEnum):
    """States of a delivery. Kept: the final ones until retention removes them, the others for ever.

    waiting     lacks requirements, or an earlier delivery of the same document is not finished.
                In: accept, wait_for. Out: due (released, or to be looked at again), dead (deadline).
    due         may be claimed from `due_at`. In: accept, later, release, retry, rescue. Out: claimed.
    claimed     one owner works on it until its lease ends. Out: any (superseded: withdrawn, nothing of it having
                left); due by the rescuer.
    delivered   final: every step confirmed, or refused where optional.
    dead        a dead letter: needs a person or a change of data. Out: due (retry, a newer version of a
                delivery that had not begun), dismissed.
    held        waits for a person's approval. Out: due (approved), dismissed (rejected), due (replaced).
    dismissed   final: a person decided that it is not delivered.
    superseded  final: a newer version made it superfluous before it began.
    """

    WAITING = "waiting"
    DUE = "due"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    DEAD = "dead"
    HELD = "held"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"


#: `NewDelivery.operation` of what takes a document back at the target.
CANCEL = "cancel"
FINISHED = (State.DELIVERED, State.DISMISSED, State.SUPERSEDED)
#: Payload of what ended so long ago that its content was forgotten (`retention`).
FORGOTTEN = b"{}"


class StepState(StrEnum):
    """States of a step.

    planned    not sent, or certainly not arrived. Out: sending.
    sending    durable before the request leaves. Out: all others; unknown by the rescuer.
    unknown    the request left, no trustworthy answer came; `settle_until` says when to ask or send again.
    accepted   the target took it but is not done: `handle`.
    confirmed  final: `receipt`.
    refused    the target said no and applied nothing.
    """

    PLANNED = "planned"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class NewDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document to deliver.

    Attributes:
        key: of the document at its source.
        target: connection that it goes to.
        version: of the document at its source.
        payload: the canonical document as JSON (`msgspec.json.encode`).
        source_time: orders versions; where absent the order of acceptance does. UTC.
        arose_at: when the document arose at its source, UTC: of a lane the oldest goes first, whenever it was received.
            A follow-up arose when the source changed it (`source_time`). Where absent the time of acceptance counts.
        number: what people call the document, e.g. the order number; `trace` finds by it.
        operation: what it is, in the flow's words: ``create``, ``update``, ``cancel`` ...
        lane: ``now``, ``normal`` or ``bulk``.
        concerns: deliveries with the same (target, concerns) are not claimed together, e.g. the e-mail of a
            guest, so that two of his orders do not run into each other. Empty: none.
        corrects: it puts back what another document sent, and is never the first of its own: nothing counts it as new.
        follow_up: what to do where an earlier delivery of the document has begun or is delivered: deliver
            this one after it (True), or nothing, because what changed does not concern the target (False).
        requirements: what is known to be missing at the target; the delivery then waits for it.
        deadline: when waiting becomes a dead letter.
        facts: small things for lists and checks (totals, tags), JSON.
        differences: both calculations of its amounts, where it is `held` for them.
        received_id: what it was made of.
        mapping: version of the mapping that made it; stands in its facts and with its events.
    """

    key: EntityKey
    target: str
    version: str
    payload: bytes
    source_time: datetime | None = None
    arose_at: datetime | None = None
    number: str = ""
    operation: str = "create"
    lane: str = "normal"
    concerns: str = ""
    corrects: bool = False
    follow_up: bool = True
    requirements: tuple[Requirement, ...] = ()
    deadline: datetime | None = None
    due_at: datetime | None = None
    held: tuple[str, str] | None = None
    facts: dict[str, Any] = {}
    differences: tuple[Difference, ...] = ()
    received_id: int | None = None
    mapping: str = ""


class Change(StrEnum):
    """What `accept` did with a document."""

    NEW = "new"
    REPLACED = "replaced"  # an earlier version had not begun: this one took its place
    FOLLOW_UP = "follow_up"  # comes after an earlier delivery that has begun or is done
    SAME = "same"  # this version is in the ledger already
    STALE = "stale"  # a newer version is in the ledger already
    NOTHING = "nothing"  # the flow said that the change does not concern the target


class Accepted(msgspec.Struct, frozen=True):
    """`id` of the delivery that stands for the document now."""

    id: int
    change: Change


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. `payload` is what is to be delivered: the corrected one where a person corrected it.

    Attributes:
        due_at: when it may be claimed, or looked at again; while claimed: when the lease ends.
        follows: id of the delivery of the same document that has to be finished before.
        attempts: how often a step of it was sent.
        differences: both calculations of its amounts, where it is, or was, held for them.
        allowed: what a person let pass of them; later versions of the document keep it.
    """

    id: int
    route: str
    flow: str
    key: EntityKey
    sequence: int
    number: str
    version: str
    source_time: datetime | None
    operation: str
    target: str
    lane: str
    concerns: str
    state: State
    payload: bytes
    corrected: bool
    facts: dict[str, Any]
    code: str
    reason: str
    queued_at: datetime
    due_at: datetime | None
    deadline: datetime | None
    owner: str
    fencing: int
    attempts: int
    follows: int | None
    received_id: int | None
    run_id: str
    accepted_at: datetime
    changed_at: datetime
    finished_at: datetime | None
    differences: tuple[Difference, ...] = ()
    allowed: tuple[Difference, ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to work on a delivery until `lease_until`. Every write names its fencing number."""

    delivery: Delivery
    owner: str
    fencing: int
    lease_until: datetime
    run_id: str = ""

    @property
    def id(self) -> int:
        return self.delivery.id

    def __str__(self) -> str:
        return f"delivery {self.delivery.id} ({self.delivery.key})"


class StepPast(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a step's attempts: how often it was refused, by code, since it was accepted or retried by a
    person; when the last one ended of which nobody knows what became of it (UTC)."""

    refusals: dict[str, int] = {}
    unanswered_at: datetime | None = None


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step as the ledger has it. Times UTC; `receipt` once confirmed."""

    delivery_id: int
    name: str
    position: int
    operation: str
    key: str
    concerns: str
    after: tuple[str, ...]
    optional: bool
    state: StepState
    attempts: int
    sent_at: datetime | None
    settle_until: datetime | None
    handle: str
    receipt: Receipt | None
    code: str
    message: str
    changed_at: datetime


def delivery_of(row: sa.Row, leave_out: Collection[str] = ()) -> Delivery:
    """Of a row of deliveries; columns to `leave_out` are another table's."""
    values = {name: value for name, value in row._mapping.items() if name not in leave_out}
    corrected = values.pop("corrected")
    values["key"] = EntityKey(
        connection=values.pop("connection"),
        scope=values.pop("scope"),
        entity=values.pop("entity"),
        native_id=values.pop("native_id"),
    )
    values["payload"] = corrected if corrected is not None else values["payload"]
    values["corrected"] = corrected is not None
    values["facts"] = codec.from_json(values["facts"])
    values["differences"] = differences_of(values["differences"])
    values["allowed"] = differences_of(values["allowed"])
    values["lane"] = LANES[values["lane"]]
    values["state"] = State(values["state"])
    return Delivery(**values)


def step_of(row: sa.Row) -> StepRow:
    values = dict(row._mapping)
    values.pop("settle_seconds", None)
    values["after"] = tuple(codec.from_json(values["after"]))
    values["state"] = StepState(values["state"])
    values["receipt"] = receipt_of(values["receipt"]) if values["receipt"] else None
    return StepRow(**values)


def differences_of(text: str) -> tuple[Difference, ...]:
    return _differences.decode(text) if text else ()


_differences = msgspec.json.Decoder(tuple[Difference, ...])


def receipt_of(text: str) -> Receipt:
    return msgspec.json.decode(text, type=Receipt)


def lane_ranks(lanes: Sequence[str]) -> list[int]:
    from erp_sync.ledger.lanes import lane_rank

    return [lane_rank(lane) for lane in lanes]
