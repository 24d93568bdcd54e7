"""A small business in one process: stores and an ERP over HTTP, erp_sync between them, and the checker over all.

What takes minutes in life (retries, settle times, waiting for a dependency) is skipped: the ledger's clock is
moved to when the next delivery is due.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from erp_sync.components.configuration import RouteSpec, read_configuration
from erp_sync.components.documents import TransformReport, drain_bookings, drain_documents, transform_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.components.state_loading import load_states
from erp_sync.components.state_reading import read_states
from erp_sync.components.states import transform_states
from erp_sync.demo.judging import claims
from erp_sync.flows.convergence import ConvergenceReport
from erp_sync.flows.delivery import DrainReport
from erp_sync.flows.extraction import Extraction, extract_changes, extract_missing
from erp_sync.ledger import State
from erp_sync.ports.raw import Window
from erp_sync.sandbox.caller import Caller
from erp_sync.sandbox.catalogue import Basket, Catalogue, Coupon, Item, Line, Warehouse
from erp_sync.sandbox.checker import Conventions, Report, SystemFiles, check
from erp_sync.sandbox.people import Person, Place, place
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.settings import Settings, load
from erp_sync.systems.magento import sandbox as magento
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync.systems.netsuite import sandbox as netsuite
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync.transport.context import call_context
from erp_sync_tests.ledger import fresh

SHIPPED_LOOKUPS = Path(__file__).parents[2] / "erp_sync" / "defs" / "netsuite_magento" / "lookups"
HOME = Place("1 Main St", "Springfield", "IL", "62701")
# No write is waited for longer than this; in life it is a minute.
TIMEOUT = 0.4
# For businesses whose writes are all answered: how long that takes says nothing then.
PATIENT = {"us": {"write_timeout_seconds": 30}}
CREDENTIALS = {
    "magento": ("consumer_key", "consumer_secret", "access_token", "access_token_secret"),
    "netsuite": ("account", "consumer_key", "consumer_secret", "token_id", "token_secret"),
}


def article(sku: str, price: str | None, **values: Any) -> Item:
    given: dict[str, Any] = {
        "sku": sku,
        "name": f"Article {sku}",
        "price": Decimal(price) if price else None,
        "cost": Decimal(1),
        "weight": Decimal(1),
        "category": "Shop/Things",
        "manufacturer": "Maker",
        "tax_class": "taxable",
        **values,
    }
    return Item(**given)


ITEMS = (
    article("MUG", "10.50"),
    article("TEA", "3.33"),
    article("CUP", "7.00"),
    article("SET", None, kind="bundle", members=(("MUG", 1), ("TEA", 2))),
    article("NEW-1", "5.00", in_erp=False),
    article("NEW-2", "6.00", in_erp=False),
)
CATALOGUE = Catalogue(
    items=ITEMS,
    warehouses=(Warehouse("east", "East", place("east")), Warehouse("west", "West", place("west"))),
    stock={(item.sku, code): 10_000 for item in ITEMS if item.kind == "simple" for code in ("east", "west")},
    coupons=(Coupon("TEN", "Ten percent", "by_percent", Decimal(10)),),
)


def person(name: str, *, registered: bool = False) -> Person:
    return Person(
        household=1,
        first_name=name.capitalize(),
        last_name="Shopper",
        email=f"{name}@example.com",
        phone="(217) 555-0100",
        place=HOME,
        registered=registered,
        password=f"Secret-{name}-1" if registered else "",
    )


MEMBERS = tuple(person(f"member{number}", registered=True) for number in range(1, 6))


def basket(
    who: str | Person,
    lines: Mapping[str, int],
    *,
    payment: str = "braintree",
    coupon: str | None = None,
    ship_to: Place = HOME,
) -> Basket:
    customer = person(who) if isinstance(who, str) else who
    bought = tuple(Line(sku, quantity) for sku, quantity in lines.items())
    return Basket(0, timedelta(0), customer, ship_to, bought, coupon, "flatrate_flatrate", payment)


class MovableClock:
    """Real time, and what was skipped."""

    def __init__(self) -> None:
        self.skipped = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.skipped

    def skip_to(self, moment: datetime) -> None:
        self.skipped += max(moment - self(), timedelta(0))


@dataclass
class Store:
    """One store: its sandbox, and a front to shop in."""

    name: str
    sandbox: RunningSandbox
    front: Storefront
    placed: list[int] = field(default_factory=list)

    def buy(
        self,
        who: str | Person = "guest",
        lines: Mapping[str, int] | None = None,
        *,
        payment: str = "braintree",
        coupon: str | None = None,
        ship_to: Place = HOME,
    ) -> str:
        """Check out; gives the order's number."""
        placed = self.front.place(basket(who, lines or {"MUG": 1}, payment=payment, coupon=coupon, ship_to=ship_to))
        assert placed.order_id is not None, placed.why
        assert not placed.left_out
        self.placed.append(placed.order_id)
        return str(self.order(placed.order_id)["increment_id"])

    def cancel(self, number: str) -> None:
        assert self.front.cancel(self.id_of(number))

    def id_of(self, number: str) -> int:
        return int(self.rows("SELECT entity_id FROM sales_order WHERE increment_id = ?", number)[0]["entity_id"])

    def erp_comments(self, number: str) -> list[str]:
        """What the order says about the ERP's."""
        found = self.rows("SELECT comment FROM sales_order_status_history WHERE parent_id = ?", self.id_of(number))
        return [one["comment"] for one in found if str(one["comment"]).startswith("ERP order")]

    def order(self, entity_id: int) -> dict[str, Any]:
        return self.rows("SELECT * FROM sales_order WHERE entity_id = ?", entity_id)[0]

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        return rows(self.sandbox, statement, *values)

    def sql(self, statement: str, *values: Any) -> None:
        """What is changed behind the store's back."""
        change(self.sandbox, statement, *values)


def rows(sandbox: RunningSandbox, statement: str, *values: Any) -> list[dict[str, Any]]:
    database = sqlite3.connect(f"file:{sandbox.app.database}?mode=ro", uri=True, timeout=30)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(statement, values)]
    finally:
        database.close()


def change(sandbox: RunningSandbox, statement: str, *values: Any) -> None:
    with sqlite3.connect(sandbox.app.database, timeout=30) as database:
        changed = database.execute(statement, values).rowcount
    database.close()
    assert changed, f"nothing changed by {statement}"


@dataclass
class Business:
    """Everything that is running. `run` is one run of a flow, in a process's worth of an installation."""

    stores: dict[str, Store]
    erp: RunningSandbox
    settings: Settings
    lookups: Path
    clock: MovableClock = field(default_factory=MovableClock)
    runs: int = 0

    @property
    def store(self) -> Store:
        return next(iter(self.stores.values()))

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        """As a run has it: opened anew, with what the look-up tables say now."""
        here = Installation(self.settings, read_configuration(self.settings.defs), clock=self.clock)
        try:
            yield here
        finally:
            here.close()

    def forget_everything(self, name: str) -> None:
        """The ERP holds what it has without external ids of ours, and a new installation knows nothing of it."""
        for table in ('"transaction"', "customer"):
            self.erp_sql(f"UPDATE {table} SET externalid = NULL WHERE externalid LIKE 'magento_%'")
        self.install(self.settings.home.parent / name)

    def install(self, home: Path) -> None:
        """Go on with an installation that knows nothing."""
        self.settings = load({"ERP_SYNC_HOME": str(home), "ERP_SYNC_DEFS": str(self.settings.defs)})
        home.mkdir()
        fresh.create(self.settings.ledger_url)
        with self.installation() as here:
            here.import_lookups()

    # -- what runs do --------------------------------------------------------------------------

    def run(self, flow: str = "orders", route: str = "us", days: Window | None = None) -> Ran:
        """One run: extracted, transformed, loaded. `days` also proves completeness of these days."""
        self.runs += 1
        run_id = f"run-{self.runs}"
        with self.installation() as here:
            spec = here.configuration.routes[route]
            with call_context(run_id=run_id, lane="normal", route=route, flow=flow):
                extraction = self.extract(here, spec, flow, run_id, days)
            transformed = self.transform(here, spec, flow, run_id)
            drained = drain_documents(here, spec, FLOWS[flow], owner=f"{run_id}:1", lane="normal")
            drain_bookings(here, spec, FLOWS[flow], owner=f"{run_id}:1")
            return Ran(extraction, transformed, drained)

    def extract(
        self, here: Installation, route: RouteSpec, flow: str, run_id: str, days: Window | None = None
    ) -> Extraction:
        kind = FLOWS[flow]
        connection, source = getattr(route, kind.source), here.source(route, flow)
        common: dict[str, Any] = {"connection": connection, "entity": kind.entity, "run_id": run_id}

        def land(records: list[Any]) -> str:
            return land_records(here, connection, kind.entity, run_id, records)

        start = route.flows[flow].start
        assert start is not None
        done = extract_changes(source, here.ledger, land, start=start, now=later(), **common)
        if days is not None:
            done = extract_missing(source, here.ledger, land, window=days, **common)
        return done

    def transform(self, here: Installation, route: RouteSpec, flow: str, run_id: str) -> TransformReport:
        return transform_documents(here, route, FLOWS[flow], route.flows[flow], run_id=run_id)

    def extract_and_transform(self, flow: str, route: str = "us") -> None:
        """A run's first two stages: what is to be sent is in the ledger."""
        self.runs += 1
        run_id = f"run-{self.runs}"
        with self.installation() as here:
            spec = here.configuration.routes[route]
            with call_context(run_id=run_id, lane="normal", route=route, flow=flow):
                self.extract(here, spec, flow, run_id)
            self.transform(here, spec, flow, run_id)

    def converge(self, *routes: str, flow: str = "inventory", full: bool = False) -> list[ConvergenceReport]:
        """One run of a flow of states, of all `routes` that share a connection to the ERP; by default of ``us``."""
        self.runs += 1
        run_id, kind = f"run-{self.runs}", FLOWS[flow]
        with self.installation() as here:
            specs = [here.configuration.routes[route] for route in routes or ("us",)]

            def land(entity: str, records: list[Any]) -> str:
                return land_records(here, specs[0].erp, entity, run_id, records)

            names = ",".join(spec.name for spec in specs)
            with call_context(run_id=run_id, lane="normal", route=names, flow=flow):
                read_states(here, specs[0].erp, kind, specs, land, run_id=run_id, now=later(), full=full)
            for spec in specs:
                transform_states(here, spec, kind, spec.flows[flow], run_id=run_id, full=full)
            return [load_states(here, spec, kind, owner=f"{run_id}:1") for spec in specs]

    def _skip_to_probe(self) -> None:
        """What is due and does not go waits for a breaker to ask its system again."""
        with self.installation() as here:
            seconds = [one.retry_after_seconds for one in here.ledger.breakers.open().values()]
        self.clock.skip_to(self.clock() + timedelta(seconds=min(seconds, default=0)))

    def settle(self, flow: str = "orders", route: str = "us", most: int = 30) -> None:
        """Run until nothing is on its way any more but what waits, is held or is dead; times in between are skipped."""
        for _ in range(most):
            self.run(flow, route)
            due = [one.due_at for one in self.deliveries(flow, State.DUE, State.CLAIMED, route=route) if one.due_at]
            if not due:
                return
            if min(due) > self.clock():
                self.clock.skip_to(min(due))
            else:
                self._skip_to_probe()
        raise AssertionError(f"still moving after {most} runs: {self.states(flow, route)}")

    # -- what is there afterwards --------------------------------------------------------------

    def deliveries(self, flow: str = "orders", *states: State, route: str = "us") -> list[Any]:
        with self.installation() as here:
            return here.ledger.deliveries.find(route=route, flow=flow, states=states, limit=1000)

    def delivery(self, number: str, flow: str = "orders", sequence: int = 1) -> Any:
        return next(one for one in self.deliveries(flow) if one.number == number and one.sequence == sequence)

    def states(self, flow: str = "orders", route: str = "us") -> dict[str, tuple[str, str]]:
        return {one.number: (one.state.value, one.code) for one in self.deliveries(flow, route=route)}

    def in_erp(self, number: str) -> list[dict[str, Any]]:
        """Sales orders of the ERP with this number of the store."""
        return self.erp_rows(
            "SELECT * FROM \"transaction\" WHERE type = 'SalesOrd' AND otherrefnum = ? ORDER BY id", number
        )

    def deposits(self, number: str) -> list[dict[str, Any]]:
        return self.erp_rows(
            "SELECT * FROM \"transaction\" WHERE type = 'CustDep' AND salesorder IN "
            "(SELECT id FROM \"transaction\" WHERE type = 'SalesOrd' AND otherrefnum = ?)",
            number,
        )

    def erp_rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        return rows(self.erp, statement, *values)

    def seed_erp(self, **data: Any) -> None:
        self.erp.control("POST", "seed", data)

    def erp_sql(self, statement: str, *values: Any) -> None:
        """What a person changes in the ERP by hand."""
        change(self.erp, statement, *values)

    def hands_in_erp(self) -> NetSuite:
        return NetSuite(self.erp.base_url, self.erp.status()["credentials"])

    def report(self, store: str | None = None, **conventions: Any) -> Report:
        """The checker's, over one store and the ERP."""
        shop = self.stores[store] if store else self.store
        store, erp = (
            SystemFiles(app.database, app.journal.path, app.vendor) for app in (shop.sandbox.app, self.erp.app)
        )
        told = Conventions(**{"external_id": f"{shop.name}_{{id}}", **conventions})
        with self.installation() as here:
            said = claims(here)
        return check(store, erp, said, told)

    def map(self, table: str, key: str, value: str, route: str = "us") -> None:
        """An operator adds a row to a look-up table's CSV and imports it."""
        file = self.lookups / f"{table}.csv"
        file.write_text(file.read_text() + f"{key},{value},exact,added\n")
        with self.installation() as here:
            here.ledger.lookups.import_csv(route, table, file, who="operator")


@dataclass(frozen=True)
class Ran:
    extraction: Extraction
    transformed: TransformReport
    drained: DrainReport


def later() -> datetime:
    """Where a window ends that is to hold what was done in this second, too."""
    return datetime.now(UTC) + timedelta(seconds=2)


def today() -> Window:
    now = datetime.now(UTC)
    return Window(start=now - timedelta(hours=12), end=now + timedelta(hours=12))


@contextmanager
def business(
    folder: Path,
    stores: Sequence[str] = ("magento_us",),
    *,
    erp_options: dict[str, Any] | None = None,
    erp_settings: Mapping[str, dict[str, Any]] | None = None,
    store_options: dict[str, Any] | None = None,
    store_settings: dict[str, Any] | None = None,
    store_data: Mapping[str, Any] | None = None,
    payment_methods: Mapping[str, str] | None = None,
    catalogue: Catalogue = CATALOGUE,
    shared: bool = False,
    flows: Sequence[str] = ("orders", "order_status", "shipments"),
    rules: Mapping[str, dict[str, Any]] | None = None,
    ledger_url: str = "",
) -> Iterator[Business]:
    """Stores and an ERP, joined by a route per store: ``us`` for ``magento_us`` and so on.

    Args:
        erp_settings: by route: settings of that route's connection to the ERP, of which each has its own.
        rules: by flow, of every route.
        store_data: what every store holds besides the catalogue, in the form of its sandbox's seed.
        ledger_url: of its database; a file of SQLite where nothing is said.
        shared: all routes have one connection to the ERP, with the settings of the first.
    """
    with ExitStack() as stack:
        erp_folder = folder / "erp"
        erp_folder.mkdir(parents=True)
        erp = stack.enter_context(
            running(netsuite.create, vendor="netsuite", folder=erp_folder, options=erp_options or {})
        )
        erp.control("POST", "seed", catalogue.seed(erp=True))
        shops = {}
        for name in stores:
            (folder / name).mkdir()
            shop = stack.enter_context(
                running(magento.create, vendor="magento", folder=folder / name, options=store_options or {})
            )
            shop.control("POST", "seed", {**catalogue.seed(MEMBERS, erp=False), **(store_data or {})})
            front = Storefront(shop.base_url, shop.status()["credentials"], catalogue)
            stack.callback(front.close)
            shops[name] = Store(name, shop, front)
        lookups = folder / "lookups"
        lookups.mkdir()
        for file in SHIPPED_LOOKUPS.glob("*.csv"):
            (lookups / file.name).write_text(file.read_text())
        if payment_methods is not None:
            lines = [f"{method},{option},exact," for method, option in payment_methods.items()]
            (lookups / "payment_methods.csv").write_text("\n".join(["key,value,rule,note", *lines, ""]))
        for position, name in enumerate(stores):
            route = name.partition("_")[2]
            documents = _documents(
                route, shops[name], erp, (erp_settings or {}).get(route, {}), store_settings or {}, flows
            )
            for flow, values in (rules or {}).items():
                documents[2]["attributes"]["flows"][flow] |= {"rules": values}
            if shared:
                documents[2]["attributes"]["erp"] = documents[1]["attributes"]["name"] = "netsuite"
                del documents[1]["attributes"]["settings"]["source_connections"]
                documents = documents if position == 0 else [documents[0], documents[2]]
            defs = folder / "defs" / route
            defs.mkdir(parents=True)
            (defs / "defs.yaml").write_text(yaml.safe_dump_all(documents))
        told = {"ERP_SYNC_HOME": str(folder / "home"), "ERP_SYNC_DEFS": str(folder / "defs")}
        settings = load(told | ({"ERP_SYNC_LEDGER_URL": ledger_url} if ledger_url else {}))
        settings.home.mkdir()
        fresh.create(settings.ledger_url)
        place_of_work = Business(shops, erp, settings, lookups)
        with place_of_work.installation() as here:
            here.import_lookups()
        yield place_of_work


def _documents(
    route: str,
    store: Store,
    erp: RunningSandbox,
    erp_settings: dict[str, Any],
    store_settings: dict[str, Any],
    flows: Sequence[str],
) -> list[dict[str, Any]]:
    def connection(name: str, vendor: str, sandbox: RunningSandbox, settings: dict[str, Any]) -> dict[str, Any]:
        credentials = sandbox.status()["credentials"]
        return {
            "type": "erp_sync.components.Connection",
            "attributes": {
                "name": name,
                "vendor": vendor,
                "base_url": sandbox.base_url,
                "time_zone": "America/Los_Angeles" if vendor == "netsuite" else "UTC",
                "credentials": {one: str(credentials[one]) for one in CREDENTIALS[vendor]},
                "settings": settings,
            },
        }

    flow = {"mode": "on", "start": "2026-01-01T00:00:00Z"}
    # A read whose answer is late says nothing of what is tested: only writes are given up quickly.
    quick = {"read_timeout_seconds": 30, "write_timeout_seconds": TIMEOUT, "deadline_seconds": 60}
    told = {"subsidiary": "1", "order_status": "B", "source_connections": [store.name], **quick, **erp_settings}
    return [
        connection(store.name, "magento", store.sandbox, {"edition": "open_source", **store_settings}),
        connection(f"netsuite_{route}", "netsuite", erp, told),
        {
            "type": "erp_sync.components.Route",
            "attributes": {
                "name": route,
                "store": store.name,
                "erp": f"netsuite_{route}",
                "lookups": "../../lookups",
                "flows": {name: dict(flow) for name in flows},
            },
        },
    ]


def hands_in_store(store: Store) -> Caller:
    """An administrator of the store."""
    return Caller(store.sandbox.base_url, "setup", store.sandbox.status()["credentials"])
