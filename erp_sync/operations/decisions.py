"""A person's decision on what is held: plans and single documents."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from erp_sync.components import held_plans
from erp_sync.components.documents import flow_module
from erp_sync.components.installation import Installation
from erp_sync.components.table_recording import ROWS
from erp_sync.ledger.documents import State
from erp_sync.ledger.errors import NotInLedger
from erp_sync.ledger.plans import PlanState
from erp_sync.ledger.rows import RowState
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.finding import documents

# Of what is held so many are named to somebody who asked for something else.
_NAMED = 10


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is ``plan`` or ``delivery``; `rows` of a plan, 1 for a document; `by`: the plan that undoes it."""

    subject: str
    id: str
    route: str
    flow: str
    decision: str
    rows: int
    by: str = ""


def approve(here: Installation, word: str, *, who: str, why: str = "", only: Sequence[str] = ()) -> Decided:
    """Let a held plan or document pass; the next run loads it.

    Args:
        word: ``p3`` a plan, ``d12`` a delivery, a bare number whichever of both is held, or the number of a document.
        only: keys of a plan's rows, or patterns of them with * and ?; the others wait on. Tiers of a price go together.
    Raises CannotDo for what is not held, or is several, and for a document whose amounts differ without a reason.
    """
    subject, number = held(here, word)
    if subject == "plan":
        try:
            plan = here.ledger.plans.approve(number, who, why, _chosen(here, number, only))
        except ValueError as error:
            raise CannotDo(str(error)) from error
        held_plans.settle(here, plan.route, plan.flow)
        return Decided(
            subject="plan", id=f"p{plan.id}", route=plan.route, flow=plan.flow, decision="approved", rows=plan.row_count
        )
    if only:
        raise CannotDo(f"{word} is one document: --only is for rows of a plan")
    if here.ledger.deliveries.get(number).differences and not why.strip():
        raise CannotDo(f"{word} differs in its amounts: letting it pass needs a reason: --why TEXT")
    here.ledger.deliveries.approve(number, who, why)
    return _document(here, number, "approved")


def _chosen(here: Installation, number: int, only: Sequence[str]) -> list[str]:
    """Keys of the plan's held rows that are meant, with those that must not be without them. None: all rows.

    Raises CannotDo for what no held row is called, and where a plan goes as a whole only.
    """
    if not only:
        return []
    plan = here.ledger.plans.get(number)
    keys: list[str] = here.ledger.plans.table(number, [RowState.HELD]).column("key").to_pylist()
    meant: set[str] = set()
    for one in only:
        some = {one} & {*keys} or {key for key in keys if fnmatchcase(key, one.replace("[", "[[]"))}
        if not some:
            raise CannotDo(f"plan {number} has no held row {one}")
        meant |= some
    together = getattr(flow_module(plan.flow, "transform"), "together", None)
    if together is not None:
        whole = [one.words for one in plan.verdicts if not one.passed and one.check != ROWS]
        if whole and len(meant) < len(keys):
            raise CannotDo(f"plan {number} goes as a whole or not at all, its rows rest on each other: {whole[0]}")
        groups = {together(key) for key in meant}
        meant = {key for key in keys if together(key) in groups}
    return sorted(meant)


def reject(here: Installation, word: str, *, who: str, why: str, only: Sequence[str] = ()) -> Decided:
    """Refuse a held plan, which is not held again, or a held document, which is dismissed. `only` as for `approve`.
    Raises CannotDo."""
    if not why.strip():
        raise CannotDo("a rejection needs a reason: --why TEXT")
    subject, number = held(here, word)
    if subject == "plan":
        plan = here.ledger.plans.reject(number, who, why, _chosen(here, number, only))
        held_plans.settle(here, plan.route, plan.flow)
        return Decided(
            subject="plan", id=f"p{plan.id}", route=plan.route, flow=plan.flow, decision="rejected", rows=plan.row_count
        )
    if only:
        raise CannotDo(f"{word} is one document: --only is for rows of a plan")
    here.ledger.deliveries.reject(number, who, why)
    return _document(here, number, "rejected")


def undo(here: Installation, word: str, *, who: str, why: str) -> Decided:
    """Plan to write what was before an applied plan; the next run loads it.

    Rows that were written for a newer version since are left alone. Asking again is refused: it is undone already.
    Raises CannotDo for what names no plan or without a reason, WrongState for a plan that is not applied, NotInLedger.
    """
    number = plan_of(word)
    if number is None:
        raise CannotDo(f"{word} is no plan; p3 is one: only what a plan has written can be undone")
    if not why.strip():
        raise CannotDo("undoing needs a reason: --why TEXT")
    undoing = here.ledger.plans.get(here.ledger.plans.undo(number, who, why))
    return Decided(
        subject="plan",
        id=f"p{number}",
        route=undoing.route,
        flow=undoing.flow,
        decision="undone",
        rows=undoing.row_count,
        by=f"p{undoing.id}",
    )


def plan_of(word: str) -> int | None:
    """3 of ``p3``; None of what names no plan."""
    kind, number = _id(word)
    return number if kind == "p" else None


def held(here: Installation, word: str) -> tuple[str, int]:
    """("plan" or "delivery", id) of what the word names and a person may decide on. Raises CannotDo."""
    kind, number = _id(word)
    found = []
    if number is not None and kind != "d" and _plan_is_held(here, number):
        found.append(("plan", number))
    if number is not None and kind != "p" and _document_is_held(here, number):
        found.append(("delivery", number))
    if not kind:  # an id is that one alone: nobody has looked at another version of its document
        some = here.ledger.deliveries.of(documents(here, word), [State.HELD])
        found += [("delivery", one.id) for one in some if ("delivery", one.id) not in found]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(f"{subject[0]}{one}" for subject, one in found)
        raise CannotDo(f"{word} names several that are held; say which: {which}")
    waiting = [f"p{plan.id}" for plan in here.ledger.plans.find(states=[PlanState.HELD], limit=_NAMED + 1)]
    waiting += [f"d{one}" for one in here.ledger.deliveries.ids(states=[State.HELD], limit=_NAMED + 1)]
    shown = ", ".join(waiting[:_NAMED]) + (" ..." if len(waiting) > _NAMED else "")
    raise CannotDo(f"{word} is not held; {'held are: ' + shown if waiting else 'nothing is held'}")


def _id(word: str) -> tuple[str, int | None]:
    """("p", 3), ("d", 12), ("", 12) of a bare number, ("", None) of what is none: one with leading zeros is an order's
    number."""
    kind = word[0] if word[:1] in ("p", "d") else ""
    digits = word.removeprefix(kind)
    if digits.isdigit() and len(digits) < 19 and str(int(digits)) == digits:
        return kind, int(digits)
    return "", None


def _plan_is_held(here: Installation, number: int) -> bool:
    try:
        return here.ledger.plans.get(number).state is PlanState.HELD
    except NotInLedger:
        return False


def _document_is_held(here: Installation, number: int) -> bool:
    return any(one.state is State.HELD for one in here.ledger.deliveries.some([number]))


def _document(here: Installation, number: int, decision: str) -> Decided:
    one = here.ledger.deliveries.get(number)
    return Decided(subject="delivery", id=f"d{number}", route=one.route, flow=one.flow, decision=decision, rows=1)
