"""A shipment that is slow at the store and a stock run beside it, over HTTP: the shop never offers what has left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from erp_sync.components.documents import drain_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.demo.judging import ALREADY_SHIPPED
from erp_sync.flows.delivery import DrainReport
from erp_sync.ledger import State
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.magento.ports.shipments import ShipmentTarget
from erp_sync.systems.magento.ports.stock import StockTarget
from erp_sync_tests.e2e.business import Business, business

FLOWS_ON = ("orders", "order_status", "shipments", "inventory")
PATIENCE = 60.0
QUICK = {"timeout_seconds": 2}


class Gate:
    """Where a call stands until the test lets it go."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def stand(self) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    """An order of two mugs has left the east; the store has not heard of it, and its stock was compared before."""
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, flows=FLOWS_ON, store_settings=QUICK) as shop:
        number = shop.store.buy("ann", {"MUG": 2})
        shop.settle()
        assert len(shop.in_erp(number)) == 1
        shop.converge(full=True)
        erp = shop.hands_in_erp()
        east = Warehouse(erp, "east", habits=Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0))
        assert east.ship() == 1
        erp.close()
        yield shop


def count(shop: Business, sku: str, quantity: int) -> None:
    """Somebody counts in the east."""
    shop.erp_sql(
        "UPDATE aggregateitemlocation SET quantityonhand = ?, quantityavailable = ? - quantitycommitted, "
        "lastquantityavailablechange = ? WHERE item = (SELECT id FROM item WHERE itemid = ?) "
        "AND location = (SELECT id FROM location WHERE externalid = 'east')",
        f"{quantity}.00000",
        quantity,
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sku,
    )


def offered(shop: Business, sku: str) -> int:
    (row,) = shop.store.rows("SELECT quantity FROM inventory_source_item WHERE sku = ? AND source_code = 'east'", sku)
    return int(float(row["quantity"]))


def ship(shop: Business) -> DrainReport:
    with shop.installation() as here:
        return drain_documents(
            here, here.configuration.routes["us"], FLOWS["shipments"], owner="shipping:1", lane="normal"
        )


@contextmanager
def gate(monkeypatch: pytest.MonkeyPatch, target: type, method: str, *, answered: bool) -> Iterator[Gate]:
    """The next call stands before it leaves, or (`answered`) after the store has done it."""
    real, at = getattr(target, method), Gate()
    first = threading.Lock()

    def slow(self: Any, *arguments: Any) -> Any:
        if not first.acquire(blocking=False):
            return real(self, *arguments)
        if not answered:
            at.stand()
        outcome = real(self, *arguments)
        if answered:
            at.stand()
        return outcome

    with monkeypatch.context() as patched:
        patched.setattr(target, method, slow)
        try:
            yield at
        finally:
            at.open.set()


@pytest.mark.parametrize("answered", [False, True], ids=["not booked yet", "booked, not answered"])
def test_stock_is_not_written_beside_a_slow_shipment(shop: Business, monkeypatch, answered: bool):
    shop.extract_and_transform("shipments")
    count(shop, "MUG", 9000)
    count(shop, "TEA", 500)
    with gate(monkeypatch, ShipmentTarget, "_create", answered=answered) as at, ThreadPoolExecutor(1) as pool:
        shipping = pool.submit(ship, shop)
        assert at.reached.wait(PATIENCE)
        before = offered(shop, "MUG")
        shop.converge()
        assert offered(shop, "MUG") == before, "written beside the shipment"
        assert offered(shop, "TEA") == 500, "nothing else waits"
        at.open.set()
        assert shipping.result(PATIENCE).delivered == 1
    assert offered(shop, "MUG") == 9998
    shop.converge()
    assert offered(shop, "MUG") == 9000
    assert [one.batches for one in shop.converge()] == [0]


def test_a_shipment_waits_for_the_stock_that_is_on_its_way(shop: Business, monkeypatch):
    shop.extract_and_transform("shipments")
    count(shop, "MUG", 9000)
    with gate(monkeypatch, StockTarget, "submit", answered=False) as at, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(shop.converge)
        assert at.reached.wait(PATIENCE)
        assert ship(shop).reasons == {"key_busy": 1}
        at.open.set()
        assert [one.applied for one in writing.result(PATIENCE)] == [1]
    assert offered(shop, "MUG") == 9002, "what has left is still there for the store to book"
    shop.settle("shipments")
    assert [one.state for one in shop.deliveries("shipments")] == [State.DELIVERED]
    shop.converge()
    assert offered(shop, "MUG") == 9000


def test_a_lost_answer_keeps_the_stock_until_the_shipment_is_found(shop: Business):
    shop.extract_and_transform("shipments")
    shop.store.sandbox.fault("timeout_after_commit", "*ship*", method="POST", times=1)
    count(shop, "MUG", 9000)
    assert ship(shop).reasons == {"outcome_unknown": 1}
    shop.converge()
    assert offered(shop, "MUG") == 9998, "nobody knows whether the store has booked it: nothing is written"
    shop.settle("shipments")
    shop.converge()
    assert offered(shop, "MUG") == 9000


def test_an_order_cancelled_after_its_goods_have_left_is_a_case_for_a_person_and_told_as_one(shop: Business):
    (number,) = [one.number for one in shop.deliveries()]
    shop.store.cancel(number)
    shop.settle()
    (cancellation,) = [one for one in shop.deliveries() if one.operation == "cancel"]
    assert (cancellation.state, cancellation.code) == (State.DEAD, ALREADY_SHIPPED)
    orders = shop.report().orders
    assert (orders.cancelled_after_shipping, orders.cancelled_open_in_erp) == ([number], [])
    assert orders.false_claims == {}
