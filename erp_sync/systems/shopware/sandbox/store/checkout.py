"""An order from a cart: what the shop writes itself, and what shoppers see of it.

Facts: [SW] Checkout/Cart/SalesChannel/CartOrderRoute, Checkout/Cart/Order/OrderConverter, Checkout/Cart/CartException.
Addresses are copied with ids of their own, stock is lowered without a word (`stock`), the number comes from the
number range. Statuses of what is refused: 403 not logged in; an empty cart and one with blocking errors (500 in the
vendor's CART_INVALID, unconfirmed).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, names, numbers, saving, states
from erp_sync.systems.shopware.sandbox.criteria import Compare, Criteria, Sorting
from erp_sync.systems.shopware.sandbox.errors import ShopwareError
from erp_sync.systems.shopware.sandbox.pricing.money import Rounding
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call
from erp_sync.systems.shopware.sandbox.schema.fields import structure
from erp_sync.systems.shopware.sandbox.store import cart as carts
from erp_sync.systems.shopware.sandbox.store.cart import Cart, Line
from erp_sync.systems.shopware.sandbox.store.session import Shopper

_COPIED = ("countryId", "countryStateId", "salutationId", "firstName", "lastName", "street", "zipcode", "city",
           "company", "department", "title", "phoneNumber", "additionalAddressLine1",
           "additionalAddressLine2")  # fmt: skip


def not_logged_in() -> ShopwareError:
    return errors.failure("CHECKOUT__CUSTOMER_NOT_LOGGED_IN", "Customer is not logged in.", status=403)


def place(shopper: Shopper, body: dict[str, Any]) -> tuple[str, str]:
    """Place the order of the session's cart; returns its id and number. Raises ShopwareError."""
    if shopper.customer is None or shopper.billing is None or shopper.shipping is None:
        raise not_logged_in()
    cart = carts.calculated(shopper)
    if not cart.lines and not cart.blocked:
        raise errors.failure("CHECKOUT__CART_EMPTY", "Cart is empty", status=400)
    if cart.blocked:
        texts = "\n".join(one.message for one in cart.blocked)
        raise errors.failure(
            "CHECKOUT__CART_INVALID", f"The cart is invalid, got {len(cart.blocked)} error(s):\n{texts}", status=500,
            parameters={"errors": [one.printed() for one in cart.blocked]},
        )  # fmt: skip
    shop = shopper.shop
    number = numbers.following(shop, "order")
    row = _order(shopper, cart, number, body)
    writer = shop.writer(system=True)
    writer.upsert(shop.entity("order"), row, "/0")
    saving.save(shop, writer)
    _count(shopper, cart)
    shop.placed.append(row["id"])
    shopper.session.cart = {}
    return row["id"], number


def _order(shopper: Shopper, cart: Cart, number: str, body: dict[str, Any]) -> dict[str, Any]:
    shop, customer = shopper.shop, shopper.customer
    assert customer is not None
    assert shopper.billing is not None
    assert shopper.shipping is not None
    identity, delivery, transaction = (shop.new_id() for _ in range(3))
    billing = _address(shopper, shopper.billing)
    addresses = [billing]
    if shopper.shipping["id"] != shopper.billing["id"]:
        addresses.append(_address(shopper, shopper.shipping))
    lines = [_line(shopper, line, position) for position, line in enumerate(cart.lines, 1)]
    soon = shop.clock.now()
    return {
        "id": identity, "orderNumber": number, "billingAddressId": billing["id"], "currencyId": shopper.currency_id,
        "languageId": names.LANGUAGE, "salesChannelId": shopper.channel["id"], "orderDateTime": soon.isoformat(),
        "currencyFactor": shopper.factor, "stateId": shop.state(states.ORDER, "open"),
        "price": cart.price.printed(), "shippingCosts": cart.shipping.printed(),
        "itemRounding": _rounding(shopper.item), "totalRounding": _rounding(shopper.total),
        "deepLinkCode": secrets.token_urlsafe(24), "customerComment": body.get("customerComment"),
        "affiliateCode": body.get("affiliateCode"), "campaignCode": body.get("campaignCode"),
        "ruleIds": list(shopper.prices().rules), "taxCalculationType": shopper.channel["taxCalculationType"],
        "primaryOrderDeliveryId": delivery, "primaryOrderTransactionId": transaction,
        "addresses": addresses, "lineItems": lines,
        "orderCustomer": {
            "customerId": customer["id"], "email": customer["email"], "firstName": customer["firstName"],
            "lastName": customer["lastName"], "company": customer["company"], "salutationId": customer["salutationId"],
            "customerNumber": customer["customerNumber"],
            "vatIds": structure(customer["vatIds"]) if customer["vatIds"] else None,
        },
        "deliveries": [{
            "id": delivery, "shippingOrderAddressId": addresses[-1]["id"], "shippingMethodId": shopper.shipping_id,
            "stateId": shop.state(states.DELIVERY, "open"), "trackingCodes": [],
            "shippingDateEarliest": (soon + timedelta(days=1)).isoformat(),
            "shippingDateLatest": (soon + timedelta(days=3)).isoformat(),
            "shippingCosts": cart.shipping.printed(),
            "positions": [{"orderLineItemId": line["id"], "price": line["price"]} for line in lines],
        }],
        "transactions": [{
            "id": transaction, "paymentMethodId": shopper.payment_id, "amount": carts.total_printed(cart),
            "stateId": shop.state(states.TRANSACTION, "open"),
        }],
    }  # fmt: skip


def _address(shopper: Shopper, row: dict[str, Any]) -> dict[str, Any]:
    return {"id": shopper.shop.new_id(), **{name: row[name] for name in _COPIED if row.get(name) is not None}}


def _line(shopper: Shopper, line: Line, position: int) -> dict[str, Any]:
    printed = carts.line_printed(line)
    return {
        "id": shopper.shop.new_id(), "identifier": line.id, "referencedId": line.product["id"],
        "productId": line.product["id"], "quantity": line.quantity, "label": printed["label"], "type": "product",
        "good": True, "removable": True, "stackable": True, "position": position, "price": printed["price"],
        "priceDefinition": {
            "type": "quantity", "price": line.price.unit, "quantity": line.quantity, "isCalculated": True,
            "taxRules": [{"taxRate": line.rate, "percentage": 100}],
        },
        "payload": printed["payload"], "states": ["is-physical"],
    }  # fmt: skip


def _rounding(one: Rounding) -> dict[str, Any]:
    return {"decimals": one.decimals, "interval": one.interval, "roundForNet": one.for_net}


def _count(shopper: Shopper, cart: Cart) -> None:
    """Orders and turnover of the customer, by SQL (CustomerMetaFieldSubscriber)."""
    assert shopper.customer is not None
    known = shopper.shop.entity("customer").fields["orderTotalAmount"]
    row = shopper.customer
    total = Decimal(row["orderTotalAmount"] or 0) + cart.price.total
    shopper.shop.database.update("customer", {"id": row["id"]}, {
        "orderCount": (row["orderCount"] or 0) + 1, "orderTotalAmount": known.stored(total),
        "lastOrderDate": shopper.shop.now(),
    })  # fmt: skip


def _shown() -> Criteria:
    criteria = Criteria()
    for path in ("lineItems", "deliveries.positions", "deliveries.stateMachineState", "transactions.stateMachineState",
                 "addresses", "orderCustomer", "stateMachineState", "currency"):  # fmt: skip
        criteria.association(path)
    return criteria


def printed(call: Call, identity: str) -> dict[str, Any]:
    shop, criteria = call.shop, _shown()
    row = shop.reader().one(shop.entity("order"), identity, criteria)
    assert row is not None
    return Printer(shop.entities, criteria, call.base_url).plain(shop.entity("order"), row)


def listed(call: Call, shopper: Shopper) -> dict[str, Any]:
    """The customer's own orders, the newest first."""
    if shopper.customer is None:
        raise not_logged_in()
    shop, criteria = call.shop, _shown()
    criteria.filters = [Compare("equals", "orderCustomer.customerId", shopper.customer["id"])]
    criteria.sorting, criteria.limit = [Sorting("orderDateTime", descending=True)], 100
    result = shop.reader().search(shop.entity("order"), criteria)
    printer = Printer(shop.entities, criteria, call.base_url)
    rows = [printer.plain(shop.entity("order"), row) for row in result.rows]
    found = {"elements": rows, "total": result.total, "aggregations": [], "page": 1, "limit": criteria.limit,
             "entity": "order", "states": [], "extensions": [], "apiAlias": "entity_search_result"}  # fmt: skip
    return {"orders": found, "paymentChangeable": [], "apiAlias": "order_route_response"}
