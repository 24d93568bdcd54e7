"""Credit memos: refunds, online or offline, with or without goods back in stock.

Facts: magento/magento2 `Sales/Model/RefundOrder`, `RefundInvoice`, `Order/Creditmemo/Validation/QuantityValidator`;
magento/inventory `ProcessRefundItems`: what has shipped goes back to its sources, what has not is released by a
reservation, and only for rows named in `return_to_stock_items`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import document_rows, inventory, invoices, mails, order_items, orders, payments
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.order_items import OrderItem
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, in_parts, table_listing
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, rounded

REFUNDED = 2
_DONE = {"row_total": "amount_refunded", "tax_amount": "tax_refunded", "discount_amount": "discount_refunded"}


def create(shop: Shop, order: Row, given: dict[str, Any], invoice: Row | None = None) -> int:
    """Refund rows (none named: all that is invoiced); returns the credit memo's id. Raises LocalizedException."""
    items = order_items.load(shop, order["entity_id"])
    if not orders.can_refund(order):
        raise _invalid(f"A creditmemo can not be created when an order has a status of {order['status']}")
    payment = payments.of_order(shop, order)
    online = bool(given.get("isOnline"))
    if online and payment["method"] not in payments.ONLINE:
        raise LocalizedException("Invoice Document Validation Error(s):\nThe invoice can not be refunded online.")
    arguments = given.get("arguments") or {}
    chosen = _chosen(items, given.get("items"), invoice, shop)
    memo: dict[str, Any] = {
        **document_rows.header(shop, order, "creditmemo", notify=bool(given.get("notify"))),
        "invoice_id": invoice["entity_id"] if invoice else None,
        "state": REFUNDED,
    }
    identity = shop.database.insert("sales_creditmemo", memo)
    sums = document_rows.no_sums()
    for item, quantity in chosen:
        document_rows.add(
            shop, "sales_creditmemo_item", identity, item, quantity, sums, counter="refunded", kept_in=_DONE
        )
    fields = _totals(order, sums, arguments)
    if fields["grand_total"] + fields["gift_cards_amount"] + fields["customer_balance_amount"] <= 0:
        raise _invalid("The credit memo's total must be positive.")
    left = (order["total_paid"] or ZERO) - (order["total_refunded"] or ZERO)
    if fields["grand_total"] > left:
        raise LocalizedException("The most money available to refund is %1.", [f"${left:.2f}"])
    shop.database.update("sales_creditmemo", {"entity_id": identity}, fields)
    _return_to_stock(shop, order, chosen, arguments)
    _add_to_order(shop, order, fields, online=online)
    _refund_payment(shop, order, payment, fields, identity, online=online)
    orders.settle_state(shop, order)
    shop.wrote("creditmemo", memo["increment_id"])
    if given.get("notify"):
        mails.keep(
            shop, order, "creditmemo", f"Credit memo for your order #{order['increment_id']}", document_id=identity
        )
    return identity


def _invalid(*messages: str) -> LocalizedException:
    return LocalizedException("Creditmemo Document Validation Error(s):\n" + "\n".join(messages))


def _chosen(
    items: list[OrderItem], given: list[dict[str, Any]] | None, invoice: Row | None, shop: Shop
) -> list[tuple[OrderItem, Decimal]]:
    known = {item.item_id: item for item in items}
    limits: dict[int, Decimal] | None = None
    if invoice is not None:
        limits = {}
        for entry in shop.database.rows("SELECT * FROM sales_invoice_item WHERE parent_id = ?", [invoice["entity_id"]]):
            limits[entry["order_item_id"]] = entry["qty"]
    wanted: dict[int, Decimal] = {}
    problems: list[str] = []
    if given is None:
        for item in items:
            quantity = item.to_refund()
            if limits is not None:
                quantity = min(quantity, limits.get(item.item_id, ZERO))
            if quantity > 0:
                wanted[item.item_id] = quantity
    for line in given or ():
        item_found = known.get(int(line.get("order_item_id") or 0))
        quantity = Decimal(line.get("qty") or 0)
        if item_found is None:
            problems.append('The creditmemo contains product SKU "" that is not part of the original order.')
            continue
        parts = [(item_found, quantity)]
        if not item_found.counts_in_amounts():
            parts = [(child, child.per_parent() * quantity) for child in item_found.children]
        for item, part in parts:
            if part > item.to_refund() or (limits is not None and part > limits.get(item.item_id, ZERO)):
                problems.append(
                    "The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU "
                    f'"{item.row["sku"]}".'
                )
            elif part > 0:
                wanted[item.item_id] = wanted.get(item.item_id, ZERO) + part
    if problems:
        raise _invalid(*problems)
    for item in items:
        if item.counts_in_amounts() or item.item_id in wanted:
            continue
        if item.parent and item.parent.item_id in wanted:
            wanted[item.item_id] = item.per_parent() * wanted[item.parent.item_id]
        elif item.children and all(child.item_id in wanted for child in item.children):
            first = item.children[0]
            wanted[item.item_id] = wanted[first.item_id] / first.per_parent()
    return [(known[item_id], wanted[item_id]) for item_id in sorted(wanted)]


def _totals(order: Row, sums: dict[str, Decimal], arguments: dict[str, Any]) -> dict[str, Any]:
    """Shipping: what is named, else all that is left of it. Tax of shipping goes with it in proportion."""
    fields: dict[str, Any] = {}
    named = arguments.get("shipping_amount")
    rate = order["base_to_order_rate"] or Decimal(1)
    for prefix in ("base_", ""):
        factor = Decimal(1) if prefix else rate
        charged = order[f"{prefix}shipping_amount"] or ZERO
        left = charged - (order[f"{prefix}shipping_refunded"] or ZERO)
        shipping = left if named is None else rounded(Decimal(named) * factor)
        if shipping > left:
            raise LocalizedException("Maximum shipping amount allowed to refund is: %1", [f"${left:.2f}"])
        part = shipping / charged if charged else ZERO
        shipping_tax = rounded((order[f"{prefix}shipping_tax_amount"] or ZERO) * part)
        shipping_discount = rounded((order[f"{prefix}shipping_discount_amount"] or ZERO) * part)
        positive = rounded(Decimal(arguments.get("adjustment_positive") or 0) * factor)
        negative = rounded(Decimal(arguments.get("adjustment_negative") or 0) * factor)
        tax = sums[f"{prefix}tax_amount"] + shipping_tax
        discount = sums[f"{prefix}discount_amount"] + shipping_discount
        total = sums[f"{prefix}row_total"] - discount + shipping + tax + positive - negative
        cards = (order[f"{prefix}gift_cards_invoiced"] or ZERO) - (order[f"{prefix}gift_cards_refunded"] or ZERO)
        cards = max(min(cards, total), ZERO)
        credit = order[f"{prefix}customer_balance_invoiced"] or ZERO
        credit = max(min(credit - (order[f"{prefix}customer_balance_refunded"] or ZERO), total - cards), ZERO)
        fields |= {
            f"{prefix}subtotal": sums[f"{prefix}row_total"],
            f"{prefix}subtotal_incl_tax": sums[f"{prefix}row_total_incl_tax"],
            f"{prefix}discount_amount": -discount,
            f"{prefix}shipping_amount": shipping,
            f"{prefix}shipping_tax_amount": shipping_tax,
            f"{prefix}shipping_incl_tax": shipping + shipping_tax,
            f"{prefix}tax_amount": tax,
            f"{prefix}adjustment_positive": positive,
            f"{prefix}adjustment_negative": negative,
            f"{prefix}adjustment": positive - negative,
            f"{prefix}gift_cards_amount": cards,
            f"{prefix}customer_balance_amount": credit,
            f"{prefix}grand_total": total - cards - credit,
            f"{prefix}discount_tax_compensation_amount": ZERO,
        }
    return fields


def _return_to_stock(
    shop: Shop, order: Row, chosen: list[tuple[OrderItem, Decimal]], arguments: dict[str, Any]
) -> None:
    named = {
        int(item_id) for item_id in (arguments.get("extension_attributes") or {}).get("return_to_stock_items") or ()
    }
    released: dict[str, Decimal] = {}
    for item, quantity in chosen:
        owner = item.parent.item_id if item.parent else 0
        if item.children or not named & {item.item_id, owner}:
            continue
        sku = item.row["sku"]
        shipping_row = item.parent if item.parent and not item.counts_in_shipping() else item
        shipped_before = _shipped_units(item, shipping_row)
        back_before = item.quantity("refunded") - quantity
        not_shipped = item.quantity("ordered") - item.quantity("canceled") - shipped_before
        # Units that never left are refunded first: they only free their reservation.
        release = max(min(quantity, not_shipped - back_before), ZERO)
        if release > 0:
            released[sku] = released.get(sku, ZERO) + release
        rest = quantity - release
        returned = max(back_before - not_shipped, ZERO)  # by earlier credit memos, from the first shipments
        per_row = Decimal(1) if shipping_row is item else item.per_parent()
        for source, rows in _shipped_from(shop, order, shipping_row.item_id):
            amount = rows * per_row
            skipped = min(returned, amount)
            returned -= skipped
            part = min(amount - skipped, rest)
            if part > 0:
                inventory.deduct(shop, source, {sku: -part})
                shop.wrote("inventory_source_item", f"{sku}|{source}", "update")
                rest -= part
    inventory.reserve(shop, orders.sales_stock(shop, order), released, "creditmemo_created", order)


def _shipped_units(item: OrderItem, shipping_row: OrderItem) -> Decimal:
    if shipping_row is item:
        return item.quantity("shipped")
    return item.per_parent() * shipping_row.quantity("shipped")


def _shipped_from(shop: Shop, order: Row, order_item_id: int) -> list[tuple[str, Decimal]]:
    rows = shop.database.rows(
        "SELECT shipment.source_code, item.qty FROM sales_shipment AS shipment JOIN sales_shipment_item AS item "
        "ON item.parent_id = shipment.entity_id WHERE shipment.order_id = ? AND item.order_item_id = ? "
        "ORDER BY shipment.entity_id",
        [order["entity_id"], order_item_id],
    )
    return [(row["source_code"], row["qty"]) for row in rows]


def _add_to_order(shop: Shop, order: Row, memo: dict[str, Any], *, online: bool) -> None:
    changes: dict[str, Any] = {}
    kind = "online" if online else "offline"
    for prefix in ("base_", ""):
        for name, amount in (
            ("total_refunded", memo[f"{prefix}grand_total"]),
            (f"total_{kind}_refunded", memo[f"{prefix}grand_total"]),
            ("subtotal_refunded", memo[f"{prefix}subtotal"]),
            ("tax_refunded", memo[f"{prefix}tax_amount"]),
            ("shipping_refunded", memo[f"{prefix}shipping_amount"]),
            ("shipping_tax_refunded", memo[f"{prefix}shipping_tax_amount"]),
            ("discount_refunded", memo[f"{prefix}discount_amount"]),
            ("adjustment_positive", memo[f"{prefix}adjustment_positive"]),
            ("adjustment_negative", memo[f"{prefix}adjustment_negative"]),
            ("gift_cards_refunded", memo[f"{prefix}gift_cards_amount"]),
            ("customer_balance_refunded", memo[f"{prefix}customer_balance_amount"]),
        ):
            changes[f"{prefix}{name}"] = (order[f"{prefix}{name}"] or ZERO) + amount
    orders.touch(shop, order, **changes)


def _refund_payment(shop: Shop, order: Row, payment: Row, memo: dict[str, Any], memo_id: int, *, online: bool) -> None:
    fields: dict[str, Any] = {}
    for prefix in ("base_", ""):
        fields[f"{prefix}amount_refunded"] = (payment[f"{prefix}amount_refunded"] or ZERO) + memo[
            f"{prefix}grand_total"
        ]
    if online:
        taken = payments.reference(shop, order, f"{payment['method']}/refund/{memo_id}")
        payments.transaction(shop, order, payment["entity_id"], "refund", taken, payment["last_trans_id"])
        fields |= {"last_trans_id": taken, "base_amount_refunded_online": memo["base_grand_total"]}
        shop.database.update("sales_creditmemo", {"entity_id": memo_id}, {"transaction_id": taken})
    shop.database.update("sales_order_payment", {"entity_id": payment["entity_id"]}, fields)
    if memo["base_customer_balance_amount"] and order["customer_id"]:
        payments.add_credit(shop, order, memo["base_customer_balance_amount"])


# -- reading and routes ------------------------------------------------------------------------------------------


@route("GET", "/V1/creditmemos", resource="Magento_Sales::sales_creditmemo", listing=True)
def list_creditmemos(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "sales_creditmemo", "entity_id").keys(call.shop.database, criteria)
    return answer(in_parts(keys, lambda part: document_rows.printed(call.shop, "creditmemo", part)), criteria, total)


@route("GET", "/V1/creditmemo/{id}", resource="Magento_Sales::sales_creditmemo")
def get_creditmemo(call: Call) -> Any:
    found = document_rows.printed(call.shop, "creditmemo", [call.number("id")])
    if not found:
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return found[0]


@route("POST", "/V1/order/{orderId}/refund", resource="Magento_Sales::creditmemo")
def refund_order(call: Call) -> Any:
    """Offline."""
    order = orders.row(call.shop, call.number("orderId"))
    call.document = order["increment_id"]
    return create(call.shop, order, call.body)


@route("POST", "/V1/invoice/{invoiceId}/refund", resource="Magento_Sales::creditmemo")
def refund_invoice(call: Call) -> Any:
    """Online with `isOnline`, which needs a method that can."""
    invoice = invoices.row(call.shop, call.number("invoiceId"))
    order = orders.row(call.shop, invoice["order_id"])
    call.document = order["increment_id"]
    return create(call.shop, order, call.body, invoice)
