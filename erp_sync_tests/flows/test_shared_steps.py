"""Orders of one new customer share a step: what is known of one order's send counts for the other's.

The second order comes to the step when the first one's send has had no answer, and its settle time is over.
"""

from __future__ import annotations

import pytest

from erp_sync.ledger import Ledger, State
from erp_sync.ports.capabilities import Guarantee
from erp_sync_tests.flows.world import (
    SETTLE,
    Clock,
    Order,
    System,
    accept,
    commit_late,
    drain,
    lose_answer,
    lose_request,
)

UNSURE = (Guarantee.SEARCHABLE, Guarantee.NONE)


def two_orders_of(ledger: Ledger, erp: System, clock: Clock) -> tuple[int, int]:
    """The first one's customer was sent and nobody answered; the second is claimed before it, a settle time later."""
    (first,) = accept(ledger, Order(number="1", customer="ann"))
    drain(ledger, erp, clock, senders=1)
    clock.advance(1)
    (second,) = accept(ledger, Order(number="2", customer="ann"))
    clock.advance(SETTLE)
    return first, second


def settle(ledger: Ledger, erp: System, clock: Clock, *orders: int) -> list[State]:
    for _ in range(5):
        drain(ledger, erp, clock, senders=1)
        clock.advance(2)
    return [ledger.deliveries.get(one).state for one in orders]


@pytest.mark.parametrize("lost", [lose_request, lose_answer, commit_late(SETTLE - 1)])
def test_the_other_order_looks_first_whether_the_customer_is_there(ledger: Ledger, clock: Clock, lost):
    erp = System(Guarantee.SEARCHABLE, clock=clock)
    erp.on("customer", lost)
    orders = two_orders_of(ledger, erp, clock)
    assert settle(ledger, erp, clock, *orders) == [State.DELIVERED, State.DELIVERED]
    assert erp.has("customer ann") == 1
    assert (erp.has("order 1"), erp.has("order 2")) == (1, 1)


def test_what_was_not_found_once_is_not_looked_for_again(ledger: Ledger, clock: Clock):
    erp = System(Guarantee.SEARCHABLE, clock=clock)
    erp.on("customer", lose_request, lose_answer)
    orders = two_orders_of(ledger, erp, clock)
    drain(ledger, erp, clock, senders=1)
    assert erp.sent == ["customer ann", "customer ann"], "found absent, and sent by the other order"
    clock.advance(SETTLE)
    assert settle(ledger, erp, clock, *orders) == [State.DELIVERED, State.DELIVERED]
    assert erp.has("customer ann") == 1


@pytest.mark.parametrize("lost", [lose_request, lose_answer])
def test_where_nobody_can_look_a_person_is_asked_about_the_other_order_too(ledger: Ledger, clock: Clock, lost):
    erp = System(Guarantee.NONE, clock=clock)
    erp.on("customer", lost)
    orders = two_orders_of(ledger, erp, clock)
    assert settle(ledger, erp, clock, *orders) == [State.DEAD, State.DEAD]
    assert erp.sent == ["customer ann"]


def test_a_person_who_looked_is_believed_for_the_order_that_was_asked_about(ledger: Ledger, clock: Clock):
    erp = System(Guarantee.NONE, clock=clock)
    erp.on("customer", lose_request)
    first, second = two_orders_of(ledger, erp, clock)
    settle(ledger, erp, clock)
    ledger.dead_letters.retry([second], who="ann", why="not there")
    assert settle(ledger, erp, clock, first, second) == [State.DEAD, State.DELIVERED]
    ledger.dead_letters.retry([first], who="ann", why="not there")
    assert settle(ledger, erp, clock, first, second) == [State.DELIVERED, State.DELIVERED]
    assert erp.has("customer ann") == 1


@pytest.mark.parametrize("guarantee", [one for one in Guarantee if one not in UNSURE])
def test_where_a_second_is_refused_the_other_order_goes_at_once(ledger: Ledger, clock: Clock, guarantee: Guarantee):
    erp = System(guarantee, clock=clock)
    erp.on("customer", lose_answer)
    (first,) = accept(ledger, Order(number="1", customer="ann"))
    drain(ledger, erp, clock, senders=1)
    (second,) = accept(ledger, Order(number="2", customer="ann"))
    assert settle(ledger, erp, clock, first, second) == [State.DELIVERED, State.DELIVERED]
    assert erp.has("customer ann") == 1


def test_a_step_that_another_orders_send_made_unsure_may_still_be_left_out(ledger: Ledger, clock: Clock):
    """It was never sent for this order: an order that is corrected meanwhile to another customer goes."""
    erp = System(Guarantee.NONE, clock=clock)
    erp.on("customer", lose_answer)
    _, second = two_orders_of(ledger, erp, clock)
    settle(ledger, erp, clock)
    corrected = b'{"number":"2","customer":"bob"}'
    ledger.dead_letters.edit(second, corrected, who="ann", why="it was Bob", go=True)
    assert settle(ledger, erp, clock, second) == [State.DELIVERED]
    assert (erp.has("customer ann"), erp.has("customer bob")) == (1, 1)
