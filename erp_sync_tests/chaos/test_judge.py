"""What the checker finds in a seed's systems is called wrong, unless an explained case says it already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync_tests.chaos.cases import Cases
from erp_sync_tests.chaos.judge import Verdict, compared
from erp_sync_tests.sandbox.checked_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One order, delivered and shipped with two parcels."""
    made = World(tmp_path)
    made.place(1)
    made.book(1)
    made.insert(made.store, "sales_order_tax", tax_id=1, order_id=1)
    made.insert(made.store, "sales_order_tax_item", tax_id=1, tax_percent="5.0000", real_amount="0.5000")
    made.insert(made.erp, "transactiontaxdetail", transaction=100, taxrate="5", taxamount="0.50")
    made.fulfil(1, "1Z1", "1Z2")
    made.ship(1, "1Z1", "1Z2", mails=((15.0, ("1Z1", "1Z2")),))
    made.store.execute("UPDATE sales_order_item SET qty_shipped = '2.0000'")
    yield made
    for journal in made.journals.values():
        journal.close()


def words(world: World, *explained: tuple[str, str]) -> list[str]:
    verdict = Verdict()
    compared(verdict, world.check(), Cases(explained=set(explained)), skewed=False)
    return verdict.words()


def test_a_sound_day_is_sound(world: World):
    assert words(world) == []


def test_a_shipment_that_is_another_one_in_the_store_is_wrong(world: World):
    world.store.execute("UPDATE sales_shipment_item SET qty = '1.0000'")
    world.store.execute("DELETE FROM sales_shipment_track WHERE track_number = '1Z2'")
    (told,) = words(world)
    assert told.startswith("unexplained: fulfillment IF172 is another one in the store: GRO-1: 2.00000 left, 1.0000")
    assert told.endswith("parcel 1Z2 not booked")
    assert words(world, ("shipments", "IF172")) == []
    assert words(world, ("orders", "IF172")) == [told]


def test_an_order_that_the_erp_has_given_up_is_lost_while_the_store_has_it_open(world: World):
    world.place(2)
    world.book(2, status="C", lines=[{"item": 1000, "quantity": "-2.00000", "foreignamount": "-11.00"}])
    world.insert(world.store, "sales_order_tax", tax_id=2, order_id=2)
    world.insert(world.store, "sales_order_tax_item", tax_id=2, tax_percent="5.0000", real_amount="0.5000")
    world.insert(world.erp, "transactiontaxdetail", transaction=200, taxrate="5", taxamount="0.50")
    assert words(world) == ["lost: order 000000002 is open in the store and given up in the ERP"]
