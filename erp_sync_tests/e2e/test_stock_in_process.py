"""Stock after all that moves it: orders, partial shipments, cancellations and refunds, without a full comparison.

After each step one cycle of the flows runs, and the store's sources and what it can sell must be what a count of the
moves says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from erp_sync.operations.adoption import adopt
from erp_sync_tests.e2e.business import CATALOGUE, Business, business, hands_in_store

OPENING = {("MUG", "east"): 20, ("MUG", "west"): 10}
STEPS = (
    ("buy", "a", 5), ("buy", "b", 4), ("ship", "a", 2), ("cancel", "b", 4), ("ship", "a", 3), ("refund", "a", 1),
    ("count", "", 1), ("buy", "c", 3), ("buy", "d", 5), ("refund unshipped", "d", 2), ("ship", "d", 2),
    ("refund unshipped", "d", 1), ("refund", "d", 1),
)  # fmt: skip
# The store takes what never left back first, and what was shipped into its source (which the ERP does not count).


@dataclass
class Model:
    """What a count of the moves says."""

    on_hand: int = 20
    open: dict[str, int] = field(default_factory=dict)

    def move(self, step: str, order: str, quantity: int) -> None:
        if step == "buy":
            self.open[order] = quantity
        elif step == "ship":
            self.open[order] -= quantity
            self.on_hand -= quantity
        elif step == "cancel":
            self.open[order] = 0
        elif step == "refund unshipped":
            self.open[order] -= quantity
        elif step == "count":
            self.on_hand += quantity
        # A refund returns goods in the store; the ERP has them once somebody counts them there.


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    catalogue = replace(CATALOGUE, stock={**CATALOGUE.stock, **OPENING})
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, catalogue=catalogue) as running:
        (file,) = running.settings.defs.rglob("defs.yaml")
        documents = list(yaml.safe_load_all(file.read_text()))
        documents[-1]["attributes"]["flows"]["inventory"] = {"mode": "on"}
        file.write_text(yaml.safe_dump_all(documents))
        yield running


def cycle(shop: Business, *, full: bool = False, documents: tuple[str, ...] = ("orders", "shipments")) -> None:
    """One run of every flow that moves stock, as life's schedules start them."""
    for flow in documents:
        shop.settle(flow)
    shop.converge(full=full)


def stock(shop: Business) -> tuple[int, int]:
    """What the source has, and what the store can sell of all sources."""
    sources = {
        row["source_code"]: float(row["quantity"])
        for row in shop.store.rows("SELECT source_code, quantity FROM inventory_source_item WHERE sku = 'MUG'")
    }
    reserved = shop.store.rows("SELECT quantity FROM inventory_reservation WHERE sku = 'MUG'")
    salable = sum(sources.values()) + sum(float(row["quantity"]) for row in reserved)
    return int(sources["east"]), int(salable)


def do(shop: Business, numbers: dict[str, str], step: str, order: str, quantity: int) -> None:
    if step == "buy":
        numbers[order] = shop.store.buy(f"guest-{order}", {"MUG": quantity}, payment="checkmo")
    elif step == "cancel":
        shop.store.cancel(numbers[order])
    elif step == "count":
        shop.erp_sql(
            "UPDATE aggregateitemlocation SET quantityonhand = printf('%.5f', quantityonhand + ?), "
            "quantityavailable = printf('%.5f', quantityavailable + ?), "
            # A second ago, or with the last change if that is later: no account counts backwards.
            "lastquantityavailablechange = max(lastquantityavailablechange, ?) "
            "WHERE location = 1 AND item = (SELECT id FROM item WHERE itemid = 'MUG')",
            quantity,
            quantity,
            (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    elif step == "ship":
        (sold,) = shop.in_erp(numbers[order])
        line = {"orderLine": _line(shop, sold["id"]), "itemReceive": True, "quantity": quantity}
        erp = shop.hands_in_erp()
        parcel = {"packageTrackingNumber": f"1Z{order}{quantity}", "packageWeight": 1, "packageDescr": "UPS parcel"}
        body = {
            "shipStatus": {"id": "C"},
            "package": {"items": [parcel]},
            "item": {"items": [{**line, "location": {"id": "1"}}]},
        }
        erp.create(f"salesOrder/{sold['id']}/!transform/itemFulfillment", body)
        erp.close()
    else:
        entity = shop.store.id_of(numbers[order])
        (item,) = shop.store.rows("SELECT item_id FROM sales_order_item WHERE order_id = ?", entity)
        with hands_in_store(shop.store) as admin:
            if not shop.store.rows("SELECT entity_id FROM sales_invoice WHERE order_id = ?", entity):
                admin.json("POST", f"/rest/default/V1/order/{entity}/invoice", {"capture": True})
            back = {"extension_attributes": {"return_to_stock_items": [item["item_id"]]}}
            refund = {"items": [{"order_item_id": item["item_id"], "qty": quantity}], "arguments": back}
            admin.json("POST", f"/rest/default/V1/order/{entity}/refund", refund)


def _line(shop: Business, order: int) -> int:
    rows = shop.erp_rows(
        "SELECT id FROM transactionline WHERE \"transaction\" = ? AND mainline = 'F' AND taxline = 'F' "
        "AND item = (SELECT id FROM item WHERE itemid = 'MUG')",
        order,
    )
    return int(rows[0]["id"])


def test_after_every_move_source_and_salable_quantity_are_right_within_one_cycle(shop: Business):
    cycle(shop, full=True)
    model, numbers = Model(), {}
    assert stock(shop) == (20, 30)
    for number, (step, order, quantity) in enumerate(STEPS):
        do(shop, numbers, step, order, quantity)
        model.move(step, order, quantity)
        cycle(shop)
        expected = (model.on_hand, model.on_hand + 10 - sum(model.open.values()))
        assert stock(shop) == expected, f"step {number}: {step} {order} {quantity}"
    booked = shop.store.rows("SELECT qty FROM sales_shipment_item ORDER BY entity_id")
    assert [int(float(row["qty"])) for row in booked] == [2, 3, 2], "the store itself booked what left"
    report = shop.report()
    assert (report.orders.lost, report.orders.duplicated) == ([], [])


def test_orders_adopted_without_external_ids_are_netted_as_the_stores_own(shop: Business):
    """NetSuite holds half of the orders, and keeps them without our ids: before, while and after they are shipped the
    store's sources and what it can sell are right, by the cross references alone."""
    numbers: dict[str, str] = {}
    do(shop, numbers, "buy", "a", 5)
    do(shop, numbers, "buy", "b", 4)
    shop.settle()
    shop.forget_everything("connected")
    do(shop, numbers, "buy", "c", 3)
    cycle(shop, full=True, documents=())
    with shop.installation() as here:
        done = adopt(here, here.configuration.routes["us"], apply=True, who="operator").applied
    assert done is not None
    assert (done.orders, done.external_ids) == (2, 0)
    model = Model(open={"a": 5, "b": 4, "c": 3})

    def right(step: str) -> None:
        open_ones = sum(model.open.values())
        assert stock(shop) == (model.on_hand, model.on_hand + 10 - open_ones), step

    cycle(shop, documents=())
    right("adopted: no comparison of everything is needed")
    cycle(shop)
    right("the third order is in the ERP")
    for step, order, quantity in (("ship", "a", 2), ("ship", "a", 3), ("cancel", "b", 4), ("buy", "d", 2)):
        do(shop, numbers, step, order, quantity)
        if step == "ship":
            cycle(shop, documents=())
            right(f"{step} {order}: has left the ERP, the store has not booked it")
        model.move(step, order, quantity)
        cycle(shop)
        right(f"{step} {order}")
    owned = shop.erp_rows("SELECT otherrefnum FROM \"transaction\" WHERE type = 'SalesOrd' AND externalid IS NOT NULL")
    assert {row["otherrefnum"] for row in owned} == {numbers["c"], numbers["d"]}
    assert [len(shop.in_erp(number)) for number in numbers.values()] == [1, 1, 1, 1]
