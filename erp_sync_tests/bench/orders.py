"""One order a second for ten minutes, profile life: placed in the store to readable in NetSuite.

ERP_SYNC_BENCH_SECONDS shortens it for a try; the target is for 600.
"""

from __future__ import annotations

import os
from typing import Any

from erp_sync.demo import day as demo
from erp_sync.sandbox import shoppers
from erp_sync_tests.bench.installation import bench_installation, bound_seconds


def measure() -> dict[str, Any]:
    seconds = int(os.environ.get("BENCH_SECONDS", "600"))
    with bench_installation("life") as bench:
        day = bench.retailer.shopping_day(bench.catalogue, unknown_skus=0, malformed_addresses=0, cancelled=0)
        day = day.resampled(seconds, seed=1, max_lines=8).paced(1.0)
        demo.seed(bench.settings, bench.catalogue, day.customers)
        bench.start_services()
        magento = bench.states["magento"]
        played = shoppers.play(day, shoppers.fronts(magento, bench.catalogue), seconds=seconds, threads=16)
        settled = bench.wait_until_settled(len(played.orders), 180)
        report = bench.report()
    latency = report["order_latency_s"]
    calls = report["api_calls"]["netsuite"]["by_endpoint"]
    return {
        "seconds": seconds,
        "orders_placed": report["orders_placed"],
        "orders_in_erp": report["orders_in_erp"],
        "orders_lost": report["orders_lost"],
        "orders_duplicated": report["orders_duplicated"],
        "latency_s_p50": latency["p50"],
        "latency_s_p95": latency["p95"],
        "latency_s_max": latency["max"],
        "netsuite_calls": calls,
        "netsuite_slots_used_most": report["api_calls"]["netsuite"]["slots_in_use_max"],
        "netsuite_utilisation": round(bound_seconds(report) / seconds, 2),
        "order_total_mismatches": report["order_total_mismatches"]["orders"],
        "settled": settled,
        "runs": report["own"]["runs"],
    }
