"""`erp-sync adopt`: what the ERP holds already is found and linked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from erp_sync.commands.connecting import RouteArgument, Shown, progress
from erp_sync.commands.output import Json, Who, columns, installation, instant, me, moment, refuse, show


def adopt(
    route: RouteArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run/--apply", help="only list, or link what is certain")] = True,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="orders placed since, e.g. 2026-01-01; else the start")
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="KEY=ID", help="this order number, or customer's address, has that id there"),
    ] = None,
    external_ids: Annotated[
        bool, typer.Option("--write-external-ids", help="with --apply: set our external id on what has none in the ERP")
    ] = False,
    rows: Shown = 20,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Find orders, customers and items that the ERP holds already, and link them so that none is created again.

    By order number, e-mail address and SKU. What is certain is linked in the cross references; nothing is written to
    the ERP unless --write-external-ids says so. Doubtful orders become dead letters until a person decides.

    Example: erp-sync adopt netsuite_magento --dry-run
    """
    from erp_sync.operations import choosing
    from erp_sync.operations.adoption import adopt as look

    with installation() as here, progress(as_json) as told:
        report = look(
            here,
            choosing.route(here, route),
            apply=not dry_run,
            since=instant("--since", since),
            links=_links(link or ()),
            write_external_ids=external_ids,
            who=me(who),
            progress=told,
        )
    show(report, as_json, lambda it: _adoption_text(it, rows))


def _links(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for number, _, native_id in pairs:
        if not number or not native_id:
            refuse(f"--link {number!r} is no link; expected KEY=ID, e.g. 000000123=4711 or ann@example.com=12")
    return {number: native_id for number, _, native_id in pairs}


def _adoption_text(it: Any, most: int) -> str:
    names = ("certain", "doubtful", "missing", "ours")
    table = [(what, *(counts.get(name, 0) for name in names)) for what, counts in it.counts.items()]
    parts = [f"{it.erp} was searched for the orders of {it.store} since {moment(it.since)}", ""]
    parts.append(columns(("", *names), table))
    for certainty in ("doubtful", "missing", "certain"):
        some = [match for match in it.matches if match.certainty == certainty]
        if some:
            listed = [(one.entity, one.natural_key, ", ".join(one.target_ids), one.why) for one in some[:most]]
            parts += ["", f"{certainty}: {len(some)}", columns(("entity", "key", "ids there", "why"), listed, "  ")]
    if it.unreadable:
        told = [(one.number, one.problem) for one in it.unreadable[:most]]
        parts += ["", "cannot be mapped, and was not looked for:", columns(("order", "problem"), told, "  ")]
    if it.applied is None:
        parts += ["", f"nothing was changed; next: erp-sync adopt {it.route} --apply"]
        if it.bare:
            parts.append(
                f"{it.bare} certain orders carry no external id: --write-external-ids sets it, so that the ERP itself "
                "refuses a second"
            )
    else:
        done = it.applied
        parts += ["", f"linked: {done.orders} orders, {done.customers} customers, {done.items} items"]
        if done.doubtful:
            parts.append(f"{done.doubtful} doubtful orders wait for a person; next: erp-sync deadletters")
        if done.external_ids:
            parts.append(f"{done.external_ids} records of {it.erp} carry our external id now")
        parts += [f"external id not written: {one}" for one in done.not_written]
        if done.told_again:
            parts.append(f"{done.told_again} records of status and shipments are transformed again")
        if done.under_way:
            parts.append(f"being delivered at this moment, run it again: {', '.join(done.under_way)}")
        parts += [f"not linked: {conflict}" for conflict in done.conflicts]
    return "\n".join(parts)
