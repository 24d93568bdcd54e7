"""A small world for one telling: two systems, people, and either a naive script or erp_sync at work in it.

Built on the chaos harness: the sandboxes' cores behind a wire without sockets, the product's own flows, ledger,
clients and guards, all by one virtual clock, with the vendors' latencies of profile life.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from erp_sync.components.configuration import ConnectionSpec, RouteSpec
from erp_sync.components.installation import Installation
from erp_sync.demo.judging import claims
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ports.outcomes import CallFailed
from erp_sync.sandbox.catalogue import Basket, Catalogue, Item, Line, Warehouse
from erp_sync.sandbox.checker import Report, SystemFiles, check
from erp_sync.sandbox.people import Person, place
from erp_sync.sandbox.shoppers import Placed
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.chaos import runs
from erp_sync_tests.chaos.house import House, Template, in_force
from erp_sync_tests.chaos.network import System, Trouble, _Wire
from erp_sync_tests.chaos.simulation import START, Process, Simulation, Task
from erp_sync_tests.chaos.thrift import thrifty
from erp_sync_tests.chaos.workshop import memory, workshop
from erp_sync_tests.disasters.naive import Script

ROUTE = "netsuite_magento"
FOR_EVER = 10**9
PUSH_SECRET = "of the change push"


def article(number: int, price: str = "10.00", **values: Any) -> Item:
    given: dict[str, Any] = {
        "sku": f"SKU-{number:03d}",
        "name": f"Article {number}",
        "price": Decimal(price),
        "cost": Decimal(1),
        "weight": Decimal(1),
        "category": "Shop/Things",
        "manufacturer": "Maker",
        "tax_class": "taxable",
        **values,
    }
    return Item(**given)


def shop_of(items: Sequence[Item], stock: dict[str, int]) -> Catalogue:
    """Articles with their opening stock, all of it in one warehouse."""
    houses = (Warehouse("east", "East", place("east")), Warehouse("west", "West", place("west")))
    levels = {
        (item.sku, code): stock.get(item.sku, 0) if code == "east" else 0 for item in items for code in ("east", "west")
    }
    return Catalogue(items=tuple(items), warehouses=houses, stock=levels, coupons=())


class Stage(Template):
    """What every telling of one disaster begins with."""

    #: As an installation has them that says nothing of guards.
    guards: Mapping[str, Mapping[str, float]] = {}

    def __init__(self, folder: Path, goods: Catalogue, adjust: Callable[[RouteSpec], RouteSpec] | None = None) -> None:
        self._goods, self._adjust = goods, adjust
        super().__init__(ROUTE, folder)

    def goods(self) -> Catalogue:
        return self._goods

    def _pointed(self, spec: ConnectionSpec, settings: Mapping[str, Any]) -> ConnectionSpec:
        made = super()._pointed(spec, settings)
        if "push_secret" not in spec.credentials:
            return made
        return made.model_copy(update={"credentials": {**made.credentials, "push_secret": PUSH_SECRET}})

    def flows_on(self, route: RouteSpec) -> RouteSpec:
        on = super().flows_on(route)
        return self._adjust(on) if self._adjust else on


@contextmanager
def stage(goods: Catalogue, adjust: Callable[[RouteSpec], RouteSpec] | None = None) -> Iterator[Stage]:
    logging.getLogger("erp_sync").setLevel(logging.CRITICAL)
    with workshop(memory()) as folder:
        yield Stage(folder, goods, adjust)


class World:
    """One telling. Whoever works in it is a task; `until` lets time pass."""

    def __init__(self, set_up: Stage, here: Simulation, house: House, seed: int) -> None:
        self.stage, self.here, self.house = set_up, here, house
        self.random = random.Random(f"world {seed}")
        self.route = house.route
        self.store, self.erp = (house.network.systems[name] for name in (self.route.store, self.route.erp))
        self.credentials = {name: set_up.statuses[name]["credentials"] for name in house.network.systems}
        self._runs = 0
        self._tasks: list[Task] = []
        people: Any = set_up.wire
        self.front = Storefront(self.url(self.store), self.credentials[self.store.name], set_up.goods(), http=people)
        self.back = NetSuite(self.url(self.erp), self.credentials[self.erp.name], http=people)
        self.installation = house.installation()

    @staticmethod
    def url(system: System) -> str:
        return f"http://{system.name}.chaos"

    # -- people --------------------------------------------------------------------------------------

    def buy(self, number: int, lines: Sequence[Line], payment: str = "checkmo") -> Placed:
        """A guest checks a basket out, now."""
        house = self.stage.goods().warehouses[0].place
        person = Person(
            household=number, first_name="Guest", last_name=f"No{number}", email=f"guest{number}@example.com",
            phone="(217) 555-0100", place=house, registered=False,
        )  # fmt: skip
        basket = Basket(number, timedelta(0), person, house, tuple(lines), None, "flatrate_flatrate", payment)
        return self.front.place(basket)

    def wire(self, seconds: float) -> httpx.Client:
        """The network as a script sees it: the vendors' latencies and faults, and its own time-out."""
        return httpx.Client(transport=_Wire(self.house.network), timeout=seconds, trust_env=False, verify=False)

    def script(self, seconds: float = 60.0) -> Script:
        """The naive one, which waits so long for an answer."""
        return Script(
            self.url(self.store),
            self.url(self.erp),
            self.credentials[self.store.name],
            self.credentials[self.erp.name],
            self.wire(seconds),
        )

    def trouble(self, **values: Any) -> None:
        given: dict[str, Any] = {
            "writes": None,
            "times": FOR_EVER,
            "begin": self.here.now,
            "end": float("inf"),
            **values,
        }
        system = self.house.network.systems[given["system"]]
        system.troubles.append(Trouble(**given))

    # -- erp_sync ------------------------------------------------------------------------------------

    def run(self, flow: str, installation: Installation | None = None, **options: Any) -> bool:
        """One run of a flow in the task that calls; False where a system did not answer."""
        self._runs += 1
        try:
            runs.run(installation or self.installation, self.route, flow, f"run{self._runs}", **options)
        except (CallFailed, LedgerBusy):
            return False
        return True

    def every(self, seconds: float, flow: str, *, after: float = 0.0, **options: Any) -> None:
        """A worker of its own that runs the flow at this pace."""
        process = Process(f"{flow} worker")

        def work() -> None:
            installation = self.house.installation()
            due = self.here.now
            while True:
                self.run(flow, installation, **options)
                due = max(due + seconds, self.here.now)
                self.here.sleep(due - self.here.now)

        self.spawn(work, f"{flow} worker", process, after)

    def spawn(self, work: Callable[[], Any], name: str, process: Process | None = None, after: float = 0.0) -> Task:
        """A task; its failure is raised by `after`."""
        task = self.here.spawn(work, name, process, after)
        self._tasks.append(task)
        return task

    def now_run(self, flow: str, **options: Any) -> None:
        """A run now, and to its end."""
        task = self.here.spawn(lambda: self.run(flow, **options), f"{flow} now", Process(f"{flow} now"))
        if not self.here.run_until(task, self.here.now + 6 * 3600):
            raise AssertionError("a run does not end")
        if task.failure is not None:
            raise task.failure

    def after(self, seconds: float) -> None:
        """Let so much time pass."""
        self.here.run(self.here.now + seconds)
        for task in self._tasks:
            if task.failure is not None:
                raise task.failure

    def moment(self) -> datetime:
        return self.here.moment()

    # -- figures -------------------------------------------------------------------------------------

    def files(self, system: System) -> SystemFiles:
        return SystemFiles(system.database, system.journal.path, system.vendor)

    def report(self, *, ours: bool = True) -> Report:
        """The checker's; what erp_sync says it holds is a claim to it."""
        return check(self.files(self.store), self.files(self.erp), claims(self.installation) if ours else ())


@contextmanager
def world(set_up: Stage, seed: int = 1, start: datetime = START) -> Iterator[World]:
    here = Simulation(seed, start)
    with thrifty(), in_force(here, lambda: House(set_up, here, seed), set_up.live) as house:
        made = World(set_up, here, house, seed)
        try:
            yield made
        finally:
            made.installation.close()
