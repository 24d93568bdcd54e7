"""Orders saved as rows, without a checkout."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import orders
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, json_text


def _save(call: Call) -> Any:
    """`POST /V1/orders` and `PUT /V1/orders/create` save what they are given: no stock check, and no reservation is
    written (magento/magento2 issue 26575). With `entity_id` only the given fields change, and of the addresses
    those that are given, in place (magento2 Order::setBillingAddress takes over the id of the one before,
    OrderRepository::save does so with the shipping assignment's; unconfirmed end to end).
    """
    shop, given = call.shop, call.body["entity"]
    now = shop.now()
    scalars = set(shop.database.columns("sales_order")) - {"entity_id"}
    fields = {name: value for name, value in given.items() if name in scalars and not isinstance(value, list | dict)}
    if given.get("entity_id"):
        order = orders.row(shop, int(given["entity_id"]))
        orders.touch(shop, order, **fields)
        _save_items(shop, order, given)
        _change_addresses(shop, order, given)
        call.document = order["increment_id"]
        return orders.printed(shop, [order["entity_id"]])[0]
    if not given.get("items"):
        raise InputException("Please provide items for the order.")
    store = shop.store(int(given.get("store_id") or call.store_id))
    state = given.get("state") or "new"
    order = {
        "increment_id": shop.next_number("order", store["store_id"]),
        "state": state,
        "status": orders.DEFAULT_STATUS.get(state, "pending"),
        "store_id": store["store_id"],
        "website_id": store["website_id"],
        "store_name": f"{store['website_name']}\n{store['group_name']}\n{store['name']}",
        "created_at": now,
        "order_currency_code": store["currency"],
        "base_currency_code": store["base_currency"],
        "protect_code": shop.token(),
        **fields,
        "updated_at": now,
    }
    order["entity_id"] = shop.database.insert("sales_order", order)
    _save_items(shop, order, given)
    billing = given.get("billing_address")
    if billing:
        _save_address(shop, order, billing, "billing")
    for assignment in (given.get("extension_attributes") or {}).get("shipping_assignments") or ():
        shipping = assignment.get("shipping") or {}
        if shipping.get("address"):
            _save_address(shop, order, shipping["address"], "shipping")
        if shipping.get("method"):
            orders.touch(shop, order, shipping_method=shipping["method"])
    payment = given.get("payment") or {}
    shop.database.insert(
        "sales_order_payment",
        {
            **{name: value for name, value in payment.items() if not isinstance(value, list | dict)},
            "parent_id": order["entity_id"],
            "method": payment.get("method", "checkmo"),
            "amount_ordered": order.get("grand_total"),
            "base_amount_ordered": order.get("base_grand_total"),
        },
    )
    for history in given.get("status_histories") or ():
        orders.add_history(shop, order, history.get("comment"), notified=history.get("is_customer_notified"))
    shop.wrote("sales_order", order["increment_id"])
    call.document = str(order["increment_id"])
    return orders.printed(shop, [int(order["entity_id"])])[0]


def _save_items(shop: Shop, order: Row, given: dict[str, Any]) -> None:
    now = shop.now()
    for item in given.get("items") or ():
        fields = {name: value for name, value in item.items() if not isinstance(value, list | dict)}
        if item.get("item_id"):
            changed = shop.database.update(
                "sales_order_item",
                {"item_id": item["item_id"], "order_id": order["entity_id"]},
                {**fields, "updated_at": now},
            )
            if changed:
                continue
        shop.database.insert(
            "sales_order_item",
            {
                "qty_ordered": Decimal(1),
                "qty_invoiced": ZERO,
                "qty_shipped": ZERO,
                "qty_refunded": ZERO,
                "qty_canceled": ZERO,
                "product_type": "simple",
                "is_virtual": 0,
                "store_id": order["store_id"],
                "created_at": now,
                **{name: value for name, value in fields.items() if name != "item_id"},
                "order_id": order["entity_id"],
                "updated_at": now,
            },
        )


def _change_addresses(shop: Shop, order: Row, given: dict[str, Any]) -> None:
    assignments = (given.get("extension_attributes") or {}).get("shipping_assignments") or ()
    shipping: dict[str, Any] = next(
        (one["shipping"]["address"] for one in assignments if (one.get("shipping") or {}).get("address")), {}
    )
    for kind, address in (("billing", given.get("billing_address")), ("shipping", shipping)):
        if not address:
            continue
        fields = {name: value for name, value in address.items() if not isinstance(value, list | dict)}
        fields = {
            name: value for name, value in fields.items() if name not in ("entity_id", "parent_id", "address_type")
        }
        if "street" in address:
            fields["street"] = json_text(address["street"] or [])
        shop.database.update("sales_order_address", {"parent_id": order["entity_id"], "address_type": kind}, fields)


def _save_address(shop: Shop, order: Row, address: dict[str, Any], kind: str) -> None:
    fields = {name: value for name, value in address.items() if not isinstance(value, list | dict)}
    fields |= {"parent_id": order["entity_id"], "address_type": kind, "street": json_text(address.get("street") or [])}
    fields.pop("entity_id", None)
    identity = shop.database.insert("sales_order_address", fields)
    shop.database.update("sales_order", {"entity_id": order["entity_id"]}, {f"{kind}_address_id": identity})


route("POST", "/V1/orders", resource="Magento_Sales::create")(_save)
route("PUT", "/V1/orders/create", resource="Magento_Sales::create", kind="create")(_save)
