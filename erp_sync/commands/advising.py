"""Command `runbook`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erp_sync.commands.output import Json, refuse, show


def runbook(
    name: Annotated[
        str | None, typer.Argument(help="only this alert, code of a dead letter, error, or link to an entry")
    ] = None,
    write: Annotated[Path | None, typer.Option("--write", help="into this file instead of printing it")] = None,
    as_json: Json = False,
) -> None:
    """What to do about every alert, dead letter and error: meaning, how to look, what to do, in Markdown.

    Example: erp-sync runbook malformed_address
    """
    from erp_sync.operations.runbook import entries_of, nearest, text

    if name is None:
        whole = text()
    else:
        entries = entries_of(name)
        if not entries:
            near = nearest(name)
            like = f"; like it are: {', '.join(near)}" if near else ""
            refuse(f"the runbook has no entry {name}: a code that it does not name is the other system's own{like}")
        whole = "\n\n".join(entries)
    if write is not None:
        write.write_text(whole)
        show({"written": write}, as_json, lambda it: f"written: {it['written']}")
    else:
        show({"runbook": whole}, as_json, lambda it: it["runbook"])
