"""What a drain does with every outcome that a target can give."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ALL_COMPLETED
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from erp_sync.flows import writing_again
from erp_sync.flows.delivery import drain as delivery_drain
from erp_sync.flows.delivery.endings import LONGEST_NOT_SENT, MOST_ATTEMPTS
from erp_sync.ledger import KnownRow, Ledger, Link, State, StepState
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.errors import LeaseLost, LedgerBusy, WrongState
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.documents import Requirement, StepRequest
from erp_sync.ports.leaving import may_leave
from erp_sync.ports.outcomes import Again, CallFailed, Finding, NotSent, Outcome, Receipt, Refused, Untraceable
from erp_sync_tests.flows.world import (
    ERP,
    FLOW,
    ROUTE,
    SETTLE,
    START,
    STORE,
    Behaviour,
    Clock,
    Killed,
    Order,
    Polled,
    System,
    accept,
    answer,
    apply,
    break_down,
    commit_late,
    die_before,
    drain,
    lose_answer,
    lose_request,
    not_sent,
)

SURE = (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)


def state_of(ledger: Ledger, delivery_id: int) -> tuple[State, str]:
    delivery = ledger.deliveries.get(delivery_id)
    return delivery.state, delivery.code


# Documents that simply go -----------------------------------------------------------------------------------


def test_an_order_goes_with_its_customer_and_its_deposits_in_order(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    (delivery,) = accept(ledger, Order(number="1", customer="ann", payments=2))
    report = drain(ledger, erp, clock)
    assert erp.committed == ["customer ann", "order 1", "deposit 1/1", "deposit 1/2"]
    assert (report.delivered, report.delivered_keys, report.calls) == (1, ["1"], 4)
    assert state_of(ledger, delivery) == (State.DELIVERED, "")


class Together(System):
    """Takes an order with its deposits in one write, except the deposits in `apart`."""

    apart: tuple[str, ...] = ()

    def implied(self, request: StepRequest) -> Receipt | None:
        order = request.receipts.get("sales_order")
        if order is None or request.step.operation != "deposit.create" or request.step.name in self.apart:
            return None
        return Receipt(target_id=order.target_id, existed=True)


def test_what_a_write_has_done_along_with_it_is_not_sent_and_stands_confirmed(ledger: Ledger, clock: Clock):
    erp = Together(clock=clock)
    erp.apart = ("deposit:2",)
    (delivery,) = accept(ledger, Order(number="1", payments=3))
    report = drain(ledger, erp, clock)
    assert erp.sent == ["order 1", "deposit 1/2"]
    assert (report.delivered, report.calls) == (1, 2)
    steps = {step.name: (step.state, step.attempts) for step in ledger.steps.of(delivery)}
    assert steps == {
        "sales_order": (StepState.CONFIRMED, 1),
        "deposit:1": (StepState.CONFIRMED, 0),
        "deposit:2": (StepState.CONFIRMED, 1),
        "deposit:3": (StepState.CONFIRMED, 0),
    }
    assert ledger.steps.receipt(ERP, "deposit 1/3") == Receipt(target_id="id of order 1", existed=True)


def test_a_drain_takes_everything_that_is_due_and_then_nothing(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    accept(ledger, *[Order(number=str(number)) for number in range(25)])
    assert drain(ledger, erp, clock).delivered == 25
    assert drain(ledger, erp, clock).delivered == 0
    assert sorted(erp.committed) == sorted(f"order {number}" for number in range(25))


def test_what_documents_need_is_looked_up_for_many_at_once(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.skus = {"A", "B", "C"}
    accept(ledger, *[Order(number=str(number), skus=("A", "BC"[number % 2])) for number in range(4)])
    drain(ledger, erp, clock)
    assert erp.resolved == [[Requirement("product", "A"), Requirement("product", "B"), Requirement("product", "C")]]


def test_no_more_sends_at_once_than_there_are_senders(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    accept(ledger, *[Order(number=str(number)) for number in range(12)])
    drain(ledger, erp, clock, senders=3)
    assert 1 <= erp.most_at_once <= 3


def test_senders_go_on_while_the_next_documents_are_looked_up(ledger: Ledger, clock: Clock):
    """The target's slots stood idle meanwhile: what was prepared waited for the thread that looks up."""
    erp = System(clock=clock)
    erp.skus = {"A", "B"}
    sent = threading.Event()

    def told(system: System, request: StepRequest) -> Outcome:
        outcome = apply(system, request)
        if sum(key.startswith("order") for key in system.committed) == 4:
            sent.set()
        return outcome

    def look_up(requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        if Requirement("product", "B") in requirements:
            assert sent.wait(10), "documents that were ready waited"
        return System.resolve(erp, requirements)

    erp.on("sales_order", *[told] * 8)
    erp.resolve = look_up  # type: ignore[method-assign]
    accept(ledger, *[Order(number=str(number), skus=("A" if number < 4 else "B",)) for number in range(8)])
    assert drain(ledger, erp, clock, senders=2).delivered == 8


def test_what_no_sender_has_begun_is_not_begun_once_the_ledger_fails(ledger: Ledger, clock: Clock, monkeypatch):
    erp = System(clock=clock)
    failed, begun = threading.Event(), threading.Semaphore(0)
    claim, shutdown = ledger.deliveries.claim, delivery_drain.ThreadPoolExecutor.shutdown
    claims: list[int] = []

    def full(*names: str, **options: Any) -> list[Claim]:
        claims.append(options["limit"])
        if len(claims) > 1:
            assert all(begun.acquire(timeout=60) for _ in range(2)), "both senders have something in hand"
            raise sa.exc.ProgrammingError("SELECT", {}, Exception("no such column"))
        return claim(*names, **options)

    def slow(system: System, request: StepRequest) -> Outcome:
        begun.release()
        assert failed.wait(60)
        return apply(system, request)

    def closed(pool: Any, **options: Any) -> None:
        if options.get("cancel_futures"):
            shutdown(pool, **options)
            failed.set()
        else:
            shutdown(pool, **options)

    monkeypatch.setattr(ledger.deliveries, "claim", full)
    monkeypatch.setattr(delivery_drain.ThreadPoolExecutor, "shutdown", closed)
    erp.on("sales_order", apply, slow, slow)
    accept(ledger, *[Order(number=str(number)) for number in range(4)])
    with pytest.raises(sa.exc.ProgrammingError):
        drain(ledger, erp, clock, senders=2)
    assert claims == [4, 3]
    assert len(erp.committed) == 3


def test_a_spent_budget_begins_nothing_new_and_leaves_the_rest_to_the_next_run(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    accept(ledger, *[Order(number=str(number)) for number in range(5)])
    assert drain(ledger, erp, clock, budget_seconds=0.0).delivered == 0
    assert erp.committed == []
    assert drain(ledger, erp, clock).delivered == 5


def test_the_order_is_cross_referenced_and_the_stock_it_moves_becomes_unknown(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.skus = {"A"}
    ledger.known.read(ERP, "stock_level", [KnownRow(key="A", value="5")], START)
    accept(ledger, Order(number="1", skus=("A",)))
    drain(ledger, erp, clock)
    assert ledger.cross_references.find("sales_order", STORE, ["1"], ERP) == {"1": "id of order 1"}
    assert [row.key for row in ledger.known.unsure(ERP, "stock_level")] == ["A"]


# Unknown outcomes, by guarantee class ---------------------------------------------------------------------


@pytest.mark.parametrize("guarantee", SURE)
@pytest.mark.parametrize("lost", [lose_request, lose_answer, commit_late(1.0)])
def test_a_lost_answer_does_not_create_the_order_twice(ledger: Ledger, clock: Clock, guarantee, lost):
    erp = System(guarantee, clock=clock)
    erp.on("sales_order", lost)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    assert drain(ledger, erp, clock).reasons == {"outcome_unknown": 1}
    clock.advance(5)
    assert drain(ledger, erp, clock).delivered == 1
    assert (erp.has("order 1"), erp.has("deposit 1/1")) == (1, 1)
    assert state_of(ledger, delivery) == (State.DELIVERED, "")


@pytest.mark.parametrize("lost", [lose_request, lose_answer, commit_late(SETTLE - 1)])
def test_class_c_waits_the_settle_time_searches_and_then_sends_once(ledger: Ledger, clock: Clock, lost):
    store = System(Guarantee.SEARCHABLE, clock=clock)
    store.on("sales_order", lost)
    accept(ledger, Order(number="1"))
    drain(ledger, store, clock)
    clock.advance(SETTLE - 2)
    assert drain(ledger, store, clock).calls == 0
    assert store.sent == ["order 1"]
    clock.advance(2)
    assert drain(ledger, store, clock).delivered == 1
    assert store.has("order 1") == 1


def test_settling_counts_from_when_the_request_can_have_left_not_from_the_decision_to_send(
    ledger: Ledger, clock: Clock
):
    """What is read and waited for before the request leaves may take as long as it settles."""
    store = System(Guarantee.SEARCHABLE, clock=clock)

    def leave_late(system, request):
        clock.advance(SETTLE - 5)
        outcome = commit_late(SETTLE - 1)(system, request)
        clock.advance(10)  # until the client gives up
        return outcome

    store.on("sales_order", leave_late)
    accept(ledger, Order(number="1"))
    drain(ledger, store, clock, lease_seconds=300.0)
    delivered = []
    for _ in range(4):
        delivered.append(drain(ledger, store, clock).delivered)
        clock.advance(SETTLE / 2)
    assert sum(delivered) == 1
    assert store.sent == ["order 1"]
    assert store.has("order 1") == 1


def test_class_c_found_twice_is_a_case_for_a_person(ledger: Ledger, clock: Clock):
    store = System(Guarantee.SEARCHABLE, clock=clock)
    store.on("sales_order", lose_answer)
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, store, clock)
    store.commit("order 1")
    clock.advance(SETTLE)
    drain(ledger, store, clock)
    assert state_of(ledger, delivery) == (State.DEAD, "ambiguous")
    assert "order 1 no. 2" in ledger.deliveries.get(delivery).reason


@pytest.mark.parametrize("lost", [lose_request, lose_answer])
def test_class_d_is_never_sent_again_by_itself(ledger: Ledger, clock: Clock, lost):
    store = System(Guarantee.NONE, clock=clock)
    store.on("sales_order", lost)
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(3):
        drain(ledger, store, clock)
        clock.advance(SETTLE)
    assert store.sent == ["order 1"]
    assert state_of(ledger, delivery) == (State.DEAD, "outcome_unknown")
    assert "look it up there" in ledger.deliveries.get(delivery).reason


def test_class_d_goes_once_more_when_a_person_says_it_is_not_there(ledger: Ledger, clock: Clock):
    store = System(Guarantee.NONE, clock=clock)
    store.on("sales_order", lose_request)
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, store, clock)
    clock.advance(SETTLE)
    drain(ledger, store, clock)
    ledger.dead_letters.retry([delivery], who="ann", why="not there")
    assert drain(ledger, store, clock).delivered == 1
    assert store.has("order 1") == 1


class Mute(System):
    """What it was asked to send leaves no trace."""

    def _find(self, key: str) -> Finding:
        return Untraceable(why=f"{key} went or not: ask who should have it")


@pytest.mark.parametrize(("lost", "went"), [(lose_request, 0), (lose_answer, 1)])
def test_what_leaves_no_trace_is_a_case_in_the_targets_words_and_goes_again_only_by_a_person(
    ledger: Ledger, clock: Clock, lost, went
):
    store = Mute(Guarantee.NONE, clock=clock)
    store.on("notice", lost)
    (delivery,) = accept(ledger, Order(number="1", notice=True))
    for _ in range(3):
        drain(ledger, store, clock)
        clock.advance(SETTLE)
    assert state_of(ledger, delivery) == (State.DEAD, "no_trace")
    assert ledger.deliveries.get(delivery).reason == "notice 1 went or not: ask who should have it"
    assert (store.sent.count("notice 1"), store.has("notice 1")) == (1, went)
    ledger.dead_letters.retry([delivery], who="ann", why="the customer had none")
    assert drain(ledger, store, clock).delivered == 1
    assert (store.sent.count("order 1"), store.has("notice 1")) == (1, went + 1)


# Refusals -----------------------------------------------------------------------------------------------


def test_a_final_refusal_is_a_dead_letter_and_keeps_nobody(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.on("sales_order", answer(Refused(code="closed_period", message="the period is closed")))
    bad, good = accept(ledger, Order(number="1"), Order(number="2"))
    report = drain(ledger, erp, clock, senders=1)
    assert (report.dead, report.delivered) == (1, 1)
    assert state_of(ledger, bad) == (State.DEAD, "closed_period")
    assert state_of(ledger, good)[0] is State.DELIVERED
    assert erp.committed == ["order 2"]


def test_a_refusal_for_now_is_tried_again_when_the_vendor_says(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    locked = Refused(code="record_locked", message="busy", again=Again.LATER, retry_after_seconds=40)
    erp.on("sales_order", answer(locked))
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    assert ledger.deliveries.get(delivery).due_at == START + timedelta(seconds=40)
    clock.advance(39)
    assert drain(ledger, erp, clock).calls == 0
    clock.advance(1)
    assert drain(ledger, erp, clock).delivered == 1


def test_a_refusal_for_now_is_not_for_ever(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    locked = Refused(code="record_locked", message="busy", again=Again.LATER, retry_after_seconds=1)
    erp.on("sales_order", *[answer(locked)] * (MOST_ATTEMPTS + 1))
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(MOST_ATTEMPTS + 2):
        drain(ledger, erp, clock)
        clock.advance(1)
    assert state_of(ledger, delivery) == (State.DEAD, "record_locked")
    assert len(erp.sent) == MOST_ATTEMPTS + 1


def test_the_first_refusal_after_a_long_outage_is_the_first(ledger: Ledger, clock: Clock):
    """Sends that did not arrive counted as refusals: the outage over, an order died of one busy record."""
    erp = System(clock=clock)
    locked = Refused(code="record_locked", message="busy", again=Again.LATER, retry_after_seconds=1)
    unreachable = NotSent(why="no connection", retry_after_seconds=1)
    erp.on("sales_order", *[answer(unreachable)] * (MOST_ATTEMPTS + 1), answer(locked))
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(MOST_ATTEMPTS + 3):
        drain(ledger, erp, clock)
        clock.advance(1)
    assert state_of(ledger, delivery) == (State.DELIVERED, "")


def test_what_a_person_retries_may_be_refused_for_now_as_often_again(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    locked = Refused(code="record_locked", message="busy", again=Again.LATER, retry_after_seconds=1)
    erp.on("sales_order", *[answer(locked)] * (MOST_ATTEMPTS + 2))
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(MOST_ATTEMPTS + 2):
        drain(ledger, erp, clock)
        clock.advance(1)
    ledger.dead_letters.retry([delivery], who="ann")
    for _ in range(2):
        drain(ledger, erp, clock)
        clock.advance(1)
    assert state_of(ledger, delivery) == (State.DELIVERED, "")


def test_a_target_knows_how_often_it_has_refused_a_step(ledger: Ledger, clock: Clock):
    """By code, what did not arrive left out; anew when a person has had it retried."""
    erp = System(clock=clock)
    told: list[dict[str, int]] = []

    def refused(code: str, again: Again = Again.LATER) -> Behaviour:
        def answers(_: System, request: StepRequest) -> Outcome:
            told.append(request.refusals)
            return Refused(code=code, message="no", again=again, retry_after_seconds=1)

        return answers

    erp.on("sales_order", refused("busy"), answer(NotSent(why="no connection", retry_after_seconds=1)))
    erp.on("sales_order", refused("busy"), refused("closed"), refused("gone", Again.NEVER), refused("busy"))
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(6):
        drain(ledger, erp, clock)
        clock.advance(1)
    ledger.dead_letters.retry([delivery], who="ann")
    drain(ledger, erp, clock)
    assert told == [{}, {"busy": 1}, {"busy": 2}, {"busy": 2, "closed": 1}, {}]


@pytest.mark.parametrize("gone", [lose_request, die_before], ids=["unanswered", "process died"])
def test_a_target_knows_that_a_send_may_be_committing_still(ledger: Ledger, clock: Clock, gone: Behaviour):
    """One without an answer, or of a process that died, less than its settle time ago."""
    erp = System(clock=clock)
    told: list[bool] = []
    unanswered: list[bool] = []

    def refused(_: System, request: StepRequest) -> Outcome:
        told.append(request.unsettled)
        unanswered.append(request.unanswered)
        return Refused(code="busy", message="no", again=Again.LATER, retry_after_seconds=SETTLE / 3)

    erp.on("sales_order", refused, gone, *[refused] * 8)
    accept(ledger, Order(number="1"))
    for run in range(60):
        with suppress(Killed):
            drain(ledger, erp, clock, owner=f"run-{run}:1")
        clock.advance(SETTLE / 6)
    assert told == [False, *sorted(told[1:], reverse=True)]
    assert told[1] is True
    assert told[-1] is False
    assert unanswered == [False, *[True] * (len(told) - 1)]


def test_an_optional_step_that_is_refused_does_not_stop_the_document(ledger: Ledger, clock: Clock):
    store = System(clock=clock)
    store.on("notice", answer(Refused(code="no_mail", message="the store sends no mail")))
    (delivery,) = accept(ledger, Order(number="1", notice=True))
    assert drain(ledger, store, clock).delivered == 1
    assert [(step.name, step.state) for step in ledger.steps.of(delivery)] == [
        ("sales_order", StepState.CONFIRMED),
        ("notice", StepState.REFUSED),
    ]
    assert store.committed == ["order 1"]


def test_what_did_not_arrive_is_sent_soon_again_at_any_class(ledger: Ledger, clock: Clock):
    store = System(Guarantee.NONE, clock=clock)
    store.on("sales_order", *[not_sent] * 10)
    (delivery,) = accept(ledger, Order(number="1"))
    for _ in range(11):
        drain(ledger, store, clock)
        due = ledger.deliveries.get(delivery).due_at
        assert due is None or due - clock() <= LONGEST_NOT_SENT
        clock.advance(LONGEST_NOT_SENT.total_seconds())
    assert store.committed == ["order 1"]


# Documents that cannot be sent --------------------------------------------------------------------------


def test_what_has_no_mapping_is_a_dead_letter_before_anything_is_written(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    bad, good = accept(ledger, Order(number="1", customer="ann", unmapped="bitcoin"), Order(number="2"))
    drain(ledger, erp, clock)
    assert state_of(ledger, bad) == (State.DEAD, "unmapped_payment_method")
    assert state_of(ledger, good)[0] is State.DELIVERED
    assert erp.committed == ["order 2"]


def test_a_payload_that_cannot_be_read_is_a_dead_letter_and_keeps_nobody(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    bad, good = accept(ledger, Order(number="1", unmapped="x"), Order(number="2"))
    drain(ledger, erp, clock)
    ledger.dead_letters.edit(bad, b'{"number": 1}', who="ann", why="a slip")
    ledger.dead_letters.retry([bad], who="ann")
    drain(ledger, erp, clock)
    assert state_of(ledger, bad) == (State.DEAD, "unreadable_payload")
    assert "number" in ledger.deliveries.get(bad).reason
    ledger.dead_letters.edit(bad, msgspec.json.encode(Order(number="1")), who="ann", why="corrected")
    ledger.dead_letters.retry([bad], who="ann")
    drain(ledger, erp, clock)
    assert sorted(erp.committed) == ["order 1", "order 2"]
    assert state_of(ledger, good)[0] is State.DELIVERED


def test_a_defect_with_one_document_is_raised_after_the_others_have_gone(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.on("sales_order", break_down)
    ids = accept(ledger, *[Order(number=str(number)) for number in range(8)])
    with pytest.raises(ZeroDivisionError, match="a defect"):
        drain(ledger, erp, clock, senders=1)
    assert len(erp.committed) == 7
    clock.advance(31)
    drain(ledger, erp, clock, owner="run-2:1")
    assert sorted(erp.committed) == sorted(f"order {number}" for number in range(8))
    assert {state_of(ledger, one)[0] for one in ids} == {State.DELIVERED}


def test_a_document_that_always_meets_a_defect_is_a_dead_letter_at_the_third_time(ledger: Ledger, clock: Clock):
    """It came back with every lease, for ever, and failed each run."""
    erp = System(clock=clock)
    erp.on("sales_order", *[break_down] * 3)
    (bad,) = accept(ledger, Order(number="1"))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="a defect") as raised:
            drain(ledger, erp, clock)
        assert str(bad) in "".join(raised.value.__notes__)
        assert state_of(ledger, bad) == (State.DUE, "defect")
        assert drain(ledger, erp, clock).later == 0  # not at once
        clock.advance(30)
    (good,) = accept(ledger, Order(number="2"))
    report = drain(ledger, erp, clock, senders=1)
    assert (report.dead, report.delivered, report.reasons) == (1, 1, {"defect": 1})
    assert state_of(ledger, bad) == (State.DEAD, "defect")
    assert state_of(ledger, good)[0] is State.DELIVERED
    reason = ledger.deliveries.get(bad).reason
    assert reason.startswith("ZeroDivisionError: a defect (raised in erp_sync.flows.delivery.sending, line ")
    clock.advance(3600)
    assert drain(ledger, erp, clock).reasons == {}
    # A retry by a person gives it as many tries again.
    ledger.dead_letters.retry([bad], who="ann", why="mended")
    erp.on("sales_order", break_down)
    with pytest.raises(ZeroDivisionError):
        drain(ledger, erp, clock)
    clock.advance(30)
    assert drain(ledger, erp, clock).delivered == 1
    assert erp.has("order 1") == 1


def test_a_thread_that_hangs_with_a_document_ends_the_process_and_the_others_have_gone(ledger, clock, monkeypatch):
    """Its leases were renewed for ever: the document was nobody's, and three such runs stopped the flow."""
    freed = threading.Event()
    hanging: list[str] = []

    def hang(system: System, request: StepRequest) -> Outcome:
        hanging.append(request.step.key)  # of whichever thread came first
        assert freed.wait(30), "nobody noticed"
        return apply(system, request)

    given_up: list[list[str]] = []

    def give_up() -> None:
        given_up.append(sorted(erp.committed))
        freed.set()

    erp = System(clock=clock)
    erp.on("sales_order", hang)
    accept(ledger, *[Order(number=str(number)) for number in range(6)])
    monkeypatch.setattr(delivery_drain, "STUCK_SECONDS", 1.0)
    drain(ledger, erp, clock, senders=2, lease_seconds=1.0, give_up=give_up)
    assert sorted([*given_up[0], *hanging]) == [f"order {number}" for number in range(6)]
    assert len(erp.committed) == 6


def arriving_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain looks at what its threads have sent only once all of them are done."""
    monkeypatch.setattr(delivery_drain, "FIRST_COMPLETED", ALL_COMPLETED)


def test_a_document_that_cannot_end_is_not_told_of_those_that_arrived_with_it(ledger, clock, monkeypatch):
    """The end of many is one transaction: a defect of one of them counted against each, dead letters at the third."""
    erp = System(clock=clock)
    bad, *good = accept(ledger, *[Order(number=str(number)) for number in range(4)])
    complete_all = ledger.deliveries.complete_all
    ended: list[list[int]] = []

    def spoiled(claims: Sequence[Claim]) -> list[LeaseLost | WrongState | None]:
        ended.append(sorted(claim.id for claim in claims))
        if bad in ended[-1]:
            raise ZeroDivisionError("a defect")
        return complete_all(claims)

    monkeypatch.setattr(ledger.deliveries, "complete_all", spoiled)
    arriving_together(monkeypatch)
    with pytest.raises(ZeroDivisionError, match="a defect") as raised:
        drain(ledger, erp, clock, senders=4)
    assert sorted(ended) == sorted([[bad, *good], *[[one] for one in (bad, *good)]])
    assert {state_of(ledger, one) for one in good} == {(State.DELIVERED, "")}
    assert state_of(ledger, bad) == (State.DUE, "defect")
    (note,) = raised.value.__notes__
    assert f"delivery {bad}" in note
    for _ in range(2):
        clock.advance(30)
        with suppress(ZeroDivisionError):
            drain(ledger, erp, clock)
    assert state_of(ledger, bad) == (State.DEAD, "defect")
    assert sorted(erp.committed) == [f"order {number}" for number in range(4)]


def test_what_could_not_end_together_and_can_alone_has_met_no_defect(ledger, clock, monkeypatch):
    erp = System(clock=clock)
    ids = accept(ledger, *[Order(number=str(number)) for number in range(4)])
    complete_all = ledger.deliveries.complete_all

    def crowded(claims: Sequence[Claim]) -> list[LeaseLost | WrongState | None]:
        if len(claims) > 1:
            raise LedgerBusy("ledger", 60)
        return complete_all(claims)

    monkeypatch.setattr(ledger.deliveries, "complete_all", crowded)
    arriving_together(monkeypatch)
    assert drain(ledger, erp, clock, senders=4).delivered == 4
    assert {state_of(ledger, one) for one in ids} == {(State.DELIVERED, "")}


@pytest.mark.parametrize("guarantee", Guarantee)
def test_what_left_before_a_defect_is_unknown_and_its_class_decides(ledger: Ledger, clock: Clock, guarantee: Guarantee):
    def commit_and_break_down(system: System, request: StepRequest) -> Outcome:
        system.commit(request.step.key)
        return break_down(system, request)

    erp = System(guarantee, clock=clock)
    erp.on("sales_order", commit_and_break_down)
    (bad,) = accept(ledger, Order(number="1"))
    with pytest.raises(ZeroDivisionError):
        drain(ledger, erp, clock)
    assert [row.state for row in ledger.steps.of(bad)] == [StepState.UNKNOWN]
    due = ledger.deliveries.get(bad).due_at
    assert due == clock() + timedelta(seconds=30 if guarantee in SURE else SETTLE)
    clock.time = due
    drain(ledger, erp, clock)
    assert erp.has("order 1") == 1
    expected = (State.DEAD, "outcome_unknown") if guarantee is Guarantee.NONE else (State.DELIVERED, "")
    assert state_of(ledger, bad) == expected


class Spoiled(System):
    """Our own code breaks with one order, in the method of this name."""

    spoiled = ""

    def requirements(self, document: Order) -> list[Requirement]:
        if self.spoiled == "requirements" and document.number == "1":
            raise KeyError("no such field")
        return super().requirements(document)

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        if self.spoiled == "resolve" and Requirement("product", "BAD") in requirements:
            raise KeyError("no such field")
        return super().resolve(requirements)


@pytest.mark.parametrize("method", ["requirements", "resolve"])
def test_a_defect_before_sending_keeps_only_its_own_document(ledger: Ledger, clock: Clock, method: str):
    """It ended the drain before anything was sent: one document stopped the flow."""
    erp = Spoiled(clock=clock)
    erp.spoiled, erp.skus = method, {"A", "BAD"}
    bad, *good = accept(
        ledger, Order(number="1", skus=("BAD",)), Order(number="2", skus=("A",)), Order(number="3", skus=("NEW",))
    )
    with pytest.raises(KeyError, match="no such field"):
        drain(ledger, erp, clock)
    assert erp.committed == ["order 2"]
    assert [state_of(ledger, one)[0] for one in (bad, *good)] == [State.DUE, State.DELIVERED, State.WAITING]
    clock.advance(30)
    with pytest.raises(KeyError):
        drain(ledger, erp, clock)
    clock.advance(30)
    drain(ledger, erp, clock)
    assert state_of(ledger, bad) == (State.DEAD, "defect")


@pytest.mark.parametrize("trouble", [OSError("disk full"), LedgerBusy("ledger", 60), CallFailed("not wrapped")])
def test_trouble_that_passes_makes_no_dead_letter(ledger: Ledger, clock: Clock, trouble: Exception):
    def suffer(system: System, request: StepRequest) -> Outcome:
        raise trouble

    erp = System(clock=clock)
    erp.on("sales_order", *[suffer] * 4)
    (waits,) = accept(ledger, Order(number="1"))
    for _ in range(4):
        with pytest.raises(type(trouble)):
            drain(ledger, erp, clock)
        clock.advance(31)
    assert drain(ledger, erp, clock).delivered == 1
    assert state_of(ledger, waits)[0] is State.DELIVERED


def test_a_target_that_cannot_be_asked_about_an_unknown_send_is_asked_again(ledger: Ledger, clock: Clock):
    class Unasked(System):
        def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
            if clock() < START + timedelta(seconds=SETTLE + 1):
                raise CallFailed("no answer")
            return super().find(requests)

    store = Unasked(Guarantee.SEARCHABLE, clock=clock)
    store.on("sales_order", lose_answer)
    accept(ledger, Order(number="1"))
    drain(ledger, store, clock)
    clock.advance(SETTLE)
    assert drain(ledger, store, clock).reasons == {"look_up_failed": 1}
    clock.advance(60)
    assert drain(ledger, store, clock).delivered == 1
    assert store.has("order 1") == 1


# What a document waits for --------------------------------------------------------------------------------


def test_an_order_whose_item_is_unknown_waits_and_is_released_by_its_arrival(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    waits, goes = accept(ledger, Order(number="1", skus=("NEW",)), Order(number="2"))
    report = drain(ledger, erp, clock)
    assert (report.waiting, report.delivered, report.reasons) == (1, 1, {"missing_product": 1})
    assert state_of(ledger, waits) == (State.WAITING, "requirement_missing")
    assert ledger.deliveries.requirements(waits) == [Requirement("product", "NEW")]
    assert ledger.deliveries.get(waits).reason == "lacks product NEW"
    erp.skus.add("NEW")
    assert ledger.deliveries.release_waiting(ERP, "product", ["NEW"]) == [waits]
    assert drain(ledger, erp, clock).delivered == 1
    assert state_of(ledger, goes)[0] is State.DELIVERED


def test_what_arrived_unannounced_is_found_soon_at_first_and_seldom_later(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    (waits,) = accept(ledger, Order(number="1", skus=("NEW",)))
    pauses = []
    for _ in range(40):
        drain(ledger, erp, clock)
        due = ledger.deliveries.get(waits).due_at
        assert due is not None
        pauses.append((due - clock()).total_seconds())
        clock.time = due
    assert pauses[0] == 30
    assert pauses == sorted(pauses)
    assert pauses[-1] == 600
    erp.skus.add("NEW")
    assert drain(ledger, erp, clock).delivered == 1


def test_what_never_arrives_is_a_dead_letter_after_its_deadline(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    (waits,) = accept(ledger, Order(number="1", skus=("NEW",)))
    drain(ledger, erp, clock)
    clock.advance(3 * 24 * 3600)
    assert drain(ledger, erp, clock).dead == 1
    assert state_of(ledger, waits) == (State.DEAD, "requirement_missing")


def test_how_long_what_is_lacking_may_be_waited_for_is_the_flows_to_say(ledger: Ledger, clock: Clock):
    erp, deadline = System(clock=clock), timedelta(hours=2)
    (waits,) = accept(ledger, Order(number="1", skus=("NEW",)))
    drain(ledger, erp, clock, deadline=deadline)
    assert ledger.deliveries.get(waits).deadline == clock() + deadline
    clock.advance(deadline.total_seconds())
    assert drain(ledger, erp, clock, deadline=deadline).dead == 1


@pytest.mark.parametrize("by_whom", ["retry", "dismiss"])
def test_a_person_decides_about_what_waits_before_its_deadline(ledger: Ledger, clock: Clock, by_whom: str):
    erp = System(clock=clock)
    (waits,) = accept(ledger, Order(number="1", skus=("NEW",)))
    drain(ledger, erp, clock)
    if by_whom == "dismiss":
        assert ledger.dead_letters.dismiss([waits], who="ann", why="entered by hand") == [waits]
        assert state_of(ledger, waits)[0] is State.DISMISSED
        assert ledger.deliveries.requirements(waits) == []
        clock.advance(4 * 24 * 3600)
        assert drain(ledger, erp, clock).reasons == {}
        return
    clock.advance(10)
    assert ledger.dead_letters.retry([waits], who="ann") == [waits]
    assert drain(ledger, erp, clock).waiting == 1, "it is looked for at once; nobody announced it"
    clock.advance(10)
    erp.skus.add("NEW")
    ledger.dead_letters.retry([waits], who="ann")
    assert drain(ledger, erp, clock).delivered == 1


def test_what_comes_after_another_delivery_is_not_decided_about(ledger: Ledger, clock: Clock):
    (first,) = accept(ledger, Order(number="1", skus=("NEW",)))
    (claim,) = ledger.deliveries.claim(ROUTE, FLOW, ERP, owner="run-1:1", lease_seconds=30)
    assert claim.id == first
    (second,) = accept(ledger, Order(number="1", version="2", skus=("NEW",)))
    assert state_of(ledger, second) == (State.WAITING, "")
    for act in (ledger.dead_letters.retry, ledger.dead_letters.dismiss):
        with pytest.raises(WrongState):
            act([second], who="ann", why="not wanted")


def test_an_item_that_vanished_meanwhile_sends_the_order_back_to_waiting(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.skus = {"A"}
    gone = Refused(code="unknown_item", message="no item A", again=Again.AFTER_DEPENDENCY, requirement=("product", "A"))
    erp.on("sales_order", answer(gone))
    (waits,) = accept(ledger, Order(number="1", skus=("A",)))
    assert drain(ledger, erp, clock).reasons == {"unknown_item": 1}
    assert ledger.deliveries.requirements(waits) == [Requirement("product", "A")]
    ledger.deliveries.release_waiting(ERP, "product", ["A"])
    assert drain(ledger, erp, clock).delivered == 1
    assert erp.has("order 1") == 1


def test_a_look_up_that_fails_keeps_only_those_that_need_it_and_sends_nothing(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.failing_lookup = CallFailed("the ERP does not answer")
    needs, goes = accept(ledger, Order(number="1", skus=("A",)), Order(number="2"))
    report = drain(ledger, erp, clock)
    assert report.reasons == {"look_up_failed": 1}
    assert erp.committed == ["order 2"]
    assert state_of(ledger, goes)[0] is State.DELIVERED
    erp.failing_lookup, erp.skus = None, {"A"}
    clock.advance(5)
    assert drain(ledger, erp, clock).delivered == 1
    assert state_of(ledger, needs)[0] is State.DELIVERED


def test_what_was_found_there_is_not_told_as_lacking_when_a_later_look_fails(ledger: Ledger, clock: Clock):
    """It was told as lacking a product since it first waited, whatever had happened since."""
    erp = System(clock=clock)
    (order,) = accept(ledger, Order(number="1", skus=("NEW",)))
    drain(ledger, erp, clock)
    assert [one.lacks for one in ledger.activity.held()] == ["product"]
    erp.skus.add("NEW")
    erp.on("sales_order", not_sent)
    clock.advance(700)
    assert drain(ledger, erp, clock).reasons == {"not_sent": 1}
    erp.failing_lookup = CallFailed("the ERP does not answer")
    clock.advance(700)
    assert drain(ledger, erp, clock).reasons == {"look_up_failed": 1}
    assert ledger.activity.held() == []
    assert ledger.deliveries.requirements(order) == []
    erp.failing_lookup = None
    clock.advance(700)
    assert drain(ledger, erp, clock).delivered == 1


# Steps that documents share ---------------------------------------------------------------------------------


def test_a_customer_who_orders_twice_is_created_once(ledger: Ledger, clock: Clock):
    for guarantee in Guarantee:
        erp = System(guarantee, clock=clock)
        accept(ledger, *[Order(number=f"{guarantee}{number}", customer=f"ann{guarantee}") for number in range(6)])
        for _ in range(4):
            drain(ledger, erp, clock, senders=4)
            clock.advance(2)
        assert erp.committed.count(f"customer ann{guarantee}") == 1, guarantee
        assert sum(key.startswith("order") for key in erp.committed) == 6, guarantee


def test_a_key_that_another_writes_at_this_moment_is_waited_for(ledger: Ledger, clock: Clock):
    erp = System(Guarantee.SEARCHABLE, clock=clock)
    erp.on("customer", lose_answer)
    first, second = accept(ledger, Order(number="1", customer="ann"), Order(number="2", customer="ann"))
    report = drain(ledger, erp, clock, senders=1)
    assert report.reasons == {"outcome_unknown": 1, "key_busy": 1}
    assert ledger.deliveries.get(second).due_at == START + timedelta(seconds=SETTLE)
    clock.advance(SETTLE)
    drain(ledger, erp, clock, senders=1)
    clock.advance(2)
    drain(ledger, erp, clock, senders=1)
    assert erp.has("customer ann") == 1
    assert [state_of(ledger, one)[0] for one in (first, second)] == [State.DELIVERED, State.DELIVERED]


def test_a_changed_plan_of_a_document_that_was_sent_in_part_is_a_case(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.on("deposit:1", lose_request)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    drain(ledger, erp, clock)
    erp.steps = lambda document: System.steps(erp, msgspec.structs.replace(document, payments=0))  # type: ignore[method-assign]
    clock.advance(60)
    drain(ledger, erp, clock)
    assert state_of(ledger, delivery) == (State.DEAD, "changed_while_sending")


# Targets that answer later ------------------------------------------------------------------------------------


def test_an_accepted_request_is_settled_by_its_handle_and_not_sent_again(ledger: Ledger, clock: Clock):
    for guarantee in Guarantee:
        erp = Polled(5.0, guarantee=guarantee, clock=clock)
        (delivery,) = accept(ledger, Order(number=f"{guarantee}1", payments=1))
        for _ in range(20):
            drain(ledger, erp, clock)
            clock.advance(1)
        assert erp.sent == [f"order {guarantee}1", f"deposit {guarantee}1/1"]
        assert erp.committed == erp.sent
        assert state_of(ledger, delivery)[0] is State.DELIVERED


def test_who_answers_an_hour_later_is_asked_ever_more_seldom(ledger: Ledger, clock: Clock):
    partner = Polled(3600.0, guarantee=Guarantee.NONE, clock=clock)
    (delivery,) = accept(ledger, Order(number="1"))
    while state_of(ledger, delivery)[0] is not State.DELIVERED:
        drain(ledger, partner, clock)
        due = ledger.deliveries.get(delivery).due_at
        clock.time = due or clock.time
    assert partner.sent == ["order 1"]
    assert partner.committed == ["order 1"]
    assert clock() - START < timedelta(seconds=3661)
    assert partner.polls < 90


@pytest.mark.parametrize("failure", ["not_sent", "raised"])
def test_a_handle_that_cannot_be_asked_for_now_is_kept(ledger: Ledger, clock: Clock, failure):
    erp = Polled(5.0, guarantee=Guarantee.NONE, clock=clock)
    accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    clock.advance(5)
    if failure == "raised":
        settle, erp.settle = erp.settle, unreachable  # type: ignore[method-assign]
        drain(ledger, erp, clock)
        erp.settle = settle  # type: ignore[method-assign]
    else:
        erp.answers["job 1"] = not_sent(erp, None)  # type: ignore[arg-type]
        drain(ledger, erp, clock)
    clock.advance(5)
    assert drain(ledger, erp, clock).delivered == 1
    assert erp.sent == ["order 1"]


def unreachable(handles):
    raise CallFailed("the ERP does not answer")


def test_a_job_that_ended_in_a_refusal_is_refused(ledger: Ledger, clock: Clock):
    erp = Polled(5.0, clock=clock)
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    erp.answers["job 1"] = Refused(code="closed_period", message="the period is closed")
    clock.advance(5)
    drain(ledger, erp, clock)
    assert state_of(ledger, delivery) == (State.DEAD, "closed_period")
    assert erp.committed == []


def test_a_job_nobody_knows_any_more_is_unknown_and_searched_for(ledger: Ledger, clock: Clock):
    erp = Polled(5.0, guarantee=Guarantee.SEARCHABLE, clock=clock)
    accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    erp.commit("order 1")
    erp.answers["job 1"] = lose_request(erp, None)  # type: ignore[arg-type]
    for _ in range(3):
        clock.advance(SETTLE)
        drain(ledger, erp, clock)
    assert erp.has("order 1") == 1
    assert ledger.deliveries.counts() == {(ROUTE, FLOW, "delivered"): 1}


# Leases ---------------------------------------------------------------------------------------------------------


def test_a_slow_target_does_not_cost_the_lease(ledger: Ledger, clock: Clock):
    """The heartbeat goes on while senders, and the look-up before them, wait for the target."""
    erp = System(clock=clock)
    beats: list[int] = []
    enough = threading.Event()
    heartbeat = ledger.deliveries.heartbeat

    def counted(claims, seconds):
        renewed = heartbeat(claims, seconds)
        beats.append(len(renewed))
        if len(beats) >= 2:
            enough.set()
        return renewed

    def slow(requirements):
        assert enough.wait(10)
        return System.resolve(erp, requirements)

    ledger.deliveries.heartbeat = counted  # type: ignore[method-assign]
    erp.resolve = slow  # type: ignore[method-assign]
    erp.skus = {"A"}
    accept(ledger, Order(number="1", skus=("A",)), Order(number="2", skus=("A",)))
    assert drain(ledger, erp, clock, lease_seconds=0.2).delivered == 2
    assert beats[:2] == [2, 2]


@pytest.mark.parametrize("renewal", ["busy", "lost"])
def test_nothing_leaves_once_the_lease_may_have_ended(ledger: Ledger, clock: Clock, renewal: str):
    """Whoever took over counts the settle time from the end of the lease."""
    store = System(Guarantee.SEARCHABLE, clock=clock)

    def never_renewed(claims, seconds):
        if renewal == "busy":
            raise LedgerBusy("the ledger", 60.0)
        return []

    def waits_for_a_slot(system, request):
        give_up = time.monotonic() + 10
        while may_leave() and time.monotonic() < give_up:
            threading.Event().wait(0.01)
        allowed.append(may_leave())
        return NotSent(why="the right to send it ended before it left")

    allowed: list[bool] = []
    ledger.deliveries.heartbeat = never_renewed  # type: ignore[method-assign]
    store.on("sales_order", waits_for_a_slot)
    accept(ledger, Order(number="1"))
    drain(ledger, store, clock, lease_seconds=0.2)
    assert allowed == [False]
    assert may_leave(), "the check ends with the delivery"


def test_who_lost_the_lease_writes_nothing_and_counts_it(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    (delivery,) = accept(ledger, Order(number="1", payments=1))

    def overtaken(system, request):
        outcome = apply(system, request)
        clock.advance(31)
        assert drain(ledger, erp, clock, owner="run-2:1").delivered == 1
        return outcome

    erp.on("sales_order", overtaken)
    report = drain(ledger, erp, clock, owner="run-1:1", senders=1)
    assert (report.lost_claims, report.delivered, report.reasons) == (1, 0, {"lease_lost": 1})
    assert (erp.has("order 1"), erp.has("deposit 1/1")) == (1, 1)
    assert state_of(ledger, delivery)[0] is State.DELIVERED


def test_a_lease_lost_during_the_look_up_ends_only_that_claim(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    accept(ledger, Order(number="1", skus=("A",)), Order(number="2", skus=("B",)))
    wait_for = ledger.deliveries.wait_for

    def lost_once(claim, *args, **values):
        if claim.delivery.number == "1":
            raise LeaseLost("delivery 1", claim.owner, claim.fencing)
        return wait_for(claim, *args, **values)

    ledger.deliveries.wait_for = lost_once  # type: ignore[method-assign]
    report = drain(ledger, erp, clock)
    assert (report.lost_claims, report.waiting) == (1, 1)


def test_an_order_that_was_there_before_is_linked_and_not_created_again(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.commit("order 1")
    accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    assert erp.has("order 1") == 1
    assert ledger.cross_references.all("sales_order", STORE, ERP) == {"1": "id of order 1"}


def test_an_order_that_is_linked_to_another_record_goes_and_is_named(ledger: Ledger, clock: Clock):
    link = Link(entity="sales_order", connection_a=STORE, id_a="1", connection_b=ERP, id_b="entered by hand")
    ledger.cross_references.link([link])
    erp = System(clock=clock)
    accept(ledger, Order(number="1"))
    assert drain(ledger, erp, clock).delivered == 1
    assert erp.has("order 1") == 1
    (notice,) = ledger.notices.open()
    assert "entered by hand" in notice.text
    assert "id of order 1" in notice.text


def test_that_it_is_linked_to_another_record_is_told_also_where_the_ledger_is_restarted_over_it(
    ledger: Ledger, clock: Clock, monkeypatch, caplog
):
    ledger.cross_references.link(
        [Link(entity="sales_order", connection_a=STORE, id_a="1", connection_b=ERP, id_b="entered by hand")]
    )
    monkeypatch.setattr(writing_again, "WRITTEN_AGAIN_SECONDS", 0.0)
    confirm, committed = ledger.steps.confirm, []

    def unanswered(*given: Any, **more: Any) -> None:
        confirm(*given, **more)
        if not committed:
            committed.append(given)
            raise sa.exc.OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection"))

    monkeypatch.setattr(ledger.steps, "confirm", unanswered)
    accept(ledger, Order(number="1"))
    assert drain(ledger, System(clock=clock), clock).delivered == 1
    assert committed
    (notice,) = ledger.notices.open()
    assert "entered by hand" in notice.text
    (again,) = [record for record in caplog.records if record.msg == "written again"]
    assert "server closed the connection" in again.why


# What is not to go after all ----------------------------------------------------------------------------------


def before_five(order: Order) -> tuple[str, str] | None:
    return ("before_start", "placed before the start") if int(order.number) < 5 else None


def test_what_lies_before_a_later_start_is_withdrawn_and_the_others_go(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    early, late = accept(ledger, Order(number="1"), Order(number="7"))
    report = drain(ledger, erp, clock, not_to_go=before_five)
    assert erp.sent == ["order 7"]
    assert (report.delivered, report.withdrawn, report.reasons) == (1, 1, {"before_start": 1})
    assert state_of(ledger, early) == (State.SUPERSEDED, "before_start")
    assert state_of(ledger, late) == (State.DELIVERED, "")


def test_what_has_begun_goes_on_to_its_end_whatever_the_start_is_now(ledger: Ledger, clock: Clock):
    erp = System(clock=clock)
    erp.on("sales_order", lose_answer)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    drain(ledger, erp, clock)
    assert erp.committed == ["order 1"]
    clock.advance(3600)
    drain(ledger, erp, clock, not_to_go=before_five)
    assert erp.committed == ["order 1", "deposit 1/1"]
    assert state_of(ledger, delivery)[0] is State.DELIVERED
