from __future__ import annotations

from datetime import timedelta

from erp_sync.ledger import Ledger
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync.ledger.rows import PutBack
from erp_sync_tests.ledger.world import FLOW, ROUTE, START, Clock, accept, claim, deliver, document


def test_a_flow_tells_what_is_due_later_dead_and_done(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, document("1"), document("2"), document("3"))
    one, two = claim(ledger, limit=2)
    deliver(ledger, one)
    ledger.deliveries.dead(two, "code", "reason")
    done_at = clock()
    clock.advance(60)
    counts = ledger.overview.flows([(ROUTE, FLOW), (ROUTE, "prices")])
    orders = counts[ROUTE, FLOW]
    assert orders.deliveries == {"due": 1, "dead": 1}
    assert (orders.oldest_due, orders.last_loaded) == (START, done_at)
    assert counts[ROUTE, "prices"].deliveries == {}


def test_rows_that_the_target_lacks_something_for_wait_and_are_not_on_their_way(ledger: Ledger, clock: Clock) -> None:
    rows = [PlanRow(key=f"base/0/{sku}", before=None, after="1", source_order=1) for sku in ("A", "B", "C")]
    with ledger.handling(ROUTE, "prices", "run-0") as work:
        work.add_plan(NewPlan(entity="price", target="magento_us", rows=rows))
    mine = ledger.plans.claim(ROUTE, "prices", "magento_us", owner="run-1:1", limit=2)
    later = clock() + timedelta(hours=1)
    put_back = [
        PutBack(rows=tuple(mine.rows[:1]), why="waits for product A", due_at=later, code="missing_product:A"),
        PutBack(rows=tuple(mine.rows[1:]), why="throttled", due_at=later, code="throttled"),
    ]
    ledger.plans.put_back(mine, put_back)
    counts = ledger.overview.flows([(ROUTE, "prices")])[ROUTE, "prices"]
    assert (counts.rows_waiting, counts.rows_due) == (1, 2)
