"""What the checker finds in a seed's systems is called wrong, unless an explained case says it already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from erp_sync.ledger import Ledger
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync_tests.chaos.cases import Cases
from erp_sync_tests.chaos.house import FLOWS
from erp_sync_tests.chaos.judge import Verdict, _rows, compared
from erp_sync_tests.ledger import fresh
from erp_sync_tests.ledger.world import ROUTE
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


STORE, STOCK, FLOW = "magento_us", "stock_level", "inventory"


def test_a_value_that_was_given_up_or_is_on_its_way_is_told_until_it_is_there(tmp_path: Path):
    fresh.create(f"sqlite:///{tmp_path}/ledger.db")
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db")

    def told() -> list[str]:
        verdict = Verdict()
        _rows(verdict, SimpleNamespace(flows=FLOWS, name=ROUTE, store=STORE, erp="netsuite_us"), ledger)
        return verdict.words()

    for after in ("5", "6"):
        row = PlanRow(key="MUG|east", before="1", after=after, source_order=int(after))
        with ledger.handling(ROUTE, FLOW, "run-0") as work:
            work.add_plan(NewPlan(entity=STOCK, target=STORE, rows=[row]))
        assert "unexplained: 1 rows of inventory are still due" in told()
        mine = ledger.plans.claim(ROUTE, FLOW, STORE, owner="run-1:1")
        assert mine is not None
        sent = ledger.plans.begin(mine)
        if after == "5":
            ledger.plans.refused(mine, [(one, "no_such_sku", "unknown product") for one in sent])
            assert told() == ["unexplained: inventory MUG|east was given up as 5: no_such_sku unknown product"]
        else:
            ledger.plans.applied(mine, sent)
    assert told() == []
    ledger.close()
