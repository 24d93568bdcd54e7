"""Commands for planned maintenance of a system, and for one that is known to be back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from erp_sync.commands.output import Json, Who, Why, columns, installation, me, moment, refuse, show

Connection = Annotated[str, typer.Argument(help="a connection, e.g. netsuite_us; the vendor where it has one only")]

maintenance_app = typer.Typer(
    help="Planned maintenance: a system's work queues meanwhile, without error or alert.", no_args_is_help=True
)


@maintenance_app.command("start")
def start(
    connection: Connection,
    lasts: Annotated[str, typer.Option("--for", help="how long, e.g. 90m, 2h, 1d")],
    at: Annotated[str | None, typer.Option("--at", help="begin, with zone: 2026-12-05T22:00-08:00; now")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Send nothing to a system for a while; its work queues from the first minute and goes afterwards.

    Example: erp-sync maintenance start netsuite --for 2h --why "release 2026.2"
    """
    from erp_sync.operations import maintenance

    with installation() as here:
        done = maintenance.start(here, connection, _lasting(lasts), at=_moment(at), who=me(who), why=why)
        show(
            done, as_json, lambda it: _text([it]) + f"\nnext: erp-sync maintenance end {it.connection} opens it earlier"
        )


@maintenance_app.command("end")
def end(connection: Connection, why: Why = "", who: Who = None, as_json: Json = False) -> None:
    """Open a system before its window ends; what waited goes with the next run.

    Example: erp-sync maintenance end netsuite_us
    """
    from erp_sync.operations import maintenance

    with installation() as here:
        done = maintenance.end(here, connection, who=me(who), why=why)
        show(done, as_json, lambda it: _text([it]) + "\nnext: erp-sync status")


@maintenance_app.command("list")
def every(as_json: Json = False) -> None:
    """Every system: the window that is open, the next one, and what is on its way to it.

    Example: erp-sync maintenance list
    """
    from erp_sync.operations import maintenance

    with installation() as here:
        show(maintenance.every(here), as_json, _text)


def probe(connection: Connection, as_json: Json = False) -> None:
    """A system did not answer and is back: ask it now instead of when its circuit breaker would, and let work go.

    Example: erp-sync probe netsuite
    """
    from erp_sync.operations import maintenance

    with installation() as here:
        show(maintenance.probe(here, connection), as_json, _probed_text)


def _probed_text(it: Any) -> str:
    return (
        f"the next call asks {it.connection} (last: {it.why}); {it.waiting} on the way go once it answers\n"
        "next: erp-sync status"
    )


def _text(connections: list[Any]) -> str:
    rows = [
        (one.connection, window_words(one.window) or "open", window_words(one.following) or "none", one.waiting)
        for one in connections
    ]
    return columns(("connection", "now", "next", "on the way"), rows)


def window_words(window: Any) -> str:
    """A window in a cell of a table; empty for None."""
    if window is None:
        return ""
    why = f": {window.why}" if window.why else ""
    return f"{moment(window.starts_at)} to {moment(window.ends_at)}{why}{f' ({window.who})' if window.who else ''}"


def _lasting(text: str) -> timedelta:
    from erp_sync.components.durations import duration

    try:
        lasts: timedelta = duration(text)
    except ValueError as error:
        refuse(f"--for: {error}")
    return lasts


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment_ = datetime.fromisoformat(text)
    except ValueError:
        refuse(f"--at: {text!r} is no date and time such as 2026-12-05T22:00-08:00")
    if moment_.tzinfo is None:
        refuse(f"--at: {text!r} has no time zone; write e.g. {text}Z or {text}-08:00")
    return moment_.astimezone(UTC)
