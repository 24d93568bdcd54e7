"""Shoppers of the Store API."""

from __future__ import annotations

import itertools
from typing import Any

from erp_sync.systems.shopware.sandbox.bootstrap import country
from erp_sync_tests.systems.shopware.sandbox.conftest import Answer, ShopUnderTest

_TOKENS = itertools.count(1)


class Shopper:
    """One session; every answer's context token is taken up."""

    def __init__(self, shop: ShopUnderTest) -> None:
        self.shop, self.token = shop, f"invented-{next(_TOKENS)}"

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        request = self.shop.request(
            method, f"/store-api/{path}", body, sw_access_key=self.shop.keys["access_key"], sw_context_token=self.token
        )
        answer = self.shop.send(request)
        self.token = answer.response.headers.get("sw-context-token", self.token)
        return answer

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.send(method, path, body)
        assert answer.status < 300, answer
        return answer.body

    def log_in(self, email: str = "grace@example.com", password: str = "Password1") -> Shopper:
        self.call("POST", "account/login", {"username": email, "password": password})
        return self

    def register_guest(self, **more: Any) -> Any:
        place = {"street": "1 Main St", "city": "Dayton", "zipcode": "45402", "countryId": country("US")}
        body = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "guest": True, **more}
        return self.call("POST", "account/register", {"billingAddress": place, **body})

    def add(self, sku: str, quantity: int = 1) -> Any:
        product = self.shop.product(sku)["id"]
        item = {"type": "product", "referencedId": product, "quantity": quantity}
        return self.call("POST", "checkout/cart/line-item", {"items": [item]})

    def order(self, *lines: tuple[str, int]) -> Any:
        for sku, quantity in lines:
            self.add(sku, quantity)
        return self.call("POST", "checkout/order", {})

    def page(self, sku: str = "MUG") -> Any:
        """A product's page."""
        return self.call("POST", f"product/{self.shop.product(sku)['id']}", {})["product"]

    def unit(self, sku: str, quantity: int) -> Any:
        """Unit price of a product in a cart of its own."""
        self.call("DELETE", "checkout/cart")
        (line,) = self.add(sku, quantity)["lineItems"]
        return line["price"]["unitPrice"]
