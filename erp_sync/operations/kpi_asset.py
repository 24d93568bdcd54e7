"""Key figures as an asset: materialised every hour, so that the UI plots them over time beside their targets."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from erp_sync.components.configuration import Configuration, Mode
from erp_sync.components.installation import current
from erp_sync.monitoring.kpis import KPIS, Figure, shown

KEY = dg.AssetKey(["installation", "kpis"])
JOB = "kpis"
TARGETS = "targets"
#: What is plotted; the table of the event has everything.
PLOTTED = {
    "success_rate": "",
    "latency": "p95",
    "documents_per_hour": "finished",
    "oldest_due": "",
    "accuracy": "",
    "oversell_rate": "",
    "placed_to_picked": "p50",
    "placed_to_shipped": "p50",
    "calls_per_order": "",
    "cost_per_order": None,
}
_UNITS = {"ratio": "%", "seconds": "s"}


def plotted(figures: Sequence[Figure]) -> dict[str, float]:
    """Name to number; shares in per cent. What is unknown leaves a gap in the plot."""
    found = {}
    for one in figures:
        kpi, wanted = KPIS[one.kpi], PLOTTED.get(one.kpi, "-")
        if one.value is None or wanted not in (None, one.label):
            continue
        unit = one.label if kpi.unit == "currency" else _UNITS.get(kpi.unit, kpi.unit)
        label = f" {one.label}" if kpi.label == "quantile" else ""
        place = f"{one.route} {one.flow}".strip()
        found[f"{place}: {kpi.title}{label} ({unit})"] = round(one.value * (100 if kpi.unit == "ratio" else 1), 4)
    return found


def metadata_of(figures: Sequence[Figure]) -> dict[str, Any]:
    """What the UI shows of an hour: the figures that are plotted, and a table of all, what misses its target first."""
    order = {False: 0, None: 1, True: 1}
    rows = sorted((shown(one) for one in figures), key=lambda one: order[one.met])
    names = ("route", "flow", "figure", "value", "window", "target", "met", "cases")
    records = [
        dg.TableRecord(
            {
                "route": one.route,
                "flow": one.flow,
                "figure": f"{one.title} {one.label}".strip(),
                "value": one.text,
                "window": one.window,
                "target": one.target,
                "met": {True: "yes", False: "NO", None: ""}[one.met],
                "cases": "" if one.of is None else str(one.of),
            }
        )
        for one in rows
    ]
    table = dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in names]))
    return {"figures": table, **plotted(figures)}


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
            "targets. The plots show them over time; the table has every figure. A figure that cannot be known leaves "
            "a gap. The same figures: `erp-sync status`, and `/metrics` of the event service."
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
