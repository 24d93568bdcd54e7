"""What Prometheus scrapes, and the dashboard over exactly that."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from erp_sync.monitoring import dashboard
from erp_sync.monitoring.exposition import LOOKED, METRICS, TARGETS, Exposition, labels, render
from erp_sync.monitoring.kpis import KPIS, Figure

FIGURES = [
    Figure(kpi="success_rate", route="us", flow="orders", value=0.998),
    Figure(kpi="success_rate", route="us", flow="shipments", value=None),
    Figure(kpi="latency", route="us", flow="orders", label="p50", value=4.5),
    Figure(kpi="latency", route="us", flow="orders", label="p95", value=8.5),
    Figure(kpi="cost_per_order", route="us", label="USD", value=0.02),
]
FILE = Path(dashboard.__file__).parents[2] / "docs" / "grafana.json"


def scraped(page: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and values of labels, in the order of the labels' names."""
    return {
        family.name: {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in family.samples
        }
        for family in text_string_to_metric_families(page.decode())
    }


def test_figures_are_gauges_with_their_labels_and_what_is_unknown_is_not_there():
    found = scraped(render(FIGURES, 1000.0))
    assert found["erp_sync_success_ratio"] == {("orders", "us"): 0.998}
    assert found["erp_sync_latency_seconds"] == {("orders", "0.5", "us"): 4.5, ("orders", "0.95", "us"): 8.5}
    assert found["erp_sync_cost_per_order"] == {("USD", "us"): 0.02}
    assert found[TARGETS] == {("erp_sync_success_ratio",): 0.995, ("erp_sync_oversell_ratio",): 0.001}
    assert found[LOOKED] == {(): 1000.0}


def test_every_metric_is_told_of_also_where_it_has_no_figure():
    assert set(scraped(render([], 0.0))) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_names_follow_prometheus_conventions(name: str):
    assert re.fullmatch(r"erp_sync_[a-z_]+[a-z]", name)
    assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info", "_milliseconds", "_percent"))


def test_figures_are_worked_out_once_for_everybody_who_scrapes_within_a_while():
    looks: list[int] = []
    clock = [0.0]

    def look() -> list[Figure]:
        looks.append(1)
        return FIGURES

    page = Exposition(look, keep_seconds=30, monotonic=lambda: clock[0], wall=lambda: 5.0)
    assert page.page() == page.page()
    assert len(looks) == 1
    clock[0] = 30.0
    page.page()
    assert len(looks) == 2


def test_a_look_that_failed_leaves_no_old_figures_behind():
    page = Exposition(lambda: [][0])
    for _ in range(2):
        with pytest.raises(IndexError):
            page.page()


def queries() -> list[str]:
    panels = json.loads(FILE.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_the_dashboard_shows_every_metric_and_names_no_other():
    named = {name for query in queries() for name in re.findall(r"(?<!\")\berp_sync_\w+", query)}
    assert named == set(METRICS)


def test_the_dashboard_selects_by_labels_that_its_metrics_have():
    of = {kpi.metric: labels(kpi) for kpi in KPIS.values()}
    for query in queries():
        for metric, selected in re.findall(r"(erp_sync_\w+)\{([^}]*)\}", query):
            names = re.findall(r"(\w+)=~?", selected)
            assert set(names) <= set(of.get(metric, ["metric"]))


def test_the_dashboards_panels_do_not_overlap():
    places = [panel["gridPos"] for panel in json.loads(FILE.read_text())["panels"]]
    cells = [(place["x"], place["y"]) for place in places]
    assert len(set(cells)) == len(cells)
    assert max(place["x"] + place["w"] for place in places) == 24


def test_the_file_is_the_dashboard_as_it_is_written_today():
    assert FILE.read_text() == dashboard.text()
