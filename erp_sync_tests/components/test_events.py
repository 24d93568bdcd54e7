"""Events over real HTTP, from both sandboxes through the event service into runs; and the same day without them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import httpx
import pytest
import uvicorn

from erp_sync.components import events, installation
from erp_sync.components.configuration import Configuration, ConnectionSpec
from erp_sync.components.due import Due, look
from erp_sync.components.route import installation_definitions
from erp_sync.components.sensing import run_request
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.lookups import LookupRow
from erp_sync.sandbox.caller import Caller
from erp_sync.service.app import create_app
from erp_sync.service.receiving import Receiver
from erp_sync_tests.components.two_systems import TwoSystems, two_systems
from erp_sync_tests.systems.magento.sandbox.conftest import LOS_ANGELES

DOCUMENTS = "{mode: on, start: 2026-01-01T00:00:00Z, every: 1h}"
FLOWS = f"""{{
  orders: {DOCUMENTS}, order_status: {DOCUMENTS}, shipments: {DOCUMENTS},
  inventory: {{mode: on, every: 1h, fast: {{every: 1h, skus: [MUG]}}}} }}"""
LOOKUPS = {
    "sku_map": [LookupRow(key="(.+)", value=r"\1", rule="pattern")],
    "tax_codes": [LookupRow(key="", value="701", rule="default")],
    "payment_methods": [LookupRow(key="checkmo", value="2")],
    "carriers": [LookupRow(key="", value="custom:Parcel", rule="default")],
}
SECRET = "s3cret"
PATIENCE_SECONDS = 60.0


@dataclass
class World:
    """Both systems, and what their events do. `cursor` is the sensor's, with every poll just done."""

    systems: TwoSystems
    cursor: dict[str, Any]

    @property
    def here(self) -> installation.Installation:
        return self.systems.here

    def due(self, **cursor: Any) -> list[Due]:
        """What the sensor would start now; its cursor moves on."""
        looked = look(self.here.configuration, datetime.now(UTC), {**self.cursor, **cursor}, installation=self.here)
        return list(looked.due)

    def run(self, due: Due) -> dict[str, Any]:
        """The run that the sensor asks for; gives what its extraction tells."""
        configuration = self.here.configuration
        request = run_request(
            configuration, due.route, due.flow, due.stages, now=datetime.now(UTC), why=due.why, lane=due.lane,
            full=due.full, keys=due.keys,
        )  # fmt: skip
        result = (
            installation_definitions(configuration)
            .resolve_job_def(due.route)
            .execute_in_process(
                run_config=request.run_config,
                partition_key=request.partition_key,
                asset_selection=request.asset_selection,
                tags=request.tags,
            )
        )
        for event in result.get_asset_materialization_events():
            if event.asset_key is not None and event.asset_key.path[-1] == "extracted":
                return {name: value.value for name, value in event.materialization.metadata.items()}
        return {}

    def settle(self) -> None:
        """Run whatever is due until nothing is, as the sensor would."""
        while due := self.due():
            for one in due:
                self.run(one)

    def quiet(self) -> None:
        """Run whatever is due until nothing is, and nothing that a system has to tell is on its way."""
        while True:
            self._all_told()
            if not self.due():
                return
            self.settle()

    def _all_told(self) -> None:
        pusher, courier = self.systems.erp.core.pusher, self.systems.store.core.courier  # type: ignore[attr-defined]
        if pusher is not None:
            pusher.close()  # once it has sent what waits; the next change starts it again
        if courier is not None:
            until(lambda: self.untold() == 0, "the store's events")

    def untold(self) -> int:
        """Events that the store has not delivered, or not noted as delivered yet."""
        undelivered = "SELECT count(*) FROM sandbox_event WHERE delivered_at IS NULL"
        return int(self.systems.store_rows(undelivered)[0][0])

    def waiting(self, entity: str) -> list[str]:
        return [row.event.native_id for row in self.here.ledger.inbox.unprocessed(entities=[entity])]

    def wait_for(self, entity: str, native_id: str | int) -> None:
        until(lambda: str(native_id) in self.waiting(entity), f"an event of {entity} {native_id}")

    def wait_until_due(self, flow: str) -> Due:
        found: list[Due] = []

        def there() -> bool:
            found[:] = [one for one in self.due() if one.flow == flow]
            return bool(found)

        until(there, f"a run of {flow} to be due")
        return found[0]

    def shop(self, sku: str, quantity: int = 1) -> str:
        """A guest buys; id of the order in the store."""
        with Caller(self.systems.store.base_url, "shopper") as front:
            cart = "/rest/default/V1/guest-carts/" + str(front.json("POST", "/rest/default/V1/guest-carts"))
            item = {"quote_id": cart.rsplit("/", 1)[-1], "sku": sku, "qty": quantity}
            front.json("POST", f"{cart}/items", {"cartItem": item})
            shipping = {"shipping_address": LOS_ANGELES, "billing_address": LOS_ANGELES,
                        "shipping_carrier_code": "flatrate", "shipping_method_code": "flatrate"}  # fmt: skip
            front.json("POST", f"{cart}/shipping-information", {"addressInformation": shipping})
            payment = {"paymentMethod": {"method": "checkmo"}, "billing_address": LOS_ANGELES,
                       "email": "ada@example.com"}  # fmt: skip
            return str(front.json("POST", f"{cart}/payment-information", payment))

    def erp_order(self, order: str) -> int:
        """Internal id in the ERP of an order of the store."""
        rows = self.systems.erp_rows(
            "SELECT id FROM \"transaction\" WHERE externalid = ? AND type = 'SalesOrd'", (f"magento_us_{order}",)
        )
        assert len(rows) == 1, (rows, self.problems())
        return int(rows[0][0])

    def problems(self) -> list[str]:
        """What the ledger holds against documents."""
        refused = [f"{row.rule} {row.field}: {row.problem}" for row in self.here.ledger.quarantine.find()]
        late = [f"{one.number} {one.state}: {one.reason}" for one in self.here.ledger.deliveries.find()]
        return refused + late

    def store_shipments(self, order: str) -> int:
        return len(self.systems.store_rows("SELECT entity_id FROM sales_shipment WHERE order_id = ?", (order,)))


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@contextmanager
def served(listener: socket.socket, receiver: Receiver) -> Iterator[None]:
    """The event service in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(receiver), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started, "the event service")
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/events"
    at_once = {"events": {"delay_seconds": 0, "every_seconds": 0}}
    folder = tmp_path_factory.mktemp("events")
    with two_systems(
        folder / "world",
        FLOWS,
        lookups=LOOKUPS,
        store_options={"edition": "commerce", "events_url": f"{address}/magento_us"},
        store_settings={"edition": "commerce", **at_once},
        erp_options={"push_url": f"{address}/netsuite_us", "push_secret": SECRET},
        erp_settings={"order_status": "B", "location": "1", **at_once},
    ) as systems:
        told = systems.store.status()["events"]
        keys = {
            path: httpx.get(f"{systems.store.base_url}{path}", timeout=PATIENCE_SECONDS).text
            for path in told["public_key_paths"]
        }
        settings = {"edition": "commerce", "events": {"client_id": told["client_id"], "keys": keys}}
        connections = [
            ConnectionSpec(name="netsuite_us", vendor="netsuite", base_url="x", credentials={"push_secret": SECRET}),
            ConnectionSpec(name="magento_us", vendor="magento", base_url="x", settings=settings),
        ]
        configuration = Configuration(connections={one.name: one for one in connections}, routes={})
        patch = pytest.MonkeyPatch()
        patch.setattr(installation, "_current", (os.getpid(), systems.here))
        with served(listener, Receiver(configuration, systems.here.ledger.inbox)), patch.context():
            now = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
            flows = ("orders", "order_status", "shipments", "inventory")
            cursor: dict[str, Any] = {f"us/{flow}/polled": now for flow in flows}
            cursor |= {"us/inventory/fast": now, "us/inventory/fast_keys": {"at": now, "keys": ["MUG"]}}
            made = World(systems, cursor)
            systems.run("inventory", full=True)
            systems.run("inventory")
            yield made
        patch.undo()


@pytest.fixture(autouse=True)
def quiet(world: World) -> None:
    """Nothing of the tests before is due or on its way: what comes from now on is this test's."""
    world.quiet()


def test_an_order_and_its_parcel_go_round_by_events_alone(world: World):
    order = world.shop("TEA", 2)
    world.wait_for("sales_order", order)
    due = world.wait_until_due("orders")
    assert (due.lane, due.keys, due.stages[0]) == ("now", (order,), "extracted")
    told = world.run(due)
    assert (told["events"], told["records_new_by_events"], told["records_seen"]) == (1, 1, 0)
    erp_order = world.erp_order(order)
    world.wait_for("order_status", erp_order)
    world.run(world.wait_until_due("order_status"))
    world.systems.erp_ship(erp_order)
    due = world.wait_until_due("shipments")
    assert due.lane == "now"
    world.run(due)
    assert world.store_shipments(order) == 1
    assert world.waiting("shipment") == []


def test_a_fast_sku_starts_a_run_of_its_own_and_others_wait_for_the_poll(world: World):
    adjust(world, "POT", 1)
    until(lambda: bool(world.waiting("stock_level")), "an event of POT")
    assert [one for one in world.due() if one.flow == "inventory"] == []
    assert world.waiting("stock_level") == []
    adjust(world, "MUG", 3)
    due = world.wait_until_due("inventory")
    assert (due.lane, due.keys) == ("now", ("MUG",))
    world.run(due)
    assert world.systems.store_quantities()["east/MUG"] == "8"
    assert world.waiting("stock_level") == []


def test_with_the_service_off_everything_arrives_by_polling(world: World):
    pusher, courier = world.systems.erp.core.pusher, world.systems.store.core.courier  # type: ignore[attr-defined]
    world.systems.erp.core.pusher = world.systems.store.core.courier = None  # type: ignore[attr-defined]
    try:
        order = world.shop("CUP")
        assert [one for one in world.due() if one.flow == "orders"] == []
        polled = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        for flow in ("orders", "shipments"):
            if flow == "shipments":
                world.systems.erp_ship(world.erp_order(order))
            [due] = [one for one in world.due(**{f"us/{flow}/polled": polled}) if one.flow == flow]
            assert (due.lane, due.keys) == ("normal", ())
            world.run(due)
        assert world.store_shipments(order) == 1
        assert world.waiting("sales_order") == world.waiting("shipment") == []
    finally:
        world.systems.erp.core.pusher, world.systems.store.core.courier = pusher, courier  # type: ignore[attr-defined]


def adjust(world: World, sku: str, by: int) -> None:
    """Somebody counts in the ERP's east warehouse: so many more."""
    (item,) = world.systems.erp_rows("SELECT id FROM item WHERE itemid = ?", (sku,))[0]
    line = {
        "item": {"id": str(item)},
        "location": {"id": world.systems.location("east")},
        "adjustQtyBy": by,
    }
    account = {"account": {"id": "1"}, "subsidiary": {"id": "1"}}
    world.systems.warehouse.create("inventoryAdjustment", {**account, "inventory": {"items": [line]}})


def put(world: World, entity: str, native_id: str, connection: str = "magento_us") -> None:
    event_id = f"test-{entity}-{native_id}-{time.monotonic_ns()}"
    assert world.here.ledger.inbox.put(
        InboxEvent(connection=connection, event_id=event_id, topic="test", entity=entity, native_id=native_id)
    )


def outcomes(world: World) -> set[str]:
    import sqlalchemy as sa

    from erp_sync.ledger.schema import inbox

    with world.here.ledger.database.read() as read:
        return set(read.execute(sa.select(inbox.c.outcome).where(inbox.c.event_id.like("test-%"))).scalars())


def test_an_event_that_names_nothing_starts_a_run_that_reads_all_changes(world: World):
    put(world, "sales_order", "")
    [due] = [one for one in world.due() if one.flow == "orders"]
    assert (due.lane, due.keys) == ("normal", ())
    world.run(due)
    assert world.waiting("sales_order") == []
    assert "all changes read" in outcomes(world)


def test_what_no_flow_reads_and_what_is_not_there_is_put_away(world: World):
    put(world, "refund", "7")
    put(world, "sales_order", "987654")
    [due] = [one for one in world.due() if one.flow == "orders"]
    assert due.keys == ("987654",)
    assert world.run(due)["events_without_record"] == 1
    assert {"no flow reads it", "not found"} <= outcomes(world)
    assert [one for one in world.due() if one.flow == "orders"] == []


def test_a_run_that_dies_before_it_marks_its_events_leaves_them_waiting(world: World, monkeypatch: pytest.MonkeyPatch):
    order = world.shop("TEA")
    world.wait_for("sales_order", order)
    due = world.wait_until_due("orders")
    inbox = world.here.ledger.inbox
    with monkeypatch.context() as patch:
        patch.setattr(inbox, "mark", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
            world.run(due)
    assert order in world.waiting("sales_order")
    world.run(world.wait_until_due("orders"))
    world.erp_order(order)
    assert world.waiting("sales_order") == []


def test_a_poll_that_finds_something_takes_the_events_along(world: World):
    order = world.shop("CUP")
    world.wait_for("sales_order", order)
    due = world.due(**{"us/orders/polled": "2026-01-01T00:00:00+00:00"})
    [one] = [one for one in due if one.flow == "orders"]
    assert one.lane == "normal"
    world.run(one)
    assert world.waiting("sales_order") == []
    world.erp_order(order)


def test_events_wait_for_as_long_as_a_read_may_miss_them(world: World, monkeypatch: pytest.MonkeyPatch):
    put(world, "sales_order", "987655")
    spec = world.here.configuration.connection("magento_us")
    settings = {name: value for name, value in spec.settings.items() if name != "events"}
    patient = spec.model_copy(update={"settings": settings})
    monkeypatch.setitem(world.here.configuration.connections, "magento_us", patient)
    place, now = ("magento_us", "sales_order"), datetime.now(UTC)
    assert events.delay(world.here, "magento_us") == timedelta(seconds=1)
    assert place not in events.waiting(world.here, world.here.configuration, now)
    assert place in events.waiting(world.here, world.here.configuration, now + timedelta(seconds=1))


def test_events_of_entities_that_the_connection_does_not_choose_are_left_to_the_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    spec = world.here.configuration.connection("magento_us")
    some = {**spec.settings, "events": {**(spec.settings.get("events") or {}), "entities": ["refund"]}}
    monkeypatch.setitem(world.here.configuration.connections, "magento_us", spec.model_copy(update={"settings": some}))
    put(world, "sales_order", "987656")
    assert [one.keys for one in world.due() if one.flow == "orders" and "987656" in one.keys] == []
    assert "987656" not in world.waiting("sales_order")
    assert "left to the next poll" in outcomes(world)


def test_a_rush_of_events_starts_a_run_every_so_often_not_one_an_event(world: World):
    connection = world.systems.here.configuration.connection("netsuite_us")
    looked = {"us/inventory/events": (datetime.now(UTC) - timedelta(seconds=30)).isoformat()}
    adjust(world, "MUG", 1)
    until(lambda: bool(world.waiting("stock_level")), "an event of MUG")
    try:
        connection.settings["events"] = {"delay_seconds": 0, "every_seconds": 3600}
        assert [one for one in world.due(**looked) if one.flow == "inventory"] == []
        connection.settings["events"] = {"delay_seconds": 0, "every_seconds": 20}
        assert [one.keys for one in world.due(**looked) if one.flow == "inventory"] == [("MUG",)]
    finally:
        connection.settings["events"] = {"delay_seconds": 0, "every_seconds": 0}
