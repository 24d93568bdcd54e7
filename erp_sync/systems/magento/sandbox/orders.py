"""Orders as the web API prints them, their states, and what can be done to them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import inventory, order_items
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.order_items import OrderItem
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import (
    SearchCriteria,
    answer,
    in_order,
    in_parts,
    table_listing,
)
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, placeholders

ORDER = "sales-data-order-interface"
ITEM = "sales-data-order-item-interface"
ADDRESS = "sales-data-order-address-interface"
PAYMENT = "sales-data-order-payment-interface"
HISTORY = "sales-data-order-status-history-interface"

DEFAULT_STATUS = {
    "new": "pending",
    "pending_payment": "pending_payment",
    "processing": "processing",
    "complete": "complete",
    "closed": "closed",
    "canceled": "canceled",
    "holded": "holded",
    "payment_review": "payment_review",
}
VIEW = "Magento_Sales::actions_view"


def row(shop: Shop, order_id: int) -> Row:
    """An order's row. Raises NoSuchEntityException."""
    found = shop.database.row("SELECT * FROM sales_order WHERE entity_id = ?", [order_id])
    if found is None:
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return found


# -- printing ----------------------------------------------------------------------------------------------------


def printed(shop: Shop, order_ids: Iterable[int]) -> list[dict[str, Any]]:
    """Orders in the given sequence, each with everything that belongs to it."""
    ids = list(order_ids)
    marks = placeholders(ids)
    orders = in_order(
        shop.database.rows(f"SELECT * FROM sales_order WHERE entity_id IN ({marks})", ids), "entity_id", ids
    )
    items = _grouped(shop, "sales_order_item", "order_id", "item_id", ids)
    addresses = _grouped(shop, "sales_order_address", "parent_id", "entity_id", ids)
    payments = _grouped(shop, "sales_order_payment", "parent_id", "entity_id", ids)
    histories = _grouped(shop, "sales_order_status_history", "parent_id", "entity_id DESC", ids)
    taxes = _grouped(shop, "sales_order_tax", "order_id", "tax_id", ids)
    tax_items: dict[int, list[Row]] = {}
    for entry in shop.database.rows(
        f"SELECT item.*, tax.order_id, tax.code AS tax_code FROM sales_order_tax_item AS item "
        f"JOIN sales_order_tax AS tax USING (tax_id) WHERE tax.order_id IN ({marks}) ORDER BY tax_item_id",
        ids,
    ):
        tax_items.setdefault(entry["order_id"], []).append(entry)
    result = []
    for order in orders:
        identity = order["entity_id"]
        result.append(
            _printed(
                shop,
                order,
                items.get(identity, []),
                addresses.get(identity, []),
                payments.get(identity, []),
                histories.get(identity, []),
                taxes.get(identity, []),
                tax_items.get(identity, []),
            )
        )
    return result


def _grouped(shop: Shop, table: str, column: str, order: str, ids: list[int]) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = {}
    for entry in shop.database.rows(
        f"SELECT * FROM {table} WHERE {column} IN ({placeholders(ids)}) ORDER BY {order}", ids
    ):
        groups.setdefault(entry[column], []).append(entry)
    return groups


def printed_address(shop: Shop, address: Row) -> dict[str, Any]:
    return shop.render(ADDRESS, {**address, "street": from_json(address["street"], [])})


def printed_items(shop: Shop, rows: list[Row], tax_items: list[Row]) -> list[dict[str, Any]]:
    """Rows of an order; a child carries its parent whole in `parent_item`."""
    result: dict[int, dict[str, Any]] = {}
    for entry in rows:
        shown = shop.render(ITEM, entry)
        options = from_json(entry["product_options"], {}).get("extension_attributes")
        if options:
            shown["product_option"] = {"extension_attributes": options}
        itemized = [_printed_tax_item(tax) for tax in tax_items if tax["item_id"] == entry["item_id"]]
        if itemized:
            shown["extension_attributes"] = {"itemized_taxes": itemized}
        parent = result.get(entry["parent_item_id"] or 0)
        if parent:
            shown["parent_item"] = {name: value for name, value in parent.items() if name != "parent_item"}
        result[entry["item_id"]] = shown
    return list(result.values())


def _printed_tax_item(tax: Row) -> dict[str, Any]:
    names = ("tax_item_id", "tax_id", "item_id", "tax_code", "tax_percent", "amount", "base_amount", "real_amount",
             "real_base_amount", "associated_item_id", "taxable_item_type")  # fmt: skip
    return {name: tax[name] for name in names if tax[name] is not None}


def _printed(
    shop: Shop,
    order: Row,
    items: list[Row],
    addresses: list[Row],
    payments: list[Row],
    histories: list[Row],
    taxes: list[Row],
    tax_items: list[Row],
) -> dict[str, Any]:
    result = shop.render(ORDER, order)
    by_type = {address["address_type"]: printed_address(shop, address) for address in addresses}
    result["items"] = printed_items(shop, items, tax_items)
    if "billing" in by_type:
        result["billing_address"] = by_type["billing"]
    additional: dict[str, Any] = {}
    for payment in payments[:1]:
        additional = from_json(payment["additional_information"], {})
        values = [value if isinstance(value, str) else str(value) for value in additional.values()]
        result["payment"] = shop.render(PAYMENT, {**payment, "additional_information": values})
    result["status_histories"] = [shop.render(HISTORY, history) for history in histories]
    shipping: dict[str, Any] = {"total": _shipping_total(shop, order)}
    if "shipping" in by_type:
        shipping = {"address": by_type["shipping"], "method": order["shipping_method"], **shipping}
    extension: dict[str, Any] = {
        "shipping_assignments": [{"shipping": shipping, "items": result["items"]}],
        "payment_additional_info": [{"key": name, "value": str(value)} for name, value in additional.items()],
        "applied_taxes": _applied(taxes),
        "item_applied_taxes": _item_applied(taxes, tax_items),
        "taxes": [{name: value for name, value in tax.items() if value is not None} for tax in taxes],
        "additional_itemized_taxes": [_printed_tax_item(tax) for tax in tax_items if tax["item_id"] is None],
    }
    if taxes:
        extension["converting_from_quote"] = True
    if shop.options.commerce:
        extension["gift_cards"] = from_json(order["gift_cards"], [])
        for card in extension["gift_cards"]:
            card["amount"], card["base_amount"] = Decimal(card["amount"]), Decimal(card["base_amount"])
        for name in shop.database.columns("sales_order"):
            if name.removeprefix("base_").startswith(("gift_cards_", "customer_balance_")) and order[name] is not None:
                extension[name] = order[name]
    result["extension_attributes"] = extension
    return result


def _shipping_total(shop: Shop, order: Row) -> dict[str, Any]:
    return shop.render("sales-data-total-interface", order)


def _applied(taxes: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "code": tax["code"],
            "title": tax["title"],
            "percent": tax["percent"],
            "amount": tax["amount"],
            "base_amount": tax["base_amount"],
        }
        for tax in taxes
    ]


def _item_applied(taxes: list[Row], tax_items: list[Row]) -> list[dict[str, Any]]:
    by_tax = {tax["tax_id"]: tax for tax in taxes}
    groups: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for entry in tax_items:
        tax = by_tax[entry["tax_id"]]
        groups.setdefault((entry["taxable_item_type"], entry["item_id"]), []).append(
            {
                "code": tax["code"],
                "title": tax["title"],
                "percent": entry["tax_percent"],
                "amount": entry["real_amount"],
                "base_amount": entry["real_base_amount"],
            }
        )
    return [
        {"type": kind, **({"item_id": item_id} if item_id is not None else {}), "applied_taxes": applied}
        for (kind, item_id), applied in groups.items()
    ]


# -- states ------------------------------------------------------------------------------------------------------


def can_ship(order: Row, items: list[OrderItem]) -> bool:
    if order["is_virtual"] or order["state"] in ("holded", "payment_review", "canceled"):
        return False
    return any(item.to_ship() > 0 and not item.virtual for item in items)


def can_invoice(order: Row, items: list[OrderItem]) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled", "complete", "closed"):
        return False
    return any(item.to_invoice() > 0 for item in items)


def can_refund(order: Row) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled", "closed"):
        return False
    return (order["total_paid"] or ZERO) - (order["total_refunded"] or ZERO) > Decimal("0.0001")


def can_cancel(order: Row, items: list[OrderItem]) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled", "complete", "closed"):
        return False
    return any(item.to_invoice() > 0 for item in items)


def touch(shop: Shop, order: Row, **fields: Any) -> None:
    """Save fields of an order; every save moves `updated_at`."""
    order |= {**fields, "updated_at": shop.now()}
    shop.database.update(
        "sales_order", {"entity_id": order["entity_id"]}, {**fields, "updated_at": order["updated_at"]}
    )
    shop.wrote("sales_order", order["increment_id"], "update")


def settle_state(shop: Shop, order: Row, *, in_process: bool = False) -> None:
    """What `Order/Handler/State` does whenever an order is saved: processing, complete or closed by what is open."""
    items = order_items.load(shop, order["entity_id"])
    state = order["state"]
    if state == "new" and in_process:
        state = "processing"
    probe = {**order, "state": state}
    if state in ("processing", "complete") and not can_invoice(probe, items):
        if not can_refund(probe) and not can_ship(probe, items) and not order["is_virtual"]:
            state = "closed"
        elif state == "processing" and (not can_ship(probe, items) or _rest_is_shipped(order, items)):
            state = "complete"
    if (
        order["is_virtual"]
        and state == "complete"
        and not can_refund({**order, "state": state})
        and order["total_refunded"]
    ):
        state = "closed"
    if state != order["state"]:
        touch(shop, order, state=state, status=DEFAULT_STATUS[state])


def _rest_is_shipped(order: Row, items: list[OrderItem]) -> bool:
    shipped = sum((int(item.quantity("shipped")) for item in items), 0)
    refunded = sum((int(item.quantity("refunded")) for item in items if item.row["product_type"] == "simple"), 0)
    return shipped > 0 and (order["total_qty_ordered"] or ZERO) <= refunded + shipped


def add_history(
    shop: Shop, order: Row, comment: str | None, *, notified: int | None = None, visible: int = 0,
    entity: str = "order",    status: str | None = None,
) -> None:  # fmt: skip
    shop.database.insert(
        "sales_order_status_history",
        {
            "parent_id": order["entity_id"],
            "comment": comment,
            "is_customer_notified": notified,
            "is_visible_on_front": visible,
            "status": status or order["status"],
            "entity_name": entity,
            "created_at": shop.now(),
        },
    )


def sales_stock(shop: Shop, order: Row) -> int:
    """The stock whose reservations an order's are."""
    return inventory.stock_of_website(shop, shop.store(order["store_id"])["website_code"])


# -- reading -----------------------------------------------------------------------------------------------------


@route("GET", "/V1/orders", resource=VIEW, listing=True)
def list_orders(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "sales_order", "entity_id").keys(call.shop.database, criteria)
    return answer(in_parts(keys, lambda part: printed(call.shop, part)), criteria, total)


@route("GET", "/V1/orders/{id}", resource=VIEW)
def get_order(call: Call) -> Any:
    order = row(call.shop, call.number("id"))
    return printed(call.shop, [order["entity_id"]])[0]


@route("GET", "/V1/orders/items", resource=VIEW, listing=True)
def list_order_items(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "sales_order_item", "item_id").keys(call.shop.database, criteria)

    def rows(part: list[int]) -> list[Row]:
        query = f"SELECT * FROM sales_order_item WHERE item_id IN ({placeholders(part)})"
        return in_order(call.shop.database.rows(query, part), "item_id", part)

    return answer(printed_items(call.shop, in_parts(keys, rows), []), criteria, total)


@route("GET", "/V1/orders/items/{id}", resource=VIEW)
def get_order_item(call: Call) -> Any:
    found = call.shop.database.row("SELECT * FROM sales_order_item WHERE item_id = ?", [call.number("id")])
    if found is None:
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return printed_items(call.shop, [found], [])[0]


@route("GET", "/V1/orders/{id}/statuses", resource="Magento_Sales::actions_view")
def get_status(call: Call) -> Any:
    return row(call.shop, call.number("id"))["status"]


@route("GET", "/V1/orders/{id}/comments", resource="Magento_Sales::comment")
def list_comments(call: Call) -> Any:
    order = row(call.shop, call.number("id"))
    rows = call.shop.database.rows(
        "SELECT * FROM sales_order_status_history WHERE parent_id = ? ORDER BY entity_id DESC", [order["entity_id"]]
    )
    filters = {"filters": [{"field": "parent_id", "value": str(order["entity_id"]), "condition_type": "eq"}]}
    return {
        "items": [shop_history for shop_history in (call.shop.render(HISTORY, entry) for entry in rows)],
        "search_criteria": {"filter_groups": [filters]},
        "total_count": len(rows),
    }


# -- changing ----------------------------------------------------------------------------------------------------


@route("POST", "/V1/orders/{id}/comments", resource="Magento_Sales::comment", kind="update")
def add_comment(call: Call) -> Any:
    """Adds to the history; a `status` given must belong to the order's state, and moves the order to it (magento/
    magento2 `OrderService::addComment`). Statuses of a shop's own are configuration `sales_order_status/CODE`: state.
    """
    from erp_sync.systems.magento.sandbox import mails

    order, given = row(call.shop, call.number("id")), call.body["statusHistory"]
    status = given.get("status")
    if status and status != order["status"]:
        state = next((name for name, default in DEFAULT_STATUS.items() if default == status), "")
        if (state or call.shop.config(f"sales_order_status/{status}")) != order["state"]:
            raise LocalizedException('Unable to add comment: The status "%1" is not part of the order status history.',
                                     [status])  # fmt: skip
    call.document = order["increment_id"]
    notified = int(bool(given.get("is_customer_notified")))
    touch(call.shop, order, status=status or order["status"])
    add_history(
        call.shop, order, given.get("comment"), notified=notified, visible=int(bool(given.get("is_visible_on_front")))
    )
    if notified:
        mails.keep(call.shop, order, "order_comment", f"Update to your {_store_name(order)} order")
    return True


def _store_name(order: Row) -> str:
    return str(order["store_name"] or "").split("\n")[0]


@route("POST", "/V1/orders/{id}/cancel", resource="Magento_Sales::cancel", kind="update")
def cancel(call: Call) -> Any:
    """False, with status 200, when the order cannot be cancelled."""
    order = row(call.shop, call.number("id"))
    call.document = order["increment_id"]
    return cancel_order(call.shop, order)


def cancel_order(shop: Shop, order: Row) -> bool:
    from erp_sync.systems.magento.sandbox import payments

    items = order_items.load(shop, order["entity_id"])
    if not can_cancel(order, items):
        return False
    back: dict[str, Decimal] = {}
    for item in items:
        quantity = item.to_cancel()
        if quantity <= 0:
            continue
        if not item.children:
            back[item.row["sku"]] = back.get(item.row["sku"], ZERO) + quantity
        share = quantity / item.quantity("ordered")
        order_items.add(
            shop,
            item,
            qty_canceled=quantity,
            tax_canceled=(item.row["tax_amount"] or ZERO) * share if item.counts_in_amounts() else ZERO,
        )
    inventory.reserve(shop, sales_stock(shop, order), back, "order_canceled", order)
    fields: dict[str, Any] = {"state": "canceled", "status": "canceled"}
    for prefix in ("base_", ""):
        for name in ("subtotal", "tax", "shipping", "discount"):
            amount = order[f"{prefix}{name}_amount" if name != "subtotal" else f"{prefix}subtotal"] or ZERO
            fields[f"{prefix}{name}_canceled"] = abs(amount) - (order[f"{prefix}{name}_invoiced"] or ZERO)
        fields[f"{prefix}total_canceled"] = (order[f"{prefix}grand_total"] or ZERO) - (
            order[f"{prefix}total_paid"] or ZERO
        )
    if order["total_paid"]:
        fields |= {"state": "processing", "status": "processing"}
    touch(shop, order, **fields)
    payments.void(shop, order)
    if fields["state"] == "processing":
        settle_state(shop, order)
    add_history(shop, order, None, status=order["status"])
    return True


@route("POST", "/V1/orders/{id}/hold", resource="Magento_Sales::hold", kind="update")
def hold(call: Call) -> Any:
    order = row(call.shop, call.number("id"))
    call.document = order["increment_id"]
    if order["state"] in ("canceled", "payment_review", "complete", "closed", "holded"):
        raise LocalizedException("A hold action is not available.")
    touch(
        call.shop,
        order,
        hold_before_state=order["state"],
        hold_before_status=order["status"],
        state="holded",
        status="holded",
    )
    return True


@route("POST", "/V1/orders/{id}/unhold", resource="Magento_Sales::unhold", kind="update")
def unhold(call: Call) -> Any:
    order = row(call.shop, call.number("id"))
    call.document = order["increment_id"]
    if order["state"] != "holded":
        raise LocalizedException("You cannot remove the hold.")
    touch(
        call.shop,
        order,
        state=order["hold_before_state"],
        status=order["hold_before_status"],
        hold_before_state=None,
        hold_before_status=None,
    )
    return True


@route("POST", "/V1/orders/{id}/emails", resource="Magento_Sales::emails", kind="update")
def send_email(call: Call) -> Any:
    from erp_sync.systems.magento.sandbox import mails

    order = row(call.shop, call.number("id"))
    mails.order_placed(call.shop, order)
    return True
