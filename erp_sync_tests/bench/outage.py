"""The ERP is away for two hours at 500 orders an hour and comes back: how the backlog of 1,000 orders drains.

Profile life, five slots. The two hours are compressed to their effect: the ERP answers 503 while the orders are placed
as fast as the store takes them, erp_sync receives every one, and the ERP's circuit breaker is open. Then the ERP
answers again, and nothing but the breaker's probe finds out. While the backlog drains a new order comes now and then:
it goes after those that are older. Work of another kind that is urgent waits for a slot only: how long is asked for.

Slots are busy by the ERP's journal, from the first order that arrives to the last of the backlog. BENCH_ORDERS shortens
it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from erp_sync.components.installation import Installation
from erp_sync.demo import day as demo
from erp_sync.demo import playing
from erp_sync.model.keys import Entity
from erp_sync.sandbox import shoppers, supervisor
from erp_sync.sandbox.checker.sources import PEOPLE, spread
from erp_sync.sandbox.files import commit_times, reading
from erp_sync_tests.bench.installation import Bench, bench_installation

ERP, STORE = "netsuite_us", "magento_us"
SLOTS = 5
NEW_EVERY_SECONDS = 20.0
NEW_MOST = 10
ASK_EVERY_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 120.0
PATIENCE_SECONDS = 1800.0


def measure() -> dict[str, Any]:
    count = int(os.environ.get("BENCH_ORDERS", "1000"))
    with bench_installation("life") as bench:
        whole = bench.retailer.shopping_day(bench.catalogue, unknown_skus=0, malformed_addresses=0, cancelled=0)
        backlog, later = (whole.resampled(many, seed=4, max_lines=8) for many in (count, NEW_MOST))
        customers = {one.email: one for day in (backlog, later) for one in day.customers}
        demo.seed(bench.settings, bench.catalogue, list(customers.values()))
        bench.start_services()
        supervisor.fault(bench.settings.sandboxes, "netsuite", {"kind": "maintenance", "times": None})
        placed = _place(bench, backlog)
        here = Installation(bench.settings)
        try:
            _until(lambda: here.ledger.received.count_documents(STORE, Entity.SALES_ORDER) >= len(placed))
            _until(lambda: ERP in here.ledger.breakers.open())
            supervisor.clear_faults(bench.settings.sandboxes, "netsuite")
            back = time.time()
            new, slots = _new_orders(bench, here, later, placed)
            settled = playing.wait_until_settled(here, len(placed) + len(new), PATIENCE_SECONDS)
        finally:
            here.close()
        report = bench.report()
        arrived = arrivals(bench.states["netsuite"])
        moments = [arrived[one.order_id] for one in placed if one.order_id in arrived]
        first, last = min(moments), max(moments)
        busy = busy_seconds(bench.states["netsuite"]["journal"], first, last)
    waits = spread(arrived[one.order_id] - one.at for one in new if one.order_id in arrived)
    ranks = displacements([arrived[one.order_id] for one in sorted(placed, key=_order_id) if one.order_id in arrived])
    return {
        "orders_placed": report["orders_placed"],
        "orders_in_erp": report["orders_in_erp"],
        "orders_lost": report["orders_lost"],
        "orders_duplicated": report["orders_duplicated"],
        "order_total_mismatches": report["order_total_mismatches"]["orders"],
        "noticed_s": round(first - back, 1),
        "drain_s": round(last - first, 1),
        "slots_busy_share": round(busy / SLOTS / (last - first), 3),
        "places_out_of_order_p95": spread(ranks)["p95"],
        "places_out_of_order_max": spread(ranks)["max"],
        "new_orders": len(new),
        "new_order_s_p50": waits["p50"],
        "new_order_s_max": waits["max"],
        "urgent_call_waits_s_p95": slots["p95"],
        "urgent_call_waits_s_max": slots["max"],
        "netsuite_calls": report["api_calls"]["netsuite"]["by_endpoint"],
        "refused_calls": report["api_calls"]["netsuite"]["refused"],
        "settled": settled,
        "runs": report["own"]["runs"],
    }


def _place(bench: Bench, day: Any) -> list[Any]:
    magento = bench.states["magento"]
    played = shoppers.play(day, shoppers.fronts(magento, bench.catalogue), seconds=0, threads=16)
    return list(played.orders)


def _order_id(placed: Any) -> int:
    return int(placed.order_id)


def _new_orders(bench: Bench, here: Installation, day: Any, backlog: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """One now and then, until the backlog is in the ERP or no basket is left; and what urgent calls waited."""
    new: list[Any] = []
    waited: list[float] = []
    for basket in day.baskets:
        new += _place(bench, type(day)(day.day, (basket,)))
        for _ in range(round(NEW_EVERY_SECONDS / ASK_EVERY_SECONDS)):
            time.sleep(ASK_EVERY_SECONDS)
            waited.append(_wait_for_slot(here))
        arrived = arrivals(bench.states["netsuite"])
        if all(one.order_id in arrived for one in backlog):
            break
    return new, spread(waited)


def _wait_for_slot(here: Installation) -> float:
    """Seconds until an urgent call might have left. It is not made: the slot goes back at once."""
    began = time.monotonic()
    here.ledger.limits.release(here.ledger.limits.acquire(ERP, "now", began + LONGEST_WAIT_SECONDS))
    return time.monotonic() - began


def arrivals(netsuite: dict[str, Any]) -> dict[int, float]:
    """When orders were committed in the ERP, by their id in the store."""
    created = commit_times(netsuite["journal"], "salesOrder")
    with reading(netsuite["database"]) as database:
        rows = database.execute(
            'SELECT id, externalid FROM "transaction" WHERE externalid LIKE ?', [f"{STORE}_%"]
        ).fetchall()
    found: dict[int, float] = {}
    for row in rows:
        moments = [moment for key in (row["externalid"], str(row["id"])) for moment in created.get(key, ())]
        number = row["externalid"].removeprefix(f"{STORE}_")
        if moments and number.isdigit():
            found[int(number)] = min(moments)
    return found


def busy_seconds(journal: str, begin: float, end: float) -> float:
    """Seconds in which slots were held by calls between the two moments, those of people left out."""
    marks = ", ".join("?" * len(PEOPLE))
    with reading(journal) as database:
        calls = database.execute(
            f"SELECT arrived_at + duration AS ended, service FROM calls WHERE service > 0 AND agent NOT IN ({marks})",
            list(PEOPLE),
        ).fetchall()
    return held_between([(call["ended"] - call["service"], call["ended"]) for call in calls], begin, end)


def held_between(intervals: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """The sum of the intervals' parts that lie between the two moments."""
    return sum(max(0.0, min(ended, end) - max(began, begin)) for began, ended in intervals)


def displacements(moments: Sequence[float]) -> list[int]:
    """By how many places each is away from where it would be if all had arrived in this order."""
    ranks = sorted(range(len(moments)), key=lambda index: moments[index])
    return [abs(place - index) for place, index in enumerate(ranks)]


def _until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it in {seconds:.0f} s")
        time.sleep(0.5)
