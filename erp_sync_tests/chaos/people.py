"""What people do in any store and any ERP while the chaos harness runs: shoppers buy and think better of it, warehouses
ship, count and receive, prices change. What they have at hand is the vendor's sandbox's to say.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from erp_sync.sandbox import shoppers, warehouse
from erp_sync.sandbox.caller import Refused
from erp_sync.sandbox.catalogue import Basket, Catalogue, Line
from erp_sync.sandbox.people import Person
from erp_sync.sandbox.warehouse import Habits, Warehouse, WarehouseSoftware

HABITS = Habits(partial=0.25, stepwise=0.25, two_parcels=0.15, late_parcel=0.15, most_orders=3, receive=3, count=3)


class Shoppers:
    """Of one store. They talk to whatever installation is behind the wire now.

    Args:
        status: of a sandbox: vendor, base URL, credentials.
        wire: what their calls go through.
    """

    def __init__(self, status: Mapping[str, Any], catalogue: Catalogue, wire: Any) -> None:
        self._front = shoppers.fronts(status, catalogue, wire)()
        self._catalogue = catalogue
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Another world: nothing of the last one is remembered."""
        self._random = random.Random(f"shoppers {seed}")
        self.orders: list[Any] = []
        self._count = 0
        # What changed and nobody was told of yet: entity and id, of whatever the store sends events.
        self.told: list[tuple[str, str]] = []

    def do(self, what: str) -> None:
        getattr(self, what)()

    def buy(self) -> None:
        """A guest or a customer checks a basket out; now and then of something that the ERP does not know."""
        draw = self._random
        self._count += 1
        known = [item for item in self._catalogue.items if item.in_erp and item.kind in ("simple", "bundle")]
        strange = [item for item in self._catalogue.items if not item.in_erp]
        lines = [
            Line(item.sku, draw.choice((1, 1, 1, 2, 3))) for item in draw.sample(known[:14], draw.choice((1, 2, 3)))
        ]
        if strange and draw.random() < 0.06:
            lines.append(Line(strange[0].sku, 1))
        house = self._catalogue.warehouses[0].place
        # Some come back within minutes: two orders of a customer whom the ERP does not know yet.
        name = f"shopper{self._count if draw.random() < 0.7 else draw.randint(1, self._count)}"
        person = Person(
            household=1, first_name=name.capitalize(), last_name="Guest", email=f"{name}@example.com",
            phone="(217) 555-0100", place=house, registered=False,
        )  # fmt: skip
        coupon = self._catalogue.coupons[0].code if draw.random() < 0.2 else None
        payment = draw.choice(("braintree", "paypal_express", "checkmo"))
        basket = Basket(self._count, timedelta(0), person, house, tuple(lines), coupon, "flatrate_flatrate", payment)
        placed = self._front.place(basket)
        if placed.order_id is not None:
            self.orders.append(placed.order_id)
            self.told.append(("sales_order", str(placed.order_id)))

    def cancel(self) -> None:
        if self.orders:
            with suppress(Refused):  # shipped already, or cancelled
                order = self._random.choice(self.orders[-4:])
                self._front.cancel(order)
                self.told.append(("sales_order", str(order)))

    def think_again(self) -> None:
        """Whoever bought last does not want it any more; of the last ones, whose order can be cancelled still."""
        for order in self.orders[:-4:-1]:
            with suppress(Refused):
                if self._front.cancel(order):
                    self.told.append(("sales_order", str(order)))
                    return


class Staff:
    """Warehouses and price managers of one ERP, over the same wire."""

    def __init__(self, status: Mapping[str, Any], catalogue: Catalogue, wire: Any) -> None:
        self._software: WarehouseSoftware = warehouse.software(status, wire)()
        self._codes = [place.code for place in catalogue.warehouses]
        self._houses: list[Warehouse] = []
        self._priced: list[Any] = []

    def begin(self, seed: int) -> None:
        self._random = random.Random(f"warehouses {seed}")
        self._seed = seed
        self._houses = []
        self._priced = []

    def do(self, what: str) -> None:
        if not self._houses:
            self._houses = [
                Warehouse(self._software, code, habits=HABITS, seed=self._seed, shift="chaos") for code in self._codes
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
        articles = self._software.articles()
        self._priced = self._random.sample(articles, min(2, len(articles)))
        self._set_prices()

    def _set_prices(self) -> None:
        for item in self._priced:
            price = Decimal(self._random.randint(300, 1500)) / 100
            try:
                self._software.reprice(item, price)
            except Refused as refused:
                raise AssertionError(f"the price of item {item} was not changed: {refused.message}") from refused

    def follow_up(self) -> None:
        """Something of what left a while ago was forgotten: it goes in one more parcel."""
        left = [(house, one) for house in self._houses for one in house.worked.shipped]
        if left:
            house, shipped = self._random.choice(left[: max(1, len(left) * 2 // 3)])
            self._software.add_parcels(shipped.fulfillment, house.parcels(self._random, Decimal(1))[:1])

    def think_again(self) -> None:
        """The last new prices change once more; somebody counts much of a warehouse, always the same shelves."""
        if self._priced:
            self._set_prices()
        else:
            self.reprice()
        house = self._houses[0]
        house.begin_round()
        shelves = self._software.shelves(house.location, above=3)
        house.adjust("count", {item: Decimal(-1) for item in shelves[-6:]})
