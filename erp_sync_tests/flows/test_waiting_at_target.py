"""What a target has taken and not done waits there for a person perhaps, for days."""

from __future__ import annotations

from erp_sync.ledger import Ledger, State, StepState
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.outcomes import Accepted, Unknown
from erp_sync_tests.flows.world import SETTLE, Clock, Order, Polled, accept, drain

WAITING = Accepted(handle="job 1", ask_after_seconds=900)


def test_it_is_asked_about_as_seldom_as_the_target_says(ledger: Ledger, clock: Clock):
    """Every question costs a run."""
    erp = Polled(seconds=3600, clock=clock)
    erp.on("sales_order", lambda system, request: system.take(request) and WAITING)
    (delivery,) = accept(ledger, Order(number="10045"))
    for polls in (0, 1):
        erp.answers["job 1"] = WAITING
        drain(ledger, erp, clock)
        assert erp.polls == polls
        clock.advance(899)
        drain(ledger, erp, clock)
        assert erp.polls == polls
        clock.advance(1)
    clock.advance(1800)
    erp.answers.clear()
    drain(ledger, erp, clock)
    assert erp.has("order 10045") == 1
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_found_waiting_after_a_lost_answer_it_is_neither_sent_again_nor_taken_for_done(ledger: Ledger, clock: Clock):
    """A draft stands for the order."""
    erp = Polled(seconds=3600, guarantee=Guarantee.SEARCHABLE, clock=clock)
    erp.on("sales_order", lambda system, request: system.take(request) and Unknown(why="no answer in 60 s"))
    erp._find = lambda key: WAITING  # type: ignore[method-assign]
    (delivery,) = accept(ledger, Order(number="10045"))
    drain(ledger, erp, clock)
    clock.advance(SETTLE)
    drain(ledger, erp, clock)
    assert [step.state for step in ledger.steps.of(delivery)] == [StepState.ACCEPTED]
    assert ledger.deliveries.get(delivery).state is not State.DELIVERED
    clock.advance(3600)
    drain(ledger, erp, clock)
    assert erp.sent == ["order 10045"]
    assert erp.has("order 10045") == 1
    assert ledger.deliveries.get(delivery).state is State.DELIVERED
