"""Multi-source inventory: sources, stocks, source items, reservations, salable quantity.

Facts: magento/inventory@e9d6e33. Salable quantity of a stock is the indexed sum of its enabled sources' items that
are in stock, plus reservations (negative at order; plus at shipment, cancel and credit memo), less the minimum
quantity. Sources drop at shipment only. Saving a source item validates blanks, numbers and status of every row, so
that a row without quantity or status is refused with all the others (`Inventory/Model/SourceItem/Validator/*`); a SKU
that the catalogue does not have is accepted, an unknown source fails on the foreign key, and a quantity beyond
decimal(12,4) is clipped in silence (see `eav_values`). Where there are several sources, an article of a bundle that
ships together gets no source that none of the bundle's articles has (`InventoryBundleProduct/Model/SourceItem/
Validator/ShipmentTypeValidator.php`); a bundle's own SKU is accepted (magento/inventory issue 3455).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.database import Row, scaled, stored
from erp_sync.systems.magento.sandbox.errors import (
    InputException,
    LocalizedException,
    NoSuchEntityException,
    Problem,
)
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, placeholders

# Types whose quantity lives in sources; composite ones take their parts' (InventoryConfiguration).
STOCKED_TYPES = ("simple", "virtual", "downloadable", "giftcard")

IN_STOCK = 1
LARGEST_QUANTITY = Decimal("99999999.9999")  # inventory_source_item.quantity

# Quantities are added up in ten-thousandths, exactly.
_INDEX = f"""
INSERT OR REPLACE INTO inventory_stock_index (stock_id, sku, quantity, is_salable)
SELECT found.stock_id, found.sku,
  printf('%s%d.%04d', CASE WHEN found.quantity < 0 THEN '-' ELSE '' END, abs(found.quantity) / 10000,
    abs(found.quantity) % 10000),
  CASE WHEN coalesce(stock_item.manage_stock, 1) = 0 OR coalesce(stock_item.backorders, 0) > 0 THEN found.any_in_stock
       ELSE found.quantity + found.reserved - {scaled("coalesce(stock_item.min_qty, '0.0000')")} > 0 END
FROM (
  SELECT link.stock_id, item.sku,
    sum(CASE WHEN item.status = 1 THEN {scaled("item.quantity")} ELSE 0 END) AS quantity,
    max(item.status) AS any_in_stock,
    coalesce((SELECT sum({scaled("reservation.quantity")}) FROM inventory_reservation AS reservation
      WHERE reservation.stock_id = link.stock_id AND reservation.sku = item.sku), 0) AS reserved
  FROM inventory_source_item AS item
  JOIN inventory_source_stock_link AS link USING (source_code)
  JOIN inventory_source AS source USING (source_code)
  WHERE source.enabled = 1 {{condition}}
  GROUP BY link.stock_id, item.sku
) AS found
LEFT JOIN catalog_product_entity AS product ON product.sku = found.sku
LEFT JOIN cataloginventory_stock_item AS stock_item ON stock_item.product_id = product.entity_id
"""


def reindex_all(shop: Shop) -> None:
    """Rebuild the stock index."""
    shop.database.run("DELETE FROM inventory_stock_index")
    shop.database.run(_INDEX.format(condition=""))


def reindex(shop: Shop, skus: Iterable[str]) -> None:
    """Rebuild the stock index of these SKUs now."""
    wanted = list(dict.fromkeys(skus))
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        shop.database.run(
            "DELETE FROM inventory_stock_index WHERE stock_id IN (SELECT stock_id FROM inventory_stock) "
            f"AND sku IN ({placeholders(part)})",
            part,
        )
        shop.database.run(_INDEX.format(condition=f"AND item.sku IN ({placeholders(part)})"), part)


def changed(shop: Shop, skus: Iterable[str]) -> None:
    """Bring the index up to date: on save, or after the lag when indexers run on schedule."""
    if shop.options.index_lag_seconds <= 0:
        reindex(shop, skus)
        return
    due = shop.wall(shop.options.index_lag_seconds)
    shop.database.many(
        "INSERT INTO inventory_index_changelog (sku, due_at) VALUES (?, ?)", [(sku, due) for sku in dict.fromkeys(skus)]
    )


def run_due_indexing(shop: Shop) -> None:
    """What the indexer's cron job does."""
    now = shop.wall()
    skus = shop.database.column("SELECT DISTINCT sku FROM inventory_index_changelog WHERE due_at <= ?", [now])
    if skus:
        with shop.database.transaction():
            shop.database.run("DELETE FROM inventory_index_changelog WHERE due_at <= ?", [now])
            reindex(shop, skus)


def stock_of_website(shop: Shop, website_code: str) -> int:
    """The stock that sells on a website. Raises NoSuchEntityException."""
    stock = shop.database.value(
        "SELECT stock_id FROM inventory_stock_sales_channel WHERE type = 'website' AND code = ?", [website_code]
    )
    if stock is None:
        raise NoSuchEntityException("No linked stock found")
    return int(stock)


def reserved(shop: Shop, stock_id: int, sku: str) -> Decimal:
    quantities = shop.database.column(
        "SELECT quantity FROM inventory_reservation WHERE stock_id = ? AND sku = ?", [stock_id, sku]
    )
    return sum(quantities, ZERO)


def stock_item(shop: Shop, sku: str) -> Row:
    """How the product's stock is configured (backorders, minimum, managed or not)."""
    row = shop.database.row(
        "SELECT stock_item.* FROM cataloginventory_stock_item AS stock_item JOIN catalog_product_entity AS product "
        "ON product.entity_id = stock_item.product_id WHERE product.sku = ?",
        [sku],
    )
    return row or {"min_qty": ZERO, "backorders": 0, "manage_stock": 1}


def salable_quantity(shop: Shop, sku: str, stock_id: int) -> Decimal:
    """Quantity that can still be sold; 0 when the index says not salable."""
    row = shop.database.row(
        "SELECT quantity, is_salable FROM inventory_stock_index WHERE stock_id = ? AND sku = ?", [stock_id, sku]
    )
    if row is None or not row["is_salable"]:
        return ZERO
    return row["quantity"] + reserved(shop, stock_id, sku) - stock_item(shop, sku)["min_qty"]


def is_salable(shop: Shop, sku: str, stock_id: int) -> bool:
    item = stock_item(shop, sku)
    if not item["manage_stock"]:
        return True
    return bool(
        shop.database.value(
            "SELECT is_salable FROM inventory_stock_index WHERE stock_id = ? AND sku = ?", [stock_id, sku]
        )
    )


def check(shop: Shop, sku: str, stock_id: int, quantity: Decimal) -> str | None:
    """Why this quantity cannot be sold, in the shop's words; None when it can."""
    item = stock_item(shop, sku)
    if not item["manage_stock"]:
        return None
    if not is_salable(shop, sku, stock_id):
        return "The product is out of stock."
    if item["backorders"]:
        return None
    if salable_quantity(shop, sku, stock_id) < quantity:
        return "Not enough items for sale"
    return None


def reserve(
    shop: Shop, stock_id: int, quantities: dict[str, Decimal], event: str, order: Row, *, object_type: str = "order"
) -> None:
    """Write reservations (negative takes from salable), with the metadata that tools look orders up by."""
    rows = {sku: quantity for sku, quantity in quantities.items() if quantity}
    if not rows:
        return
    metadata = json.dumps(
        {
            "event_type": event,
            "object_type": object_type,
            "object_id": str(order.get("entity_id") or ""),
            "object_increment_id": str(order["increment_id"]),
        },
        separators=(",", ":"),
    )
    shop.database.many(
        "INSERT INTO inventory_reservation (stock_id, sku, quantity, metadata) VALUES (?, ?, ?, ?)",
        [(stock_id, sku, stored(quantity), metadata) for sku, quantity in rows.items()],
    )
    changed(shop, rows)


def deduct(shop: Shop, source_code: str, quantities: dict[str, Decimal]) -> None:
    """Take from a source at shipment; negative quantities go back. Raises LocalizedException when short."""
    for sku, quantity in quantities.items():
        settings = stock_item(shop, sku)
        if not settings["manage_stock"]:
            continue
        row = shop.database.row(
            "SELECT quantity, status FROM inventory_source_item WHERE source_code = ? AND sku = ?", [source_code, sku]
        )
        if row is None:
            raise NoSuchEntityException("Source item not found by source code: %1 and sku: %2.", [source_code, sku])
        left = row["quantity"] - quantity
        if left < 0:
            raise LocalizedException("Not all of your products are available in the requested quantity.")
        status = row["status"]
        if left <= settings["min_qty"] and not settings["backorders"]:
            status = 0
        elif quantity < 0 and left > settings["min_qty"]:
            status = IN_STOCK
        shop.database.update(
            "inventory_source_item", {"source_code": source_code, "sku": sku}, {"quantity": left, "status": status}
        )
    changed(shop, quantities)


def save_source_items(shop: Shop, items: Sequence[dict[str, Any]]) -> None:
    """Insert or update by (sku, source). All or nothing. Raises InputException, LocalizedException."""
    if not items:
        raise InputException("Input data is empty")
    errors: list[Problem] = []
    apart = _bundles_that_ship_together(shop, [str(item.get("sku") or "") for item in items])
    for item in items:
        errors += _problems(item) or _torn_apart(item, apart)
    if errors:
        first, values = errors[0]
        for name, value in values.items() if isinstance(values, dict) else enumerate(values, 1):
            first = first.replace(f"%{name}", str(value))
        raise InputException(f"Validation Failed: {first}", errors=errors)
    try:
        shop.database.many(
            "INSERT INTO inventory_source_item (source_code, sku, quantity, status) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (source_code, sku) DO UPDATE SET quantity = excluded.quantity, status = excluded.status",
            [(item["source_code"], item["sku"], stored(_clipped(item["quantity"])), item["status"]) for item in items],
        )
    except sqlite3.IntegrityError as error:
        raise LocalizedException("Could not save Source Item") from error
    changed(shop, [item["sku"] for item in items])
    for item in items:
        shop.wrote("inventory_source_item", f"{item['sku']}|{item['source_code']}", "update")


def _clipped(quantity: Decimal) -> Decimal:
    return max(min(quantity, LARGEST_QUANTITY), -LARGEST_QUANTITY)


def _problems(item: dict[str, Any]) -> list[Problem]:
    found: list[Problem] = []
    for field in ("sku", "source_code"):
        value = str(item.get(field) or "")
        if not value.strip():
            found.append(('"%field" can not be empty.', {"field": field}))
        elif value != value.strip():
            found.append(('"%field" can not contain leading or trailing spaces.', {"field": field}))
    for field in ("quantity", "status"):
        if item.get(field) is None:
            found.append(('"%field" should be numeric.', {"field": field}))
    if item.get("status") not in (0, 1, None):
        found.append(('"%field" should a known status.', {"field": "status"}))
    return found


_SHIPS_TOGETHER = """
SELECT article.sku AS article, bundle.entity_id AS bundle_id, bundle.sku AS bundle,
  (SELECT group_concat(DISTINCT source.source_code) FROM catalog_product_bundle_selection AS other
   JOIN catalog_product_entity AS sibling ON sibling.entity_id = other.product_id
   JOIN inventory_source_item AS source ON source.sku = sibling.sku
   WHERE other.parent_product_id = bundle.entity_id) AS sources
FROM catalog_product_bundle_selection AS selection
JOIN catalog_product_entity AS article ON article.entity_id = selection.product_id
JOIN catalog_product_entity AS bundle ON bundle.entity_id = selection.parent_product_id
WHERE coalesce(bundle.shipment_type, 0) <> 1 AND article.sku IN ({marks})
ORDER BY bundle.entity_id
"""


def _bundles_that_ship_together(shop: Shop, skus: Sequence[str]) -> dict[str, list[Row]]:
    """By article: the bundles that it is part of, with the sources of all their articles; none with one source only."""
    if shop.database.value("SELECT count(*) FROM inventory_source WHERE enabled = 1") < 2:
        return {}
    found: dict[str, list[Row]] = {}
    wanted = list(dict.fromkeys(skus))
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        for row in shop.database.rows(_SHIPS_TOGETHER.format(marks=placeholders(part)), part):
            found.setdefault(row["article"], []).append(row)
    return found


def _torn_apart(item: dict[str, Any], bundles: dict[str, list[Row]]) -> list[Problem]:
    for bundle in bundles.get(item["sku"], ()):
        sources = (bundle["sources"] or "").split(",")
        if bundle["sources"] and item["source_code"] not in sources:
            words = (
                'Not able to assign "%1" to product "%2", as it is part of bundle product <a href="%3">"%4"</a> with '
                'shipment type "Ship Together" and has multiple sources or different source as other bundle selections.'
            )
            edit = f"/admin/catalog/product/edit/id/{bundle['bundle_id']}/"
            return [(words, [item["source_code"], item["sku"], edit, bundle["bundle"]])]
    return []


def delete_source_items(shop: Shop, items: Sequence[dict[str, Any]]) -> None:
    """Remove by (sku, source). Raises InputException for an empty list."""
    if not items:
        raise InputException("Input data is empty")
    for item in items:
        shop.database.run(
            "DELETE FROM inventory_source_item WHERE source_code = ? AND sku = ?", [item["source_code"], item["sku"]]
        )
        shop.wrote("inventory_source_item", f"{item['sku']}|{item['source_code']}", "delete")
    changed(shop, [item["sku"] for item in items])
