"""What every bench has in common: its name, its targets, and the JSON object it ends with."""

from __future__ import annotations

import importlib
import json
import os
import platform
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """A bound on one figure: at most, or at least."""

    bound: float
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        if value is None:
            return False
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Bench:
    """A bench is a module with `measure() -> dict` of figures by name."""

    module: str
    words: str
    profile: str = ""
    targets: dict[str, Target] = field(default_factory=dict)


BENCHES: dict[str, Bench] = {
    "orders": Bench(
        "orders",
        "one order a second for ten minutes, placed in the store to readable in the ERP",
        "life",
        {
            "latency_s_p95": Target(12),
            "latency_s_max": Target(120),
            "orders_lost": Target(0),
            "orders_duplicated": Target(0),
        },
    ),
    "burst": Bench(
        "burst",
        "500 orders at once over five slots: makespan against the bound, calls an order",
        "life",
        {
            "makespan_over_bound": Target(1.25),
            "calls_an_order_without_deposits": Target(3),
            "orders_lost": Target(0),
            "orders_duplicated": Target(0),
        },
    ),
    "inventory": Bench(
        "inventory",
        "50,000 SKUs in two locations: 1 % changed, nothing changed, the fast lane beside full comparisons",
        "fast",
        {
            "changed_500_run_to_store_s": Target(20),
            "changed_500_write_calls_beyond_needed": Target(0),
            "changed_20_write_calls_beyond_needed": Target(0),
            "whole_500_run_to_store_s": Target(20),
            "whole_500_write_calls_beyond_needed": Target(0),
            "nothing_changed_write_calls": Target(0),
            "lane_tick_to_store_s_p95": Target(10),
            "lane_ticks_skipped": Target(0),
        },
    ),
    "price-questions": Bench(
        "price_questions",
        "10,000 random price questions, answered by SAP's own rules and by the store's rows of the engine",
        targets={"differences": Target(0), "questions": Target(10_000, at_least=True)},
    ),
    "backfill": Bench(
        "backfill",
        "a week of 500 orders a day that were never seen, repaired by one backfill; the same again",
        "fast",
        {
            "first_runs": Target(1),
            "orders_not_in_erp": Target(0),
            "orders_lost": Target(0),
            "orders_duplicated": Target(0),
            "order_total_mismatches": Target(0),
            "again_runs": Target(1),
            "again_write_calls": Target(0),
            "again_differences": Target(0),
        },
    ),
    "runs": Bench(
        "runs",
        "a run that moves one order: launched to finished, CPU-seconds; idle and busy routes",
        "fast",
        {
            "overhead_wall_s": Target(1.0),
            "overhead_cpu_s": Target(0.6),
            "idle_20_routes_share_of_two_cores": Target(0.25),
        },
    ),
    "ledger": Bench(
        "ledger",
        "documents that the ledger hands out and takes back a second, by two workers, on SQLite and PostgreSQL",
        "",
        {"sqlite_per_s": Target(1000, at_least=True), "postgresql_per_s": Target(2000, at_least=True)},
    ),
    "exchange-log": Bench(
        "exchange_log",
        "what the exchange log costs the orders flow; one order's trace among a million exchanges; retention",
        "fast",
        {
            "wall_with_over_without": Target(1.10),
            "trace_s_max": Target(1.0),
            "trace_exchanges_told_fewest": Target(1, at_least=True),
        },
    ),
    "outage": Bench(
        "outage",
        "the ERP was away for two hours: the backlog of 1,000 orders drains, slots busy by the journal",
        "life",
        {
            "slots_busy_share": Target(0.9, at_least=True),
            "orders_lost": Target(0),
            "orders_duplicated": Target(0),
        },
    ),
    "volume": Bench(
        "volume",
        "first load of 50,000 products with prices and stock, then a day of 500 and one of 2,500 orders, all flows",
        "fast",
        {
            "order_latency_s_p95_many_over_few": Target(1.25),
            "load_price_mismatches": Target(0),
            "load_stock_mismatches": Target(0),
            **{
                f"{day}_{figure}": Target(0)
                for day in ("few", "many")
                for figure in ("orders_lost", "orders_duplicated", "order_total_mismatches", "oversold_units")
            },
        },
    ),
    "prices": Bench(
        "prices",
        "the price engine: a million negotiated prices resolved, factored and compared; nothing, 1 %, one changed",
        "",
        {
            "plan_over_join": Target(3),
            "plan_peak_mb": Target(2048),
            "factor": Target(0.5),
            "unchanged_rows_planned": Target(0),
            "differences": Target(0),
            "hundredth_differences": Target(0),
        },
    ),
    "login-check": Bench(
        "login_check",
        "an account logs in: what it sees against the ERP's terms, out of a million known prices",
        "",
        {"sqlite_answer_s_p95": Target(0.3), "postgresql_answer_s_p95": Target(0.3)},
    ),
    "lake-year": Bench(
        "lake_year",
        "a year of runs every five minutes in the lake: its files joined, and read before and after",
        "",
        {
            "rows_lost": Target(0),
            "manifest_bytes_after_over_before": Target(0.01),
            "latest_state_s_after_over_before": Target(0.1),
            "one_day_s_after_over_before": Target(1),
        },
    ),
    "definitions": Bench(
        "definitions",
        "loading the definitions of 10 and 50 generated routes, in times of `import dagster`",
        "",
        {"ratio_10_routes": Target(1.5)},
    ),
}


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform(terse=True)}


def run(name: str) -> dict[str, Any]:
    """Measure, print the JSON object as the last line, and give it."""
    bench = BENCHES[name]
    figures = importlib.import_module(f"erp_sync_tests.bench.{bench.module}").measure()
    result = {
        "name": name,
        "machine": machine(),
        "profile": bench.profile,
        "figures": figures,
        "targets": {
            figure: f"{'at least' if target.at_least else 'at most'} {target.bound:g}"
            for figure, target in bench.targets.items()
        },
        "met": {figure: target.met(figures.get(figure)) for figure, target in bench.targets.items()},
    }
    print(json.dumps(result))
    return result
