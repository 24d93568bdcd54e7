"""Special prices: by the price service and by product attributes.

Facts: magento/magento2 `Catalog/Model/Product/Price/SpecialPriceStorage` (what is checked; messages are substituted),
`ResourceModel/Product/Price/SpecialPrice` (price and dates are three attributes: **a date that a row does not name
stays as it was**, and the service sets none by itself), `Observer/SetSpecialPriceStartDate` (a product saved with a
price and no start gets today). Nothing looks whether a price ends before it begins, neither here nor when a product is
saved: `Attribute/Backend/Startdate` compares with a bound that only the administration's controller sets. Such a price
is kept and never in force. Commerce keeps scheduled updates instead: both dates are required and they must not overlap;
that one ending before it begins is refused there, and in which words, is unconfirmed. Left out: dates that outlive
their price.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import eav_values
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.prices import (
    WRITE,
    Entry,
    Failure,
    failure,
    known_products,
    named,
    store_exists,
    text_of,
)
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import in_parts
from erp_sync.systems.magento.sandbox.shop import Shop, placeholders

# Attribute of a product: column here.
ATTRIBUTES = {"special_price": "price", "special_from_date": "price_from", "special_to_date": "price_to"}
_ROW = "Row ID: SKU = %SKU, Store ID: %storeId, Price From: %priceFrom, Price To: %priceTo."


# -- by product attributes ---------------------------------------------------------------------------------------


def store_attributes(shop: Shop, product: Row, custom: Mapping[Any, Any]) -> None:
    """What a product is saved with, for all store views. Raises LocalizedException for a price or date that is none."""
    given = {column: custom[code] for code, column in ATTRIBUTES.items() if code in custom}
    if not given:
        return
    eav_values.check_price(given.get("price"))
    key = [product["entity_id"], 0]
    there = shop.database.row(
        "SELECT price, price_from, price_to FROM catalog_product_special_price WHERE entity_id = ? AND store_id = ?",
        key,
    )
    kinds = {"price": "decimal", "price_from": "datetime", "price_to": "datetime"}
    row = {**(there or {}), **{column: eav_values.kept(kinds[column], value) for column, value in given.items()}}
    shop.database.run("DELETE FROM catalog_product_special_price WHERE entity_id = ? AND store_id = ?", key)
    if row.get("price") is not None:
        row["price_from"] = row.get("price_from") or shop.now()[:10] + " 00:00:00"
        shop.database.insert("catalog_product_special_price", {"entity_id": key[0], "store_id": key[1], **row})


# -- by the price service ----------------------------------------------------------------------------------------


def _failures(shop: Shop, entry: Entry, row: Row | None) -> list[Failure]:
    values = {
        "SKU": entry.get("sku"),
        "storeId": entry.get("store_id"),
        "priceFrom": entry.get("price_from"),
        "priceTo": entry.get("price_to"),
    }

    def failed(message: str, **first: Any) -> Failure:
        shown = {**first, **values}
        text = re.sub(r"%(\w+)", lambda match: text_of(shown.get(match.group(1)) or ""), f"{message} {_ROW}")
        return failure(text, list(shown.values()))

    failures = []
    if row is None or row["type_id"] in ("configurable", "grouped"):
        failures.append(failed("The product that was requested doesn't exist. Verify the product and try again."))
    if entry.get("store_id") != 0:
        failures.append(failed("Could not change non global Price when price scope is global."))
    if not store_exists(shop, entry.get("store_id")):
        failures.append(failed("Requested store is not found."))
    if entry.get("price") is None or entry["price"] < 0:
        failures.append(failed("Invalid attribute Price = %price.", price=entry.get("price")))
    for label, value in (("Price From", values["priceFrom"]), ("Price To", values["priceTo"])):
        if value and not _is_date(value):
            failures.append(failed("Invalid attribute %label = %priceTo.", label=label))
        if not value and shop.options.commerce:
            failures.append(failed("Invalid attribute %label = %priceTo.", label=label))
    return failures


def _is_date(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").strftime("%Y-%m-%d %H:%M:%S") == text  # noqa: DTZ007
    except ValueError:
        return False


def _not_scheduled(shop: Shop, row: Row, entry: Entry) -> Failure | None:
    """Commerce keeps special prices as scheduled updates, which must end after they begin and must not overlap."""
    if entry["price_from"] > entry["price_to"]:
        return failure("The Future Update end time cannot be earlier than its start time.", [])
    for kept in shop.database.rows(
        "SELECT * FROM catalog_product_special_price WHERE entity_id = ? AND store_id = ?",
        [row["entity_id"], entry["store_id"]],
    ):
        if kept["price_from"] == entry["price_from"]:
            continue
        if entry["price_from"] < (kept["price_to"] or "9999") and (kept["price_from"] or "") < entry["price_to"]:
            return failure("Future Update already exists in this time range. Set a different range and try again.", [])
    return None


@route("POST", "/V1/products/special-price", resource=WRITE, kind="update")
def set_special_prices(call: Call) -> Any:
    shop, entries = call.shop, call.body["prices"]
    known = known_products(shop, [str(entry.get("sku")) for entry in entries])
    failures: list[Failure] = []
    for entry in entries:
        row = known.get(str(entry.get("sku")).lower())
        problems = _failures(shop, entry, row)
        failures += problems
        if problems or row is None:
            continue
        if shop.options.commerce and (problem := _not_scheduled(shop, row, entry)) is not None:
            failures.append(problem)
            continue
        _save(shop, row, entry)
        shop.wrote("product_special_price", row["sku"], "update")
    return failures


def _save(shop: Shop, product: Row, entry: Entry) -> None:
    condition, key = "entity_id = ? AND store_id = ?", [product["entity_id"], entry["store_id"]]
    if shop.options.commerce:
        condition, key = f"{condition} AND price_from = ?", [*key, entry["price_from"]]
    there = shop.database.row(f"SELECT price_from, price_to FROM catalog_product_special_price WHERE {condition}", key)
    shop.database.run(f"DELETE FROM catalog_product_special_price WHERE {condition}", key)
    dates = {name: entry.get(name) or (there or {}).get(name) for name in ("price_from", "price_to")}
    shop.database.insert(
        "catalog_product_special_price",
        {"entity_id": product["entity_id"], "store_id": entry["store_id"], "price": entry["price"], **dates},
    )


@route("POST", "/V1/products/special-price-information", resource=WRITE, kind="read")
def get_special_prices(call: Call) -> Any:
    names = {row["entity_id"]: row["sku"] for row in named(call).values()}

    def rows(ids: list[int]) -> list[Row]:
        return call.shop.database.rows(
            f"SELECT * FROM catalog_product_special_price WHERE entity_id IN ({placeholders(ids)}) "
            "ORDER BY entity_id, price_from",
            ids,
        )

    return [
        {
            "price": row["price"],
            "store_id": row["store_id"],
            "sku": names[row["entity_id"]],
            "price_from": row["price_from"],
            "price_to": row["price_to"],
        }
        for row in in_parts(list(names), rows)
    ]


@route("POST", "/V1/products/special-price-delete", resource=WRITE, kind="update")
def delete_special_prices(call: Call) -> Any:
    """Takes full rows. Open Source removes what the product has in the store, whatever values the row names
    (magento/magento2 `ResourceModel/Product/Price/SpecialPrice::delete`); Commerce the scheduled update that begins
    then, so that a row with other values than the kept ones removes nothing (unconfirmed)."""
    shop, entries = call.shop, call.body["prices"]
    known = known_products(shop, [str(entry.get("sku")) for entry in entries])
    failures: list[Failure] = []
    for entry in entries:
        row = known.get(str(entry.get("sku")).lower())
        problems = _failures(shop, entry, row)
        failures += problems
        if row is None or problems:
            continue
        condition, values = "entity_id = ? AND store_id = ?", [row["entity_id"], entry["store_id"]]
        if shop.options.commerce:
            condition += " AND price = ? AND price_from = ?"
            # Stored with the digits that the column has, so equal prices are equal texts.
            values += [Decimal(entry["price"]), entry["price_from"]]
        removed = shop.database.run(f"DELETE FROM catalog_product_special_price WHERE {condition}", values)
        if removed:
            shop.wrote("product_special_price", row["sku"], "delete")
    return failures
