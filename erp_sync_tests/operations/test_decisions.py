from __future__ import annotations

import pytest

from erp_sync.ledger import State
from erp_sync.ledger.plans import PlanState
from erp_sync.operations import decisions
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
