"""erp_sync's own figures in the demo's report, from its ledger."""

from __future__ import annotations

from erp_sync.demo.judging import dead_letters
from erp_sync_tests.operations.conftest import home, house
from erp_sync_tests.operations.house import House

__all__ = ["home", "house"]


def test_dead_letters_are_those_of_every_flow_and_kind_with_their_reasons(house: House) -> None:
    house.dead("1")
    house.refused("2")
    house.refused("3")
    house.held_plan()
    assert dead_letters(house.ledger) == {"orders/malformed_address": 2, "orders/unmapped_payment_method": 1}
