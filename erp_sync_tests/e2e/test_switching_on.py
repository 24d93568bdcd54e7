"""Flows go from off over shadow to on, one after the other, through real Dagster processes; then the daemon is off for
three hours. What each writes is read from the systems' journals and databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from erp_sync import settings as settings_module
from erp_sync.components.configuration import read_configuration
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.route import flow_key, installation_definitions
from erp_sync.demo import day
from erp_sync.ledger.plans import PlanState
from erp_sync.ledger.schema import cursors
from erp_sync.operations.planning import DocumentPlan, plan_documents
from erp_sync.operations.planning_states import StatePlan, plan_states
from erp_sync.runtime import services
from erp_sync.sandbox import supervisor
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.bench.backfill import last_call, writes
from erp_sync_tests.bench.installation import only
from erp_sync_tests.e2e.business import CATALOGUE
from erp_sync_tests.e2e.test_dagster import wait_for
from erp_sync_tests.e2e.test_restart import ROUTE, Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

STATES = ("inventory", "prices", "products")
SWITCHED = ("orders", "shipments", *STATES)
LONG_AGO = "2026-01-01T00:00:00+00:00"
ARTICLES = {"MUG": 11, "TEA": 4, "CUP": 8}
OFF_FOR = timedelta(hours=3)


@dataclass
class Company(Everything):
    """A company that goes live flow by flow."""

    def flows(self, mode: str, *names: str, **values: Any) -> None:
        """Change the route's YAML: these flows are in this mode from now on."""
        (file,) = self.settings.defs.rglob("defs.yaml")
        documents = list(yaml.safe_load_all(file.read_text()))
        for document in documents:
            for name, flow in document["attributes"].get("flows", {}).items():
                if name in names:
                    flow |= {"mode": mode, "every": "2s", "start": LONG_AGO, **values}
        file.write_text(yaml.safe_dump_all(documents))

    @contextmanager
    def running(self) -> Iterator[dict[str, int]]:
        """Meanwhile everything runs; gives the last call of each system before."""
        marks = {
            name: last_call(state["journal"]) for name, state in supervisor.status(self.settings.sandboxes).items()
        }
        self.start()
        try:
            yield marks
        finally:
            services.stop(self.settings)

    def written(self, since: dict[str, int]) -> list[str]:
        states = supervisor.status(self.settings.sandboxes)
        return [one for name, state in states.items() for one in writes(state["journal"], since[name])]

    def plan(self, flow: str) -> Any:
        """What `erp-sync plan` tells."""

        def ask(here: Installation) -> DocumentPlan | StatePlan:
            route, kind = here.configuration.routes[ROUTE], FLOWS[flow]
            if kind.delivers:
                return plan_documents(here, route, kind, route.flows[flow])
            return plan_states(here, route, kind, route.flows[flow], full=True)

        return self.in_ledger(ask)

    def outcomes(self, flow: str) -> dict[str, str]:
        return {one.number: one.outcome for one in self.plan(flow).documents}

    def in_ui(self, flow: str) -> dict[str, Any]:
        """What the loaded asset says in the UI."""
        with dg.DagsterInstance.from_config(str(self.settings.dagster_home)) as instance:
            event = instance.get_latest_materialization_event(flow_key(ROUTE, flow, "loaded"))
        found = event.asset_materialization if event is not None else None
        return {name: value.value for name, value in found.metadata.items()} if found is not None else {}

    def held(self, flow: str) -> list[Any]:
        return self.in_ledger(lambda here: here.ledger.plans.find(route=ROUTE, flow=flow, states=[PlanState.HELD]))

    def planned_anew(self, flow: str) -> bool:
        """Whether no plan of shadow mode waits any more."""
        return all("shadow" not in plan.reason for plan in self.held(flow))

    def approve(self, flow: str) -> None:
        (plan,) = self.held(flow)
        self.in_ledger(lambda here: here.ledger.plans.approve(plan.id, "ada", "as wanted"))

    def number(self, order_id: int) -> str:
        return str(self.rows("magento", "SELECT increment_id FROM sales_order WHERE entity_id = ?", order_id)[0][0])

    def in_erp_as(self, order_id: int) -> int:
        statement = "SELECT id FROM \"transaction\" WHERE type = 'SalesOrd' AND otherrefnum = ?"
        return len(self.rows("netsuite", statement, self.number(order_id)))

    def item(self, sku: str) -> str:
        return f"inventoryItem/{self.rows('netsuite', 'SELECT id FROM item WHERE itemid = ?', sku)[0][0]}"

    def price_in_erp(self, sku: str, price: int) -> None:
        levels = {"price": {"items": [{"priceLevel": {"id": "1"}, "price": price}]}}
        self.warehouse.change(self.item(sku), levels)

    def stock_in_erp(self, sku: str, quantity: int) -> None:
        stock = [{"sku": sku, "location": "east", "quantity": quantity}]
        supervisor.control(self.settings.sandboxes, "netsuite", "POST", "seed", {"stock": stock})

    def name(self, sku: str) -> str:
        return str(self.rows("magento", "SELECT name FROM catalog_product_entity WHERE sku = ?", sku)[0][0])

    def deliveries(self, flow: str) -> list[Any]:
        return self.in_ledger(lambda here: here.ledger.deliveries.find(route=ROUTE, flow=flow, limit=100))

    def wind_back(self, by: timedelta) -> None:
        """How far everything was read is what it was so long ago."""

        def change(here: Installation) -> None:
            with here.ledger.database.write() as write:
                for row in write.execute(sa.select(cursors)).all():
                    mine = (cursors.c.connection == row.connection) & (cursors.c.entity == row.entity)
                    moved = {"position": row.position - by if row.position else None, "changed_at": row.changed_at - by}
                    write.execute(sa.update(cursors).where(mine).values(**moved))

        self.in_ledger(change)

    def calendars(self, by: timedelta) -> None:
        for name in ("magento", "netsuite"):
            offset = {"offset_seconds": by.total_seconds()}
            supervisor.control(self.settings.sandboxes, name, "POST", "clock", offset)


def next_second() -> str:
    """A moment that divides what was done before from what is done from now on: both systems tell whole seconds."""
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    wait_for(lambda: datetime.now(UTC) >= moment, 2, "the next second")
    return moment.isoformat()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder: Path = tmp_path_factory.mktemp("company")
    before = dict(os.environ)
    os.environ["ERP_SYNC_HOME"] = str(folder / "home")
    try:
        settings = day.prepare(settings_module.load(), profile="fast", defs=only((), folder / "defs"))
        try:
            day.seed(settings, CATALOGUE, [])
            states = supervisor.status(settings.sandboxes)
            store, erp = states["magento"], states["netsuite"]
            front = Storefront(store["base_url"], store["credentials"], CATALOGUE)
            hands = NetSuite(erp["base_url"], erp["credentials"])
            yield Company(settings, front, hands, [])
            front.close()
            hands.close()
        finally:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_flows_go_from_off_over_shadow_to_on_and_send_nothing_from_before_their_start(company: Company):
    one = company
    assert list(installation_definitions(read_configuration(one.settings.defs)).assets or ()) == []
    for sku, price in ARTICLES.items():
        one.price_in_erp(sku, price)
    one.stock_in_erp("TEA", 77)
    one.warehouse.change(one.item("CUP"), {"displayName": "A better cup"})
    early = one.buy()

    one.flows("shadow", *SWITCHED)
    with one.running() as since:
        wait_for(lambda: one.in_ui("orders").get("would_due") == 1, 180, "orders are shown", one.tell)
        wait_for(lambda: all(one.held(flow) for flow in STATES), 180, "plans are shown", one.tell)
        wait_for(lambda: all(one.in_ui(flow).get("mode") == "shadow" for flow in STATES), 180, "in the UI", one.tell)
    assert one.written(since) == []
    assert one.in_ui("inventory")["would_write"] == 1
    assert one.in_ui("prices")["would_write"] == len(ARTICLES)
    assert one.outcomes("orders") == {one.number(early): "send"}
    assert [row.key for row in one.plan("inventory").rows] == ["east/TEA"]

    orders_begin = next_second()
    late = one.buy()
    one.flows("on", "orders", "order_status", start=orders_begin)
    one.flows("on", *STATES)
    assert one.outcomes("orders") == {one.number(early): "drop", one.number(late): "send"}
    with one.running() as since:
        wait_for(lambda: one.in_erp_as(late), 180, "the order after the start", one.tell)
        wait_for(lambda: one.stock("TEA") == 77, 180, "stock", one.tell)
        for flow in ("prices", "products"):  # a plan of shadow mode that is approved now is overtaken by a new one
            wait_for(lambda flow=flow: one.planned_anew(flow), 180, f"{flow} anew", one.tell)
        wait_for(lambda: one.held("prices") and one.held("products"), 180, "plans wait", one.tell)
        written = one.written(since)
        assert (one.price("MUG"), one.in_erp_as(early)) == (Decimal("10.50"), 0)
        assert [name for name in written if "source-items" in name] == ["POST /V1/inventory/source-items"]
        assert "of 3" in one.held("prices")[0].reason
        one.approve("prices")
        one.approve("products")
        wait_for(lambda: [one.price(sku) for sku in ARTICLES] == list(ARTICLES.values()), 180, "prices", one.tell)
        wait_for(lambda: one.name("CUP") == "A better cup", 180, "products", one.tell)

        wait_for(one.ship, 60, "the order is committed, and shipped", one.tell)
        wait_for(lambda: one.in_ui("shipments").get("would_due") == 1, 180, "the shipment is shown", one.tell)
    assert one.shipped(late) == 0

    one.flows("on", "shipments", start=next_second())
    last = one.buy()
    with one.running():
        wait_for(lambda: one.in_erp_as(last), 180, "the last order", one.tell)
        wait_for(one.ship, 60, "the last order is committed, and shipped", one.tell)
        wait_for(lambda: one.shipped(last) == 1, 180, "its shipment", one.tell)
    assert (one.shipped(late), one.in_erp_as(early)) == (0, 0)
    states = {delivery.number: delivery.state for delivery in one.deliveries("orders")}
    assert states == {one.number(early): "superseded", one.number(late): "delivered", one.number(last): "delivered"}


def test_with_the_daemon_off_for_three_hours_nothing_is_lost(company: Company):
    """All that is known of how far was read is three hours old; meanwhile people work in both systems."""
    one = company
    one.flows("on", "order_status", *SWITCHED)
    one.wind_back(OFF_FOR)
    one.calendars(-OFF_FOR)
    bought = []
    for hour, stock in enumerate((50, 40, 30)):
        bought.append(one.buy())
        one.stock_in_erp("TEA", stock)
        one.price_in_erp("MUG", 20 + hour)
        one.calendars(timedelta(hours=1))
    with one.running():
        wait_for(lambda: all(one.in_erp_as(order) for order in bought), 180, "orders", one.tell)
        wait_for(lambda: one.stock("TEA") == 30, 180, "stock", one.tell)
        wait_for(lambda: one.price("MUG") == 22, 180, "prices", one.tell)
    # Off once more; what was ordered before is shipped meanwhile.
    one.wind_back(OFF_FOR)
    one.calendars(-OFF_FOR)
    assert one.ship() == len(bought)
    one.calendars(OFF_FOR)
    with one.running():
        wait_for(lambda: all(one.shipped(order) == 1 for order in bought), 180, "shipments", one.tell)
    report = one.report()
    assert (report.orders.duplicated, report.orders.deposits_duplicated) == ([], [])
    shipments = report.shipments
    assert (shipments.booked_twice, shipments.mails_twice, shipments.mails_early) == ([], [], [])
