"""A warehouse in the NetSuite sandbox, over real HTTP."""

from __future__ import annotations

import random
import sqlite3
import threading
from decimal import Decimal

import pytest

from erp_sync.sandbox.caller import Caller
from erp_sync.sandbox.retailer import Retailer
from erp_sync.sandbox.testing import running
from erp_sync.sandbox.warehouse import Habits, Warehouse, _part, work
from erp_sync.systems.netsuite.sandbox import create
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite

PLAIN = Habits(partial=0, stepwise=0, two_parcels=0, late_parcel=0)


@pytest.fixture(scope="module")
def erp():
    with running(create, vendor="netsuite") as sandbox:
        sandbox.control("POST", "seed", Retailer().catalogue().seed(erp=True))
        yield sandbox


@pytest.fixture
def netsuite(erp):
    client = NetSuite(erp.base_url, erp.status()["credentials"])
    yield client
    client.close()


class Office:
    """Somebody who enters customers and orders."""

    def __init__(self, erp) -> None:
        credentials = erp.status()["credentials"]
        self.caller = Caller(
            erp.base_url,
            "office",
            credentials,
            token="token_id",
            token_secret="token_secret",
            realm=credentials["account"],
        )
        self.erp = erp
        self.customer = self._post(
            "customer",
            {"isPerson": True, "firstName": "Ann", "lastName": f"Lee {random.random()}", "subsidiary": {"id": "1"}},
        )

    def _post(self, record: str, body: dict) -> str:
        answer = self.caller.send("POST", f"/services/rest/record/v1/{record}", body)
        return answer.headers["location"].rpartition("/")[2]

    def order(self, *quantities: int, location: str = "1") -> int:
        """An order of articles that the location has plenty of."""
        rows = self.rows(
            "SELECT item FROM aggregateitemlocation WHERE location = ? AND CAST(quantityavailable AS REAL) > 10 "
            "ORDER BY item LIMIT ?",
            location,
            len(quantities),
        )
        lines = [
            {"item": {"id": str(row["item"])}, "quantity": quantity, "rate": 2, "price": {"id": "-1"},
             "location": {"id": location}}
            for row, quantity in zip(rows, quantities, strict=True)
        ]  # fmt: skip
        body = {"entity": {"id": self.customer}, "orderStatus": {"id": "B"}, "item": {"items": lines}}
        return int(self._post("salesOrder", body))

    def rows(self, sql: str, *values) -> list[dict]:
        database = sqlite3.connect(self.erp.app.database)
        database.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in database.execute(sql, values)]
        finally:
            database.close()

    def on_hand(self, order: int) -> Decimal:
        rows = self.rows(
            "SELECT quantityonhand FROM aggregateitemlocation WHERE location = 1 AND item IN "
            '(SELECT item FROM transactionline WHERE "transaction" = ? AND item IS NOT NULL)',
            order,
        )
        return sum((Decimal(row["quantityonhand"]) for row in rows), Decimal(0))

    def fulfillments(self, order: int) -> list[dict]:
        return self.rows("SELECT * FROM \"transaction\" WHERE type = 'ItemShip' AND createdfrom = ? ORDER BY id", order)

    def packages(self, fulfillment: int) -> list[str]:
        rows = self.rows('SELECT trackingnumber FROM fulfillmentpackage WHERE "transaction" = ?', fulfillment)
        return [row["trackingnumber"] for row in rows]


@pytest.fixture(scope="module")
def office(erp):
    return Office(erp)


def test_an_order_leaves_with_its_parcels_and_lowers_what_is_on_hand(netsuite, office):
    order = office.order(2, 3)
    before = office.on_hand(order)
    house = Warehouse(netsuite, "east", habits=PLAIN)
    house.ship()
    assert house.worked.refused == []
    (shipped,) = [one for one in house.worked.shipped if one.order == order]
    (row,) = office.fulfillments(order)
    assert (row["status"], row["id"]) == ("C", shipped.fulfillment)
    assert office.packages(row["id"]) == [parcel.tracking_number for parcel in shipped.parcels]
    assert before - office.on_hand(order) == 5
    assert order not in house.open_lines()


def test_a_partial_shipment_leaves_the_rest_for_a_later_round(netsuite, office):
    order = office.order(4, 1)
    house = Warehouse(netsuite, "east", habits=Habits(partial=1, stepwise=0, two_parcels=0, late_parcel=0))
    house.round()
    assert len(office.fulfillments(order)) == 1
    assert order in house.open_lines()
    house.round()
    assert [row["status"] for row in office.fulfillments(order)] == ["C", "C"]
    assert order not in house.open_lines()


def test_picked_packed_shipped_with_a_parcel_added_later(erp, netsuite, office):
    order = office.order(2)
    before = office.on_hand(order)
    house = Warehouse(netsuite, "east", habits=Habits(partial=0, stepwise=1, two_parcels=1, late_parcel=1))
    house.ship()
    assert house.worked.refused == []
    (row,) = office.fulfillments(order)
    assert row["status"] == "C"
    assert len(office.packages(row["id"])) == 3
    assert before - office.on_hand(order) == 2
    key = row["externalid"]
    assert [commit["change"] for commit in erp.commits(entity="itemFulfillment", document=key)].count("ship") == 1


def test_receipts_and_counts_change_stock_by_adjustments(netsuite, office):
    house = Warehouse(netsuite, "west", shift="a")
    house.round()
    assert house.worked.refused == []
    assert house.worked.adjustments == ["wh-2-a-receipt-1", "wh-2-a-count-1"]
    lines = office.rows(
        "SELECT line.quantity FROM transactionline AS line JOIN \"transaction\" AS t ON t.id = line.\"transaction\" "
        "WHERE t.externalid = 'wh-2-a-receipt-1' AND line.mainline = 'F'"
    )  # fmt: skip
    assert len(lines) == 8
    assert all(Decimal(line["quantity"]) >= 4 for line in lines)


def test_two_warehouses_work_until_they_are_stopped(erp, office):
    orders = [office.order(1), office.order(1, location="2")]
    stop = threading.Event()
    rounds: list[str] = []

    def progress(location, worked):
        rounds.append(location)
        if {"east", "west"} <= set(rounds):
            stop.set()

    worked = work(
        lambda: NetSuite(erp.base_url, erp.status()["credentials"]),
        ["east", "west"],
        stop=stop,
        pause=0.01,
        habits=PLAIN,
        progress=progress,
    )
    assert {order for house in worked.values() for order in (one.order for one in house.shipped)} >= set(orders)
    assert not [refused for house in worked.values() for refused in house.refused]


def test_a_full_account_is_waited_out(erp, netsuite, office):
    order = office.order(1)
    erp.fault("too_many_requests", "*", times=3)
    house = Warehouse(netsuite, "east", habits=PLAIN)
    house.ship()
    assert office.fulfillments(order)
    erp.clear_faults()


def test_an_unknown_location_is_named(netsuite):
    with pytest.raises(LookupError, match="no location 'north'; known are East warehouse, West warehouse"):
        Warehouse(netsuite, "north")


def test_a_part_is_less_than_everything_where_that_can_be():
    chance = random.Random(1)
    for _ in range(50):
        part = _part({1: Decimal(2), 4: Decimal(1), 7: Decimal(5)}, chance)
        assert 1 <= len(part) <= 2
    assert _part({1: Decimal(5)}, chance) == {1: Decimal(2)}
    assert _part({1: Decimal(1)}, chance) == {1: Decimal(1)}
