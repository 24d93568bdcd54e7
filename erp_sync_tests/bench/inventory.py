"""50,000 SKUs in two locations, profile fast: what a change, a whole comparison and the fast lane take.

Everything runs through real Dagster runs against real sandbox processes:

1. The store differs in 1 % of the SKUs, and everything is compared, in batches of 500.
2. 1 % of the SKUs change in the ERP and the lane of changes finds them, in batches of 500, then of 20. From the
   start of the run until the store holds them, and how many write calls that took.
3. Full comparisons follow each other without a pause. The first one finds nothing to write; during the others the fast
   lane ticks: each tick's change must be in the store soon after its tick, and no tick may be left out.

What the store holds, and when, is read from the sandboxes' databases and journals; times of runs and ticks are
Dagster's. BENCH_SKUS, BENCH_TICKS and BENCH_LANE_SECONDS shrink it for a try.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psutil
import yaml

from erp_sync.runtime import figures, services
from erp_sync.runtime.workers import WarmFolder
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.checker.sources import spread
from erp_sync.sandbox.files import reading
from erp_sync_tests.bench.installation import Bench, bench_installation

LOCATIONS = ("east", "west")
ROUTE, FLOW = "netsuite_magento", "inventory"
FAST = 50
SEED_ROWS = 5_000
# The flow begins so long after its route was written: runs before that would not be forked from a warm process.
WARM_SECONDS = 60
SAME, OTHER = 100, 99
BEFORE_TICK_SECONDS = 0.5
# What is seeded must not look like a change of this moment.
SEEDED_SECONDS_AGO = 172_800
PATIENCE_SECONDS = 900.0


def measure() -> dict[str, Any]:
    skus = [f"SKU-{number:06d}" for number in range(int(os.environ.get("BENCH_SKUS", "50000")))]
    lane = int(os.environ.get("BENCH_LANE_SECONDS", "60"))
    ticks = int(os.environ.get("BENCH_TICKS", "10"))
    found: dict[str, Any] = {"skus": len(skus), "locations": len(LOCATIONS)}
    with bench_installation("fast", (FLOW,)) as bench:
        found["seed_s"] = _seed(bench, skus)
        _route(bench, batch=500, every="2s", fast=skus[:FAST], fast_every="1h")
        with _running(bench):
            found |= _prefixed("whole_500", _written_by(bench, _one_percent(skus), OTHER, 500, 0.0, _cpu(bench)))
            found |= _changed(bench, skus, 500)
        _route(bench, batch=20, every="2s", fast=skus[:FAST], fast_every="1h")
        with _running(bench):
            found |= _changed(bench, skus, 20)
        _route(bench, batch=500, every="1h", fast=skus[:FAST], fast_every=f"{lane}s", full="1s")
        with _running(bench):
            found |= _nothing(bench)
            found |= _lane(bench, skus[:FAST], lane, ticks)
    return found


# -- the installation ----------------------------------------------------------------------------


def _seed(bench: Bench, skus: Sequence[str]) -> float:
    """The same articles on both sides, and the same stock but for 1 %."""
    began = time.monotonic()
    folder = bench.settings.sandboxes
    supervisor.control(folder, "netsuite", "POST", "clock", {"offset_seconds": -SEEDED_SECONDS_AGO})
    for name in ("magento", "netsuite"):
        locations = [{"code": code, "name": code} for code in LOCATIONS]
        supervisor.control(folder, name, "POST", "seed", {"locations": locations})
        for start in range(0, len(skus), SEED_ROWS):
            some = skus[start : start + SEED_ROWS]
            items = [
                {"sku": sku, "name": f"Article {sku}", "price": "9.99", "cost": "4.00", "weight": "1"} for sku in some
            ]
            supervisor.control(folder, name, "POST", "seed", {"items": items, "stock": _stock(some, SAME)})
    supervisor.control(folder, "netsuite", "POST", "seed", {"stock": _stock(_one_percent(skus), OTHER)})
    supervisor.control(folder, "netsuite", "POST", "clock", {"offset_seconds": SEEDED_SECONDS_AGO})
    return round(time.monotonic() - began, 1)


def _one_percent(skus: Sequence[str]) -> Sequence[str]:
    """Without the fast ones."""
    return skus[FAST : FAST + max(1, len(skus) // 100)]


def _stock(skus: Sequence[str], quantity: int) -> list[dict[str, Any]]:
    return [{"sku": sku, "location": code, "quantity": quantity} for sku in skus for code in LOCATIONS]


def _route(bench: Bench, *, batch: int, every: str, fast: Sequence[str], fast_every: str, full: str = "1d") -> None:
    """Lanes of the stock flow, and rows a write call, a setting of the store's connection."""
    file = next(bench.settings.defs.rglob("defs.yaml"))
    documents = list(yaml.safe_load_all(file.read_text()))
    for document in documents:
        attributes = document["attributes"]
        if attributes.get("vendor") == "magento":
            attributes["settings"]["batch_size"] = {"stock_level.write": batch}
        if "flows" in attributes:
            flow = attributes["flows"][FLOW]
            flow |= {"every": every, "full": full, "fast": {"every": fast_every, "skus": list(fast)}}
            flow["start"] = (datetime.now(UTC) + timedelta(seconds=WARM_SECONDS)).isoformat()
    file.write_text(yaml.safe_dump_all(documents))


@contextmanager
def _running(bench: Bench) -> Iterator[None]:
    bench.start_services()
    try:
        yield
    finally:
        services.stop(bench.settings)


# -- what is measured ----------------------------------------------------------------------------


def _changed(bench: Bench, skus: Sequence[str], batch: int) -> dict[str, Any]:
    """1 % of the SKUs get another quantity in the ERP."""
    some, quantity = _one_percent(skus), SAME + batch
    _until(lambda: _looked(bench))
    _wait_until_idle(bench)
    before, began = _cpu(bench), time.time()
    supervisor.control(bench.settings.sandboxes, "netsuite", "POST", "seed", {"stock": _stock(some, quantity)})
    return _prefixed(f"changed_{batch}", _written_by(bench, some, quantity, batch, began, before))


def _written_by(
    bench: Bench, skus: Sequence[str], quantity: int, batch: int, since: float, cpu: dict[str, float]
) -> dict[str, Any]:
    """Wait until the store holds what changed since then; from the start of the run that wrote to its last call."""
    rows = len(skus) * len(LOCATIONS)
    _wait_until_held(bench, skus, quantity)
    _wait_until_idle(bench)
    calls = _written(bench, since)
    last = max(call["arrived_at"] + call["duration"] for call in calls)
    first = min(call["arrived_at"] for call in calls)
    runs = [run for run in _runs(bench, since=since) if run.start_time <= first <= run.end_time]
    return {
        "changed_rows": rows,
        "run_to_store_s": round(last - min(run.start_time for run in runs), 2),
        "launched_to_store_s": round(last - min(run.create_timestamp.timestamp() for run in runs), 2),
        "write_calls": len(calls),
        "write_calls_beyond_needed": len(calls) - math.ceil(rows / batch),
        "cpu_s": _spent(bench, cpu),
    }


def _nothing(bench: Bench) -> dict[str, Any]:
    """The first full comparison from now on: nothing differs."""
    began, cpu = time.time(), _cpu(bench)
    run = _until(lambda: next(iter(_runs(bench, full=True, since=began, ended=True)), None))
    return _prefixed(
        "nothing_changed",
        {
            "write_calls": len(_written(bench, began)),
            "seconds": round(run.end_time - run.start_time, 2),
            "cpu_s": _spent(bench, cpu),
        },
    )


def _lane(bench: Bench, fast: Sequence[str], every: int, ticks: int) -> dict[str, Any]:
    """Changes of the fast SKUs, one just before each tick, while full comparisons follow each other.

    A change that a comparison brought to the store before the tick says nothing about the lane and is made again.
    """
    began = time.time()
    _until(lambda: _looks(bench, began))
    latencies: list[float] = []
    before = _cpu(bench)
    for number in range(2 * ticks):
        if len(latencies) == ticks:
            break
        last = _looks(bench, began)[-1]
        time.sleep(max(0.0, last + every - BEFORE_TICK_SECONDS - time.time()))
        supervisor.control(bench.settings.sandboxes, "netsuite", "POST", "seed", {"stock": _stock(fast, 500 + number)})
        changed_at = time.time()
        _wait_until_held(bench, fast, 500 + number)
        done = time.time()
        tick = next((one for one in _looks(bench, began) if one >= changed_at), None)
        if tick is not None and tick < done:
            latencies.append(done - tick)
    looks = _looks(bench, began)
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    comparisons = _runs(bench, full=True, since=began, ended=True)
    lasted = [run.end_time - run.start_time for run in comparisons if run.end_time and run.start_time]
    spread_of = spread(latencies)
    return {
        "lane_every_s": every,
        "lane_ticks": len(looks),
        "lane_ticks_measured": len(latencies),
        "lane_ticks_skipped": sum(round(gap / every) - 1 for gap in gaps if gap > 1.5 * every),
        "lane_longest_gap_s": round(max(gaps, default=0.0), 2),
        "lane_tick_to_store_s_p50": spread_of["p50"],
        "lane_tick_to_store_s_p95": spread_of["p95"],
        "lane_tick_to_store_s_max": spread_of["max"],
        "comparisons_meanwhile": len(comparisons),
        "comparison_meanwhile_s_mean": round(sum(lasted) / len(lasted), 1) if lasted else None,
        "lane_cpu_s": _spent(bench, before),
    }


# -- Dagster -------------------------------------------------------------------------------------


def _instance(bench: Bench) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(bench.settings.dagster_home))


def _runs(bench: Bench, *, full: bool = False, since: float = 0.0, ended: bool = False) -> list[Any]:
    """Records of runs, newest first."""
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE] if ended else None
    tags = {"erp_sync/full": "true"} if full else None
    with _instance(bench) as instance:
        records = instance.get_run_records(dg.RunsFilter(statuses=statuses, tags=tags), limit=200)
    failed = [record for record in records if record.dagster_run.status == dg.DagsterRunStatus.FAILURE]
    if failed:
        raise RuntimeError(f"run {failed[0].dagster_run.run_id} failed")
    return [record for record in records if record.create_timestamp.timestamp() >= since]


def _looks(bench: Bench, since: float) -> list[float]:
    """When the sensor looked at the fast lane, from the cursors of its ticks; ascending."""
    found: set[float] = set()
    with _instance(bench) as instance:
        for state in instance.all_instigator_state():
            if state.name != "due_work":
                continue
            for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, after=since):
                moment = json.loads(tick.cursor or "{}").get(f"{ROUTE}/{FLOW}/fast")
                if moment:
                    found.add(datetime.fromisoformat(moment).timestamp())
    return sorted(one for one in found if one >= since)


def _looked(bench: Bench) -> bool:
    """The flow has begun: its lanes have been looked at since the route was written."""
    start = next(bench.settings.defs.rglob("defs.yaml")).stat().st_mtime + WARM_SECONDS
    return time.time() > start + 5


def _wait_until_idle(bench: Bench) -> None:
    """No run is under way or about to start."""
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ]
    )
    with _instance(bench) as instance:
        _until(lambda: instance.get_runs_count(unfinished) == 0)


# -- the sandboxes -------------------------------------------------------------------------------


def _written(bench: Bench, since: float) -> list[dict[str, Any]]:
    """Write calls of stock to the store since then, oldest first."""
    with reading(bench.states["magento"]["journal"]) as journal:
        return journal.execute(
            "SELECT arrived_at, duration FROM calls "
            "WHERE endpoint = 'POST /V1/inventory/source-items' AND arrived_at >= ? ORDER BY id",
            [since],
        ).fetchall()


def _holding(bench: Bench, skus: Sequence[str], quantity: int) -> int:
    """Rows of these SKUs for which the store holds the quantity."""
    count = 0
    with reading(bench.states["magento"]["database"]) as database:
        for start in range(0, len(skus), 500):
            some = skus[start : start + 500]
            marks = ", ".join("?" * len(some))
            count += database.execute(
                f"SELECT COUNT(*) AS found FROM inventory_source_item WHERE sku IN ({marks}) "
                "AND CAST(quantity AS REAL) = ?",
                [*some, quantity],
            ).fetchone()["found"]
    return count


def _wait_until_held(bench: Bench, skus: Sequence[str], quantity: int) -> None:
    _until(lambda: _holding(bench, skus, quantity) == len(skus) * len(LOCATIONS), pause=0.1)


# -- costs and waiting ---------------------------------------------------------------------------


def _cpu(bench: Bench) -> dict[str, float]:
    """CPU-seconds so far of the code server and the daemon, of runs that have ended, and of both sandboxes."""
    costs = figures.costs(bench.settings)
    spent = {name: costs[name].cpu_seconds for name in ("code-server", "daemon") if name in costs}
    forked = figures.forked_runs(WarmFolder(bench.settings.dagster_home))
    spent["runs"] = sum(run.cpu_seconds for run in forked.finished) if forked else 0.0
    for name, state in bench.states.items():
        times = psutil.Process(state["pid"]).cpu_times()
        spent[f"sandbox_{name}"] = times.user + times.system
    return spent


def _spent(bench: Bench, before: dict[str, float]) -> dict[str, float]:
    return {name: round(value - before.get(name, 0.0), 1) for name, value in _cpu(bench).items()}


def _prefixed(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _until(condition: Callable[[], Any], pause: float = 0.2) -> Any:
    """Wait for something and give it. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it in {PATIENCE_SECONDS:.0f} s")
        time.sleep(pause)
    return found
