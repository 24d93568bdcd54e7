"""Commands by which a person decides: approve, reject, deadletters, retry."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from erp_sync.commands.output import (
    FlowOption,
    Json,
    RouteOption,
    Who,
    Why,
    columns,
    installation,
    me,
    moment,
    shortened,
    show,
)

Word = Annotated[
    str, typer.Argument(metavar="PLAN|DELIVERY", help="p3 a plan, d12 a delivery, or the number of a held order")
]
Code = Annotated[str | None, typer.Option("--code", help="only this code, as `erp-sync deadletters` names it")]

deadletters_app = typer.Typer(invoke_without_command=True)


def approve(
    what: Word,
    why: Why = "",
    who: Who = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="only this row of a plan; may be repeated")] = None,
    as_json: Json = False,
) -> None:
    """Let a held plan or document pass; the next run loads it. With --only the plan's other rows wait on.

    Example: erp-sync approve p3 --why "season's end, checked with purchasing"
    """
    from erp_sync.operations import decisions

    with installation() as here:
        decided = decisions.approve(here, what, who=me(who), why=why, only=only or ())
        show(decided, as_json, _decided_text)


def reject(what: Word, why: Why = "", who: Who = None, as_json: Json = False) -> None:
    """Refuse a held plan or document; needs --why. A rejected plan is not held again.

    Example: erp-sync reject p3 --why "the stock file was cut off"
    """
    from erp_sync.operations import decisions

    with installation() as here:
        decided = decisions.reject(here, what, who=me(who), why=why)
        show(decided, as_json, _decided_text)


def _decided_text(it: Any) -> str:
    rows = f" with {it.rows} rows" if it.subject == "plan" else ""
    then = "; the next run loads it" if it.decision == "approved" else ""
    return f"{it.subject} {it.id} of {it.flow} on {it.route}{rows} is {it.decision}{then}"


@deadletters_app.callback()
def deadletters(
    context: typer.Context,
    code: Code = None,
    flow: FlowOption = None,
    route: RouteOption = None,
    every: Annotated[bool, typer.Option("--each", help="one by one instead of in groups")] = False,
    as_json: Json = False,
) -> None:
    """What could not be delivered, and records in quarantine: in groups, or one by one with --code or --each.

    Example: erp-sync deadletters --code unmapped_payment_methods
    """
    if context.invoked_subcommand is not None:
        return
    from erp_sync.operations import dead_letters

    with installation() as here:
        if code or every:
            show(dead_letters.letters(here, route, flow, code), as_json, _letters_text)
        else:
            show(dead_letters.groups(here, route, flow), as_json, _groups_text)


@deadletters_app.command("dismiss")
def dismiss(
    what: Annotated[list[str], typer.Argument(metavar="ID...", help="d12, q7, or numbers of documents")],
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """These are not delivered: entered by hand, or not wanted. Needs --why.

    Example: erp-sync deadletters dismiss d12 --why "entered by hand as SO1234"
    """
    from erp_sync.operations import dead_letters

    with installation() as here:
        dismissed = dead_letters.dismiss(here, what, who=me(who), why=why)
        show({"dismissed": dismissed}, as_json, lambda it: f"dismissed: {', '.join(it['dismissed'])}")


def _groups_text(groups: Any) -> str:
    if not groups:
        return "no dead letter, nothing in quarantine"
    rows = [
        (one.count, one.code, one.flow, one.where, moment(one.oldest), f"{one.sample_number}: {one.sample}")
        for one in groups
    ]
    shown = [(*row[:5], shortened(row[5], 110)) for row in rows]
    table = columns(("count", "code", "flow", "in", "oldest", "sample"), shown)
    first = groups[0].code
    return f"{table}\nnext: erp-sync deadletters --code {first}; erp-sync retry --code {first}"


def _letters_text(letters: Any) -> str:
    if not letters:
        return "none"
    rows = [(one.id, one.number, one.flow, one.code, moment(one.since), one.times, one.reason) for one in letters]
    return columns(("id", "number", "flow", "code", "since", "times", "reason"), rows)


def retry(
    what: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="d12, q7, or numbers")] = None,
    code: Code = None,
    flow: FlowOption = None,
    route: RouteOption = None,
    everything: Annotated[bool, typer.Option("--all", help="every dead letter there is")] = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Try dead letters again: one, those of a code, flow or route, or all. The next run sends them.

    Example: erp-sync retry --code unmapped_payment_methods
    """
    from erp_sync.operations import dead_letters

    with installation() as here:
        retried = dead_letters.retry(
            here, what or (), route=route, flow=flow, code=code, everything=everything, who=me(who), why=why
        )
        show(retried, as_json, _retried_text)


def _retried_text(it: Any) -> str:
    parts = [f"{len(it.deliveries)} documents are due again, {len(it.quarantine)} records are transformed again"]
    if it.lost:
        parts.append(f"{', '.join(it.lost)}: the record is older than what is kept; read the source again")
    return "\n".join(parts)
