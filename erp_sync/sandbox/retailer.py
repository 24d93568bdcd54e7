"""The retailer that the demo, the tests and the benches play: its catalogue and its shopping days.

Taken from the data (``data/sample``, see ORIGIN.md there): which products were bought together, when, by which
household, in what quantity; departments, categories, types, brands, sizes, manufacturer numbers; list prices (the
median of value plus retail discount plus coupon match, per unit, over the week), promotional prices (the same less
the retail discount, on the day) and which baskets used a coupon.

Generated here, always the same for the same arguments: names and SKUs, costs, weights where the size gives none,
which articles are taxed, people and addresses (`people`), warehouses, opening stock, which sizes form a
configurable product, bundles, coupon codes and what they give, shipping and payment methods, cancellations, and
the few orders that must not go through.

Fuel, in-store coupons and miscellaneous articles are left out: a web shop does not sell them.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from erp_sync.sandbox.catalogue import Basket, Catalogue, Coupon, Item, Line, ShoppingDay, Warehouse
from erp_sync.sandbox.people import Place, person

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
CENT = Decimal("0.01")

_NOT_SOLD_ONLINE = {"FUEL", "MISCELLANEOUS", "COUPON", "RESTAURANT", "TRAVEL & LEISURE", "PHOTO & VIDEO"}
_TAXABLE = {"DRUG GM", "COSMETICS", "FLORAL", "SPIRITS", "GM MERCH EXP"}
"""Departments that are not food; most states do not tax groceries."""
_POUNDS = {
    "OZ": Decimal("0.0625"),
    "LB": Decimal(1),
    "GA": Decimal("8.34"),
    "L": Decimal("2.2"),
    "ML": Decimal("0.0022"),
}
_SIZE = re.compile(r"([\d.]+)\s*(OZ|LB|GA|LTR|L|ML)\b")


class Retailer:
    """Reads the sample once; every method is deterministic for its arguments and `seed`."""

    def __init__(self, folder: Path = SAMPLE, seed: int = 84) -> None:
        self.folder, self.seed = folder, seed

    # -- what the data says ----------------------------------------------------------------------------

    @cached_property
    def products(self) -> dict[int, dict[str, Any]]:
        """Products that a web shop would sell, by number."""
        rows = pq.read_table(self.folder / "products.parquet").to_pylist()
        return {
            row["product_id"]: row
            for row in rows
            if row["product_type"] and row["product_category"] and row["department"] not in _NOT_SOLD_ONLINE
        }

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """Lines of the week with a product of `products`, a quantity and a value, in the order of time."""
        rows = pq.read_table(self.folder / "transactions.parquet").to_pylist()
        return [
            row for row in rows if row["product_id"] in self.products and row["quantity"] > 0 and row["sales_value"] > 0
        ]

    @cached_property
    def days(self) -> list[date]:
        return sorted({row["transaction_timestamp"].date() for row in self.lines})

    @cached_property
    def members(self) -> frozenset[int]:
        """Households that are known to the retailer: they have an account, the others buy as guests."""
        table = pq.read_table(self.folder / "demographics.parquet", columns=["household_id"])
        return frozenset(table.column(0).to_pylist())

    @cached_property
    def prices(self) -> dict[int, Decimal]:
        """List price by product number."""
        seen: defaultdict[int, list[Decimal]] = defaultdict(list)
        for row in self.lines:
            value = row["sales_value"] + row["retail_disc"] + row["coupon_match_disc"]
            seen[row["product_id"]].append(value / row["quantity"])
        return {number: max(CENT, _cents(median(values))) for number, values in seen.items()}

    def best_sellers(self, count: int = 50) -> list[str]:
        """SKUs bought most in the week, in units."""
        units: Counter[int] = Counter()
        for row in self.lines:
            units[row["product_id"]] += row["quantity"]
        return [self.sku(number) for number, _ in sorted(units.items(), key=lambda pair: (-pair[1], pair[0]))[:count]]

    def sku(self, number: int) -> str:
        """SKU of a product: three letters of its department and its number, e.g. ``GRO-870547``."""
        letters = re.sub("[^A-Z]", "", self.products[number]["department"])[:3]
        return f"{letters}-{number}"

    # -- catalogue -------------------------------------------------------------------------------------

    def catalogue(
        self,
        day: date | None = None,
        *,
        configurables: int = 40,
        bundles: int = 6,
        store_only: int = 2,
        cover: float = 1.6,
        scarce: float = 0.02,
    ) -> Catalogue:
        """Catalogue, warehouses and opening stock for a shopping day (default: the last day; None of the week's).

        Arguments:
            configurables: how many groups of sizes of one article become configurable products, at most.
            store_only: articles that the store sells and the ERP does not know.
            cover: opening stock as a multiple of the day's demand, on average, plus a few units.
            scarce: share of SKUs whose stock does not cover the day's demand.
        """
        day = day or self.days[-1]
        numbers = sorted({row["product_id"] for row in self.lines if row["transaction_timestamp"].date() == day})
        specials = self._specials(day)
        items = {number: self._item(number, specials.get(number)) for number in numbers}
        parents = self._configurables(items, configurables)
        for number in self._store_only(items, store_only):
            items[number] = replace(items[number], in_erp=False)
        packs = self._bundles(items, bundles, day)
        stock = self._stock(items, packs, WAREHOUSES, day, cover, scarce)
        return Catalogue((*items.values(), *parents, *packs), WAREHOUSES, stock, COUPONS)

    def large_catalogue(self, count: int = 50_000) -> Catalogue:
        """`count` simple articles in two warehouses, for volume: the week's articles over and over, numbered.

        SKUs are ``VOL-000001`` and so on; prices, weights and categories are the originals', stock is generated.
        """
        originals = [self._item(number, None) for number in sorted(self.prices)]
        items = tuple(
            replace(originals[index % len(originals)], sku=f"VOL-{index + 1:06d}", special_price=None)
            for index in range(count)
        )
        chance = random.Random(f"{self.seed} volume")
        stock = {(item.sku, house.code): chance.randint(0, 500) for item in items for house in WAREHOUSES}
        return Catalogue(items, WAREHOUSES, stock, COUPONS)

    def _item(self, number: int, special: Decimal | None) -> Item:
        row, chance = self.products[number], random.Random(f"{self.seed} item {number}")
        price = self.prices[number]
        maker = "House brand" if row["brand"] == "Private" else f"Manufacturer {row['manufacturer_id']}"
        size = (row["package_size"] or "").strip()
        name = _words(row["product_type"])
        cost = _cents(price * Decimal(chance.randint(52, 78)) / 100)
        return Item(
            sku=self.sku(number),
            name=f"{maker} {name}, {size.lower()}" if size else f"{maker} {name}",
            price=price,
            special_price=special if special is not None and special < price else None,
            cost=max(CENT, cost),
            weight=_weight(size) or Decimal(chance.randint(2, 40)) / 10,
            category=f"{_words(row['department'])}/{_words(row['product_category'])}",
            manufacturer=maker,
            tax_class="taxable" if row["department"] in _TAXABLE else "none",
        )

    def _specials(self, day: date) -> dict[int, Decimal]:
        """Promotional price by product, where the day's lines had a retail discount."""
        seen: defaultdict[int, list[Decimal]] = defaultdict(list)
        for row in self.lines:
            if row["transaction_timestamp"].date() == day and row["retail_disc"] > 0:
                value = row["sales_value"] + row["coupon_match_disc"]
                seen[row["product_id"]].append(value / row["quantity"])
        return {number: max(CENT, _cents(median(values))) for number, values in seen.items()}

    def _configurables(self, items: dict[int, Item], most: int) -> list[Item]:
        """Give sizes of one article a common parent; returns the parents."""
        groups: defaultdict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
        for number in items:
            row = self.products[number]
            if row["package_size"]:
                key = (row["manufacturer_id"], row["department"], row["product_category"], row["product_type"])
                groups[key].setdefault(row["package_size"].strip().lower(), number)
        chosen = [(key, sizes) for key, sizes in sorted(groups.items()) if 2 <= len(sizes) <= 6]
        random.Random(f"{self.seed} configurables").shuffle(chosen)
        parents = []
        for key, sizes in chosen[:most]:
            first = items[min(sizes.values())]
            parent = Item(
                sku=f"{first.sku}-SIZES",
                name=f"{first.manufacturer} {_words(key[3])}",
                price=None,
                cost=None,
                weight=first.weight,
                category=first.category,
                manufacturer=first.manufacturer,
                tax_class=first.tax_class,
                kind="configurable",
            )
            parents.append(parent)
            for size, number in sizes.items():
                items[number] = replace(items[number], parent_sku=parent.sku, options={"size": size})
        return parents

    def _store_only(self, items: dict[int, Item], count: int) -> list[int]:
        plain = [number for number, item in items.items() if item.parent_sku is None]
        return random.Random(f"{self.seed} store only").sample(plain, min(count, len(plain)))

    def _bundles(self, items: dict[int, Item], count: int, day: date) -> list[Item]:
        """Bundles of three of the day's best-selling articles each."""
        units: Counter[int] = Counter()
        for row in self.lines:
            number = row["product_id"]
            if row["transaction_timestamp"].date() == day and items[number].in_erp and not items[number].parent_sku:
                units[number] += row["quantity"]
        best = [number for number, _ in units.most_common(count * 3)]
        packs = []
        for index in range(len(best) // 3):
            parts = [items[number] for number in best[index::count][:3]]
            packs.append(
                Item(
                    sku=f"BUNDLE-{index + 1:02d}",
                    name=f"Pantry bundle {index + 1}",
                    price=None,
                    cost=None,
                    weight=sum((part.weight for part in parts), Decimal(0)),
                    category="Bundles/Pantry",
                    manufacturer="House brand",
                    tax_class="none",
                    kind="bundle",
                    members=tuple((part.sku, 1 + (position == 0)) for position, part in enumerate(parts)),
                )
            )
        return packs

    def _stock(
        self,
        items: dict[int, Item],
        packs: Sequence[Item],
        warehouses: Sequence[Warehouse],
        day: date,
        cover: float,
        scarce: float,
    ) -> dict[tuple[str, str], int]:
        wanted: Counter[str] = Counter()
        for row in self.lines:
            if row["transaction_timestamp"].date() == day:
                wanted[self.sku(row["product_id"])] += row["quantity"]
        for pack in packs:
            for sku, quantity in pack.members:
                wanted[sku] += 12 * quantity
        stock = {}
        for item in items.values():
            chance = random.Random(f"{self.seed} stock {item.sku}")
            demand = wanted[item.sku]
            if chance.random() < scarce and demand > 1:
                total = demand // 2
            else:
                total = round(demand * cover * chance.uniform(0.8, 1.3)) + chance.randint(6, 24)
            east = round(total * chance.choice((0.0, 0.3, 0.5, 0.5, 0.6, 0.7, 1.0)))
            for warehouse, quantity in zip(warehouses, (east, total - east), strict=True):
                stock[item.sku, warehouse.code] = quantity
        return stock

    # -- shopping --------------------------------------------------------------------------------------

    def shopping_day(
        self,
        catalogue: Catalogue,
        day: date | None = None,
        *,
        max_lines: int | None = None,
        unknown_skus: int = 3,
        malformed_addresses: int = 3,
        cancelled: float = 0.02,
        bundles: float = 0.05,
    ) -> ShoppingDay:
        """The baskets of a day (default: the last), about 500, as orders of the web shop.

        Arguments:
            max_lines: keep at most so many lines of a basket; None keeps all.
            unknown_skus, malformed_addresses: how many orders carry that trouble.
            cancelled: share of orders that their customers cancel.
            bundles: share of orders to which a bundle is added.
        """
        day = day or self.days[-1]
        rows: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in self.lines:
            if row["transaction_timestamp"].date() == day and self.sku(row["product_id"]) in catalogue.by_sku:
                rows[row["basket_id"]].append(row)
        store_only = [item.sku for item in catalogue.items if not item.in_erp]
        packs = [item.sku for item in catalogue.items if item.kind == "bundle"]
        baskets = []
        for number, lines in rows.items():
            chance = random.Random(f"{self.seed} basket {number}")
            basket = self._basket(number, lines, day, max_lines, set(store_only))
            if basket is None:
                continue
            if packs and chance.random() < bundles:
                basket = replace(basket, lines=(*basket.lines, Line(chance.choice(packs), 1)))
            # A wallet's money is taken at once: such an order can only be refunded.
            open_ = basket.payment != "paypal_express"
            baskets.append(replace(basket, cancelled=open_ and chance.random() < cancelled))
        baskets.sort(key=lambda basket: (basket.at, basket.number))
        return ShoppingDay(day, tuple(self._troubled(baskets, store_only, unknown_skus, malformed_addresses)))

    def _basket(
        self, number: int, rows: Sequence[dict[str, Any]], day: date, max_lines: int | None, not_here: set[str]
    ) -> Basket | None:
        quantities: Counter[str] = Counter()
        for row in rows:
            if (sku := self.sku(row["product_id"])) not in not_here:
                quantities[sku] += min(row["quantity"], 24)
        if not quantities:
            return None
        chance = random.Random(f"{self.seed} checkout {number}")
        household = rows[0]["household_id"]
        coupon = any(row["coupon_disc"] + row["coupon_match_disc"] > 0 for row in rows)
        value = sum((row["sales_value"] for row in rows), Decimal(0))
        at = max(row["transaction_timestamp"] for row in rows) - datetime.combine(day, time())
        payment = chance.choices(PAYMENTS, weights=PAYMENT_SHARES)[0]
        customer = person(household, household in self.members)
        return Basket(
            number=number,
            at=at,
            customer=customer,
            ship_to=customer.place,
            lines=tuple(Line(sku, quantity) for sku, quantity in list(quantities.items())[:max_lines]),
            coupon=chance.choice(COUPONS).code if coupon else None,
            shipping="tablerate_bestway" if value > 60 and chance.random() < 0.4 else "flatrate_flatrate",
            payment=payment,
            purchase_order=f"PO-{number}" if payment == "purchaseorder" else "",
        )

    def _troubled(
        self, baskets: Sequence[Basket], store_only: Sequence[str], unknown_skus: int, malformed: int
    ) -> list[Basket]:
        """Spread the orders that must not go through over the day."""
        chance = random.Random(f"{self.seed} trouble")
        wanted = ["unknown_sku"] * (unknown_skus if store_only else 0) + ["malformed_address"] * malformed
        fit = [index for index, basket in enumerate(baskets) if not basket.cancelled and not basket.customer.registered]
        out = list(baskets)
        for trouble, index in zip(wanted, chance.sample(fit, min(len(wanted), len(fit))), strict=False):
            basket = out[index]
            if trouble == "unknown_sku":
                lines = (*basket.lines, Line(chance.choice(store_only), 1))
                out[index] = replace(basket, lines=lines, trouble=trouble)
            else:
                wrong = replace(basket.ship_to, postcode=basket.ship_to.postcode[:3] + "O" + "?", street="-")
                out[index] = replace(basket, ship_to=wrong, trouble=trouble)
        return out


WAREHOUSES = (
    Warehouse("east", "East warehouse", Place("4400 Distribution Dr", "Columbus", "OH", "43215")),
    Warehouse("west", "West warehouse", Place("890 Harbor Rd", "Sacramento", "CA", "95814")),
)
COUPONS = (
    Coupon("SAVE5", "5 % off the basket", "by_percent", Decimal(5)),
    Coupon("PANTRY10", "10 % off the basket", "by_percent", Decimal(10)),
    Coupon("TWO-OFF", "2 USD off the basket", "cart_fixed", Decimal(2)),
)
PAYMENTS = ("braintree", "paypal_express", "checkmo", "banktransfer", "cashondelivery", "purchaseorder")
PAYMENT_SHARES = (55, 15, 12, 8, 5, 5)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def _weight(size: str) -> Decimal | None:
    found = _SIZE.search(size)
    if not found:
        return None
    unit = "L" if found[2] == "LTR" else found[2]
    pounds = (Decimal(found[1].strip(".") or "0") * _POUNDS[unit]).quantize(Decimal("0.001"), ROUND_HALF_UP)
    return pounds if 0 < pounds < 100 else None


def _words(text: str) -> str:
    """The data's capitals as words: "FRZN MEAT/MEAT DINNERS" is "Frzn Meat / Meat Dinners"."""
    return re.sub(r"\s*/\s*", " / ", re.sub(r"\s+", " ", text.strip())).title()
