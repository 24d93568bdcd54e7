"""Invoices: what of an order has been billed, and captured when the payment method can."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import document_rows, inventory, mails, order_items, orders, payments
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.order_items import OrderItem
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, in_parts, table_listing
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop

OPEN, PAID, CANCELED = 1, 2, 3
_INVOICED = {"row_total": "row_invoiced", "tax_amount": "tax_invoiced", "discount_amount": "discount_invoiced"}


def create(
    shop: Shop, order: Row, quantities: dict[int, Decimal] | None, *, capture: bool, notify: bool = False
) -> int:
    """Invoice rows of an order (None: all that is open); returns the invoice's id.

    Raises LocalizedException in the words of Magento's validators.
    """
    items = order_items.load(shop, order["entity_id"])
    if not orders.can_invoice(order, items):
        raise _invalid(
            f"An invoice cannot be created when an order has a status of {order['status']}"
            if order["state"] in ("payment_review", "holded", "canceled", "complete", "closed")
            else "The order does not allow an invoice to be created."
        )
    chosen = _chosen(items, quantities)
    invoice: dict[str, Any] = {
        **document_rows.header(shop, order, "invoice", notify=notify),
        "state": PAID if capture or shop.config("sandbox/invoice_open") != "1" else OPEN,
        "total_qty": sum((quantity for item, quantity in chosen if item.counts_in_amounts()), ZERO),
        "can_void_flag": 0,
    }
    identity = shop.database.insert("sales_invoice", invoice)
    sums = document_rows.no_sums()
    for item, quantity in chosen:
        document_rows.add(
            shop, "sales_invoice_item", identity, item, quantity, sums, counter="invoiced", kept_in=_INVOICED
        )
    fields = _totals(shop, order, items, sums)
    if capture or invoice["state"] == PAID:
        fields["transaction_id"] = payments.capture(
            shop, order, fields["grand_total"], fields["base_grand_total"], fields["shipping_amount"]
        )
    shop.database.update("sales_invoice", {"entity_id": identity}, fields)
    _add_to_order(shop, order, fields, paid=invoice["state"] == PAID)
    _release_virtual(shop, order, chosen)
    orders.settle_state(shop, order, in_process=True)
    shop.wrote("invoice", invoice["increment_id"])
    if notify:
        mails.keep(shop, order, "invoice", f"Invoice for your order #{order['increment_id']}", document_id=identity)
    return identity


def _invalid(*messages: str) -> LocalizedException:
    return LocalizedException("Invoice Document Validation Error(s):\n" + "\n".join(messages))


def _chosen(items: list[OrderItem], quantities: dict[int, Decimal] | None) -> list[tuple[OrderItem, Decimal]]:
    known = {item.item_id: item for item in items}
    messages = []
    for item_id, quantity in (quantities or {}).items():
        if item_id not in known:
            messages.append(f"The invoice contains one or more items that are not part of the original order.")  # noqa: F541
        elif quantity > known[item_id].to_invoice() and known[item_id].counts_in_amounts():
            messages.append(
                "The quantity to invoice must not be greater than the uninvoiced quantity for product SKU "
                f'"{known[item_id].row["sku"]}".'
            )
    if messages:
        raise _invalid(*dict.fromkeys(messages))
    chosen: dict[int, Decimal] = {}
    for item in items:
        if item.counts_in_amounts():
            wanted = item.to_invoice()
            if quantities is not None:
                wanted = quantities.get(item.item_id, ZERO)
                if item.parent and item.item_id not in quantities:
                    wanted = item.per_parent() * quantities.get(item.parent.item_id, ZERO)
            if wanted > 0:
                chosen[item.item_id] = wanted
    for item in items:
        if item.item_id in chosen or item.counts_in_amounts():
            continue
        if item.parent and item.parent.item_id in chosen:
            chosen[item.item_id] = item.per_parent() * chosen[item.parent.item_id]
        elif item.children and any(child.item_id in chosen for child in item.children):
            child = next(child for child in item.children if child.item_id in chosen)
            chosen[item.item_id] = chosen[child.item_id] / child.per_parent()
    if not chosen:
        raise _invalid("You can't create an invoice without products.")
    return [(known[item_id], chosen[item_id]) for item_id in sorted(chosen)]


def _totals(shop: Shop, order: Row, items: list[OrderItem], sums: dict[str, Decimal]) -> dict[str, Any]:
    """The first invoice takes the whole shipping charge; the last one what is left to the cent."""
    first = not shop.database.value(
        "SELECT count(*) AS total FROM sales_invoice WHERE order_id = ? AND state <> ? AND subtotal IS NOT NULL",
        [order["entity_id"], CANCELED],
    )
    fields: dict[str, Any] = {}
    for prefix in ("base_", ""):
        shipping = (order[f"{prefix}shipping_amount"] or ZERO) if first else ZERO
        shipping_tax = (order[f"{prefix}shipping_tax_amount"] or ZERO) if first else ZERO
        shipping_discount = (order[f"{prefix}shipping_discount_amount"] or ZERO) if first else ZERO
        tax = sums[f"{prefix}tax_amount"] + shipping_tax
        discount = sums[f"{prefix}discount_amount"] + shipping_discount
        total = sums[f"{prefix}row_total"] - discount + shipping + tax
        cards = min(
            (order[f"{prefix}gift_cards_amount"] or ZERO) - (order[f"{prefix}gift_cards_invoiced"] or ZERO), total
        )
        total -= cards
        credit = (order[f"{prefix}customer_balance_amount"] or ZERO) - (
            order[f"{prefix}customer_balance_invoiced"] or ZERO
        )
        credit = min(credit, total)
        fields |= {
            f"{prefix}subtotal": sums[f"{prefix}row_total"],
            f"{prefix}subtotal_incl_tax": sums[f"{prefix}row_total_incl_tax"],
            f"{prefix}discount_amount": -discount,
            f"{prefix}shipping_amount": shipping,
            f"{prefix}shipping_incl_tax": shipping + shipping_tax,
            f"{prefix}shipping_tax_amount": shipping_tax,
            f"{prefix}tax_amount": tax,
            f"{prefix}gift_cards_amount": cards,
            f"{prefix}customer_balance_amount": credit,
            f"{prefix}grand_total": total - credit,
            f"{prefix}discount_tax_compensation_amount": ZERO,
        }
    return fields


def _add_to_order(shop: Shop, order: Row, invoice: dict[str, Any], *, paid: bool) -> None:
    changes: dict[str, Any] = {}

    def more(name: str, amount: Decimal) -> None:
        changes[name] = (order[name] or ZERO) + amount

    for prefix in ("base_", ""):
        more(f"{prefix}total_invoiced", invoice[f"{prefix}grand_total"])
        more(f"{prefix}subtotal_invoiced", invoice[f"{prefix}subtotal"])
        more(f"{prefix}tax_invoiced", invoice[f"{prefix}tax_amount"])
        more(f"{prefix}shipping_invoiced", invoice[f"{prefix}shipping_amount"])
        more(f"{prefix}discount_invoiced", invoice[f"{prefix}discount_amount"])
        more(f"{prefix}gift_cards_invoiced", invoice[f"{prefix}gift_cards_amount"])
        more(f"{prefix}customer_balance_invoiced", invoice[f"{prefix}customer_balance_amount"])
        if paid:
            more(f"{prefix}total_paid", invoice[f"{prefix}grand_total"])
            changes[f"{prefix}total_due"] = order[f"{prefix}grand_total"] - changes[f"{prefix}total_paid"]
    orders.touch(shop, order, **changes)


def _release_virtual(shop: Shop, order: Row, chosen: list[tuple[OrderItem, Decimal]]) -> None:
    """Virtual products leave their source when they are invoiced (event invoice_created)."""
    quantities: dict[str, Decimal] = {}
    for item, quantity in chosen:
        if item.virtual and not item.children:
            quantities[item.row["sku"]] = quantities.get(item.row["sku"], ZERO) + quantity
    if not quantities:
        return
    stock = orders.sales_stock(shop, order)
    for sku, quantity in quantities.items():
        holders = shop.database.rows(
            "SELECT item.source_code, item.quantity FROM inventory_source_item AS item "
            "JOIN inventory_source_stock_link AS link USING (source_code) WHERE link.stock_id = ? AND item.sku = ? "
            "ORDER BY link.priority",
            [stock, sku],
        )
        source = next((row["source_code"] for row in holders if row["quantity"] >= quantity), None)
        if source is not None:
            inventory.deduct(shop, source, {sku: quantity})
            inventory.reserve(shop, stock, {sku: quantity}, "invoice_created", order)


# -- reading -----------------------------------------------------------------------------------------------------


def row(shop: Shop, identity: int) -> Row:
    found = shop.database.row("SELECT * FROM sales_invoice WHERE entity_id = ?", [identity])
    if found is None:
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return found


@route("GET", "/V1/invoices", resource="Magento_Sales::sales_invoice", listing=True)
def list_invoices(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "sales_invoice", "entity_id").keys(call.shop.database, criteria)
    return answer(in_parts(keys, lambda part: document_rows.printed(call.shop, "invoice", part)), criteria, total)


@route("GET", "/V1/invoices/{id}", resource="Magento_Sales::sales_invoice")
def get_invoice(call: Call) -> Any:
    return document_rows.printed(call.shop, "invoice", [row(call.shop, call.number("id"))["entity_id"]])[0]


@route("POST", "/V1/order/{orderId}/invoice", resource="Magento_Sales::invoice")
def invoice_order(call: Call) -> Any:
    """Without `capture` an offline method's invoice is paid at once, an online one's stays open."""
    order = orders.row(call.shop, call.number("orderId"))
    call.document = order["increment_id"]
    given = call.body.get("items")
    quantities = None
    if given:
        quantities = {int(entry["order_item_id"]): Decimal(entry["qty"]) for entry in given}
    capture = bool(call.body.get("capture"))
    identity = create(call.shop, order, quantities, capture=capture, notify=bool(call.body.get("notify")))
    comment = (call.body.get("comment") or {}).get("comment")
    if comment and call.body.get("appendComment"):
        call.shop.database.insert(
            "sales_invoice_comment",
            {"parent_id": identity, "comment": comment, "created_at": call.shop.now(), "is_customer_notified": 0,
             "is_visible_on_front": int(call.body["comment"].get("is_visible_on_front") or 0)},
        )  # fmt: skip
    return identity


@route("POST", "/V1/invoices/{id}/capture", resource="Magento_Sales::capture", kind="update")
def capture_invoice(call: Call) -> Any:
    shop = call.shop
    invoice = row(shop, call.number("id"))
    if invoice["state"] != OPEN:
        raise LocalizedException("The invoice cannot be captured.")
    order = orders.row(shop, invoice["order_id"])
    call.document = order["increment_id"]
    taken = payments.capture(
        shop, order, invoice["grand_total"], invoice["base_grand_total"], invoice["shipping_amount"] or ZERO
    )
    now = shop.now()
    fields = {"state": PAID, "transaction_id": taken, "updated_at": now}
    shop.database.update("sales_invoice", {"entity_id": invoice["entity_id"]}, fields)
    changes: dict[str, Any] = {}
    for prefix in ("base_", ""):
        paid = (order[f"{prefix}total_paid"] or ZERO) + invoice[f"{prefix}grand_total"]
        changes |= {f"{prefix}total_paid": paid, f"{prefix}total_due": order[f"{prefix}grand_total"] - paid}
    orders.touch(shop, order, **changes)
    orders.settle_state(shop, order, in_process=True)
    return "true"
