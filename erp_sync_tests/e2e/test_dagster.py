"""Orders through real Dagster processes: by the sensor, over a kill of everything, and by a backfill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from erp_sync import settings as settings_module
from erp_sync.components.configuration import read_configuration
from erp_sync.components.installation import Installation
from erp_sync.components.mapping_version import mapping_version
from erp_sync.demo import day, playing
from erp_sync.ledger.schema import deliveries, handled, receipts, received, steps
from erp_sync.runtime import services
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.checker import Report, SystemFiles, check
from erp_sync.settings import Settings
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync_tests.bench.backfill import backfill, days_back, last_call, writes
from erp_sync_tests.bench.installation import only
from erp_sync_tests.e2e.business import CATALOGUE, basket

pytestmark = pytest.mark.e2e

# Days before today, and orders of each, that the backfill is about; `make bench NAME=backfill` has 500 a day.
WEEK, A_DAY = 7, 12


@dataclass
class Running:
    """Sandboxes, Dagster and a front to shop in."""

    settings: Settings
    front: Storefront
    placed: int = 0

    def buy(self, count: int) -> None:
        for _ in range(count):
            self.placed += 1
            done = self.front.place(basket(f"shopper{self.placed}", {"MUG": 1, "TEA": 2}))
            assert done.order_id is not None, done.why

    def report(self) -> Report:
        states = supervisor.status(self.settings.sandboxes)
        return check(SystemFiles.of(states["magento"]), SystemFiles.of(states["netsuite"]))

    def all_arrived(self) -> bool:
        """Orders with their deposits: an order is there before its deposit is."""
        orders = self.report().orders
        return len(orders.in_erp) == self.placed and not orders.differences

    def start(self) -> None:
        services.start(self.settings, services.dagster_services(self.settings, web_port=None), wait_seconds=240)

    def runs(self, **tags: str) -> list[dg.DagsterRun]:
        with dg.DagsterInstance.from_config(str(self.settings.dagster_home)) as instance:
            return list(instance.get_runs(dg.RunsFilter(tags=tags)))

    def tell(self) -> str:
        """How things stand: services, runs, deliveries that are not finished."""
        here = Installation(self.settings)
        try:
            found = here.ledger.deliveries.find(flow="orders", limit=100)
            slots = here.ledger.limits.status()
        finally:
            here.close()
        lines = [f"now {datetime.now(UTC)}", str(services.status(self.settings)), str(slots)]
        lines += [f"run {run.run_id[:8]} {run.status} {run.tags.get('erp_sync/why')}" for run in self.runs()[:12]]
        lines += [
            f"{one.number} {one.state} {one.code} {one.reason} due {one.due_at} owner {one.owner[:8]}"
            for one in found
            if one.state != "delivered"
        ]
        return "\n".join(lines)

    def assert_exactly_once(self) -> None:
        orders = self.report().orders
        assert (orders.lost, orders.duplicated, orders.deposits_duplicated) == ([], [], [])
        assert orders.customers_duplicated == []
        assert orders.differences == []
        assert len(orders.in_erp) == self.placed


def wait_for(condition: Callable[[], object], seconds: float, what: str, tell: Callable[[], str] = lambda: "") -> None:
    """Return when the condition holds; fail the test if it does not in time. `tell` says how things stand then."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: it did not happen in {seconds} s\n{tell()}"
        time.sleep(0.2)


@contextmanager
def orders_on(folder: Path, **environment: str) -> Iterator[Running]:
    """An installation of its own with orders only, every second; everything runs."""
    before = dict(os.environ)
    os.environ.update({"ERP_SYNC_HOME": str(folder / "home"), **environment})
    try:
        defs: Path = only(["orders"], folder / "defs", every="1s")
        settings = day.prepare(settings_module.load(), profile="fast", defs=defs)
        try:
            day.seed(settings, CATALOGUE, [])
            store = supervisor.status(settings.sandboxes)["magento"]
            front = Storefront(store["base_url"], store["credentials"], CATALOGUE)
            made = Running(settings, front)
            made.start()
            yield made
            front.close()
        finally:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with orders_on(tmp_path_factory.mktemp("installation")) as made:
        yield made


def test_orders_arrive_through_the_sensor_in_runs_that_name_route_and_flow(running: Running):
    running.buy(4)
    wait_for(running.all_arrived, 60, "orders in the ERP", running.tell)
    running.assert_exactly_once()
    (run, *others) = running.runs(**{"erp_sync/route": "netsuite_magento", "erp_sync/flow": "orders"})
    assert run.tags["erp_sync/why"]
    configuration = read_configuration(running.settings.defs)
    version = mapping_version(configuration, configuration.routes["netsuite_magento"], "orders")
    # The newest one may not have come to the mapping yet.
    assert {one.tags.get("erp_sync/mapping") for one in (run, *others)} - {None} == {version.value}
    assert run.tags["dagster/partition"] == f"{datetime.now(UTC):%Y-%m-%d}"


def test_everything_killed_in_the_middle_every_order_arrives_once_after_the_restart(running: Running):
    """All of the ERP's slots are in use when it happens; what is placed while nothing runs is caught up."""
    fault = {"kind": "timeout_after_commit", "endpoint": "salesOrder.create", "times": 5}
    supervisor.fault(running.settings.sandboxes, "netsuite", fault)
    before = running.placed
    running.buy(6)
    wait_for(lambda: len(running.report().orders.in_erp) >= before + 5, 60, "five calls hang", running.tell)
    services.kill_everything(running.settings)
    assert not running.all_arrived()
    supervisor.clear_faults(running.settings.sandboxes, "netsuite")
    running.buy(3)
    running.start()
    wait_for(running.all_arrived, 120, "all orders in the ERP after the restart", running.tell)
    running.assert_exactly_once()


def test_a_backfill_of_a_week_delivers_what_is_not_there_in_one_run_and_again_changes_nothing(running: Running):
    """A week of orders that no look shows, dated before what was read; and two of today vanish from the ledger,
    receipts and all: the ERP recognises what it has already. The backfill is Dagster's own, up to today."""
    _wait_until_at_rest(running)
    today = running.placed
    here = Installation(running.settings)
    try:
        lost = _forget(here, 2)
    finally:
        here.close()
    for ago in range(WEEK, 0, -1):
        with days_back(running.settings, ago):
            running.buy(A_DAY)
    assert not running.all_arrived()
    states = supervisor.status(running.settings.sandboxes)
    for again in (False, True):
        marks = {name: last_call(state["journal"]) for name, state in states.items()}
        (run,) = backfill(running.settings, "orders", WEEK)
        assert run.status is dg.DagsterRunStatus.SUCCESS
        # What vanished of today may have been seen again by a look at the last minutes before.
        found_by_it = _figures(running, run.run_id, "extracted", "records_new")[0]
        assert found_by_it == 0 if again else WEEK * A_DAY <= found_by_it <= WEEK * A_DAY + len(lost)
        # A run of the sensor may have taken some of it, and be at it when the backfill's run ends.
        _wait_until_at_rest(running)
        # Each day's own event has the totals of that day, as far as they have come.
        rows, whole = _figures(running, run.run_id, "loaded", "dagster/row_count"), [*[A_DAY] * WEEK, today]
        assert rows == whole if again else all(one <= most for one, most in zip(rows, whole, strict=True))
        written = [one for name, state in states.items() for one in writes(state["journal"], marks[name])]
        assert written == [] if again else written.count("salesOrder.create") >= WEEK * A_DAY
        running.assert_exactly_once()
    here = Installation(running.settings)
    try:
        assert here.ledger.received.count_documents("magento_us", "sales_order") == running.placed
        found = here.ledger.deliveries.find(flow="orders", limit=1000)
        assert {one.key.native_id for one in found} >= set(lost)
    finally:
        here.close()


def _wait_until_at_rest(running: Running) -> None:
    here = Installation(running.settings)
    try:
        wait_for(lambda: playing.settled(here, running.placed), 60, "nothing is on its way")
    finally:
        here.close()


def _forget(here: Installation, count: int) -> list[str]:
    """Take the oldest orders out of the ledger."""
    with here.ledger.database.write() as write:
        rows = write.execute(sa.select(received.c.id, received.c.native_id).order_by(received.c.id)).all()
        chosen = list(dict.fromkeys(row.native_id for row in rows))[:count]
        ids = [row.id for row in rows if row.native_id in chosen]
        known = sa.select(deliveries.c.id).where(deliveries.c.native_id.in_(chosen))
        write.execute(sa.delete(receipts).where(receipts.c.delivery_id.in_(known)))
        write.execute(sa.delete(steps).where(steps.c.delivery_id.in_(known)))
        write.execute(sa.delete(deliveries).where(deliveries.c.native_id.in_(chosen)))
        write.execute(sa.delete(handled).where(handled.c.received_id.in_(ids)))
        write.execute(sa.delete(received).where(received.c.id.in_(ids)))
    return chosen


def _figures(running: Running, run_id: str, stage: str, name: str) -> list[int]:
    """A figure of the run's events of an asset, partition by partition."""
    with dg.DagsterInstance.from_config(str(running.settings.dagster_home)) as instance:
        logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    found = [
        entry.dagster_event.event_specific_data.materialization
        for entry in logs
        if entry.dagster_event is not None and entry.dagster_event.asset_key.path[-1] == stage
    ]
    return [one.metadata[name].value for one in sorted(found, key=lambda one: one.partition or "")]
