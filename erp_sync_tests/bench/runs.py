"""What a run costs: launched to finished, CPU-seconds, and what 1, 5 and 20 routes cost in an hour, idle and busy.

`overhead_wall_s` is the time of a run that moves one order, from launched to finished, less the time of its steps;
`overhead_cpu_s` is the CPU of a worker whose run has nothing to do (`run_cpu_s_p50` less it is the run's own work).

CPU is that of the whole installation: daemon, code server, fork server, supervisor and every run, ended ones
included; the sandboxes stand for the vendors and do not count. An hour is a window of `WINDOW_SECONDS`, extrapolated.
"""

from __future__ import annotations

import shutil
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

import erp_sync
from erp_sync import settings as settings_module
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.demo import day as demo
from erp_sync.flows.state_extraction import compared_entity, snapshot_entity
from erp_sync.runtime import bench_runs, figures
from erp_sync.runtime.workers import WarmFolder
from erp_sync.sandbox import shoppers
from erp_sync.sandbox.catalogue import Catalogue, ShoppingDay
from erp_sync_tests.bench.installation import Bench, bench_installation

ROUTES = (1, 5, 20)
WINDOW_SECONDS = 60.0
CORES = 2
# Longer than the shortest lane: every lane has looked once and found nothing.
QUIET_SECONDS = 65.0
ORDERS = 10
# Busy: an order in the store so often; every route reads it and moves it into the ERP.
ORDER_EVERY_SECONDS = 5.0
ARTICLES = 60
SHIPPED = Path(erp_sync.__file__).parent / "defs" / "netsuite_magento" / "defs.yaml"
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def measure() -> dict[str, Any]:
    empty = bench_runs.main(runs=20, default_runs=2)
    found: dict[str, Any] = {
        "empty_run_wall_s_p50": empty["warm_one_after_another"]["each_p50"],
        "default_launcher_empty_run_wall_s_p50": empty["default_one_after_another"]["each_p50"],
        "default_launcher_empty_run_cpu_s": empty["default_one_after_another"]["cpu_a_run"],
        "touched_to_finished_s": empty["touched_to_finished_s"],
        "overhead_cpu_s": empty["warm_one_after_another"]["cpu_a_run"],
    }
    with bench_installation("fast") as bench:
        found |= _one_order_a_run(bench)
    found["window_s_extrapolated_to_an_hour"] = WINDOW_SECONDS
    for routes in ROUTES:
        with bench_installation("fast") as bench:
            found |= _idle_and_busy(bench, routes)
    return found


def _small(bench: Bench, orders: int) -> tuple[ShoppingDay, Catalogue]:
    """A day of small orders, and a catalogue that holds little more than what they buy."""
    whole = bench.retailer.catalogue(cover=1000, scarce=0, configurables=0, bundles=0, store_only=0)
    day = bench.retailer.shopping_day(whole, unknown_skus=0, malformed_addresses=0, cancelled=0)
    day = day.resampled(orders, seed=3, max_lines=5)
    bought = {line.sku for basket in day.baskets for line in basket.lines}
    items = [item for item in whole.items if item.sku in bought]
    items += [item for item in whole.items if item.sku not in bought][:ARTICLES]
    kept = {item.sku for item in items}
    stock = {place: quantity for place, quantity in whole.stock.items() if place[0] in kept}
    return day, Catalogue(tuple(items), whole.warehouses, stock, whole.coupons)


def _one_order_a_run(bench: Bench) -> dict[str, Any]:
    day, catalogue = _small(bench, ORDERS)
    demo.seed(bench.settings, catalogue, day.customers)
    bench.start_services()
    # Further apart than a run takes, so that every run finds one.
    _shop(bench, day.paced(0.2), catalogue, 5.0 * ORDERS)
    bench.wait_until_settled(ORDERS, 60)
    answer = figures.forked_runs(WarmFolder(bench.settings.dagster_home))
    finished = {run.run_id: run for run in (answer.finished if answer is not None else ())}
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
    return {
        "runs_measured": len(walls),
        "run_wall_s_p50": round(statistics.median(walls), 3),
        "run_cpu_s_p50": round(statistics.median(cpu), 3),
        "overhead_wall_s": round(statistics.median(overheads), 3),
    }


def _idle_and_busy(bench: Bench, routes: int) -> dict[str, Any]:
    """One window in which nothing is due but looks, and one in which every look at the store finds orders."""
    orders = int(WINDOW_SECONDS / ORDER_EVERY_SECONDS)
    day, catalogue = _small(bench, orders)
    _multiply(bench.settings.defs, routes, [item.sku for item in catalogue.items][:50])
    demo.seed(bench.settings, catalogue, day.customers)
    _as_if_in_step(bench)
    bench.start_services()
    found: dict[str, Any] = {}
    with dg.DagsterInstance.from_config(str(bench.settings.dagster_home)) as instance:
        _wait_until_quiet(instance, quiet_seconds=QUIET_SECONDS, patience_seconds=240 + 10 * routes)
        idle = _window(bench, instance, lambda: time.sleep(WINDOW_SECONDS))
        busy = _window(
            bench, instance, lambda: _shop(bench, day.paced(1 / ORDER_EVERY_SECONDS), catalogue, WINDOW_SECONDS)
        )
    for name, (cpu_seconds, runs, took) in (("idle", idle), ("busy", busy)):
        case = f"{name}_{routes}_routes"
        found[f"{case}_share_of_two_cores"] = round(cpu_seconds / took / CORES, 4)
        found[f"{case}_cpu_s_an_hour"] = round(cpu_seconds / took * 3600)
        found[f"{case}_runs_an_hour"] = round(runs / took * 3600)
    return found


def _window(bench: Bench, instance: dg.DagsterInstance, happens: Any) -> tuple[float, int, float]:
    """CPU-seconds of the installation, runs that succeeded, and seconds, while something happens."""
    since, began, before = datetime.now(UTC), time.monotonic(), figures.tree_cpu_seconds(bench.settings)
    happens()
    time.sleep(max(0.0, WINDOW_SECONDS - (time.monotonic() - began)))
    took, cpu = time.monotonic() - began, figures.tree_cpu_seconds(bench.settings) - before
    done = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], created_after=since)
    return cpu, instance.get_runs_count(done), took


def _shop(bench: Bench, day: ShoppingDay, catalogue: Catalogue, seconds: float) -> None:
    magento = bench.states["magento"]
    shoppers.play(day, shoppers.fronts(magento, catalogue), seconds=seconds, threads=2)


def _wait_until_quiet(instance: dg.DagsterInstance, quiet_seconds: float, patience_seconds: float) -> None:
    """Wait until no run has been under way for a while: the first look of every lane is behind.

    Raises TimeoutError: a figure called idle would be none.
    """
    end = time.monotonic() + patience_seconds
    quiet_since: float | None = None
    while time.monotonic() < end:
        time.sleep(1)
        if instance.get_runs_count(dg.RunsFilter(statuses=UNDER_WAY)):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > quiet_seconds:
            return
    raise TimeoutError(f"runs were under way for {patience_seconds:.0f} s without an end")


def _as_if_in_step(bench: Bench) -> None:
    """Every source was read and compared as a whole a moment ago. First comparisons cost what they cost once, and
    would take most of the bench's time."""
    here = Installation(settings_module.load())
    try:
        now = here.ledger.now()
        for route in here.configuration.routes.values():
            for flow in route.flows:
                kind = FLOWS[flow]
                compared = compared_entity(route.name, flow, kind.entity)
                entities = [kind.entity] if kind.delivers else [kind.entity, snapshot_entity(kind.entity), compared]
                for entity in entities:
                    here.ledger.receive(getattr(route, kind.source), entity, [], advance_to=now, run_id="bench")
    finally:
        here.close()


def _multiply(defs: Path, routes: int, fast: list[str]) -> None:
    """`routes` routes as shipped, with production's frequencies and all flows, each with connections of its own to
    the same two sandboxes."""
    template = next(defs.rglob("defs.yaml"))
    shipped = next(
        one["attributes"]["flows"] for one in yaml.safe_load_all(SHIPPED.read_text()) if "flows" in one["attributes"]
    )
    shipped["inventory"]["fast"] = {"every": "60s", "skus": fast}
    documents = list(yaml.safe_load_all(template.read_text()))
    for document in documents:
        if "flows" in document["attributes"]:
            document["attributes"]["flows"] = shipped
    lookups = template.parent
    for number in range(routes):
        folder = defs / f"route_{number}"
        shutil.copytree(lookups, folder)
        (folder / "defs.yaml").write_text(yaml.safe_dump_all(_renamed(one, number) for one in documents))
    shutil.rmtree(lookups)


def _renamed(document: dict[str, Any], number: int) -> dict[str, Any]:
    attributes = dict(document["attributes"])
    for name in ("name", "store", "erp"):
        if name in attributes:
            attributes[name] = f"{attributes[name]}_{number}"
    settings = dict(attributes.get("settings") or {})
    if "source_connections" in settings:
        settings["source_connections"] = [f"{one}_{number}" for one in settings["source_connections"]]
        attributes["settings"] = settings
    return {**document, "attributes": attributes}
