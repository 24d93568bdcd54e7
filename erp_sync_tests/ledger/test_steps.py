"""Outcomes of steps that are written once more: a commit may have gone through that the server did not answer."""

from collections.abc import Callable

import pytest

from erp_sync.ledger import Claim, Ledger, StepState
from erp_sync_tests.ledger.world import accept, claim, document, step

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
