"""What a retailer starts from and what its customers want: values without behaviour of their own.

`retailer` makes them; `shoppers` and `warehouse` play them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from erp_sync.sandbox.people import Person, Place


@dataclass(frozen=True)
class Item:
    """One article.

    Attributes:
        kind: "simple", "configurable" (sold by its variants) or "bundle" (sold as its members).
        price: list price in USD; None for a configurable product and for a bundle, whose prices are their parts'.
        special_price: promotional price on the shopping day, else None.
        weight: pounds.
        parent_sku, options: of a variant: its configurable product, and label to value, e.g. {"size": "16 oz"}.
        members: of a bundle: SKU and quantity.
        in_erp: False for an article that the store sells and the ERP does not know.
        tax_class: "taxable" or "none"; rates are the store's own.
    """

    sku: str
    name: str
    price: Decimal | None
    cost: Decimal | None
    weight: Decimal
    category: str
    manufacturer: str
    tax_class: str
    kind: str = "simple"
    special_price: Decimal | None = None
    active: bool = True
    parent_sku: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    members: tuple[tuple[str, int], ...] = ()
    in_erp: bool = True


@dataclass(frozen=True)
class Warehouse:
    code: str
    name: str
    place: Place


@dataclass(frozen=True)
class Coupon:
    """A cart price rule with one code. `action`: "by_percent" (amount in percent) or "cart_fixed" (USD a cart)."""

    code: str
    name: str
    action: str
    amount: Decimal


@dataclass(frozen=True)
class Line:
    """One line of a basket. For a bundle `sku` is the bundle's; for a variant its own, with the parent in the item."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Basket:
    """One order to be placed.

    Attributes:
        number: of the basket in the data; made for baskets that are resampled.
        at: time after the beginning of the day.
        shipping, payment: codes of the methods, as the sample data has them: flatrate_flatrate, checkmo ... A store's
            front finds what it has for each.
        purchase_order: the number that the method "purchaseorder" asks for.
        cancelled: the customer thinks better of it before it ships.
        trouble: None, "unknown_sku" (a line that the ERP does not know) or "malformed_address".
    """

    number: int
    at: timedelta
    customer: Person
    ship_to: Place
    lines: tuple[Line, ...]
    coupon: str | None
    shipping: str
    payment: str
    purchase_order: str = ""
    cancelled: bool = False
    trouble: str | None = None


@dataclass(frozen=True)
class ShoppingDay:
    """Baskets of one day in the order of their time."""

    day: date
    baskets: tuple[Basket, ...]

    @property
    def customers(self) -> tuple[Person, ...]:
        """Registered customers of the day, each once."""
        seen = {basket.customer.email: basket.customer for basket in self.baskets if basket.customer.registered}
        return tuple(seen.values())

    def demand(self) -> Counter[str]:
        """Units wanted by SKU; a bundle counts as itself."""
        wanted: Counter[str] = Counter()
        for basket in self.baskets:
            for line in basket.lines:
                wanted[line.sku] += line.quantity
        return wanted

    def paced(self, per_second: float) -> ShoppingDay:
        """The same baskets in the same order, at an even pace."""
        moved = [replace(basket, at=timedelta(seconds=index / per_second)) for index, basket in enumerate(self.baskets)]
        return ShoppingDay(self.day, tuple(moved))

    def resampled(self, count: int, seed: int = 0, max_lines: int | None = None) -> ShoppingDay:
        """`count` baskets drawn from these with replacement, each an order of its own, at their drawn times."""
        chance = random.Random(f"resample {seed}")
        drawn = [
            replace(basket, number=10_000_000 + index, lines=basket.lines[:max_lines])
            for index, basket in enumerate(chance.choices(self.baskets, k=count))
        ]
        return ShoppingDay(self.day, tuple(sorted(drawn, key=lambda basket: (basket.at, basket.number))))


@dataclass(frozen=True)
class Catalogue:
    """Everything the shop and the ERP start from. Quantities are whole units."""

    items: tuple[Item, ...]
    warehouses: tuple[Warehouse, ...]
    stock: dict[tuple[str, str], int]  # (sku, warehouse code)
    coupons: tuple[Coupon, ...]
    currency: str = "USD"

    @cached_property
    def by_sku(self) -> dict[str, Item]:
        return {item.sku: item for item in self.items}

    def seed(self, customers: Iterable[Person] = (), *, erp: bool) -> dict[str, Any]:
        """Master data for ``POST /__sandbox/seed``; with `erp` only what the ERP knows, and no store matters.

        Parents come before their variants, members before their bundles.
        """
        order = {"simple": 1, "configurable": 0, "bundle": 2}
        items = [item for item in self.items if item.in_erp or not erp]
        data: dict[str, Any] = {
            "currency": self.currency,
            "items": [_item(item) for item in sorted(items, key=lambda item: order[item.kind])],
            "locations": [
                {"code": house.code, "name": house.name, "address": _place(house.place)} for house in self.warehouses
            ],
            "stock": [
                {"sku": sku, "location": code, "quantity": quantity}
                for (sku, code), quantity in self.stock.items()
                if not erp or self.by_sku[sku].in_erp
            ],
        }
        if not erp:
            data["customers"] = [_customer(someone) for someone in customers]
            data["coupons"] = [
                {"code": coupon.code, "name": coupon.name, "action": coupon.action, "amount": str(coupon.amount)}
                for coupon in self.coupons
            ]
        return data


def _item(item: Item) -> dict[str, Any]:
    data: dict[str, Any] = {
        "sku": item.sku,
        "name": item.name,
        "price": None if item.price is None else str(item.price),
        "special_price": None if item.special_price is None else str(item.special_price),
        "cost": None if item.cost is None else str(item.cost),
        "weight": str(item.weight),
        "category": item.category,
        "manufacturer": item.manufacturer,
        "active": item.active,
        "kind": item.kind,
        "parent_sku": item.parent_sku,
        "options": item.options,
        "components": [{"sku": sku, "quantity": quantity} for sku, quantity in item.members],
        "tax_class": item.tax_class,
        # The members lie in different warehouses: a bundle that had to ship as one often could not ship at all.
        "ship_separately": True,
    }
    return data


def _place(place: Place) -> dict[str, Any]:
    return {
        "street": [place.street],
        "city": place.city,
        "region": place.region,
        "postcode": place.postcode,
        "country": place.country,
    }


def _customer(someone: Person) -> dict[str, Any]:
    return {
        "email": someone.email,
        "first_name": someone.first_name,
        "last_name": someone.last_name,
        "password": someone.password,
        "phone": someone.phone,
        "group": someone.group,
        "addresses": [_place(someone.place) | {"phone": someone.phone}],
    }
