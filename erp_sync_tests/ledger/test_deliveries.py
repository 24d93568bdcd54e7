"""Claims, leases, steps and the ends of deliveries."""

from datetime import timedelta

import pytest

from erp_sync.ledger import (
    AlreadyConfirmed,
    Change,
    KeyBusy,
    KnownRow,
    LeaseLost,
    Ledger,
    Link,
    State,
    StepState,
    WrongState,
)
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import ALREADY_EXISTS, Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, START, accept, claim, deliver, document, key, step

SKU = Requirement("product", "SKU-1")


def test_the_most_urgent_lane_goes_first_then_the_oldest(ledger: Ledger, clock):
    accept(ledger, document("bulk", lane="bulk"), document("first"))
    clock.advance(1)
    accept(ledger, document("second"), document("now", lane="now"))
    order = [one.delivery.key.native_id for one in claim(ledger)]
    assert order == ["now", "first", "second", "bulk"]


def test_the_oldest_is_what_arose_first_whenever_it_was_received(ledger: Ledger, clock):
    """A backfill finds the orders of a weekend after today's, and not in their order."""
    weekend = [document(f"h{hours}", arose_at=START - timedelta(hours=hours)) for hours in (9, 72, 30)]
    accept(ledger, document("today"))
    clock.advance(60)
    accept(ledger, *weekend, document("ahead", arose_at=clock() + timedelta(minutes=5)))
    clock.advance(1)
    accept(ledger, document("after"))
    order = [one.delivery.key.native_id for one in claim(ledger)]
    assert order == ["h72", "h30", "h9", "today", "ahead", "after"]


def test_a_follow_up_arose_when_the_source_changed_it(ledger: Ledger, clock):
    accept(ledger, document("1", arose_at=START - timedelta(days=1)))
    deliver(ledger, claim(ledger)[0])
    accept(ledger, document("2", arose_at=START - timedelta(seconds=30)))
    accept(ledger, document("1", "2", arose_at=START - timedelta(days=1), source_time=START - timedelta(seconds=5)))
    assert [one.delivery.key.native_id for one in claim(ledger)] == ["2", "1"]


def test_what_is_claimed_is_not_claimed_again(ledger: Ledger):
    accept(ledger, *[document(str(number)) for number in range(5)])
    first = claim(ledger, limit=3)
    second = claim(ledger, limit=3, owner="run-2:7")
    assert len(first) == 3
    assert len(second) == 2
    assert claim(ledger) == []


def test_other_flows_targets_and_routes_stay_apart(ledger: Ledger):
    accept(ledger, document("1"))
    accept(ledger, document("1", target="other_erp"))
    accept(ledger, document("1"), flow="refunds")
    assert len(claim(ledger)) == 1
    assert ledger.deliveries.claim("de", FLOW, "other_erp", owner="x") == []
    assert len(ledger.deliveries.claim(None, FLOW, "other_erp", owner="x")) == 1


def test_a_delivered_document_is_delivered_once(ledger: Ledger):
    accept(ledger, document("1"))
    (one,) = claim(ledger)
    deliver(ledger, one)
    assert ledger.deliveries.get(one.id).state is State.DELIVERED
    assert accept(ledger, document("1"))[0].change is Change.SAME
    assert claim(ledger) == []
    assert not ledger.any_due(ROUTE, FLOW, ERP)


def test_a_dead_owner_gives_its_work_back_and_may_not_write_any_more(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (lost,) = claim(ledger, lease_seconds=30)
    ledger.steps.plan(lost, [step("order")])
    clock.advance(29)
    assert claim(ledger, owner="run-2:7") == []
    clock.advance(1)
    assert ledger.any_due(ROUTE, FLOW, ERP)
    (taken,) = claim(ledger, owner="run-2:7")
    assert taken.fencing > lost.fencing
    for write in (
        lambda: ledger.steps.plan(lost, [step("order")]),
        lambda: ledger.steps.begin(lost, "order"),
        lambda: ledger.steps.confirm(lost, "order", Receipt(target_id="1")),
        lambda: ledger.steps.unknown(lost, "order", "no answer"),
        lambda: ledger.steps.refuse(lost, "order", "no", "no"),
        lambda: ledger.deliveries.complete(lost),
        lambda: ledger.deliveries.later(lost, clock(), "x"),
        lambda: ledger.deliveries.dead(lost, "x", "x"),
        lambda: ledger.deliveries.release(lost),
        lambda: ledger.deliveries.wait_for(lost, [SKU]),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert ledger.deliveries.heartbeat([lost]) == []
    deliver(ledger, taken, [step("order")])


def test_a_heartbeat_keeps_the_lease(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=30)
    clock.advance(29)
    (renewed,) = ledger.deliveries.heartbeat([mine], 30)
    clock.advance(29)
    assert claim(ledger, owner="run-2:7") == []
    deliver(ledger, renewed)


def test_nothing_is_sent_on_a_lease_that_has_ended(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=30)
    ledger.steps.plan(mine, [step("order")])
    clock.advance(30)
    with pytest.raises(LeaseLost):
        ledger.steps.begin(mine, "order")


def test_a_crash_while_sending_makes_the_step_unknown_until_it_has_settled(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (lost,) = claim(ledger, lease_seconds=30)
    ledger.steps.plan(lost, [step("customer"), step("order")])
    clock.advance(5)
    ledger.steps.begin(lost, "customer", settle_seconds=120)
    clock.advance(60)
    assert ledger.deliveries.rescue() == [lost.id]
    rescued = ledger.deliveries.get(lost.id)
    settled = lost.lease_until + timedelta(seconds=120)  # until the lease's end the request may have left
    assert (rescued.state, rescued.due_at) == (State.DUE, settled)
    assert rescued.attempts == 1
    assert claim(ledger, owner="run-2:7") == []
    clock.time = settled
    (mine,) = claim(ledger, owner="run-2:7")
    customer, order = ledger.steps.of(mine.id)
    assert (customer.state, order.state) == (StepState.UNKNOWN, StepState.PLANNED)
    ledger.steps.absent(mine, "customer")
    deliver(ledger, mine, [step("customer"), step("order")])


def test_a_defect_makes_what_was_being_sent_unknown_and_is_a_dead_letter_in_the_end(ledger: Ledger, clock):
    (made,) = accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=30)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order", settle_seconds=120)
    settled = clock() + timedelta(seconds=120)
    assert ledger.deliveries.defect(mine, "KeyError: x", clock() + timedelta(seconds=30), most=2) is State.DUE
    assert ledger.deliveries.get(made.id).due_at == settled
    assert ledger.steps.of(made.id)[0].state is StepState.UNKNOWN
    with pytest.raises(LeaseLost):
        ledger.deliveries.defect(mine, "KeyError: x", clock(), most=2)
    clock.time = settled
    (mine,) = claim(ledger)
    assert ledger.deliveries.defect(mine, "KeyError: x", clock(), most=2) is State.DEAD
    assert (ledger.deliveries.get(made.id).code, ledger.deliveries.get(made.id).due_at) == ("defect", None)
    ledger.dead_letters.retry([made.id], who="ann")
    (mine,) = claim(ledger)
    assert ledger.steps.of(made.id)[0].state is StepState.UNKNOWN
    assert ledger.deliveries.defect(mine, "KeyError: x", clock(), most=2) is State.DUE


def test_not_found_before_the_settle_time_proves_nothing(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=600)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order", settle_seconds=90)
    clock.advance(10)
    until = ledger.steps.unknown(mine, "order", "read timeout")
    assert until == START + timedelta(seconds=100)  # nobody knows when between the two it left
    for write in (lambda: ledger.steps.absent(mine, "order"), lambda: ledger.steps.begin(mine, "order")):
        with pytest.raises(KeyBusy) as busy:
            write()
        assert busy.value.until == until
    clock.time = until
    ledger.steps.absent(mine, "order")
    assert ledger.steps.begin(mine, "order") == 2


def test_two_deliveries_never_send_the_same_key_at_once(ledger: Ledger, clock):
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    for one in (first, second):
        ledger.steps.plan(one, [step("customer", "customer-mail@example.com")])
    ledger.steps.begin(first, "customer", settle_seconds=60)
    with pytest.raises(KeyBusy, match="in flight"):
        ledger.steps.begin(second, "customer")
    ledger.steps.unknown(first, "customer", "no answer")
    with pytest.raises(KeyBusy, match="settle") as busy:
        ledger.steps.begin(second, "customer")
    assert busy.value.until == START + timedelta(seconds=60)
    ledger.steps.confirm(first, "customer", Receipt(target_id="77"))
    with pytest.raises(AlreadyConfirmed) as already:
        ledger.steps.begin(second, "customer")
    assert already.value.receipt.target_id == "77"
    ledger.steps.confirm(second, "customer", already.value.receipt)
    assert ledger.steps.receipt(ERP, "customer-mail@example.com").target_id == "77"


def test_writes_that_concern_one_key_exclude_each_other_whatever_their_own_key(ledger: Ledger):
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    ledger.steps.plan(first, [step("order", "order-1", concerns="order-1")])
    ledger.steps.plan(second, [step("close", "close-1", concerns="order-1")])
    ledger.steps.begin(first, "order")
    with pytest.raises(KeyBusy):
        ledger.steps.begin(second, "close")
    ledger.steps.refuse(first, "order", "closed_period", "the period is closed")
    assert ledger.steps.begin(second, "close") == 1


def test_a_batch_begins_what_may_be_sent_and_tells_why_not(ledger: Ledger):
    accept(ledger, document("1"), document("2"), document("3"))
    claims = claim(ledger)
    for one, name in zip(claims, ("same", "same", "other"), strict=True):
        ledger.steps.plan(one, [step("customer", name)])
    results = ledger.steps.begin_all([(one, "customer") for one in claims])
    assert sorted(str(result) if isinstance(result, int) else type(result).__name__ for result in results) == [
        "1",
        "1",
        "KeyBusy",
    ]


def test_a_receipt_of_another_delivery_is_reused_in_the_plan(ledger: Ledger):
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    shared = step("customer", "customer-a")
    deliver(ledger, first, [shared])
    rows = ledger.steps.plan(second, [shared, step("order")], reuse={"customer.create"})
    assert [row.state for row in rows] == [StepState.CONFIRMED, StepState.PLANNED]
    assert rows[0].receipt.target_id == "id-customer-a"


def test_documents_of_one_concern_are_claimed_one_after_the_other(ledger: Ledger):
    accept(ledger, *[document(str(number), concerns="customer a") for number in range(2)], document("9"))
    claims = claim(ledger)
    assert [one.delivery.key.native_id for one in claims] == ["0", "9"]
    assert claim(ledger, owner="run-2:7") == []
    deliver(ledger, claims[0])
    assert [one.delivery.key.native_id for one in claim(ledger, owner="run-2:7")] == ["1"]


def test_what_lacks_something_waits_and_is_released_when_it_arrives(ledger: Ledger, clock):
    other = Requirement("product", "SKU-2")
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    assert ledger.deliveries.wait_for(first, [SKU, other]) is State.WAITING
    deliver(ledger, second)
    assert ledger.deliveries.requirements(first.id) == [SKU, other]
    assert claim(ledger) == []
    assert ledger.deliveries.release_waiting("another_erp", "product", ["SKU-1", "SKU-2"]) == []
    assert ledger.deliveries.release_waiting(ERP, "product", ["SKU-1"]) == []
    assert ledger.deliveries.release_waiting(ERP, "product", ["SKU-2"]) == [first.id]
    assert ledger.deliveries.release_waiting(ERP, "product", ["SKU-2"]) == []
    (again,) = claim(ledger)
    deliver(ledger, again)


def test_what_waits_is_looked_at_again_and_dies_at_its_deadline(ledger: Ledger, clock):
    accept(ledger, document("1"))
    deadline = START + timedelta(hours=1)
    (mine,) = claim(ledger)
    ledger.deliveries.wait_for(mine, [SKU], deadline)
    clock.advance(599)
    assert claim(ledger) == []
    clock.advance(1)
    (mine,) = claim(ledger)
    assert ledger.deliveries.wait_for(mine, [SKU]) is State.WAITING
    clock.time = deadline
    (mine,) = claim(ledger)
    assert ledger.deliveries.wait_for(mine, [SKU]) is State.DEAD
    dead = ledger.deliveries.get(mine.id)
    assert (dead.code, "product SKU-1" in dead.reason) == ("requirement_missing", True)


def test_a_document_known_to_lack_something_starts_as_waiting(ledger: Ledger):
    accept(ledger, document("1", requirements=(SKU,)))
    assert claim(ledger) == []
    ledger.deliveries.release_waiting(ERP, "product", ["SKU-1"])
    assert len(claim(ledger)) == 1


def test_a_newer_version_replaces_one_that_has_not_begun(ledger: Ledger, clock):
    (before,) = accept(ledger, document("1", "1", source_time=START))
    (after,) = accept(ledger, document("1", "2", source_time=START + timedelta(seconds=1)))
    assert (after.id, after.change) == (before.id, Change.REPLACED)
    (stale,) = accept(ledger, document("1", "0", source_time=START - timedelta(seconds=1)))
    assert (stale.id, stale.change) == (before.id, Change.STALE)
    (mine,) = claim(ledger)
    assert mine.delivery.version == "2"
    assert b'"2"' in mine.delivery.payload


def test_a_newer_version_of_one_that_has_begun_comes_after_it(ledger: Ledger):
    accept(ledger, document("1", "1"))
    (mine,) = claim(ledger)
    (follow_up,) = accept(ledger, document("1", "2", operation="update"))
    (replaced,) = accept(ledger, document("1", "3", operation="update"))
    assert (follow_up.change, replaced.change) == (Change.FOLLOW_UP, Change.REPLACED)
    assert claim(ledger, owner="run-2:7") == []
    deliver(ledger, mine)
    (second,) = claim(ledger)
    assert (second.id, second.delivery.version, second.delivery.operation) == (follow_up.id, "3", "update")
    deliver(ledger, second, [step("update", "order-1:3")])
    (third,) = accept(ledger, document("1", "4", operation="update"))
    assert third.change is Change.FOLLOW_UP
    assert len(claim(ledger)) == 1


def test_a_change_that_does_not_concern_the_target_makes_no_follow_up(ledger: Ledger):
    accept(ledger, document("1", "1"))
    (mine,) = claim(ledger)
    deliver(ledger, mine)
    assert accept(ledger, document("1", "2", follow_up=False))[0].change is Change.NOTHING
    assert claim(ledger) == []


def test_one_batch_may_hold_several_versions_of_a_document(ledger: Ledger):
    changes = accept(ledger, document("1", "1"), document("1", "2"), document("1", "2"))
    assert [one.change for one in changes] == [Change.NEW, Change.REPLACED, Change.SAME]


def test_a_cancelled_document_that_has_not_begun_is_withdrawn(ledger: Ledger):
    accept(ledger, document("1"), document("2"))
    (mine,) = claim(ledger, limit=1)
    with ledger.handling(ROUTE, FLOW) as work:
        answers = work.withdraw(ERP, [key("1"), key("2"), key("3")], "cancelled_in_store", "cancelled")
    assert answers == {key("1"): False, key("2"): True}
    deliver(ledger, mine)
    assert claim(ledger) == []


@pytest.mark.parametrize("outcome", ["refused", "not_sent", "unknown", "already_exists"])
def test_what_is_cancelled_before_the_document_itself_has_left_is_withdrawn(ledger: Ledger, outcome: str):
    """Its customer may be at the target already."""
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("customer"), step("sales_order")])
    ledger.steps.begin(mine, "customer")
    ledger.steps.confirm(mine, "customer", Receipt(target_id="7"))
    ledger.steps.begin(mine, "sales_order")
    if outcome == "refused":
        ledger.steps.refuse(mine, "sales_order", "closed_period", "the period is closed")
    elif outcome == "not_sent":
        ledger.steps.not_sent(mine, "sales_order", "no connection")
    elif outcome == "already_exists":
        ledger.steps.refuse(mine, "sales_order", ALREADY_EXISTS, "this record already exists")
    else:
        ledger.steps.unknown(mine, "sales_order", "no answer")
    ledger.deliveries.dead(mine, "closed_period", "the period is closed")
    with ledger.handling(ROUTE, FLOW) as work:
        answers = work.withdraw(ERP, [key("1")], "cancelled_in_store", "cancelled")
    withdrawn = outcome not in ("unknown", "already_exists")
    assert answers == {key("1"): withdrawn}
    assert ledger.deliveries.get(mine.id).state is (State.SUPERSEDED if withdrawn else State.DEAD)


def test_what_may_have_left_once_is_not_withdrawn_because_it_did_not_leave_again(ledger: Ledger, clock):
    """Its first request may have been applied: what is cancelled now has to be closed at the target."""
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("sales_order")])
    ledger.steps.begin(mine, "sales_order")
    ledger.steps.unknown(mine, "sales_order", "no answer")
    ledger.deliveries.later(mine, clock(), "no answer")
    (mine,) = claim(ledger)
    ledger.steps.begin(mine, "sales_order")
    ledger.steps.not_sent(mine, "sales_order", "circuit breaker open")
    ledger.deliveries.later(mine, clock(), "circuit breaker open")
    assert [row.state for row in ledger.steps.of(mine.id)] == [StepState.UNKNOWN]
    with ledger.handling(ROUTE, FLOW) as work:
        assert work.withdraw(ERP, [key("1")], "cancelled_in_store", "cancelled") == {key("1"): False}


def test_what_was_looked_for_and_is_not_there_never_left(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("sales_order")])
    ledger.steps.begin(mine, "sales_order")
    ledger.steps.unknown(mine, "sales_order", "no answer")
    ledger.deliveries.later(mine, clock(), "no answer")
    clock.advance(600)
    (mine,) = claim(ledger)
    ledger.steps.absent(mine, "sales_order")
    ledger.steps.begin(mine, "sales_order")
    clock.advance(1)
    ledger.steps.not_sent(mine, "sales_order", "no connection")
    ledger.deliveries.later(mine, clock(), "no connection")
    with ledger.handling(ROUTE, FLOW) as work:
        assert work.withdraw(ERP, [key("1")], "cancelled_in_store", "cancelled") == {key("1"): True}


def test_a_held_document_waits_for_a_person(ledger: Ledger):
    approved, rejected = accept(
        ledger, document("1", held=("total_differs", "by 0.02")), document("2", held=("total_differs", "by 9.00"))
    )
    assert claim(ledger) == []
    ledger.deliveries.approve(approved.id, "ann", "rounding")
    ledger.deliveries.reject(rejected.id, "ann", "fraud")
    with pytest.raises(WrongState, match="dismissed"):
        ledger.deliveries.approve(rejected.id, "ann")
    assert [one.id for one in claim(ledger)] == [approved.id]


def test_a_delivery_does_not_end_while_a_step_may_be_on_its_way(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("order"), step("note", optional=True)])
    ledger.steps.begin(mine, "order")
    for end in (
        lambda: ledger.deliveries.later(mine, clock(), "x"),
        lambda: ledger.deliveries.dead(mine, "x", "x"),
        lambda: ledger.deliveries.complete(mine),
        lambda: ledger.deliveries.release(mine),
    ):
        with pytest.raises(WrongState, match="step order"):
            end()
    ledger.steps.confirm(mine, "order", Receipt(target_id="1"))
    with pytest.raises(WrongState, match="note"):
        ledger.deliveries.complete(mine)
    ledger.steps.begin(mine, "note")
    ledger.steps.refuse(mine, "note", "no_permission", "no")
    ledger.deliveries.complete(mine)


def test_of_many_that_end_together_those_that_may_not_end_stand_alone(ledger: Ledger, clock):
    """The others are delivered, and what follows them is due."""
    accept(ledger, *[document(name) for name in ("1", "2", "3", "4")])
    mine = {one.delivery.key.native_id: one for one in claim(ledger, lease_seconds=30)}
    ledger.steps.plan(mine["2"], [step("customer"), step("order", "order-2")])
    ledger.steps.begin(mine["2"], "customer")
    ledger.steps.confirm(mine["2"], "customer", Receipt(target_id="1"))
    ledger.steps.plan(mine["4"], [step("order", "order-4")])
    ledger.steps.begin(mine["4"], "order")
    ledger.steps.confirm(mine["4"], "order", Receipt(target_id="2"))
    (follow_up,) = accept(ledger, document("4", "2"))
    ledger.deliveries.later(mine["3"], clock(), "somebody else's turn")
    (taken,) = claim(ledger, owner="run-2:7")
    ledger.deliveries.heartbeat([mine["1"]], 60)
    lost, open_step, fine, other = (mine["3"], mine["2"], mine["1"], mine["4"])
    problems = ledger.deliveries.complete_all([lost, open_step, fine, other])
    assert [type(problem) for problem in problems] == [LeaseLost, WrongState, type(None), type(None)]
    assert "step order of" in str(problems[1])
    states = {name: ledger.deliveries.get(one.id).state for name, one in mine.items()}
    assert states == {"1": State.DELIVERED, "2": State.CLAIMED, "3": State.CLAIMED, "4": State.DELIVERED}
    assert ledger.deliveries.get(taken.id).owner == "run-2:7"
    assert ledger.deliveries.get(follow_up.id).state is State.DUE
    kinds = [event.kind for event in ledger.trace(fine.delivery.key).events]
    assert kinds[-2:] == ["claimed", "delivered"]
    assert ledger.deliveries.complete_all([]) == []


def test_a_step_in_work_at_the_target_is_not_sent_again(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order")
    ledger.steps.accepted(mine, "order", "job 5")
    ledger.deliveries.later(mine, clock(), "in work")
    (mine,) = claim(ledger)
    (row,) = ledger.steps.of(mine.id)
    assert (row.state, row.handle) == (StepState.ACCEPTED, "job 5")
    with pytest.raises(WrongState, match="settle"):
        ledger.steps.begin(mine, "order")
    ledger.steps.confirm(mine, "order", Receipt(target_id="1"))
    ledger.deliveries.complete(mine)


def test_planning_again_keeps_what_was_sent(ledger: Ledger):
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("customer"), step("order"), step("deposit")])
    ledger.steps.begin(mine, "customer")
    ledger.steps.confirm(mine, "customer", Receipt(target_id="5", values={"a": "b"}))
    rows = ledger.steps.plan(mine, [step("customer"), step("order", "order-new"), step("extra")])
    assert [(row.name, row.state.value) for row in rows] == [
        ("customer", "confirmed"),
        ("order", "planned"),
        ("extra", "planned"),
    ]
    assert rows[0].receipt == Receipt(target_id="5", values={"a": "b"})
    with pytest.raises(WrongState, match="not planned any more"):
        ledger.steps.plan(mine, [step("order")])


def test_what_a_write_moves_becomes_unknown_with_its_receipt(ledger: Ledger, clock):
    ledger.known.write("magento_us", "stock_level", [KnownRow(key="SKU-1", value="5", source_order=1)])
    clock.advance(1)
    accept(ledger, document("1"))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("shipment")])
    ledger.steps.begin(mine, "shipment", moves=[("magento_us", "stock_level", ["SKU-1"])])
    ledger.steps.confirm(
        mine,
        "shipment",
        Receipt(target_id="9"),
        references=[Link(entity="shipment", connection_a="netsuite_us", id_a="4", connection_b="magento_us", id_b="9")],
    )
    assert [row.key for row in ledger.known.unsure("magento_us", "stock_level")] == ["SKU-1"]
    assert ledger.cross_references.find("shipment", "magento_us", ["9"], "netsuite_us") == {"9": "4"}


def test_due_work_is_counted_for_the_whole_installation(ledger: Ledger, clock):
    accept(ledger, document("1"), document("2", lane="now"), document("3", due_at=START + timedelta(minutes=5)))
    accept(ledger, document("1"), flow="refunds")
    counts = {(one.flow, one.lane): one.count for one in ledger.deliveries.due_counts()}
    assert counts == {("orders", "normal"): 1, ("orders", "now"): 1, ("refunds", "normal"): 1}
    claim(ledger)
    assert {one.flow for one in ledger.deliveries.due_counts()} == {"refunds"}
    assert ledger.due_counts(ROUTE, FLOW, ERP) == {"claimed": 2, "later": 1}
    clock.advance(300)
    assert ledger.deliveries.any_due(FLOW, ERP)


def test_an_approved_follow_up_still_comes_after_the_delivery_before_it(ledger: Ledger):
    accept(ledger, document("1", "1"))
    (mine,) = claim(ledger)
    (held,) = accept(ledger, document("1", "2", held=("changed_after_delivery", "compare both")))
    ledger.deliveries.approve(held.id, "ann")
    assert ledger.deliveries.get(held.id).state is State.WAITING
    assert claim(ledger) == []
    deliver(ledger, mine)
    assert [one.id for one in claim(ledger)] == [held.id]


def test_what_is_not_to_go_after_all_is_withdrawn_unless_something_of_it_has_left(ledger: Ledger):
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    ledger.steps.plan(second, [step("sales_order")])
    ledger.steps.begin(second, "sales_order")
    assert ledger.deliveries.withdraw(first, "before_start", "placed before the start")
    assert not ledger.deliveries.withdraw(second, "before_start", "placed before the start")
    gone, going = ledger.deliveries.get(first.id), ledger.deliveries.get(second.id)
    assert (gone.state, gone.code, gone.due_at) == (State.SUPERSEDED, "before_start", None)
    assert (going.state, going.code) == (State.CLAIMED, "")
    with pytest.raises(LeaseLost):
        ledger.deliveries.withdraw(first, "before_start", "placed before the start")
    assert claim(ledger) == []
