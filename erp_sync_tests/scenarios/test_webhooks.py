"""Webhooks: late, twice, never, and our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from erp_sync.components import events
from erp_sync.components.documents import drain_documents, transform_documents
from erp_sync.components.due import Due
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.run_context import land_records
from erp_sync.demo.judging import claims
from erp_sync.flows.extraction import extract_changes
from erp_sync.operations import dead_letters
from erp_sync.operations.watching import Watchdog
from erp_sync.operations.watching_events import SEVERAL
from erp_sync.sandbox.caller import Caller
from erp_sync.sandbox.checker import SystemFiles, check
from erp_sync.systems.magento.sandbox.events import Attempt, Outcome, send
from erp_sync_tests.components import test_events
from erp_sync_tests.components.test_events import World, until
from erp_sync_tests.e2e.test_orders_in_process import wait_for_the_next_second
from erp_sync_tests.scenarios.conftest import agreed


class Held:
    """In the place of the store's courier: keeps what it is given; `carry` brings it, in whatever order and as often as
    a test wants. The store takes it to be on its way until `lose`."""

    def __init__(self, url: str) -> None:
        self.url, self.kept = url, list[Attempt]()
        self._over, self._told = False, 0

    def take(self, attempt: Attempt) -> None:
        if attempt.event_id not in [one.event_id for one in self.kept]:  # the store tries again after a minute
            self.kept.append(attempt)

    def lose(self) -> None:
        """What was not carried never arrives, and the store does not send it again."""
        self._over = True

    def outcomes(self) -> list[Outcome]:
        if not self._over:
            return []
        gone = self.kept[self._told :]
        self._told += len(gone)
        return [Outcome(one.event_id, delivered=True) for one in gone]

    def close(self) -> None:
        pass

    def of(self, order: str, count: int) -> list[Attempt]:
        """The first events of an order, once there are so many."""

        def found() -> list[Attempt]:
            return [one for one in self.kept if str(json.loads(one.body)["data"]["value"]["entity_id"]) == order]

        until(lambda: len(found()) >= count, f"{count} events of order {order}")
        return found()[:count]

    def carry(self, attempt: Attempt) -> dict[str, int]:
        """What the event service answers."""
        status, body = send("POST", self.url, attempt.body, attempt.headers)
        assert status == 200
        answer: dict[str, int] = json.loads(body)
        return answer


class Swift(World):
    """Runs what the sensor asks for without Dagster: the same stages, by the same code."""

    def run(self, due: Due) -> dict[str, Any]:
        systems, kind = self.systems, FLOWS[due.flow]
        if not kind.delivers:
            systems.run(due.flow, keys=due.keys, lane=due.lane)
            return {}
        systems.runs += 1
        here, route, run_id = self.here, systems.route, f"run-{systems.runs}"
        connection, source = getattr(route, kind.source), here.source(route, due.flow)

        def land(records: list[Any]) -> str:
            return land_records(here, connection, kind.entity, run_id, records)

        told: dict[str, Any] = {}
        common: dict[str, Any] = {"connection": connection, "entity": kind.entity, "run_id": run_id}
        now, start = datetime.now(UTC), route.flows[due.flow].start
        assert start is not None
        if "extracted" in due.stages:
            taken = events.take(here, source, land, now=now, keys=due.keys, **common)
            told["events"] = taken.events
            if not due.keys:
                extract_changes(source, here.ledger, land, start=start, now=now, **common)
                events.put_away(here, taken.unnamed)
        transform_documents(here, route, kind, route.flows[due.flow], run_id=run_id)
        drain_documents(here, route, kind, owner=f"{run_id}:1", lane=due.lane)
        return told


both_with_events = test_events.world


@pytest.fixture(scope="module")
def world(both_with_events: World) -> World:
    """Both systems with events on, everything compared once and every poll just done."""
    return Swift(both_with_events.systems, both_with_events.cursor)


@pytest.fixture
def held(world: World) -> Iterator[Held]:
    """The store's events are made and not sent. What was on its way before has arrived, and is done."""
    core: Any = world.systems.store.core
    world.quiet()
    courier = core.courier
    core.courier = kept = Held(courier._url)
    yield kept
    kept.lose()
    until(lambda: world.untold() == 0, "the store to know of what was held")
    core.courier = courier


def in_step(world: World) -> None:
    """The checker's word on orders."""
    apps = [one.app for one in (world.systems.store, world.systems.erp)]
    files = [SystemFiles(app.database, app.journal.path, app.vendor) for app in apps]
    agreed(check(*files, claims(world.here)).orders)


def writes(world: World) -> int:
    """Calls that changed something in either system."""
    return sum(len(side.journal(committed=1)) for side in (world.systems.store, world.systems.erp))


def deposits(world: World, order: str) -> list[Any]:
    return world.systems.erp_rows(
        "SELECT id FROM \"transaction\" WHERE type = 'CustDep' AND salesorder = ?", (world.erp_order(order),)
    )


@contextmanager
def subscribed(world: World, **events: Any) -> Iterator[None]:
    """The installation has what it needs to take the store's events."""
    settings, told = world.here.configuration.connection("magento_us").settings, world.systems.store.status()["events"]
    before = settings["events"]
    keys = dict.fromkeys(told["public_key_paths"], "asked for by the service only")
    settings["events"] = {**before, "client_id": told["client_id"], "keys": keys, **events}
    try:
        yield
    finally:
        settings["events"] = before


def unannounced(world: World) -> list[str]:
    """What the watchdog has to tell of events."""
    return [one.key for one in Watchdog(world.here).look() if one.key.startswith("unannounced")]


def read(world: World, order: str) -> list[Any]:
    """The order as the store tells of it now."""
    return [one for page in world.here.source(world.systems.route, "orders").fetch([order]) for one in page]


def pay(world: World, order: str) -> None:
    """The store has the money: an invoice is captured, which saves the order."""
    with Caller(world.systems.store.base_url, "setup", world.systems.store.status()["credentials"]) as admin:
        admin.json("POST", f"/rest/default/V1/order/{order}/invoice", {"capture": True})


def test_paid_arrives_before_created(world: World, held: Held):
    """Shopify/shopify-app-js 603: the event of the update arrives before that of the creation, within a second: the
    app looks for an order that it does not have."""
    # Given: an order is placed, and paid a second later
    order = world.shop("TEA")
    wait_for_the_next_second()
    pay(world, order)
    created, paid = held.of(order, 2)
    # When: 'paid' arrives alone
    held.carry(paid)
    world.run(world.wait_until_due("orders"))
    # Then: the order is there, with its money
    assert len(deposits(world, order)) == 1
    # And: 'created' changes nothing when it comes at last
    held.carry(created)
    before = len(world.systems.erp.journal(committed=1))
    world.settle()
    assert len(world.systems.erp.journal(committed=1)) == before
    assert len(deposits(world, order)) == 1
    in_step(world)


def test_what_was_read_before_the_payment_arrives_after_it(world: World, held: Held):
    """The same, where the events came in order and one of two who read the order is slow: what the slow one brings is
    older than what waits to be sent, and would take the money out of it."""
    # Given: an order is placed, and paid a second later; somebody read it in between
    order = world.shop("TEA")
    slow = read(world, order)
    wait_for_the_next_second()
    pay(world, order)
    # When: the slow one comes last, and nothing of the order has left yet
    for records in (read(world, order), slow):
        assert world.here.ledger.receive("magento_us", "sales_order", records)
    world.settle()
    # Then
    assert len(deposits(world, order)) == 1
    in_step(world)


def test_the_same_webhook_twice_and_in_parallel(world: World, held: Held):
    """nozzlegear/ShopifySharp 919: several of the same webhook at the exact same time, which are processed beside each
    other; mollie/WooCommerce 1063: and book a payment twice."""
    # Given
    order = world.shop("CUP")
    (event,) = held.of(order, 1)
    # When: it comes eight times at once
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(held.carry, [event] * 8))
    # Then: one counts, and all senders are content
    assert sorted(answer["stored"] for answer in answers) == [0] * 7 + [1]
    assert world.run(world.wait_until_due("orders"))["events"] == 1
    # And: once more hours later, it starts nothing
    assert held.carry(event)["duplicates"] == 1
    world.settle()
    created = world.systems.erp.journal(endpoint="salesOrder.create", document=f"magento_us_{order}")
    assert len(created) == 1
    in_step(world)


def test_a_webhook_that_looks_registered_and_is_silent(world: World, held: Held):
    """woocommerce/woocommerce 15620, 18009: an active webhook does not fire, and leaves no line in any log."""
    # Given: the store has its subscription and makes its events, and nothing of them arrives
    wait_for_the_next_second()
    orders = [world.shop("TEA") for _ in range(SEVERAL)]
    held.of(orders[-1], 1)
    assert [one for one in world.due() if one.flow == "orders"] == []
    # When: the time of the next poll has come
    polled = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    (due,) = [one for one in world.due(**{"us/orders/polled": polled}) if one.flow == "orders"]
    world.run(due)
    # Then: the orders are there
    world.settle()
    assert all(world.erp_order(order) for order in orders)
    in_step(world)
    # And: somebody is told, once the patience that was asked for is over
    with subscribed(world, silent_after_seconds=3600):
        assert unannounced(world) == []
    with subscribed(world, silent_after_seconds=0):
        assert unannounced(world) == ["unannounced/magento_us/orders"]
        # And: that is over with the first event that arrives
        held.carry(held.of(orders[0], 1)[0])
        assert unannounced(world) == []


def test_our_own_write_back_raises_an_event_and_nothing_happens(world: World, held: Held):
    """woocommerce/woocommerce 62507: an order that is written because it was read fires `order.updated`, which reads
    and writes it again, for ever."""
    # Given: an order has reached the ERP, and the ERP's number was written into the store
    order = world.shop("TEA", 2)
    held.carry(*held.of(order, 1))
    world.wait_until_due("orders")
    comments = "SELECT comment FROM sales_order_status_history WHERE parent_id = ? AND comment LIKE 'ERP order%'"

    def told_the_store() -> bool:
        world.settle()
        return len(world.systems.store_rows(comments, (order,))) == 1

    until(told_the_store, "the number of the ERP's order in the store")
    # When: the store tells of that
    _, ours = held.of(order, 2)
    before = writes(world)
    held.carry(ours)
    assert world.run(world.wait_until_due("orders"))["events"] == 1
    world.settle()
    # Then: it is read, nobody writes, and nobody is asked to decide
    assert world.waiting("sales_order") == []
    assert writes(world) == before
    assert dead_letters.letters(world.here) == []
    assert len(world.systems.store_rows(comments, (order,))) == 1
    key = f"magento_us_{order}"
    assert [one["change"] for one in world.systems.erp.commits(entity="salesOrder", document=key)] == ["create"]
    in_step(world)
