"""Carts of guests (`/V1/guest-carts/{mask}`) and of signed-in customers (`/V1/carts/mine`).

A cart keeps what was chosen; what it costs is worked out whenever it is asked (`totals.collect`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import auth, directory, inventory, pricing, totals
from erp_sync.systems.magento.sandbox.cart_lines import (
    children_of,
    collect,
    line_sku,
    lines_of,
    price_lines,
    unpriced_lines,
)
from erp_sync.systems.magento.sandbox.cart_totals import payment_details, payment_methods, printed_totals
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import ANONYMOUS, SELF, Call, Handler, route
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, json_text

_ADDRESS_FIELDS = (
    "firstname", "lastname", "middlename", "prefix", "suffix", "company", "street", "city", "region", "region_id",
    "region_code", "postcode", "country_id", "telephone", "fax", "vat_id", "email",
)  # fmt: skip
_REQUIRED_ADDRESS_FIELDS = ("firstname", "lastname", "street", "city", "telephone", "country_id")


def both(method: str, tail: str, *, kind: Any = None, commerce: bool = False) -> Callable[[Handler], Handler]:
    """The same service for a guest's cart and the customer's own."""

    def declare(handler: Handler) -> Handler:
        route(method, f"/V1/guest-carts/{{cartId}}{tail}", resource=ANONYMOUS, kind=kind, commerce=commerce)(handler)
        route(method, f"/V1/carts/mine{tail}", resource=SELF, kind=kind, commerce=commerce)(handler)
        return handler

    return declare


def of_call(call: Call) -> Row:
    """The cart that a call is about. Raises NoSuchEntityException."""
    if "cartId" in call.path:
        mask = call.path["cartId"]
        row = call.shop.database.row("SELECT * FROM quote WHERE masked_id = ? AND is_active = 1", [mask])
        if row is None:
            raise NoSuchEntityException.single("cartId", mask)
        return row
    row = call.shop.database.row(
        "SELECT * FROM quote WHERE customer_id = ? AND is_active = 1 ORDER BY entity_id DESC", [call.user.id]
    )
    if row is None:
        raise NoSuchEntityException.single("customerId", call.user.id)
    return row


@route("POST", "/V1/guest-carts", resource=ANONYMOUS)
def create_guest_cart(call: Call) -> Any:
    mask = call.shop.token()
    _create(call, {"masked_id": mask})
    return mask


@route("POST", "/V1/carts/mine", resource=SELF)
def create_customer_cart(call: Call) -> Any:
    """The active cart, or a new one."""
    customer = auth.current_customer(call)
    existing = call.shop.database.value(
        "SELECT entity_id FROM quote WHERE customer_id = ? AND is_active = 1 ORDER BY entity_id DESC", [call.user.id]
    )
    return existing or _create(call, {"customer_id": call.user.id, "customer_email": customer["email"]})


def _create(call: Call, fields: dict[str, Any]) -> int:
    now = call.shop.now()
    store = call.shop.store(call.store_id)
    return call.shop.database.insert(
        "quote", {"store_id": store["store_id"], "created_at": now, "updated_at": now, "is_active": 1, **fields}
    )


# -- lines -------------------------------------------------------------------------------------------------------


@both("POST", "/items")
def add_item(call: Call) -> Any:
    """Add a product. What cannot be sold is refused here, and checked again when the order is placed."""
    quote, given = of_call(call), call.body["cartItem"]
    if not given.get("sku"):
        raise LocalizedException("The product that was requested doesn't exist. Verify the product and try again.")
    quantity = Decimal(1) if given.get("qty") is None else Decimal(given["qty"])
    if quantity <= 0:
        raise InputException('Invalid value of "%1" provided for the %2 field.', [str(quantity), "qty"])
    return _printed_item(call.shop, quote, _add(call.shop, quote, given, quantity))


def _add(shop: Shop, quote: Row, given: dict[str, Any], quantity: Decimal) -> Row:
    database, store = shop.database, shop.store(quote["store_id"])
    product = pricing.product(shop, given["sku"])
    if not pricing.sold_in(shop, product, store):
        raise LocalizedException("Product that you are trying to add is not available.")
    option = (given.get("product_option") or {}).get("extension_attributes") or {}
    children = children_of(shop, product, option)
    stock = inventory.stock_of_website(shop, store["website_code"])
    for sku, wanted in _wanted(shop, quote, product, children, quantity).items():
        problem = inventory.check(shop, sku, stock, wanted)
        if problem == "The product is out of stock.":
            raise LocalizedException("Product that you are trying to add is not available.")
        if problem:
            raise LocalizedException("The requested qty is not available")
    options = json_text(option) if option else None
    same = database.row(
        "SELECT * FROM quote_item WHERE quote_id = ? AND product_id = ? AND parent_item_id IS NULL AND options IS ?",
        [quote["entity_id"], product["entity_id"], options],
    )
    if same:
        database.update("quote_item", {"item_id": same["item_id"]}, {"qty": same["qty"] + quantity})
        row = database.row("SELECT * FROM quote_item WHERE item_id = ?", [same["item_id"]])
        assert row is not None
        return row
    item = {
        "quote_id": quote["entity_id"],
        "product_id": product["entity_id"],
        "sku": line_sku(product, children),
        "name": pricing.scoped(shop, product, "name", store["store_id"]),
        "product_type": product["type_id"],
        "qty": quantity,
        "options": options,
    }
    item["item_id"] = database.insert("quote_item", item)
    for child, each in children:
        database.insert(
            "quote_item",
            {
                "quote_id": quote["entity_id"],
                "product_id": child["entity_id"],
                "parent_item_id": item["item_id"],
                "sku": child["sku"],
                "name": pricing.scoped(shop, child, "name", store["store_id"]),
                "product_type": child["type_id"],
                "qty": each,
            },
        )
    _touch(shop, quote)
    return item


def _wanted(
    shop: Shop, quote: Row, product: Row, children: list[tuple[Row, Decimal]], quantity: Decimal
) -> dict[str, Decimal]:
    """Quantity per SKU that the cart would hold after adding, of the SKUs that are added."""
    adding = {child["sku"]: each * quantity for child, each in children} or {product["sku"]: quantity}
    for line in unpriced_lines(shop, quote):
        if not line.children and line.product["sku"] in adding:
            adding[line.product["sku"]] += line.quantity
    return adding


def _touch(shop: Shop, quote: Row) -> None:
    shop.database.update("quote", {"entity_id": quote["entity_id"]}, {"updated_at": shop.now()})


def _printed_item(shop: Shop, quote: Row, item: Row) -> dict[str, Any]:
    lines = unpriced_lines(shop, quote)
    line = next(line for line in lines if line.item["item_id"] == item["item_id"])
    price_lines(shop, quote, [line, *line.children])
    if not line.carries and line.children:
        price = sum((child.base.price * child.item["qty"] for child in line.children), ZERO)
    else:
        price = line.base.price
    result = {
        "item_id": item["item_id"],
        "sku": item["sku"],
        "qty": line.item["qty"],
        "name": item["name"],
        "price": price,
        "product_type": item["product_type"],
        "quote_id": quote["masked_id"] or str(quote["entity_id"]),
    }
    if item["options"]:
        result["product_option"] = {"extension_attributes": from_json(item["options"])}
    return result


@both("GET", "/items")
def list_items(call: Call) -> Any:
    quote = of_call(call)
    rows = call.shop.database.rows(
        "SELECT * FROM quote_item WHERE quote_id = ? AND parent_item_id IS NULL ORDER BY item_id", [quote["entity_id"]]
    )
    return [_printed_item(call.shop, quote, row) for row in rows]


def _item(call: Call, quote: Row) -> Row:
    row = call.shop.database.row(
        "SELECT * FROM quote_item WHERE item_id = ? AND quote_id = ?", [call.number("itemId"), quote["entity_id"]]
    )
    if row is None:
        raise NoSuchEntityException(
            "The %1 Cart doesn't contain the %2 item.", [str(quote["entity_id"]), call.path["itemId"]]
        )
    return row


@both("PUT", "/items/{itemId}")
def change_item(call: Call) -> Any:
    quote = of_call(call)
    row, quantity = _item(call, quote), Decimal(call.body["cartItem"].get("qty") or 0)
    if quantity <= 0:
        raise InputException('Invalid value of "%1" provided for the %2 field.', [str(quantity), "qty"])
    call.shop.database.update("quote_item", {"item_id": row["item_id"]}, {"qty": quantity})
    _touch(call.shop, quote)
    changed = call.shop.database.row("SELECT * FROM quote_item WHERE item_id = ?", [row["item_id"]])
    return _printed_item(call.shop, quote, changed or row)


@both("DELETE", "/items/{itemId}")
def remove_item(call: Call) -> Any:
    quote = of_call(call)
    row = _item(call, quote)
    call.shop.database.run(
        "DELETE FROM quote_item WHERE item_id = ? OR parent_item_id = ?", [row["item_id"], row["item_id"]]
    )
    _touch(call.shop, quote)
    return True


# -- coupon, gift cards, store credit ----------------------------------------------------------------------------


@both("PUT", "/coupons/{couponCode}")
def set_coupon(call: Call) -> Any:
    quote, code = of_call(call), call.path["couponCode"]
    if not lines_of(call.shop, quote):
        raise NoSuchEntityException('The "%1" Cart doesn\'t contain products.', [str(quote["entity_id"])])
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, {"coupon_code": code})
    if collect(call.shop, {**quote, "coupon_code": code}).coupon_refused:
        raise NoSuchEntityException("The coupon code isn't valid. Verify the code and try again.")
    return True


@both("GET", "/coupons")
def get_coupon(call: Call) -> Any:
    return of_call(call)["coupon_code"]


@both("DELETE", "/coupons")
def remove_coupon(call: Call) -> Any:
    quote = of_call(call)
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, {"coupon_code": None})
    return True


def _apply_gift_cards(call: Call) -> Any:
    quote = of_call(call)
    codes = from_json(quote["gift_cards"], [])
    for code in call.body["giftCardAccountData"].get("gift_cards") or []:
        card = call.shop.database.row("SELECT * FROM magento_giftcardaccount WHERE code = ? AND status = 1", [code])
        expired = card is not None and card["date_expires"] and card["date_expires"] < call.shop.now()[:10]
        if card is None or expired or card["balance"] <= 0:
            raise NoSuchEntityException("The gift card code couldn't be added. Verify your information and try again.")
        if code not in codes:
            codes.append(code)
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, {"gift_cards": json_text(codes)})
    return True


route("POST", "/V1/carts/guest-carts/{cartId}/giftCards", resource=ANONYMOUS, commerce=True)(_apply_gift_cards)
route("POST", "/V1/carts/mine/giftCards", resource=SELF, commerce=True)(_apply_gift_cards)


@route("POST", "/V1/carts/mine/balance/apply", resource=SELF, commerce=True)
def apply_balance(call: Call) -> Any:
    quote = of_call(call)
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, {"use_customer_balance": 1})
    return True


# -- addresses and shipping --------------------------------------------------------------------------------------


def address_of(shop: Shop, given: dict[str, Any], *, complete: bool = True) -> dict[str, Any]:
    """An address as the cart keeps it, its region resolved. Raises InputException for what is missing."""
    address = {name: given[name] for name in _ADDRESS_FIELDS if given.get(name) not in (None, "")}
    missing = [name for name in _REQUIRED_ADDRESS_FIELDS if not address.get(name)]
    if complete and missing:
        raise InputException(
            "The address is incomplete. Verify the address and try again. "
            + " ".join(f'"{name}" is required. Enter and try again.' for name in missing)
        )
    found = directory.region(
        shop,
        str(address.get("country_id") or "US"),
        code=str(address.get("region_code") or ""),
        name=str(address.get("region") or ""),
        region_id=int(address.get("region_id") or 0),
    )
    return {**address, **{name: value for name, value in found.items() if value not in (None, "")}}


def shipping_codes(shop: Shop, quote: Row, address: dict[str, Any]) -> list[str]:
    """Carriers with their methods that the cart could be sent with."""
    at_none = collect(shop, quote, address=address, shipping_method="")
    if at_none.virtual:
        return []
    money = [line for line in at_none.lines if line.carries]
    subtotal = sum((line.base.row_total - line.base.discount for line in money), ZERO)
    quantity = sum((line.quantity for line in money if not line.virtual), ZERO)
    free = any(rule["simple_free_shipping"] == "1" for rule in at_none.rules)
    return list(totals.carrier_prices(shop, subtotal, quantity, free))


def shipping_methods(shop: Shop, quote: Row, address: dict[str, Any]) -> list[dict[str, Any]]:
    """The same with their titles and prices."""
    result = []
    for code in shipping_codes(shop, quote, address):
        priced = collect(shop, quote, address=address, shipping_method=code)
        carrier, _, method = code.partition("_")
        carrier_title, method_title = totals.CARRIERS[code]
        result.append(
            {
                "carrier_code": carrier,
                "method_code": method,
                "carrier_title": carrier_title,
                "method_title": method_title,
                "amount": priced.order.shipping,
                "base_amount": priced.base.shipping,
                "available": True,
                "error_message": "",
                "price_excl_tax": priced.order.shipping,
                "price_incl_tax": priced.order.shipping_incl_tax,
            }
        )
    return result


@both("POST", "/estimate-shipping-methods", kind="read")
def estimate_shipping_methods(call: Call) -> Any:
    quote = of_call(call)
    return shipping_methods(call.shop, quote, address_of(call.shop, call.body["address"], complete=False))


@both("POST", "/billing-address", kind="update")
def set_billing_address(call: Call) -> Any:
    quote, address = of_call(call), address_of(call.shop, call.body["address"])
    fields = {"billing_address": json_text(address)}
    if call.body.get("useForShipping"):
        fields["shipping_address"] = json_text(address)
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, fields)
    return quote["entity_id"]


@both("POST", "/shipping-information", kind="update")
def set_shipping_information(call: Call) -> Any:
    quote, given = of_call(call), call.body["addressInformation"]
    if not lines_of(call.shop, quote):
        raise InputException("The shipping method can't be set for an empty cart. Add an item to cart and try again.")
    address = address_of(call.shop, given.get("shipping_address") or {})
    code = f"{given.get('shipping_carrier_code') or ''}_{given.get('shipping_method_code') or ''}"
    if code not in shipping_codes(call.shop, quote, address):
        raise NoSuchEntityException("Carrier with such method not found: %1, %2", code.split("_", 1))
    fields = {"shipping_address": json_text(address), "shipping_method": code}
    if given.get("billing_address"):
        fields["billing_address"] = json_text(address_of(call.shop, given["billing_address"]))
    email = address.get("email")
    if email and not quote["customer_id"]:
        fields["customer_email"] = email
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, fields)
    return payment_details(call.shop, {**quote, **fields})


# -- totals ------------------------------------------------------------------------------------------------------


@both("GET", "/payment-information")
def get_payment_information(call: Call) -> Any:
    return payment_details(call.shop, of_call(call))


@both("GET", "/payment-methods")
def get_payment_methods(call: Call) -> Any:
    return payment_methods(call.shop, collect(call.shop, of_call(call)))


@both("GET", "/totals")
def get_totals(call: Call) -> Any:
    quote = of_call(call)
    return printed_totals(call.shop, quote, collect(call.shop, quote))


@both("POST", "/totals-information", kind="read")
def estimate_totals(call: Call) -> Any:
    quote, given = of_call(call), call.body["addressInformation"]
    address = address_of(call.shop, given.get("address") or {}, complete=False)
    carrier, method = given.get("shipping_carrier_code"), given.get("shipping_method_code")
    code = f"{carrier}_{method}" if carrier and method else ""
    return printed_totals(call.shop, quote, collect(call.shop, quote, address=address, shipping_method=code))


# -- the cart itself ---------------------------------------------------------------------------------------------


def _get_cart(call: Call) -> Any:
    quote, shop = of_call(call), call.shop
    found, store = collect(shop, quote), shop.store(quote["store_id"])
    items = list_items(call)
    customer: dict[str, Any] = {"email": quote["customer_email"], "firstname": None, "lastname": None}
    if quote["customer_id"]:
        from erp_sync.systems.magento.sandbox import customers

        customer = customers.printed(shop, auth.current_customer(call))
    rate = found.rate
    return {
        "id": quote["entity_id"],
        "created_at": quote["created_at"],
        "updated_at": quote["updated_at"],
        "is_active": bool(quote["is_active"]),
        "is_virtual": found.virtual if items else False,
        "items": items,
        "items_count": len(items),
        "items_qty": sum((item["qty"] for item in items), ZERO),
        "customer": customer,
        "billing_address": _printed_address(quote["billing_address"]),
        "orig_order_id": 0,
        "currency": {
            "global_currency_code": store["base_currency"],
            "base_currency_code": store["base_currency"],
            "store_currency_code": store["currency"],
            "quote_currency_code": store["currency"],
            "store_to_base_rate": Decimal(0),
            "store_to_quote_rate": Decimal(0),
            "base_to_global_rate": Decimal(1),
            "base_to_quote_rate": rate,
        },
        "customer_is_guest": not quote["customer_id"],
        "customer_note_notify": True,
        "customer_tax_class_id": directory.CUSTOMER_TAX_CLASS,
        "store_id": quote["store_id"],
        "extension_attributes": {"shipping_assignments": []},
    }


def _printed_address(text: str | None) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("region", "region_id", "region_code", "country_id", "street", "telephone", "postcode", "city", "firstname",
         "lastname", "email")
    )  # fmt: skip
    return {**empty, "street": [""], **from_json(text, {})}


route("GET", "/V1/guest-carts/{cartId}", resource=ANONYMOUS)(_get_cart)
route("GET", "/V1/carts/mine", resource=SELF)(_get_cart)
