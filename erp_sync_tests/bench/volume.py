"""First load of a large catalogue, then a day of few and a day of many orders, with all flows at once.

1. The ERP has BENCH_PRODUCTS articles (50,000) with prices and stock in two warehouses, the store has none. The
   demo's route is switched on with all flows; a person approves the plans that wait (new articles do, by the demo's
   route). It ends when the store shows every article with price and stock and nothing is due any more.
2. A day of each of BENCH_ORDERS (500,2500), as the demo plays it: shoppers, two warehouses, a buyer, an operator, the
   ERP's change push. Each begins with a copy of what the first load left, and takes BENCH_DAY_SECONDS (2,700) of wall
   time: the same compression (32 times) for both, so that the second has five times the orders a second. In the middle
   of each the daily comparison of everything is due, for all flows that have one.

Profile fast. Latencies, calls and what is right are the checker's, from the sandboxes' databases and journals; memory
is the kernel's; growth is that of files, from an installation at rest to one at rest.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.demo import playing
from erp_sync.flows.state_extraction import compared_entity
from erp_sync.ledger.plan_values import PlanState
from erp_sync.operations.decisions import approve
from erp_sync.runtime import services
from erp_sync.runtime.service_set import free_port
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.catalogue import Basket, Catalogue, Line, ShoppingDay
from erp_sync.sandbox.files import reading
from erp_sync.sandbox.retailer import Retailer
from erp_sync_tests.bench.footprint import Watched, cost, growth, sizes
from erp_sync_tests.bench.installation import Bench, bench_installation

ROUTE = "netsuite_magento"
STATES = ("products", "prices", "inventory")
SEED_ITEMS = 5_000
# The retailer is long in business: nothing that is seeded looks like a change of this moment.
SEEDED_SECONDS_AGO = 172_800
LOAD_PATIENCE_SECONDS = 7_200.0
SETTLE_SECONDS = 600.0
WAREHOUSE_PAUSE_SECONDS = 10.0
SHOPPERS = 12
WHO = "bench operator"


def measure() -> dict[str, Any]:
    products = int(os.environ.get("BENCH_PRODUCTS", "50000"))
    few, many = (int(one) for one in os.environ.get("BENCH_ORDERS", "500,2500").split(","))
    seconds = float(os.environ.get("BENCH_DAY_SECONDS", "2700"))
    port = free_port()
    with bench_installation("fast", None, events_port=port) as bench:
        catalogue = bench.retailer.large_catalogue(products)
        days = {count: large_day(bench.retailer, catalogue, count) for count in (few, many)}
        _seed(bench, catalogue, days)
        found: dict[str, Any] = {
            "products": products,
            "day_s": seconds,
            "compression": round(timedelta(days=1).total_seconds() / seconds, 1),
        }
        found |= {f"load_{name}": value for name, value in _load(bench, products, port).items()}
        with _copies(bench) as fresh:
            for name, count in (("few", few), ("many", many)):
                fresh()
                told = _day(bench, catalogue, days[count], seconds, port)
                found |= {f"{name}_{key}": value for key, value in told.items()}
    p95 = {name: found[f"{name}_order_latency_s"]["p95"] for name in ("few", "many")}
    found["order_latency_s_p95_many_over_few"] = (
        round(p95["many"] / p95["few"], 3) if p95["few"] and p95["many"] else None
    )
    return found


# -- what is there -------------------------------------------------------------------------------


def large_day(retailer: Retailer, catalogue: Catalogue, count: int) -> ShoppingDay:
    """`count` baskets of the last day of the sample; each of their articles is one of its many copies."""
    small = retailer.catalogue(configurables=0, bundles=0, store_only=0)
    whole = retailer.shopping_day(small, unknown_skus=0, malformed_addresses=0).resampled(count, seed=5)
    place = {retailer.sku(number): index for index, number in enumerate(sorted(retailer.prices))}
    chance = random.Random(f"volume {count}")

    def moved(basket: Basket) -> Basket:
        wanted: Counter[str] = Counter()
        for line in basket.lines:
            copies = range(place[line.sku], len(catalogue.items), len(place))
            index = chance.choice(copies) if copies else place[line.sku] % len(catalogue.items)
            wanted[catalogue.items[index].sku] += line.quantity
        return replace(basket, lines=tuple(Line(sku, quantity) for sku, quantity in wanted.items()))

    return ShoppingDay(whole.day, tuple(moved(basket) for basket in whole.baskets))


def _seed(bench: Bench, catalogue: Catalogue, days: Mapping[int, ShoppingDay]) -> None:
    """Everything in the ERP; customers, coupons and warehouses in the store, and no article."""
    folder = bench.settings.sandboxes
    customers = {one.email: one for day in days.values() for one in day.customers}
    store = catalogue.seed(list(customers.values()), erp=False)
    supervisor.control(folder, "magento", "POST", "seed", {**store, "items": [], "stock": []})
    supervisor.control(folder, "netsuite", "POST", "clock", {"offset_seconds": -SEEDED_SECONDS_AGO})
    for start in range(0, len(catalogue.items), SEED_ITEMS):
        items = catalogue.items[start : start + SEED_ITEMS]
        stock = {
            (item.sku, house.code): catalogue.stock[item.sku, house.code]
            for item in items
            for house in catalogue.warehouses
        }
        some = Catalogue(items, catalogue.warehouses, stock, catalogue.coupons)
        supervisor.control(folder, "netsuite", "POST", "seed", some.seed(erp=True))
    supervisor.control(folder, "netsuite", "POST", "clock", {"offset_seconds": SEEDED_SECONDS_AGO})


# -- the first load ------------------------------------------------------------------------------


def _load(bench: Bench, products: int, port: int) -> dict[str, Any]:
    before, began = sizes(bench.settings), time.monotonic()
    bench.start_services(port)
    watched = Watched(bench.settings, bench.states)
    watched.start()
    here = Installation(bench.settings)
    sold = stocked = None
    try:
        approved: Counter[str] = Counter()
        while not (sold and stocked and playing.settled(here, 0) and _compared(here)):
            if time.monotonic() - began > LOAD_PATIENCE_SECONDS:
                raise TimeoutError(f"the first load is not through in {LOAD_PATIENCE_SECONDS:.0f} s")
            time.sleep(2)
            for plan in here.ledger.plans.find(states=[PlanState.HELD]):
                approve(here, f"p{plan.id}", who=WHO, why="the first load")
                approved[plan.flow] += plan.row_count
            took = round(time.monotonic() - began, 1)
            sold = sold or (took if _for_sale(bench) >= products else None)
            stocked = stocked or (took if _with_stock(bench) >= products else None)
        wall = time.monotonic() - began
        watched.stop()
        report = bench.report()
    finally:
        here.close()
    told = watched.told()
    services.stop(bench.settings)
    return {
        "wall_s": round(wall, 1),
        "priced_and_for_sale_s": sold,
        "with_stock_s": stocked,
        "rows_approved": dict(approved),
        **_right(report),
        **_calls(report),
        **told,
        "growth": growth(before, sizes(bench.settings)),
    }


def _compared(here: Installation) -> bool:
    """Every state flow has compared everything once."""
    route = here.configuration.routes[ROUTE]
    return all(
        here.ledger.cursors.get(
            getattr(route, FLOWS[flow].source), compared_entity(ROUTE, flow, FLOWS[flow].entity)
        ).position
        is not None
        for flow in STATES
    )


def _for_sale(bench: Bench) -> int:
    return _count(
        bench,
        "SELECT COUNT(*) AS found FROM catalog_product_entity WHERE status = 1 AND CAST(price AS REAL) > 0",
    )


def _with_stock(bench: Bench) -> int:
    return _count(bench, "SELECT COUNT(DISTINCT sku) AS found FROM inventory_source_item")


def _count(bench: Bench, sql: str) -> int:
    with reading(bench.states["magento"]["database"]) as database:
        return int(database.execute(sql).fetchone()["found"])


# -- a day ---------------------------------------------------------------------------------------


@contextmanager
def _copies(bench: Bench) -> Iterator[Any]:
    """Something to call before each day: all state is what it is now, in the same folder, and the sandboxes run."""
    home = bench.settings.home
    kept = home.with_name("loaded")
    supervisor.down(bench.settings.sandboxes)
    shutil.copytree(home, kept, symlinks=True, ignore=_sockets)

    def fresh() -> None:
        supervisor.down(bench.settings.sandboxes)
        shutil.rmtree(home)
        shutil.copytree(kept, home, symlinks=True)
        supervisor.resume(bench.settings.sandboxes)

    yield fresh


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]


def _day(bench: Bench, catalogue: Catalogue, day: ShoppingDay, seconds: float, port: int) -> dict[str, Any]:
    before, calls = sizes(bench.settings), bench.report()["api_calls"]
    here = Installation(bench.settings)
    try:
        _due_at(here, datetime.now(UTC) + timedelta(seconds=seconds / 2))
        bench.start_services(port)
        watched = Watched(bench.settings, bench.states)
        watched.start()
        began = time.monotonic()
        played = playing.play_people(
            here,
            bench.states,
            catalogue,
            day,
            seconds=seconds,
            settle=SETTLE_SECONDS,
            tell=lambda what: None,
            threads=SHOPPERS,
            pause=WAREHOUSE_PAUSE_SECONDS,
        )
        wall = time.monotonic() - began
        watched.stop()
        report = bench.report()
    finally:
        here.close()
    told = watched.told()
    services.stop(bench.settings)
    after = sizes(bench.settings)
    return {
        "wall_s": round(wall, 1),
        "settled": played.settled,
        "orders_placed": report["orders_placed"],
        "orders_in_erp": report["orders_in_erp"],
        "orders_lost": report["orders_lost"],
        "orders_duplicated": report["orders_duplicated"],
        "order_total_mismatches": report["order_total_mismatches"]["orders"],
        "oversold_units": report["oversold_units"],
        "shipments_in_erp": report["shipments_in_erp"],
        "shipments_in_store": report["shipments_in_store"],
        "shipments_missing": report["shipments_missing"],
        **{name: report[name] for name in ("order_latency_s", "stock_latency_s", "shipment_latency_s")},
        **_right(report),
        **_calls(report, calls),
        **told,
        "dead_letters": report["own"]["dead_letters"],
        "growth": growth(before, after),
        "growth_kb_an_order": cost(before, after, report["orders_placed"]),
    }


def _due_at(here: Installation, moment: datetime) -> None:
    """The daily comparison of everything falls due then."""
    route = here.configuration.routes[ROUTE]
    for flow in STATES:
        every = route.flows[flow].full
        if every is None:
            raise ValueError(f"{flow} has no daily comparison in the demo's route")
        entity = compared_entity(ROUTE, flow, FLOWS[flow].entity)
        here.ledger.cursors.reset(getattr(route, FLOWS[flow].source), entity, moment - every)


def _right(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: report[name] for name in ("stock_compared", "stock_mismatches", "prices_compared", "price_mismatches")
    }


def _calls(report: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Calls by system and endpoint, those from before left out."""
    found: dict[str, Any] = {}
    for system, one in report["api_calls"].items():
        was = (before or {}).get(system, {})
        ended = {name: count - was.get("by_endpoint", {}).get(name, 0) for name, count in one["by_endpoint"].items()}
        found[f"calls_{system}"] = one["total"] - was.get("total", 0)
        found[f"calls_{system}_by_endpoint"] = {name: count for name, count in ended.items() if count}
        found[f"calls_{system}_refused"] = one["refused"] - was.get("refused", 0)
    return found
