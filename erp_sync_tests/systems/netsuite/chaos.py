"""What people and their software do in a NetSuite account while the chaos harness runs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.caller import Refused
from erp_sync.sandbox.catalogue import Catalogue
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite

DOINGS: Mapping[str, int] = {"ship": 7, "count": 4, "receive": 2, "reprice": 3}
# The ERP decides which warehouse ships what.
OPTIONS: Mapping[str, Any] = {"automatic_locations": True}
# What a seed on the virtual clock does not ask for in every run; among real processes it is asked for.
DECLARED: Mapping[str, Any] = {"currencies": {"USD": "1"}}
# Among real processes: nothing is waited for longer, and a write is there this soon or never.
_SETTLE = {
    name: 15 for name in ("customer.create", "sales_order.create", "customer_deposit.create", "sales_order.close")
}
REAL_TIME: Mapping[str, Any] = {
    "read_timeout_seconds": 4, "write_timeout_seconds": 4, "deadline_seconds": 20,
    "limits": {"concurrency": 4}, "settle_seconds": _SETTLE,
}  # fmt: skip


def event_options(url: str, secret: str) -> dict[str, str]:
    """Options of an account that tells of changes there."""
    return {"push_url": url, "push_secret": secret}


def event_credentials(secret: str) -> dict[str, str]:
    """Credentials of a connection that takes them."""
    return {"push_secret": secret}


# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": ("salesOrder.create", "salesOrder.create", "customerDeposit.create", "customer.create"),
    "reads": ("suiteql",),
}
# Where the account's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "product": "SELECT 1 FROM item WHERE itemid = ?",
    "currency": "SELECT 1 FROM currency WHERE symbol = ?",
}
HABITS = Habits(partial=0.25, stepwise=0.25, two_parcels=0.15, late_parcel=0.15, most_orders=3, receive=3, count=3)


class People:
    """Warehouses and price managers of one account."""

    def __init__(self, base_url: str, status: Mapping[str, Any], catalogue: Catalogue, wire: Any) -> None:
        self._netsuite = NetSuite(base_url, status["credentials"])
        self._netsuite._caller._http = wire
        self._codes = [place.code for place in catalogue.warehouses]
        self._houses: list[Warehouse] = []
        self._priced: list[Any] = []

    def begin(self, seed: int, placed: int = 0) -> None:
        self._random = random.Random(f"warehouses {seed}")
        self._seed = seed
        self._houses = []
        self._priced = []

    def do(self, what: str) -> None:
        if not self._houses:
            self._houses = [
                Warehouse(self._netsuite, code, habits=HABITS, seed=self._seed, shift="chaos") for code in self._codes
            ]
        getattr(self, what)()

    def ship(self) -> None:
        house = self._random.choice(self._houses)
        house.begin_round()
        house.ship()

    def count(self) -> None:
        house = self._random.choice(self._houses)
        house.begin_round()
        house.count()

    def receive(self) -> None:
        house = self._random.choice(self._houses)
        house.begin_round()
        house.receive()

    def reprice(self) -> None:
        """A few list prices change by some per cent."""
        articles = self._netsuite.articles()
        self._priced = self._random.sample(articles, min(2, len(articles)))
        self._set_prices()

    def _set_prices(self) -> None:
        for item in self._priced:
            price = Decimal(self._random.randint(300, 1500)) / 100
            try:
                self._netsuite.reprice(item, price)
            except Refused as refused:
                raise AssertionError(f"the price of item {item} was not changed: {refused.message}") from refused

    def follow_up(self) -> None:
        """Something of what left a while ago was forgotten: it goes in one more parcel."""
        left = [(house, one) for house in self._houses for one in house.worked.shipped]
        if left:
            house, shipped = self._random.choice(left[: max(1, len(left) * 2 // 3)])
            self._netsuite.add_parcels(shipped.fulfillment, house.parcels(self._random, Decimal(1))[:1])

    def think_again(self) -> None:
        """The last new prices change once more; somebody counts much of a warehouse, always the same shelves."""
        if self._priced:
            self._set_prices()
        else:
            self.reprice()
        house = self._houses[0]
        house.begin_round()
        shelves = self._netsuite.shelves(house.location, above=3)
        house.adjust("count", {item: Decimal(-1) for item in shelves[-6:]})
