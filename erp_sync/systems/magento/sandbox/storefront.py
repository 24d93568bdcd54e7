"""The front of a Magento shop: baskets go through its checkout, as guests and as customers.

Each basket is an order through ``/V1/guest-carts`` or ``/V1/carts/mine``: cart, items, coupon, shipping information,
payment information. What the shop refuses (sold out, not enough left) the shopper leaves out; who has nothing left
leaves. Cancellations are an administrator's, who uses the integration's keys.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from erp_sync.sandbox import shoppers
from erp_sync.sandbox.caller import Caller, Refused
from erp_sync.sandbox.catalogue import Basket, Catalogue, Line
from erp_sync.sandbox.people import Person, Place
from erp_sync.sandbox.shoppers import AGENT, Placed


def fronts(
    base_url: str,
    credentials: Mapping[str, str],
    catalogue: Catalogue,
    ca_certificate: str | None = None,
    http: Any = None,
) -> Callable[[], Storefront]:
    """What opens a front of the default store view for each shopper; all of them know what one has looked at."""
    pages = _Pages()
    return lambda: Storefront(base_url, credentials, catalogue, "default", pages, ca_certificate, http)


class Storefront(shoppers.Storefront):
    """The front of one installation.

    Arguments:
        base_url: of the Magento installation, without ``/rest``.
        credentials: of an integration: the front reads product pages with them, and the back office cancels.
        store: store view code.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Mapping[str, str],
        catalogue: Catalogue,
        store: str = "default",
        pages: _Pages | None = None,
        ca_certificate: str | None = None,
        http: Any = None,
    ) -> None:
        self._caller = Caller(base_url, AGENT, credentials, ca_certificate=ca_certificate, http=http)
        self._shop = Caller(base_url, AGENT, ca_certificate=ca_certificate, http=http)
        self._catalogue, self._rest = catalogue, f"/rest/{store}/V1"
        self._pages = pages or _Pages()

    def close(self) -> None:
        self._caller.close()
        self._shop.close()

    def place(self, basket: Basket) -> Placed:
        """Check one basket out. Raises nothing that a shopper could meet: the reason is in the result."""
        left_out: list[Line] = []
        try:
            order_id = self._check_out(basket, left_out)
        except (Refused, httpx.HTTPError) as error:
            return Placed(basket, None, time.time(), tuple(left_out), f"{type(error).__name__}: {error}")
        why = "" if order_id is not None else "nothing of the basket was to be had"
        return Placed(basket, order_id, time.time(), tuple(left_out), why)

    def cancel(self, order_id: int) -> bool:
        """Cancel an order in the back office; False when the shop says it cannot be cancelled any more."""
        return self._caller.json("POST", f"{self._rest}/orders/{order_id}/cancel") is True

    def _check_out(self, basket: Basket, left_out: list[Line]) -> int | None:
        customer = basket.customer
        token = self._sign_in(customer) if customer.registered else None
        if token is None:
            quote_id = self._shop.json("POST", f"{self._rest}/guest-carts")
            cart = f"{self._rest}/guest-carts/{quote_id}"
        else:
            quote_id = str(self._shop.json("POST", f"{self._rest}/carts/mine", bearer=token))
            cart = f"{self._rest}/carts/mine"
        taken = 0
        for line in basket.lines:
            try:
                item = {"quote_id": quote_id, "sku": line.sku, "qty": line.quantity, **self._options(line)}
                self._shop.json("POST", f"{cart}/items", {"cartItem": item}, bearer=token)
                taken += 1
            except Refused as error:
                if error.status not in (400, 404):
                    raise
                left_out.append(line)
        if not taken:
            return None
        if basket.coupon:
            self._shop.json("PUT", f"{cart}/coupons/{quote(basket.coupon, safe='')}", bearer=token)
        ship_to, bill_to = self._address(customer, basket.ship_to), self._address(customer, customer.place)
        carrier, _, method = basket.shipping.partition("_")
        shipping = {
            "shipping_address": ship_to,
            "billing_address": bill_to,
            "shipping_carrier_code": carrier,
            "shipping_method_code": method,
        }
        self._shop.json("POST", f"{cart}/shipping-information", {"addressInformation": shipping}, bearer=token)
        payment: dict[str, Any] = {"method": basket.payment}
        if basket.purchase_order:
            payment["po_number"] = basket.purchase_order
        order: dict[str, Any] = {"paymentMethod": payment, "billing_address": bill_to}
        if token is None:
            order["email"] = customer.email
        return int(self._shop.json("POST", f"{cart}/payment-information", order, bearer=token))

    def _sign_in(self, customer: Person) -> str:
        body = {"username": customer.email, "password": customer.password}
        return str(self._shop.json("POST", f"{self._rest}/integration/customer/token", body))

    def _address(self, customer: Person, place: Place) -> dict[str, Any]:
        region_id, region = self._pages.region(self, place.country, place.region)
        return {
            "firstname": customer.first_name,
            "lastname": customer.last_name,
            "email": customer.email,
            "street": [place.street],
            "city": place.city,
            "region": region,
            "region_id": region_id,
            "region_code": place.region,
            "postcode": place.postcode,
            "country_id": place.country,
            "telephone": customer.phone,
        }

    def _options(self, line: Line) -> dict[str, Any]:
        """What the product page lets the shopper choose: the variant of a configurable, the parts of a bundle."""
        item = self._catalogue.by_sku[line.sku]
        if item.kind == "bundle":
            return {"product_option": {"extension_attributes": {"bundle_options": self._pages.bundle(self, line.sku)}}}
        if item.parent_sku:
            chosen = self._pages.variant(self, item.parent_sku, line.sku)
            option = {"extension_attributes": {"configurable_item_options": chosen}}
            return {"sku": item.parent_sku, "product_option": option}
        return {}

    def product(self, sku: str) -> dict[str, Any]:
        page: dict[str, Any] = self._caller.json("GET", f"{self._rest}/products/{quote(sku, safe='')}")
        return page

    def regions(self, country: str) -> list[dict[str, Any]]:
        found = self._shop.json("GET", f"{self._rest}/directory/countries/{country}")
        return list(found.get("available_regions") or ())


class _Pages:
    """Product pages and regions that any shopper has looked at, so that each is asked for once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], Any] = {}

    def _once(self, key: tuple[str, ...], ask: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._known:
                self._known[key] = ask()
            return self._known[key]

    def region(self, front: Storefront, country: str, code: str) -> tuple[int, str]:
        regions = self._once(("regions", country), lambda: front.regions(country))
        for region in regions:
            if region["code"] == code:
                return int(region["id"]), str(region["name"])
        return 0, code

    def bundle(self, front: Storefront, sku: str) -> list[dict[str, Any]]:
        page = self._once(("product", sku), lambda: front.product(sku))
        return [
            {
                "option_id": option["option_id"],
                "option_qty": int(option["product_links"][0]["qty"]),
                "option_selections": [int(option["product_links"][0]["id"])],
            }
            for option in page["extension_attributes"]["bundle_product_options"]
        ]

    def variant(self, front: Storefront, parent: str, sku: str) -> list[dict[str, Any]]:
        page = self._once(("product", parent), lambda: front.product(parent))
        child = self._once(("product", sku), lambda: front.product(sku))
        values = {str(attribute["value"]) for attribute in child["custom_attributes"]}
        return [
            {"option_id": str(option["attribute_id"]), "option_value": int(value["value_index"])}
            for option in page["extension_attributes"]["configurable_product_options"]
            for value in option["values"]
            if str(value["value_index"]) in values
        ]
