"""Key figures in the UI: plotted over time, in a table beside their targets, and a check that warns."""

from __future__ import annotations

import dagster as dg
import pytest

from erp_sync.components.configuration import Configuration, Mode
from erp_sync.components.route import installation_definitions
from erp_sync.monitoring.kpis import KPIS, Figure
from erp_sync.operations import kpi_asset
from erp_sync.operations.kpi_asset import KEY, check_of, kpi_definitions, metadata_of, plotted
from erp_sync_tests.operations.house import House

TABLES = ("flows", "routes", "errors")
FIGURES = [
    Figure(kpi="oversell_rate", route="us", value=0.0),
    Figure(kpi="success_rate", route="us", flow="orders", value=0.75, of=4),
    Figure(kpi="success_rate", route="us", flow="shipments", value=None, of=0),
    Figure(kpi="latency", route="us", flow="orders", label="p50", value=4.0),
    Figure(kpi="latency", route="us", flow="orders", label="p95", value=8.0),
    Figure(kpi="cost_per_order", route="us", label="USD", value=0.02),
    Figure(kpi="document_error_rate", route="us", flow="orders", label="unknown_item", value=0.25),
]


def test_plots_have_shares_in_per_cent_and_gaps_where_nothing_is_known():
    assert plotted(FIGURES) == {
        "us: oversell rate (%)": 0.0,
        "us orders: success rate (%)": 75.0,
        "us orders: latency p95 (s)": 8.0,
        "us: cost per order (USD)": 0.02,
        "us orders: document errors unknown_item (%)": 25.0,
    }


def test_every_kind_of_figure_has_a_past_in_the_ui():
    """A kind that is measured and not plotted would be seen as it is now only."""
    labels = {"quantile": "p50", "state": "held", "what": "finished", "kind": "approved", "currency": "USD"}
    labels |= {"": ""}
    names = {
        name: plotted([Figure(kpi=name, route="us", label=labels[kpi.label], value=1)]) for name, kpi in KPIS.items()
    }
    assert [name for name, found in names.items() if name != "latency" and len(found) != 1] == []


def test_queues_and_what_people_decided_are_shown_by_flow():
    found = metadata_of(
        [
            Figure(kpi="queue_depth", route="us", flow="orders", label="held", value=3),
            Figure(kpi="queue_depth", route="us", flow="orders", label="dead", value=0),
            Figure(kpi="manual_decisions", route="us", flow="orders", label="approved", value=1),
            Figure(kpi="decision_effort", route="us", flow="orders", label="approved", value=360.0),
            Figure(kpi="decision_wait", route="us", flow="orders", label="p95", value=300.0),
            Figure(kpi="cancelled_revenue", route="us", label="USD", value=1200),
        ]
    )
    (queue,) = [one.data for one in found["queued_documents"].records]
    assert [queue[name] for name in ("flow", "held", "dead", "due")] == ["orders", "3", ".", ""]
    assert [tuple(one.data.values()) for one in found["people"].records] == [
        ("orders", "manual decisions", "approved", "1 decision"),
        ("orders", "time spent on decisions (assumed)", "approved", "6.0 min"),
        ("orders", "waited for a decision", "p95", "5.0 min"),
    ]
    assert found["us orders: queue held (documents)"] == 3.0
    assert found["us orders: manual decisions approved (decisions)"] == 1.0
    assert found["us: revenue cancelled for lack of stock (USD)"] == 1200.0


def test_tables_show_flows_routes_and_errors_and_mark_what_misses_its_target():
    found = {
        name: [one.data for one in table.records] for name, table in metadata_of(FIGURES).items() if name in TABLES
    }
    orders, shipments = found["flows"]
    assert [
        one.data["flow"]
        for one in metadata_of([*FIGURES, Figure(kpi="oversell_rate", route="de", value=None)])["flows"].records
    ] == [
        "us orders",
        "us shipments",
    ]
    assert (orders["flow"], orders["success"], orders["p95"]) == ("orders", "! 75.00 % (aim above 99.5 %)", "8.0 s")
    assert (shipments["success"], shipments["p95"]) == ("unknown", "")
    assert found["routes"][0] == {"route": "us", "figure": "oversell rate", "value": "0.00 %", "aim": "below 0.1 %"}
    assert found["errors"] == [
        {"flow": "orders", "what": "document errors", "kind": "unknown_item", "share": "25.00 %"}
    ]


def test_where_nothing_failed_no_table_of_errors_is_shown():
    assert "errors" not in metadata_of(FIGURES[:-1])


def test_the_check_warns_of_what_is_missed_and_not_of_what_is_unknown():
    found = check_of(FIGURES)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "us orders: success rate 75.00 % (aim above 99.5 %)"
    assert check_of([one for one in FIGURES if one.value != 0.75]).passed


def test_the_asset_runs_hourly_and_gives_the_figures(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kpi_asset, "current", lambda: house.here)
    house.delivered("1")
    configuration = house.here.configuration
    defs = dg.Definitions.merge(installation_definitions(configuration), kpi_definitions(configuration))
    (schedule,) = [one for one in defs.schedules or () if one.name == "hourly_kpis"]  # type: ignore[union-attr]
    assert schedule.cron_schedule == "5 * * * *"  # type: ignore[union-attr]
    result = defs.resolve_job_def("kpis").execute_in_process()
    (event,) = result.asset_materializations_for_node(KEY.to_python_identifier())
    assert event.metadata["us orders: success rate (%)"].value == 100.0
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_where_no_flow_is_on_there_is_no_asset(house: House):
    (route,) = house.here.configuration.routes.values()
    off = {name: flow.model_copy(update={"mode": Mode.OFF}) for name, flow in route.flows.items()}
    quiet = Configuration(
        connections=house.here.configuration.connections, routes={"us": route.model_copy(update={"flows": off})}
    )
    assert list(kpi_definitions(quiet).assets or ()) == []
