"""Commands for long outages of the ERP: the warehouse goes on by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from erp_sync.commands.output import Json, RouteOption, Who, columns, installation, me, show

fallback_app = typer.Typer(
    help="Long outages: hand orders out to the warehouse, take back what it shipped by hand.", no_args_is_help=True
)


@fallback_app.command("export")
def export(
    to: Annotated[Path, typer.Option("--to", help="folder that the files are written to")] = Path("."),
    route: RouteOption = None,
    again: Annotated[bool, typer.Option("--again", help="also what was handed out before")] = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Write the orders that wait for the ERP: a CSV with every line, a pick list to print, a list to fill in.

    What was handed out before is left out. The orders still go to the ERP once it is back.

    Example: erp-sync fallback export --to /srv/warehouse
    """
    from erp_sync.operations import choosing, fallback

    with installation() as here:
        done = fallback.export(here, choosing.route(here, route), to, who=me(who), again=again)
        show(done, as_json, _exported)


@fallback_app.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(help="CSV with order, sku, quantity, carrier, tracking")],
    route: RouteOption = None,
    location: Annotated[str, typer.Option(help="that parcels left from, where the list does not say it")] = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Take in the list of what was shipped by hand: the store gets tracking, the ERP its fulfillments later.

    Rows that are wrong are named and left out, the others go on; exit code 1 says that there were some. The same list
    again changes nothing.

    Example: erp-sync fallback import shipped-20261129-101500-a1b2.csv --location east
    """
    from erp_sync.operations import choosing
    from erp_sync.operations.fallback_import import import_list as take_in

    with installation() as here:
        done = take_in(here, choosing.route(here, route), file, who=me(who), location=location)
        show(done, as_json, _imported)
    if done.problems:
        raise typer.Exit(1)


@fallback_app.command("status")
def status(route: RouteOption = None, as_json: Json = False) -> None:
    """How an outage stands: handed out, shipped by hand, told to the store, known to the ERP.

    Example: erp-sync fallback status
    """
    from erp_sync.operations import choosing, fallback

    with installation() as here:
        found = [fallback.standing(here, one) for one in choosing.routes(here, route)]
        show(found, as_json, _standing)


def _exported(it: Any) -> str:
    lines = [f"{it.orders} orders with {it.lines} lines, {it.units.normalize():f} units to pick, batch {it.batch}"]
    lines += [f"  {name}: {file}" for name, file in it.files.items()]
    if it.already:
        lines.append(f"already handed out: {_some(sorted(it.already))} (--again writes them once more)")
    lines += [f"left out: {one.order}: {one.why} ({one.code})" for one in it.left_out]
    if it.cancelled:
        lines.append(f"cancelled since they were handed out, stop them: {_some(it.cancelled)}")
    shipped = it.files.get("shipped", "LIST.csv")
    return "\n".join([*lines, f"next: erp-sync fallback import {shipped} --location WAREHOUSE"])


def _imported(it: Any) -> str:
    lines = [
        f"{it.rows} rows went on as {len(it.shipments)} shipments, {it.already} were known, {it.empty} not filled in, "
        f"{len(it.problems)} refused"
    ]
    lines += [str(one) for one in it.problems]
    if it.ignored_columns:
        lines.append(f"columns that nobody reads: {', '.join(it.ignored_columns)}")
    return "\n".join([*lines, "next: erp-sync fallback status"])


def _standing(found: Any) -> str:
    headers = ("route", "waiting", "stuck", "handed out", "by hand", "in store", "in ERP")
    rows = [
        (
            one.route,
            one.waiting,
            one.stuck,
            one.handed_out,
            one.left_by_hand,
            one.told_the_store,
            one.known_to_the_erp,
        )
        for one in found
    ]
    lines = [columns(headers, rows)]
    for one in found:
        if one.not_back:
            lines.append(f"{one.route}: the warehouse has told nothing of {_some(one.not_back)}")
        if one.open:
            lines.append(f"{one.route}: the ERP does not know yet that these left: {_some(one.open)}")
        if one.cancelled:
            lines.append(f"{one.route}: cancelled since they were handed out, stop them: {_some(one.cancelled)}")
    return "\n".join(lines)


def _some(names: Any, most: int = 12) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
