"""500 orders at once, profile life, five slots: makespan against the bound, calls an order.

The orders are placed while erp_sync is not running, so that all of them are there when it starts.
"""

from __future__ import annotations

import os
from typing import Any

from erp_sync.demo import day as demo
from erp_sync.sandbox import shoppers
from erp_sync_tests.bench.installation import bench_installation, bound_seconds


def measure() -> dict[str, Any]:
    count = int(os.environ.get("BENCH_ORDERS", "500"))
    with bench_installation("none") as bench:
        day = bench.retailer.shopping_day(bench.catalogue, unknown_skus=0, malformed_addresses=0, cancelled=0)
        day = day.resampled(count, seed=2, max_lines=8)
        demo.seed(bench.settings, bench.catalogue, day.customers)
        magento = bench.states["magento"]
        played = shoppers.play(day, shoppers.fronts(magento, bench.catalogue), seconds=0)
        bench.use_profile("life")
        bench.start_services()
        settled = bench.wait_until_settled(len(played.orders), 900)
        report = bench.report()
    erp = report["api_calls"]["netsuite"]
    deposits = erp["by_endpoint"].get("customerDeposit.create", 0)
    necessary = sum(
        erp["by_endpoint"].get(f"{name}.create", 0) for name in ("customer", "salesOrder", "customerDeposit")
    )
    bound = bound_seconds(report)
    placed = report["orders_placed"]
    return {
        "orders_placed": placed,
        "orders_in_erp": report["orders_in_erp"],
        "orders_lost": report["orders_lost"],
        "orders_duplicated": report["orders_duplicated"],
        "makespan_s": erp["makespan_s"],
        "bound_s": round(bound, 1),
        "makespan_over_bound": round(erp["makespan_s"] / bound, 3) if bound else None,
        "necessary_calls": necessary,
        "calls": erp["total"],
        "calls_an_order_without_deposits": round((erp["total"] - deposits) / placed, 2) if placed else None,
        "refused_calls": erp["refused"],
        "by_endpoint": erp["by_endpoint"],
        "order_total_mismatches": report["order_total_mismatches"]["orders"],
        "settled": settled,
        "runs": report["own"]["runs"],
    }
