"""One letter as a person sees it who has to decide: what, why, what it holds, what was tried, what can be done.

Dead letters, records in quarantine, and documents that wait for what the target lacks or for a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State, codec
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.monitoring import reasons
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.differences import Difference

OPEN = (State.DEAD, State.HELD, State.WAITING)


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One send, or one thing that somebody did."""

    at: datetime
    what: str
    who: str = ""
    outcome: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One letter. `payload` is what would go now, `original` what it was before somebody corrected it."""

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
    payload: Any
    original: Any = None
    corrections: list[Tried] = []
    tried: list[Tried] = []
    differences: list[Difference] = []
    can_do: list[str] = []


def found(here: Installation, word: str) -> Delivery | Quarantined:
    """What a word names: ``d12``, ``q7``, or the number of a document of which one letter is open. Raises CannotDo."""
    if word[:1] in ("d", "q") and word[1:].isdigit() and len(word) < 19:
        one = _by_id(here, word[0], int(word[1:]))
        if one is None:
            raise CannotDo(f"{word} is no open letter; next: erp-sync deadletters --each, or erp-sync trace {word[1:]}")
        return one
    keys = here.ledger.identifying.documents(word)
    some: list[Delivery | Quarantined] = [
        *here.ledger.deliveries.of(keys, OPEN),
        *here.ledger.quarantine.of(keys),
    ]
    if len(some) == 1:
        return some[0]
    if some:
        raise CannotDo(f"{word} names several letters; say which: {', '.join(map(identity, some))}")
    raise CannotDo(f"{word} is no open letter; next: erp-sync deadletters --each, or erp-sync trace {word}")


def open_letters(here: Installation, code: str | None = None) -> Iterator[Delivery | Quarantined]:
    """All of them, or those of one code; page by page."""
    for page in here.ledger.deliveries.pages(states=OPEN, code=code):
        yield from page
    for rows in here.ledger.quarantine.pages(rule=code):
        yield from rows


def code_of(one: Delivery | Quarantined) -> str:
    """What lists group it by."""
    return one.code if isinstance(one, Delivery) else one.rule


def told(here: Installation, word: str) -> Told:
    """Everything about one letter. Raises CannotDo for what is none."""
    one = found(here, word)
    return _of_delivery(here, one) if isinstance(one, Delivery) else _of_row(here, one)


def _by_id(here: Installation, kind: str, number: int) -> Delivery | Quarantined | None:
    if kind == "q":
        return next(iter(here.ledger.quarantine.some([number])), None)
    return next((one for one in here.ledger.deliveries.some([number]) if one.state in OPEN), None)


def identity(one: Delivery | Quarantined) -> str:
    """As `found` takes it."""
    return f"d{one.id}" if isinstance(one, Delivery) else f"q{one.id}"


def _of_delivery(here: Installation, one: Delivery) -> Told:
    trace = here.ledger.trace(one.key)
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
        payload=_decoded(one.payload),
        original=_decoded(original) if original is not None else None,
        corrections=[entry for entry in decided if entry.what == "edited"],
        tried=sorted([*sends, *(entry for entry in decided if entry.what != "edited")], key=lambda entry: entry.at),
        differences=list(one.differences) if one.state is State.HELD else [],
        can_do=_can_do(f"d{one.id}", one.state, one.code),
    )


def _of_row(here: Installation, row: Quarantined) -> Told:
    corrections = []
    if row.received_id is not None:
        corrections = here.ledger.corrections.of(row.received_id, row.route, row.flow)
    payload = corrections[-1].corrected if corrections else row.row
    return Told(
        id=f"q{row.id}",
        route=row.route,
        flow=row.flow,
        what=f"{row.entity} {row.native_id} of {row.connection}",
        number=row.native_id,
        state="quarantine",
        code=row.rule,
        reason=row.problem,
        meaning=reasons.meaning(row.rule),
        runbook=reasons.address(row.rule, here.settings.runbook_url),
        since=row.last_at,
        payload=_decoded(payload),
        original=_decoded(corrections[0].original) if corrections else None,
        corrections=[Tried(at=one.at, what="edited", who=one.who, outcome=one.why) for one in corrections],
        tried=[Tried(at=row.last_at, what=f"transformed, refused {row.times} times")],
        can_do=_can_do(f"q{row.id}", None, row.rule),
    )


def _can_do(letter: str, state: State | None, code: str) -> list[str]:
    own = [reasons.remedy(code)]
    if state is State.HELD:
        ways = [f"erp-sync approve {letter} --why TEXT", f"erp-sync reject {letter} --why TEXT"]
    elif state is State.WAITING:
        ways = [f"erp-sync deadletters fix {letter}"]
    else:
        ways = [
            f"erp-sync deadletters fix {letter}",
            f"erp-sync retry {letter}",
            f"erp-sync deadletters dismiss {letter} --why TEXT",
        ]
    return [*own, *ways, f"erp-sync deadletters edit {letter} --set FIELD=VALUE --why TEXT"]


def _decoded(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return codec.from_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
