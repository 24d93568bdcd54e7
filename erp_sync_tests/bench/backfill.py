"""A backfill over a week of orders that erp_sync never saw: repaired in one run, and doing it again changes nothing.

Baskets of every day of the sample are checked out on that many days of the store's calendar, while erp_sync has read
the store up to today: no look at what changed finds them any more. The backfill is Dagster's own, as its UI starts it.
BENCH_ORDERS is the number of orders a day. What the systems hold and what was written is read from the sandboxes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, PartitionBackfill

from erp_sync.components.installation import Installation
from erp_sync.components.sensing import asset_keys
from erp_sync.demo import day as demo
from erp_sync.runtime import figures, services
from erp_sync.runtime.submitting import workspace_of
from erp_sync.runtime.workers import WarmFolder
from erp_sync.sandbox import shoppers, supervisor
from erp_sync.sandbox.checker.sources import PEOPLE
from erp_sync.sandbox.files import reading
from erp_sync.settings import Settings
from erp_sync_tests.bench.installation import Bench, bench_installation

DAYS = 7
STAGES = ("extracted", "transformed", "loaded")
ROUTE = "netsuite_magento"
PATIENCE_SECONDS = 7200.0
READS = ("read", "search")
ENDED = tuple(BULK_ACTION_TERMINAL_STATUSES)


def measure() -> dict[str, Any]:
    count = int(os.environ.get("BENCH_ORDERS", "500"))
    with bench_installation("fast") as bench:
        plans = _shopping_days(bench, count)
        customers = {one.email: one for plan in plans for one in plan.customers}
        demo.seed(bench.settings, bench.catalogue, list(customers.values()))
        bench.start_services()
        wait_until_read(bench.settings)
        began = time.monotonic()
        placed = sum(_place(bench, plan, DAYS - number) for number, plan in enumerate(plans))
        placed_s = time.monotonic() - began
        first = _repair(bench)
        report = bench.report()
        again = _repair(bench)
        after = bench.report()
    same = ("orders_in_erp", "orders_lost", "orders_duplicated", "deposits_duplicated")
    return {
        "days": DAYS,
        "orders_placed": placed,
        "placing_s": round(placed_s, 1),
        "orders_in_erp": report["orders_in_erp"],
        "orders_not_in_erp": placed - report["orders_in_erp"],
        "orders_lost": report["orders_lost"],
        "orders_duplicated": report["orders_duplicated"],
        "order_total_mismatches": report["order_total_mismatches"]["orders"],
        **{f"first_{name}": value for name, value in first.items()},
        **{f"again_{name}": value for name, value in again.items()},
        "again_differences": sum(report.get(name) != after.get(name) for name in same),
    }


def _shopping_days(bench: Bench, count: int) -> list[Any]:
    """One plan a day of the sample's week, each with so many orders."""
    whole = {"unknown_skus": 0, "malformed_addresses": 0, "cancelled": 0}
    days = [bench.retailer.shopping_day(bench.catalogue, day, **whole) for day in bench.retailer.days[-DAYS:]]
    return [plan.resampled(count, seed=number, max_lines=8) for number, plan in enumerate(days)]


def _place(bench: Bench, plan: Any, days_ago: int) -> int:
    magento = bench.states["magento"]
    with days_back(bench.settings, days_ago):
        played = shoppers.play(plan, shoppers.fronts(magento, bench.catalogue), seconds=0)
    return len(played.orders)


def _repair(bench: Bench) -> dict[str, Any]:
    marks = {name: last_call(state["journal"]) for name, state in bench.states.items()}
    before, began = _runs_cpu(bench.settings), time.monotonic()
    runs = backfill(bench.settings, "orders", DAYS)
    wall = time.monotonic() - began
    return {
        "runs": len(runs),
        "succeeded": all(run.status is dg.DagsterRunStatus.SUCCESS for run in runs),
        "wall_s": round(wall, 1),
        "cpu_s_of_runs": round(_runs_cpu(bench.settings) - before, 1),
        "write_calls": sum(len(writes(state["journal"], marks[name])) for name, state in bench.states.items()),
    }


def _runs_cpu(settings: Settings) -> float:
    forked = figures.forked_runs(WarmFolder(settings.dagster_home))
    return sum(run.cpu_seconds for run in forked.finished) if forked else 0.0


@contextmanager
def days_back(settings: Settings, days: float) -> Iterator[None]:
    """Meanwhile the store's calendar is so many days back."""
    seconds = days * 86_400
    supervisor.control(settings.sandboxes, "magento", "POST", "clock", {"offset_seconds": -seconds})
    try:
        yield
    finally:
        supervisor.control(settings.sandboxes, "magento", "POST", "clock", {"offset_seconds": seconds})


def wait_until_read(settings: Settings, seconds: float = 120.0) -> None:
    """The store was read up to now: what it dates back from here on is seen by no look."""
    here = Installation(settings)
    try:
        asked, deadline = datetime.now(UTC), time.monotonic() + seconds
        while (here.ledger.cursors.get("magento_us", "sales_order").position or asked) <= asked:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the store was not read in {seconds:.0f} s")
            time.sleep(0.2)
    finally:
        here.close()


def backfill(settings: Settings, flow: str, days: int, seconds: float = PATIENCE_SECONDS) -> list[dg.DagsterRun]:
    """Backfill a flow's assets over so many days before today, and today, as the UI does; gives its ended runs."""
    here = Installation(settings)
    try:
        keys = asset_keys(here.configuration, ROUTE, flow, STAGES)
    finally:
        here.close()
    now = datetime.now(UTC)
    with (
        dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        workspace_of(instance, services.workspace_file(settings)) as workspace,
    ):
        asked = PartitionBackfill.from_asset_partitions(
            backfill_id=f"week{time.time_ns()}",
            asset_graph=workspace.asset_graph,
            partition_names=[f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in range(days, -1, -1)],
            asset_selection=keys,
            backfill_timestamp=now.timestamp(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(asked)
        deadline = time.monotonic() + seconds
        while (found := instance.get_backfill(asked.backfill_id)) and found.status not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the backfill did not end in {seconds:.0f} s")
            time.sleep(0.2)
        return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": asked.backfill_id})))


def last_call(journal: str) -> int:
    with reading(journal) as database:
        return int(database.execute("SELECT coalesce(max(id), 0) AS last FROM calls").fetchone()["last"])


def writes(journal: str, since: int, agents: Sequence[str] = PEOPLE) -> list[str]:
    """Endpoints of the calls after that one that wrote, or were to, other than by these agents."""
    with reading(journal) as database:
        rows = database.execute(
            "SELECT endpoint, kind, committed, agent FROM calls WHERE id > ? ORDER BY id", [since]
        ).fetchall()
    asked = [row for row in rows if row["agent"] not in agents]
    return [row["endpoint"] for row in asked if row["committed"] or row["kind"] not in READS]
