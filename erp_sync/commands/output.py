"""What all commands share: JSON or text, one sentence for an error, the installation of the settings."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from erp_sync import settings as settings_module

if TYPE_CHECKING:
    from erp_sync.components.installation import Installation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RouteOption = Annotated[str | None, typer.Option("--route", help="only this route")]
FlowOption = Annotated[str | None, typer.Option("--flow", help="only this flow, e.g. orders")]
Why = Annotated[str, typer.Option("--why", help="reason, kept with the decision")]
Who = Annotated[str | None, typer.Option("--who", help="who decides; the user of this system when not given")]

# Numbers keep their digits: an amount is 10.9900 in JSON where it was 10.9900.
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=lambda value: _plain(value))


def show(value: Any, as_json: bool, text: Callable[[Any], str] | None = None) -> None:
    """Print a result: JSON where asked for, else the text made from it."""
    if as_json or text is None:
        typer.echo(msgspec.json.format(_encoder.encode(value), indent=2).decode())
    else:
        typer.echo(text(value))


def _plain(value: Any) -> Any:
    return str(value)


def refuse(error: Exception | str) -> NoReturn:
    """End with one sentence and exit code 2."""
    typer.echo(f"erp-sync: {error}", err=True)
    raise typer.Exit(2)


def settings() -> settings_module.Settings:
    """The settings of the environment; a wrong one ends the command with its name."""
    try:
        return settings_module.load()
    except settings_module.WrongSetting as error:
        refuse(error)


@contextmanager
def installation(anyway: bool = False, refuse_away: bool = True, offline: bool = False) -> Iterator[Installation]:
    """The installation, its storage made first: what is started through `erp-sync` works at once.

    Args:
        anyway: look at all of the storage, also where nothing seems to be missing.
        refuse_away: end the command where the database does not answer at the start; else raise DatabaseAway.
        offline: no system is called, and no secret needed.

    What an operation refuses, and what a system did not answer, ends the command with one sentence.
    """
    from erp_sync.components.configuration import WrongConfiguration
    from erp_sync.components.installation import Installation
    from erp_sync.lake.errors import LakeError
    from erp_sync.ledger.errors import DatabaseAway, LedgerError, answering
    from erp_sync.operations.choosing import CannotDo
    from erp_sync.ports.outcomes import CallFailed
    from erp_sync.runtime.storage import StillRunning, initialise
    from erp_sync.transport.exchange_turns import ExchangeLogError

    chosen = settings()
    try:
        initialise(chosen, anyway=anyway)
        here = Installation(chosen, offline=offline)
    except (WrongConfiguration, LedgerError, StillRunning) as error:
        if isinstance(error, DatabaseAway) and not refuse_away:
            raise
        refuse(error)
    try:
        with answering(chosen.ledger_url):
            yield here
    except CallFailed as error:
        refuse(f"{error}; next: erp-sync doctor says what is wrong with the connection")
    except (CannotDo, WrongConfiguration, LedgerError, LakeError, ExchangeLogError) as error:
        refuse(error)
    finally:
        here.close()


def me(who: str | None) -> str:
    """Who decides: the name given, else the user of the operating system."""
    if who:
        return who
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"user {os.getuid()}"


def columns(headers: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "") -> str:
    """A table in plain text; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[position]) for line in [list(headers), *cells]) for position in range(len(headers))]
    right = [all(isinstance(row[position], int) for row in rows) for position in range(len(headers))]
    lines = []
    for line in [list(headers), *cells]:
        padded = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        lines.append(indent + "  ".join(padded).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return moment(value)
    return "-" if value is None or value == "" else str(value)


def counted(count: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def moment(value: datetime | None) -> str:
    """A time as people read it: UTC, to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if value else "-"


def instant(option: str, text: str | None) -> datetime | None:
    """A time as it is typed, in UTC; what does not say its zone is UTC. Ends the command where it is none."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        refuse(f"{option} {text!r} is no date; expected e.g. 2026-01-01 or 2026-01-01T08:00:00Z")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def ago(value: datetime | None, now: datetime) -> str:
    """How long ago: ``4 s``, ``3 min``, ``2 h``, ``5 d``; ``-`` for never."""
    if value is None:
        return "-"
    seconds = max(0, int((now - value).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def shortened(text: str, most: int) -> str:
    """One line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
