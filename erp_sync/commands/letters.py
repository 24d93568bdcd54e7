"""Commands about what needs a person: `deadletters` with show, edit, fix and dismiss, and `retry`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from erp_sync.commands.output import (
    FlowOption,
    Json,
    RouteOption,
    Who,
    Why,
    columns,
    counted,
    installation,
    me,
    moment,
    refuse,
    shortened,
    show,
)

Code = Annotated[str | None, typer.Option("--code", help="only this code, as `erp-sync deadletters` names it")]
Matching = Annotated[str, typer.Option("--matching", help="only those whose number, reason or content holds this text")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="d12, q7, or the number of a document")]

#: Lines of what a letter holds that `show` prints without --payloads.
SHOWN_LINES = 40
#: More than so many, chosen by what they are like, are retried only once somebody said yes.
MANY = 20

deadletters_app = typer.Typer(invoke_without_command=True)


@deadletters_app.callback()
def deadletters(
    context: typer.Context,
    code: Code = None,
    flow: FlowOption = None,
    route: RouteOption = None,
    every: Annotated[bool, typer.Option("--each", help="one by one instead of in groups")] = False,
    as_json: Json = False,
) -> None:
    """What could not be delivered, records in quarantine, what is held or waits, and what delivered documents went
    without: in groups, or one by one.

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


@deadletters_app.command("show")
def show_letter(
    what: Letter,
    payloads: Annotated[bool, typer.Option("--payloads", help="all of what it holds")] = False,
    as_json: Json = False,
) -> None:
    """One letter: what it is, why in plain words, what it holds, what was tried, what can be done.

    Of amounts that differ both calculations stand side by side.

    Example: erp-sync deadletters show d12
    """
    from erp_sync.operations import letters

    with installation() as here:
        show(letters.told(here, what), as_json, lambda it: _letter_text(it, payloads))


@deadletters_app.command("edit")
def edit(
    what: Letter,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="lines[0].sku=MUG; may be repeated"),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="the whole corrected payload, as JSON")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Correct what a letter holds; needs --why. It is checked like any other and goes with the next run.

    The original stays beside it; a later version from the source takes its place.

    Example: erp-sync deadletters edit d12 --set shipping_address.postcode=62701 --why "asked the customer"
    """
    from erp_sync.operations import correcting

    given = [one.partition("=") for one in changes or ()]
    if any(not sign for _, sign, _ in given):
        refuse("--set takes FIELD=VALUE")
    payload = None
    if file is not None:
        if not file.is_file():
            refuse(f"there is no file {file}")
        payload = file.read_bytes()
    with installation() as here:
        edited = correcting.edit(
            here, what, changes={path: value for path, _, value in given}, payload=payload, who=me(who), why=why
        )
        show(edited, as_json, _edited_text)


@deadletters_app.command("fix")
def fix(
    what: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="d12, q7, or numbers; else all")] = None,
    code: Code = None,
    accept: Annotated[bool, typer.Option("--accept", help="apply it; without this it is only shown")] = False,
    value: Annotated[str | None, typer.Option("--value", help="another answer than the likeliest")] = None,
    remember: Annotated[bool, typer.Option("--remember", help="keep the answer in the look-up table")] = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Remedies for known causes: an unknown SKU, a value without a row in a look-up table, a region's code.

    Shows the likeliest answers; --accept applies them to these letters, --remember to later ones too.

    Example: erp-sync deadletters fix d12 --accept --value MUG-RED --remember
    """
    from erp_sync.operations import proposing

    with installation() as here:
        if not accept:
            show(proposing.proposals(here, what or (), code), as_json, _proposals_text)
            return
        if not what and not code:
            refuse("say which to fix: an id, a number or --code")
        fixed = proposing.fix(here, what or (), code=code, value=value, remember=remember, who=me(who), why=why)
        show(fixed, as_json, _fixed_text)


@deadletters_app.command("dismiss")
def dismiss(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="d12, q7, or numbers of documents")
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="all that is delivered but for a step refused with this code")
    ] = None,
    flow: FlowOption = None,
    route: RouteOption = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """These are not delivered: entered by hand, or not wanted. Needs --why. Also what waits for what the target lacks.

    Of what is delivered but for a step that the target refused (an e-mail): that step is done by hand, or not wanted.

    Example: erp-sync deadletters dismiss d12 --why "entered by hand as SO1234"
    """
    from erp_sync.operations import dead_letters

    with installation() as here:
        if not what and not code:
            refuse("say which: an id, a number or --code")
        if (flow or route) and not code:
            refuse("--flow and --route narrow --code")
        dismissed = dead_letters.dismiss(here, what or (), without=code, route=route, flow=flow, who=me(who), why=why)
        show({"dismissed": dismissed}, as_json, lambda it: f"dismissed: {', '.join(it['dismissed'])}")


def retry(
    what: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="d12, q7, or numbers")] = None,
    code: Code = None,
    flow: FlowOption = None,
    route: RouteOption = None,
    matching: Matching = "",
    everything: Annotated[bool, typer.Option("--all", help="every dead letter there is")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show how many and which, and retry none")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"do not ask, however many; above {MANY} it is asked")] = False,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Try dead letters again: one, those of a code, flow or route, those that hold a text, or all.

    What waits for what the target lacks (named, or by its code) is looked for again at once, and its deadline begins
    anew. The next run sends them, made anew by the look-up tables of today where nothing of them has left. Look first
    which they are with --dry-run.

    Example: erp-sync retry --matching paypal --dry-run
    """
    from erp_sync.operations import dead_letters

    with installation() as here:
        chosen = dead_letters.select(
            here, what or (), route=route, flow=flow, code=code, matching=matching, everything=everything
        )
        if dry_run:
            show(dead_letters.preview(here, chosen), as_json, _preview_text)
            return
        if chosen.count > MANY and not what and not yes:
            _ask(dead_letters.preview(here, chosen), as_json)
        retried = dead_letters.retry_selected(here, chosen, who=me(who), why=why)
        show(retried, as_json, _retried_text)


deadletters_app.command("retry", help=(retry.__doc__ or "").replace("erp-sync retry", "erp-sync deadletters retry"))(
    retry
)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(found: Any, as_json: bool) -> None:
    """Ends the command where nobody says yes."""
    if as_json or not _at_a_terminal():
        refuse(f"these are {found.count} letters, none was retried: look with --dry-run, then say --yes")
    typer.echo(_preview_text(found), err=True)
    if not typer.confirm(f"retry these {found.count}?", err=True):
        refuse("none was retried")


def _preview_text(found: Any) -> str:
    if not found.count:
        return "none: no dead letter and no record in quarantine is like this"
    codes = ", ".join(f"{count} {code}" for code, count in found.codes.items())
    rows = [(one.id, one.number, one.flow, one.code, one.found_in, shortened(one.reason, 80)) for one in found.letters]
    table = columns(("id", "number", "flow", "code", "found in", "reason"), rows)
    more = f"\n... {found.count - len(rows)} more" if found.count > len(rows) else ""
    head = f"{found.deliveries} dead letters and {found.quarantine} records in quarantine: {codes}"
    return f"{head}\n{table}{more}\nnone was retried; the same without --dry-run retries them"


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
    table = columns(("id", "number", "flow", "code", "since", "times", "reason"), rows)
    return f"{table}\nnext: erp-sync deadletters show {letters[0].id}"


def _letter_text(it: Any, whole: bool) -> str:
    """What it holds comes last: of a store's order it is a thousand lines."""
    from erp_sync.ledger import codec
    from erp_sync.monitoring.values import readable

    parts = [
        f"{it.id}: {it.what}",
        f"{it.state} since {moment(it.since)}, {it.code}: {it.reason}",
        it.meaning,
    ]
    if it.deadline is not None:
        parts.append(f"becomes a dead letter at {moment(it.deadline)}")
    asked = [one for one in it.differences if one.words]
    if asked:
        parts += ["\nasked:", *(f"  {one}" for one in asked)]
    if len(asked) < len(it.differences):
        rows = [(one.part, f"{one.stated:f}", f"{one.found:f}", f"{one.amount:+f}", one.against,
                 "too much" if one.beyond else "") for one in it.differences if not one.words]  # fmt: skip
        parts.append("\n" + columns(("amount", "stated", "found", "difference", "found by", ""), rows, "  "))
    if it.corrections:
        parts += ["\ncorrected:", *(f"  {moment(one.at)} by {one.who}: {one.outcome}" for one in it.corrections)]
    if it.tried:
        parts += ["\ntried:", *(f"  {moment(one.at)} {_tried(one)}" for one in it.tried)]
    if it.proposals:
        parts += ["\nlikely:", *(f"  {line}" for line in _proposed_lines(it.proposals))]
    parts += ["\nwhat can be done:", *(f"  {one}" for one in it.can_do), f"\nrunbook: {it.runbook}"]
    lines = _indented(codec.to_text(readable(it.payload)))
    shown = lines if whole else lines[:SHOWN_LINES]
    parts += ["\nholds:", *shown]
    if len(lines) > len(shown):
        parts.append(f"  ... {len(lines) - len(shown)} more lines, see --payloads")
    return "\n".join(parts)


def _tried(one: Any) -> str:
    return " ".join(part for part in (one.what, f"by {one.who}" if one.who else "", one.outcome) if part)


def _indented(text: str) -> list[str]:
    import msgspec

    return [f"  {line}" for line in msgspec.json.format(text, indent=2).splitlines()]


def _edited_text(it: Any) -> str:
    lines = [f"  {path}: {before!r} -> {after!r}" for path, (before, after) in it.changed.items()]
    return "\n".join([f"{it.id} ({it.number}) is corrected; the next run takes it", *lines])


def _proposals_text(proposals: Any) -> str:
    if not proposals:
        return "no letter has a cause that is known"
    lines = _proposed_lines(proposals)
    first = proposals[0].letters[0]
    return "\n".join([*lines, f"next: erp-sync deadletters fix {first} --accept [--value VALUE] [--remember]"])


def _proposed_lines(proposals: Any) -> list[str]:
    lines = []
    for one in proposals:
        shown = ", ".join(one.letters[:5]) + (" ..." if one.count > 5 else "")
        problem = f"{one.key} is not in {one.table}" if one.table else one.key
        lines.append(f"{problem}: {one.count} letters ({shown})")
        lines += [
            f"  {candidate.value}  {candidate.score:.2f}  {shortened(candidate.words, 40)}  ({candidate.why})"
            for candidate in one.candidates
        ] or [f"  {one.note or 'nothing known is like it; say --value'}"]
    return lines


def _fixed_text(fixed: Any) -> str:
    lines = []
    for one in fixed:
        kept = f", remembered in {one.table}" if one.remembered else ""
        answer = f"{one.key} is {one.value}" if one.table else f"{one.key}; {one.value} it is"
        lines.append(f"{answer}{kept}: {len(one.letters)} letters go with the next run")
        lines += [f"  {letter} stays: {why}" for letter, why in one.refused.items()]
    return "\n".join(lines)


def _retried_text(it: Any) -> str:
    due, records = (
        f"{counted(len(them), what)} {'is' if len(them) == 1 else 'are'}"
        for them, what in ((it.deliveries, "document"), (it.quarantine, "record"))
    )
    parts = [f"{due} due again, {records} transformed again"]
    if it.planned:
        parts.append(
            f"{', '.join(it.planned)}: refused by the target; both sides are read again, and the next comparison plans "
            "what differs"
        )
    if it.lost:
        parts.append(f"{', '.join(it.lost)}: the record is older than what is kept; read the source again")
    return "\n".join(parts)
