from __future__ import annotations

import pytest

from erp_sync.ledger import State
from erp_sync.ledger.errors import NotInLedger, WrongState
from erp_sync.ledger.plans import PlanState
from erp_sync.operations import decisions, plans
from erp_sync.operations.choosing import CannotDo
from erp_sync_tests.operations.house import House

HELD = ("on_hold_in_store", "somebody put the order on hold")


def test_an_approved_plan_is_due_and_tells_who(house: House) -> None:
    plan = house.held_plan()
    decided = decisions.approve(house.here, f"p{plan.id}", who="ann", why="checked")
    assert (decided.id, decided.rows, decided.decision) == ("p1", 1, "approved")
    assert [(one.who, one.why) for one in house.ledger.plans.approvals(1)] == [("ann", "checked")]
    assert house.ledger.plans.any_due("inventory", "magento_us")


def test_a_held_order_is_approved_by_its_number(house: House) -> None:
    delivery = house.order("7", held=HELD)
    decisions.approve(house.here, "000000007", who="ann")
    assert house.ledger.deliveries.get(delivery).state is State.DUE


def test_a_number_that_is_both_asks_which(house: House) -> None:
    house.order("7", held=HELD)
    house.held_plan()
    with pytest.raises(CannotDo, match="1 names several that are held; say which: p1, d1"):
        decisions.approve(house.here, "1", who="ann")


def test_a_rejection_needs_a_reason(house: House) -> None:
    plan = house.held_plan()
    with pytest.raises(CannotDo, match="needs a reason"):
        decisions.reject(house.here, "p1", who="ann", why="")
    decisions.reject(house.here, "p1", who="ann", why="cut off")
    assert plan.id is not None
    assert house.ledger.plans.get(plan.id).state is PlanState.REJECTED


def applied_plan(house: House, *keys: str) -> int:
    plan = house.held_plan(*keys)
    assert plan.id is not None
    decisions.approve(house.here, f"p{plan.id}", who="ann")
    claim = house.ledger.plans.claim("us", "inventory", "magento_us", limit=10, owner="run-4:1")
    house.ledger.plans.applied(claim, house.ledger.plans.begin(claim))
    return plan.id


def test_what_a_plan_has_written_is_undone_by_a_plan_that_goes_next(house: House) -> None:
    plan = applied_plan(house)
    undone = decisions.undo(house.here, f"p{plan}", who="ann", why="wrong file")
    assert (undone.id, undone.decision, undone.rows, undone.by) == ("p1", "undone", 1, "p2")
    (row,) = house.ledger.plans.table(2).to_pylist()
    assert (row["key"], row["before"], row["after"], row["state"]) == ("east/MUG", '"0"', '"5"', "due")
    assert [one.decision for one in house.ledger.plans.approvals(plan)] == ["approved", "undone"]
    with pytest.raises(WrongState, match="only an applied one can be undone"):
        decisions.undo(house.here, f"p{plan}", who="ann", why="again")
    assert len(house.ledger.plans.find()) == 2


def test_only_a_plan_is_undone_and_only_with_a_reason(house: House) -> None:
    delivery = house.delivered("7")
    with pytest.raises(CannotDo, match=f"d{delivery} is no plan"):
        decisions.undo(house.here, f"d{delivery}", who="ann", why="wrong")
    plan = applied_plan(house)
    with pytest.raises(CannotDo, match="needs a reason"):
        decisions.undo(house.here, f"p{plan}", who="ann", why=" ")
    with pytest.raises(NotInLedger):
        decisions.undo(house.here, "p99", who="ann", why="wrong")
    assert house.ledger.plans.get(plan).state is PlanState.APPLIED


def test_a_plan_is_told_with_its_rows_what_holds_it_and_what_can_be_done(house: House) -> None:
    plan = applied_plan(house)
    told = plans.told(house.here, plan, 10)
    assert (told.state, told.rows, told.states) == ("applied", 1, {"applied": 1})
    assert [(one.key, one.before, one.after, one.reason) for one in told.changes] == [
        ("east/MUG", "5", "0", "sold out")
    ]
    assert [one.words for one in told.verdicts] == ["all of it goes to zero"]
    assert [one.who for one in told.decisions] == ["ann"]
    assert told.can_do == ["erp-sync undo p1 --why TEXT"]
    decisions.undo(house.here, f"p{plan}", who="ann", why="wrong file")
    assert plans.told(house.here, 2, 10).undoes == "p1"
    held = house.held_plan("east/TEA").id
    assert held is not None
    assert plans.told(house.here, held, 0).changes == []
    assert plans.told(house.here, held, 1).can_do[0].startswith("erp-sync approve p3")


def test_what_is_not_held_is_refused_with_what_is(house: House) -> None:
    house.held_plan()
    with pytest.raises(CannotDo, match="d5 is not held; held are: p1"):
        decisions.approve(house.here, "d5", who="ann")


def test_an_id_that_is_not_held_names_no_other_version_of_its_document(house: House) -> None:
    first = house.order("7", held=HELD)
    decisions.reject(house.here, f"d{first}", who="ann", why="not wanted")
    later = house.order("7", held=HELD, version="2")
    for word in (f"d{first}", str(first)):
        with pytest.raises(CannotDo, match=f"{word} is not held; held are: d{later}"):
            decisions.approve(house.here, word, who="ann")
    assert house.ledger.deliveries.get(later).state is State.HELD


def test_a_value_that_stands_in_a_held_order_does_not_name_it(house: House) -> None:
    delivery = house.order("7", held=HELD)
    house.receive("7", {"increment_id": "000000007", "sku": "MUG"}, version="2")
    for decide in (decisions.approve, decisions.reject):
        with pytest.raises(CannotDo, match=f"MUG is not held; held are: d{delivery}"):
            decide(house.here, "MUG", who="ann", why="seen")
    assert house.ledger.deliveries.get(delivery).state is State.HELD


def test_a_bare_number_that_is_also_the_number_of_another_held_document_asks_which(house: House) -> None:
    first, second = house.order("7", held=HELD), house.order("8", held=HELD, number="1")
    with pytest.raises(CannotDo, match=f"{first} names several that are held; say which: d{first}, d{second}"):
        decisions.approve(house.here, str(first), who="ann")
