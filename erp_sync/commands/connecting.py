"""Commands about a route and its systems: plan, mapping, doctor, reconcile, lookups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from erp_sync.commands.output import (
    FlowOption,
    Json,
    RouteOption,
    Who,
    columns,
    counted,
    installation,
    me,
    moment,
    refuse,
    shortened,
    show,
)

RouteArgument = Annotated[str | None, typer.Argument(help="name of the route; may be left out where there is one")]
Shown = Annotated[int, typer.Option("--show", help="rows shown of each kind")]

lookups_app = typer.Typer(
    help="Look-up tables: SKU map, payment methods, carriers, tax codes ...", no_args_is_help=True
)


@contextmanager
def progress(as_json: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on the error stream, so that what is printed can be piped. It swings where no total is known (None)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def plan(
    flow: Annotated[
        str,
        typer.Argument(
            metavar="FLOW|PLAN", help="orders, order_status, shipments, inventory, products or prices; p3: that plan"
        ),
    ],
    route: RouteOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="ask no system, and need no secret: only what has been received")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="compare everything, state flows")] = False,
    rows: Shown = 20,
    as_json: Json = False,
) -> None:
    """What a run of the flow would change now, without changing anything. Of a plan that stands: what it holds.

    Example: erp-sync plan orders --route netsuite_magento
    """
    from erp_sync.operations import choosing, decisions, planning, planning_states, plans

    number = decisions.plan_of(flow)
    if number is not None:
        with installation(offline=True) as here:
            show(plans.told(here, number, rows), as_json, _plan_text)
        return
    with installation(offline=offline) as here, progress(as_json) as told:
        chosen = choosing.route(here, route)
        kind, spec = choosing.flow(chosen, flow)
        if kind.delivers:
            documents = planning.plan_documents(
                here, chosen, kind, spec, look=not offline, progress=lambda what, done: told(what, done, done)
            )
            show(documents, as_json, lambda it: _documents_text(it, rows))
        else:
            told(f"reading {getattr(chosen, kind.source)} and {getattr(chosen, kind.target)}", 0, None)
            states = planning_states.plan_states(here, chosen, kind, spec, look=not offline, full=full)
            show(states, as_json, lambda it: _states_text(it, rows))


def _documents_text(it: Any, most: int) -> str:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in it.outcomes.items()) or "nothing to do"
    parts = [f"{it.flow} of {it.route}, {it.source} to {it.target}, mode {it.mode}: {outcomes}"]
    if it.writes:
        parts.append("writes: " + ", ".join(f"{count} {name}" for name, count in it.writes.items()))
    listed = [
        (one.number, one.where, one.outcome, one.code, shortened(one.reason, 80), ", ".join(one.lacks))
        for one in it.documents[:most]
    ]
    if listed:
        parts.append(columns(("document", "in", "would", "code", "reason", "lacks"), listed))
    if len(it.documents) > most or it.truncated:
        parts.append(f"... {len(it.documents) - most} more, see --show or --json")
    if not it.looked:
        parts.append("no system was asked")
    return "\n".join(parts)


def _states_text(it: Any, most: int) -> str:
    parts = [f"{it.flow} of {it.route}, {it.source} to {it.target}, mode {it.mode}: {it.words}", it.system_of_record]
    for verdict in it.verdicts:
        if not verdict.passed:
            parts.append(f"would be held: {verdict.check}: {verdict.words}")
    parts += [f"edited in {it.target}: {words}" for words in it.edits[:most]]
    if it.rows:
        rows = [(row.key, row.action, row.before, row.after, row.reason) for row in it.rows[:most]]
        parts.append(columns(("key", "action", "before", "after", "reason"), rows))
    if len(it.rows) > most:
        parts.append(f"... {len(it.rows) - most} more, see --show or --json")
    for one in it.open_plans:
        parts.append(
            f"plan p{one.plan}: {one.state}, {counted(one.rows, 'row')} since {moment(one.since)}{_reason(one.reason)}"
        )
        if one.state == "held":
            parts.append(f"next: erp-sync plan p{one.plan}; erp-sync approve p{one.plan}")
    return "\n".join(parts)


def _plan_text(it: Any) -> str:
    undoes = f", undoes {it.undoes}" if it.undoes else ""
    parts = [
        f"plan {it.id} of {it.flow} on {it.route}, to {it.target}{undoes}: {it.state} since {moment(it.since)}"
        f"{_reason(it.reason)}",
        f"{counted(it.rows, 'row')}: " + ", ".join(f"{count} {state}" for state, count in it.states.items()),
    ]
    parts += [f"held by {one.check}: {one.words}" for one in it.verdicts]
    if it.histogram:
        most = max(it.histogram.values())
        bars = [(name, str(count), "#" * -(-30 * count // most)) for name, count in it.histogram.items()]
        parts.append(columns(("change", "rows", ""), bars))
    states = len(it.states) > 1
    rows = [
        (one.key, one.action, *(shortened(text, 60) for text in (one.before, one.after, one.reason)))
        + ((one.state,) if states else ())
        for one in it.changes
    ]
    parts.append(columns(("key", "action", "before", "after", "reason", *(("state",) if states else ())), rows))
    if it.rows > len(rows):
        parts.append(f"... {it.rows - len(rows)} more, see --show")
    parts += [f"{one.decision} by {one.who} {moment(one.at)}{_reason(one.why)}" for one in it.decisions]
    if it.can_do:
        parts.append(f"next: {'; '.join(it.can_do)}")
    return "\n".join(parts)


def _reason(text: str) -> str:
    return f": {text}" if text else ""


def mapping(
    route: RouteArgument = None,
    format: Annotated[Literal["markdown", "csv"], typer.Option("--format", help="markdown or csv")] = "markdown",
    output: Annotated[Path | None, typer.Option("--output", help="write to this file")] = None,
    as_json: Json = False,
) -> None:
    """The mapping document: every field with its rule, how sure each write is, and what is not mapped.

    Example: erp-sync mapping netsuite_magento --format csv --output mapping.csv
    """
    from erp_sync.operations import choosing, mapping_texts
    from erp_sync.operations.mapping_document import mapping_document

    with installation() as here:
        with progress(as_json) as told:
            document = mapping_document(here, choosing.route(here, route), progress=told)
        text = mapping_texts.as_csv if format == "csv" else mapping_texts.markdown
        if output is None:
            show(document, as_json, lambda it: text(it).rstrip("\n"))
            return
        try:
            output.write_text(text(document), encoding="utf-8")
        except OSError as error:
            refuse(f"cannot write {output}: {error.strerror}")
        result = {"file": str(output), "flows": len(document.flows)}
        show(result, as_json, lambda it: f"written: {it['file']}")


def doctor(route: RouteArgument = None, as_json: Json = False) -> None:
    """Check a route: settings, secrets, look-up tables, both systems. Names what is missing and how to mend it.

    Changes nothing. Exit code 1 where something is wrong.

    Example: erp-sync doctor netsuite_magento
    """
    from erp_sync.operations import choosing
    from erp_sync.operations.doctor import doctor as examine

    with installation() as here:
        with progress(as_json) as told:
            found = examine(here, choosing.route(here, route), progress=told)
        show(found, as_json, _doctor_text)
    if not found.healthy:
        raise typer.Exit(1)


def _doctor_text(it: Any) -> str:
    lines = []
    for one in it.findings:
        lines.append(f"{one.verdict.value:<8}  {one.where}: {one.check}: {one.found}")
        if one.mend:
            lines.append(f"          {'look' if one.verdict == 'untested' else 'mend'}: {one.mend}")
    untested = sum(one.verdict == "untested" for one in it.findings)
    if untested:
        lines.append(f"{untested} permissions to write could not be tested: a person looks at them once")
    count = sum(one.verdict == "error" for one in it.findings)
    lines.append(f"{it.route} is ready" if it.healthy else f"{count} errors: flows of {it.route} will fail")
    return "\n".join(lines)


def reconcile(
    route: RouteArgument = None,
    flow: FlowOption = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="documents created in the last so many days; else the route's")
    ] = None,
    rows: Shown = 50,
    as_json: Json = False,
) -> None:
    """Compare both systems record by record: orders, shipments, stock, products and prices, with both values.

    Documents by created time, state as it is now. Exit code 1 where something differs that is to be settled: what is
    shown only (`other_than_store`: customers that the ERP had before us) leaves it 0. What the ledger holds, has
    dead-lettered, or what waits in a plan, is listed as open. Changes nothing.

    Example: erp-sync reconcile netsuite_magento --flow orders --days 3
    """
    from erp_sync.operations import choosing
    from erp_sync.operations.reconcile import reconcile as compare
    from erp_sync.operations.reconciliation import flows

    with installation() as here, progress(as_json) as told:
        wanted = choosing.flow_name(flow)
        found = [
            compare(here, one, name, days=days, progress=told)
            for one in choosing.routes(here, route)
            for name in flows(one, wanted)
        ]
    text = "\n\n".join(_reconciled_text(one, rows) for one in found) or "no route moves anything that can be compared"
    show(found, as_json, lambda _: text)
    if not all(one.agrees for one in found):
        raise typer.Exit(1)


def _reconciled_text(it: Any, most: int) -> str:
    window = f", created {moment(it.since)} to {moment(it.until)}" if it.since else f", as of {moment(it.until)}"
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in it.counts.items())
    parts = [f"{it.flow} of {it.route}, {it.source} to {it.target}{window}: {counts}"]
    if it.open:
        listed = [(one.key, one.state, one.code, shortened(one.reason, 100)) for one in it.open[:most]]
        parts += [f"open: {len(it.open)}", columns(("what", "state", "code", "reason"), listed, "  ")]
    if it.only_in_store:
        parts.append(
            f"only in {it.target}, the ERP says nothing of them: {shortened(', '.join(it.only_in_store), 200)}"
        )
    if it.differences:
        differs = [
            (one.kind, one.key, shortened(one.store, 60), shortened(one.erp, 60), shortened(one.words, 100))
            for one in it.differences[:most]
        ]
        headers = ("difference", "what", "store", "ERP", "")
        settle = ", none that must be settled" if it.agrees else ""
        parts += [f"differences: {len(it.differences)}{settle}", columns(headers, differs, "  ")]
        if len(it.differences) > most:
            parts.append(f"  ... {len(it.differences) - most} more, see --show or --json")
    else:
        parts.append("no difference but what is open" if it.open else "no difference")
    return "\n".join(parts)


TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="e.g. payment_methods")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="CSV with columns key, value, rule, note")]


@lookups_app.command("import")
def lookups_import(
    table: TableArgument, file: FileArgument, route: RouteOption = None, who: Who = None, as_json: Json = False
) -> None:
    """Replace a look-up table by a CSV file; a file with an error changes nothing.

    Example: erp-sync lookups import payment_methods payment_methods.csv
    """
    from erp_sync.operations import choosing

    with installation() as here:
        chosen = choosing.route(here, route)
        try:
            done = here.ledger.lookups.import_csv(chosen.name, table, file, who=me(who))
        except OSError as error:
            refuse(f"cannot read {file}: {error.strerror}")
        show(
            done,
            as_json,
            lambda it: (
                f"{table}: {it.added} added, {it.changed} changed, {it.removed} removed, {it.unchanged} as before"
            ),
        )


@lookups_app.command("export")
def lookups_export(table: TableArgument, file: FileArgument, route: RouteOption = None, as_json: Json = False) -> None:
    """Write the table in force as CSV; importing it again changes nothing.

    Example: erp-sync lookups export payment_methods payment_methods.csv
    """
    from erp_sync.operations import choosing

    with installation() as here:
        chosen = choosing.route(here, route)
        known = here.ledger.lookups.of(chosen.name).tables
        if table not in known:
            refuse(f"route {chosen.name} has no look-up table {table}; it has: {', '.join(known) or 'none'}")
        try:
            rows = here.ledger.lookups.export_csv(chosen.name, table, file)
        except OSError as error:
            refuse(f"cannot write {file}: {error.strerror}")
        show({"table": table, "rows": rows, "file": str(file)}, as_json, lambda it: f"{rows} rows: {it['file']}")
