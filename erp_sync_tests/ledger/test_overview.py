from __future__ import annotations

from erp_sync.ledger import Ledger
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
