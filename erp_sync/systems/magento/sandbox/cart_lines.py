"""Rows of a cart: what was chosen, what it is made of, what it adds up to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import pricing, totals
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json
from erp_sync.systems.magento.sandbox.totals import Line, Setting, Totals

NOT_LOGGED_IN = 0


def lines_of(shop: Shop, quote: Row) -> list[Line]:
    """Rows of a cart with their products and base prices, children behind their parents."""
    lines = unpriced_lines(shop, quote)
    price_lines(shop, quote, lines)
    return lines


def unpriced_lines(shop: Shop, quote: Row) -> list[Line]:
    """Rows of a cart with their products, children behind their parents."""
    result: list[Line] = []
    by_item: dict[int, Line] = {}
    for item in shop.database.rows(
        "SELECT * FROM quote_item WHERE quote_id = ? ORDER BY item_id", [quote["entity_id"]]
    ):
        parent = by_item.get(item["parent_item_id"] or 0)
        quantity = item["qty"] * (parent.quantity if parent else 1)
        line = Line(item, pricing.product_by_id(shop, item["product_id"]), quantity, parent)
        by_item[item["item_id"]] = line
        if parent:
            parent.children.append(line)
        result.append(line)
    for line in result:
        line.carries = _carries_money(line)
    return result


def price_lines(shop: Shop, quote: Row, lines: list[Line]) -> None:
    """Set the base prices of lines."""
    store, group = shop.store(quote["store_id"]), customer_group(shop, quote)
    for line in lines:
        if line.carries:
            priced = line.product
            if line.product["type_id"] == "configurable" and line.children:
                priced = line.children[0].product
            line.base.price = pricing.final_price(shop, priced, store, group["customer_group_id"], line.item["qty"])
            line.base.original_price = pricing.regular_price(shop, priced, store["store_id"])
            gift = from_json(line.item["options"], {}).get("giftcard_item_option")
            if line.product["type_id"] == "giftcard" and gift:
                amount = gift.get("custom_giftcard_amount") or gift.get("giftcard_amount")
                line.base.price = line.base.original_price = Decimal(str(amount))


def _carries_money(line: Line) -> bool:
    if line.product["type_id"] == "bundle":
        return line.product["price_type"] == 1
    if line.parent is None:
        return True
    return line.parent.product["type_id"] == "bundle" and line.parent.product["price_type"] == 0


def customer_group(shop: Shop, quote: Row) -> Row:
    group = NOT_LOGGED_IN
    if quote["customer_id"]:
        group = shop.database.value("SELECT group_id FROM customer_entity WHERE entity_id = ?", [quote["customer_id"]])
    row = shop.database.row("SELECT * FROM customer_group WHERE customer_group_id = ?", [group])
    if row is None:
        raise NoSuchEntityException.single("groupId", group)
    return row


def collect(
    shop: Shop, quote: Row, *, address: dict[str, Any] | None = None, shipping_method: str | None = None
) -> Totals:
    """Totals of a cart, at its own address and method or at others (estimates)."""
    store, lines = shop.store(quote["store_id"]), lines_of(shop, quote)
    virtual = all(line.virtual for line in lines if not line.children)
    group = customer_group(shop, quote)
    kept = from_json(quote["billing_address"] if virtual else quote["shipping_address"])
    credit = ZERO
    if quote["use_customer_balance"] and quote["customer_id"]:
        credit = shop.database.value(
            "SELECT amount FROM magento_customerbalance WHERE customer_id = ? AND website_id = ?",
            [quote["customer_id"], store["website_id"]],
        ) or ZERO  # fmt: skip
    return totals.collect(
        shop,
        lines,
        Setting(
            store=store,
            rate=shop.rate(store["base_currency"], store["currency"]),
            group_id=group["customer_group_id"],
            customer_tax_class=group["tax_class_id"],
            tax_address=address or kept,
            shipping_method=(quote["shipping_method"] or "") if shipping_method is None else shipping_method,
            coupon_code=quote["coupon_code"],
            gift_card_codes=tuple(from_json(quote["gift_cards"], [])),
            store_credit=credit,
        ),
    )


def line_sku(product: Row, children: list[tuple[Row, Decimal]]) -> str:
    """A configurable line carries its child's SKU, a bundle with dynamic SKU its own and its parts'."""
    if product["type_id"] == "configurable":
        return str(children[0][0]["sku"])
    if product["type_id"] == "bundle" and product["sku_type"] == 0:
        return "-".join([product["sku"], *(child["sku"] for child, _ in children)])
    return str(product["sku"])


def children_of(shop: Shop, product: Row, option: dict[str, Any]) -> list[tuple[Row, Decimal]]:
    """What stands behind a composite product as chosen, with the quantity per unit."""
    if product["type_id"] == "configurable":
        return [(_chosen_variant(shop, product, option.get("configurable_item_options") or []), Decimal(1))]
    if product["type_id"] == "bundle":
        return _chosen_parts(shop, product, option.get("bundle_options") or [])
    if product["type_id"] == "grouped":
        raise LocalizedException("Please specify the quantity of product(s).")
    return []


def _chosen_variant(shop: Shop, product: Row, chosen: list[dict[str, Any]]) -> Row:
    wanted = {int(entry["option_id"]): int(entry.get("option_value") or 0) for entry in chosen}
    attributes = shop.database.rows(
        "SELECT attribute_id, attribute_code FROM catalog_product_super_attribute "
        "JOIN eav_attribute USING (attribute_id) WHERE product_id = ?",
        [product["entity_id"]],
    )
    if not attributes or any(not wanted.get(entry["attribute_id"]) for entry in attributes):
        raise LocalizedException("You need to choose options for your item.")
    for child in shop.database.rows(
        "SELECT product.* FROM catalog_product_super_link AS link JOIN catalog_product_entity AS product "
        "ON product.entity_id = link.product_id WHERE link.parent_id = ?",
        [product["entity_id"]],
    ):
        if child["status"] == 1 and all(
            pricing.scoped(shop, child, entry["attribute_code"], 0) == str(wanted[entry["attribute_id"]])
            for entry in attributes
        ):
            return child
    raise LocalizedException("The product that was requested doesn't exist. Verify the product and try again.")


def _chosen_parts(shop: Shop, product: Row, chosen: list[dict[str, Any]]) -> list[tuple[Row, Decimal]]:
    picked = {int(entry["option_id"]): entry for entry in chosen}
    parts = []
    for option in shop.database.rows(
        "SELECT * FROM catalog_product_bundle_option WHERE parent_id = ? ORDER BY position", [product["entity_id"]]
    ):
        entry = picked.get(option["option_id"])
        if entry is None or not entry.get("option_selections"):
            if option["required"]:
                raise LocalizedException("Please select all required options.")
            continue
        for selection_id in entry["option_selections"]:
            selection = shop.database.row(
                "SELECT * FROM catalog_product_bundle_selection WHERE selection_id = ? AND option_id = ?",
                [selection_id, option["option_id"]],
            )
            if selection is None:
                raise LocalizedException("The options you selected are not available.")
            quantity = selection["selection_qty"]
            if selection["selection_can_change_qty"] and entry.get("option_qty"):
                quantity = Decimal(entry["option_qty"])
            parts.append((pricing.product_by_id(shop, selection["product_id"]), quantity))
    if not parts:
        raise LocalizedException("Please specify product option(s).")
    return parts
