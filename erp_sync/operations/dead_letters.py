"""What needs a person: dead letters, records in quarantine, and what delivered documents went without. They are looked
at, tried again, or dismissed. So is what waits for what its target lacks: named, or chosen by its code.

Ids: ``d12`` is a delivery, ``q7`` a row of the quarantine, ``p3`` a plan; anything else is the number or id of
a document.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

import msgspec

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State
from erp_sync.ledger.dead_letters import LACKING
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.ledger.sql import chunks
from erp_sync.monitoring import reasons
from erp_sync.operations.choosing import CannotDo, flow_name, routes
from erp_sync.operations.finding import documents, identity, letter_id
from erp_sync.operations.record_fields import RecordFields

DELIVERY, QUARANTINE, LEFT_OUT = "delivery", "quarantine", "left_out"
UNDECIDED = (State.HELD, State.WAITING)
#: Letters that a preview names.
SHOWN = 20


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Letters with one code (of the quarantine: one rule). `sample` is the reason of the latest; times UTC."""

    where: str
    route: str
    flow: str
    code: str
    count: int
    oldest: datetime
    latest: datetime
    sample: str
    sample_number: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, or one record in quarantine. `times`: sends of it, or refusals. `found_in`: where the text that
    was searched for stands: number, reason or content."""

    id: str
    route: str
    flow: str
    number: str
    code: str
    reason: str
    since: datetime
    times: int
    found_in: str = ""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be retried: ids of dead letters, rows of the quarantine, and the text that was searched for."""

    deliveries: list[int]
    rows: list[Quarantined]
    matching: str = ""

    @property
    def count(self) -> int:
        return len(self.deliveries) + len(self.rows)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a retry would take: how many, by code, and the latest `SHOWN` of them."""

    count: int
    deliveries: int
    quarantine: int
    codes: dict[str, int]
    letters: list[Letter]


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """What was made due again.

    Attributes:
        deliveries, quarantine: ids.
        planned: rows of plans that the target refused: the next comparison plans their keys anew.
        lost: rows whose record was removed by retention: the source has to be read again.
    """

    deliveries: list[str]
    quarantine: list[str]
    planned: list[str]
    lost: list[str]

    @property
    def count(self) -> int:
        return len(self.deliveries) + len(self.quarantine) + len(self.planned)


def groups(here: Installation, route: str | None = None, flow: str | None = None) -> list[Group]:
    """Grouped by where they lie, route, flow and code, most first. Raises CannotDo for a wrong name."""
    _known(here, route, flow)
    found = [
        Group(
            where=DELIVERY if one.state is State.DEAD else one.state.value,
            route=one.route,
            flow=one.flow,
            code=one.code,
            count=one.count,
            oldest=one.oldest,
            latest=one.latest,
            sample=one.example,
            sample_number=one.example_number,
        )
        for one in here.ledger.dead_letters.groups(route, flow, (State.DEAD, *UNDECIDED))
    ]
    fields, refused = RecordFields(here), here.ledger.quarantine.groups(route, flow)
    numbers = {row.id: fields.number(row) for row in here.ledger.quarantine.some([one.example_row for one in refused])}
    found += [
        Group(
            where=QUARANTINE,
            route=one.route,
            flow=one.flow,
            code=one.rule,
            count=one.count,
            oldest=one.oldest,
            latest=one.latest,
            sample=one.example,
            sample_number=numbers.get(one.example_row, one.example_id),
        )
        for one in refused
    ]
    found += [
        Group(
            where=LEFT_OUT,
            route=one.route,
            flow=one.flow,
            code=one.code,
            count=one.count,
            oldest=one.oldest,
            latest=one.latest,
            sample=one.message,
            sample_number=one.number,
        )
        for one in here.ledger.left_out.groups(route, flow)
    ]
    return sorted(found, key=lambda group: (-group.count, group.route, group.flow, group.code))


def letters(
    here: Installation,
    route: str | None = None,
    flow: str | None = None,
    code: str | None = None,
    limit: int = 200,
) -> list[Letter]:
    """One by one, latest first. Raises CannotDo for a wrong name."""
    _known(here, route, flow)
    _code(here, code)
    found = [
        _letter(one)
        for one in [
            *here.ledger.dead_letters.find(route, flow, code, limit),
            *here.ledger.deliveries.find(route=route, flow=flow, states=UNDECIDED, code=code, limit=limit),
        ]
        if one.code
    ]
    rows = here.ledger.quarantine.find(route=route, flow=flow, rule=code, limit=limit)
    fields = RecordFields(here)
    found += [_row_letter(row, fields) for row in rows]
    found += [
        Letter(
            id=f"d{one.delivery_id}",
            route=one.route,
            flow=one.flow,
            number=one.number,
            code=one.code,
            reason=one.message,
            since=one.since,
            times=one.times,
        )
        for one in here.ledger.left_out.find(route, flow, code, limit)
    ]
    return sorted(found, key=lambda letter: letter.since, reverse=True)[:limit]


def _letter(one: Delivery, found_in: str = "") -> Letter:
    return Letter(
        id=f"d{one.id}",
        route=one.route,
        flow=one.flow,
        number=one.number or one.key.native_id,
        code=one.code,
        reason=one.reason,
        since=one.changed_at,
        times=one.attempts,
        found_in=found_in,
    )


def _row_letter(row: Quarantined, fields: RecordFields, found_in: str = "") -> Letter:
    return Letter(
        id=f"q{row.id}",
        route=row.route,
        flow=row.flow,
        number=fields.number(row),
        code=row.rule,
        reason=row.problem,
        since=row.last_at,
        times=row.times,
        found_in=found_in,
    )


def select(
    here: Installation,
    words: Sequence[str] = (),
    *,
    route: str | None = None,
    flow: str | None = None,
    code: str | None = None,
    matching: str = "",
    everything: bool = False,
) -> Selection:
    """Dead letters and records in quarantine, to be shown or retried.

    Args:
        words: ids (``d12``, ``q7``) or numbers of documents, each of one; with them, route, flow and code do not count.
        matching: only those whose number, reason or content holds this text, in whatever case.
        everything: all there is; without words one of it, route, flow, code and matching is needed.
    Raises CannotDo for what is no dead letter.
    """
    _known(here, route, flow)
    _code(here, code)
    if not words and not (everything or route or flow or code or matching):
        raise CannotDo("say which: an id, an order number, --code, --flow, --route, --matching or --all")
    if words:
        delivery_ids, rows = _chosen(here, words)
        if matching:
            dead = here.ledger.deliveries.some(delivery_ids)
            delivery_ids = [one.id for one in dead if _holds(one, matching)]
            rows = [row for row in rows if _row_holds(row, matching)]
    else:
        delivery_ids, rows = _matching(here, route, flow, code, matching)
    return Selection(deliveries=delivery_ids, rows=rows, matching=matching)


def preview(here: Installation, chosen: Selection) -> Preview:
    """How many, of which codes, and the latest of them. Changes nothing."""
    codes: Counter[str] = Counter(row.rule for row in chosen.rows)
    codes.update(here.ledger.deliveries.codes(chosen.deliveries))
    latest = sorted(chosen.deliveries, reverse=True)[:SHOWN]
    found = [
        _letter(one, _found_in(chosen.matching, one.number, f"{one.code} {one.reason}"))
        for one in sorted(here.ledger.deliveries.some(latest), key=lambda one: -one.id)
    ]
    fields = RecordFields(here)
    newest = sorted((row.id for row in chosen.rows), reverse=True)[: SHOWN - len(found)]
    for row in reversed(here.ledger.quarantine.some(newest)):
        number = fields.number(row)
        text = f"{row.native_id} {number}"
        found.append(_row_letter(row, fields, _found_in(chosen.matching, text, f"{row.rule} {row.problem}")))
    return Preview(
        count=chosen.count,
        deliveries=len(chosen.deliveries),
        quarantine=len(chosen.rows),
        codes=dict(codes.most_common()),
        letters=found,
    )


def _found_in(text: str, number: str, reason: str) -> str:
    """Where the text stands; what a document holds is not shown: it may be a person's data."""
    if not text:
        return ""
    named = {"number": number, "reason": reason}
    return next((name for name, value in named.items() if text.casefold() in value.casefold()), "content")


def retry(
    here: Installation,
    words: Sequence[str] = (),
    *,
    route: str | None = None,
    flow: str | None = None,
    code: str | None = None,
    matching: str = "",
    everything: bool = False,
    who: str,
    why: str = "",
) -> Retried:
    """`select`, then `retry_selected`."""
    chosen = select(here, words, route=route, flow=flow, code=code, matching=matching, everything=everything)
    return retry_selected(here, chosen, who=who, why=why)


def retry_selected(here: Installation, chosen: Selection, *, who: str, why: str = "") -> Retried:
    """Make dead letters due, let the next run transform records in quarantine again, and the next comparison plan
    anew what a target refused. Sends nothing itself.

    Raises NotInLedger or WrongState where one of them is no dead letter any more: then nothing is retried.
    """
    ids = chosen.deliveries
    retried = here.ledger.dead_letters.retry(ids, who=who, why=why) if ids else []
    transform_again(here, retried)
    refused: dict[bool, list[Quarantined]] = {True: [], False: []}
    for row in chosen.rows:
        refused[_of_target(here, row)].append(row)
    _plan_anew(here, refused[True], who)
    again, lost = _rewind(here, refused[False])
    return Retried(
        deliveries=[f"d{one}" for one in retried],
        quarantine=[f"q{row.id}" for row in again],
        planned=[f"q{row.id}" for row in refused[True]],
        lost=[f"q{row.id}" for row in lost],
    )


def _matching(
    here: Installation, route: str | None, flow: str | None, code: str | None, text: str
) -> tuple[list[int], list[Quarantined]]:
    """Ids of dead letters and rows of the quarantine that hold the text; all of them where there is none. Page by
    page: rows come without what they hold."""
    chosen = here.ledger.deliveries
    # All of a code, also those that wait by themselves; else they are left to it.
    states = [State.DEAD, State.WAITING] if code == LACKING else [State.DEAD]
    if text:
        pages = chosen.pages(route=route, flow=flow, code=code, states=states)
        ids = [one.id for page in pages for one in page if _holds(one, text)]
    else:
        ids = chosen.ids(route=route, flow=flow, code=code, states=states)
    rows = [
        msgspec.structs.replace(row, row=None)
        for page in here.ledger.quarantine.pages(route=route, flow=flow, rule=code)
        for row in page
        if not text or _row_holds(row, text)
    ]
    return ids, rows


def _code(here: Installation, code: str | None) -> None:
    """Raises CannotDo for a code that nothing has and that no reason is called: it is misspelt."""
    if code is None or reasons.is_named(code):
        return
    there = sorted({group.code for group in groups(here)})
    if code not in there:
        near = get_close_matches(code, [*there, *reasons.named()], 3)
        meant = f"is {' or '.join(near)} meant?" if near else f"there are now: {', '.join(there) or 'none'}"
        raise CannotDo(f"no letter has the code {code}, and none is called so; {meant}")


def _holds(one: Delivery, text: str) -> bool:
    return text.casefold() in f"{one.number} {one.code} {one.reason} {one.payload.decode()}".casefold()


def _row_holds(row: Quarantined, text: str) -> bool:
    return text.casefold() in f"{row.native_id} {row.rule} {row.problem} {(row.row or b'').decode()}".casefold()


def transform_again(here: Installation, ids: Sequence[int]) -> int:
    """Let the flows make these documents anew of what was received, by the look-up tables of today, where nothing of
    them has left and nobody corrected them. Gives how many."""
    left = ("sending", "unknown", "accepted", "confirmed")
    by_flow: dict[tuple[str, str], list[int]] = {}
    for some in chunks(sorted(ids)):
        steps = here.ledger.steps.of_all(some)
        for one in here.ledger.deliveries.some(some):
            begun = any(step.state in left for step in steps[one.id])
            if one.received_id is not None and not one.corrected and not begun:
                by_flow.setdefault((one.route, one.flow), []).append(one.received_id)
    count = 0
    for (route, flow), received in by_flow.items():
        count += here.ledger.received.rewind(route, flow, sorted(here.ledger.received.kept(received)))
    return count


def dismiss(
    here: Installation,
    words: Sequence[str],
    *,
    without: str | None = None,
    route: str | None = None,
    flow: str | None = None,
    who: str,
    why: str,
) -> list[str]:
    """These are not delivered: entered by hand, or not wanted. Of what a delivered document went without: it is done
    otherwise. Gives their ids. Raises CannotDo, then for none.

    Args:
        without: the code of steps that documents went without: all of them, of this `route` and `flow`.
    """
    if not why.strip():
        raise CannotDo("dismissing needs a reason: --why TEXT")
    left = {word: some for word in words if (some := _left_out(here, word))}
    settled = {one.id for some in left.values() for one in some}
    only: dict[int, str] = {}
    if without is not None:
        only = {one.delivery_id: without for one in here.ledger.left_out.find(route, flow, without, sys.maxsize)}
        if not only:
            place = (f" of flow {flow}" if flow else "") + (f" on route {route}" if route else "")
            raise CannotDo(
                f"nothing delivered{place} went without a step of code {without}; dead letters are dismissed by id"
            )
    delivery_ids, rows = _chosen(here, words, named=left)
    if settled or only:
        here.ledger.left_out.settle(sorted(settled), who, why, only)
    dismissed = here.ledger.dead_letters.dismiss(delivery_ids, who, why) if delivery_ids else []
    for row in rows:
        here.ledger.quarantine.resolve(
            row.connection, row.entity, [row.native_id], f"dismissed by {who}: {why}", route=row.route, flow=row.flow
        )
    return [*(f"d{one}" for one in (*sorted({*settled, *only}), *dismissed)), *(f"q{row.id}" for row in rows)]


def _left_out(here: Installation, word: str) -> list[Delivery]:
    """Deliveries that the word names, that are delivered and went without something."""
    if (named := letter_id(word)) is not None:
        some = here.ledger.deliveries.some([named[1]]) if named[0] == "d" else []
    else:
        some = here.ledger.deliveries.of(documents(here, word), [State.DELIVERED])
    without = {one.delivery_id for one in here.ledger.left_out.of([one.id for one in some])}
    return [one for one in some if one.id in without]


def _of_target(here: Installation, row: Quarantined) -> bool:
    """Whether it is a row of a plan, refused under its key at the target: it was never received."""
    kind, route = FLOWS.get(row.flow), here.configuration.routes.get(row.route)
    if kind is None or route is None or kind.delivers or row.received_id is not None:
        return False
    return row.connection == getattr(route, kind.target)


def _plan_anew(here: Installation, rows: Iterable[Quarantined], who: str) -> None:
    keys: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row in rows:
        keys.setdefault((row.connection, row.entity), set()).add((row.scope, row.native_id))
    for (target, entity), mine in sorted(keys.items()):
        here.ledger.plans.try_again(target, entity, mine, who)


def _rewind(here: Installation, rows: Iterable[Quarantined]) -> tuple[list[Quarantined], list[Quarantined]]:
    """Let the flows handle what was refused once more; gives those rows, and those whose record is gone."""
    rows = list(rows)
    kept = here.ledger.received.kept([row.received_id for row in rows if row.received_id is not None])
    again = [row for row in rows if row.received_id in kept]
    by_flow: dict[tuple[str, str], list[int]] = {}
    for row in again:
        assert row.received_id is not None
        by_flow.setdefault((row.route, row.flow), []).append(row.received_id)
    for (route, flow), ids in by_flow.items():
        here.ledger.received.rewind(route, flow, ids)
    return again, [row for row in rows if row.received_id not in kept]


def _chosen(
    here: Installation, words: Sequence[str], named: Mapping[str, Sequence[Delivery]] | None = None
) -> tuple[list[int], list[Quarantined]]:
    """Dead letters and quarantine rows that the words name.

    Args:
        named: what else they name.
    Raises CannotDo for the first word that names nothing, or several documents by one number: nobody has said which.
    """
    delivery_ids: list[int] = []
    rows: list[Quarantined] = []
    for word in words:
        dead, refused = _letters_of(here, word)
        all_of_it: list[Delivery | Quarantined] = [*(named or {}).get(word, ()), *dead, *refused]
        if not all_of_it:
            raise CannotDo(f"{word} is no dead letter; next: erp-sync deadletters, or erp-sync trace {word}")
        if len({one.key for one in all_of_it}) > 1:
            which = ", ".join(map(identity, all_of_it))
            raise CannotDo(f"{word} names several documents; say which: {which}")
        delivery_ids += [one.id for one in dead]
        rows += refused
    return list(dict.fromkeys(delivery_ids)), list({row.id: row for row in rows}.values())


def _letters_of(here: Installation, word: str) -> tuple[list[Delivery], list[Quarantined]]:
    """Of an id that one alone, and no other version of its document."""
    if (named := letter_id(word)) is not None:
        kind, number = named
        dead = here.ledger.deliveries.some([number]) if kind == "d" else []
        return [one for one in dead if _open(one)], here.ledger.quarantine.some([number]) if kind == "q" else []
    keys = documents(here, word)
    dead = here.ledger.deliveries.of(keys, [State.DEAD, State.WAITING])
    return [one for one in dead if _open(one)], here.ledger.quarantine.of(keys)


def _open(one: Delivery) -> bool:
    """A dead letter, or one that waits for what its target lacks."""
    return one.state is State.DEAD or (one.state is State.WAITING and one.code == LACKING)


def _known(here: Installation, route: str | None, flow: str | None) -> None:
    routes(here, route)
    flow_name(flow)
