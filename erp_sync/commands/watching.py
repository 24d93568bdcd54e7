"""Commands that look: status, trace."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote_plus

import msgspec
import typer

from erp_sync.commands.figures import kpis_text
from erp_sync.commands.output import Json, ago, columns, counted, installation, instant, moment, refuse, shortened, show

if TYPE_CHECKING:
    from rich.console import Console

# Lines of a body that `trace` shows without --payloads.
SHOWN_LINES = 12


def status(
    watch: Annotated[bool, typer.Option("--watch", help="look again and again, until interrupted")] = False,
    every: Annotated[float, typer.Option("--every", min=0.5, help="seconds between two looks of --watch")] = 5.0,
    as_json: Json = False,
) -> None:
    """How every flow and connection stands, what waits for a person, key figures beside their targets, what runs.

    Example: erp-sync status --watch
    """
    from erp_sync.operations.status import status as look

    if watch and as_json:
        refuse("--watch draws a screen; ask for --json again and again instead")
    with installation() as here:
        if watch:
            from rich.console import Console

            from erp_sync.ledger.errors import DatabaseAway, LedgerBusy, answering

            def text() -> str:
                """A ledger or exchange log that does not answer is said on the screen; the next look finds it again."""
                try:
                    with answering(here.settings.ledger_url):
                        return _status_text(look(here))
                except (DatabaseAway, LedgerBusy) as away:
                    return str(away)

            keep_looking(text, every, Console())
        else:
            show(look(here), as_json, _status_text)


def keep_looking(look: Callable[[], str], every: float, console: Console) -> None:
    """The text of a look on the whole screen, drawn anew every so many seconds until the user interrupts."""
    from rich.live import Live
    from rich.text import Text

    try:
        with Live(Text(look()), screen=True, auto_refresh=False, console=console) as live:
            while True:
                live.update(Text(look()), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return


def _breaker(one: Any) -> str:
    if one.maintenance is not None:
        return f"maintenance until {moment(one.maintenance.ends_at)}"
    return f"{one.breaker}: {one.breaker_why}" if one.breaker_why else one.breaker


_FLOW_COLUMNS = ["flow", "mode", "from", "to", "on its way", "waiting", "held", "dead", "quarantine"]
_FLOW_COLUMNS += ["oldest due", "polled", "loaded"]


def _flow_row(one: Any, now: datetime) -> list[Any]:
    """Zeros are dots: what is not zero stands out."""
    counts = [one.unhandled + one.due + one.later + one.claimed, one.waiting, one.held, one.dead, one.quarantined]
    times = [ago(time, now) for time in (one.oldest_due, one.last_poll, one.last_loaded)]
    return [one.flow, one.mode, one.source, one.target, *[str(count or ".") for count in counts], *times]


def _status_text(it: Any) -> str:
    parts = [f"{it.home}: {'services run' if it.running else 'no service runs; next: erp-sync up'}"]
    if it.services:
        parts.append("  " + ", ".join(f"{one.name} {one.state}" for one in it.services))
    for route in dict.fromkeys(one.route for one in it.flows):
        rows = [_flow_row(one, it.at) for one in it.flows if one.route == route]
        parts.append(f"{route}\n{columns(_FLOW_COLUMNS, rows, indent='  ')}")
    parts.append(
        columns(
            ("connection", "vendor", "breaker", "slots", "in use", "queued", "logins", "paused"),
            [
                (
                    one.name,
                    one.vendor,
                    _breaker(one),
                    one.slots if one.slots is not None else "-",
                    one.slots_in_use,
                    one.calls_waiting,
                    f"{one.sessions_open} of {one.sessions}" if one.sessions is not None else "-",
                    f"{one.paused_s:.0f} s: {one.paused_why}" if one.paused_s else "",
                )
                for one in it.connections
            ],
        )
    )
    parts += kpis_text(it.kpis)
    for plan in it.plans_waiting:
        parts.append(
            f"plan p{plan.plan} of {plan.flow} on {plan.route} waits with {counted(plan.rows, 'row')} since "
            f"{moment(plan.since)}: {plan.reason}\nnext: erp-sync plan p{plan.plan}; erp-sync approve p{plan.plan}"
        )
    told = tuple(f"plan {plan.plan} of " for plan in it.plans_waiting)
    parts += [
        f"{alert.severity}: {alert.text} (since {moment(alert.since)})"
        for alert in it.alerts
        if not alert.text.startswith(told)
    ]
    if any(one.dead or one.quarantined for one in it.flows):
        parts.append("next: erp-sync deadletters")
    return "\n\n".join(parts)


def trace(
    order: Annotated[
        str | None, typer.Argument(help="order number, id in a system, external id, delivery, or SKU")
    ] = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", help="documents of a customer: e-mail address, or CONNECTION:CUSTOMER"),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="only what this run did")] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="only since then, e.g. 2026-11-27T16:00 (UTC)")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="only before then")] = None,
    payloads: Annotated[bool, typer.Option("--payloads", help="show bodies whole, not their beginning")] = False,
    as_json: Json = False,
) -> None:
    """Everything that ever happened to an order, document or SKU, in order, with what was said to whom; the same of a
    customer, a run or a span of time. Of a run or a span alone bodies are shown with --payloads only.

    Example: erp-sync trace 000000123 --payloads
    """
    from erp_sync.operations import trace_search
    from erp_sync.operations.trace import trace as look

    start, end = instant("--from", since), instant("--to", until)
    if order is not None and customer is not None:
        refuse("give an order or --customer, not both")
    if order is None and customer is None and not (run or start or end):
        refuse("what is to be traced? An order, SKU or other name, --customer, --run, or --from and --to")
    with installation() as here:
        if order is not None:
            report = trace_search.within(look(here, order), run, start, end)
        elif customer is not None:
            report = trace_search.within(trace_search.trace_customer(here, customer), run, start, end)
        else:
            report = trace_search.search(here, run=run, since=start, until=end, bodies=payloads)
        show(report, as_json, lambda it: _trace_text(it, payloads))


def _trace_text(it: Any, payloads: bool) -> str:
    sku = it.known or any(entry.kind == "planned_change" for entry in it.entries)
    parts = [f"{it.asked}: a SKU" if sku and not it.documents else it.asked]
    if it.older:
        parts.append(
            f"  {it.older} older orders and records are left out; next: erp-sync trace ORDER tells one of them"
        )
    elif it.left_out:
        parts.append("  older entries are left out; next: give --from and --to")
    for document in it.documents:
        elsewhere = [f"{native_id} in {name}" for name, native_id in sorted(it.partners.get(document, {}).items())]
        parts.append(f"  {document}{', is ' + ', '.join(elsewhere) if elsewhere else ''}")
    for entry in it.entries:
        parts.append(_entry_text(entry, payloads))
    for known in it.known:
        sure = "" if known["sure"] else f", not sure: {known['why']}"
        parts.append(
            f"{known['connection']} holds {known['entity']} {known['key']} = {_one_line(known['value'])} "
            f"({known['origin']} {known['observed_at']}{sure})"
        )
    for delivery in it.deliveries:
        reason = f": {delivery.code} {delivery.reason}".rstrip() if delivery.code or delivery.reason else ""
        parts.append(
            f"delivery d{delivery.id}, {delivery.operation} of {delivery.document} to {delivery.target}: "
            f"{delivery.state}{reason}{f', mapping {delivery.mapping}' if delivery.mapping else ''}"
        )
        if delivery.steps:
            parts.append(
                columns(
                    ("step", "operation", "key", "state", "sends", "id there", "number"),
                    [
                        (step.name, step.operation, step.key, step.state, step.attempts, step.target_id, step.number)
                        for step in delivery.steps
                    ],
                    indent="  ",
                )
            )
    return "\n".join(parts)


def _entry_text(entry: Any, payloads: bool) -> str:
    head = f"{entry.at.strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]}Z  "
    facts = entry.facts
    if entry.kind == "exchange":
        error = f", {facts['error']}" if facts.get("error") else ""
        of = f" of {facts['document']}" if facts.get("document") else ""
        url = facts["url"] if payloads else shortened(unquote_plus(facts["url"]), 160)
        line = (
            f"{head}{facts['connection']} {facts['method']} {url} -> {facts['status'] or 'no answer'} "
            f"in {facts['ms']} ms, {facts['verdict']}{error} ({facts['operation']}{of})"
        )
        return "\n".join([line, *_body("sent", entry.request, payloads), *_body("answer", entry.response, payloads)])
    where = " ".join(part for part in (f"d{entry.delivery}" if entry.delivery else "", entry.step) if part)
    told = ", ".join(
        f"{name} {_one_line(value)}"
        for name, value in facts.items()
        if value not in ("", None, []) and name not in _KEPT_FOR_JSON
    )
    if entry.kind in _OF_THE_DOCUMENT and entry.about:
        where = f"{where} {entry.about}".strip()
    by = f" by {entry.actor}" if entry.actor and entry.kind in _BY_PEOPLE else ""
    line = f"{head}{entry.kind}{by}{' ' + where if where else ''}{': ' + told if told else ''}"
    return "\n".join([line, *_body("record", entry.payload, payloads)])


# Where the document itself came or went: named, since a trace tells of several.
_OF_THE_DOCUMENT = ("received", "accepted", "left_out", "quarantined", "delivered", "dead", "held", "adopted")
_KEPT_FOR_JSON = ("received_id", "lake_file", "lake_row", "source_time")
_BY_PEOPLE = ("approved", "rejected", "retried", "edited", "dismissed", "adopted")
_encoder = msgspec.json.Encoder(decimal_format="number")


def _one_line(value: Any) -> str:
    return value if isinstance(value, str) else shortened(_encoder.encode(value).decode(), 200)


def _body(name: str, body: Any, whole: bool) -> list[str]:
    if body is None:
        return []
    text = body if isinstance(body, str) else msgspec.json.format(_encoder.encode(body), indent=2).decode()
    lines = text.splitlines()
    shown = lines if whole else [line[:200] for line in lines[:SHOWN_LINES]]
    more = len(lines) - len(shown)
    rest = [f"      ... {more} more lines, see --payloads"] if more > 0 else []
    return [f"    {name}:", *(f"      {line}" for line in shown), *rest]
