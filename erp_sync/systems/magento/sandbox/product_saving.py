"""Saving products: by POST (which updates what exists) or PUT, for all store views or for one.

Facts: a new product gets its values for all stores; an existing one saved without ``all`` in the URL gets them for that
store view, so far as an attribute is not global (magento/magento2 `Catalog/Model/ProductRepository`). What a column
cannot hold is cut or becomes 0 in silence: `eav_values`. Two products cannot share a page: `url_keys`. A new product
without an attribute set is kept with set 0, the column's default, which no foreign key holds (`Catalog/etc/
db_schema.xml`; unconfirmed end to end).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import (
    composites,
    eav_values,
    inventory,
    pricing,
    products,
    special_prices,
    url_keys,
)
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import (
    InputException,
    LocalizedException,
    NoSuchEntityException,
)
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop

WRITE = "Magento_Catalog::products"
_TYPES = ("simple", "virtual", "downloadable", "configurable", "bundle", "grouped", "giftcard")
_WEIGHTLESS = ("virtual", "downloadable", "giftcard")
_TOP = ("name", "price", "status", "visibility", "weight")
_NOT_SAVED = ("category_ids", "options_container", "has_options", "required_options", *special_prices.ATTRIBUTES)
_BACKEND_TYPES = {"INTEGER": "int", "TEXT": "varchar"}  # of attributes that are columns here; others are decimals


@route("POST", "/V1/products", resource=WRITE, document="product.sku")
def create_or_update(call: Call) -> Any:
    given = call.body["product"]
    return _save(call, given, str(given.get("sku") or ""))


@route("PUT", "/V1/products/{sku}", resource=WRITE)
def update(call: Call) -> Any:
    """The SKU of the path counts, whatever the body says."""
    return _save(call, {**call.body["product"], "sku": call.path["sku"]}, call.path["sku"])


def _save(call: Call, given: dict[str, Any], sku: str) -> Any:
    shop = call.shop
    if not sku.strip():
        raise InputException('The "SKU" attribute value is empty. Set the attribute and try again.')
    if len(sku) > 64:
        raise InputException("SKU length should be %1 characters maximum.", ["64"])
    existing = shop.database.row("SELECT * FROM catalog_product_entity WHERE sku = ?", [sku])
    fields = {name: given[name] for name in _TOP if given.get(name) is not None}
    custom = {entry.get("attribute_code"): entry.get("value") for entry in given.get("custom_attributes") or ()}
    fields |= {name: custom[name] for name in products.COLUMNS if name in custom}
    _check(shop, fields, given)
    if existing is None:
        row = _create(call, sku, given, fields)
        store_id = 0
    else:
        row, store_id = existing, call.store_id
        _store(shop, row, fields, store_id)
        type_id = given.get("type_id")
        if type_id and type_id in _TYPES and type_id != row["type_id"]:
            shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {"type_id": type_id})
    attributes = {name: value for name, value in custom.items() if name not in (*products.COLUMNS, *_NOT_SAVED)}
    _store_attributes(shop, row, attributes, store_id)
    special_prices.store_attributes(shop, row, custom)
    _store_extension(call, pricing.product(shop, sku), given, custom)
    url_keys.check(shop, pricing.product(shop, sku))
    now = shop.now()
    shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {"updated_at": now})
    shop.wrote("product", row["sku"], "update" if existing else "create")
    call.document = row["sku"]
    return products.printed(shop, [row["entity_id"]], call.store_id, whole=True)[0]


def _check(shop: Shop, fields: dict[str, Any], given: dict[str, Any]) -> None:
    if given.get("type_id") and given["type_id"] not in _TYPES:
        raise InputException("Invalid product type: %1", [given["type_id"]])
    if given.get("type_id") == "giftcard" and not shop.options.commerce:
        raise InputException("Invalid product type: %1", ["giftcard"])
    for name in ("price", "cost"):
        eav_values.check_price(fields.get(name))
    for name, allowed in (("status", (1, 2)), ("visibility", (1, 2, 3, 4))):
        if name in fields and int(fields[name]) not in allowed:
            raise InputException('Invalid value of "%value" provided for the %fieldName field.',
                                 {"value": str(fields[name]), "fieldName": name})  # fmt: skip
    if given.get("attribute_set_id") and not shop.database.row(
        "SELECT 1 AS one FROM eav_attribute_set WHERE attribute_set_id = ?", [given["attribute_set_id"]]
    ):
        raise LocalizedException("Product attribute set with id %1 doesn't exist.", [str(given["attribute_set_id"])])


def _create(call: Call, sku: str, given: dict[str, Any], fields: dict[str, Any]) -> Row:
    shop, now = call.shop, call.shop.now()
    type_id = given.get("type_id") or "simple"
    if not str(fields.get("name") or "").strip():
        raise InputException('The "Product Name" attribute value is empty. Set the attribute and try again.')
    if "price" not in fields and type_id not in ("configurable", "bundle", "grouped"):
        raise InputException('The "Price" attribute value is empty. Set the attribute and try again.')
    row = {
        "sku": sku,
        "attribute_set_id": given.get("attribute_set_id") or 0,
        "type_id": type_id,
        "status": 1,
        "visibility": 4,
        "tax_class_id": 2,
        "created_at": now,
        "updated_at": now,
        **{name: _value(shop, name, value) for name, value in fields.items()},
    }
    row["url_key"] = url_keys.formatted(str(row.get("url_key") or row["name"])) or None
    if type_id in _WEIGHTLESS:
        row["weight"] = None
    if type_id == "bundle":
        row = {"price_type": 0, "sku_type": 0, "shipment_type": 0, **row}
    identity = shop.database.insert("catalog_product_entity", row)
    websites = (given.get("extension_attributes") or {}).get("website_ids")
    if websites is None:
        websites = [shop.store(call.store_id)["website_id"]]
    _store_websites(shop, identity, websites)
    shop.database.insert("cataloginventory_stock_item", {"product_id": identity, "qty": ZERO, "is_in_stock": 0})
    return pricing.product_by_id(shop, identity)


def _value(shop: Shop, code: str, value: Any) -> Any:
    kind = shop.database.columns("catalog_product_entity").get(code, "TEXT")
    return eav_values.kept(_BACKEND_TYPES.get(kind, "decimal"), value)


def _store(shop: Shop, row: Row, fields: dict[str, Any], store_id: int) -> None:
    scopes = {
        entry["attribute_code"]: entry["scope"]
        for entry in shop.database.rows("SELECT attribute_code, scope FROM eav_attribute")
    }
    for name, given in fields.items():
        value = _value(shop, name, given)
        if name == "url_key":
            value = url_keys.formatted(str(value or fields.get("name") or row["name"]))
        if store_id == 0 or scopes.get(name, "global") == "global":
            shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {name: value})
            if store_id == 0:
                continue
        else:
            _store_value(shop, row, name, store_id, value)


def _store_value(shop: Shop, row: Row, code: str, store_id: int, value: Any) -> None:
    if value is None:
        shop.database.run(
            "DELETE FROM catalog_product_attribute_value WHERE entity_id = ? AND store_id = ? AND attribute_code = ?",
            [row["entity_id"], store_id, code],
        )
        return
    shop.database.run(
        "INSERT OR REPLACE INTO catalog_product_attribute_value VALUES (?, ?, ?, ?)",
        [row["entity_id"], store_id, code, str(value)],
    )


def _store_attributes(shop: Shop, row: Row, attributes: dict[Any, Any], store_id: int) -> None:
    """Attributes that the catalogue does not have are passed over in silence (magento/magento2 issue 9594, of one that
    is not in the product's set: ignored, success returned; that unknown ones are: unconfirmed)."""
    for code, value in attributes.items():
        attribute = shop.database.row("SELECT * FROM eav_attribute WHERE attribute_code = ?", [code])
        if attribute is None:
            continue
        value = eav_values.kept(attribute["backend_type"], value)
        _store_value(shop, row, code, 0 if attribute["scope"] == "global" else store_id, value)


def _store_websites(shop: Shop, identity: int, websites: list[int]) -> None:
    for website in websites:
        if not shop.database.row("SELECT 1 AS one FROM store_website WHERE website_id = ?", [website]):
            raise NoSuchEntityException(
                "The website with id %1 that was requested wasn't found. Verify the website and try again.",
                [str(website)],
            )
    shop.database.run("DELETE FROM catalog_product_website WHERE product_id = ?", [identity])
    shop.database.many(
        "INSERT OR IGNORE INTO catalog_product_website VALUES (?, ?)", [(identity, website) for website in websites]
    )


def _store_extension(call: Call, row: Row, given: dict[str, Any], custom: dict[Any, Any]) -> None:
    shop, identity = call.shop, row["entity_id"]
    extension = given.get("extension_attributes") or {}
    if "website_ids" in extension:
        _store_websites(shop, identity, extension["website_ids"])
    links = extension.get("category_links")
    if links is None and isinstance(custom.get("category_ids"), list):
        links = [{"category_id": category} for category in custom["category_ids"]]
    if links is not None:
        shop.database.run("DELETE FROM catalog_category_product WHERE product_id = ?", [identity])
        for link in links:
            category = int(link["category_id"])
            if not shop.database.row("SELECT 1 AS one FROM catalog_category_entity WHERE entity_id = ?", [category]):
                raise NoSuchEntityException.single("id", category)
            shop.database.run(
                "INSERT OR REPLACE INTO catalog_category_product VALUES (?, ?, ?)",
                [category, identity, link.get("position") or 0],
            )
    if extension.get("stock_item"):
        save_stock_item(shop, row, extension["stock_item"])
    if "configurable_product_options" in extension:
        composites.replace_options(shop, row, extension["configurable_product_options"])
    if "configurable_product_links" in extension:
        composites.replace_children(shop, row, extension["configurable_product_links"])
    if "bundle_product_options" in extension:
        composites.replace_bundle_options(shop, row, extension["bundle_product_options"])
    tiers = given.get("tier_prices")
    if tiers is not None:
        _store_tiers(shop, identity, tiers)


def _store_tiers(shop: Shop, identity: int, tiers: list[dict[str, Any]]) -> None:
    shop.database.run("DELETE FROM catalog_product_entity_tier_price WHERE entity_id = ?", [identity])
    for tier in tiers:
        every = tier.get("customer_group_id") == pricing.ALL_GROUPS
        extension = tier.get("extension_attributes") or {}
        shop.database.insert(
            "catalog_product_entity_tier_price",
            {
                "entity_id": identity,
                "all_groups": int(every),
                "customer_group_id": 0 if every else tier.get("customer_group_id") or 0,
                "qty": Decimal(tier.get("qty") or 1),
                "value": Decimal(tier.get("value") or 0),
                "website_id": extension.get("website_id") or 0,
                "percentage_value": extension.get("percentage_value"),
            },
        )


def save_stock_item(shop: Shop, row: Row, given: dict[str, Any]) -> int:
    """The legacy stock item; its quantity goes to the source `default`."""
    names = ("min_qty", "use_config_min_qty", "backorders", "use_config_backorders", "manage_stock",
             "use_config_manage_stock", "min_sale_qty", "max_sale_qty", "qty", "is_in_stock")  # fmt: skip
    fields = {name: given[name] for name in names if given.get(name) is not None}
    key = {"product_id": row["entity_id"]}
    if not shop.database.row(
        "SELECT 1 AS one FROM cataloginventory_stock_item WHERE product_id = ?", list(key.values())
    ):
        shop.database.insert("cataloginventory_stock_item", key)
    if fields:
        shop.database.update("cataloginventory_stock_item", key, fields)
    if given.get("qty") is not None and row["type_id"] in inventory.STOCKED_TYPES:
        quantity = Decimal(given["qty"])
        status = given.get("is_in_stock")
        inventory.save_source_items(
            shop,
            [
                {
                    "sku": row["sku"],
                    "source_code": "default",
                    "quantity": quantity,
                    "status": int(quantity > 0 if status is None else bool(status)),
                }
            ],
        )
    else:
        inventory.changed(shop, [row["sku"]])
    return int(
        shop.database.value("SELECT item_id FROM cataloginventory_stock_item WHERE product_id = ?", list(key.values()))
    )


@route("PUT", "/V1/products/{productSku}/stockItems/{itemId}", resource=WRITE)
def update_stock_item(call: Call) -> Any:
    row = pricing.product(call.shop, call.path["productSku"])
    return save_stock_item(call.shop, row, call.body["stockItem"])


@route("DELETE", "/V1/products/{sku}", resource=WRITE)
def delete(call: Call) -> Any:
    """The source items of the SKU stay behind as orphans until the queue consumer removes them (kept here)."""
    row = pricing.product(call.shop, call.path["sku"])
    call.shop.database.run("DELETE FROM catalog_product_entity WHERE entity_id = ?", [row["entity_id"]])
    call.shop.wrote("product", row["sku"], "delete")
    return True


@route("POST", "/V1/products/{sku}/websites", resource=WRITE, kind="update")
def assign_website(call: Call) -> Any:
    row = pricing.product(call.shop, call.path["sku"])
    kept = call.shop.database.column(
        "SELECT website_id FROM catalog_product_website WHERE product_id = ?", [row["entity_id"]]
    )
    _store_websites(call.shop, row["entity_id"], [*kept, call.body["productWebsiteLink"]["website_id"]])
    url_keys.check(call.shop, row)
    return True


@route("DELETE", "/V1/products/{sku}/websites/{websiteId}", resource=WRITE)
def remove_website(call: Call) -> Any:
    row = pricing.product(call.shop, call.path["sku"])
    call.shop.database.run(
        "DELETE FROM catalog_product_website WHERE product_id = ? AND website_id = ?",
        [row["entity_id"], call.number("websiteId")],
    )
    return True
