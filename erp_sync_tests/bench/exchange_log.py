"""What the exchange log costs a flow, and how fast one order is found among a million exchanges.

1. The orders flow, read, transformed and delivered in this process against real sandbox processes of profile fast, in
   turns with the log and without it (nothing redacted, nothing written). Two turns have the same baskets; of the second
   the customers are known, so each kind is as often first. Between turns passes what reads overlap by (two seconds
   here): otherwise every order is read in the next turns again. There are many short turns, since how fast the machine
   is changes from second to second by more than the log costs. What the bench itself holds in memory (a retailer's
   days) the garbage collector leaves alone: going through it takes as long as ten orders, in one turn or another.
2. The log's rows are copied, under other names, times and runs, until there are BENCH_EXCHANGES (a million) over
   29 days; they are the real ones of part 1 and their copies keep pointing to the same bodies. Then `erp-sync trace` of
   orders of part 1, of runs, minutes and customers, and the search for one that was never logged.
3. Retention deletes the oldest day.

BENCH_ORDERS is the number of orders a turn, BENCH_PAIRS of pairs of turns.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import sqlalchemy as sa
import yaml

from erp_sync.components.documents import drain_documents, flow_module, transform_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.demo import day as demo
from erp_sync.flows.extraction import extract_changes
from erp_sync.operations import trace_search
from erp_sync.operations.trace import TraceReport, trace
from erp_sync.sandbox import shoppers
from erp_sync.transport.context import call_context
from erp_sync.transport.exchange_store import Store, exchanges
from erp_sync.transport.policies import Log
from erp_sync_tests.bench.installation import Bench, bench_installation

ROUTE, FLOW, KIND = "netsuite_magento", "orders", FLOWS["orders"]
OVERLAP_SECONDS = 2.0
DAYS = 29
TRACED = 20


def measure() -> dict[str, Any]:
    orders = int(os.environ.get("BENCH_ORDERS", "24"))
    wanted = int(os.environ.get("BENCH_EXCHANGES", "1000000"))
    with bench_installation("fast") as bench:
        _overlap(bench)
        found, numbers = _costs(bench, orders, int(os.environ.get("BENCH_PAIRS", "24")))
        here = Installation(bench.settings)
        try:
            found |= _filled(here, wanted)
            found |= _traced(here, numbers)
            found |= _traced_otherwise(here)
            found |= _expired(here)
        finally:
            here.close()
    return found


# -- what it costs -------------------------------------------------------------------------------


def _overlap(bench: Bench) -> None:
    for file in bench.settings.defs.rglob("defs.yaml"):
        documents = list(yaml.safe_load_all(file.read_text()))
        for document in documents:
            if document["attributes"].get("vendor") == "magento":
                document["attributes"]["settings"]["lateness_seconds"] = {KIND.entity: OVERLAP_SECONDS}
        file.write_text(yaml.safe_dump_all(documents))


def _costs(bench: Bench, orders: int, pairs: int) -> tuple[dict[str, Any], list[str]]:
    """Seconds an order with and without the log, and numbers of orders that were logged."""
    whole = bench.retailer.shopping_day(bench.catalogue, unknown_skus=0, malformed_addresses=0, cancelled=0)
    # A first pair that does not count: imports, connections, caches.
    days = [whole.resampled(orders, seed=seed, max_lines=8) for seed in range(1 + pairs)]
    turns = [(day, logged, bool(pair)) for pair, day in enumerate(days) for logged in (not pair % 2, bool(pair % 2))]
    customers = {one.email: one for day in days for one in day.customers}
    demo.seed(bench.settings, bench.catalogue, list(customers.values()))
    here = Installation(bench.settings)
    took: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    numbers: list[str] = []
    try:
        for day, logged, counts in turns:
            magento = bench.states["magento"]
            shoppers.play(day, shoppers.fronts(magento, bench.catalogue), seconds=0)
            gc.collect()
            gc.freeze()
            with _log(logged):
                wall, cpu, delivered = _moved(here)
            if len(delivered) != orders:
                raise RuntimeError(f"{len(delivered)} of {orders} orders were delivered")
            if counts:
                took[logged].append((wall, cpu))
            if logged:
                numbers += delivered
            time.sleep(OVERLAP_SECONDS)
    finally:
        gc.unfreeze()
        here.close()
    walls = {logged: sum(wall for wall, _ in some) for logged, some in took.items()}
    cpus = {logged: sum(cpu for _, cpu in some) for logged, some in took.items()}
    moved = orders * pairs
    return {
        "orders_each_way": moved,
        "with_log_s_an_order": round(walls[True] / moved, 4),
        "without_log_s_an_order": round(walls[False] / moved, 4),
        "turns_with_log_s": [round(wall, 2) for wall, _ in took[True]],
        "turns_without_log_s": [round(wall, 2) for wall, _ in took[False]],
        "wall_with_over_without": round(walls[True] / walls[False], 3),
        "cpu_with_over_without": round(cpus[True] / cpus[False], 3),
    }, numbers


@contextmanager
def _log(logged: bool) -> Iterator[None]:
    if logged:
        yield
        return
    with mock.patch.object(Log, "_record", return_value=None):
        yield


def _moved(here: Installation) -> tuple[float, float, list[str]]:
    """One run of the flow: what it took, and the orders that it delivered. Its exchanges are on file at its end."""
    route, run_id = here.configuration.routes[ROUTE], str(uuid.uuid4())
    began, cpu, now = time.perf_counter(), time.process_time(), datetime.now(UTC)
    common: dict[str, Any] = {"connection": route.store, "entity": KIND.entity, "run_id": run_id}

    def land(records: list[Any]) -> str:
        return land_records(here, route.store, KIND.entity, run_id, records)

    with call_context(run_id=run_id, lane="now", route=ROUTE, flow=FLOW):
        start = route.flows[FLOW].start or now - timedelta(days=1)
        extract_changes(here.source(route, FLOW), here.ledger, land, start=start, now=now, **common)
        transform_documents(here, route, KIND, route.flows[FLOW], run_id=run_id)
        report = drain_documents(here, route, KIND, owner=f"{run_id}:1", lane="now")
    here.exchanges.flush()
    return time.perf_counter() - began, time.process_time() - cpu, report.delivered_keys


# -- a million -----------------------------------------------------------------------------------


def _filled(here: Installation, wanted: int) -> dict[str, Any]:
    began = time.monotonic()
    store = Store(here.exchanges.url, here.settings.exchanges)
    try:
        there, copies = copy_exchanges(store, wanted, timedelta(days=DAYS))
    finally:
        store.close()
    size = sum(file.stat().st_size for file in here.settings.exchanges.glob("exchanges.db*"))
    return {
        "exchanges": there,
        "copies_of_each": copies,
        "filling_s": round(time.monotonic() - began, 1),
        "database_mb": round(size / 1e6),
    }


def copy_exchanges(store: Store, wanted: int, over: timedelta) -> tuple[int, int]:
    """Copy all rows, under other names and runs and back in time, until there are so many; how many there are, and
    how often each was copied. A list of names stays a list of as many others."""
    with store.engine.connect() as connection:
        first = connection.execute(sa.select(sa.func.count(), sa.func.max(exchanges.c.id))).one()
    if not first[0]:
        raise ValueError("there is nothing to copy")
    copies = max(0, -(-wanted // first[0]) - 1)
    for number in range(1, copies + 1):
        mark = f"{number}-"
        other = {
            "document": sa.case(
                (exchanges.c.document == "", ""),
                else_=sa.literal(mark).concat(sa.func.replace(exchanges.c.document, ",", f",{mark}")),
            ),
            "run_id": sa.literal(mark).concat(exchanges.c.run_id),
            # SQLite keeps times as text.
            "time": sa.func.strftime("%Y-%m-%d %H:%M:%f000", exchanges.c.time, _back(over * number / copies)),
        }
        columns = [column for column in exchanges.c if column.name != "id"]
        rows = sa.select(*(other.get(column.name, column) for column in columns)).where(exchanges.c.id <= first[1])
        with store.engine.begin() as connection:
            connection.execute(exchanges.insert().from_select([column.name for column in columns], rows))
    with store.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(exchanges)).scalar_one()), copies


def _back(by: timedelta) -> str:
    return f"-{by.total_seconds():.0f} seconds"


def _traced(here: Installation, numbers: list[str]) -> dict[str, Any]:
    step = max(1, len(numbers) // TRACED)
    took, told = [], []
    for number in numbers[::step]:
        began = time.perf_counter()
        report = trace(here, number)
        took.append(time.perf_counter() - began)
        told.append(sum(entry.kind == "exchange" for entry in report.entries))
    began = time.perf_counter()
    nothing = here.exchanges.search(document="never-logged-7")
    never = time.perf_counter() - began
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "erp_sync.cli", "trace", numbers[-1]], check=True, stdout=subprocess.DEVNULL)
    return {
        "traced": len(took),
        "trace_s_p50": round(statistics.median(took), 3),
        "trace_s_max": round(max(took), 3),
        "trace_exchanges_told_fewest": min(told),
        "search_without_a_find_s": round(never, 3),
        "searched_in_vain_found": len(nothing),
        "trace_command_s": round(time.perf_counter() - began, 2),
    }


def _traced_otherwise(here: Installation) -> dict[str, Any]:
    """By run, from a time on, and by customer, as `erp-sync trace` asks: of what is spread over all that is logged."""
    store = Store(here.exchanges.url, here.settings.exchanges)
    try:
        with store.engine.connect() as connection:
            last = int(connection.execute(sa.select(sa.func.max(exchanges.c.id))).scalar_one())
            ids = [max(1, last * part // TRACED) for part in range(1, TRACED + 1)]
            rows = connection.execute(sa.select(exchanges.c.run_id, exchanges.c.time).where(exchanges.c.id.in_(ids)))
            spread = [(row.run_id, row.time) for row in rows]
    finally:
        store.close()
    orders = here.ledger.deliveries.find(route=ROUTE, flow=FLOW, limit=TRACED)
    decode = flow_module(FLOW, "transform").decode
    emails = [decode(one.payload).customer.email for one in orders]
    minute = timedelta(minutes=1)
    return {
        **_timed("run", [lambda run=run: trace_search.search(here, run=run) for run, _ in spread]),
        # A minute of it, and all that came after: the newest are told.
        **_timed("minute", [lambda at=at: trace_search.search(here, since=at, until=at + minute) for _, at in spread]),
        **_timed("from", [lambda at=at: trace_search.search(here, since=at) for _, at in spread]),
        **_timed("customer", [lambda who=who: trace_search.trace_customer(here, who) for who in emails]),
    }


def _timed(name: str, looks: Sequence[Callable[[], TraceReport]]) -> dict[str, Any]:
    took, told = [], []
    for look in looks:
        began = time.perf_counter()
        report = look()
        took.append(time.perf_counter() - began)
        told.append(len(report.entries))
    return {
        f"trace_{name}_s_p50": round(statistics.median(took), 3),
        f"trace_{name}_s_max": round(max(took), 3),
        f"trace_{name}_entries_fewest": min(told),
    }


def _expired(here: Installation) -> dict[str, Any]:
    """Retention of a day later: what lies between the oldest and a day after it goes."""
    oldest = datetime.now(UTC) - timedelta(days=DAYS)
    began, cpu = time.perf_counter(), time.process_time()
    done = here.exchanges.expire(oldest + timedelta(days=1))
    return {
        "expired_exchanges": done.exchanges,
        "expiry_s": round(time.perf_counter() - began, 2),
        "expiry_cpu_s": round(time.process_time() - cpu, 2),
    }
