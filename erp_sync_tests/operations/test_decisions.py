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
    with pytest.raises(CannotDo, match="both plan 1 and delivery 1 are held; say p1 or d1"):
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
