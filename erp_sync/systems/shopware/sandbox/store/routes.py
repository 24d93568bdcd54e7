"""Routes of the Store API: context, account, products, cart, orders.

Facts: shopware/store-api-reference@55d001a; fact sheet, section 11. The context token comes back as a header with
every answer; logging in gives another one, to which the cart moves.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from erp_sync.sandbox.core import Kind, Response
from erp_sync.systems.shopware.sandbox import errors, limiter, names, numbers, saving
from erp_sync.systems.shopware.sandbox.criteria import Criteria
from erp_sync.systems.shopware.sandbox.passwords import matches
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.store import addresses, checkout, choices, products
from erp_sync.systems.shopware.sandbox.store import cart as carts
from erp_sync.systems.shopware.sandbox.store.session import TOKEN, Session, Shopper, drop, keep, opened, sales_channel

_SWITCHED = ("currencyId", "languageId", "countryId", "countryStateId", "billingAddressId", "shippingAddressId",
             "paymentMethodId", "shippingMethodId")  # fmt: skip


Handler = Callable[[Call, Shopper], Response]


def routes() -> list[Route]:
    return [
        _route("context.read", "GET", "context", "read", context),
        _route("context.switch", "PATCH", "context", "read", switch),
        _route("account.login", "POST", "account/login", "read", login),
        _route("account.logout", "POST", "account/logout", "read", logout),
        _route("account.register", "POST", "account/register", "create", register, True),
        _route("account.customer", "POST", "account/customer", "read", customer),
        _route("account.address.create", "POST", "account/address", "create", addresses.add, True),
        _route("account.address.list", "POST", "account/list-address", "search", addresses.own),
        _route("country.list", "POST", "country", "search", choices.countries),
        _route("country-state.list", "POST", "country-state/{id}", "search", choices.country_states),
        _route("payment-method.list", "POST", "payment-method", "search", choices.payment_methods),
        _route("shipping-method.list", "POST", "shipping-method", "search", choices.shipping_methods),
        _route("product.list", "POST", "product", "search", listing),
        _route("product.read", "POST", "product/{id}", "read", product),
        _route("product.get", "GET", "product/{id}", "read", product),
        _route("checkout.cart", "GET", "checkout/cart", "read", show_cart),
        _route("checkout.cart.delete", "DELETE", "checkout/cart", "read", empty_cart),
        _route("checkout.line-item.add", "POST", "checkout/cart/line-item", "update", add),
        _route("checkout.line-item.change", "PATCH", "checkout/cart/line-item", "update", change),
        _route("checkout.line-item.remove", "DELETE", "checkout/cart/line-item", "update", take_out),
        _route("checkout.order", "POST", "checkout/order", "create", place, True),
        _route("order.list", "POST", "order", "search", orders),
        _route("handle-payment", "POST", "handle-payment", "update", pay),
    ]


def _route(name: str, method: str, template: str, kind: Kind, handler: Handler, writes: bool = False) -> Route:
    flow = "orders" if name == "checkout.order" else ""
    return Route(f"store-api.{name}", method, f"/store-api/{template}", kind, _in_session(handler), writes, flow)


def _in_session(handler: Handler) -> Callable[[Call], Response]:
    def handled(call: Call) -> Response:
        channel, session = sales_channel(call.shop, call.request), opened(call.shop, call.request)
        shopper = Shopper(call.shop, channel, session)
        response = handler(call, shopper)
        keep(call.shop, shopper.session)
        response.headers.setdefault(TOKEN, shopper.session.token)
        return response

    return handled


# -- context and account -------------------------------------------------------------------------------------------


def context(call: Call, shopper: Shopper) -> Response:
    return answer(shown(call, shopper))


def shown(call: Call, shopper: Shopper) -> dict[str, Any]:
    """The context as far as shoppers need it."""
    shop = call.shop

    def row(entity: str, identity: str) -> Any:
        found = shop.reader().one(shop.entity(entity), identity)
        return Printer(shop.entities, Criteria(), call.base_url).plain(shop.entity(entity), found) if found else None

    return {
        "token": shopper.session.token,
        "currentCustomerGroup": row("customer_group", shopper.group_id),
        "currency": row("currency", shopper.currency_id),
        "salesChannel": {"id": shopper.channel["id"], "name": shopper.channel["name"], "apiAlias": "sales_channel"},
        "customer": row("customer", shopper.customer["id"]) if shopper.customer else None,
        "taxState": shopper.tax_state,
        "itemRounding": _rounding(shopper.item), "totalRounding": _rounding(shopper.total),
        "apiAlias": "sales_channel_context",
    }  # fmt: skip


def _rounding(one: Any) -> dict[str, Any]:
    return {"decimals": one.decimals, "interval": one.interval, "roundForNet": one.for_net,
            "apiAlias": "shopware_core_framework_data_abstraction_layer_pricing_cash_rounding_config"}  # fmt: skip


def switch(call: Call, shopper: Shopper) -> Response:
    body = call.fields()
    for name in _SWITCHED:
        if body.get(name) is not None:
            if not names.is_id(body[name]):
                raise errors.invalid_id(body[name])
            shopper.session.data[name] = body[name]
    Shopper(call.shop, shopper.channel, shopper.session)  # what it names must be there
    return answer({"contextToken": shopper.session.token, "redirectUrl": None, "apiAlias": "array_struct"})


def login(call: Call, shopper: Shopper) -> Response:
    """Checkout/Customer/SalesChannel/LoginRoute; codes are CustomerException's, texts unconfirmed."""
    shop, body = call.shop, call.fields()
    email, given = str(body.get("username") or body.get("email") or ""), str(body.get("password") or "")
    key = f"login {email.lower()}-127.0.0.1"
    wait = limiter.attempt(shop, key)
    if wait:
        raise errors.failure(
            "CHECKOUT__CUSTOMER_AUTH_THROTTLED", f"Customer auth throttled for {wait} seconds.", status=429,
            parameters={"seconds": wait},
        )  # fmt: skip
    row = shop.database.row("SELECT * FROM customer WHERE email = ? AND COALESCE(guest, 0) = 0", [email])
    if row is None or not matches(given, row["password"]):
        raise errors.Counted(
            [errors.error("CHECKOUT__CUSTOMER_AUTH_BAD_CREDENTIALS", "Invalid username and/or password.", status=401)],
            401,
        )
    if not row["active"]:
        raise errors.failure(
            "CHECKOUT__CUSTOMER_IS_INACTIVE", f'The customer with the id "{row["id"]}" is inactive.', status=401
        )
    limiter.forget(shop, key)
    _log_in(shopper, row["id"])
    shop.database.update("customer", {"id": row["id"]}, {"lastLogin": shop.now()})
    shop.logins.append((row["id"], shopper.session.token))
    return answer({"redirectUrl": None, "contextToken": shopper.session.token, "apiAlias": "array_struct"})


def _log_in(shopper: Shopper, customer_id: str) -> None:
    """A new token, with the cart of the old one, which is nobody's any more."""
    old = shopper.session
    drop(shopper.shop, old.token)
    shopper.session = Session(secrets.token_urlsafe(24), {**old.data, "customerId": customer_id}, old.cart)


def logout(call: Call, shopper: Shopper) -> Response:
    drop(call.shop, shopper.session.token)
    shopper.session = Session(secrets.token_urlsafe(24))
    return answer({"redirectUrl": None, "contextToken": shopper.session.token, "apiAlias": "array_struct"})


def register(call: Call, shopper: Shopper) -> Response:
    """Checkout/Customer/SalesChannel/RegisterRoute: a customer, or a guest; both are logged in."""
    shop, body = call.shop, call.fields()
    guest = bool(body.get("guest"))
    problems = [
        errors.violation("This value should not be blank.", f"/{name}", code="VIOLATION::IS_BLANK_ERROR")
        for name in ("email", "firstName", "lastName")
        if not body.get(name)
    ]
    billing = dict(body.get("billingAddress") or {})
    problems += addresses.problems(billing, "/billingAddress")
    if not guest and len(str(body.get("password") or "")) < shop.options.min_password_length:
        problems.append(errors.violation("This value is too short.", "/password", code="VIOLATION::TOO_SHORT_ERROR"))
    taken = "SELECT 1 FROM customer WHERE email = ? AND COALESCE(guest, 0) = 0"
    if not guest and not problems and shop.database.value(taken, [body["email"]]):
        problems.append(errors.violation(
            f"The email address {body['email']} is already in use.", "/email",
            code="VIOLATION::CUSTOMER_EMAIL_NOT_UNIQUE",
        ))  # fmt: skip
    if problems:
        raise errors.ShopwareError(problems)
    identity = shop.new_id()
    given = [billing, dict(body["shippingAddress"])] if body.get("shippingAddress") else [billing]
    rows = [addresses.made(body, one, shop.new_id()) for one in given]
    writer = shop.writer(system=True)
    row = {
        "id": identity, "email": body["email"], "firstName": body["firstName"], "lastName": body["lastName"],
        "guest": guest, "groupId": shopper.channel["customerGroupId"], "salesChannelId": shopper.channel["id"],
        "languageId": names.LANGUAGE, "customerNumber": numbers.following(shop, "customer"), "addresses": rows,
        "defaultBillingAddressId": rows[0]["id"], "defaultShippingAddressId": rows[-1]["id"],
        "accountType": body.get("accountType") or "private", "company": body.get("company") or billing.get("company"),
        "vatIds": body.get("vatIds"), "password": None if guest else body["password"],
    }  # fmt: skip
    writer.upsert(shop.entity("customer"), row, "")
    saving.save(shop, writer)
    _log_in(shopper, identity)
    call.document = row["customerNumber"]
    found = shop.reader().one(shop.entity("customer"), identity)
    assert found is not None
    return answer(Printer(shop.entities, Criteria(), call.base_url).plain(shop.entity("customer"), found))


def customer(call: Call, shopper: Shopper) -> Response:
    if shopper.customer is None:
        raise checkout.not_logged_in()
    shop = call.shop
    found = shop.reader().one(shop.entity("customer"), shopper.customer["id"])
    assert found is not None
    return answer(Printer(shop.entities, Criteria(), call.base_url).plain(shop.entity("customer"), found))


# -- products ------------------------------------------------------------------------------------------------------


def listing(call: Call, shopper: Shopper) -> Response:
    return answer(products.listing(call, shopper))


def product(call: Call, shopper: Shopper) -> Response:
    return answer(products.detail(call, shopper))


# -- cart and orders -----------------------------------------------------------------------------------------------


def _cart(shopper: Shopper) -> Response:
    return answer(carts.printed(shopper, carts.calculated(shopper)))


def show_cart(call: Call, shopper: Shopper) -> Response:
    return _cart(shopper)


def empty_cart(call: Call, shopper: Shopper) -> Response:
    shopper.session.cart = {}
    return Response(204, {})


def add(call: Call, shopper: Shopper) -> Response:
    """Lines of one product are stacked; anything but a product is not supported."""
    items: list[dict[str, Any]] = shopper.session.cart.setdefault("items", [])
    for given in call.fields().get("items") or ():
        if given.get("type") != "product":
            raise errors.failure(
                "CHECKOUT__CART_LINE_ITEM_TYPE_NOT_SUPPORTED", f'Line item type "{given.get("type")}" is not supported.'
            )
        reference, quantity = str(given.get("referencedId") or given.get("id")), _quantity(given.get("quantity", 1))
        identity = str(given.get("id") or reference)
        known = next((one for one in items if one["id"] == identity), None)
        if known is not None:
            known["quantity"] += quantity
        else:
            items.append({"id": identity, "referencedId": reference, "quantity": quantity})
    return _cart(shopper)


def _quantity(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise errors.failure("CHECKOUT__CART_INVALID_LINE_ITEM_QUANTITY", f"The quantity must be a positive integer. "
                             f"Given: {value}", parameters={"quantity": value})  # fmt: skip
    return value


def change(call: Call, shopper: Shopper) -> Response:
    items: list[dict[str, Any]] = shopper.session.cart.setdefault("items", [])
    for given in call.fields().get("items") or ():
        known = next((one for one in items if one["id"] == given.get("id")), None)
        if known is None:
            raise _no_line(given.get("id"))
        known["quantity"] = _quantity(given.get("quantity", known["quantity"]))
    return _cart(shopper)


def _no_line(identity: Any) -> errors.ShopwareError:
    return errors.failure(
        "CHECKOUT__CART_LINE_ITEM_NOT_FOUND", f"Line item with identifier {identity} not found.",
        parameters={"identifier": identity},
    )  # fmt: skip


def take_out(call: Call, shopper: Shopper) -> Response:
    wanted = set(call.fields().get("ids") or ()) | {value for name, value in call.request.query if name == "ids[]"}
    items: list[dict[str, Any]] = shopper.session.cart.setdefault("items", [])
    for identity in sorted(wanted - {one["id"] for one in items}):
        raise _no_line(identity)
    shopper.session.cart["items"] = [one for one in items if one["id"] not in wanted]
    return _cart(shopper)


def place(call: Call, shopper: Shopper) -> Response:
    identity, number = checkout.place(shopper, call.fields())
    call.document = number
    return answer(checkout.printed(call, identity))


def orders(call: Call, shopper: Shopper) -> Response:
    return answer(checkout.listed(call, shopper))


def pay(call: Call, shopper: Shopper) -> Response:
    """The methods installed here (invoice, paid in advance) take nothing online: the payment stays open."""
    body = call.fields()
    identity = str(body.get("orderId") or "")
    if not names.is_id(identity) or call.shop.raw("order", identity) is None:
        raise errors.failure(
            "CHECKOUT__ORDER_ORDER_NOT_FOUND", f'Order with id "{identity}" not found.', status=404,
            parameters={"orderId": identity},
        )  # fmt: skip
    return answer({"redirectUrl": body.get("finishUrl"), "apiAlias": "array_struct"})
