"""What a run costs: launched to finished, CPU-seconds, and what routes cost that have nothing to do.

`overhead_wall_s` is the time of a run that moves one order, from launched to finished, less the time of its three
steps; `overhead_cpu_s` is the CPU of a worker whose run has nothing to do.
"""

from __future__ import annotations

import shutil
import statistics
import time
from typing import Any

import yaml

from erp_sync.demo import day as demo
from erp_sync.runtime import bench_runs, figures
from erp_sync.runtime.workers import WarmFolder
from erp_sync.sandbox import shoppers
from erp_sync_tests.bench.installation import Bench, bench_installation

IDLE_SECONDS = 40.0
ORDERS = 10
CORES = 2


def measure() -> dict[str, Any]:
    empty = bench_runs.main(runs=20, default_runs=3)
    found: dict[str, Any] = {
        "empty_run_wall_s_p50": empty["warm_one_after_another"]["each_p50"],
        "empty_run_cpu_s": empty["warm_one_after_another"]["cpu_a_run"],
        "default_launcher_wall_s_p50": empty["default_one_after_another"]["each_p50"],
        "touched_to_finished_s": empty["touched_to_finished_s"],
        "overhead_cpu_s": empty["warm_one_after_another"]["cpu_a_run"],
    }
    with bench_installation("fast") as bench:
        found |= _one_order_a_run(bench)
    for routes in (1, 5, 20):
        share = _idle(routes)
        found[f"idle_{routes}_routes_share_of_two_cores"] = round(sum(share.values()) / CORES, 4)
        found[f"idle_{routes}_routes_cpu_s_an_hour"] = round(sum(share.values()) * 3600)
    return found


def _one_order_a_run(bench: Bench) -> dict[str, Any]:
    import dagster as dg

    day = bench.retailer.shopping_day(bench.catalogue, unknown_skus=0, malformed_addresses=0, cancelled=0)
    day = day.resampled(ORDERS, seed=3, max_lines=5).paced(0.25)
    demo.seed(bench.settings, bench.catalogue, day.customers)
    bench.start_services()
    before, began = figures.costs(bench.settings), time.monotonic()
    magento = bench.states["magento"]
    played = shoppers.play(
        day, magento["base_url"], magento["credentials"], bench.catalogue, seconds=4.0 * ORDERS, threads=2
    )
    bench.wait_until_settled(len(played.orders), 60)
    after, took = figures.costs(bench.settings), time.monotonic() - began
    finished = {
        run.run_id: run for run in (figures.forked_runs(WarmFolder(bench.settings.dagster_home)) or _NONE).finished
    }
    walls, overheads, cpu = [], [], []
    with dg.DagsterInstance.from_config(str(bench.settings.dagster_home)) as instance:
        for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])):
            run_id = record.dagster_run.run_id
            steps = instance.get_run_step_stats(run_id)
            if len(steps) < 3 or record.end_time is None or run_id not in finished:
                continue
            launched = min(
                event.timestamp
                for event in instance.all_logs(run_id)
                if event.is_dagster_event and event.get_dagster_event().event_type_value == "PIPELINE_STARTING"
            )
            work = sum((step.end_time or 0) - (step.start_time or 0) for step in steps)
            walls.append(record.end_time - launched)
            overheads.append(record.end_time - launched - work)
            cpu.append(finished[run_id].cpu_seconds)
    busy = sum(after[name].cpu_seconds - before[name].cpu_seconds for name in after if name in before)
    return {
        "runs_measured": len(walls),
        "one_order_run_wall_s_p50": round(statistics.median(walls), 3),
        "one_order_run_cpu_s_p50": round(statistics.median(cpu), 3),
        "overhead_wall_s": round(statistics.median(overheads), 3),
        "busy_1_route_service_cpu_s_an_hour": round(busy / took * 3600),
        "busy_1_route_runs_an_hour": round(len(walls) / took * 3600),
    }


class _None:
    finished: tuple[Any, ...] = ()


_NONE = _None()


def _idle(routes: int) -> dict[str, float]:
    """Share of one core of each service while nothing is due: `routes` routes with production's frequencies."""
    with bench_installation("fast") as bench:
        _multiply(bench, routes)
        bench.start_services()
        time.sleep(20)  # the first look of every lane is behind it
        return bench_runs.idle_share(bench.settings, IDLE_SECONDS)


def _multiply(bench: Bench, routes: int) -> None:
    """Copies of the route, each with connections of its own to the same two sandboxes."""
    template = next(bench.settings.defs.rglob("defs.yaml"))
    documents = list(yaml.safe_load_all(template.read_text()))
    for number in range(1, routes):
        folder = bench.settings.defs / f"copy_{number}"
        shutil.copytree(template.parent, folder)
        for document in documents:
            attributes = document["attributes"]
            attributes["name"] = f"{attributes['name'].rstrip('_0123456789')}_{number}"
            for side in ("store", "erp"):
                if side in attributes:
                    attributes[side] = f"{attributes[side].rstrip('_0123456789')}_{number}"
            for flow in (attributes.get("flows") or {}).values():
                flow["every"] = "1m"
        (folder / "defs.yaml").write_text(yaml.safe_dump_all(documents))
