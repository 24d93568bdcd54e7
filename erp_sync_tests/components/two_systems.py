"""A NetSuite and a Magento sandbox over HTTP, an installation that joins them, and hands to move things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from erp_sync.components.configuration import FlowSpec, RouteSpec, read_configuration
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.components.state_loading import load_states
from erp_sync.components.state_reading import Reading, read_states
from erp_sync.components.state_task import StateReport
from erp_sync.components.states import transform_states
from erp_sync.flows.convergence import ConvergenceReport
from erp_sync.ledger.lookups import LookupRow
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.settings import load
from erp_sync.systems.magento import sandbox as magento
from erp_sync.systems.netsuite import sandbox as netsuite
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.ledger import fresh

# The ERP tells of a second once it has ended: runs here are a second later than what they look for.
SECOND = timedelta(seconds=1)

CATALOGUE: dict[str, Any] = {
    "currency": "USD",
    "locations": [{"code": "east", "name": "East"}, {"code": "west", "name": "West"}],
    "items": [
        {"sku": sku, "name": f"Article {sku}", "price": price, "cost": "1.00", "weight": "1", "category": "A/B",
         "manufacturer": "Maker", "active": True, "kind": "simple", "parent_sku": None, "options": {},
         "components": [], "tax_class": "none", "special_price": None}
        for sku, price in (("MUG", "10.50"), ("TEA", "3.20"), ("CUP", "7.00"), ("POT", "25.00"))
    ],
    "stock": [
        {"sku": sku, "location": place, "quantity": quantity}
        for sku, east, west in (("MUG", 5, 2), ("TEA", 100, 0), ("CUP", 8, 8), ("POT", 1, 3))
        for place, quantity in (("east", east), ("west", west))
    ],
}  # fmt: skip

SOMEBODY = {
    "externalId": "somebody",
    "isPerson": True,
    "firstName": "Ada",
    "lastName": "Lovelace",
    "email": "ada@example.org",
    "subsidiary": {"id": "1"},
}

YAML = """
type: erp_sync.components.Connection
attributes:
  name: magento_us
  vendor: magento
  base_url: {store_url}
  credentials: {store_credentials}
  settings: {store_settings}
---
type: erp_sync.components.Connection
attributes:
  name: netsuite_us
  vendor: netsuite
  base_url: {erp_url}
  time_zone: America/Los_Angeles
  credentials: {erp_credentials}
  settings: {erp_settings}
---
type: erp_sync.components.Route
attributes:
  name: us
  store: magento_us
  erp: netsuite_us
  flows: {flows}
"""


@dataclass
class Ran:
    """What one run of a flow did."""

    reading: Reading
    transformed: StateReport
    loaded: ConvergenceReport


@dataclass
class TwoSystems:
    """Attributes:
    here: the installation; `ledger` and `lake` hang off it.
    writes: bodies of writing calls are in the store's journal.
    """

    erp: RunningSandbox
    store: RunningSandbox
    here: Installation
    runs: int = field(default=0)

    @property
    def route(self) -> RouteSpec:
        return self.here.configuration.routes["us"]

    def flow(self, name: str) -> FlowSpec:
        return self.route.flows[name]

    def read(
        self, flow: str, *, full: bool = False, keys: tuple[str, ...] = (), now: datetime | None = None
    ) -> tuple[str, Reading]:
        """The first stage of a run alone; its id, for the others."""
        self.runs += 1
        run_id, kind = f"run-{self.runs}", FLOWS[flow]
        return run_id, read_states(
            self.here,
            getattr(self.route, kind.source),
            kind,
            [self.route],
            lambda entity, records: land_records(self.here, self.route.erp, entity, run_id, records),
            run_id=run_id,
            now=now or datetime.now(UTC) + SECOND,
            full=full,
            keys=keys,
        )

    def run(self, flow: str, *, full: bool = False, keys: tuple[str, ...] = (), lane: str = "normal") -> Ran:
        """One run of a state flow, as the assets do it."""
        run_id, reading = self.read(flow, full=full, keys=keys)
        transformed = self.transform(flow, run_id, full=full, keys=keys, lane=lane)
        return Ran(reading, transformed, self.load(flow, run_id, lane))

    def transform(self, flow: str, run_id: str, **how: Any) -> StateReport:
        return transform_states(self.here, self.route, FLOWS[flow], self.flow(flow), run_id=run_id, **how)

    def load(self, flow: str, run_id: str = "load", lane: str = "normal") -> ConvergenceReport:
        return load_states(self.here, self.route, FLOWS[flow], owner=f"{run_id}:1", lane=lane)

    # -- hands ---------------------------------------------------------------------------------

    def erp_set(self, sku: str, location: str, on_hand: int) -> None:
        """Somebody counted a second ago, or with the last change if that is later: what is on hand is this."""
        self._sql(
            self.erp,
            "UPDATE aggregateitemlocation SET quantityonhand = ?, quantityavailable = ? - quantitycommitted, "
            "lastquantityavailablechange = max(lastquantityavailablechange, ?) "
            "WHERE item = (SELECT id FROM item WHERE itemid = ?) "
            "AND location = (SELECT id FROM location WHERE externalid = ? OR name = ? COLLATE NOCASE)",
            (
                f"{on_hand}.00000",
                on_hand,
                (datetime.now(UTC) - SECOND).strftime("%Y-%m-%dT%H:%M:%SZ"),
                sku,
                location,
                location,
            ),
        )

    @cached_property
    def warehouse(self) -> NetSuite:
        """Hands in the ERP: their calls are REST calls of other software."""
        return NetSuite(self.erp.base_url, self.erp.status()["credentials"])

    def erp_order(self, external_id: str, sku: str, quantity: int, location: str = "east") -> int:
        """An approved order that commits stock; its internal id."""
        found = self.erp_rows("SELECT id FROM customer WHERE externalid = 'somebody'")
        customer = found[0][0] if found else self.warehouse.create("customer", SOMEBODY)
        (item,) = self.erp_rows("SELECT id FROM item WHERE itemid = ?", (sku,))[0]
        body = {
            "externalId": external_id,
            "entity": {"id": str(customer)},
            "orderStatus": {"id": "B"},
            "location": {"id": self.location(location)},
            "item": {"items": [{"item": {"id": str(item)}, "quantity": quantity}]},
        }
        return self.warehouse.create("salesOrder", body)

    def erp_ship(self, order: int, status: str = "C") -> int:
        """Everything that is committed leaves (C) or is picked (A); id of the fulfillment."""
        path = f"salesOrder/{order}/!transform/itemFulfillment"
        return self.warehouse.create(path, {"shipStatus": {"id": status}})

    def location(self, code: str) -> str:
        (found,) = self.erp_rows("SELECT id FROM location WHERE COALESCE(externalid, name) = ?", (code,))[0]
        return str(found)

    def store_quantities(self) -> dict[str, str]:
        """ "source/sku" to quantity, as the store's database has it."""
        rows = self._rows(self.store, "SELECT sku, source_code, quantity FROM inventory_source_item")
        return {f"{row[1]}/{row[0]}": f"{float(row[2]):g}" for row in rows}

    def store_sql(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        self._sql(self.store, statement, values)

    def erp_sql(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        self._sql(self.erp, statement, values)

    def store_rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._rows(self.store, statement, values)

    def erp_rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._rows(self.erp, statement, values)

    def calls(self, side: RunningSandbox, method: str, path: str) -> int:
        """Calls whose path holds this text."""
        return sum(1 for call in side.journal(method=method) if path in call["path"])

    @staticmethod
    def _sql(side: RunningSandbox, statement: str, values: tuple[Any, ...]) -> None:
        import sqlite3

        with sqlite3.connect(side.status()["database"], timeout=10) as database:
            changed = database.execute(statement, values).rowcount
        database.close()
        assert changed, f"nothing changed by {statement}"

    @staticmethod
    def _rows(side: RunningSandbox, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        import sqlite3

        with sqlite3.connect(side.status()["database"], timeout=10) as database:
            rows = database.execute(statement, values).fetchall()
        database.close()
        return rows


@contextmanager
def two_systems(
    folder: Path,
    flows: str,
    *,
    catalogue: dict[str, Any] | None = None,
    store_catalogue: dict[str, Any] | None = None,
    store_settings: dict[str, Any] | None = None,
    erp_settings: dict[str, Any] | None = None,
    store_options: dict[str, Any] | None = None,
    erp_options: dict[str, Any] | None = None,
    lookups: dict[str, list[LookupRow]] | None = None,
    profile: str = "none",
) -> Iterator[TwoSystems]:
    """Both systems seeded with the catalogue, and an installation with these flows (YAML, in one line)."""
    import json

    for name in ("erp", "store"):
        (folder / name).mkdir(parents=True)
    with (
        running(netsuite.create, vendor="netsuite", folder=folder / "erp", profile=profile, options=erp_options) as erp,
        running(
            magento.create, vendor="magento", folder=folder / "store", profile=profile, options=store_options
        ) as store,
    ):
        erp.control("POST", "seed", catalogue or CATALOGUE)
        store.control("POST", "seed", store_catalogue or catalogue or CATALOGUE)
        defs = folder / "defs" / "us"
        defs.mkdir(parents=True)
        store_keys = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
        erp_keys = ("account", "consumer_key", "consumer_secret", "token_id", "token_secret")
        values = {
            "store_url": store.base_url,
            "store_credentials": json.dumps({name: store.status()["credentials"][name] for name in store_keys}),
            "store_settings": json.dumps({"edition": "open_source", **(store_settings or {})}),
            "erp_url": erp.base_url,
            "erp_credentials": json.dumps({name: str(erp.status()["credentials"][name]) for name in erp_keys}),
            "erp_settings": json.dumps(
                {"subsidiary": "1", "source_connections": ["magento_us"], **(erp_settings or {})}
            ),
            "flows": flows,
        }
        defs.joinpath("defs.yaml").write_text(YAML.format(**values))
        settings = load({"ERP_SYNC_HOME": str(folder / "home"), "ERP_SYNC_DEFS": str(folder / "defs")})
        settings.home.mkdir()
        fresh.create(settings.ledger_url)
        here = Installation(settings, read_configuration(settings.defs))
        places = TwoSystems._rows(erp, "SELECT id, COALESCE(externalid, name) FROM location ORDER BY id")
        tables = {"locations": [LookupRow(key=str(one), value=str(code)) for one, code in places], **(lookups or {})}
        try:
            for table, rows in tables.items():
                here.ledger.lookups.replace("us", table, rows, who="test")
            yield TwoSystems(erp, store, here)
        finally:
            here.close()
