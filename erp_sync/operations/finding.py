"""Open letters: dead letters, records in quarantine, documents that wait for what the target lacks or a decision, and
those that are delivered but for a step that the target refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.model.keys import EntityKey
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.record_fields import RecordFields

OPEN = (State.DEAD, State.HELD, State.WAITING)


def found(here: Installation, word: str) -> Delivery | Quarantined:
    """What a word names: ``d12``, ``q7``, or the number of a document of which one letter is open. Raises CannotDo."""
    if (named := letter_id(word)) is not None:
        one = _by_id(here, *named)
        if one is None:
            raise CannotDo(f"{word} is no open letter; next: erp-sync deadletters --each, or erp-sync trace {word[1:]}")
        return one
    keys = documents(here, word)
    some: list[Delivery | Quarantined] = [
        *here.ledger.deliveries.of(keys, OPEN),
        *_went_without(here, here.ledger.deliveries.of(keys, [State.DELIVERED])),
        *here.ledger.quarantine.of(keys),
    ]
    if len(some) == 1:
        return some[0]
    if some:
        raise CannotDo(f"{word} names several letters; say which: {', '.join(map(identity, some))}")
    raise CannotDo(f"{word} is no open letter; next: erp-sync deadletters --each, or erp-sync trace {word}")


def letter_id(word: str) -> tuple[str, int] | None:
    """("d", 12) of ``d12``, ("q", 7) of ``q7``: that one and no other; None of what may be a document's number."""
    return (word[0], int(word[1:])) if word[:1] in ("d", "q") and word[1:].isdigit() and len(word) < 19 else None


def documents(here: Installation, word: str) -> list[EntityKey]:
    """Keys of the documents that a word names: by number, or by an id here or in a system.

    A value that merely stands in a record (a SKU, an e-mail address) names none: what a person decides is done to what
    was named. Of a record in quarantine nobody has read the number yet: it is read here.
    """
    if keys := here.ledger.identifying.called(word):
        return keys
    fields, refused = RecordFields(here), here.ledger.quarantine.of(here.ledger.identifying.refused(word))
    return sorted({row.key for row in refused if fields.number(row) == word})


def open_letters(here: Installation, code: str | None = None) -> Iterator[Delivery | Quarantined]:
    """All of them, or those of one code; page by page."""
    for page in here.ledger.deliveries.pages(states=OPEN, code=code):
        yield from page
    for rows in here.ledger.quarantine.pages(rule=code):
        yield from rows


def code_of(one: Delivery | Quarantined) -> str:
    """What lists group it by."""
    return one.code if isinstance(one, Delivery) else one.rule


def _by_id(here: Installation, kind: str, number: int) -> Delivery | Quarantined | None:
    if kind == "q":
        return next(iter(here.ledger.quarantine.some([number])), None)
    named = here.ledger.deliveries.some([number])
    return next((one for one in named if one.state in OPEN), None) or next(iter(_went_without(here, named)), None)


def _went_without(here: Installation, some: Sequence[Delivery]) -> list[Delivery]:
    """Those of them that are delivered but for a step, with its code and reason as their own."""
    left = {one.delivery_id: one for one in here.ledger.left_out.of([one.id for one in some])}
    return [
        msgspec.structs.replace(one, code=left[one.id].code, reason=left[one.id].message, changed_at=left[one.id].since)
        for one in some
        if one.id in left and one.state is State.DELIVERED
    ]


def identity(one: Delivery | Quarantined) -> str:
    """As `found` takes it."""
    return f"d{one.id}" if isinstance(one, Delivery) else f"q{one.id}"
