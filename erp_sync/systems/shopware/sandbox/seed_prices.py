"""Rules and prices of a seed, in Shopware's own words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import names, seeding
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.shop import Shop


def rules(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{name, priority, conditions}]: conditions as `POST /api/rule` takes them."""
    seeding.write(shop, "rule", [
        {"id": fixed_id("rule", one["name"]), "name": one["name"], "priority": one.get("priority", 1),
         "conditions": one.get("conditions") or []}
        for one in entries
    ])  # fmt: skip


def prices(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{sku, rule, quantity_start, quantity_end, gross, net, currency}]: product_price, a row each."""
    seeding.write(shop, "product_price", [
        {
            "id": fixed_id("product_price", str(index), *map(str, one.values())),
            "productId": seeding.product_id(shop, one["sku"]), "ruleId": fixed_id("rule", one["rule"]),
            "quantityStart": one.get("quantity_start", 1), "quantityEnd": one.get("quantity_end"),
            "price": _price(shop, one),
        }
        for index, one in enumerate(entries)
    ])  # fmt: skip


def custom_prices(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """[{sku, email, tiers: [{quantity_start, quantity_end, gross, net}]}]: prices of one customer."""
    seeding.write(shop, "custom_price", [
        {
            "id": fixed_id("custom_price", one["sku"], one["email"]), "productId": seeding.product_id(shop, one["sku"]),
            "customerId": seeding.customer_id(one["email"]),
            "price": [
                {"quantityStart": tier.get("quantity_start", 1), "quantityEnd": tier.get("quantity_end"),
                 "price": _price(shop, tier)}
                for tier in one["tiers"]
            ],
        }
        for one in entries
    ])  # fmt: skip


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
