"""The command line: `erp-sync ...`. Commands are thin; each prints for people, or JSON with `--json`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from erp_sync import settings as settings_module
from erp_sync.commands import (
    adopting,
    advising,
    alerting,
    connecting,
    deciding,
    demonstrating,
    falling_back,
    forgetting,
    letters,
    maintaining,
    sandboxes,
    watching,
)
from erp_sync.commands.output import Json, installation, refuse, show
from erp_sync.commands.output import settings as _settings

app = typer.Typer(
    name="erp-sync",
    help="Keeps ecommerce systems and ERPs in step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
sandbox_app = typer.Typer(help="The vendors' sandboxes on this machine.", no_args_is_help=True)
demo_app = typer.Typer()
demo_app.command()(demonstrating.disaster)
app.command()(watching.status)
app.command()(watching.trace)
app.command()(connecting.plan)
app.command()(deciding.approve)
app.command()(deciding.reject)
app.command()(deciding.undo)
app.add_typer(letters.deadletters_app, name="deadletters")
app.command()(letters.retry)
app.command()(connecting.mapping)
app.command()(adopting.adopt)
app.command()(connecting.doctor)
app.command()(connecting.reconcile)
app.add_typer(connecting.lookups_app, name="lookups")
app.command()(advising.runbook)
app.add_typer(forgetting.privacy_app, name="privacy")
app.add_typer(alerting.alerts_app, name="alerts")
app.add_typer(maintaining.maintenance_app, name="maintenance")
app.command()(maintaining.probe)
app.add_typer(falling_back.fallback_app, name="fallback")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(demo_app, name="demo")


@app.command()
def init(as_json: Json = False) -> None:
    """Create or upgrade all storage. Safe to run at any time, by any number of processes.

    Example: erp-sync init
    """
    with installation(anyway=True) as here:
        result = {
            "home": here.settings.home,
            "ledger": here.settings.ledger_url.split("@")[-1],
            "lookups": here.import_lookups(),
        }
    show(result, as_json, lambda it: f"ready: {it['home']}")


Vendors = Annotated[list[str] | None, typer.Argument(help="e.g. netsuite magento")]


@sandbox_app.command("up")
def sandbox_up(
    vendors: Vendors = None,
    profile: Annotated[
        str | None, typer.Option(help="latency: life, demo, fast or none; as last time, the first time fast")
    ] = None,
    contract: Annotated[
        bool | None, typer.Option(help="check every exchange against the vendors' contracts, or no longer")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="VENDOR.NAME=VALUE, as often as wanted: netsuite.tax=legacy, magento.edition=commerce ..."),
    ] = None,
    tls: Annotated[
        list[str] | None, typer.Option(help="VENDOR=HOST: serve TLS under the vendor's host name, with an own CA")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start the sandboxes, as each was last started but for what is said here, and wait until they answer.

    Those of the vendors that routes are configured for, when none is named.

    Example: erp-sync sandbox up netsuite --profile life --option netsuite.tax=legacy
    """
    from erp_sync.sandbox import supervisor

    chosen = _settings()
    started = vendors or sandboxes.configured(chosen.defs)
    options, hosts = sandboxes.options(option or [], started), sandboxes.hosts(tls or [], started)
    with connecting.progress(as_json) as told:
        told("starting the sandboxes", 0, None)
        try:
            result = supervisor.up_again(chosen.sandboxes, started, profile, options, contract=contract, hosts=hosts)
        except supervisor.SandboxError as error:
            refuse(error)
    show(result, as_json, sandboxes.text)


@sandbox_app.command("down")
def sandbox_down(vendors: Vendors = None, as_json: Json = False) -> None:
    """Stop the sandboxes, all that run when none is named; their state stays.

    Example: erp-sync sandbox down magento
    """
    from erp_sync.sandbox import supervisor

    stopped = supervisor.down(_settings().sandboxes, vendors or None)
    show({"stopped": stopped}, as_json, lambda it: f"stopped: {', '.join(it['stopped']) or 'none was running'}")


@sandbox_app.command("status")
def sandbox_status(as_json: Json = False) -> None:
    """Base URL, credentials, latency, files of state and journal of each sandbox; what was checked by which contract.

    Example: erp-sync sandbox status --json
    """
    from erp_sync.sandbox import supervisor

    show(supervisor.status(_settings().sandboxes), as_json, sandboxes.text)


@sandbox_app.command("fault")
def sandbox_fault(
    vendor: Annotated[str, typer.Argument(help="a sandbox, called as its vendor: netsuite, magento ...")],
    kind: Annotated[str, typer.Argument(help="e.g. timeout_after_commit, late_commit, too_many_requests; clear")],
    endpoint: Annotated[str, typer.Option(help="endpoint name or path pattern")] = "*",
    times: Annotated[int | None, typer.Option(help="how often; for ever when not given")] = None,
    seconds: Annotated[float | None, typer.Option(help="of faults that take time")] = None,
    probability: Annotated[float, typer.Option(help="of each call")] = 1.0,
    as_json: Json = False,
) -> None:
    """Switch a fault on in a running sandbox, or all off with `clear`.

    Example: erp-sync sandbox fault netsuite timeout_after_commit --endpoint salesOrder.create --times 1
    """
    from erp_sync.sandbox import supervisor

    folder = _settings().sandboxes
    if kind == "clear":
        show({"cleared": supervisor.clear_faults(folder, vendor)}, as_json, lambda it: f"cleared: {it['cleared']}")
        return
    rule: dict[str, Any] = {"kind": kind, "endpoint": endpoint, "probability": probability}
    rule |= {name: value for name, value in (("times", times), ("seconds", seconds)) if value is not None}
    try:
        show(supervisor.fault(folder, vendor, rule), as_json)
    except (supervisor.SandboxError, ValueError) as error:
        refuse(error)


@demo_app.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(help="wall seconds that the shopping day takes")] = 170.0,
    orders: Annotated[int | None, typer.Option(help="only so many orders")] = None,
    port: Annotated[int, typer.Option(help="of the Dagster UI")] = 3000,
    events_port: Annotated[int, typer.Option(help="of the event service")] = 3001,
    stop: Annotated[bool, typer.Option(help="stop everything at the end")] = False,
    as_json: Json = False,
) -> None:
    """Play one real shopping day through both sandboxes and Dagster, and report.

    Example: erp-sync demo
    """
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from erp_sync.demo import day
    from erp_sync.demo.report import text

    console = Console(stderr=as_json)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as bar:
        tasks: dict[str, TaskID] = {"orders placed": bar.add_task("orders placed", total=None)}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done, total=total)

        report = day.play(
            _settings(),
            seconds=seconds,
            web_port=port,
            events_port=events_port,
            orders=orders,
            keep=not stop,
            tell=lambda what: bar.console.print(what),
            progress=progress,
        )
    show(report, as_json, text)


def _forget_again(settings: settings_module.Settings) -> None:
    """An erasure that was cut short goes on, and a ledger restored from before one forgets that person again: before
    anything runs on it."""
    if not (settings.home / "privacy").is_dir():
        return  # nobody was ever erased
    from erp_sync.commands.output import installation
    from erp_sync.operations.privacy import after_restore, resume

    with installation() as here:
        for one in resume(here):
            told = f"{one.why}; next: {one.next}" if one.next else one.why
            typer.echo(f"an erasure had been cut short: {told or one.file}", err=True)
        if done := after_restore(here, who="erp-sync up"):
            typer.echo(f"the ledger was restored: {len(done)} persons were erased again", err=True)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="of the Dagster UI")] = 3000,
    events_port: Annotated[int, typer.Option(help="of the event service")] = 3001,
    as_json: Json = False,
) -> None:
    """Start everything that an installation needs, and come back once it is ready.

    A wrong setting, a missing secret or a frequency beyond a vendor's limit is refused before anything is started.

    Example: erp-sync up
    """
    from erp_sync.components.configuration import WrongConfiguration, read_configuration
    from erp_sync.components.starting import check_start
    from erp_sync.ledger.errors import LedgerError
    from erp_sync.runtime import services
    from erp_sync.runtime.storage import initialise, upgrade_pending

    settings = _settings()
    try:
        check_start(read_configuration(settings.defs))
    except WrongConfiguration as error:
        refuse(error)
    with connecting.progress(as_json) as told:
        try:
            if upgrade_pending(settings):
                told("ending what runs", 0, None)
                services.stop(settings)  # what runs has the code of before, which does not know the ledger to come
            told("storage", 0, None)
            initialise(settings)
        except LedgerError as error:
            refuse(error)
        _forget_again(settings)
        _sandboxes_again(settings)
        told("services, until they are ready", 0, None)
        try:
            plan = [*services.dagster_services(settings, web_port=port), services.event_service(settings, events_port)]
            plan.append(services.watchdog_service(settings))
            state = services.start(settings, plan, wait_seconds=120)
        except services.AlreadyRunning:
            state = services.status(settings)
        except services.ServicesError as error:
            refuse(error)
            return
    show(state, as_json, lambda _: f"everything runs: http://127.0.0.1:{port}\nnext: erp-sync status; erp-sync down")


@app.command()
def down(as_json: Json = False) -> None:
    """Stop all services and sandboxes; their state stays.

    Example: erp-sync down
    """
    from erp_sync.runtime import services
    from erp_sync.sandbox import supervisor

    settings = _settings()
    stopped = services.stop(settings)
    sandboxes = supervisor.down(settings.sandboxes)
    show({"services": stopped, "sandboxes": sandboxes}, as_json, lambda _: "stopped")


def _sandboxes_again(settings: settings_module.Settings) -> None:
    """Sandboxes that an earlier demo or test used here run again, with the state they had."""
    from erp_sync.sandbox import supervisor

    supervisor.resume(settings.sandboxes)


def _use_kept_environment() -> None:
    """What the demo keeps in the home: where its sandboxes are. Never overrules the environment."""
    import os

    try:
        file = settings_module.load().home / "environment.json"
    except settings_module.WrongSetting:
        return  # the command itself refuses it, with its name
    if file.is_file():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


def main() -> None:
    """Entry point of the `erp-sync` command."""
    _use_kept_environment()
    app(prog_name="erp-sync")


if __name__ == "__main__":
    main()
