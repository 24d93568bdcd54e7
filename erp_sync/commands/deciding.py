"""Commands by which a person decides: approve and reject what is held, undo what a plan has written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from erp_sync.commands.output import (
    Json,
    Who,
    Why,
    counted,
    installation,
    me,
    show,
)

Word = Annotated[
    str, typer.Argument(metavar="PLAN|DELIVERY", help="p3 a plan, d12 a delivery, or the number of a held order")
]

Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="only this row of a plan, or rows like 'row/account/C10010/*'; may be repeated"),
]


def approve(
    what: Word,
    why: Why = "",
    who: Who = None,
    only: Only = None,
    as_json: Json = False,
) -> None:
    """Let a held plan or document pass; the next run loads it. With --only the plan's other rows wait on.

    Example: erp-sync approve p3 --why "season's end, checked with purchasing"
    """
    from erp_sync.operations import decisions

    with installation() as here:
        decided = decisions.approve(here, what, who=me(who), why=why, only=only or ())
        show(decided, as_json, _decided_text)


def reject(what: Word, why: Why = "", who: Who = None, only: Only = None, as_json: Json = False) -> None:
    """Refuse a held plan or document; needs --why. A rejected plan is not held again. With --only the plan's other rows
    wait on.

    Example: erp-sync reject p3 --why "the stock file was cut off"
    """
    from erp_sync.operations import decisions

    with installation() as here:
        decided = decisions.reject(here, what, who=me(who), why=why, only=only or ())
        show(decided, as_json, _decided_text)


def undo(
    what: Annotated[str, typer.Argument(metavar="PLAN", help="p3, a plan that is applied")],
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Write again what was before a plan; needs --why. The next run loads it.

    Rows that have been written anew since stay as they are. The source still says what the plan did: change it there,
    or the next comparison plans it again.

    Example: erp-sync undo p3 --why "the price list was a draft"
    """
    from erp_sync.operations import decisions

    with installation() as here:
        show(decisions.undo(here, what, who=me(who), why=why), as_json, _undone_text)


def _undone_text(it: Any) -> str:
    return (
        f"{_decided_text(it)} by plan {it.by}; the next run loads it\n"
        f"The source still says what {it.id} did: change it there, or the next comparison plans it again.\n"
        f"next: erp-sync plan {it.by}"
    )


def _decided_text(it: Any) -> str:
    rows = f" with {counted(it.rows, 'row')}" if it.subject == "plan" else ""
    then = "; the next run loads it" if it.decision == "approved" else ""
    return f"{it.subject} {it.id} of {it.flow} on {it.route}{rows} is {it.decision}{then}"
