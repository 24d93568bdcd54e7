"""The daily reconciliation: what a flow may repair it takes care of, the rest is told once and taken back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.model.keys import Entity
from erp_sync.monitoring.kpis import ROWS_COMPARED, ROWS_EQUAL, UNITS_ORDERED
from erp_sync.operations import reconcile_asset, repairing
from erp_sync.operations.reconcile_asset import check_of, key_of, reconcile_definitions
from erp_sync.operations.reconciliation import Difference, Reconciliation
from erp_sync.operations.repairing import FlowReconciled, reconcile_route, tell
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import Window
from erp_sync.ports.reconciling import Shortage
from erp_sync_tests.components.two_systems import TwoSystems, two_systems
from erp_sync_tests.e2e.business import business
from erp_sync_tests.operations.house import NOON, House

TOTAL = Difference(kind="total", key="000000001", store="10 USD", erp="9", words="-1 in SO1")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSystems]:
    with two_systems(tmp_path_factory.mktemp("both"), "{inventory: {mode: on}}") as systems:
        systems.run("inventory", full=True)
        yield systems


def test_a_comparison_of_everything_counts_the_rows_that_were_equal(both: TwoSystems):
    def counted() -> Counter[str]:
        sums = both.here.ledger.metrics.sums(datetime.now(UTC) - timedelta(hours=1), "us", "inventory")
        return Counter({name: amount for (_, _, name), amount in sums.items()})

    before = counted()
    report = both.run("inventory", full=True).transformed
    assert counted() - before == Counter({ROWS_COMPARED: report.compared, ROWS_EQUAL: report.same})
    assert report.compared == report.same > 0
    both.store_sql("UPDATE inventory_source_item SET quantity = 5 WHERE sku = 'TEA' AND source_code = 'east'")
    before = counted()
    both.run("inventory", full=True)
    assert counted() - before == Counter({ROWS_COMPARED: report.compared, ROWS_EQUAL: report.same - 1})


def test_a_stock_figure_that_was_changed_by_hand_is_planned_anew_and_then_equal(both: TwoSystems):
    there = both.store_quantities()
    both.store_sql("UPDATE inventory_source_item SET quantity = 3 WHERE sku = 'TEA' AND source_code = 'east'")
    (done,) = reconcile_route(both.here, both.route, "reconcile-1")
    assert done.found is not None
    assert [one.store for one in done.found.differences] == ["quantity 3"]
    assert (len(done.repaired), done.rest) == (1, [])
    both.load("inventory")
    assert both.store_quantities() == there
    (again,) = reconcile_route(both.here, both.route, "reconcile-2")
    assert (again.repaired, again.rest) == ([], [])
    assert both.here.ledger.notices.open() == []


def test_the_erp_tells_what_orders_of_one_store_wait_for(both: TwoSystems):
    both.erp_order("magento_us_base_77", "POT", 3)  # one is there
    both.erp_order("magento_eu_base_77", "POT", 5)
    port: Any = both.here.connector_for(both.route, "erp").port(Entity.ORDER_STATUS, "source")
    now = datetime.now(UTC)
    today = Window(start=now - timedelta(hours=1), end=now + timedelta(minutes=1))
    assert port.shortage(today, "magento_us") == Shortage(ordered=Decimal(3), short=Decimal(2))
    before = Window(start=now - timedelta(hours=3), end=now - timedelta(hours=2))
    assert port.shortage(before, "magento_us") == Shortage(ordered=Decimal(0), short=Decimal(0))


def test_in_shadow_differences_are_found_and_nothing_is_planned(both: TwoSystems):
    shadow = both.flow("inventory").model_copy(update={"mode": Mode.SHADOW})
    route = both.route.model_copy(update={"flows": {"inventory": shadow}})
    plans = len(both.here.ledger.plans.find(limit=100))
    both.store_sql("UPDATE inventory_source_item SET quantity = 4 WHERE sku = 'CUP' AND source_code = 'east'")
    (done,) = reconcile_route(both.here, route, "reconcile-3")
    assert (done.repaired, [one.store for one in done.rest]) == ([], ["quantity 4"])
    assert len(both.here.ledger.plans.find(limit=100)) == plans
    assert both.here.ledger.notices.open() == []
    both.run("inventory", full=True)


def test_an_order_that_was_never_received_is_received_and_delivered_by_its_flow(tmp_path: Path):
    with business(tmp_path, payment_methods={"braintree": "5"}, erp_settings={"us": {"location": "1"}}) as shop:
        number = shop.store.buy("ann", {"MUG": 1})
        with shop.installation() as here:
            route = here.configuration.routes["us"]
            only = route.model_copy(update={"flows": {"orders": route.flows["orders"]}})
            (done,) = reconcile_route(here, only, "reconcile-1")
            assert (done.repaired, done.rest) == ([number], [])
            assert here.ledger.any_unhandled("us", "orders", route.store, "sales_order")
        shop.settle("orders")
        with shop.installation() as here:
            (again,) = reconcile_route(here, only, "reconcile-2")
            assert again.found is not None
            assert (again.found.differences, again.found.counts["in_erp"]) == ([], 1)
            counted = here.ledger.metrics.sums(here.ledger.now() - timedelta(hours=1), "us", "orders")
            assert counted == {("us", "orders", UNITS_ORDERED): 1}


def reconciled(flow: str = "orders", *rest: Difference, repaired: tuple[str, ...] = ()) -> FlowReconciled:
    found = Reconciliation(
        route="us",
        flow=flow,
        source="magento_us",
        target="netsuite_us",
        since=NOON,
        until=NOON,
        counts={"in_store": 3},
        open=[],
        differences=list(rest),
        agrees=not rest,
    )
    return FlowReconciled(flow=flow, found=found, repaired=list(repaired), rest=list(rest))


@pytest.fixture
def route(house: House) -> RouteSpec:
    return house.here.configuration.routes["us"]


def notices(house: House) -> dict[str, int]:
    return {one.key: one.times for one in house.ledger.notices.open()}


def test_what_is_left_is_one_notice_a_kind_until_it_is_found_no_more(house: House, route: RouteSpec):
    gone = Difference(kind="missing", key="000000002", store="there")
    tell(house.here, route, reconciled("orders", TOTAL, gone))
    tell(house.here, route, reconciled("orders", TOTAL))
    assert notices(house) == {"reconcile/us/orders/total": 2}
    (notice,) = house.ledger.notices.open()
    words = "the daily comparison of both systems found 1 of which the totals differ: 000000001 (-1 in SO1)."
    assert words in notice.text
    assert "`erp-sync reconcile us --flow orders`" in notice.text
    tell(house.here, route, reconciled("shipments"))
    assert notices(house) == {"reconcile/us/orders/total": 2}
    tell(house.here, route, FlowReconciled(flow="orders", why="no answer"))
    assert notices(house) == {"reconcile/us/orders/total": 2}
    tell(house.here, route, reconciled("orders"))
    assert notices(house) == {}


def test_a_second_edit_is_told_while_the_first_stands_and_named_first(house: House, route: RouteSpec):
    """Whoever put the first one off would never hear of the second."""

    def told(*found: Difference) -> list[str]:
        tell(house.here, route, reconciled("orders", *found))
        return [one.text for one in house.ledger.notices.take_untold(["warning"])]

    def edited(key: str, field: str, there: str, kind: str = "edited") -> Difference:
        return Difference(kind=kind, key=key, store="sent", erp=there, words=f"{field} was changed in CUST{key}")

    phone, name = edited("1", "phone", "0199"), edited("1", "first name", "Anna")
    assert len(told(phone)) == 1
    assert told(phone) == []
    (text,) = told(phone, name)
    assert "2 that somebody changed" in text
    assert ", since it was told last 1 (first name was changed in CUST1). " in text
    assert told(name) == [], "what was settled is no news"
    (text,) = told(edited("1", "first name", "Hanna"))
    assert "since it was told last 1 (first name was changed in CUST1)" in text
    assert len(told(edited("1", "first name", "Hanna"), TOTAL)) == 1
    moved = Difference(kind="total", key=TOTAL.key, store="10 USD", erp="8", words="-2 in SO1")
    assert told(edited("1", "first name", "Hanna"), moved) == [], "the same order, still wrong"


def test_a_system_that_does_not_answer_keeps_no_other_flow_from_its_comparison(
    house: House, route: RouteSpec, monkeypatch: pytest.MonkeyPatch
):
    def compare(here: Any, route: RouteSpec, flow: str) -> Any:
        if flow == "orders":
            raise CallFailed("HTTP 503")
        return reconciled(flow).found

    monkeypatch.setattr(repairing, "reconcile", compare)
    done = reconcile_route(house.here, route, "run-1")
    assert [(one.flow, one.why, one.found is None) for one in done] == [
        ("orders", "HTTP 503", True),
        ("shipments", "", False),
        ("inventory", "", False),
    ]


def test_a_check_passes_where_the_flow_takes_care_of_what_differs():
    assert check_of(reconciled(repaired=("000000001",))).passed
    left = check_of(reconciled("orders", TOTAL))
    assert (left.passed, left.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert left.description == "1 of 1 differences are for a person: see `differences`."
    assert not check_of(FlowReconciled(flow="orders", why="HTTP 503")).passed


def test_what_is_shown_only_fails_no_check_hides_no_edit_and_is_no_warning(house: House, route: RouteSpec):
    """A customer that the ERP had before us differs for ever: an edit of an order of ours is told beside it."""
    other = Difference(kind="other_than_store", key="customer-7", store="Ann", erp="Anna", words="first name")
    shown = reconciled("orders", other)
    tell(house.here, route, shown)
    told = check_of(shown)
    assert told.passed
    assert told.metadata["for_a_person"].value == 0
    assert told.metadata["differences"].value.records[0].data["kind"] == "other_than_store"
    both = reconciled("orders", other, Difference(kind="edited", key="000000001", store="5", erp="1"))
    tell(house.here, route, both)
    assert not check_of(both).passed
    assert check_of(both).metadata["for_a_person"].value == 1
    standing = {one.key.rpartition("/")[2]: one.severity for one in house.here.ledger.notices.open()}
    assert standing == {"edited": "warning", "other_than_store": "info"}


def run(house: House, monkeypatch: pytest.MonkeyPatch, done: list[FlowReconciled]) -> dg.ExecuteInProcessResult:
    monkeypatch.setattr(reconcile_asset, "current", lambda: house.here)
    monkeypatch.setattr(repairing, "reconcile_route", lambda here, route, run_id: done)
    definitions = reconcile_definitions(house.here.configuration)
    return definitions.resolve_job_def("reconciliation").execute_in_process(raise_on_error=False)


def test_the_asset_tells_numbers_and_checks_of_each_flow(house: House, monkeypatch: pytest.MonkeyPatch):
    done = [reconciled("orders", TOTAL), reconciled("shipments"), reconciled("inventory", repaired=("MUG|east",))]
    result = run(house, monkeypatch, done)
    assert result.success
    (event,) = result.asset_materializations_for_node(key_of("us").to_python_identifier())
    assert event.metadata["orders for a person"].value == 1
    assert event.metadata["inventory repaired"].value == 1
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == {
        "orders": False,
        "shipments": True,
        "inventory": True,
    }


def test_a_run_that_could_not_compare_fails_and_one_in_planned_maintenance_does_not(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    rest = [reconciled("shipments"), reconciled("inventory")]
    away = FlowReconciled(flow="orders", why="maintenance until noon", planned=True)
    assert run(house, monkeypatch, [away, *rest]).success
    assert not run(house, monkeypatch, [FlowReconciled(flow="orders", why="HTTP 503"), *rest]).success


def test_the_schedule_starts_a_run_of_each_route_after_the_full_comparisons(house: House):
    (schedule,) = reconcile_definitions(house.here.configuration).schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.cron_schedule == "30 4 * * *"
    (request,) = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=NOON)).run_requests or ()
    assert request.asset_selection == [key_of("us")]


def test_every_kind_of_difference_has_words_for_a_notice() -> None:
    """Kinds are written where they are found, and told to people here."""
    folder = Path(repairing.__file__).parent
    sources = "".join(file.read_text() for file in folder.glob("reconcile_*.py"))
    found = set(re.findall(r'differs\(\s*"(\w+)"', sources)) | {"missing", "gone", "value"}
    assert found == set(repairing.KINDS)
