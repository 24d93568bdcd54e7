"""Rules and prices of a seed, in Shopware's own words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import names, seeding
from erp_sync.systems.shopware.sandbox.database import marks
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.schema.fields import text_of
from erp_sync.systems.shopware.sandbox.shop import Shop


def rules(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{name, priority, conditions}]: conditions as `POST /api/rule` takes them; they take the place of older ones."""
    rows = []
    for one in entries:
        identity = fixed_id("rule", one["name"])
        shop.database.delete("rule_condition", {"ruleId": identity})
        rows.append({"id": identity, "name": one["name"], "priority": one.get("priority", 1),
                     "conditions": one.get("conditions") or []})  # fmt: skip
    seeding.write(shop, "rule", rows)


def prices(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{sku, rule, quantity_start, quantity_end, gross, net, currency, default_gross}]: product_price, a row each.

    `net` is `gross` unless told; a price of another currency needs `default_gross`, that of the default one.
    """
    columns = ("id", "versionId", "productId", "productVersionId", "ruleId", "quantityStart", "quantityEnd")
    found = _products(shop)
    rules_there = set(shop.database.column("SELECT id FROM rule"))
    rows = []
    for index, one in enumerate(entries):
        rule = fixed_id("rule", one["rule"])
        if one["sku"] not in found or rule not in rules_there:
            raise seeding.WrongSeed(f"price of {one['sku']!r} by rule {one['rule']!r}: one of them is not there")
        identity = fixed_id("product_price", str(index), *map(str, one.values()))
        row = (identity, names.LIVE_VERSION, found[one["sku"]], names.LIVE_VERSION, rule)
        quantities = (one.get("quantity_start", 1), one.get("quantity_end"))
        rows.append((*row, *quantities, text_of(_price(shop, one)), shop.now()))
    _insert(shop, "product_price", (*columns, "price", "createdAt"), rows)


def custom_prices(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{sku, email, tiers: [{quantity_start, quantity_end, gross, net}]}]: prices of one customer."""
    columns = ("id", "productId", "productVersionId", "customerId", "price", "createdAt")
    found = _products(shop)
    customers = set(shop.database.column("SELECT id FROM customer"))
    rows = []
    for one in entries:
        customer = seeding.customer_id(one["email"])
        if one["sku"] not in found or customer not in customers:
            raise seeding.WrongSeed(f"price of {one['sku']!r} for {one['email']!r}: one of them is not there")
        tiers = [
            {"quantityStart": tier.get("quantity_start", 1), "quantityEnd": tier.get("quantity_end"),
             "price": _price(shop, tier)}
            for tier in one["tiers"]
        ]  # fmt: skip
        rows.append((fixed_id("custom_price", one["sku"], one["email"]), found[one["sku"]], names.LIVE_VERSION,
                     customer, text_of(tiers), shop.now()))  # fmt: skip
    _insert(shop, "custom_price", columns, rows)


def _products(shop: Shop) -> dict[str, str]:
    """Id of every product by its number."""
    rows = shop.database.rows('SELECT "productNumber", id FROM product')
    return {row["productNumber"]: row["id"] for row in rows}


def _insert(shop: Shop, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Straight into the table: there may be millions."""
    listed = ", ".join(f'"{name}"' for name in columns)
    shop.database.many(f'INSERT OR REPLACE INTO "{table}" ({listed}) VALUES ({marks(columns)})', rows)


def individual_prices(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """Rows of b2b-components-individual-pricing, with `skus` and `emails` instead of ids."""
    rows = []
    for one in entries:
        row = {name: value for name, value in one.items() if name not in ("skus", "emails")}
        row |= {"id": fixed_id("individual", one["name"]), "applyToAllProducts": not one.get("skus")}
        row["products"] = [{"id": seeding.product_id(shop, sku)} for sku in one.get("skus") or ()]
        row["companyAssignments"] = [
            {
                "id": fixed_id("assignment", one["name"], email),
                "customerId": seeding.customer_id(email),
                "scope": "whole_company",
            }
            for email in one.get("emails") or ()
        ]
        rows.append(row)
    seeding.write(shop, "b2b_components_individual_pricing", rows)


def _price(shop: Shop, one: dict[str, Any]) -> list[dict[str, Any]]:
    gross = Decimal(str(one["gross"]))
    net = Decimal(str(one["net"])) if one.get("net") is not None else gross
    currency = seeding.currency_id(shop, one.get("currency"))
    made = [seeding.price_row(currency, gross, Decimal(0), net)]
    if currency != names.CURRENCY:
        made.insert(0, seeding.price_row(names.CURRENCY, Decimal(str(one["default_gross"])), Decimal(0)))
    return made
