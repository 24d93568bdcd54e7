"""The front of a Shopware shop: baskets go through the Store API, as guests and as customers.

Each basket is a session of its own: log in, or register as a guest; fill the cart; choose how to pay and to ship;
order. What the cart takes out or cuts (gone, sold out, not enough left) the shopper leaves out; who has nothing left
leaves. A code that the shop does not take is no reason to leave. Cancellations are an administrator's, who uses the
integration's keys.

Nothing is paid online here: the shop's own methods leave a payment open, whatever the basket asks for.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx

from erp_sync.sandbox import shoppers
from erp_sync.sandbox.caller import Caller, Refused, decoded
from erp_sync.sandbox.catalogue import Basket, Catalogue, Line
from erp_sync.sandbox.people import Person, Place
from erp_sync.sandbox.shoppers import AGENT, Placed

PAYMENTS: Mapping[str, Sequence[str]] = {
    "purchaseorder": ("payment_invoicepayment",),
    "cashondelivery": ("payment_cashpayment", "payment_invoicepayment"),
    "checkmo": ("payment_prepayment",),
    "banktransfer": ("payment_prepayment",),
    "braintree": ("payment_prepayment",),
    "paypal_express": ("payment_prepayment",),
}
"""What a shop may have for a basket's method, the best first; without any of them the sales channel's own is taken."""
SHIPPINGS: Mapping[str, Sequence[str]] = {
    "flatrate_flatrate": ("shipping_standard",),
    "tablerate_bestway": ("shipping_standard",),
}
_TOKEN = "sw-context-token"
_MOST_LISTED = 100
_TRIES = 3  # of an order, each with what the shop has left of the cart


class TurnedAway(RuntimeError):
    """The shop does not sell to where the shopper lives."""


def fronts(
    base_url: str,
    credentials: Mapping[str, str],
    catalogue: Catalogue,
    ca_certificate: str | None = None,
    http: Any = None,
) -> Callable[[], Storefront]:
    """What opens a front of the default sales channel for each shopper; all of them know what one has looked at."""
    pages = _Pages()
    return lambda: Storefront(base_url, credentials, catalogue, pages, ca_certificate, http)


class Storefront(shoppers.Storefront):
    """The front of one sales channel.

    Arguments:
        base_url: of the shop, without path.
        credentials: ``access_key`` of the sales channel for shoppers; ``client_id`` and ``client_secret`` of an
            integration for the back office.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Mapping[str, str],
        catalogue: Catalogue,
        pages: _Pages | None = None,
        ca_certificate: str | None = None,
        http: Any = None,
    ) -> None:
        self._shop = Caller(base_url, AGENT, ca_certificate=ca_certificate, http=http)
        self._credentials, self._catalogue = credentials, catalogue
        self._pages = pages or _Pages()
        self._bearer: str | None = None

    def close(self) -> None:
        self._shop.close()

    def place(self, basket: Basket) -> Placed:
        """Check one basket out. Raises nothing that a shopper could meet: the reason is in the result."""
        left_out: list[Line] = []
        try:
            order_id = self._check_out(basket, left_out)
        except (Refused, TurnedAway, httpx.HTTPError) as error:
            return Placed(basket, None, time.time(), tuple(left_out), f"{type(error).__name__}: {error}")
        why = "" if order_id is not None else "nothing of the basket was to be had"
        return Placed(basket, order_id, time.time(), tuple(left_out), why)

    def cancel(self, order_id: str) -> bool:
        """Cancel an order in the back office; False when the shop says it cannot be cancelled any more."""
        try:
            self._office("POST", f"/api/_action/order/{order_id}/state/cancel", {"sendMail": False})
        except Refused as error:
            if _code(error) != "SYSTEM__ILLEGAL_STATE_TRANSITION":
                raise
            return False
        return True

    # -- a basket ----------------------------------------------------------------------------------------------------

    def _check_out(self, basket: Basket, left_out: list[Line]) -> str | None:
        visit = _Visit(self._shop, self._credentials["access_key"])
        context = self._enter(visit, basket)
        products = self._pages.products(visit, [line.sku for line in basket.lines])
        items = [
            {"type": "product", "referencedId": products[line.sku], "quantity": line.quantity}
            for line in basket.lines
            if line.sku in products
        ]
        cart: Any = {"lineItems": []}
        if items:
            cart = visit.json("POST", "checkout/cart/line-item", {"items": items})
        left_out[:] = _missing(basket.lines, products, cart)
        if not cart["lineItems"]:
            return None
        if basket.coupon:
            self._enter_code(visit, basket.coupon)
        context |= self._pages.method(visit, "payment", PAYMENTS.get(basket.payment, ()))
        context |= self._pages.method(visit, "shipping", SHIPPINGS.get(basket.shipping, ()))
        if context:
            visit.json("PATCH", "context", context)
        wishes = {"customerComment": basket.purchase_order} if basket.purchase_order else {}
        for tried in range(_TRIES):
            try:
                return str(visit.json("POST", "checkout/order", wishes)["id"])
            except Refused as error:
                if _code(error) != "CHECKOUT__CART_INVALID" or tried + 1 == _TRIES:
                    raise
            cart = visit.json("GET", "checkout/cart")
            left_out[:] = _missing(basket.lines, products, cart)
            if not cart["lineItems"]:
                break
        return None

    def _enter(self, visit: _Visit, basket: Basket) -> dict[str, str]:
        """Log in or register; returns the context's address where it is not that of the account."""
        customer = basket.customer
        if customer.registered:
            visit.json("POST", "account/login", {"username": customer.email, "password": customer.password})
            if basket.ship_to == customer.place:
                return {}
            return {"shippingAddressId": self._address_id(visit, customer, basket.ship_to)}
        person = {
            "guest": True, "email": customer.email, "firstName": customer.first_name, "lastName": customer.last_name,
            "acceptedDataProtection": True, "storefrontUrl": self._shop.base_url,
            "billingAddress": self._address(visit, customer, customer.place),
        }  # fmt: skip
        if basket.ship_to != customer.place:
            person["shippingAddress"] = self._address(visit, customer, basket.ship_to)
        visit.json("POST", "account/register", person)
        return {}

    def _address_id(self, visit: _Visit, customer: Person, place: Place) -> str:
        """Of the account's address there, which is added if it is none yet."""
        wanted = [_equals("street", place.street), _equals("zipcode", place.postcode), _equals("city", place.city)]
        known = visit.json("POST", "account/list-address", {"filter": wanted, "limit": 1})["elements"]
        if not known:
            known = [visit.json("POST", "account/address", self._address(visit, customer, place))]
        return str(known[0]["id"])

    def _address(self, visit: _Visit, customer: Person, place: Place) -> dict[str, Any]:
        return {
            "firstName": customer.first_name, "lastName": customer.last_name, "street": place.street,
            "zipcode": place.postcode, "city": place.city, "phoneNumber": customer.phone,
            **self._pages.country(visit, place.country, place.region),
        }  # fmt: skip

    def _enter_code(self, visit: _Visit, code: str) -> None:
        """A promotion's code goes into the cart as a line. Shops without promotions refuse the line."""
        item = {"type": "promotion", "referencedId": code, "quantity": 1}
        try:
            visit.json("POST", "checkout/cart/line-item", {"items": [item]})
        except Refused as error:
            if error.status != 400:
                raise

    # -- the back office ---------------------------------------------------------------------------------------------

    def _office(self, method: str, path: str, body: Any) -> Any:
        """A call of the Admin API; a token that has lapsed is replaced once."""
        fresh = self._bearer is None
        if self._bearer is None:
            self._bearer = self._token()
        try:
            return self._shop.json(method, path, body, bearer=self._bearer)
        except Refused as error:
            if error.status != 401 or fresh:
                raise
        self._bearer = self._token()
        return self._shop.json(method, path, body, bearer=self._bearer)

    def _token(self) -> str:
        keys = {name: self._credentials[name] for name in ("client_id", "client_secret")}
        return str(
            self._shop.json("POST", "/api/oauth/token", {"grant_type": "client_credentials", **keys})["access_token"]
        )


class _Visit:
    """One shopper's session; the token of every answer is taken up."""

    def __init__(self, shop: Caller, access_key: str) -> None:
        self._shop, self._headers = shop, {"sw-access-key": access_key}

    def json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._shop.send(method, f"/store-api/{path}", body, headers=self._headers)
        if token := answer.headers.get(_TOKEN):
            self._headers[_TOKEN] = token
        return decoded(answer)


class _Pages:
    """Products, countries and methods that any shopper has looked at, so that each is asked for once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._products: dict[str, str] = {}
        self._known: dict[tuple[str, ...], Any] = {}

    def _once(self, key: tuple[str, ...], ask: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._known:
                self._known[key] = ask()
            return self._known[key]

    def products(self, visit: _Visit, skus: Sequence[str]) -> dict[str, str]:
        """Ids of those that the shop shows, by SKU."""
        with self._lock:
            unknown = sorted(set(skus) - self._products.keys())
            for start in range(0, len(unknown), _MOST_LISTED):
                some = unknown[start : start + _MOST_LISTED]
                wanted = {"type": "equalsAny", "field": "productNumber", "value": some}
                found = visit.json("POST", "product", {"filter": [wanted], "limit": _MOST_LISTED})["elements"]
                self._products |= {one["productNumber"]: str(one["id"]) for one in found}
            return {sku: self._products[sku] for sku in skus if sku in self._products}

    def country(self, visit: _Visit, iso: str, region: str) -> dict[str, str]:
        """Ids of a country and of its state, where it has that. Raises TurnedAway."""
        wanted = {"filter": [_equals("iso", iso)]}
        countries = self._once(("country", iso), lambda: visit.json("POST", "country", wanted)["elements"])
        if not countries:
            raise TurnedAway(f"the shop does not sell to {iso}")
        identity = str(countries[0]["id"])
        states = self._once(
            ("states", iso),
            lambda: visit.json("POST", f"country-state/{identity}", {"limit": _MOST_LISTED})["elements"],
        )
        state = next((str(one["id"]) for one in states if one["shortCode"] == f"{iso}-{region}"), None)
        return {"countryId": identity, **({"countryStateId": state} if state else {})}

    def method(self, visit: _Visit, kind: str, wanted: Iterable[str]) -> dict[str, str]:
        """The context's setting for the first of these technical names that the shop has; without one none."""
        there = self._once((kind,), lambda: visit.json("POST", f"{kind}-method", {"limit": _MOST_LISTED})["elements"])
        ids = {one["technicalName"]: str(one["id"]) for one in there}
        return next(({f"{kind}MethodId": ids[name]} for name in wanted if name in ids), {})


def _missing(lines: Sequence[Line], products: Mapping[str, str], cart: Mapping[str, Any]) -> list[Line]:
    """What of the basket is not in the cart."""
    there: Counter[str] = Counter()
    for item in cart["lineItems"]:
        if item["type"] == "product":
            there[item["referencedId"]] += item["quantity"]
    missing = []
    for line in lines:
        product = products.get(line.sku, "")
        had = min(line.quantity, there[product])
        there[product] -= had
        if had < line.quantity:
            missing.append(Line(line.sku, line.quantity - had))
    return missing


def _code(error: Refused) -> str:
    """Of the first error that the shop named."""
    found = error.body.get("errors") if isinstance(error.body, dict) else None
    return str(found[0].get("code", "")) if found else ""


def _equals(field: str, value: str) -> dict[str, str]:
    return {"type": "equals", "field": field, "value": value}
