"""Commands around alerts: what stands, who is told, whether it gets through."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from erp_sync.commands.output import Json, columns, installation, moment, refuse, settings, show

if TYPE_CHECKING:
    from erp_sync.settings import Settings

alerts_app = typer.Typer(help="Who is told when something is not as it should be.", no_args_is_help=True)


@alerts_app.command("list")
def standing(as_json: Json = False) -> None:
    """What stands now, and where it is told.

    Example: erp-sync alerts list
    """
    with installation() as here:
        result = {"channels": _channels(here.settings).names(), "alerts": here.ledger.notices.open()}
        show(result, as_json, _text)


@alerts_app.command("test")
def try_channels(as_json: Json = False) -> None:
    """Send a test message to every channel of ERP_SYNC_ALERT_URLS; exit code 1 where one does not take it.

    Example: erp-sync alerts test
    """
    from erp_sync.monitoring.alerting import Message

    with installation() as here:
        channels = _channels(here.settings)
        if not channels.names():
            refuse("no channel is set; ERP_SYNC_ALERT_URLS takes Apprise URLs, parted by blanks")
        text = "This is a test. Nothing is wrong, and nothing is to be done."
        failed = channels.send(Message(severity="info", title=f"erp_sync {here.settings.home.name}: test", text=text))
    took = [name for name in channels.names() if name not in failed]
    show(
        {"took": took, "failed": failed},
        as_json,
        lambda it: "\n".join([*(f"took it: {one}" for one in took), *(f"did not take it: {one}" for one in failed)]),
    )
    if failed:
        raise typer.Exit(1)


@alerts_app.command("watch")
def watch(
    every: Annotated[float, typer.Option("--every", help="seconds between two looks")] = 30.0,
    once: Annotated[bool, typer.Option("--once", help="look once; exit code 1 where anything is wrong")] = False,
    as_json: Json = False,
) -> None:
    """The watchdog: look for what fails silently, and tell people. Runs beside Dagster, also on another machine.

    `erp-sync up` starts one. With --once it fits into cron.

    Example: erp-sync alerts watch --once
    """
    from erp_sync.operations.lookout import Lookout
    from erp_sync.operations.watching import SENSOR_SILENT, Watchdog

    chosen = settings()
    every_channel = _channels(chosen)
    channels = every_channel if every_channel.names() else None
    with ExitStack() as opened:
        # The ledger may be away at the start, too, and is to be told of then.
        def watchdog() -> Watchdog:
            here = opened.enter_context(installation(refuse_away=False))
            return Watchdog(here, channels, timedelta(0) if once else SENSOR_SILENT)

        lookout = Lookout(chosen, watchdog, channels)
        while not once:
            lookout.look()
            time.sleep(every)
        found = lookout.look()
    show(found, as_json, lambda it: "\n".join(f"{one.severity}: {one.text}" for one in it) or "nothing is wrong")
    if found:
        raise typer.Exit(1)


def _channels(chosen: Settings) -> Any:
    from erp_sync.monitoring.alerting import AppriseChannels, WrongChannel

    try:
        return AppriseChannels(chosen.alert_urls)
    except WrongChannel as error:
        refuse(f"setting ERP_SYNC_ALERT_URLS: {error}")


def _text(it: Any) -> str:
    told = ", ".join(it["channels"]) or "nobody; ERP_SYNC_ALERT_URLS says whom"
    rows = [(one.severity, moment(one.raised_at), "yes" if one.sent_at else "no", one.text) for one in it["alerts"]]
    table = columns(("severity", "since", "told", "what"), rows) if rows else "nothing is wrong"
    return f"told are: {told}\n{table}"
