"""The house in which a seed is played: two systems, an installation between them, and the people around.

What every seed begins with is made once (`Template`) and copied: both systems with their catalogue, a ledger that is
migrated and has its look-up tables. Nothing here knows a vendor: a system's sandbox and people are found by the
vendor's folder.
"""

from __future__ import annotations

import importlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from erp_sync import settings as settings_module
from erp_sync.components.configuration import (
    Configuration,
    ConnectionSpec,
    Mode,
    RouteSpec,
    read_configuration,
)
from erp_sync.components.flow_table import FLOWS as FLOW_TABLE
from erp_sync.components.installation import Installation
from erp_sync.ledger import engine as ledger_engine
from erp_sync.ledger import limits, owners
from erp_sync.sandbox.catalogue import Catalogue, Coupon, Item, Warehouse
from erp_sync.sandbox.journal import Journal
from erp_sync.sandbox.latency import latency
from erp_sync.sandbox.people import place
from erp_sync.transport import client as transport_client
from erp_sync_tests.chaos.kept import kept
from erp_sync_tests.chaos.network import Network, People, SkewedClock, System, Trouble
from erp_sync_tests.chaos.people import Shoppers, Staff
from erp_sync_tests.chaos.points import points
from erp_sync_tests.chaos.quick_sql import Engine
from erp_sync_tests.chaos.sensor import PAUSES
from erp_sync_tests.chaos.simulation import Simulation
from erp_sync_tests.chaos.threads import load_everything, simulated
from erp_sync_tests.ledger import fresh

FLOWS = ("orders", "order_status", "shipments", "inventory", "prices")
# As many as make 50 keys of stock and prices, and of stock alone at a store that has one figure an article.
ARTICLES, ARTICLES_WITHOUT_PRICES = 16, 52


def played(route: RouteSpec) -> tuple[str, ...]:
    """The flows of the route that are played."""
    return tuple(flow for flow in FLOWS if flow in route.flows)


def defs() -> Path:
    """The folder of connections and routes that is played: ``ERP_SYNC_DEFS``, else what ships."""
    return settings_module.load().defs


def _item(number: int, **values: Any) -> Item:
    given: dict[str, Any] = {
        "sku": f"SKU-{number:02d}",
        "name": f"Article {number}",
        "price": Decimal(300 + 37 * number) / 100,
        "cost": Decimal(1),
        "weight": Decimal(1),
        "category": "Shop/Things",
        "manufacturer": "Maker",
        "tax_class": "taxable",
        **values,
    }
    return Item(**given)


@cache
def catalogue(articles: int = ARTICLES, units: int = 8) -> Catalogue:
    """Articles with about so many units of each at each of two places, a bundle, and one that the ERP does not know."""
    simple = [_item(number) for number in range(1, articles + 1)]
    bundle = _item(articles + 64, sku="SET", price=None, kind="bundle", members=(("SKU-01", 1), ("SKU-02", 2)))
    strange = _item(articles + 65, sku="STRANGE", in_erp=False)
    stock = {(item.sku, code): units + index % 13 for index, item in enumerate(simple) for code in ("east", "west")}
    stock |= {(strange.sku, code): 50 for code in ("east", "west")}
    return Catalogue(
        items=(bundle, *simple, strange),
        warehouses=(Warehouse("east", "East", place("east")), Warehouse("west", "West", place("west"))),
        stock=stock,
        coupons=(Coupon("TEN", "Ten percent", "by_percent", Decimal(10)),),
    )


#: Prices are drawn anew, as far apart as they come: a jump that waits for a person would be taken for a stale value.
GUARDS = {"prices": {"max_jump_factor": 1000, "max_changed_share": 1}}


class NoExchanges:
    """In the place of the exchange log: its writer has threads and files of its own, and decides nothing."""

    recorded = 0

    def record(self, exchange: Mapping[str, Any]) -> None:
        pass

    def flush(self) -> None:
        pass

    def losses(self) -> tuple[()]:
        return ()

    def close(self) -> None:
        pass


def sandbox_of(vendor: str) -> ModuleType:
    return importlib.import_module(f"erp_sync.systems.{vendor}.sandbox")


def people_of(vendor: str) -> ModuleType:
    return importlib.import_module(f"erp_sync_tests.systems.{vendor}.chaos")


def _without_log(database: Path) -> None:
    """What is read into memory has no log beside it."""
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA journal_mode=DELETE")


def _settings(people: ModuleType) -> dict[str, Any]:
    return {**getattr(people, "SETTINGS", {}), **getattr(people, "DECLARED", {})}


class Template:
    """What every seed begins with. One for a process; made in virtual time, like everything."""

    #: By flow; what is not named here is the flow's default.
    guards: Mapping[str, Mapping[str, float]] = GUARDS

    def __init__(self, route: str, folder: Path) -> None:
        self.folder, self.live = folder / "template", folder / "live"
        self.folder.mkdir()
        self.settings = settings_module.load({"ERP_SYNC_HOME": str(self.live), "ERP_SYNC_DEFS": str(defs())})
        shipped = read_configuration(defs(), everything=True)
        self.route = self.flows_on(shipped.route(route))
        self.vendors = {name: shipped.connection(name).vendor for name in (self.route.store, self.route.erp)}
        load_everything(self.vendors.values())
        self.statuses: dict[str, dict[str, Any]] = {}
        here = Simulation(0)
        with here.running():
            for side, name in (("store", self.route.store), ("erp", self.route.erp)):
                core = sandbox_of(self.vendors[name]).create(self.folder / f"{name}.db", SkewedClock(), {})
                core.seed(
                    {**self.goods().seed(erp=side == "erp"), **getattr(people_of(self.vendors[name]), "SEED", {})}
                )
                self.statuses[name] = {**core.status(), "vendor": self.vendors[name]}
                core.close()
                _without_log(self.folder / f"{name}.db")
            small = {name: _settings(people_of(vendor)) for name, vendor in self.vendors.items()}
            self.configuration = self._configured(shipped, small)
            self._as_shipped = self._configured(shipped, {})
            self._make_ledger(here)
        self.wire = People()
        self.people = {
            name: people({**self.statuses[name], "base_url": f"http://{name}.chaos"}, self.goods(), self.wire)
            for name, people in ((self.route.store, Shoppers), (self.route.erp, Staff))
        }

    def goods(self) -> Catalogue:
        """What both systems begin with."""
        return catalogue(ARTICLES if "prices" in self.route.flows else ARTICLES_WITHOUT_PRICES)

    def flows_on(self, route: RouteSpec) -> RouteSpec:
        """The route as it is played."""
        return _all_on(route, self.guards)

    def _configured(self, shipped: Configuration, settings: Mapping[str, Mapping[str, Any]]) -> Configuration:
        connections = {name: self._pointed(shipped.connection(name), settings.get(name, {})) for name in self.vendors}
        return Configuration(connections=connections, routes={self.route.name: self.route})

    def _pointed(self, spec: ConnectionSpec, settings: Mapping[str, Any]) -> ConnectionSpec:
        known = self.statuses[spec.name]["credentials"]
        return spec.model_copy(
            update={
                "base_url": f"http://{spec.name}.chaos",
                "settings": {**spec.settings, **settings},
                "credentials": {name: str(known[name]) for name in spec.credentials if name in known},
            }
        )

    def _make_ledger(self, here: Simulation) -> None:
        self.live.mkdir()
        fresh.create(self.settings.ledger_url)
        installation = self.installation(here)
        installation.import_lookups()
        start = self.route.flows["orders"].start
        assert start is not None
        # This ERP begins without an order: there is none to look for before a first send.
        installation.ledger.adopting.finished(self.route.name, self.route.erp, start)
        installation.close()
        _without_log(self.live / "ledger.db")
        shutil.copy(self.live / "ledger.db", self.folder / "ledger.db")
        shutil.rmtree(self.live)

    def installation(self, here: Simulation, *, as_shipped: bool = False) -> Installation:
        """As a process has it that has just started. `as_shipped`: without the small pages that a seed is played with,
        for whoever reads a system whole when all is over."""
        configuration = self._as_shipped if as_shipped else self.configuration
        made = Installation(self.settings, configuration, clock=here.moment)
        made._opened["exchanges"] = NoExchanges()
        return made


def _all_on(route: RouteSpec, guards: Mapping[str, Mapping[str, float]]) -> RouteSpec:
    """The shipped route with its flows on; no plan waits for a person, who would not be there."""
    flows = {
        name: flow.model_copy(
            update={"mode": Mode.ON, "approval": "none", "guards": dict(guards.get(name, {})), "fast": None}
        )
        for name, flow in route.flows.items()
        if name in FLOWS
    }
    return route.model_copy(update={"flows": flows})


# The ledger is kept in memory by its own engine.
_LEFT = frozenset({"ledger.db"})
_engines: dict[str, Any] = {}
_make_engine = ledger_engine._sqlite_engine


@contextmanager
def _one_engine() -> Iterator[None]:
    """One engine for all ledgers of this process, which lie at one place after each other: what it has compiled
    is most of what a new one costs. Connections are not kept, and what they wrote is gone with them: only this process
    looks at a seed's ledger, so it is in memory."""

    def engine(url: Any) -> Any:
        return (
            _engines.setdefault(str(url), None)
            or _engines.update({str(url): Engine(_make_engine(url), memory=True)})
            or _engines[str(url)]
        )

    ledger_engine._sqlite_engine, before = engine, ledger_engine._sqlite_engine
    try:
        yield
    finally:
        ledger_engine._sqlite_engine = before


class House:
    """One seed's world."""

    def __init__(
        self, template: Template, here: Simulation, seed: int, skews: Mapping[str, float] | None = None
    ) -> None:
        self.template, self.here, self.seed = template, here, seed
        self.route: RouteSpec = template.route
        self.poisoned: set[tuple[str, str]] = set()  # orders that nobody can use: (system, id)
        live = template.live
        live.mkdir()
        shutil.copy(template.folder / "ledger.db", live / "ledger.db")
        systems = {}
        for name, vendor in template.vendors.items():
            database = live / f"{name}.db"
            shutil.copy(template.folder / f"{name}.db", database)
            clock = SkewedClock(timedelta(seconds=(skews or {}).get(name, 0.0)))
            options = self._options(vendor)
            systems[name] = System(
                name=name,
                vendor=vendor,
                core=sandbox_of(vendor).create(database, clock, options),
                clock=clock,
                database=database,
                journal=Journal(live / f"{name}-journal.db"),
                latency=latency("life", vendor, seed),
                capabilities=importlib.import_module(f"erp_sync.systems.{vendor}.capabilities").CAPABILITIES,
            )
        self.network = Network(here, systems, seed)
        template.wire.network = self.network
        self.people = template.people
        for one in self.people.values():
            one.begin(seed)
        store = self.template.installation(here).connector_for(self.route, "store")
        self.nets: bool = store.port("stock_level", "target").nets_own_orders

        self._frozen: list[Any] = []

    @property
    def pauses(self) -> dict[str, float]:
        """Seconds between two looks at the source, by flow of state."""
        return {flow: PAUSES[flow] for flow in played(self.route) if not FLOW_TABLE[flow].delivers}

    @property
    def interruptions(self) -> list[float]:
        """Moments at which a process died or stood still, or until which it did or the ledger was locked."""
        return [moment for moment, _, _ in self.here.kills] + self.here.standstills

    @staticmethod
    def _options(vendor: str) -> dict[str, Any]:
        return dict(getattr(people_of(vendor), "OPTIONS", {}))

    def installation(self, *, as_shipped: bool = False) -> Installation:
        return self.template.installation(self.here, as_shipped=as_shipped)

    def poison(self, name: str, native_id: str) -> None:
        """Make a record of a system one that nobody can use, whatever is done later."""
        system = self.network.systems[name]
        with sqlite3.connect(system.database) as database:
            database.execute(people_of(system.vendor).POISON, [native_id])
        database.close()
        self.poisoned.add((name, native_id))
        self.network.faults["poison record"] += 1

    def freeze(self, trouble: Trouble) -> None:
        """From now on reads that the fault hits see what is there at this moment."""
        system = self.network.systems[trouble.system]
        copy = system.database.with_suffix(f".stale-{len(self._frozen)}.db")
        with sqlite3.connect(system.database) as live, sqlite3.connect(copy) as frozen:
            live.backup(frozen)
        live.close()
        frozen.close()
        trouble.frozen = sandbox_of(system.vendor).create(copy, system.clock, self._options(system.vendor))
        self._frozen.append(trouble.frozen)

    def outside(self, ask: Callable[[], Any]) -> Any:
        """The product's code asks something on nobody's behalf, when all is over."""
        task = self.here.spawn(ask, "outside")
        if not self.here.run_until(task, self.here.now + 3600):
            raise AssertionError("no answer")
        if task.failure is not None:
            raise task.failure
        return task.result

    def close(self) -> None:
        for core in self._frozen:
            core.close()
        for system in self.network.systems.values():
            system.core.close()
            system.journal.close()
        for engine in _engines.values():
            if engine is not None:
                engine.end()
        shutil.rmtree(self.template.live, ignore_errors=True)


@contextmanager
def in_force(here: Simulation, house_of: Any, live: Path) -> Iterator[Any]:
    """The simulation's clocks, threads and wire in the place of the real ones; gives the house, which is in `live`."""
    with here.running(), simulated(here), kept(live, _LEFT), _one_engine(), _slots(here), ExitStack() as stack:
        stack.enter_context(points(here))
        house = house_of()
        before, transport_client.pooled = transport_client.pooled, house.network.pooled
        try:
            yield house
        finally:
            here.end()
            transport_client.pooled = before
            house.close()


@contextmanager
def _slots(here: Simulation) -> Iterator[None]:
    """Whose process is dead, its slots are free, as on one machine. Who waits for a slot looks less often: looking
    costs, the time does not."""
    changed = (
        mock.patch.object(owners, "process_name", here.process_name),
        mock.patch.object(owners, "holder", lambda process: process),
        mock.patch.object(owners, "is_gone", here.is_gone),
        mock.patch.object(limits, "POLL_SECONDS", (0.1, 0.4)),
    )
    with ExitStack() as stack:
        for one in changed:
            stack.enter_context(one)
        yield
