"""What a target has taken may need one more write of ours, or be cancelled at its source: the ledger knows first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from erp_sync.ledger import Ledger, State, StepState
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import (
    APPROVAL_REJECTED,
    NOT_TAKEN_BACK,
    TAKEN_BACK,
    Absent,
    Accepted,
    Applied,
    Finding,
    Found,
    NotSent,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync_tests.flows.world import SETTLE, Clock, Killed, Order, System, accept, drain

KEY = "order 10045"
ASK = 300.0


class Desk(System):
    """Takes an order as a draft, which a person approves and we then add. Of class C, as SAP Business One is.

    Attributes:
        draft: "", or what becomes of it: waiting, approved, added, rejected, gone.
        answers: instead of what an added or removed draft would be answered.
    """

    take_back_operation = "order.take_back"

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        super().__init__(Guarantee.SEARCHABLE, clock=clock)
        more = tuple(
            Operation(name=name, guarantee=Guarantee.SEARCHABLE, settle_seconds=SETTLE)
            for name in ("order.add", "order.take_back")
        )
        operations = (*self.capabilities.operations, *more)
        self.capabilities = msgspec.structs.replace(self.capabilities, operations=operations)
        self.ledger, self.draft = ledger, ""
        self.answers: list[Any] = []
        self.seen: list[tuple[str, StepState]] = []
        self.handles: list[str] = []
        self.on("sales_order", lambda system, request: self._drafted())

    def _drafted(self) -> Outcome:
        self.draft = "waiting"
        return Accepted(handle="made 1")

    def settle(self, handles: Any) -> list[Outcome]:
        self.handles += handles
        if self.draft == "rejected":
            return [Refused(code=APPROVAL_REJECTED, message="a person said no")]
        if self.draft == "added":
            return [Applied(receipt=Receipt(target_id="order 1"))]
        operation = "order.add" if self.draft == "approved" else ""
        return [Accepted(handle="draft 1", ask_after_seconds=ASK, next_operation=operation)]

    def _find(self, key: str) -> Finding:
        if self.has(key):
            return Found(receipt=Receipt(target_id="order 1"))
        return Accepted(handle="draft 1") if self.draft in ("waiting", "approved", "rejected") else Absent()

    def proceed(self, request: StepRequest, handle: str) -> Outcome:
        self._note("added", request)
        answer = self.answers.pop(0) if self.answers else "done"
        if answer == "dies before":
            raise Killed
        if isinstance(answer, NotSent):
            return answer
        assert self.draft == "approved"
        self.draft = "added"
        receipt = self.commit(request.step.key)
        if answer == "dies after":
            raise Killed
        return Applied(receipt=receipt)

    def take_back(self, request: StepRequest, handle: str) -> Outcome:
        self._note("taken back", request)
        answer = self.answers.pop(0) if self.answers else None
        if self.draft == "added":
            return Applied(receipt=Receipt(target_id="order 1"))
        if answer is not None and not isinstance(answer, Unknown):
            return answer
        self.draft = "gone"
        return answer or Refused(code=TAKEN_BACK, message="draft 1 was removed")

    def _note(self, what: str, request: StepRequest) -> None:
        (row,) = self.ledger.steps.of(int(request.delivery))
        self.seen.append((what, row.state))


@pytest.fixture
def desk(ledger: Ledger, clock: Clock) -> Desk:
    return Desk(ledger, clock)


def taken(ledger: Ledger, desk: Desk, clock: Clock) -> int:
    """An order that waits at the target."""
    (delivery,) = accept(ledger, Order(number="10045"))
    drain(ledger, desk, clock)
    clock.advance(ASK)
    drain(ledger, desk, clock)
    return delivery


def later(ledger: Ledger, desk: Desk, clock: Clock, seconds: float = ASK) -> None:
    clock.advance(seconds)
    drain(ledger, desk, clock)


def states(ledger: Ledger, *deliveries: int) -> list[State]:
    return [ledger.deliveries.get(one).state for one in deliveries]


# One more write -------------------------------------------------------------------------------


def test_one_more_write_is_in_the_ledger_before_it_leaves(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    desk.draft = "approved"
    later(ledger, desk, clock)
    assert desk.seen == [("added", StepState.SENDING)]
    assert states(ledger, delivery) == [State.DELIVERED]
    assert desk.has(KEY) == 1


def test_a_process_that_dies_after_one_more_write_does_not_make_it_again(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    desk.draft, desk.answers = "approved", ["dies after"]
    with pytest.raises(Killed):
        later(ledger, desk, clock)
    later(ledger, desk, clock, 31)
    assert [step.state for step in ledger.steps.of(delivery)] == [StepState.UNKNOWN]
    later(ledger, desk, clock, SETTLE)
    assert states(ledger, delivery) == [State.DELIVERED]
    assert (desk.has(KEY), len(desk.seen)) == (1, 1)


def test_one_that_dies_before_it_is_found_to_wait_still_and_goes_once(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    desk.draft, desk.answers = "approved", ["dies before"]
    with pytest.raises(Killed):
        later(ledger, desk, clock)
    later(ledger, desk, clock, 31)
    later(ledger, desk, clock, SETTLE)
    assert [step.state for step in ledger.steps.of(delivery)] == [StepState.ACCEPTED]
    later(ledger, desk, clock)
    assert states(ledger, delivery) == [State.DELIVERED]
    assert desk.has(KEY) == 1


def test_one_that_certainly_did_not_arrive_is_looked_for_and_sent(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    desk.draft, desk.answers = "approved", [NotSent(why="no connection")]
    later(ledger, desk, clock)
    later(ledger, desk, clock, 60)
    later(ledger, desk, clock, 60)
    assert states(ledger, delivery) == [State.DELIVERED]
    assert desk.has(KEY) == 1


def test_a_handle_that_has_changed_is_the_one_that_is_asked_for(ledger: Ledger, clock: Clock, desk: Desk):
    taken(ledger, desk, clock)
    later(ledger, desk, clock)
    assert desk.handles == ["made 1", "draft 1"]


# Cancelled while it waits ---------------------------------------------------------------------


def cancelled(ledger: Ledger) -> int:
    (cancellation,) = accept(ledger, Order(number="10045", version="2"), operation="cancel")
    return cancellation


def test_what_is_cancelled_while_it_waits_is_taken_back_at_once(ledger: Ledger, clock: Clock, desk: Desk):
    """It would be asked about in five minutes only."""
    delivery = taken(ledger, desk, clock)
    cancellation = cancelled(ledger)
    drain(ledger, desk, clock)
    assert desk.seen == [("taken back", StepState.SENDING)]
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]
    later(ledger, desk, clock, 86_400)
    assert (desk.draft, desk.has(KEY), desk.sent) == ("gone", 0, [KEY])


def test_an_approved_one_is_not_added_once_it_was_cancelled(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    desk.draft = "approved"
    cancelled(ledger)
    drain(ledger, desk, clock)
    assert desk.draft == "gone"
    assert states(ledger, delivery) == [State.SUPERSEDED]


def test_what_is_done_in_the_same_moment_is_delivered_and_then_cancelled(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    cancellation = cancelled(ledger)
    desk.draft = "added"
    drain(ledger, desk, clock)
    assert states(ledger, delivery, cancellation) == [State.DELIVERED, State.DELIVERED]


def test_a_lost_answer_to_taking_back_never_sends_what_was_cancelled(ledger: Ledger, clock: Clock, desk: Desk):
    """It is not at the target then, and is not sent again for that."""
    delivery = taken(ledger, desk, clock)
    cancellation = cancelled(ledger)
    desk.answers = [Unknown(why="no answer in 60 s")]
    drain(ledger, desk, clock)
    later(ledger, desk, clock, SETTLE)
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]
    assert desk.sent == [KEY]


def test_what_a_person_refuses_while_its_cancellation_waits_is_nobodys_case(ledger: Ledger, clock: Clock, desk: Desk):
    delivery = taken(ledger, desk, clock)
    cancellation = cancelled(ledger)
    desk.draft = "rejected"
    drain(ledger, desk, clock)
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]


def test_what_cannot_be_taken_back_is_a_case_and_is_not_sent_when_it_is_retried(
    ledger: Ledger, clock: Clock, desk: Desk
):
    delivery = taken(ledger, desk, clock)
    cancellation = cancelled(ledger)
    desk.answers = [Refused(code=NOT_TAKEN_BACK, message="draft 1 cannot be removed: reject it")]
    drain(ledger, desk, clock)
    assert states(ledger, delivery, cancellation) == [State.DEAD, State.WAITING]
    desk.draft = "gone"  # a person has removed it
    ledger.dead_letters.retry([delivery], who="noether", why="removed by hand")
    later(ledger, desk, clock, 1)
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]
    assert desk.sent == [KEY]


def test_an_order_that_is_not_found_after_a_lost_answer_and_was_cancelled_is_not_sent_again(
    ledger: Ledger, clock: Clock, desk: Desk
):
    desk.script.clear()
    desk.on("sales_order", lambda system, request: Unknown(why="no answer in 60 s"))
    (delivery,) = accept(ledger, Order(number="10045"))
    drain(ledger, desk, clock)
    cancellation = cancelled(ledger)
    later(ledger, desk, clock, SETTLE)
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]
    assert desk.sent == [KEY]


def test_what_a_person_rejected_is_taken_back_once_it_is_cancelled(ledger: Ledger, clock: Clock, desk: Desk):
    """They might still approve it."""
    delivery = taken(ledger, desk, clock)
    desk.draft = "rejected"
    later(ledger, desk, clock)
    assert states(ledger, delivery) == [State.DEAD]
    cancellation = cancelled(ledger)
    assert states(ledger, delivery, cancellation) == [State.DUE, State.WAITING]
    drain(ledger, desk, clock)
    later(ledger, desk, clock, 1)
    assert desk.draft == "gone"
    assert states(ledger, delivery, cancellation) == [State.SUPERSEDED, State.SUPERSEDED]
