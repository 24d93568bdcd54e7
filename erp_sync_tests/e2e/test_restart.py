"""Everything is killed at once, work comes in meanwhile: after the restart every flow moves again, and once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from erp_sync import settings as settings_module
from erp_sync.components.installation import Installation
from erp_sync.demo import day
from erp_sync.flows.state_extraction import base_entity
from erp_sync.ledger.plans import PlanState
from erp_sync.ledger.schema import heartbeats
from erp_sync.runtime import services
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.checker import Report, SystemFiles, check
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.settings import Settings
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.bench.installation import only
from erp_sync_tests.e2e.business import CATALOGUE, basket
from erp_sync_tests.e2e.test_dagster import wait_for
from erp_sync_tests.monitoring.webhooks import Webhook

pytestmark = pytest.mark.e2e

ROUTE = "netsuite_magento"
FLOWS = ("orders", "order_status", "shipments", "inventory", "prices", "products")
# What the issue allows after the restart.
AGAIN_SECONDS = 120
SENSOR_GONE = "Dagster does not look for work"


@dataclass
class Everything:
    """Both systems and Dagster with every flow on."""

    settings: Settings
    front: Storefront
    warehouse: NetSuite
    placed: list[int]

    def buy(self) -> int:
        done = self.front.place(basket(f"shopper{len(self.placed)}", {"MUG": 2}))
        assert done.order_id is not None, done.why
        self.placed.append(done.order_id)
        return done.order_id

    def ship(self) -> int:
        habits = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
        return sum(Warehouse(self.warehouse, place, habits=habits).ship() for place in ("east", "west"))

    def start(self) -> None:
        services.start(self.settings, services.dagster_services(self.settings, web_port=None), wait_seconds=240)

    def alerted(self, webhook: Webhook) -> list[str]:
        """What a watchdog in a process of its own tells by a webhook, in one look; of the sensor only."""
        before = len(webhook.posted)
        command = [sys.executable, "-m", "erp_sync.cli", "alerts", "watch", "--once", "--json"]
        looked = subprocess.run(command, env={**os.environ, "ERP_SYNC_ALERT_URLS": webhook.url}, check=False)
        assert looked.returncode in (0, 1)
        titles = [str(one["title"]).partition(": ")[2] for one in webhook.posted[before:]]
        return [title.partition(" since ")[0] for title in titles if SENSOR_GONE in title]

    def pass_by(self, time: timedelta) -> None:
        """So much time, for all who said that they are alive."""

        def ask(here: Installation) -> None:
            beats = here.ledger.heartbeats.all().values()
            with here.ledger.database.write() as write:
                for beat in beats:
                    write.execute(sa.update(heartbeats).where(heartbeats.c.name == beat.name).values(at=beat.at - time))

        self.in_ledger(ask)

    def rows(self, system: str, statement: str, *values: Any) -> list[Any]:
        file = supervisor.status(self.settings.sandboxes)[system]["database"]
        with sqlite3.connect(file, timeout=30) as database:
            found = database.execute(statement, values).fetchall()
        database.close()
        return found

    def report(self) -> Report:
        states = supervisor.status(self.settings.sandboxes)
        return check(SystemFiles.of(states["magento"]), SystemFiles.of(states["netsuite"]))

    def in_ledger(self, ask: Callable[[Installation], Any]) -> Any:
        here = Installation(self.settings)
        try:
            return ask(here)
        finally:
            here.close()

    def shipped(self, order_id: int) -> int:
        return len(self.rows("magento", "SELECT entity_id FROM sales_shipment WHERE order_id = ?", order_id))

    def told(self, order_id: int) -> int:
        """How often the store's order says the number of the ERP's."""
        statement = "SELECT comment FROM sales_order_status_history WHERE parent_id = ? AND comment LIKE 'ERP order%'"
        return len(self.rows("magento", statement, order_id))

    def in_erp(self) -> int:
        return len(self.report().orders.in_erp)

    def stock(self, sku: str) -> Decimal:
        statement = "SELECT quantity FROM inventory_source_item WHERE sku = ? AND source_code = 'east'"
        return Decimal(str(self.rows("magento", statement, sku)[0][0]))

    def price(self, sku: str) -> Decimal:
        return Decimal(str(self.rows("magento", "SELECT price FROM catalog_product_entity WHERE sku = ?", sku)[0][0]))

    def waiting_products(self) -> list[str]:
        def ask(here: Installation) -> list[str]:
            plans = here.ledger.plans.find(route=ROUTE, flow="products", states=[PlanState.HELD])
            return [key for plan in plans for key in here.ledger.plans.table(plan.id).column("key").to_pylist()]

        return self.in_ledger(ask)

    def compared(self) -> bool:
        """Every state flow has compared everything once."""

        def ask(here: Installation) -> bool:
            entities = {"inventory": "stock_level", "prices": "price", "products": "product"}
            cursors = here.ledger.cursors
            return all(
                cursors.get("netsuite_us", base_entity(ROUTE, flow, entity)).token for flow, entity in entities.items()
            )

        return self.in_ledger(ask)

    def tell(self) -> str:
        def ask(here: Installation) -> str:
            moving = [
                f"{one.flow} {one.number} {one.state} {one.code} {one.reason} due {one.due_at}"
                for one in here.ledger.deliveries.find(limit=100)
                if one.state != "delivered"
            ]
            plans = [f"{one.flow} {one.state} {one.row_count} {one.reason}" for one in here.ledger.plans.find(limit=10)]
            away = [f"away: {one.connection} {one.why}" for one in here.ledger.unreachable().values()]
            return "\n".join([*moving, *plans, *away])

        return f"{services.status(self.settings)}\n{self.in_ledger(ask)}\n{self._runs()}"

    def _runs(self) -> str:
        """The latest runs, and what their loaded assets said."""
        lines = []
        with dg.DagsterInstance.from_config(str(self.settings.dagster_home)) as instance:
            for record in instance.get_run_records(limit=30):
                run = record.dagster_run
                told = {
                    name.removeprefix("erp_sync/"): value for name, value in run.tags.items() if "erp_sync/" in name
                }
                lines.append(f"run {run.run_id[:8]} {run.status.value} {record.start_time} {record.end_time} {told}")
                wanted = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.STEP_FAILURE}
                for event in instance.all_logs(run.run_id, of_type=wanted):
                    one = event.asset_materialization
                    what = {name: value.value for name, value in one.metadata.items()} if one else event.message
                    lines.append(f"  {event.timestamp} {one.asset_key.path if one else ''} {str(what)[:400]}")
        return "\n".join(lines)


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Everything]:
    before = dict(os.environ)
    os.environ["ERP_SYNC_HOME"] = str(tmp_path / "home")
    try:
        defs = only(FLOWS, tmp_path / "defs", every="2s")
        settings = day.prepare(settings_module.load(), profile="fast", defs=defs)
        try:
            day.seed(settings, CATALOGUE, [])
            states = supervisor.status(settings.sandboxes)
            store, erp = states["magento"], states["netsuite"]
            front = Storefront(store["base_url"], store["credentials"], CATALOGUE)
            hands = NetSuite(erp["base_url"], erp["credentials"])
            made = Everything(settings, front, hands, [])
            made.start()
            yield made
            front.close()
            hands.close()
        finally:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.mark.timeout(600)
def test_every_flow_moves_again_after_a_kill_of_everything(everything: Everything, webhook: Webhook):
    all_of_it = everything
    first, second = all_of_it.buy(), all_of_it.buy()
    wait_for(lambda: all_of_it.in_erp() == 2, 120, "both orders in the ERP", all_of_it.tell)
    wait_for(all_of_it.compared, 120, "stock, prices and products were compared", all_of_it.tell)
    waiting = set(all_of_it.waiting_products())
    assert all_of_it.alerted(webhook) == []  # the watchdog looks while all is well
    services.kill_everything(all_of_it.settings)
    all_of_it.pass_by(timedelta(minutes=4))
    assert all_of_it.alerted(webhook) == [SENSOR_GONE]
    assert all_of_it.alerted(webhook) == []  # once per cause

    assert all_of_it.ship() >= 1
    third = all_of_it.buy()
    moved = {"quantity": all_of_it.stock("TEA"), "price": all_of_it.price("MUG")}
    all_of_it.rows(
        "netsuite",
        "UPDATE aggregateitemlocation SET quantityonhand = '77.00000', quantityavailable = 77 - quantitycommitted, "
        "lastquantityavailablechange = ? WHERE item = (SELECT id FROM item WHERE itemid = 'TEA')",
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    mug = all_of_it.rows("netsuite", "SELECT id FROM item WHERE itemid = 'MUG'")[0][0]
    cup = all_of_it.rows("netsuite", "SELECT id FROM item WHERE itemid = 'CUP'")[0][0]
    all_of_it.warehouse.change(f"inventoryItem/{mug}", {"price": {"items": [{"priceLevel": {"id": "1"}, "price": 11}]}})
    all_of_it.warehouse.change(f"inventoryItem/{cup}", {"displayName": "A better cup"})

    all_of_it.start()
    again = {
        "orders": lambda: all_of_it.in_erp() == 3,
        "order status": lambda: all_of_it.told(third) == 1,
        "shipments": lambda: all(all_of_it.shipped(one) == 1 for one in (first, second)),
        "inventory": lambda: all_of_it.stock("TEA") == 77 != moved["quantity"],
        "prices": lambda: all_of_it.price("MUG") == 11 != moved["price"],
        "products": lambda: "CUP" in set(all_of_it.waiting_products()) - waiting,
    }
    wait_for(
        lambda: all(done() for done in again.values()),
        AGAIN_SECONDS,
        "every flow moves again",
        lambda: f"{ {flow: done() for flow, done in again.items()} }\n{all_of_it.tell()}",
    )
    assert all_of_it.alerted(webhook) == [f"settled: {SENSOR_GONE}"]
    report = all_of_it.report()
    assert (report.orders.lost, report.orders.duplicated, report.orders.deposits_duplicated) == ([], [], [])
    shipments = report.shipments
    assert (shipments.booked_twice, shipments.mails_twice, shipments.mails_early) == ([], [], [])
