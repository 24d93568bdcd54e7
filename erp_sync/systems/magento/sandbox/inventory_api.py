"""The web API of multi-source inventory."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from erp_sync.systems.magento.sandbox import inventory, pricing, products
from erp_sync.systems.magento.sandbox.database import Row, scaled
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, in_order, in_parts, table_listing
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, placeholders

SOURCE_ITEMS = "Magento_InventoryApi::source_item"
SOURCE = "Magento_InventoryApi::source"
STOCK = "Magento_InventoryApi::stock"
LINK = "Magento_InventoryApi::stock_source_link"
EDIT = "Magento_InventoryApi::source_edit"
SALABLE = "Magento_InventorySalesApi::stock"
VOID: list[Any] = []  # services without a result answer an empty array


# -- source items ------------------------------------------------------------------------------------------------


@route("GET", "/V1/inventory/source-items", resource=SOURCE_ITEMS, listing=True)
def list_source_items(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    database = call.shop.database
    keys, total = table_listing(database, "inventory_source_item", "source_item_id").keys(database, criteria)

    def find(part: list[int]) -> list[Row]:
        return database.rows(
            f"SELECT * FROM inventory_source_item WHERE source_item_id IN ({placeholders(part)})", part
        )

    rows = in_parts(keys, find)
    names = ("sku", "source_code", "quantity", "status")
    items = [{name: row[name] for name in names} for row in in_order(rows, "source_item_id", keys)]
    return answer(items, criteria, total)


@route("POST", "/V1/inventory/source-items", resource=SOURCE_ITEMS, kind="bulk")
def save_source_items(call: Call) -> Any:
    inventory.save_source_items(call.shop, call.body["sourceItems"])
    return VOID


@route("POST", "/V1/inventory/source-items-delete", resource=SOURCE_ITEMS, kind="bulk")
def delete_source_items(call: Call) -> Any:
    inventory.delete_source_items(call.shop, call.body["sourceItems"])
    return VOID


# -- sources -----------------------------------------------------------------------------------------------------


def _source(shop: Shop, row: Row) -> dict[str, Any]:
    shown = shop.render("inventory-api-data-source-interface", row)
    for name in ("latitude", "longitude"):
        if shown.get(name) is not None:
            shown[name] = Decimal(shown[name])
    shown["carrier_links"] = []
    names = ("frontend_name", "frontend_description")
    shown["extension_attributes"] = {
        "is_pickup_location_active": bool(row["is_pickup_location_active"]),
        **{name: row[name] for name in names if row[name]},
    }
    return shown


def _source_row(shop: Shop, code: str) -> Row:
    row = shop.database.row("SELECT * FROM inventory_source WHERE source_code = ?", [code])
    if row is None:
        raise NoSuchEntityException('Source with code "%value" does not exist.', {"value": code})
    return row


def _save_source(call: Call, code: str, *, new: bool) -> None:
    shop, given = call.shop, call.body["source"]
    fields = {
        name: value for name, value in given.items() if not isinstance(value, dict | list) and name != "source_code"
    }
    if new:
        missing = [name for name in ("source_code", "name", "country_id", "postcode")
                   if not str(given.get(name) or "").strip()]  # fmt: skip
        if missing:
            raise InputException(
                f'Validation Failed: "{missing[0]}" can not be empty.',
                errors=[('"%field" can not be empty.', {"field": name}) for name in missing],
            )
        if shop.database.row("SELECT 1 AS one FROM inventory_source WHERE source_code = ?", [code]):
            raise LocalizedException("Could not save Source")
        shop.database.insert("inventory_source", {"source_code": code, "enabled": 1, **fields})
    else:
        shop.database.update("inventory_source", {"source_code": code}, fields)
        skus = shop.database.column("SELECT sku FROM inventory_source_item WHERE source_code = ?", [code])
        inventory.changed(shop, skus)
    shop.wrote("inventory_source", code, "create" if new else "update")


@route("GET", "/V1/inventory/sources", resource=SOURCE, listing=True)
def list_sources(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    database = call.shop.database
    keys, total = table_listing(database, "inventory_source", "source_code").keys(database, criteria)
    return answer([_source(call.shop, _source_row(call.shop, key)) for key in keys], criteria, total)


@route("POST", "/V1/inventory/sources", resource=EDIT)
def create_source(call: Call) -> Any:
    _save_source(call, str(call.body["source"].get("source_code") or ""), new=True)
    return VOID


@route("GET", "/V1/inventory/sources/{sourceCode}", resource=SOURCE)
def get_source(call: Call) -> Any:
    return _source(call.shop, _source_row(call.shop, call.path["sourceCode"]))


@route("PUT", "/V1/inventory/sources/{sourceCode}", resource=EDIT)
def update_source(call: Call) -> Any:
    _save_source(call, _source_row(call.shop, call.path["sourceCode"])["source_code"], new=False)
    return VOID


# -- stocks ------------------------------------------------------------------------------------------------------


def _stock(shop: Shop, row: Row) -> dict[str, Any]:
    channels = shop.database.rows(
        "SELECT type, code FROM inventory_stock_sales_channel WHERE stock_id = ? ORDER BY code", [row["stock_id"]]
    )
    return {
        "stock_id": row["stock_id"],
        "name": row["name"],
        "extension_attributes": {"sales_channels": channels},
    }


def _stock_row(shop: Shop, stock_id: int) -> Row:
    row = shop.database.row("SELECT * FROM inventory_stock WHERE stock_id = ?", [stock_id])
    if row is None:
        raise NoSuchEntityException('Stock with id "%value" does not exist.', {"value": str(stock_id)})
    return row


@route("GET", "/V1/inventory/stocks", resource=STOCK, listing=True)
def list_stocks(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "inventory_stock", "stock_id").keys(call.shop.database, criteria)
    return answer([_stock(call.shop, _stock_row(call.shop, key)) for key in keys], criteria, total)


@route("GET", "/V1/inventory/stocks/{stockId}", resource=STOCK)
def get_stock(call: Call) -> Any:
    return _stock(call.shop, _stock_row(call.shop, call.number("stockId")))


@route("POST", "/V1/inventory/stocks", resource="Magento_InventoryApi::stock_edit")
def create_stock(call: Call) -> Any:
    shop, given = call.shop, call.body["stock"]
    if not str(given.get("name") or "").strip():
        raise InputException('Validation Failed: "name" can not be empty.')
    stock_id = shop.database.insert("inventory_stock", {"name": given["name"]})
    for channel in (given.get("extension_attributes") or {}).get("sales_channels") or ():
        shop.database.run(
            "INSERT OR REPLACE INTO inventory_stock_sales_channel VALUES (?, ?, ?)",
            [channel["type"], channel["code"], stock_id],
        )
    return stock_id


@route("GET", "/V1/inventory/stock-resolver/{type}/{code}", resource=SALABLE)
def resolve_stock(call: Call) -> Any:
    stock_id = call.shop.database.value(
        "SELECT stock_id FROM inventory_stock_sales_channel WHERE type = ? AND code = ?",
        [call.path["type"], call.path["code"]],
    )
    if stock_id is None:
        raise NoSuchEntityException("No linked stock found")
    return _stock(call.shop, _stock_row(call.shop, stock_id))


@route("GET", "/V1/inventory/stock-source-links", resource=LINK, listing=True)
def list_links(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    database = call.shop.database
    keys, total = table_listing(database, "inventory_source_stock_link", "link_id").keys(database, criteria)
    rows = database.rows(f"SELECT * FROM inventory_source_stock_link WHERE link_id IN ({placeholders(keys)})", keys)
    names = ("stock_id", "source_code", "priority")
    return answer([{name: row[name] for name in names} for row in in_order(rows, "link_id", keys)], criteria, total)


@route("POST", "/V1/inventory/stock-source-links", resource=LINK)
def save_links(call: Call) -> Any:
    links = call.body["links"]
    if not links:
        raise InputException("Input data is empty")
    for link in links:
        _stock_row(call.shop, link["stock_id"])
        _source_row(call.shop, link["source_code"])
        call.shop.database.run(
            "INSERT INTO inventory_source_stock_link (stock_id, source_code, priority) VALUES (?, ?, ?) "
            "ON CONFLICT (stock_id, source_code) DO UPDATE SET priority = excluded.priority",
            [link["stock_id"], link["source_code"], link.get("priority") or 1],
        )
    inventory.reindex_all(call.shop)
    return VOID


@route("POST", "/V1/inventory/stock-source-links-delete", resource=LINK, kind="update")
def delete_links(call: Call) -> Any:
    for link in call.body["links"]:
        call.shop.database.run(
            "DELETE FROM inventory_source_stock_link WHERE stock_id = ? AND source_code = ?",
            [link["stock_id"], link["source_code"]],
        )
    inventory.reindex_all(call.shop)
    return VOID


@route("GET", "/V1/inventory/get-sources-assigned-to-stock-ordered-by-priority/{stockId}", resource=LINK)
def sources_of_stock(call: Call) -> Any:
    rows = call.shop.database.rows(
        "SELECT source.* FROM inventory_source_stock_link AS link JOIN inventory_source AS source USING (source_code) "
        "WHERE link.stock_id = ? AND source.enabled = 1 ORDER BY link.priority",
        [_stock_row(call.shop, call.number("stockId"))["stock_id"]],
    )
    return [_source(call.shop, row) for row in rows]


# -- salable quantity --------------------------------------------------------------------------------------------


@route("GET", "/V1/inventory/get-product-salable-quantity/{sku}/{stockId}", resource=SALABLE)
def get_salable_quantity(call: Call) -> Any:
    row = pricing.product(call.shop, call.path["sku"])
    if row["type_id"] not in inventory.STOCKED_TYPES:
        raise InputException("Can't check requested quantity for products without Source Items support.")
    return inventory.salable_quantity(call.shop, row["sku"], call.number("stockId"))


@route("GET", "/V1/inventory/is-product-salable/{sku}/{stockId}", resource=SALABLE)
def is_salable(call: Call) -> Any:
    return _is_salable(call.shop, call.path["sku"], call.number("stockId"))


def _is_salable(shop: Shop, sku: str, stock_id: int) -> bool:
    """A configurable or bundle product is salable while a part of it is."""
    row = shop.database.row("SELECT * FROM catalog_product_entity WHERE sku = ?", [sku])
    if row is None:
        return False
    if row["type_id"] in inventory.STOCKED_TYPES:
        return inventory.is_salable(shop, sku, stock_id)
    parts = shop.database.column(
        "SELECT product.sku FROM catalog_product_entity AS product WHERE product.entity_id IN (SELECT product_id "
        "FROM catalog_product_super_link WHERE parent_id = ? UNION SELECT product_id FROM "
        "catalog_product_bundle_selection WHERE parent_product_id = ?)",
        [row["entity_id"], row["entity_id"]],
    )
    salable = [inventory.is_salable(shop, part, stock_id) for part in parts]
    return any(salable) if row["type_id"] == "configurable" else bool(salable) and all(salable)


@route("GET", "/V1/inventory/are-products-salable", resource=SALABLE)
def are_salable(call: Call) -> Any:
    skus = call.query.get("skus")
    names = list(skus.values()) if isinstance(skus, dict) else [str(skus or "")]
    stock = str(call.query.get("stockId") or "0")
    stock_id = int(stock) if stock.isdigit() else 0
    return [{"sku": sku, "stock_id": stock_id, "salable": _is_salable(call.shop, sku, stock_id)} for sku in names]


@route("GET", "/V1/inventory/is-product-salable-for-requested-qty/{sku}/{stockId}/{requestedQty}", resource=SALABLE)
def is_salable_for(call: Call) -> Any:
    try:
        quantity = Decimal(call.path["requestedQty"])
    except InvalidOperation:
        quantity = ZERO
    row = pricing.product(call.shop, call.path["sku"])
    problem = inventory.check(call.shop, row["sku"], call.number("stockId"), quantity)
    errors = [{"code": "is_salable_with_reservations-not_enough_qty", "message": problem}] if problem else []
    return {"salable": not errors, "errors": errors}


@route(
    "GET",
    "/V1/inventory/export-stock-salable-qty/{salesChannelType}/{salesChannelCode}",
    resource=SALABLE,
    listing=True,
)
def export_salable(call: Call) -> Any:
    """Searches products; those without a source item in the stock are left out, and `total_count` counts only this
    page (magento/inventory `ExportStockSalableQtyBySalesChannel`).
    """
    shop = call.shop
    stock_id = shop.database.value(
        "SELECT stock_id FROM inventory_stock_sales_channel WHERE type = ? AND code = ?",
        [call.path["salesChannelType"], call.path["salesChannelCode"]],
    )
    if stock_id is None:
        raise NoSuchEntityException("No linked stock found")
    criteria = SearchCriteria.parse(call.query, input_limits=shop.options.input_limits)
    keys, _ = products.listing(shop, call.store_id).keys(shop.database, criteria)
    items = []
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        rows = shop.database.rows(
            "SELECT product.entity_id, product.sku, product.type_id, found.quantity, found.is_salable, "
            "stock_item.manage_stock, coalesce(stock_item.min_qty, '0') AS minimum, "
            f"(SELECT coalesce(sum({scaled('quantity')}), 0) FROM inventory_reservation AS reservation "
            "WHERE reservation.stock_id = ? AND reservation.sku = product.sku) AS reserved "
            "FROM catalog_product_entity AS product LEFT JOIN inventory_stock_index AS found "
            "ON found.sku = product.sku AND found.stock_id = ? LEFT JOIN cataloginventory_stock_item AS stock_item "
            f"ON stock_item.product_id = product.entity_id WHERE product.entity_id IN ({placeholders(part)})",
            [stock_id, stock_id, *part],
        )
        for row in in_order(rows, "entity_id", part):
            item = _exported(shop, row, stock_id)
            if item:
                items.append(item)
    return answer(items, criteria, len(items))


def _exported(shop: Shop, row: Row, stock_id: int) -> dict[str, Any] | None:
    if row["type_id"] not in inventory.STOCKED_TYPES:
        return {"sku": row["sku"], "qty": ZERO, "is_salable": _is_salable(shop, row["sku"], stock_id)}
    if row["manage_stock"] == 0:
        return {"sku": row["sku"], "qty": ZERO, "is_salable": True}
    if row["quantity"] is None:
        return None
    if not row["is_salable"]:
        return {"sku": row["sku"], "qty": ZERO, "is_salable": False}
    left = row["quantity"] + Decimal(row["reserved"]).scaleb(-4) - Decimal(str(row["minimum"]))
    return {"sku": row["sku"], "qty": left, "is_salable": True}


# -- assignment and transfer -------------------------------------------------------------------------------------


@route("POST", "/V1/inventory/bulk-product-source-assign", resource=EDIT, kind="bulk")
def assign_sources(call: Call) -> Any:
    """Adds source items of quantity 0 where there are none; answers how many."""
    count = 0
    for code in call.body["sourceCodes"]:
        _source_row(call.shop, code)
        for sku in call.body["skus"]:
            count += call.shop.database.run(
                "INSERT OR IGNORE INTO inventory_source_item (source_code, sku, quantity, status) VALUES (?, ?, ?, 0)",
                [code, sku, ZERO],
            )
    inventory.changed(call.shop, call.body["skus"])
    return count


@route("POST", "/V1/inventory/bulk-product-source-unassign", resource=EDIT, kind="bulk")
def unassign_sources(call: Call) -> Any:
    count = 0
    for code in call.body["sourceCodes"]:
        for sku in call.body["skus"]:
            count += call.shop.database.run(
                "DELETE FROM inventory_source_item WHERE source_code = ? AND sku = ?", [code, sku]
            )
    inventory.changed(call.shop, call.body["skus"])
    return count


def _move(shop: Shop, sku: str, origin: str, destination: str, quantity: Decimal | None, *, unassign: bool) -> None:
    """Move a quantity, or with None all of it, from one source to another."""
    row = shop.database.row(
        "SELECT quantity FROM inventory_source_item WHERE source_code = ? AND sku = ?", [origin, sku]
    )
    if row is None:
        return
    moved = row["quantity"] if quantity is None else quantity
    if moved > row["quantity"]:
        raise InputException("Requested transfer amount for sku %sku is not available", {"sku": sku})
    there = shop.database.value(
        "SELECT quantity FROM inventory_source_item WHERE source_code = ? AND sku = ?", [destination, sku]
    )
    total = (there or ZERO) + moved
    inventory.save_source_items(
        shop, [{"sku": sku, "source_code": destination, "quantity": total, "status": int(total > 0)}]
    )
    if unassign:
        inventory.delete_source_items(shop, [{"sku": sku, "source_code": origin}])
    else:
        left = row["quantity"] - moved
        inventory.save_source_items(
            shop, [{"sku": sku, "source_code": origin, "quantity": left, "status": int(left > 0)}]
        )


@route("POST", "/V1/inventory/bulk-product-source-transfer", resource=EDIT, kind="bulk")
def transfer_sources(call: Call) -> Any:
    body = call.body
    for code in (body["originSource"], body["destinationSource"]):
        _source_row(call.shop, code)
    for sku in body["skus"]:
        _move(
            call.shop,
            sku,
            body["originSource"],
            body["destinationSource"],
            None,
            unassign=bool(body["unassignFromOrigin"]),
        )
    return True


@route("POST", "/V1/inventory/bulk-partial-source-transfer", resource=EDIT, kind="bulk")
def transfer_parts(call: Call) -> Any:
    body = call.body
    for code in (body["originSourceCode"], body["destinationSourceCode"]):
        _source_row(call.shop, code)
    for item in body["items"]:
        _move(call.shop, item["sku"], body["originSourceCode"], body["destinationSourceCode"], Decimal(item["qty"]),
              unassign=False)  # fmt: skip
    return VOID


@route("POST", "/V1/inventory/source-selection-algorithm-result", resource=LINK, kind="read")
def select_sources(call: Call) -> Any:
    """Sources by their priority in the stock (algorithm "priority"; others are taken the same way)."""
    request = call.body["inventoryRequest"]
    chosen = []
    shippable = True
    for item in request["items"]:
        rest = Decimal(item["qty"])
        for row in call.shop.database.rows(
            "SELECT item.source_code, item.quantity FROM inventory_source_item AS item "
            "JOIN inventory_source_stock_link AS link USING (source_code) "
            "JOIN inventory_source AS source USING (source_code) "
            "WHERE link.stock_id = ? AND item.sku = ? AND item.status = 1 AND source.enabled = 1 ORDER BY priority",
            [request["stock_id"], item["sku"]],
        ):
            part = min(rest, row["quantity"])
            chosen.append(
                {"source_code": row["source_code"], "sku": item["sku"], "qty_to_deduct": part,
                 "qty_available": row["quantity"]}
            )  # fmt: skip
            rest -= part
        shippable = shippable and rest <= 0
    return {"source_selection_items": chosen, "shippable": shippable}
