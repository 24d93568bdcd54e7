"""Commands about a person's rights: `privacy export`, `erase`, `resume`, `again`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from erp_sync.commands.output import Json, Who, installation, me, show

privacy_app = typer.Typer(help="A person's data: give it, erase it.", no_args_is_help=True)
Whom = Annotated[str, typer.Argument(metavar="EMAIL|CUSTOMER", help="e-mail address, or CONNECTION:ID of a customer")]


@privacy_app.command("erase")
def erase(
    what: Whom,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would be done")] = False,
    also_open: Annotated[bool, typer.Option("--also-open", help="also where goods are still to be sent")] = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Erase a person here and in every connected system, with a certificate of what was done where.

    What was cut short goes on by `privacy resume` or when it is asked for again. A later sync, backfill or restore does
    not bring them back.

    Example: erp-sync privacy erase ann@example.com --dry-run
    """
    from erp_sync.operations import privacy

    with installation() as here:
        done = privacy.erase(here, what, who=me(who), also_open=also_open, dry_run=dry_run)
        show(done, as_json, _text)


@privacy_app.command("export")
def export(what: Whom, as_json: Json = False) -> None:
    """Everything that is held of a person, here and in every connected system: always as JSON.

    Example: erp-sync privacy export ann@example.com
    """
    from erp_sync.operations.privacy_export import export as everything_of

    with installation() as here:
        show(everything_of(here, what), as_json)


@privacy_app.command("resume")
def resume(as_json: Json = False) -> None:
    """End erasures that were cut short, without naming the person; `erp-sync up` and the housekeeping do so, too.

    Example: erp-sync privacy resume
    """
    from erp_sync.operations import privacy

    with installation() as here:
        done = privacy.resume(here)
        show({"resumed": done}, as_json, lambda it: "\n".join(map(_resumed, it["resumed"])) or "nothing was cut short")
        if any(one.why for one in done):
            raise typer.Exit(1)


def _resumed(one: Any) -> str:
    if not one.why:
        return f"{one.person}: certificate: {one.file}"
    return f"{one.person}: {one.why}{f'; next: {one.next}' if one.next else ''}"


@privacy_app.command("again")
def again(who: Who = None, as_json: Json = False) -> None:
    """After a restore from a backup: erase again whoever was erased since it was made.

    Example: erp-sync privacy again
    """
    from erp_sync.operations import privacy

    with installation() as here:
        done = privacy.again(here, who=me(who))
        show({"erased": done}, as_json, lambda it: f"{len(it['erased'])} persons were erased again")


def _text(certificate: Any) -> str:
    from erp_sync.operations.certificates import in_words

    return in_words(certificate) + (f"\ncertificate: {certificate.file}" if certificate.file else "")
