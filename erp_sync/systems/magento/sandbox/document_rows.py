"""What invoices and credit memos share: a header with the order's currencies and addresses, rows that are a part of an
order row each with its part of the row's amounts, and how they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import order_items
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.order_items import OrderItem
from erp_sync.systems.magento.sandbox.search_criteria import in_order
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, placeholders, rounded

_AMOUNTS = ("row_total", "row_total_incl_tax", "tax_amount", "discount_amount")


_FROM_ORDER = (
    "store_id", "billing_address_id", "shipping_address_id", "base_currency_code", "global_currency_code",
    "order_currency_code", "store_currency_code", "base_to_global_rate", "base_to_order_rate", "store_to_base_rate",
    "store_to_order_rate", "discount_description",
)  # fmt: skip
_COMMERCE = (
    "base_customer_balance_amount", "customer_balance_amount", "base_gift_cards_amount", "gift_cards_amount",
)  # fmt: skip


def header(shop: Shop, order: Row, kind: str, *, notify: bool) -> dict[str, Any]:
    """Fields of a new document of an order, with the next number of its kind (invoice, creditmemo)."""
    return {
        "order_id": order["entity_id"],
        "increment_id": shop.next_number(kind, order["store_id"]),
        "created_at": shop.now(),
        "updated_at": shop.now(),
        "email_sent": int(notify),
        **{name: order[name] for name in _FROM_ORDER},
    }


def printed(shop: Shop, kind: str, ids: list[int]) -> list[dict[str, Any]]:
    """Documents with their items and comments, as the web API shows them."""
    rows = shop.database.rows(f"SELECT * FROM sales_{kind} WHERE entity_id IN ({placeholders(ids)})", ids)
    result = []
    for document in in_order(rows, "entity_id", ids):
        shown = shop.render(f"sales-data-{kind}-interface", document)
        for part, table in (("items", "item"), ("comments", "comment")):
            shown[part] = [
                shop.render(f"sales-data-{kind}-{table}-interface", entry)
                for entry in shop.database.rows(
                    f"SELECT * FROM sales_{kind}_{table} WHERE parent_id = ? ORDER BY entity_id",
                    [document["entity_id"]],
                )
            ]
        if shop.options.commerce:
            shown["extension_attributes"] = {name: document[name] for name in _COMMERCE if document[name] is not None}
        result.append(shown)
    return result


def no_sums() -> dict[str, Decimal]:
    """Where `add` sums up the rows' amounts, in both currencies."""
    return {f"{prefix}{name}": ZERO for prefix in ("base_", "") for name in _AMOUNTS}


def add(
    shop: Shop,
    table: str,
    document_id: int,
    item: OrderItem,
    quantity: Decimal,
    sums: dict[str, Decimal],
    *,
    counter: str,
    kept_in: Mapping[str, str],
) -> None:
    """Write one row, add its amounts to `sums` and note on the order row what is done of it.

    Arguments:
        counter: "invoiced" or "refunded": the order row's quantity that grows.
        kept_in: amount to the order row's field that holds how much of it is done.
    """
    counts, done = item.counts_in_amounts(), item.quantity(counter)
    row: dict[str, Any] = {
        "parent_id": document_id,
        "order_item_id": item.item_id,
        "product_id": item.row["product_id"],
        "sku": item.row["sku"],
        "name": item.row["name"],
        "qty": quantity,
        "base_cost": item.row["base_cost"],
    }
    added: dict[str, Decimal] = {f"qty_{counter}": quantity}
    for prefix in ("base_", ""):
        for name in ("price", "price_incl_tax"):
            row[f"{prefix}{name}"] = item.row[f"{prefix}{name}"]
        for name in _AMOUNTS:
            full = f"{prefix}{name}"
            if not counts:
                row[full] = ZERO
                continue
            if name in kept_in:
                kept = f"{prefix}{kept_in[name]}"
                amount = added[kept] = _share(item.row, full, kept, quantity, done)
            else:
                amount = rounded((item.row[full] or ZERO) * quantity / item.quantity("ordered"))
            row[full] = amount
            sums[full] += amount
    shop.database.insert(table, row)
    order_items.add(shop, item, **added)


def _share(item: Row, name: str, done: str, quantity: Decimal, done_quantity: Decimal) -> Decimal:
    """Part of a row's amount for a quantity; the last part takes what is left, so that parts add up."""
    whole = item[name] or ZERO
    ordered = item["qty_ordered"]
    if done_quantity + quantity >= ordered:
        return whole - (item[done] or ZERO)
    return rounded(whole * quantity / ordered)
