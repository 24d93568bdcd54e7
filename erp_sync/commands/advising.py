"""Command `runbook`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erp_sync.commands.output import Json, show


def runbook(
    write: Annotated[Path | None, typer.Option("--write", help="into this file instead of printing it")] = None,
    as_json: Json = False,
) -> None:
    """What to do about every alert, dead letter and error: meaning, how to look, what to do, in Markdown.

    Example: erp-sync runbook --write docs/runbook.md
    """
    from erp_sync.operations.runbook import text

    whole = text()
    if write is not None:
        write.write_text(whole)
        show({"written": write}, as_json, lambda it: f"written: {it['written']}")
    else:
        show({"runbook": whole}, as_json, lambda it: it["runbook"])
