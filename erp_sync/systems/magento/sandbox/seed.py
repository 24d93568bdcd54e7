"""Master data and opening stock, loaded as an administrator or an earlier import would have.

The form is that of the sandbox kit's generator (items, locations, stock, customers ...); see `load`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import directory, inventory, seed_sales, url_keys
from erp_sync.systems.magento.sandbox.database import stored
from erp_sync.systems.magento.sandbox.shop import Shop

_TYPES = {
    "simple": "simple",
    "virtual": "virtual",
    "downloadable": "downloadable",
    "configurable": "configurable",
    "bundle": "bundle",
    "gift_card": "giftcard",
    "giftcard": "giftcard",
    "grouped": "grouped",
}
_NOT_VISIBLE, _VISIBLE = 1, 4


def load(shop: Shop, data: dict[str, Any]) -> dict[str, int]:
    """Load what `data` holds, in one transaction; answers how many of each.

    Keys, all optional: websites [{code, name, currency}], stores [{code, name, website, currency, locale,
    timezone}], currency_rates [{from, to, rate}], items [{sku, name, price, special_price, cost, weight, category,
    manufacturer, active, kind, parent_sku, options, components, backorders, tax_class, description, websites}],
    locations [{code, name, enabled}], stock [{sku, location, quantity}], stocks [{name, websites, sources}],
    customer_groups [{code}], customers [{email, firstname, lastname, website, group, password, taxvat, addresses}],
    rules and coupons [{name, action, amount, coupon_code, ...}], gift_cards [{code, balance}],
    store_credit [{email, amount}], tax_rates [{country, region, postcode, code, title, rate, priority}],
    configuration {path: value}.
    """
    counts: dict[str, int] = {}
    with shop.database.transaction():
        for name, loader in _LOADERS:
            entries = data.get(name)
            if entries:
                loader(shop, entries)
                counts[name] = len(entries)
        if data.get("locations") or data.get("stock") or data.get("stocks") or data.get("items"):
            inventory.reindex_all(shop)
    return counts


def _websites(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        if shop.database.row("SELECT 1 AS one FROM store_website WHERE code = ?", [entry["code"]]):
            shop.database.update(
                "store_website",
                {"code": entry["code"]},
                {"name": entry.get("name", entry["code"]), "base_currency": entry.get("currency", "USD")},
            )
            continue
        website = shop.database.insert(
            "store_website",
            {
                "code": entry["code"],
                "name": entry.get("name", entry["code"]),
                "default_group_id": 0,
                "base_currency": entry.get("currency", "USD"),
            },
        )
        group = shop.database.insert(
            "store_group",
            {
                "website_id": website,
                "code": f"{entry['code']}_store",
                "name": f"{entry.get('name', entry['code'])} Store",
                "root_category_id": 2,
                "default_store_id": 0,
            },
        )
        shop.database.update("store_website", {"website_id": website}, {"default_group_id": group})


def _stores(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        website = shop.database.row("SELECT * FROM store_website WHERE code = ?", [entry.get("website", "base")])
        if website is None:
            raise ValueError(f"store {entry['code']!r}: no website {entry.get('website')!r}")
        fields = {
            "website_id": website["website_id"],
            "group_id": website["default_group_id"],
            "name": entry.get("name", entry["code"]),
            "currency": entry.get("currency", website["base_currency"]),
            "locale": entry.get("locale", "en_US"),
            "timezone": entry.get("timezone", "UTC"),
        }
        if not shop.database.update("store", {"code": entry["code"]}, fields):
            store = shop.database.insert("store", {"code": entry["code"], **fields})
            shop.database.run(
                "UPDATE store_group SET default_store_id = ? WHERE group_id = ? AND default_store_id = 0",
                [store, website["default_group_id"]],
            )


def _currency_rates(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        shop.database.run(
            "INSERT OR REPLACE INTO directory_currency_rate VALUES (?, ?, ?)",
            [entry["from"], entry["to"], Decimal(str(entry["rate"]))],
        )


def _configuration(shop: Shop, entries: dict[str, Any]) -> None:
    for path, value in entries.items():
        shop.database.run("INSERT OR REPLACE INTO core_config_data VALUES (?, ?)", [path, str(value)])


def _locations(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    """Sources, all of one stock that sells on the first website (Default Stock keeps only its own source)."""
    database = shop.database
    stock = database.value("SELECT stock_id FROM inventory_stock WHERE name = 'Warehouses'")
    if stock is None:
        stock = database.insert("inventory_stock", {"name": "Warehouses"})
        database.run("UPDATE inventory_stock_sales_channel SET stock_id = ? WHERE stock_id = 1", [stock])
    for entry in entries:
        fields = {"name": entry.get("name", entry["code"]), "enabled": int(entry.get("enabled", True))}
        fields |= {"country_id": entry.get("country", "US"), "postcode": entry.get("postcode", "00000")}
        if not database.update("inventory_source", {"source_code": entry["code"]}, fields):
            database.insert("inventory_source", {"source_code": entry["code"], **fields})
        last = database.value(
            "SELECT coalesce(max(priority), 0) FROM inventory_source_stock_link WHERE stock_id = ?", [stock]
        )
        database.run(
            "INSERT OR IGNORE INTO inventory_source_stock_link (stock_id, source_code, priority) VALUES (?, ?, ?)",
            [stock, entry["code"], last + 1],
        )


def _stocks(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        stock = shop.database.insert("inventory_stock", {"name": entry["name"]})
        for website in entry.get("websites", ()):
            shop.database.run(
                "INSERT OR REPLACE INTO inventory_stock_sales_channel VALUES ('website', ?, ?)", [website, stock]
            )
        for priority, source in enumerate(entry.get("sources", ()), 1):
            shop.database.run(
                "INSERT INTO inventory_source_stock_link (stock_id, source_code, priority) VALUES (?, ?, ?)",
                [stock, source, priority],
            )


def _attribute_option(shop: Shop, known: dict[tuple[str, str], int], code: str, label: str) -> int:
    """The option of a select attribute; both are made when missing."""
    key = (code, label)
    if key not in known:
        attribute = shop.database.value("SELECT attribute_id FROM eav_attribute WHERE attribute_code = ?", [code])
        if attribute is None:
            attribute = shop.database.insert(
                "eav_attribute",
                {
                    "attribute_code": code,
                    "frontend_input": "select",
                    "frontend_label": code.replace("_", " ").title(),
                    "backend_type": "int",
                    "scope": "global",
                    "is_user_defined": 1,
                },
            )
        option = shop.database.value(
            "SELECT option_id FROM eav_attribute_option WHERE attribute_id = ? AND label = ?", [attribute, label]
        )
        known[key] = option or shop.database.insert("eav_attribute_option", {"attribute_id": attribute, "label": label})
    return known[key]


def _category(shop: Shop, known: dict[str, int], name: str) -> int:
    """The category below the root by path, e.g. "Grocery/Dairy"; missing ones are made."""
    if name not in known:
        parent, path, level = 2, "1/2", 1
        for position in range(name.count("/") + 1):
            part = name.split("/")[position].strip()
            level += 1
            row = shop.database.row(
                "SELECT entity_id FROM catalog_category_entity WHERE parent_id = ? AND name = ?", [parent, part]
            )
            identity = (
                row["entity_id"]
                if row
                else shop.database.insert(
                    "catalog_category_entity", {"parent_id": parent, "name": part, "path": "", "level": level}
                )
            )
            parent, path = identity, f"{path}/{identity}"
            shop.database.update("catalog_category_entity", {"entity_id": identity}, {"path": path})
        known[name] = parent
    return known[name]


def _pairs(options: Any) -> list[tuple[str, str]]:
    """Variant options as a mapping, as pairs, or as {attribute|code|name, value|label} entries."""
    if not options:
        return []
    if isinstance(options, dict):
        return [(_code(name), str(value)) for name, value in options.items()]
    result = []
    for entry in options:
        if isinstance(entry, dict):
            if "sku" in entry:
                continue
            name = entry.get("attribute") or entry.get("code") or entry.get("name")
            result.append((_code(str(name)), str(entry.get("value", entry.get("label")))))
        else:
            result.append((_code(str(entry[0])), str(entry[1])))
    return result


def _code(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower())


def _items(shop: Shop, entries: list[dict[str, Any]]) -> None:
    database, now = shop.database, shop.now()
    first = int(database.value("SELECT coalesce(max(entity_id), 0) FROM catalog_product_entity")) + 1
    ids = {entry["sku"]: first + position for position, entry in enumerate(entries)}
    websites = {row["code"]: row["website_id"] for row in database.rows("SELECT * FROM store_website WHERE website_id")}
    options: dict[tuple[str, str], int] = {}
    categories: dict[str, int] = {}
    products, sites, links, values, stock_items, specials = [], [], [], [], [], []
    taken = set(database.column("SELECT url_key FROM catalog_product_entity WHERE url_key IS NOT NULL"))
    for entry in entries:
        identity = ids[entry["sku"]]
        kind = _TYPES[str(entry.get("kind") or "simple")]
        child = bool(entry.get("parent_sku"))
        weight = None if kind in ("virtual", "downloadable", "giftcard") else _decimal(entry.get("weight"), "1")
        products.append(
            (
                identity,
                entry["sku"],
                4,
                kind,
                entry.get("name") or entry["sku"],
                None if kind == "configurable" else _decimal(entry.get("price"), "0"),
                _decimal(entry.get("cost")),
                1 if entry.get("active", True) else 2,
                _NOT_VISIBLE if child else _VISIBLE,
                weight,
                0 if entry.get("tax_class") == "none" else int(entry.get("tax_class_id", directory.PRODUCT_TAX_CLASS)),
                0 if kind == "bundle" and not entry.get("fixed_price") else (1 if kind == "bundle" else None),
                0 if kind == "bundle" and not entry.get("fixed_price") else (1 if kind == "bundle" else None),
                int(entry.get("ship_separately", False)) if kind == "bundle" else None,
                url_keys.free(entry.get("name") or entry["sku"], entry["sku"], taken),
                now,
                now,
            )
        )
        sites += [(identity, websites[code]) for code in entry.get("websites", websites)]
        if entry.get("category"):
            links.append((_category(shop, categories, entry["category"]), identity, 0))
        if entry.get("manufacturer"):
            option = _attribute_option(shop, options, "manufacturer", entry["manufacturer"])
            values.append((identity, 0, "manufacturer", str(option)))
        if child or kind == "simple":
            values += [
                (identity, 0, code, str(_attribute_option(shop, options, code, label)))
                for code, label in _pairs(entry.get("options"))
            ]
        values += [
            (identity, 0, code, str(entry[code])) for code in ("description", "short_description") if entry.get(code)
        ]
        if entry.get("special_price") not in (None, ""):
            specials.append((identity, 0, _decimal(entry["special_price"]), now[:10] + " 00:00:00", None))
        stock_items.append((identity, int(entry.get("backorders", 0)), 0 if entry.get("backorders") else 1))
    database.many(
        "INSERT INTO catalog_product_entity (entity_id, sku, attribute_set_id, type_id, name, price, cost, status, "
        "visibility, weight, tax_class_id, price_type, sku_type, shipment_type, url_key, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        products,
    )
    database.many("INSERT INTO catalog_product_special_price VALUES (?, ?, ?, ?, ?)", specials)
    database.many("INSERT INTO catalog_product_website VALUES (?, ?)", sites)
    database.many("INSERT OR IGNORE INTO catalog_category_product VALUES (?, ?, ?)", links)
    database.many("INSERT OR REPLACE INTO catalog_product_attribute_value VALUES (?, ?, ?, ?)", values)
    database.many(
        "INSERT INTO cataloginventory_stock_item (product_id, backorders, use_config_backorders) VALUES (?, ?, ?)",
        stock_items,
    )
    for entry in entries:
        if entry.get("parent_sku"):
            _variant(shop, ids, entry)
        if str(entry.get("kind")) == "bundle":
            _bundle(shop, ids[entry["sku"]], entry)


def _product_id(shop: Shop, ids: dict[str, int], sku: str) -> int:
    found = ids.get(sku) or shop.database.value("SELECT entity_id FROM catalog_product_entity WHERE sku = ?", [sku])
    if found is None:
        raise ValueError(f"no item {sku!r}")
    return int(found)


def _variant(shop: Shop, ids: dict[str, int], entry: dict[str, Any]) -> None:
    parent = _product_id(shop, ids, entry["parent_sku"])
    shop.database.run(
        "INSERT OR IGNORE INTO catalog_product_super_link (product_id, parent_id) VALUES (?, ?)",
        [ids[entry["sku"]], parent],
    )
    for position, (code, _) in enumerate(_pairs(entry.get("options"))):
        shop.database.run(
            "INSERT OR IGNORE INTO catalog_product_super_attribute (product_id, attribute_id, position, label) "
            "SELECT ?, attribute_id, ?, frontend_label FROM eav_attribute WHERE attribute_code = ?",
            [parent, position, code],
        )


def _bundle(shop: Shop, identity: int, entry: dict[str, Any]) -> None:
    components = entry.get("components") or [part for part in entry.get("options") or [] if "sku" in part]
    for position, component in enumerate(components, 1):
        option = shop.database.insert(
            "catalog_product_bundle_option",
            {
                "parent_id": identity,
                "required": 1,
                "position": position,
                "type": "select",
                "title": component.get("title", f"Part {position}"),
            },
        )
        shop.database.insert(
            "catalog_product_bundle_selection",
            {
                "option_id": option,
                "parent_product_id": identity,
                "product_id": _product_id(shop, {}, component["sku"]),
                "position": 1,
                "is_default": 1,
                "selection_price_type": 0,
                "selection_price_value": Decimal(str(component.get("price", 0))),
                "selection_qty": Decimal(str(component.get("quantity", component.get("qty", 1)))),
                "selection_can_change_qty": 0,
            },
        )


def _decimal(value: Any, default: str | None = None) -> Any:
    text = value if value not in (None, "") else default
    return None if text is None else stored(Decimal(str(text)))


def _stock(shop: Shop, entries: list[dict[str, Any]]) -> None:
    shop.database.many(
        "INSERT INTO inventory_source_item (source_code, sku, quantity, status) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (source_code, sku) DO UPDATE SET quantity = excluded.quantity, status = excluded.status",
        (
            (entry["location"], entry["sku"], _decimal(entry["quantity"]), int(Decimal(str(entry["quantity"])) > 0))
            for entry in entries
        ),
    )


_LOADERS: tuple[tuple[str, Any], ...] = (
    ("configuration", _configuration),
    ("websites", _websites),
    ("stores", _stores),
    ("currency_rates", _currency_rates),
    ("tax_rates", seed_sales.tax_rates),
    ("locations", _locations),
    ("stocks", _stocks),
    ("items", _items),
    ("stock", _stock),
    ("customer_groups", seed_sales.customer_groups),
    ("customers", seed_sales.customers),
    ("rules", seed_sales.rules),
    ("coupons", seed_sales.rules),
    ("gift_cards", seed_sales.gift_cards),
    ("store_credit", seed_sales.store_credit),
)
