"""Key figures as an asset: materialised every hour, so that the UI plots them over time beside their targets."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from erp_sync.components.configuration import Configuration, Mode
from erp_sync.components.installation import current
from erp_sync.monitoring.kpis import KPIS, QUEUE, Figure, Shown, shown

KEY = dg.AssetKey(["installation", "kpis"])
JOB = "kpis"
TARGETS = "targets"
#: What is plotted, and of which labels; None: of all that there are, each by itself. Every kind of figure is, so that
#: each has a past; tables of the event have more of a kind, `erp-sync status --json` everything.
PLOTTED: dict[str, tuple[str, ...] | None] = {
    "success_rate": ("",),
    "latency": ("p95",),
    "document_error_rate": None,
    "call_error_rate": None,
    "queue_depth": ("due", "waiting", "held", "dead"),
    "oldest_due": ("",),
    "documents_per_hour": ("finished",),
    "manual_decisions": None,
    "decision_effort": None,
    "decision_wait": ("p50",),
    "accuracy": ("",),
    "oversell_rate": ("",),
    "placed_to_picked": ("p50",),
    "placed_to_shipped": ("p50",),
    "cancelled_units": ("",),
    "cancelled_revenue": None,
    "calls_per_order": ("",),
    "cost_per_order": None,
}
_UNITS = {"ratio": "%", "seconds": "s"}


def plotted(figures: Sequence[Figure]) -> dict[str, float]:
    """Name to number; shares in per cent. What is unknown leaves a gap in the plot."""
    found = {}
    for one in figures:
        kpi, wanted = KPIS[one.kpi], PLOTTED[one.kpi]
        if one.value is None or (wanted is not None and one.label not in wanted):
            continue
        unit = one.label if kpi.unit == "currency" else _UNITS.get(kpi.unit, kpi.unit)
        several = kpi.label == "quantile" or wanted is None or len(wanted) > 1
        label = f" {one.label}" if several and kpi.unit != "currency" else ""
        place = f"{one.route} {one.flow}".strip()
        found[f"{place}: {kpi.title}{label} ({unit})"] = round(
            float(one.value) * (100 if kpi.unit == "ratio" else 1), 4
        )
    return found


#: Columns of the flows' table: figure, label and heading; narrow, so that the page shows all of them.
_COLUMNS = (
    ("success_rate", "", "success"),
    ("latency", "p50", "p50"),
    ("latency", "p95", "p95"),
    ("latency", "p99", "p99"),
    ("documents_per_hour", "finished", "last hour"),
    ("accuracy", "", "accuracy"),
)


def metadata_of(figures: Sequence[Figure]) -> dict[str, Any]:
    """What the UI shows of an hour: tables of flows, routes, errors by kind, queues by state and what people decided,
    and what is plotted."""
    told = [shown(one) for one in figures]
    by_place = {(one.route, one.flow, one.kpi, one.label): one for one in told}
    several = len({one.route for one in told}) > 1

    def place(route: str, flow: str) -> str:
        """Narrow where there is one route, so that the page shows all columns."""
        return f"{route} {flow}" if several else flow

    flows = [
        (place(route, flow), *[_cell(by_place.get((route, flow, kpi, label))) for kpi, label, _ in _COLUMNS])
        for route, flow in dict.fromkeys((one.route, one.flow) for one in told if one.flow)
    ]
    routes = [(one.route, f"{one.title} {one.label}".strip(), _cell(one), one.target) for one in told if not one.flow]
    errors = [
        (place(one.route, one.flow), one.title, one.label, one.text)
        for one in told
        if one.kpi in ("document_error_rate", "call_error_rate")
    ]
    people = [
        (place(one.route, one.flow), one.title, one.label, one.text)
        for one in told
        if one.kpi in ("manual_decisions", "decision_effort", "decision_wait")
    ]
    queues = [
        (place(route, flow), *[_count(by_place.get((route, flow, "queue_depth", state))) for state in QUEUE])
        for route, flow in dict.fromkeys((one.route, one.flow) for one in told if one.kpi == "queue_depth")
    ]
    tables = {
        "flows": _table(("flow", *[heading for _, _, heading in _COLUMNS]), flows),
        "routes": _table(("route", "figure", "value", "aim"), routes),
        "errors": _table(("flow", "what", "kind", "share"), errors),
        "queued_documents": _table(("flow", *QUEUE), queues),
        "people": _table(("flow", "figure", "of", "value"), people),
    }
    return {name: table for name, table in tables.items() if table.records} | plotted(figures)


def _cell(one: Shown | None) -> str:
    """What misses its target is marked."""
    if one is None:
        return ""
    return f"! {one.text} (aim {one.target})" if one.met is False else one.text


def _count(one: Shown | None) -> str:
    """Of documents, which the table's name says; zero is a dot, so that what is not stands out."""
    if one is None or one.value is None:
        return ""
    return one.text.partition(" ")[0] if one.value else "."


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.TableMetadataValue:
    return dg.TableMetadataValue(
        [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows],
        dg.TableSchema([dg.TableColumn(name) for name in names]),
    )


def check_of(figures: Sequence[Figure]) -> dg.AssetCheckResult:
    """A warning while a figure misses its target."""
    missed = [shown(one) for one in figures if one.met is False]
    known = sum(1 for one in figures if one.met is not None)
    words = [f"{' '.join(part for part in (one.route, one.flow) if part)}: {one.title} {one.text}" for one in missed]
    return dg.AssetCheckResult(
        check_name=TARGETS,
        passed=not missed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"figures_with_a_target": known, "missed": len(missed)},
        description="; ".join(f"{one} (aim {which.target})" for one, which in zip(words, missed, strict=True)) or None,
    )


def kpi_definitions(configuration: Configuration) -> dg.Definitions:
    """The asset, its job and its hourly schedule: one for the installation. Nothing where no flow moves anything."""
    if not any(flow.mode is not Mode.OFF for route in configuration.routes.values() for flow in route.flows.values()):
        return dg.Definitions()

    @dg.asset(
        key=KEY,
        group_name="installation",
        description=(
            "Every hour: key figures of all flows over the last day, from ledger and exchange log, beside their "
            "targets; an exclamation mark is a target that is missed. Plots show them over time; what cannot be known "
            "leaves a gap. The same figures and more: `erp-sync status`, and `/metrics` of the event service."
        ),
        kinds={"python"},
        check_specs=[
            dg.AssetCheckSpec(TARGETS, asset=KEY, description="Every figure that has a target and is known meets it.")
        ],
    )
    def kpis(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from erp_sync.operations.kpis import figures

        found = figures(current())
        return dg.MaterializeResult(metadata=metadata_of(found), check_results=[check_of(found)])

    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(KEY),
        description="Works out the key figures of all flows.",
        tags={"erp_sync/flow": JOB},
    )
    schedule = dg.ScheduleDefinition(
        name="hourly_kpis",
        job=job,
        cron_schedule="5 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Five minutes past every hour.",
    )
    return dg.Definitions(assets=[kpis], jobs=[job], schedules=[schedule])
