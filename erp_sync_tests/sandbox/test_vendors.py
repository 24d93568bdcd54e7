"""What people do in a vendor's sandbox is what its evidence says: for whichever vendor gives evidence.

A new vendor comes under these by its modules `evidence` and `storefront` or `warehouse`.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import pytest

from erp_sync.sandbox import shoppers, supervisor, warehouse
from erp_sync.sandbox.catalogue import Basket, Catalogue, Item, Line, Warehouse
from erp_sync.sandbox.evidence import ErpEvidence, StoreEvidence, erp_evidence, store_evidence
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.people import person, place
from erp_sync.sandbox.testing import RunningSandbox, running


def vendors(side: str) -> list[str]:
    """Of whom there is evidence as a store or an ERP."""
    found = []
    for vendor in supervisor.known_vendors():
        name = f"erp_sync.systems.{vendor}.sandbox.evidence"
        if find_spec(name) is not None and hasattr(importlib.import_module(name), side):
            found.append(vendor)
    return found


def article(sku: str, price: str | None, **more: Any) -> Item:
    return Item(
        sku=sku, name=f"Article {sku}", price=None if price is None else Decimal(price), cost=Decimal(1),
        weight=Decimal(1), category="Shop/Things", manufacturer="Maker", tax_class="taxable", **more,
    )  # fmt: skip


GOODS = Catalogue(
    items=(article("MUG", "7.50"), article("POT", "21.00"), article("TEA", "3.25")),
    warehouses=(Warehouse("east", "East", place("east")), Warehouse("west", "West", place("west"))),
    stock={("MUG", "east"): 8, ("MUG", "west"): 5, ("POT", "east"): 3, ("TEA", "west"): 40},
    coupons=(),
)
UNITS = {"MUG": 13, "POT": 3, "TEA": 40}


def opened(vendor: str, *, erp: bool) -> Iterator[RunningSandbox]:
    with running(importlib.import_module(f"erp_sync.systems.{vendor}.sandbox").create, vendor=vendor) as sandbox:
        sandbox.control("POST", "seed", GOODS.seed(erp=erp))
        yield sandbox


@pytest.fixture(params=vendors("Store"))
def store(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    yield from opened(request.param, erp=False)


@pytest.fixture(params=vendors("Erp"))
def erp(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    yield from opened(request.param, erp=True)


def told(sandbox: RunningSandbox) -> dict[str, Any]:
    return {"base_url": sandbox.base_url, **sandbox.status()}


def of_store(sandbox: RunningSandbox) -> StoreEvidence:
    return store_evidence(SystemFiles.of(told(sandbox)))


def of_erp(sandbox: RunningSandbox) -> ErpEvidence:
    return erp_evidence(SystemFiles.of(told(sandbox)))


def units(rows: Any) -> dict[str, Decimal]:
    found: Counter[str] = Counter()
    for row in rows:
        found[row.sku] += row.units
    return {sku: count for sku, count in found.items() if count}


def basket(*lines: Line) -> Basket:
    buyer = replace(person(1, registered=False), place=place("somewhere"))
    return Basket(1, timedelta(0), buyer, buyer.place, lines, None, "flatrate_flatrate", "checkmo")


# -- stores ------------------------------------------------------------------------------------------------


def test_a_store_has_what_it_began_with(store: RunningSandbox):
    evidence = of_store(store)
    shelves = evidence.shelves()
    assert units(shelves) == UNITS
    assert {shelf.source for shelf in shelves} <= evidence.sources()
    assert {one.sku: one.price for one in evidence.prices()} == {item.sku: item.price for item in GOODS.items}
    found = evidence.articles(["MUG", "NOBODY"])
    assert {sku: (one.name, one.sold) for sku, one in found.items()} == {"MUG": ("Article MUG", True)}
    assert (evidence.orders(), evidence.shipments()) == ([], [])


def test_what_a_shopper_buys_is_an_order_until_it_is_cancelled(store: RunningSandbox):
    began = time.time()
    front = shoppers.fronts(told(store), GOODS)()
    placed = front.place(basket(Line("MUG", 2), Line("TEA", 1)))
    assert placed.order_id is not None, placed.why
    (order,) = of_store(store).orders()
    assert (order.id, order.state, order.currency) == (placed.order_id, "open", "USD")
    assert {line.sku: line.ordered for line in order.lines} == {"MUG": 2, "TEA": 1}
    assert {line.sku: line.amount for line in order.lines} == {"MUG": Decimal(15), "TEA": Decimal("3.25")}
    assert order.total == sum((line.amount for line in order.lines), Decimal(0)) + order.tax + order.shipping
    assert sum((payment.amount for payment in order.payments), Decimal(0)) == order.total
    assert order.placed_at is not None
    assert began <= order.placed_at <= time.time()
    assert front.cancel(placed.order_id)
    (order,) = of_store(store).orders()
    assert (order.id, order.state) == (placed.order_id, "cancelled")
    assert {line.sku: line.cancelled for line in order.lines} == {"MUG": 2, "TEA": 1}
    front.close()


# -- ERPs --------------------------------------------------------------------------------------------------


def test_an_erp_has_what_it_began_with(erp: RunningSandbox):
    evidence = of_erp(erp)
    places = evidence.places()
    assert {"east", "west"} <= set(places.values())
    assert evidence.stocked() == {item.sku: True for item in GOODS.items}
    there = {(one.sku, places[one.place]): one.units for one in evidence.on_hand() if one.units}
    assert there == GOODS.stock
    assert evidence.prices(1) == {item.sku: item.price for item in GOODS.items}
    assert (evidence.orders(), evidence.shipments(), evidence.committed()) == ([], [], [])
    assert evidence.customers_twice() == []


def test_what_a_warehouse_counts_and_receives_is_an_adjustment(erp: RunningSandbox):
    began = time.time()
    software = warehouse.software(told(erp))()
    east = software.place("east")
    house = warehouse.Warehouse(software, "east", shift="a")
    full = software.shelves(east, above=5)
    assert len(full) == 1, "of the MUG only"
    house.adjust("count", {full[0]: Decimal(-3)})
    assert (house.worked.refused, len(house.worked.adjustments)) == ([], 1)
    evidence = of_erp(erp)
    (change,) = evidence.adjustments()
    assert (change.sku, evidence.places()[change.place]) == ("MUG", "east")
    assert began <= change.moments[0] <= time.time()
    assert units(evidence.on_hand()) == {**UNITS, "MUG": 10}
    assert software.open_orders(east) == {}
    assert evidence.withdrawals() == []
    software.close()


def test_what_people_do_to_articles_is_their_price_and_whether_they_are_sold(erp: RunningSandbox):
    began = time.time()
    desk = warehouse.software(told(erp))()
    evidence = of_erp(erp)
    for number in desk.articles():
        desk.reprice(number, Decimal("9.95"))
    assert evidence.prices(1) == {item.sku: Decimal("9.95") for item in GOODS.items}
    changed = evidence.price_changes()
    assert all(began <= changed[item.sku][0] <= time.time() for item in GOODS.items)
    desk.enter("CUP", "A cup", Decimal("4.10"))
    desk.rename("POT", "A pot")
    desk.end("TEA")
    assert evidence.prices(1) == {"MUG": Decimal("9.95"), "POT": Decimal("9.95"), "CUP": Decimal("4.10")}
    assert evidence.stocked() == {"MUG": True, "POT": True, "TEA": False, "CUP": True}
    desk.close()
