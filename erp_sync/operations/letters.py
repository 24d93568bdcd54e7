"""One letter as a person sees it who has to decide: what, why, what it holds, what was tried, what can be done.

Dead letters, records in quarantine, documents that wait for what the target lacks or for a decision, and those that are
delivered but for a step that the target refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State, codec
from erp_sync.ledger.dead_letters import LACKING
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.monitoring import reasons
from erp_sync.operations import proposing
from erp_sync.operations.finding import found
from erp_sync.operations.record_fields import RecordFields
from erp_sync.ports.differences import Difference

#: What a remedy's commands leave open, which is known of one letter.
_COMMAND, _WORD, _SET = re.compile(r"`[^`]*`"), re.compile(r"\b(?:ID|NUMBER)\b"), re.compile(r"--set \S+=VALUE")


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One send, or one thing that somebody did."""

    at: datetime
    what: str
    who: str = ""
    outcome: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One letter.

    Attributes:
        payload: what would go now; `original`: what it was before somebody corrected it.
        deadline: when what waits becomes a dead letter, UTC; None for what does not.
        proposals: what is likely for each cause that is known, as `erp-sync deadletters fix` applies it.
        can_do: commands as they are to be given, but for what a person has to fill in (VALUE, TEXT).
    """

    id: str
    route: str
    flow: str
    what: str
    number: str
    state: str
    code: str
    reason: str
    meaning: str
    runbook: str
    since: datetime
    deadline: datetime | None = None
    payload: Any
    original: Any = None
    corrections: list[Tried] = []
    tried: list[Tried] = []
    differences: list[Difference] = []
    proposals: list[proposing.Proposal] = []
    can_do: list[str] = []


def told(here: Installation, word: str) -> Told:
    """Everything about one letter. Raises CannotDo for what is none."""
    one = found(here, word)
    return _of_delivery(here, one) if isinstance(one, Delivery) else _of_row(here, one)


def _of_delivery(here: Installation, one: Delivery) -> Told:
    trace, proposals = here.ledger.trace(one.key), proposing.of_one(here, one)
    sends = [
        Tried(at=attempt.ended_at, what=f"sent {attempt.step}, attempt {attempt.attempt}",
              outcome=": ".join(part for part in (attempt.outcome, attempt.message) if part))
        for attempt in trace.attempts
        if attempt.delivery_id == one.id
    ]  # fmt: skip
    decided = [
        Tried(at=event.at, what=event.kind, who=event.actor, outcome=str(event.details.get("why", "")))
        for event in trace.events
        if event.delivery_id == one.id and event.kind in ("retried", "edited", "approved", "rejected")
    ]
    original = trace.originals.get(one.id)
    return Told(
        id=f"d{one.id}",
        route=one.route,
        flow=one.flow,
        what=f"{one.operation} of {one.key.entity} {one.number or one.key.native_id} of {one.key.connection} "
        f"to {one.target}",
        number=one.number or one.key.native_id,
        state=one.state.value,
        code=one.code,
        reason=one.reason,
        meaning=reasons.meaning(one.code),
        runbook=reasons.address(one.code, here.settings.runbook_url),
        since=one.changed_at,
        deadline=one.deadline if one.state is State.WAITING else None,
        payload=_decoded(one.payload),
        original=_decoded(original) if original is not None else None,
        corrections=[entry for entry in decided if entry.what == "edited"],
        tried=sorted([*sends, *(entry for entry in decided if entry.what != "edited")], key=lambda entry: entry.at),
        differences=list(one.differences) if one.state is State.HELD else [],
        proposals=proposals,
        can_do=_can_do(f"d{one.id}", one.state, one.code, one.number or one.key.native_id, proposals),
    )


def _of_row(here: Installation, row: Quarantined) -> Told:
    corrections = []
    if row.received_id is not None:
        corrections = here.ledger.corrections.of(row.received_id, row.route, row.flow)
    payload = corrections[-1].corrected if corrections else row.row
    fields, proposals = RecordFields(here), proposing.of_one(here, row)
    number = fields.number(row)
    return Told(
        id=f"q{row.id}",
        route=row.route,
        flow=row.flow,
        what=f"{row.entity} {number} of {row.connection}",
        number=number,
        state="quarantine",
        code=row.rule,
        reason=row.problem,
        meaning=reasons.meaning(row.rule),
        runbook=reasons.address(row.rule, here.settings.runbook_url),
        since=row.last_at,
        payload=_decoded(payload),
        original=_decoded(corrections[0].original) if corrections else None,
        corrections=[Tried(at=one.at, what="edited", who=one.who, outcome=one.why) for one in corrections],
        tried=[Tried(at=row.last_at, what=f"transformed, refused {row.times} time{'' if row.times == 1 else 's'}")],
        proposals=proposals,
        can_do=_can_do(f"q{row.id}", None, row.rule, number, proposals, fields.to_set(row)),
    )


def _can_do(
    letter: str,
    state: State | None,
    code: str,
    number: str,
    proposals: Sequence[proposing.Proposal],
    fields: Sequence[str] = (),
) -> list[str]:
    """`fields`: those of the document that have to be set."""
    named = {"ID": letter, "NUMBER": number}
    sets = " ".join(f"--set {field}=VALUE" for field in fields)
    remedy = _COMMAND.sub(lambda one: _WORD.sub(lambda word: named[word[0]], one[0]), reasons.remedy(code))
    if sets:
        remedy = _SET.sub(sets, remedy)
    if state is State.DELIVERED:
        return [remedy, f"erp-sync deadletters dismiss {letter} --why TEXT"]
    ways = [f"erp-sync deadletters fix {letter}"] if proposals else []
    if state is State.HELD:
        ways += [f"erp-sync approve {letter} --why TEXT", f"erp-sync reject {letter} --why TEXT"]
    elif state is not State.WAITING or code == LACKING:
        ways += [f"erp-sync retry {letter}", f"erp-sync deadletters dismiss {letter} --why TEXT"]
    return [remedy, *ways, f"erp-sync deadletters edit {letter} {sets or '--set FIELD=VALUE'} --why TEXT"]


def _decoded(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return codec.from_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
