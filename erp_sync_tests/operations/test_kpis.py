"""Key figures of an installation: worked out from what is in ledger and exchange log, unknown where nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from erp_sync import settings as settings_module
from erp_sync.commands.figures import kpis_text
from erp_sync.commands.output import show
from erp_sync.components.configuration import WrongConfiguration
from erp_sync.components.installation import Installation
from erp_sync.ledger import NewDelivery, codec
from erp_sync.ledger.retention import Retention
from erp_sync.model.keys import EntityKey
from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import CancelledUnits
from erp_sync.monitoring.exposition import render
from erp_sync.monitoring.kpis import KPIS, ROWS_COMPARED, ROWS_EQUAL, UNITS_ORDERED, UNITS_SHORT, Figure, Value
from erp_sync.operations.kpi_asset import metadata_of
from erp_sync.operations.kpis import figures
from erp_sync.operations.status import status
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.flows import samples
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House, write_defs

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ON = {"mode": "on", "start": "2026-01-01T00:00:00Z"}
RULES = {"rules": {"lack_of_stock": ["out of stock"]}}
REASONS = {"cancel_reason_field": "custbody_cancel_reason"}


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


OpenHouse = Callable[..., House]


@pytest.fixture
def opened(home: Path, clock: Clock) -> Iterator[OpenHouse]:
    """Opens the house with these changes of its connections and route."""
    houses: list[House] = []

    def make(**changes: Any) -> House:
        flows = {"orders": ON, "order_status": {**ON, **RULES}, "shipments": ON, "inventory": {"mode": "on"}}
        changes = {"route": {"flows": flows}, ERP: {"settings": {}}, **changes}
        changes[ERP] = {"settings": {**REASONS, **changes[ERP]["settings"]}}
        write_defs(home.parent / "defs", **changes)
        houses.append(House(Installation(settings_module.load(), clock=clock)))
        return houses[-1]

    yield make
    for house in houses:
        house.here.close()


def of(house: House, kpi: str, flow: str = "") -> dict[str, Value | None]:
    """Figures of a kind by their label."""
    return {one.label: one.value for one in figures(house.here) if (one.kpi, one.flow) == (kpi, flow)}


def accept(house: House, flow: str, source: str, target: str, **values: Any) -> None:
    values = {"version": "1", "payload": b"{}", **values}
    key = EntityKey(source, "", flow, values.pop("native_id"))
    with house.ledger.handling(ROUTE, flow, "run-1") as work:
        work.accept([NewDelivery(key=key, target=target, **values)])


def test_of_an_installation_in_which_nothing_happened_nothing_is_called_good(opened: OpenHouse):
    found = figures(opened().here)
    rates = [one for one in found if KPIS[one.kpi].unit in ("ratio", "seconds", "calls", "currency", "units")]
    assert {one.value for one in rates if one.kpi not in ("oldest_due", "cancelled_units")} == {None}
    assert {one.met for one in found} == {None}
    known = ("queue_depth", "documents_per_hour", "oldest_due", "cancelled_units")
    counts = [one for one in found if one.kpi in known]
    assert {one.value for one in counts} == {0}


def test_what_went_and_what_died_make_success_and_errors_by_code(opened: OpenHouse):
    house = opened()
    for number in range(3):
        house.delivered(str(number + 1))
    house.dead("4", "unknown_item")
    assert of(house, "success_rate", "orders") == {"": 0.75}
    assert of(house, "success_rate", "shipments") == {"": None}
    assert of(house, "document_error_rate", "orders") == {"unknown_item": 0.25}
    assert of(house, "documents_per_hour", "orders") == {"accepted": 4, "finished": 3}
    (success,) = [one for one in figures(house.here) if (one.kpi, one.flow) == ("success_rate", "orders")]
    assert (success.of, success.met) == (4, False)


def test_latency_and_queue_are_told_by_flow(opened: OpenHouse, clock: Clock):
    house = opened()
    house.delivered("1")
    house.order("2")
    house.order("3", held=("on_hold", "in the store"))
    house.held_plan()
    clock.time += timedelta(seconds=90)
    assert of(house, "latency", "orders") == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    depth = of(house, "queue_depth", "orders")
    assert {state: count for state, count in depth.items() if count} == {"due": 1, "held": 1}
    assert of(house, "queue_depth", "inventory")["held"] == 1
    assert of(house, "oldest_due", "orders") == {"": 90.0}


def test_decisions_are_counted_with_the_time_that_their_matter_waited(opened: OpenHouse, clock: Clock):
    house = opened()
    held = house.order("1", held=("on_hold", "in the store"))
    clock.time += timedelta(minutes=10)
    house.ledger.deliveries.approve(held, who="ann")
    assert of(house, "manual_decisions", "orders") == {"approved": 1}
    assert of(house, "decision_wait", "orders")["p50"] == 600.0


def test_time_that_people_spent_is_what_is_assumed_of_each_decision_and_not_what_its_matter_waited(
    opened: OpenHouse, clock: Clock
):
    house = opened()
    first, second = (house.order(number, held=("on_hold", "in the store")) for number in ("1", "2"))
    died = house.dead("3")
    house.held_plan()
    clock.time += timedelta(hours=10)
    house.ledger.deliveries.approve(first, who="ann")
    clock.time += timedelta(minutes=10)
    house.ledger.deliveries.approve(second, who="ann")
    house.ledger.dead_letters.retry([died], who="ann")
    house.ledger.plans.approve(1, who="bob")
    assert of(house, "decision_effort", "orders") == {"approved": 2 * 180.0, "retried": 120.0}
    assert of(house, "decision_effort", "inventory") == {"approved": 180.0}
    assert of(house, "decision_wait", "orders")["p99"] == timedelta(hours=10, minutes=10).total_seconds()
    clock.time += timedelta(days=2)
    assert of(house, "decision_effort", "orders") == {}


def test_a_plan_that_was_undone_is_one_decision_that_nothing_had_waited_for(opened: OpenHouse, clock: Clock):
    house = opened()
    plan = house.held_plan().id
    assert plan is not None
    house.ledger.plans.approve(plan, who="bob")
    claim = house.ledger.plans.claim(ROUTE, "inventory", STORE, owner="run-2:1")
    assert claim is not None
    house.ledger.plans.applied(claim, house.ledger.plans.begin(claim))
    clock.time += timedelta(hours=2)
    house.ledger.plans.undo(plan, who="bob", why="wrong list")
    assert of(house, "manual_decisions", "inventory") == {"approved": 1, "undone": 1}
    assert of(house, "decision_effort", "inventory") == {"approved": 0.0, "undone": 300.0}
    assert of(house, "decision_wait", "inventory")["p99"] == 0.0


def test_one_command_about_many_documents_kept_its_person_once(opened: OpenHouse, clock: Clock):
    house = opened()
    died = [house.dead(str(number)) for number in range(1, 41)]
    clock.time += timedelta(hours=1)
    house.ledger.dead_letters.retry(died, who="ann")
    assert of(house, "manual_decisions", "orders") == {"retried": 40}
    assert of(house, "decision_effort", "orders") == {"retried": 120.0}
    (effort,) = [one for one in figures(house.here) if one.kpi == "decision_effort"]
    assert effort.of == 1


def test_a_route_says_how_long_its_decisions_take_and_none_takes_longer_than_its_matter_waited(
    opened: OpenHouse, clock: Clock
):
    house = opened(route={"flows": {"orders": ON}, "decision_takes": {"approved": "20m"}})
    first, second = (house.order(number, held=("on_hold", "in the store")) for number in ("1", "2"))
    clock.time += timedelta(minutes=5)
    house.ledger.deliveries.approve(first, who="ann")
    clock.time += timedelta(minutes=55)
    house.ledger.deliveries.approve(second, who="ann")
    assert of(house, "decision_effort", "orders") == {"approved": 25 * 60.0}
    page = render(figures(house.here), NOW.timestamp()).decode()
    (line,) = [one for one in page.splitlines() if one.startswith("erp_sync_manual_effort_seconds{")]
    assert 'kind="approved"' in line
    assert line.endswith(" 1500.0")
    (text,) = [one for one in kpis_text(status(house.here).kpis) if "time spent on decisions (assumed)" in one]
    assert "25.0 min" in text


@pytest.mark.parametrize("takes", [{"approved": "soon"}, {"pondered": "5m"}, {"approved": "-5m"}])
def test_how_long_decisions_take_is_refused_where_it_cannot_be_read(opened: OpenHouse, takes: dict[str, str]):
    with pytest.raises(WrongConfiguration, match="decision_takes"):
        opened(route={"flows": {"orders": ON}, "decision_takes": takes})


def test_calls_that_failed_are_told_by_their_error_and_shared_reads_count_for_each_route(opened: OpenHouse):
    house = opened()
    recent = {"time": NOW - timedelta(minutes=5), "flow": "inventory"}
    for verdict in ("ok", "authentication", "ok", "ThrottledError"):
        house.exchange(**recent, verdict=verdict)
    house.exchange(**{**recent, "time": NOW - timedelta(days=2)}, verdict="ThrottledError")
    house.exchange(**recent, route=f"{ROUTE},eu", verdict="UnansweredError")
    assert of(house, "call_error_rate", "inventory") == {"ThrottledError": 0.2, "UnansweredError": 0.2}
    assert of(house, "call_error_rate", "orders") == {}


def test_an_order_costs_its_calls_at_the_connections_rates(opened: OpenHouse):
    cost = {"settings": {"cost": {"currency": "USD", "per_call": 0.1, "per_month": 300}}}
    house = opened(**{ERP: cost})
    house.delivered("1")
    house.delivered("2")
    for _ in range(5):
        house.exchange(time=NOW - timedelta(minutes=5))
    house.exchange(time=NOW - timedelta(minutes=5), connection=STORE, route=f"{ROUTE},eu")
    for _ in range(8):  # looks of this day, four hours old: all of them in the window
        house.exchange(time=NOW - timedelta(hours=4), connection=STORE, found_nothing=True)
    assert of(house, "calls_per_order") == {"": (5 + 0.5 + 8) / 2}
    assert of(house, "cost_per_order") == {"USD": (5 * Decimal("0.1") + 10) / 2}


def test_money_is_told_to_the_cent_and_not_as_a_float(opened: OpenHouse, capsys: pytest.CaptureFixture[str]):
    """A revenue of 90,071,992,547,409.93 loses its cents as a float; a cost of a third its digits."""
    house = opened(**{ERP: {"settings": {"cost": {"currency": "USD", "per_call": 0.1}}}})
    for number in ("1", "2", "3"):
        house.delivered(number)
    house.exchange(time=NOW - timedelta(minutes=5))
    order = samples.order()
    amount = Decimal("90071992547409.93")
    order = msgspec.structs.replace(order, totals=msgspec.structs.replace(order.totals, grand_total=amount))
    accept(house, "orders", STORE, ERP, native_id="7", payload=codec.to_bytes(order))
    cancel(house, "7", "out of stock")
    assert of(house, "cancelled_revenue") == {order.currency: amount}
    money = [one for one in figures(house.here) if KPIS[one.kpi].unit in ("currency", "units") and one.value]
    assert len(money) == 3
    assert {type(one.value) for one in money} == {Decimal}
    assert [str(one.value) for one in money if one.kpi == "cost_per_order"] == ["0.033333"]
    show(status(house.here), as_json=True)
    said = json.loads(capsys.readouterr().out, parse_float=Decimal)
    assert {one["value"] for one in said["kpis"] if one["kpi"] == "cancelled_revenue"} == {amount}


@pytest.mark.parametrize("cost", [{"per_call": 1}, {"currency": "USD", "per_call": "x"}, {"currency": "USD", "a": 1}])
def test_rates_that_cannot_be_read_are_refused_by_name(opened: OpenHouse, cost: dict[str, Any]):
    house = opened(**{ERP: {"settings": {"cost": cost}}})
    with pytest.raises(WrongConfiguration, match=f"connection {ERP}: settings.cost"):
        figures(house.here)


def test_accuracy_and_oversell_come_from_comparisons_of_everything(opened: OpenHouse, clock: Clock):
    house = opened()
    house.ledger.metrics.add(ROUTE, "inventory", {ROWS_COMPARED: 400, ROWS_EQUAL: 399})
    house.ledger.metrics.add(ROUTE, "orders", {UNITS_ORDERED: 2000, UNITS_SHORT: 4})
    assert of(house, "accuracy", "inventory") == {"": 0.9975}
    assert of(house, "oversell_rate") == {"": 0.002}
    assert [one.met for one in figures(house.here) if one.kpi == "oversell_rate"] == [False]
    clock.time += timedelta(days=4)
    assert of(house, "accuracy", "inventory") == {"": None}
    assert of(house, "oversell_rate") == {"": None}


def test_placed_to_picked_and_shipped_is_read_from_first_fulfillments(opened: OpenHouse):
    house = opened()
    placed = NOW - timedelta(hours=6)
    accept(house, "orders", STORE, ERP, native_id="7", facts={"placed_at": placed.isoformat()})
    picked = RawRecord(native_id="900", version="1", created_time=placed + timedelta(hours=1), payload={})
    (received,) = house.ledger.receive(ERP, "shipment", [picked])
    shipment = {"facts": {"order": "7"}, "concerns": "sales_order 7", "received_id": received}
    accept(house, "shipments", ERP, STORE, native_id="900", source_time=placed + timedelta(hours=3), **shipment)
    accept(house, "shipments", ERP, STORE, native_id="901", source_time=NOW, **shipment)
    assert of(house, "placed_to_picked")["p95"] == 3600.0
    assert of(house, "placed_to_shipped")["p95"] == 3 * 3600.0


def commented(house: House) -> None:
    """The store is told what waits: it is a version by itself then, which the next one does not replace."""
    (claim,) = house.ledger.deliveries.claim(ROUTE, "order_status", STORE, limit=9, owner="run-2:1", run_id="run-2")
    house.ledger.deliveries.complete(claim)


def cancel(house: House, order: str, reason: str, version: str = "1") -> None:
    update = samples.update(native_id=f"9{order}", order_key=order, status=OrderStatus.CANCELLED, reason=reason)
    facts = {"order": order, "status": "cancelled"}
    accept(
        house,
        "order_status",
        ERP,
        STORE,
        native_id=update.native_id,
        version=version,
        facts=facts,
        payload=msgspec.json.encode(update),
    )


def test_units_and_revenue_cancelled_for_lack_of_stock_are_those_with_such_a_reason(opened: OpenHouse):
    house = opened()
    order = samples.order()
    for native_id in ("7", "8"):
        payload = msgspec.json.Encoder(decimal_format="string").encode(order)
        accept(house, "orders", STORE, ERP, native_id=native_id, payload=payload)
    cancel(house, "7", "Out of stock at the supplier")
    cancel(house, "8", "customer asked")
    units = sum(line.quantity for line in order.lines)
    assert of(house, "cancelled_units") == {"": units}
    assert of(house, "cancelled_revenue") == {order.currency: order.totals.grand_total}


def test_a_closed_line_counts_by_its_share_and_once_when_its_order_is_cancelled_after_the_window_moved_on(
    opened: OpenHouse, clock: Clock
):
    """One of two mugs for 20.00: a half. The rest is cancelled thirty hours later: it alone is in the window then."""
    house = opened()
    accept(house, "orders", STORE, ERP, native_id="7", payload=codec.to_bytes(samples.order()))
    part = (CancelledUnits(sku="A", quantity=Decimal(1)),)
    update = samples.update(native_id="97", order_key="7", reason="out of stock", cancelled=part)
    payload = msgspec.json.encode(update)
    accept(house, "order_status", ERP, STORE, native_id="97", facts={"order": "7", "status": "open"}, payload=payload)
    assert of(house, "cancelled_units") == {"": 1}
    assert of(house, "cancelled_revenue") == {"USD": Decimal(10)}
    commented(house)
    cancel(house, "7", "out of stock", version="2")
    assert of(house, "cancelled_units") == {"": 2}
    assert of(house, "cancelled_revenue") == {"USD": Decimal(20)}
    commented(house)
    clock.time += timedelta(hours=30)
    assert of(house, "cancelled_units") == {"": 0}
    accept(house, "orders", STORE, ERP, native_id="8", payload=codec.to_bytes(samples.order(native_id="8")))
    update = msgspec.structs.replace(update, native_id="98", order_key="8")
    accept(house, "order_status", ERP, STORE, native_id="98", facts={"order": "8"}, payload=msgspec.json.encode(update))
    commented(house)
    clock.time += timedelta(hours=30)
    cancel(house, "8", "out of stock", version="2")
    assert of(house, "cancelled_units") == {"": 1}
    assert of(house, "cancelled_revenue") == {"USD": Decimal(10)}


def test_an_order_whose_content_was_forgotten_is_not_counted_and_keeps_no_other_figure_back(
    opened: OpenHouse, clock: Clock
):
    house = opened()
    accept(house, "orders", STORE, ERP, native_id="7", payload=codec.to_bytes(samples.order()))
    (claim,) = house.ledger.deliveries.claim(ROUTE, "orders", ERP, limit=9, owner="run-2:1", run_id="run-2")
    house.ledger.deliveries.complete(claim)
    clock.time += timedelta(days=50)
    house.ledger.retention.expire(Retention(deliveries=40))
    accept(house, "orders", STORE, ERP, native_id="8", payload=codec.to_bytes(samples.order(native_id="8")))
    for number in "78":
        cancel(house, number, "out of stock")
    assert of(house, "cancelled_revenue") == {"USD": samples.order().totals.grand_total}


def test_where_no_reason_means_lack_of_stock_nobody_knows_what_was_cancelled_for_it(opened: OpenHouse):
    house = opened(route={"flows": {"orders": ON, "order_status": ON}})
    cancel(house, "7", "out of stock")
    assert of(house, "cancelled_units") == {"": None}
    assert of(house, "cancelled_revenue") == {"": None}


def test_where_the_erp_tells_no_reasons_nobody_knows_what_was_cancelled_for_lack_of_stock(opened: OpenHouse):
    """The rule names reasons, but no field is read: none of them ever matches, which is not zero."""
    house = opened(**{ERP: {"settings": {"cancel_reason_field": ""}}})
    cancel(house, "7", "")
    assert of(house, "cancelled_units") == {"": None}
    assert of(house, "cancelled_revenue") == {"": None}
    told = {one.kpi: one.text for one in status(house.here).kpis if one.kpi.startswith("cancelled")}
    assert told == {"cancelled_units": "unknown", "cancelled_revenue": "unknown"}
    page = render(figures(house.here), NOW.timestamp()).decode()
    assert [line for line in page.splitlines() if line.startswith("erp_sync_stock_cancelled")] == []
    (table,) = [one for name, one in metadata_of(figures(house.here)).items() if name == "routes"]
    values = {one.data["figure"]: one.data["value"] for one in table.records}
    assert values["units cancelled for lack of stock"] == values["revenue cancelled for lack of stock"] == "unknown"


def test_a_reason_that_was_corrected_counts_as_it_is_now(opened: OpenHouse):
    house = opened()
    payload = msgspec.json.Encoder(decimal_format="string").encode(samples.order())
    accept(house, "orders", STORE, ERP, native_id="7", payload=payload)
    cancel(house, "7", "out of stock")
    assert of(house, "cancelled_units") != {"": 0}
    cancel(house, "7", "customer asked", version="2")
    assert of(house, "cancelled_units") == {"": 0}


def test_a_field_of_reasons_that_is_none_is_refused_by_name(opened: OpenHouse):
    house = opened(**{ERP: {"settings": {"cancel_reason_field": "memo"}}})
    with pytest.raises(WrongConfiguration, match=f"connection {ERP}: settings: .*'memo' is no script id"):
        figures(house.here)


def test_figures_name_kinds_that_are_described(opened: OpenHouse):
    house = opened()
    house.delivered("1")
    found: list[Figure] = figures(house.here)
    assert {one.kpi for one in found} <= set(KPIS)
    assert all(bool(KPIS[one.kpi].label) == bool(one.label) for one in found if one.value is not None)
