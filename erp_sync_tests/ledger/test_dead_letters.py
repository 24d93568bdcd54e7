"""Dead letters: grouped, retried, corrected, dismissed; and the trace that tells all of it."""

import pytest

from erp_sync.ledger import Ledger, NotInLedger, State, StepState, WrongState
from erp_sync.ledger.dead_letters import OUTCOME_UNKNOWN
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import FLOW, ROUTE, STORE, accept, claim, deliver, document, key, record, step


def kill(
    ledger: Ledger, *native_ids: str, code: str = "unknown_item", reason: str = "NetSuite has no item X"
) -> list[int]:
    accept(ledger, *[document(native_id) for native_id in native_ids])
    claims = claim(ledger)
    for one in claims:
        ledger.steps.plan(one, [step("customer", f"customer-{one.id}"), step("order", f"order-{one.id}")])
        ledger.steps.begin(one, "customer")
        ledger.steps.confirm(one, "customer", Receipt(target_id="5"))
        ledger.steps.begin(one, "order")
        ledger.steps.refuse(one, "order", code, reason)
        ledger.deliveries.dead(one, code, reason)
    return [one.id for one in claims]


def test_dead_letters_are_grouped_by_code(ledger: Ledger, clock):
    kill(ledger, "1", "2")
    clock.advance(60)
    kill(ledger, "3", code="closed_period", reason="the period is closed")
    groups = ledger.dead_letters.groups()
    assert [(one.code, one.count, one.example_number) for one in groups] == [
        ("unknown_item", 2, "N2"),
        ("closed_period", 1, "N3"),
    ]
    assert groups[0].example == "NetSuite has no item X"
    assert [one.number for one in ledger.dead_letters.find(code="closed_period")] == ["N3"]
    assert not ledger.any_due(ROUTE, FLOW, "netsuite_us")


@pytest.mark.parametrize("by", ["id", "code", "flow"])
def test_a_retry_goes_on_after_the_last_confirmed_step(ledger: Ledger, by):
    (one,) = kill(ledger, "1")
    chosen = {"id": {"ids": [one]}, "code": {"code": "unknown_item"}, "flow": {"flow": FLOW}}[by]
    assert ledger.dead_letters.retry(**chosen, who="ann", why="the item is there now") == [one]
    (mine,) = claim(ledger)
    assert [row.state for row in ledger.steps.of(one)] == [StepState.CONFIRMED, StepState.REFUSED]
    ledger.steps.begin(mine, "order")
    ledger.steps.confirm(mine, "order", Receipt(target_id="6"))
    ledger.deliveries.complete(mine)


def test_a_correction_is_delivered_and_the_original_stays_beside_it(ledger: Ledger):
    (one,) = kill(ledger, "1")
    ledger.dead_letters.edit(one, b'{"zip":"10115"}', who="ann", why="the customer mistyped")
    ledger.dead_letters.retry([one], who="ann")
    (mine,) = claim(ledger)
    assert mine.delivery.payload == b'{"zip":"10115"}'
    assert mine.delivery.corrected
    trace = ledger.trace("N1")
    assert trace.originals[one] == document("1").payload
    edited = next(event for event in trace.events if event.kind == "edited")
    assert (edited.actor, edited.details["why"]) == ("ann", "the customer mistyped")


@pytest.mark.parametrize(
    ("payload", "who", "why", "problem"),
    [(b"{", "ann", "x", "no JSON"), (b"{}", "", "x", "name"), (b"{}", "ann", "", "reason")],
)
def test_a_correction_needs_json_a_name_and_a_reason(ledger: Ledger, payload, who, why, problem):
    (one,) = kill(ledger, "1")
    with pytest.raises(ValueError, match=problem):
        ledger.dead_letters.edit(one, payload, who, why)


def test_a_newer_version_of_one_that_has_begun_waits_until_a_person_decides(ledger: Ledger):
    (one,) = kill(ledger, "1")
    (follow_up,) = accept(ledger, document("1", "2", operation="update"))
    assert follow_up.id != one
    assert claim(ledger) == []
    assert ledger.dead_letters.dismiss([one], who="ann", why="entered by hand") == [one]
    assert ledger.deliveries.get(one).state is State.DISMISSED
    assert [mine.id for mine in claim(ledger)] == [follow_up.id]


def test_a_newer_version_brings_one_back_that_had_not_begun(ledger: Ledger):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.deliveries.dead(mine, "malformed_address", "no city")
    (again,) = accept(ledger, document("1", "2"))
    assert again.id == mine.id
    assert [one.delivery.version for one in claim(ledger)] == ["2"]


def test_only_dead_letters_can_be_retried(ledger: Ledger):
    accept(ledger, document("9"))
    with pytest.raises(WrongState, match="due"):
        ledger.dead_letters.retry([ledger.deliveries.find()[0].id], who="ann")
    with pytest.raises(NotInLedger):
        ledger.dead_letters.retry([12345678], who="ann")
    with pytest.raises(ValueError, match="which"):
        ledger.dead_letters.retry(who="ann")


def test_retrying_an_unknown_outcome_says_that_it_is_not_there(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order", settle_seconds=10)
    ledger.steps.unknown(mine, "order", "no answer")
    ledger.deliveries.dead(mine, OUTCOME_UNKNOWN, "look there")
    clock.advance(10)
    ledger.dead_letters.retry([mine.id], who="ann", why="not in NetSuite")
    assert [row.state for row in ledger.steps.of(mine.id)] == [StepState.PLANNED]
    deliver(ledger, claim(ledger)[0], [step("order")])


def test_the_trace_tells_everything_in_order(ledger: Ledger, clock):
    (received,) = ledger.receive(STORE, "sales_order", [record("1")], run_id="run-0", lake_file="a.parquet")
    clock.advance(1)
    with ledger.handling(ROUTE, FLOW, "run-0") as work:
        work.accept([document("1", received_id=received)])
        work.mark_handled([received])
    clock.advance(1)
    (mine,) = claim(ledger, run_id="run-1")
    ledger.steps.plan(mine, [step("order", "order-1")])
    ledger.steps.begin(mine, "order")
    clock.advance(1)
    ledger.steps.unknown(mine, "order", "read timeout", settle_until=clock())
    ledger.steps.begin(mine, "order")
    ledger.steps.confirm(mine, "order", Receipt(target_id="77", number="SO77"))
    ledger.deliveries.complete(mine)
    trace = ledger.trace("N1")
    assert [event.kind for event in trace.events] == [
        "received",
        "accepted",
        "claimed",
        "planned",
        "sending",
        "unknown",
        "sending",
        "confirmed",
        "delivered",
    ]
    assert [(one.attempt, one.outcome, one.message) for one in trace.attempts] == [
        (1, "unknown", "read timeout"),
        (2, "confirmed", ""),
    ]
    assert trace.events[0].details["lake_file"] == "a.parquet"
    assert trace.payloads[received] == b'{"increment_id":"1"}'
    assert trace.events[7].details["number"] == "SO77"
    assert ledger.trace(key("1")).events == trace.events
    assert ledger.trace("no such order").empty


def test_a_trace_by_number_tells_both_stores_apart(ledger: Ledger):
    accept(ledger, document("1"), document("1", key=key("1", connection="magento_de")))
    assert [one.key.connection for one in ledger.trace("N1").deliveries] == [STORE, "magento_de"]
    assert len(ledger.trace(key("1")).deliveries) == 1
