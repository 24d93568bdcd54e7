"""Rows of plans as values: their states, claims on them, refusals."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class RowState(StrEnum):
    """States of a plan's row.

    held       its plan waits for a decision
    due        may be claimed from `due_at`
    claimed    an owner prepares it until its lease ends
    sending    durable before the request leaves
    accepted   the target took it and is not done: its handle is asked with from `due_at` on, outside any claim
    applied    final: the target has it, known state says so
    refused    final: the target said no; the next comparison sees it in `Plans.refusals`
    unknown    final: no trustworthy answer; its key is read again after the settle time, and replanned
    overtaken  final: a newer comparison or a newer version of the source took its place
    rejected, expired   final, as its plan
    """

    HELD = "held"
    DUE = "due"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    OVERTAKEN = "overtaken"
    REJECTED = "rejected"
    EXPIRED = "expired"


OPEN = (RowState.HELD, RowState.DUE, RowState.CLAIMED, RowState.SENDING, RowState.ACCEPTED)

#: The key of such a row may be changing at the target.
IN_FLIGHT = (RowState.CLAIMED, RowState.SENDING, RowState.ACCEPTED)


class ClaimedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row to apply, or, where it has a `handle`, to ask the target about: it took the row already.

    `before` and `after` are JSON text.
    """

    id: int
    plan_id: int
    scope: str
    key: str
    action: str
    before: str | None
    after: str | None
    reason: str
    source_version: str
    source_order: int
    attempts: int
    handle: str = ""
    sent_at: datetime | None = None


class RowClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to apply some rows of one entity until `lease_until`. `token` is its fence.

    `died_with`: ids of rows with whose keys a process died lately.
    """

    route: str
    flow: str
    target: str
    entity: str
    owner: str
    token: str
    lease_until: datetime
    rows: tuple[ClaimedRow, ...]
    died_with: frozenset[int] = frozenset()


class PutBack(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were not sent, for one reason: due again at `due_at`. `code`: what they wait for."""

    rows: tuple[ClaimedRow, ...]
    why: str
    due_at: datetime
    code: str = ""


class RowsDue(msgspec.Struct, frozen=True, kw_only=True):
    route: str
    flow: str
    target: str
    lane: str
    count: int
    oldest: datetime


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The latest refusal of a key: what was to be written, and what the target said."""

    key: str
    scope: str
    after: str | None
    code: str
    message: str
    at: datetime
