"""The process is killed at any point of a delivery; another one goes on. The target has everything once.

Nothing is cleaned up by the one that dies: its claims, leases and steps stay in the ledger as they were.
"""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.ledger import Ledger, State
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.outcomes import Applied, Refused
from erp_sync_tests.flows.world import (
    SETTLE,
    Clock,
    Killed,
    Order,
    Polled,
    System,
    accept,
    commit_late,
    die_after,
    die_before,
    drain,
)

LEASE = 30.0
# Where the process dies: the ledger's operations that a delivery passes, in its order.
POINTS = ("deliveries.claim", "steps.plan", "steps.begin", "steps.confirm", "deliveries.complete_all")
SURE = (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)


def dying(ledger: Ledger, point: str, when: str, nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `nth` time that the ledger's operation is called, the process dies before or after it."""
    part, name = point.split(".")
    owner = getattr(ledger, part)
    real, calls = getattr(owner, name), [0]

    def killing(*args: Any, **values: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth and when == "before":
            raise Killed
        result = real(*args, **values)
        if calls[0] == nth:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, killing)


def die(ledger: Ledger, target: Any, clock: Clock) -> None:
    with pytest.raises(Killed):
        drain(ledger, target, clock, owner="run-1:1", senders=1, lease_seconds=LEASE)


def go_on(ledger: Ledger, target: Any, clock: Clock) -> None:
    """Other processes take over when the lease has ended, and again when everything has settled."""
    for run, seconds in enumerate((LEASE, 3, SETTLE, 3)):
        clock.advance(seconds)
        drain(ledger, target, clock, owner=f"run-{run + 2}:1", senders=1, lease_seconds=LEASE)


@pytest.mark.parametrize("guarantee", [*SURE, Guarantee.SEARCHABLE])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_everything_is_delivered_once(ledger, clock, monkeypatch, point, when, guarantee):
    erp = System(guarantee, clock=clock)
    ids = accept(ledger, Order(number="1", customer="ann", payments=1), Order(number="2", customer="ann"))
    with monkeypatch.context() as patched:
        dying(ledger, point, when, 1, patched)
        die(ledger, erp, clock)
    go_on(ledger, erp, clock)
    assert sorted(erp.committed) == ["customer ann", "deposit 1/1", "order 1", "order 2"]
    assert {ledger.deliveries.get(one).state for one in ids} == {State.DELIVERED}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ["steps.begin", "steps.confirm"])
def test_class_d_is_never_written_twice_whatever_the_moment_of_death(ledger, clock, monkeypatch, point, when):
    store = System(Guarantee.NONE, clock=clock)
    (delivery,) = accept(ledger, Order(number="1"))
    with monkeypatch.context() as patched:
        dying(ledger, point, when, 1, patched)
        die(ledger, store, clock)
    go_on(ledger, store, clock)
    found = ledger.deliveries.get(delivery)
    assert store.has("order 1") <= 1
    if (point, when) in {("steps.begin", "after"), ("steps.confirm", "before")}:
        # It may have left: only a person can tell.
        assert (found.state, found.code) == (State.DEAD, "outcome_unknown")
    else:
        assert found.state is State.DELIVERED
        assert store.has("order 1") == 1


@pytest.mark.parametrize("guarantee", [*SURE, Guarantee.SEARCHABLE])
@pytest.mark.parametrize("death", [die_before, die_after])
@pytest.mark.parametrize("step", ["customer", "sales_order", "deposit:1"])
def test_killed_while_sending_a_step_it_is_resumed_at_that_step(ledger, clock, step, death, guarantee):
    erp = System(guarantee, clock=clock)
    erp.on(step, death)
    (delivery,) = accept(ledger, Order(number="1", customer="ann", payments=1))
    die(ledger, erp, clock)
    go_on(ledger, erp, clock)
    assert erp.committed == ["customer ann", "order 1", "deposit 1/1"]
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_a_write_that_commits_long_after_the_death_is_not_repeated(ledger, clock):
    """Class C: 'not found' before the settle time is over proves nothing."""
    store = System(Guarantee.SEARCHABLE, clock=clock)

    def die_with_a_write_under_way(system, request):
        commit_late(SETTLE - 1)(system, request)
        raise Killed

    store.on("sales_order", die_with_a_write_under_way)
    accept(ledger, Order(number="1"))
    die(ledger, store, clock)
    go_on(ledger, store, clock)
    assert store.sent == ["order 1"]
    assert store.has("order 1") == 1


def test_killed_between_accepted_and_settled_the_handle_is_asked_for(ledger, clock, monkeypatch):
    erp = Polled(5.0, guarantee=Guarantee.NONE, clock=clock)
    (delivery,) = accept(ledger, Order(number="1"))
    with monkeypatch.context() as patched:
        dying(ledger, "steps.accepted", "after", 1, patched)
        die(ledger, erp, clock)
    go_on(ledger, erp, clock)
    assert erp.sent == ["order 1"]
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_killed_again_and_again_it_still_arrives_once(ledger, clock):
    erp = System(clock=clock)
    erp.on("sales_order", die_before, die_after, die_before, die_after)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    for _ in range(4):
        die(ledger, erp, clock)
        clock.advance(LEASE)
    go_on(ledger, erp, clock)
    assert (erp.has("order 1"), erp.has("deposit 1/1")) == (1, 1)
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_a_document_that_kills_every_process_is_a_dead_letter_and_no_other_is(ledger, clock):
    """It came back with every lease and killed the run again, and with it whatever else that had in hand."""
    erp = System(clock=clock)
    bad, *others = accept(ledger, Order(number="0"), *[Order(number=str(number)) for number in range(1, 9)])

    def spill(system: Any, request: Any) -> Any:
        if request.step.key == "order 0":
            raise Killed
        return Applied(receipt=system.commit(request.step.key))

    erp.on("sales_order", *[spill] * 40)
    for deaths in range(1, 6):
        die(ledger, erp, clock)
        assert ledger.deliveries.get(bad).state is State.CLAIMED
        clock.advance(LEASE + SETTLE)
        if deaths == 2:  # with nothing else in hand from now on; what was in hand beside it goes
            rescued = [ledger.deliveries.get(one) for one in ledger.deliveries.rescue()]
            assert [(one.id, one.code) for one in rescued] == [(bad, "owner_died"), (others[0], "owner_died")]
    drain(ledger, erp, clock)
    dead = ledger.deliveries.get(bad)
    assert (dead.state, dead.code) == (State.DEAD, "owner_died")
    assert "5 processes in a row ended while they had it in hand, the last one run-1:1, with nothing" in dead.reason
    assert {ledger.deliveries.get(one).state for one in others} == {State.DELIVERED}
    assert {erp.has(f"order {number}") for number in range(1, 9)} == {1}
    # A person who retries it gives it as many tries again.
    ledger.dead_letters.retry([bad], who="ann", why="more memory")
    die(ledger, erp, clock)
    clock.advance(LEASE + SETTLE)
    assert ledger.deliveries.rescue() == [bad]
    assert ledger.deliveries.get(bad).code == ""


def test_deaths_with_progress_between_them_are_not_counted_together(ledger, clock):
    erp = System(clock=clock)
    erp.on("sales_order", die_before, die_after, die_before)
    erp.on("deposit:1", die_before, die_after, die_before)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    for _ in range(6):
        die(ledger, erp, clock)
        clock.advance(LEASE + SETTLE)
    go_on(ledger, erp, clock)
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_who_stopped_for_long_and_wakes_up_writes_nothing(ledger, clock):
    """A process that was frozen beyond its lease finds that another has taken over."""
    erp = System(Guarantee.SEARCHABLE, clock=clock)
    reports = []

    def frozen(system, request):
        clock.advance(LEASE + SETTLE)
        reports.append(drain(ledger, erp, clock, owner="run-2:1", senders=1))
        return Refused(code="too_late", message="the session has ended")

    erp.on("sales_order", frozen)
    (delivery,) = accept(ledger, Order(number="1"))
    mine = drain(ledger, erp, clock, owner="run-1:1", senders=1)
    assert (reports[0].delivered, mine.lost_claims, mine.dead) == (1, 1, 0)
    assert ledger.deliveries.get(delivery).state is State.DELIVERED
    assert erp.has("order 1") == 1
