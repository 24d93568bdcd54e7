"""What people do in a Magento store while the chaos harness runs: shoppers buy and think better of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from erp_sync.sandbox.caller import Refused
from erp_sync.sandbox.catalogue import Basket, Catalogue, Line
from erp_sync.sandbox.files import reading
from erp_sync.sandbox.people import Person
from erp_sync.systems.magento.sandbox.storefront import Storefront

# How often each is done, beside what other systems' people do.
# Lists come in several pages, between which they change.
SETTINGS: Mapping[str, Any] = {"page_size": 5}
# What a seed on the virtual clock does not ask for in every run; among real processes it is asked for.
DECLARED: Mapping[str, Any] = {"website": "base"}
# Among real processes: nothing is waited for longer, and a write is there this soon or never.
_WRITES = (
    *("order_status.comment", "sales_order.cancel", "shipment.create", "shipment.add_parcel", "shipment.notify"),
    *("stock_level.write", "price.write_base", "price.write_special", "price.write_tier"),
)
REAL_TIME: Mapping[str, Any] = {"timeout_seconds": 4, "settle_seconds": {name: 15 for name in _WRITES}}
# What a route calls here.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "writes": (
        *("POST /V1/orders/{id}/comments", "POST /V1/order/{orderId}/ship"),
        *("POST /V1/inventory/source-items", "POST /V1/products/base-prices"),
    ),
    "reads": ("GET /V1/orders", "GET /V1/inventory/source-items", "POST /V1/products/base-prices-information"),
}
# Where the store's own tables tell whether something is there, by entity and key.
HOLDS: Mapping[str, str] = {
    "sales_order": "SELECT 1 FROM sales_order WHERE entity_id = ?",
    "product": "SELECT 1 FROM catalog_product_entity WHERE sku = ?",
}
# Makes of an order, by its id, one that nobody can use.
POISON = "UPDATE sales_order SET order_currency_code = 'dollars' WHERE entity_id = ?"
DOINGS: Mapping[str, int] = {"buy": 12, "cancel": 1}


def twice(database: Path) -> list[str]:
    """What stands in the store twice though it was to be written once, beside what the checker looks at."""
    with reading(database) as store:
        comments = store.execute(
            "SELECT parent_id AS id, comment FROM sales_order_status_history WHERE comment IS NOT NULL "
            "GROUP BY parent_id, comment HAVING count(*) > 1"
        ).fetchall()
        parcels = store.execute(
            "SELECT parent_id AS id, track_number FROM sales_shipment_track GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
    return [f"order {row['id']} says twice: {row['comment']}" for row in comments] + [
        f"shipment {row['id']} has parcel {row['track_number']} twice" for row in parcels
    ]


class People:
    """Shoppers of one store. They talk to whatever installation is behind the wire now."""

    def __init__(self, base_url: str, status: Mapping[str, Any], catalogue: Catalogue, wire: Any) -> None:
        self._front = Storefront(base_url, status["credentials"], catalogue)
        self._front._caller._http = self._front._shop._http = wire
        self._catalogue = catalogue
        self.begin(0)

    def begin(self, seed: int, placed: int = 0) -> None:
        """Another world: nothing of the last one is remembered but `placed` orders that are there already."""
        self._random = random.Random(f"shoppers {seed}")
        self.orders: list[int] = list(range(1, placed + 1))
        self._count = placed
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
