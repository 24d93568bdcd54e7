"""A book of price terms and a store of native prices, both in memory, and an installation that joins them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.components.state_loading import load_states
from erp_sync.components.state_reading import Reading, read_states
from erp_sync.components.state_task import StateReport
from erp_sync.components.states import transform_states
from erp_sync.flows.convergence import ConvergenceReport
from erp_sync.flows.prices.engine.evaluation import Store
from erp_sync.ledger.plan_values import PlanState
from erp_sync.model.native_prices import (
    NativeRow,
    NativeRule,
    RuleMember,
    native_key,
    native_row,
    native_values,
)
from erp_sync.model.price_terms import TABLES, Row
from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Operation
from erp_sync.ports.capabilities import Reading as HowRead
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Applied, Outcome, Receipt
from erp_sync.ports.raw import BadRecord, News, RawRecord, Window, all_new
from erp_sync.settings import load
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.shopware.pricing import MEANS
from erp_sync_tests.ledger import fresh

Native = NativeRule | RuleMember | NativeRow
FLOW = FLOWS["contract_prices"]
ROUTE = "parts"
_TABLES = {record: name for name, record in TABLES.items()}


OF_ERP = Capabilities(
    vendor="erp", operations=(), readings=(HowRead(entity="price_terms", lateness_seconds=60),), limits=Limits()
)
OF_SHOP = Capabilities(
    vendor="shop",
    operations=(Operation(name="contract_prices.write", guarantee=Guarantee.UNIQUE_KEY, batch_size=50),),
    readings=(HowRead(entity="contract_prices"),),
    limits=Limits(),
)


@dataclass
class Erp:
    """Price terms by native id. What is changed gets the time of `clock`."""

    clock: Callable[[], datetime]
    records: dict[str, tuple[datetime, tuple[Row, ...]]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    day_zone: str = "Europe/Berlin"
    precedence: Any = PRECEDENCE
    reads: list[str] = field(default_factory=list)
    capabilities: Capabilities = OF_ERP

    def put(self, native_id: str, *rows: Row) -> None:
        self.records[native_id] = (self.clock(), rows)

    def take(self, native_id: str) -> None:
        del self.records[native_id]

    def raw(self, native_id: str) -> RawRecord:
        at, rows = self.records[native_id]
        told = [{"table": _TABLES[type(row)], "row": msgspec.to_builtins(row)} for row in rows]
        payload = {"rows": told, "bad": native_id in self.bad}
        return RawRecord(native_id=native_id, version=at.isoformat(), source_time=at, payload=payload)

    # -- as a source ------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[RawRecord]]:
        self.reads.append("snapshot")
        yield [self.raw(one) for one in self.records]

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        yield [self.raw(one) for one, (at, _) in self.records.items() if window.start <= at < window.end]

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        self.reads.append("fetch")
        yield [self.raw(one) for one in native_ids if one in self.records]

    def read_accounts(self, accounts: Sequence[str]) -> Iterator[list[RawRecord]]:
        self.reads.append(f"accounts {', '.join(accounts)}")
        own = [
            native_id
            for native_id, (_, rows) in self.records.items()
            if any(getattr(row, "account", None) in accounts for row in rows)
        ]
        yield [self.raw(one) for one in own]

    def to_canonical(self, raw: RawRecord, lookups: Any) -> tuple[Row, ...]:
        if raw.payload["bad"]:
            raise BadRecord(raw.native_id, "rows", "cannot be understood")
        return tuple(msgspec.convert(one["row"], TABLES[one["table"]]) for one in raw.payload["rows"])

    def mapper(self, lookups: Any) -> Callable[[RawRecord], tuple[Row, ...]]:
        return lambda raw: self.to_canonical(raw, lookups)


@dataclass
class Shop:
    """Native prices by key; every call that writes is in `calls`, its rows in the order in which they were given."""

    rows: dict[str, Native] = field(default_factory=dict)
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    answers: Callable[[str, Native], Outcome | None] = lambda what, row: None
    watch: Callable[[], None] = lambda: None
    means: Any = MEANS
    nets_own_orders: bool = False
    capabilities: Capabilities = OF_SHOP

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def price(self, account: str, item: str, quantity: int = 1, unit: str = "", currency: str = "EUR") -> Any:
        """What an account pays, by the store's own rows; None: nothing."""
        some = list(self.rows.values())
        store = Store(
            [one for one in some if isinstance(one, NativeRow)],
            [one for one in some if isinstance(one, NativeRule)],
            [one for one in some if isinstance(one, RuleMember)],
        )
        found = store.price(account, item, unit, currency, Decimal(quantity))
        return found.price if found is not None else None

    # -- as a target ------------------------------------------------------------------------------

    def operation(self, row: Native) -> str:
        return "contract_prices.write"

    def key(self, row: Native) -> str:
        return native_key(row)

    def sku(self, key: str) -> str:
        row = native_row(key, {"priority": 0, "price": "0"})
        return row.item if isinstance(row, NativeRow) else ""

    def values(self, row: Native) -> dict[str, Any]:
        return native_values(row)

    def row(self, key: str, values: dict[str, Any]) -> Native:
        return native_row(key, values)

    def requirements(self, row: Native) -> list[Requirement]:
        return []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return {}

    def snapshot(self) -> Iterator[list[Native]]:
        yield list(self.rows.values())

    def read(self, skus: Sequence[str]) -> Iterator[list[Native]]:
        yield [row for key, row in self.rows.items() if self.sku(key) in skus]

    def submit(self, rows: Sequence[Native]) -> list[Outcome]:
        return self._write("put", rows)

    def remove(self, rows: Sequence[Native]) -> list[Outcome]:
        return self._write("take", rows)

    def submit_together(self, puts: Sequence[Native], takes: Sequence[Native]) -> list[Outcome]:
        return [*self._write("put", puts), *self._write("take", takes)]

    def _write(self, what: str, rows: Sequence[Native]) -> list[Outcome]:
        if not rows:
            return []
        with self._lock:
            self.calls.append((what, [native_key(row) for row in rows]))
            return [self.answers(what, row) or self._done(what, row) for row in rows]

    def _done(self, what: str, row: Native) -> Outcome:
        key = native_key(row)
        rules = {one.rule for one in self.rows.values() if isinstance(one, NativeRule)}
        if what == "put":
            if isinstance(row, RuleMember):
                assert row.rule in rules, f"{key} before its rule"
            if isinstance(row, NativeRow) and row.kind == "rule":
                assert row.owner in rules, f"{key} before its rule"
            self.rows[key] = row
        else:
            if isinstance(row, NativeRule):
                left = [
                    one
                    for one, there in self.rows.items()
                    if (isinstance(there, RuleMember) and there.rule == row.rule)
                    or (isinstance(there, NativeRow) and there.kind == "rule" and there.owner == row.rule)
                ]
                assert not left, f"{key} while it has {left}"
            self.rows.pop(key, None)
        self.watch()
        return Applied(receipt=Receipt(target_id=key))


class _Connector:
    def __init__(self, port: Any) -> None:
        self._port = port

    def port(self, entity: str, role: str) -> Any:
        assert (entity, role) in (("price_terms", "source"), ("contract_prices", "target"))
        return self._port


class _Installation(Installation):
    ports: Mapping[str, Any]

    def connector_for(self, route: RouteSpec, side: str) -> Any:
        return _Connector(self.ports[side])

    def concurrency(self, connection: str) -> int:
        return 4


@dataclass
class PriceSystems:
    """`now` is the ledger's, the ERP's and the reader's."""

    erp: Erp
    shop: Shop
    here: _Installation
    skipped: timedelta = timedelta(0)
    runs: int = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skipped

    @property
    def route(self) -> RouteSpec:
        return self.here.configuration.routes[ROUTE]

    def read(self, *, full: bool = False, keys: tuple[str, ...] = ()) -> tuple[str, Reading]:
        self.runs += 1
        run_id = f"run-{self.runs}"
        self.skipped += timedelta(seconds=1)
        reading = read_states(
            self.here,
            "sap",
            FLOW,
            [self.route],
            lambda entity, records: land_records(self.here, "sap", entity, run_id, records),
            run_id=run_id,
            now=self.now(),
            full=full,
            keys=keys,
        )
        return run_id, reading

    def transform(self, run_id: str, *, full: bool = False, keys: tuple[str, ...] = ()) -> StateReport:
        flow = self.route.flows[FLOW.name]
        return transform_states(self.here, self.route, FLOW, flow, run_id=run_id, full=full, keys=keys)

    def load(self, run_id: str = "load") -> ConvergenceReport:
        return load_states(self.here, self.route, FLOW, owner=f"{run_id}:1")

    def run(self, *, full: bool = False, keys: tuple[str, ...] = ()) -> StateReport:
        run_id, _ = self.read(full=full, keys=keys)
        report = self.transform(run_id, full=full, keys=keys)
        self.load(run_id)
        return report

    def plans(self, state: PlanState) -> list[Any]:
        return self.here.ledger.plans.find(route=ROUTE, flow=FLOW.name, states=[state])

    def rows_of(self, plan: int) -> dict[str, str | None]:
        table = self.here.ledger.plans.table(plan)
        return dict(zip(table.column("key").to_pylist(), table.column("after").to_pylist(), strict=True))

    def refused(self) -> list[str]:
        found = self.here.ledger.quarantine.find(flow=FLOW.name)
        return sorted(one.rule for one in found if one.resolved_at is None)


@contextmanager
def price_systems(folder: Path, flow: Mapping[str, Any] | None = None) -> Iterator[PriceSystems]:
    """With no terms yet."""
    defs = folder / "defs" / ROUTE
    defs.mkdir(parents=True)
    settings = load({"ERP_SYNC_HOME": str(folder / "home"), "ERP_SYNC_DEFS": str(folder / "defs")})
    settings.home.mkdir(parents=True)
    fresh.create(settings.ledger_url)
    told: list[dict[str, Any]] = [
        {
            "type": "erp_sync.components.Connection",
            "attributes": {"name": name, "vendor": vendor, "base_url": "http://127.0.0.1:1", "credentials": {}},
        }
        for name, vendor in (("shop", "shopware"), ("sap", "sap_b1"))
    ]
    flows = {FLOW.name: {"mode": "on", **(flow or {})}}
    told.append(
        {
            "type": "erp_sync.components.Route",
            "attributes": {"name": ROUTE, "store": "shop", "erp": "sap", "flows": flows},
        }
    )
    (defs / "defs.yaml").write_text(yaml.safe_dump_all(told))
    systems: PriceSystems

    def clock() -> datetime:
        return systems.now()

    here = _Installation(settings, clock=clock)
    systems = PriceSystems(Erp(clock), Shop(), here)
    here.ports = {"erp": systems.erp, "store": systems.shop}
    try:
        yield systems
    finally:
        here.close()
