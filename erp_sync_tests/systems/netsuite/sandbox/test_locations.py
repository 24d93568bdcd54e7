"""Automatic Location Assignment: approved lines without a location get one in the background."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.netsuite.sandbox import create
from erp_sync_tests.systems.netsuite.sandbox.conftest import CATALOGUE, Account


@pytest.fixture
def assigning(tmp_path):
    clock = ManualClock()
    core = create(tmp_path / "netsuite.db", clock, {"automatic_locations": True})
    core.seed(CATALOGUE)
    return Account(core, clock)


def line_location(account, order):
    return account.full(f"salesOrder/{order}")["item"]["items"][0].get("location", {}).get("id")


def test_a_line_without_a_location_waits_for_the_background(assigning):
    order = assigning.order([("MUG", 2)], location=None)
    assert line_location(assigning, order) is None
    assert assigning.stock("MUG")["committed"] == 0
    assigning.core.tick()
    assert line_location(assigning, order) == assigning.location("east")
    assert assigning.stock("MUG")["committed"] == Decimal(2)


def test_the_location_that_can_fill_the_line_is_taken(assigning):
    assigning.order([("MUG", 4)], location=None)
    assigning.core.tick()
    second = assigning.order([("MUG", 2)], external_id="o-2", location=None)
    assigning.core.tick()
    assert line_location(assigning, second) == assigning.location("west")


def test_a_line_with_a_location_is_left_alone(assigning):
    order = assigning.order([("MUG", 1)], location={"id": assigning.location("west")})
    assigning.core.tick()
    assert line_location(assigning, order) == assigning.location("west")
