"""Every key figure that is asked for stands everywhere where people look, beside its target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erp_sync.commands.figures import kpis_text
from erp_sync.commands.watching import _FLOW_COLUMNS
from erp_sync.monitoring.exposition import TARGETS, render
from erp_sync.monitoring.kpis import KPIS, Figure, shown
from erp_sync.operations.kpi_asset import metadata_of, plotted

GRAFANA = Path(__file__).parents[2] / "docs" / "grafana.json"
# What is asked for: figure, the labels it must have, and its target.
ASKED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "success rate": ("success_rate", ("",), "above 99.5 %"),
    "latency per flow": ("latency", ("p50", "p95", "p99"), ""),
    "documents that failed, by kind and flow": ("document_error_rate", ("unknown_item",), ""),
    "calls that failed, by kind and flow": ("call_error_rate", ("Throttled",), ""),
    "queue depth": ("queue_depth", ("due", "waiting", "held", "dead"), ""),
    "manual interventions": ("manual_decisions", ("approved",), ""),
    "time spent on decisions": ("decision_effort", ("approved", "edited"), ""),
    "time that decisions were waited for": ("decision_wait", ("p50", "p95", "p99"), ""),
    "oversell rate": ("oversell_rate", ("",), "below 0.1 %"),
    "stock accuracy": ("accuracy", ("",), ""),
    "documents per flow and hour": ("documents_per_hour", ("finished",), ""),
    "placed to picked": ("placed_to_picked", ("p50", "p95", "p99"), ""),
    "placed to shipped": ("placed_to_shipped", ("p50", "p95", "p99"), ""),
    "units cancelled for lack of stock": ("cancelled_units", ("",), ""),
    "revenue cancelled for lack of stock": ("cancelled_revenue", ("USD",), ""),
    "calls per order": ("calls_per_order", ("",), ""),
    "money per order": ("cost_per_order", ("USD",), ""),
}


def figures(name: str, labels: tuple[str, ...]) -> list[Figure]:
    """Of a value that misses every target, and is no other number of the page."""
    flow = "" if KPIS[name].of_route else "inventory"
    return [Figure(kpi=name, route="us", flow=flow, label=label, value=0.4321) for label in labels]


@pytest.mark.parametrize("asked", ASKED)
def test_a_figure_that_is_asked_for_is_in_asset_metrics_status_and_dashboard(asked: str) -> None:
    name, labels, target = ASKED[asked]
    kpi, some = KPIS[name], figures(*ASKED[asked][:2])
    told: list[Any] = [shown(one) for one in some]
    assert {one.target for one in told} == {target}

    assert plotted(some), "the asset plots it"
    tables = metadata_of(some)
    said = told[0].text.partition(" ")[0] if name == "queue_depth" else told[0].text  # the table's name has the unit
    assert any(said in str(table) for table in tables.values()), "the asset shows it"

    page = render(some, 0).decode()
    series = [line for line in page.splitlines() if line.startswith(f"{kpi.metric}{{")]
    assert len(series) == len(labels)
    assert all(line.endswith(" 0.4321") for line in series)
    assert (f'{TARGETS}{{metric="{kpi.metric}"}}' in page) == bool(target)

    text = "\n".join(kpis_text(told))
    if name == "queue_depth":  # the table of flows above them has it
        assert {"on its way", "waiting", "held", "dead"} <= set(_FLOW_COLUMNS)
    else:
        assert text.count(("! " if target else "") + told[0].text) >= len(labels)
        assert target in text

    (panel,) = (
        one
        for one in json.loads(GRAFANA.read_text())["panels"]
        if any(query["expr"].startswith(f"{kpi.metric}{{") for query in one["targets"])
    )
    assert (f"aim {target}" in panel["title"]) == bool(target)
    assert any(TARGETS in query["expr"] for query in panel["targets"]) == bool(target)


def test_nothing_is_measured_that_nobody_asked_for_but_the_oldest_that_waits() -> None:
    assert set(KPIS) - {name for name, _, _ in ASKED.values()} == {"oldest_due"}
