"""Price services: many prices at once, answered by 200 with an array of the rows that failed.

Facts: magento/magento2 `Catalog/Model/Product/Price/*Storage`. Good rows are saved whatever the others are. Base and
cost messages keep their placeholders. With global price scope (the default) base and cost are written for all stores
whatever `store_id` says, and tier prices must name website 0. Special prices: `special_prices`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import in_parts
from erp_sync.systems.magento.sandbox.shop import Shop, placeholders

WRITE = "Magento_Catalog::catalog"
ALL_GROUPS = "ALL GROUPS"
_INVALID = "Invalid attribute %fieldName = %fieldValue."
_TIER_ROW = "Row ID: SKU = %SKU, Website ID: %websiteId, Customer Group: %customerGroup, Quantity: %qty."
Failure = dict[str, Any]
Entry = dict[str, Any]


def known_products(shop: Shop, skus: list[str]) -> dict[str, Row]:
    """Products by SKU in lower case."""
    result: dict[str, Row] = {}
    for start in range(0, len(skus), 500):
        part = skus[start : start + 500]
        for row in shop.database.rows(
            f"SELECT * FROM catalog_product_entity WHERE sku IN ({placeholders(part)})", part
        ):
            result[row["sku"].lower()] = row
    return result


def named(call: Call) -> dict[str, Row]:
    """Products that an information call names. Raises NoSuchEntityException for SKUs that do not exist."""
    skus = [str(sku) for sku in call.body["skus"]]
    known = known_products(call.shop, skus)
    missing = [sku for sku in skus if sku.lower() not in known]
    if missing:
        raise NoSuchEntityException("Requested products don't exist: %sku", {"sku": ", ".join(missing)})
    return known


def failure(message: str, values: list[Any]) -> Failure:
    return {"message": message, "parameters": ["" if value is None else text_of(value) for value in values]}


def text_of(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def store_exists(shop: Shop, store_id: Any) -> bool:
    return store_id == 0 or bool(shop.database.row("SELECT 1 AS one FROM store WHERE store_id = ?", [store_id]))


# -- base price and cost -----------------------------------------------------------------------------------------


def _set_column(call: Call, column: str, label: str) -> list[Failure]:
    shop, entries = call.shop, call.body["prices"]
    known = known_products(shop, [str(entry.get("sku")) for entry in entries])
    failures: list[Failure] = []
    for entry in entries:
        row = known.get(str(entry.get("sku")).lower())
        value, store_id = entry.get(column), entry.get("store_id")
        problems = []
        unpriced = row is not None and (
            row["type_id"] in ("configurable", "grouped") or (row["type_id"] == "bundle" and row["price_type"] == 0)
        )
        if row is None or unpriced:
            problems.append(failure(_INVALID, ["SKU", entry.get("sku")]))
        if value is None or value < 0:
            problems.append(failure(_INVALID, [label, value]))
        if not store_exists(shop, store_id):
            problems.append(
                failure(
                    f"Requested store is not found. Row ID: SKU = {entry.get('sku')}, Store ID: {store_id}.",
                    [entry.get("sku"), store_id],
                )
            )
        failures += problems
        if row is not None and not problems:
            shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {column: value})
            shop.wrote(f"product_{column}", row["sku"], "update")
    return failures


@route("POST", "/V1/products/base-prices", resource=WRITE, kind="update")
def set_base_prices(call: Call) -> Any:
    return _set_column(call, "price", "Price")


@route("POST", "/V1/products/cost", resource=WRITE, kind="update")
def set_costs(call: Call) -> Any:
    return _set_column(call, "cost", "Cost")


def _information(call: Call, column: str) -> list[dict[str, Any]]:
    return [
        {column: row[column], "store_id": 0, "sku": row["sku"]}
        for row in named(call).values()
        if row[column] is not None
    ]


@route("POST", "/V1/products/base-prices-information", resource=WRITE, kind="read")
def get_base_prices(call: Call) -> Any:
    return _information(call, "price")


@route("POST", "/V1/products/cost-information", resource=WRITE, kind="read")
def get_costs(call: Call) -> Any:
    return _information(call, "cost")


@route("POST", "/V1/products/cost-delete", resource=WRITE, kind="update")
def delete_costs(call: Call) -> Any:
    for row in named(call).values():
        call.shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {"cost": None})
    return True


# -- tier prices -------------------------------------------------------------------------------------------------


def _groups(shop: Shop) -> dict[str, int]:
    return {
        row["customer_group_code"].lower(): row["customer_group_id"]
        for row in shop.database.rows("SELECT * FROM customer_group")
    }


def _tier_failures(shop: Shop, entry: Entry, row: Row | None, groups: dict[str, int], twice: bool) -> list[Failure]:
    shown = [entry.get("sku"), entry.get("website_id"), entry.get("customer_group"), entry.get("quantity")]
    failures = []
    price, quantity = entry.get("price"), entry.get("quantity")
    if row is None or row["type_id"] in ("configurable", "grouped"):
        failures.append(failure(f"Invalid attribute SKU = %SKU. {_TIER_ROW}", shown))
    if price is None or price < 0 or (entry.get("price_type") == "discount" and price > 100):
        failures.append(failure(f"Invalid attribute Price = %price. {_TIER_ROW}", [price, *shown]))
    bundle = row is not None and row["type_id"] == "bundle"
    if entry.get("price_type") not in ("fixed", "discount") or (bundle and entry["price_type"] != "discount"):
        failures.append(
            failure(f"Invalid attribute Price Type = %priceType. {_TIER_ROW}", [entry.get("price_type"), *shown])
        )
    if quantity is None or quantity < 1:
        failures.append(failure(f"Invalid attribute Quantity = %qty. {_TIER_ROW}", shown))
    if entry.get("website_id") != 0:
        failures.append(failure(f"Invalid attribute Website ID = %websiteId. {_TIER_ROW}", shown))
    if twice:
        failures.append(
            failure(
                "We found a duplicate website, tier price, customer group and quantity: "
                f"Customer Group = %customerGroup, Website ID = %websiteId, Quantity = %qty. {_TIER_ROW}",
                shown,
            )
        )
    group = str(entry.get("customer_group") or "")
    if group.lower() != ALL_GROUPS.lower() and group.lower() not in groups:
        failures.append(
            failure(
                f"No such entity with Customer Group = %customerGroup. {_TIER_ROW}",
                shown,
            )
        )
    return failures


def _tiers(call: Call, save: Callable[[Shop, Row, dict[str, Any]], None]) -> tuple[list[Failure], dict[str, Row]]:
    """Judge all rows, save the good ones; returns the failures and the products named."""
    shop, entries = call.shop, call.body["prices"]
    known, groups = known_products(shop, [str(entry.get("sku")) for entry in entries]), _groups(shop)
    seen: dict[tuple[Any, ...], int] = {}
    for entry in entries:
        seen[_tier_key(entry)] = seen.get(_tier_key(entry), 0) + 1
    failures: list[Failure] = []
    for entry in entries:
        row = known.get(str(entry.get("sku")).lower())
        problems = _tier_failures(shop, entry, row, groups, seen[_tier_key(entry)] > 1)
        failures += problems
        if problems or row is None:
            continue
        every = str(entry["customer_group"]).lower() == ALL_GROUPS.lower()
        discount = entry["price_type"] == "discount"
        save(
            shop,
            row,
            {
                "entity_id": row["entity_id"],
                "all_groups": int(every),
                "customer_group_id": 0 if every else groups[str(entry["customer_group"]).lower()],
                "qty": entry["quantity"],
                "value": Decimal(0) if discount else entry["price"],
                "website_id": entry["website_id"],
                "percentage_value": entry["price"] if discount else None,
            },
        )
    return failures, known


def _tier_key(entry: Entry) -> tuple[Any, ...]:
    names = ("sku", "customer_group", "quantity", "website_id")
    return tuple(str(entry.get(name)).lower() for name in names)


_TIER_IDENTITY = ("entity_id", "all_groups", "customer_group_id", "qty", "website_id")


def _remove_tier(shop: Shop, row: Row, tier: dict[str, Any]) -> None:
    condition = " AND ".join(f"{name} = ?" for name in _TIER_IDENTITY)
    removed = shop.database.run(
        f"DELETE FROM catalog_product_entity_tier_price WHERE {condition}", [tier[name] for name in _TIER_IDENTITY]
    )
    if removed:
        shop.wrote("product_tier_price", row["sku"], "delete")


def _save_tier(shop: Shop, row: Row, tier: dict[str, Any]) -> None:
    _remove_tier(shop, row, tier)
    shop.database.insert("catalog_product_entity_tier_price", tier)
    shop.wrote("product_tier_price", row["sku"], "update")


@route("POST", "/V1/products/tier-prices", resource=WRITE, kind="update")
def update_tier_prices(call: Call) -> Any:
    """Adds rows, or changes those of the same group, quantity and website."""
    return _tiers(call, _save_tier)[0]


@route("PUT", "/V1/products/tier-prices", resource=WRITE)
def replace_tier_prices(call: Call) -> Any:
    """All rows of the SKUs with a good row are removed first: what is not sent again is gone."""
    replaced: set[int] = set()

    def save(shop: Shop, row: Row, tier: dict[str, Any]) -> None:
        if row["entity_id"] not in replaced:
            replaced.add(row["entity_id"])
            shop.database.run("DELETE FROM catalog_product_entity_tier_price WHERE entity_id = ?", [row["entity_id"]])
        _save_tier(shop, row, tier)

    return _tiers(call, save)[0]


@route("POST", "/V1/products/tier-prices-delete", resource=WRITE, kind="update")
def delete_tier_prices(call: Call) -> Any:
    return _tiers(call, _remove_tier)[0]


@route("POST", "/V1/products/tier-prices-information", resource=WRITE, kind="read")
def get_tier_prices(call: Call) -> Any:
    shop = call.shop
    names = {row["entity_id"]: row["sku"] for row in named(call).values()}
    codes = {identity: code for code, identity in _group_codes(shop).items()}

    def rows(ids: list[int]) -> list[Row]:
        return shop.database.rows(
            f"SELECT * FROM catalog_product_entity_tier_price WHERE entity_id IN ({placeholders(ids)}) "
            "ORDER BY value_id",
            ids,
        )

    return [
        {
            "price": row["value"] if row["percentage_value"] is None else row["percentage_value"],
            "price_type": "fixed" if row["percentage_value"] is None else "discount",
            "website_id": row["website_id"],
            "sku": names[row["entity_id"]],
            "customer_group": ALL_GROUPS if row["all_groups"] else codes[row["customer_group_id"]],
            "quantity": row["qty"],
        }
        for row in in_parts(list(names), rows)
    ]


def _group_codes(shop: Shop) -> dict[str, int]:
    rows = shop.database.rows("SELECT * FROM customer_group")
    return {row["customer_group_code"]: row["customer_group_id"] for row in rows}
