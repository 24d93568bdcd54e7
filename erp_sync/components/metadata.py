"""What a data engineer sees of a run: figures of the run, totals of the day, tables of what did not go.

A partition is a day and many runs work on today's: plots over partitions and the row count show the *day's*
totals (`dagster/row_count`, ``day_...``), plots over time the single runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from erp_sync.components import shadow
from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.mapping_version import mapping_version, tag_run
from erp_sync.components.run_context import SHOWN
from erp_sync.monitoring import reasons

# Days of one run whose totals are told one by one; a longer backfill tells none.
MOST_DAYS = 400
DAY_STATES = ("delivered", "due", "waiting", "held", "dead")

Totals = Callable[[datetime, datetime], Mapping[str, int]]


@contextmanager
def measured(here: Installation) -> Iterator[dict[str, Any]]:
    """Fills in ``seconds`` and ``api_calls`` of what is done inside; calls are this process's."""
    figures: dict[str, Any] = {}
    began, calls = time.monotonic(), here.exchanges.recorded
    yield figures
    figures["seconds"] = round(time.monotonic() - began, 3)
    figures["api_calls"] = here.exchanges.recorded - calls


def received_of_day(here: Installation, connection: str, kind: FlowKind) -> Totals:
    return lambda start, end: {
        "dagster/row_count": here.ledger.days.received(connection, kind.source_entity, start, end)
    }


def transformed_of_day(here: Installation, route: RouteSpec, kind: FlowKind) -> Totals:
    """Documents of the day that are in the ledger; of a state flow the rows that its plans changed."""

    def totals(start: datetime, end: datetime) -> dict[str, int]:
        counts = _counts(here, route, kind, start, end)
        return {"dagster/row_count": sum(counts.values())}

    return totals


def loaded_of_day(here: Installation, route: RouteSpec, kind: FlowKind) -> Totals:
    """Documents of the day by where they are now; of a state flow the rows written that day."""

    def totals(start: datetime, end: datetime) -> dict[str, int]:
        counts = _counts(here, route, kind, start, end)
        if not kind.delivers:
            return {"dagster/row_count": counts.get("applied", 0)}
        counts["due"] = counts.get("due", 0) + counts.pop("claimed", 0)
        return {
            "dagster/row_count": counts.get("delivered", 0),
            **{f"day_{state}": counts.get(state, 0) for state in DAY_STATES},
        }

    return totals


def _counts(here: Installation, route: RouteSpec, kind: FlowKind, start: datetime, end: datetime) -> dict[str, int]:
    if not kind.delivers:
        return here.ledger.days.rows(route.name, kind.name, start, end)
    source, target = getattr(route, kind.source), getattr(route, kind.target)
    return here.ledger.days.documents(route.name, kind.name, target, source, kind.entity, start, end)


def of_days(context: dg.AssetExecutionContext, totals: Totals) -> dict[str, Any]:
    """Totals of the run's day, for its metadata; those of several days go to each partition's own event."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return {}
    window = context.partition_time_window
    if context.has_partition_key:
        return dict(totals(window.start, window.end))
    days = context.partition_keys
    if len(days) <= MOST_DAYS:
        for number, day in enumerate(days):
            start = window.start + timedelta(days=number)
            context.add_asset_metadata(totals(start, start + timedelta(days=1)), partition_key=day)
    return {}


def mapping(context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind) -> dict[str, Any]:
    """The version of the mapping that the run works by, and of what it consists; the run is tagged with it."""
    version = mapping_version(here.configuration, route, kind.name)
    tag_run(context, version)
    return {"mapping": version.value, "mapping_parts": in_line(version.parts)}


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.TableMetadataValue:
    """The first rows, as text."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: _text(value) for name, value in zip(names, row, strict=True)}) for row in rows[:SHOWN]
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]),
    )


def in_line(found: Mapping[str, Any]) -> str:
    """Such as reasons and how often each: ``unchanged 23, too_old 1``. It stands in the events of every run: a table
    would be many times as large there, JSON is hidden behind a link in lists of events."""
    return ", ".join(f"{name} {_text(one)}" for name, one in found.items())


def _text(value: Any) -> str | int:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    return value if isinstance(value, int) else str(value)


def number(text: str) -> float | str:
    """A figure that can be plotted; as it stands where it is none."""
    try:
        return float(text.removesuffix("%").strip())
    except ValueError:
        return text


def moments(**times: datetime | None) -> dict[str, Any]:
    """Times as the UI shows them: in the reader's own time zone."""
    return {name: dg.MetadataValue.timestamp(value) for name, value in times.items() if value is not None}


def files(names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {}
    more = f"\n- ... {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return {"files": dg.MetadataValue.md("\n".join(f"- `{name}`" for name in names[:SHOWN]) + more)}


def delivered_documents(here: Installation, ids: Sequence[int]) -> dict[str, Any]:
    """The documents that a run delivered: what they are called here and there, and how to see everything of one."""
    if not ids:
        return {}
    shown = list(ids[:SHOWN])
    found = {one.id: one for one in here.ledger.deliveries.some(shown)}
    steps = here.ledger.steps.of_all(shown)
    rows = []
    for one in (found[number] for number in shown if number in found):
        made = dict.fromkeys(
            f"{step.operation.split('.')[0]} {step.receipt.number or step.receipt.target_id}"
            for step in steps[one.id]
            if step.receipt is not None
        )
        rows.append((one.number, one.operation, ", ".join(made), f"erp-sync trace {one.number}"))
    return {"documents": table(("document", "what", "receipts", "everything about it"), rows)}


def needs_a_person(here: Installation, route: RouteSpec, kind: FlowKind) -> tuple[int, dict[str, Any]]:
    """How many dead letters and held documents the flow has now, and a table of the latest."""
    from erp_sync.ledger.documents import State

    counts = here.ledger.deliveries.pending(route.name, kind.name, getattr(route, kind.target))
    dead, held = counts.get("dead", 0), counts.get("held", 0)
    told: dict[str, Any] = {"dead_letters": dead, "held": held}
    if dead or held:
        states = (State.DEAD, State.HELD)
        found = here.ledger.deliveries.find(route=route.name, flow=kind.name, states=states, limit=SHOWN)
        rows = [
            (
                one.number,
                one.state.value,
                one.code,
                one.reason,
                one.changed_at,
                f"erp-sync {'retry' if one.state == 'dead' else 'approve'} d{one.id}",
                reasons.address(one.code, here.settings.runbook_url),
            )
            for one in found
        ]
        told["documents"] = table(("document", "state", "code", "reason", "since", "next", "runbook"), rows)
    return dead + held, told


def quarantined(here: Installation, route: RouteSpec, kind: FlowKind) -> tuple[int, dict[str, Any]]:
    """How many records of the flow are in quarantine now, by rule, and a table of the latest."""
    counts = {
        rule: count
        for (of_route, of_flow, rule), count in here.ledger.quarantine.counts().items()
        if (of_route, of_flow) == (route.name, kind.name)
    }
    told: dict[str, Any] = {"in_quarantine": sum(counts.values())}
    if counts:
        told["by_rule"] = in_line(counts)
        rows = [
            (
                f"q{row.id}",
                row.native_id,
                row.rule,
                row.problem,
                row.first_at,
                row.times,
                reasons.address(row.rule, here.settings.runbook_url),
            )
            for row in here.ledger.quarantine.find(route=route.name, flow=kind.name, limit=SHOWN)
        ]
        told["rows"] = table(("id", "record", "rule", "reason", "since", "times", "runbook"), rows)
    return sum(counts.values()), told


def dead_letters(here: Installation, route: RouteSpec, kind: FlowKind) -> dg.AssetCheckResult:
    """A standing signal: a warning until nothing of the flow needs a person."""
    count, told = needs_a_person(here, route, kind)
    return dg.AssetCheckResult(
        check_name="dead_letters",
        passed=not count,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=told,
        description=None
        if not count
        else f"{count} {'document' if count == 1 else 'documents'} for {getattr(route, kind.target)} waiting for a "
        "person; the others go on. "
        f"`erp-sync deadletters --flow {kind.name}` says why, `erp-sync trace NUMBER` what happened, "
        "`erp-sync retry`, `approve` or `reject` decides.",
    )


def fresh_events(
    here: Installation, route: RouteSpec, kind: FlowKind, key: dg.AssetKey, now: datetime, looks: int
) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The loaded asset is as it should be without a run: its event, with its check.

    Tells the day's totals again: this event is the partition's latest, which plots and row count show. Of a flow in
    shadow mode it tells again, too, what would be written.
    """
    in_shadow = route.flows[kind.name].mode is Mode.SHADOW
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = [
        dg.AssetMaterialization(
            asset_key=key,
            partition=now.strftime("%Y-%m-%d"),
            description="Looked at the source and the ledger: nothing to do.",
            metadata={
                **loaded_of_day(here, route, kind)(midnight, midnight + timedelta(days=1)),
                **(shadow.told(here, route, kind) if in_shadow else {}),
                "looks_since_last": looks,
            },
        )
    ]
    if kind.delivers:
        check = dead_letters(here, route, kind)
        events.append(
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name="dead_letters",
                passed=check.passed,
                severity=check.severity,
                metadata=check.metadata or {},
                description=check.description,
            )
        )
    return events
