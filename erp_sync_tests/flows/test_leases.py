"""What a drain knows of its leases, between one look at the ledger and the next."""

from __future__ import annotations

import time

from erp_sync.flows import leases
from erp_sync.ledger import Ledger
from erp_sync.ledger.documents import Claim
from erp_sync_tests.flows.world import ERP, FLOW, ROUTE, Clock, Order, accept

LEASE = 30.0


def claim(ledger: Ledger) -> Claim:
    (one,) = ledger.deliveries.claim(ROUTE, FLOW, ERP, owner="run-1:1", limit=1, lease_seconds=LEASE)
    return one


def test_a_claim_of_the_same_owner_does_not_speak_for_an_earlier_one(ledger: Ledger, clock: Clock):
    held = leases.of_deliveries(ledger.deliveries, LEASE, "heartbeat")
    accept(ledger, Order(number="1", customer="ann"))
    asleep = claim(ledger)
    held.hold([asleep], time.monotonic() - LEASE)
    # The process stood still for longer than the lease; its main thread wakes first and takes over from itself.
    clock.advance(LEASE)
    again = claim(ledger)
    held.hold([again], time.monotonic())
    assert (again.id, again.owner) == (asleep.id, asleep.owner)
    assert held.holds(again)
    assert not held.holds(asleep)


def test_the_end_of_an_earlier_claim_lets_the_later_one_go_on(ledger: Ledger, clock: Clock):
    held = leases.of_deliveries(ledger.deliveries, LEASE, "heartbeat")
    accept(ledger, Order(number="1", customer="ann"))
    asleep = claim(ledger)
    held.hold([asleep], time.monotonic() - LEASE)
    clock.advance(LEASE)
    again = claim(ledger)
    held.hold([again], time.monotonic())
    # The ledger renews the later one alone.
    held._renew([asleep, again])
    assert (held.holds(asleep), held.holds(again)) == (False, True)
    held.let_go(asleep)
    assert held.keeps(again)
    assert held.holds(again)
