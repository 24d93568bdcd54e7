"""What the ledger remembers of values that somebody else wrote at a target."""

from __future__ import annotations

import pytest

from erp_sync.ledger import KnownRow, Ledger
from erp_sync.ledger.known_state import ABSENT

TARGET, ENTITY = "magento_us", "product"


@pytest.fixture
def world(ledger: Ledger, clock) -> World:
    return World(ledger, clock)


class World:
    def __init__(self, ledger: Ledger, clock) -> None:
        self.ledger, self.clock = ledger, clock

    def wrote(self, value: str | None) -> None:
        self.clock.advance(1)
        self.ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value=value, source_order=1)])

    def read(self, value: str | None) -> None:
        self.clock.advance(1)
        self.ledger.known.read(TARGET, ENTITY, [KnownRow(key="A", value=value)], self.clock())

    @property
    def edited(self) -> dict[str, str]:
        return self.ledger.known.edited(TARGET, ENTITY)


def test_what_was_agreed_on_stays_known_however_often_somebody_writes(world: World):
    world.wrote("ours")
    world.read("ours")
    assert world.edited == {}
    world.read("theirs")
    world.read("theirs again")
    assert world.edited == {"A": "ours"}
    assert world.ledger.known.edited(TARGET, ENTITY, ["B"]) == {}


@pytest.mark.parametrize("ending", ["written again", "found again", "settled"])
def test_an_edit_ends_when_it_is_put_back_taken_back_or_settled(world: World, ending):
    world.wrote("ours")
    world.read("theirs")
    if ending == "written again":
        world.wrote("ours")
    elif ending == "found again":
        world.read("ours")
    else:
        world.ledger.known.settle_edits(TARGET, ENTITY, ["A"])
    assert world.edited == {}


def test_a_row_that_somebody_took_away_or_made_is_an_edit(world: World):
    world.wrote("ours")
    world.read(None)
    assert world.edited == {"A": "ours"}
    world.wrote(None)
    world.read("theirs")
    assert world.edited == {"A": ABSENT}


def test_what_our_own_writes_moved_is_nobodys_edit(world: World):
    world.wrote("5")
    world.ledger.known.mark_unknown(TARGET, ENTITY, ["A"], "a shipment moved it")
    world.read("3")
    assert world.edited == {}


def test_what_is_read_for_the_first_time_is_nobodys_edit(world: World):
    world.read("theirs")
    assert world.edited == {}
