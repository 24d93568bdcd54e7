"""What a product costs a shopper: base, special and tier prices by store, group, quantity and date."""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import NoSuchEntityException
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, rounded

ALL_GROUPS = 32000


def product(shop: Shop, sku: str) -> Row:
    """A product's row by SKU. Raises NoSuchEntityException."""
    row = shop.database.row("SELECT * FROM catalog_product_entity WHERE sku = ?", [sku])
    if row is None:
        raise NoSuchEntityException("The product that was requested doesn't exist. Verify the product and try again.")
    return row


def product_by_id(shop: Shop, identity: int) -> Row:
    row = shop.database.row("SELECT * FROM catalog_product_entity WHERE entity_id = ?", [identity])
    if row is None:
        raise NoSuchEntityException("The product that was requested doesn't exist. Verify the product and try again.")
    return row


def scoped(shop: Shop, product_row: Row, attribute: str, store_id: int) -> str | None:
    """Value of an attribute for a store view, falling back to the default one (not for price columns)."""
    value = shop.database.value(
        "SELECT value FROM catalog_product_attribute_value WHERE entity_id = ? AND attribute_code = ? "
        "AND store_id IN (0, ?) ORDER BY store_id DESC LIMIT 1",
        [product_row["entity_id"], attribute, store_id],
    )
    if value is None and attribute in product_row and product_row[attribute] is not None:
        return str(product_row[attribute])
    return None if value is None else str(value)


def regular_price(shop: Shop, product_row: Row, store_id: int) -> Decimal:
    value = scoped(shop, product_row, "price", store_id)
    return Decimal(value) if value is not None else ZERO


def final_price(shop: Shop, product_row: Row, store: Row, group_id: int, quantity: Decimal) -> Decimal:
    """The lowest of base, special price that is running, and tier prices reached, in the base currency."""
    store_id, identity = store["store_id"], product_row["entity_id"]
    regular = regular_price(shop, product_row, store_id)
    prices = [regular]
    now = shop.now()
    special = shop.database.row(
        "SELECT price FROM catalog_product_special_price WHERE entity_id = ? AND store_id IN (0, ?) "
        "AND (price_from IS NULL OR price_from <= ?) AND (price_to IS NULL OR price_to >= ?) "
        "ORDER BY store_id DESC, price_from DESC LIMIT 1",
        [identity, store_id, now, now],
    )
    if special:
        prices.append(special["price"])
    for tier in shop.database.rows(
        "SELECT * FROM catalog_product_entity_tier_price WHERE entity_id = ? AND website_id IN (0, ?) "
        "AND (all_groups = 1 OR customer_group_id = ?)",
        [identity, store["website_id"], group_id],
    ):
        if quantity >= tier["qty"]:
            percent = tier["percentage_value"]
            prices.append(tier["value"] if percent is None else regular * (100 - percent) / 100)
    return rounded(min(prices))


def sold_in(shop: Shop, product_row: Row, store: Row) -> bool:
    """Enabled for the store view and assigned to its website."""
    if scoped(shop, product_row, "status", store["store_id"]) != "1":
        return False
    assigned = shop.database.value(
        "SELECT 1 AS one FROM catalog_product_website WHERE product_id = ? AND website_id = ?",
        [product_row["entity_id"], store["website_id"]],
    )
    return assigned is not None


def option_label(shop: Shop, attribute_id: int, option_id: int) -> tuple[str, str] | None:
    """Attribute's and option's label; None when there is no such option."""
    row = shop.database.row(
        "SELECT attribute.frontend_label, option.label FROM eav_attribute_option AS option "
        "JOIN eav_attribute AS attribute USING (attribute_id) WHERE attribute_id = ? AND option_id = ?",
        [attribute_id, option_id],
    )
    return (row["frontend_label"], row["label"]) if row else None


def json_ids(text: str | None) -> list[int]:
    return [int(value) for value in from_json(text, [])]
