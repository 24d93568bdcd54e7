"""Outcomes of steps that are written once more: a commit may have gone through that the server did not answer."""

from collections.abc import Callable

import pytest

from erp_sync.ledger import Claim, KeyBusy, Ledger, StepState
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import FLOW, ROUTE, accept, claim, document, step

WHY = "read timeout"

OUTCOMES: dict[str, tuple[Callable[[Ledger, Claim], object], StepState]] = {
    "accepted": (lambda ledger, mine: ledger.steps.accepted(mine, "order", "job 5"), StepState.ACCEPTED),
    "refused": (lambda ledger, mine: ledger.steps.refuse(mine, "order", "closed_period", WHY), StepState.REFUSED),
    "not sent": (lambda ledger, mine: ledger.steps.not_sent(mine, "order", WHY), StepState.PLANNED),
    "unknown": (lambda ledger, mine: ledger.steps.unknown(mine, "order", WHY), StepState.UNKNOWN),
}


def begun(ledger: Ledger) -> Claim:
    accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=600)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order", settle_seconds=90)
    return mine


def told(ledger: Ledger) -> tuple[object, ...]:
    trace = ledger.trace("N1")
    return trace.attempts, trace.events


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_that_is_written_twice_stands_once(ledger: Ledger, clock, outcome):
    write, state = OUTCOMES[outcome]
    mine = begun(ledger)
    first = write(ledger, mine)
    before, rows = told(ledger), ledger.steps.of(mine.id)
    clock.advance(2)
    assert write(ledger, mine) == first
    assert told(ledger) == before
    assert ledger.steps.of(mine.id) == rows
    assert [row.state for row in rows] == [state]


@pytest.mark.parametrize("outcome", ["refused", "not sent", "unknown"])
def test_the_same_outcome_of_the_next_attempt_is_another_one(ledger: Ledger, clock, outcome):
    write, state = OUTCOMES[outcome]
    mine = begun(ledger)
    write(ledger, mine)
    clock.advance(100)
    ledger.steps.begin(mine, "order", settle_seconds=90)
    write(ledger, mine)
    write(ledger, mine)
    trace = ledger.trace("N1")
    assert [one.attempt for one in trace.attempts] == [1, 2]
    assert len([event for event in trace.events if event.kind == outcome.replace(" ", "_")]) == 2
    assert [row.state for row in ledger.steps.of(mine.id)] == [state]


def test_a_send_that_did_not_leave_after_one_that_may_have_is_as_unknown_however_often_it_is_written(
    ledger: Ledger, clock
):
    mine = begun(ledger)
    ledger.steps.unknown(mine, "order", WHY)
    clock.advance(100)
    ledger.steps.begin(mine, "order")
    ledger.steps.not_sent(mine, "order", "no connection")
    before = told(ledger)
    clock.advance(1)
    ledger.steps.not_sent(mine, "order", "no connection")
    assert told(ledger) == before
    assert [row.state for row in ledger.steps.of(mine.id)] == [StepState.UNKNOWN]


def test_another_handle_of_what_the_target_took_is_kept(ledger: Ledger):
    mine = begun(ledger)
    ledger.steps.accepted(mine, "order", "job 5")
    ledger.steps.accepted(mine, "order", "job 6")
    assert [row.handle for row in ledger.steps.of(mine.id)] == ["job 6"]


# Steps that deliveries share: what is known of one's send counts for the other's -----------------------------------


def unanswered(ledger: Ledger, clock, native_id: str = "1") -> Claim:
    """The customer was sent for this order, nobody answered, and the settle time is over."""
    accept(ledger, document(native_id))
    (mine,) = claim(ledger, lease_seconds=600)
    ledger.steps.plan(mine, [step("customer", "ann")])
    ledger.steps.begin(mine, "customer", settle_seconds=90)
    ledger.steps.unknown(mine, "customer", WHY)
    clock.advance(90)
    return mine


def another(ledger: Ledger, native_id: str, *planned: Step) -> Claim:
    accept(ledger, document(native_id))
    (mine,) = claim(ledger, lease_seconds=600)
    ledger.steps.plan(mine, planned)
    return mine


def test_what_anothers_send_may_have_done_is_looked_for_also_after_the_key_was_held_by_something_else(ledger, clock):
    unanswered(ledger, clock)
    edit = another(ledger, "2", step("edit", "ann's phone", concerns="ann"))
    ledger.steps.begin(edit, "edit", settle_seconds=90)
    ledger.steps.confirm(edit, "edit", Receipt(target_id="7"))
    mine = another(ledger, "3", step("customer", "ann"))
    with pytest.raises(KeyBusy, match="looked for first"):
        ledger.steps.begin(mine, "customer", settle_seconds=90)
    assert [row.state for row in ledger.steps.of(mine.id)] == [StepState.UNKNOWN]
    ledger.steps.absent(mine, "customer")
    assert ledger.steps.begin(mine, "customer", settle_seconds=90) == 1


def test_where_sending_again_is_safe_nothing_is_looked_for(ledger, clock):
    unanswered(ledger, clock)
    mine = another(ledger, "2", step("customer", "ann"))
    assert ledger.steps.begin(mine, "customer", again=True) == 1


def test_a_look_for_another_key_does_not_count(ledger, clock):
    unanswered(ledger, clock)
    mine = another(ledger, "2", step("customer", "bob"))
    ledger.steps.begin(mine, "customer", settle_seconds=0)
    ledger.steps.unknown(mine, "customer", WHY)
    ledger.steps.absent(mine, "customer")
    ledger.steps.plan(mine, [step("customer", "ann")])
    with pytest.raises(KeyBusy, match="looked for first"):
        ledger.steps.begin(mine, "customer", settle_seconds=90)


def test_the_same_key_at_another_target_is_something_else(ledger, clock):
    unanswered(ledger, clock)
    accept(ledger, document("2", target="netsuite_eu"))
    (mine,) = ledger.deliveries.claim(ROUTE, FLOW, "netsuite_eu", limit=1, owner="run-2:1", lease_seconds=600)
    ledger.steps.plan(mine, [step("customer", "ann")])
    assert ledger.steps.begin(mine, "customer", settle_seconds=90) == 1
