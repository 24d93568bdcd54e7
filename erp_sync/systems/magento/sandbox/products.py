"""Products as the web API prints them, and their lists.

Values depend on the store view of the URL: what it has of its own, else the default ones. The stock item comes with a
single product only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import pricing
from erp_sync.systems.magento.sandbox.database import DECIMAL, EXACT, Row
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import Column, Listing, SearchCriteria, answer, in_order, in_parts
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, placeholders

READ = "Magento_Catalog::products"
COLUMNS = ("name", "price", "cost", "status", "visibility", "weight", "tax_class_id", "price_type", "sku_type",
           "shipment_type", "url_key")  # fmt: skip
_SHOWN_AT_TOP = ("name", "price", "status", "visibility", "weight")


def printed(shop: Shop, ids: Iterable[int], store_id: int, *, whole: bool = False) -> list[dict[str, Any]]:
    """Products in the given sequence; `whole` adds the stock item."""
    wanted = list(ids)
    marks = placeholders(wanted)
    rows = in_order(
        shop.database.rows(f"SELECT * FROM catalog_product_entity WHERE entity_id IN ({marks})", wanted),
        "entity_id",
        wanted,
    )
    values: dict[int, dict[str, str]] = {}
    for entry in shop.database.rows(
        f"SELECT * FROM catalog_product_attribute_value WHERE entity_id IN ({marks}) AND store_id IN (0, ?) "
        "ORDER BY store_id",
        [*wanted, store_id],
    ):
        values.setdefault(entry["entity_id"], {})[entry["attribute_code"]] = entry["value"]
    websites = _pairs(shop, "catalog_product_website", "product_id", "website_id", wanted)
    categories = _categories(shop, wanted)
    specials = _specials(shop, wanted, store_id)
    tiers = tier_prices(shop, wanted)
    return [
        _printed(
            shop,
            row,
            values.get(row["entity_id"], {}),
            websites.get(row["entity_id"], []),
            categories.get(row["entity_id"], {}),
            specials.get(row["entity_id"]),
            tiers.get(row["entity_id"], []),
            whole=whole,
        )
        for row in rows
    ]


def _pairs(shop: Shop, table: str, key: str, column: str, ids: list[int]) -> dict[int, list[int]]:
    result: dict[int, list[int]] = {}
    for entry in shop.database.rows(
        f"SELECT {key}, {column} FROM {table} WHERE {key} IN ({placeholders(ids)}) ORDER BY {column}", ids
    ):
        result.setdefault(entry[key], []).append(entry[column])
    return result


def _categories(shop: Shop, ids: list[int]) -> dict[int, dict[int, int]]:
    """By product, its categories with the position in each."""
    result: dict[int, dict[int, int]] = {}
    for entry in shop.database.rows(
        f"SELECT * FROM catalog_category_product WHERE product_id IN ({placeholders(ids)}) ORDER BY category_id", ids
    ):
        result.setdefault(entry["product_id"], {})[entry["category_id"]] = entry["position"]
    return result


def _specials(shop: Shop, ids: list[int], store_id: int) -> dict[int, Row]:
    rows = shop.database.rows(
        f"SELECT * FROM catalog_product_special_price WHERE entity_id IN ({placeholders(ids)}) AND store_id IN (0, ?) "
        "ORDER BY store_id, price_from",
        [*ids, store_id],
    )
    return {row["entity_id"]: row for row in rows}


def tier_prices(shop: Shop, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    result: dict[int, list[dict[str, Any]]] = {}
    for row in shop.database.rows(
        f"SELECT * FROM catalog_product_entity_tier_price WHERE entity_id IN ({placeholders(ids)}) ORDER BY value_id",
        ids,
    ):
        extension: dict[str, Any] = {"website_id": row["website_id"]}
        if row["percentage_value"] is not None:
            extension["percentage_value"] = row["percentage_value"]
        result.setdefault(row["entity_id"], []).append(
            {
                "customer_group_id": pricing.ALL_GROUPS if row["all_groups"] else row["customer_group_id"],
                "qty": row["qty"],
                "value": row["value"],
                "extension_attributes": extension,
            }
        )
    return result


def _printed(
    shop: Shop,
    row: Row,
    values: dict[str, str],
    websites: list[int],
    categories: dict[int, int],
    special: Row | None,
    tiers: list[dict[str, Any]],
    *,
    whole: bool,
) -> dict[str, Any]:
    overridden = {name: values[name] for name in COLUMNS if values.get(name) is not None}
    merged = {**row, **overridden, "id": row["entity_id"]}
    result = shop.render("catalog-data-product-interface", merged)
    extension: dict[str, Any] = {"website_ids": websites}
    if categories:
        extension["category_links"] = [
            {"position": position, "category_id": str(identity)} for identity, position in categories.items()
        ]
    if whole:
        extension["stock_item"] = stock_item(shop, row)
    if row["type_id"] == "configurable":
        extension["configurable_product_options"] = configurable_options(shop, row)
        extension["configurable_product_links"] = shop.database.column(
            "SELECT product_id FROM catalog_product_super_link WHERE parent_id = ? ORDER BY product_id",
            [row["entity_id"]],
        )
    if row["type_id"] == "bundle":
        extension["bundle_product_options"] = bundle_options(shop, row)
    if row["type_id"] == "giftcard":
        extension["giftcard_amounts"] = []
    result["extension_attributes"] = extension
    result["product_links"] = _links(shop, row)
    result["options"] = []
    result["media_gallery_entries"] = []
    result["tier_prices"] = tiers
    result["custom_attributes"] = _custom(row, values, overridden, list(categories), special)
    return result


def _custom(
    row: Row, values: dict[str, str], overridden: dict[str, str], categories: list[int], special: Row | None
) -> list[dict[str, Any]]:
    """Attributes without an accessor of their own; decimals are text with six digits."""
    shown: dict[str, Any] = {"options_container": "container2"}
    if url_key := overridden.get("url_key") or row["url_key"]:
        shown["url_key"] = url_key
    shown["required_options"] = shown["has_options"] = str(int(row["type_id"] in ("configurable", "bundle")))
    shown["tax_class_id"] = str(overridden.get("tax_class_id", row["tax_class_id"]))
    if row["cost"] is not None:
        shown["cost"] = f"{Decimal(overridden.get('cost') or row['cost']):.6f}"
    for name in ("price_type", "sku_type", "shipment_type"):
        if row[name] is not None:
            shown[name] = str(row[name])
    if special:
        shown["special_price"] = f"{special['price']:.6f}"
        for name, part in (("special_from_date", "price_from"), ("special_to_date", "price_to")):
            if special[part]:
                shown[name] = special[part]
    shown["category_ids"] = [str(identity) for identity in categories]
    shown |= {name: value for name, value in values.items() if name not in COLUMNS and value is not None}
    return [{"attribute_code": name, "value": value} for name, value in shown.items()]


def stock_item(shop: Shop, row: Row) -> dict[str, Any]:
    """The legacy stock item: quantity is that of the source `default`."""
    kept = shop.database.row("SELECT * FROM cataloginventory_stock_item WHERE product_id = ?", [row["entity_id"]]) or {}
    default = shop.database.row(
        "SELECT quantity, status FROM inventory_source_item WHERE source_code = 'default' AND sku = ?", [row["sku"]]
    )
    return {
        "item_id": kept.get("item_id", row["entity_id"]),
        "product_id": row["entity_id"],
        "stock_id": 1,
        "qty": default["quantity"] if default else kept.get("qty", ZERO),
        "is_in_stock": bool(default["status"] if default else kept.get("is_in_stock", 0)),
        "is_qty_decimal": False,
        "show_default_notification_message": False,
        "use_config_min_qty": bool(kept.get("use_config_min_qty", 1)),
        "min_qty": kept.get("min_qty", ZERO),
        "use_config_min_sale_qty": 1,
        "min_sale_qty": kept.get("min_sale_qty", Decimal(1)),
        "use_config_max_sale_qty": True,
        "max_sale_qty": kept.get("max_sale_qty", Decimal(10000)),
        "use_config_backorders": bool(kept.get("use_config_backorders", 1)),
        "backorders": kept.get("backorders", 0),
        "use_config_notify_stock_qty": True,
        "notify_stock_qty": Decimal(1),
        "use_config_qty_increments": True,
        "qty_increments": ZERO,
        "use_config_enable_qty_inc": True,
        "enable_qty_increments": False,
        "use_config_manage_stock": bool(kept.get("use_config_manage_stock", 1)),
        "manage_stock": bool(kept.get("manage_stock", 1)),
        "low_stock_date": None,
        "is_decimal_divided": False,
        "stock_status_changed_auto": 0,
    }


def configurable_options(shop: Shop, row: Row) -> list[dict[str, Any]]:
    result = []
    for option in shop.database.rows(
        "SELECT option.*, attribute_code FROM catalog_product_super_attribute AS option "
        "JOIN eav_attribute USING (attribute_id) WHERE product_id = ? ORDER BY position, product_super_attribute_id",
        [row["entity_id"]],
    ):
        used = shop.database.column(
            "SELECT DISTINCT CAST(value AS INTEGER) AS value FROM catalog_product_attribute_value AS kept "
            "JOIN catalog_product_super_link AS link ON link.product_id = kept.entity_id "
            "WHERE link.parent_id = ? AND kept.attribute_code = ? AND kept.store_id = 0 ORDER BY 1",
            [row["entity_id"], option["attribute_code"]],
        )
        result.append(
            {
                "id": option["product_super_attribute_id"],
                "attribute_id": str(option["attribute_id"]),
                "label": option["label"],
                "position": option["position"],
                "values": [{"value_index": value} for value in used],
                "product_id": row["entity_id"],
            }
        )
    return result


def bundle_options(shop: Shop, row: Row) -> list[dict[str, Any]]:
    result = []
    for option in shop.database.rows(
        "SELECT * FROM catalog_product_bundle_option WHERE parent_id = ? ORDER BY position, option_id",
        [row["entity_id"]],
    ):
        result.append(
            {
                "option_id": option["option_id"],
                "title": option["title"],
                "required": bool(option["required"]),
                "type": option["type"],
                "position": option["position"],
                "sku": row["sku"],
                "product_links": bundle_links(shop, option["option_id"]),
            }
        )
    return result


def bundle_links(shop: Shop, option_id: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(link["selection_id"]),
            "sku": link["sku"],
            "option_id": link["option_id"],
            "qty": link["selection_qty"],
            "position": link["position"],
            "is_default": bool(link["is_default"]),
            "price": link["selection_price_value"],
            "price_type": link["selection_price_type"],
            "can_change_quantity": link["selection_can_change_qty"],
        }
        for link in shop.database.rows(
            "SELECT selection.*, product.sku FROM catalog_product_bundle_selection AS selection "
            "JOIN catalog_product_entity AS product ON product.entity_id = selection.product_id "
            "WHERE selection.option_id = ? ORDER BY selection.position, selection_id",
            [option_id],
        )
    ]


def _links(shop: Shop, row: Row) -> list[dict[str, Any]]:
    return [
        {
            "sku": row["sku"],
            "link_type": link["link_type"],
            "linked_product_sku": link["sku"],
            "linked_product_type": link["type_id"],
            "position": link["position"],
        }
        for link in shop.database.rows(
            "SELECT link.*, product.sku, product.type_id FROM catalog_product_link AS link JOIN catalog_product_entity "
            "AS product ON product.entity_id = link.linked_product_id WHERE link.product_id = ?",
            [row["entity_id"]],
        )
    ]


def listing(shop: Shop, store_id: int) -> Listing:
    """What products can be filtered and sorted by: every attribute of the catalogue."""
    plain = {
        name: (f"product.{name}", "TIME" if name.endswith("_at") else kind)
        for name, kind in shop.database.columns("catalog_product_entity").items()
    }
    columns: dict[str, Column] = {name: plain[name] for name in plain if name not in COLUMNS}
    for name in COLUMNS:
        columns[name] = _typed(_scoped(name, store_id, plain[name][0]), plain[name][1])
    columns["id"] = columns["entity_id"]
    for name, table, column in (
        ("website_id", "catalog_product_website", "website_id"),
        ("category_id", "catalog_category_product", "category_id"),
    ):
        # A product has several: compared as a comma list by finset, or by the first for eq.
        columns[name] = (f"(SELECT group_concat({column}) FROM {table} WHERE product_id = product.entity_id)", "TEXT")

    def attribute(code: str) -> Column | None:
        kind = shop.database.value("SELECT backend_type FROM eav_attribute WHERE attribute_code = ?", [code])
        if kind is None:
            return None
        if code in ("special_price", "special_from_date", "special_to_date"):
            part = {"special_price": "price", "special_from_date": "price_from", "special_to_date": "price_to"}[code]
            value = f"price COLLATE {EXACT}" if part == "price" else part
            expression = f"(SELECT max({value}) FROM catalog_product_special_price WHERE entity_id = product.entity_id)"
            return (expression, DECIMAL if code == "special_price" else "TEXT")
        return _typed(_scoped(code, store_id, "NULL"), {"int": "INTEGER", "decimal": DECIMAL}.get(kind, "TEXT"))

    return Listing("catalog_product_entity AS product", columns, "product.entity_id", attribute, eav=True)


def _typed(expression: str, kind: str) -> Column:
    """Values of a store view are kept as text; numbers are compared as numbers."""
    return (f"CAST({expression} AS INTEGER)" if kind == "INTEGER" else expression, kind)


def _scoped(code: str, store_id: int, default: str) -> str:
    if not re.fullmatch(r"\w+", code):
        raise ValueError(code)
    of_store = (
        "(SELECT value FROM catalog_product_attribute_value WHERE entity_id = product.entity_id "
        f"AND attribute_code = '{code}' AND store_id = "
    )
    return f"coalesce({of_store}{int(store_id)}), {of_store}0), {default})"


@route("GET", "/V1/products", resource=READ, listing=True)
def list_products(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = listing(call.shop, call.store_id).keys(call.shop.database, criteria)
    return answer(in_parts(keys, lambda part: printed(call.shop, part, call.store_id)), criteria, total)


@route("GET", "/V1/products/{sku}", resource=READ)
def get_product(call: Call) -> Any:
    row = pricing.product(call.shop, call.path["sku"])
    store = call.query.get("storeId")
    store_id = int(store) if isinstance(store, str) and store.isdigit() else call.store_id
    return printed(call.shop, [row["entity_id"]], store_id, whole=True)[0]


@route("GET", "/V1/products/types", resource=READ)
def types(call: Call) -> Any:
    names = {"simple": "Simple Product", "virtual": "Virtual Product", "downloadable": "Downloadable Product",
             "configurable": "Configurable Product", "bundle": "Bundle Product",
             "grouped": "Grouped Product"}  # fmt: skip
    if call.shop.options.commerce:
        names["giftcard"] = "Gift Card"
    return [{"name": name, "label": label} for name, label in names.items()]


@route("GET", "/V1/stockItems/lowStock/", resource="Magento_CatalogInventory::cataloginventory")
def low_stock(call: Call) -> Any:
    """Stock items with at most so much (core: StockRegistry::getLowStockItems; the order by id is unconfirmed)."""
    highest, size = Decimal(str(call.query["qty"])), int(call.query.get("pageSize") or 0)
    number = max(int(call.query.get("currentPage") or 1), 1)
    rows = call.shop.database.rows("SELECT * FROM catalog_product_entity ORDER BY entity_id")
    items = [item for row in rows if (item := stock_item(call.shop, row))["qty"] <= highest]
    pages = max(-(-len(items) // size), 1) if size else 1
    first = (min(number, pages) - 1) * size
    shown = items[first : first + size] if size else items
    names: dict[str, list[str]] = {"criteria_list": [], "filters": [], "orders": [], "limit": [str(number), str(size)]}
    criteria = {"mapper_interface_name": "StockItemCriteriaMapper", **names}
    return {"items": shown, "search_criteria": criteria, "total_count": len(items)}


@route("GET", "/V1/stockItems/{productSku}", resource="Magento_CatalogInventory::cataloginventory")
def get_stock_item(call: Call) -> Any:
    return stock_item(call.shop, pricing.product(call.shop, call.path["productSku"]))
