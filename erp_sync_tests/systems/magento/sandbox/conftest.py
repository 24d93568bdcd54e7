"""A Magento shop on a clock that stands still, driven without a socket; every exchange is checked by the contract."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.core import Handled, Request
from erp_sync.sandbox.journal import Call
from erp_sync.systems.magento.sandbox import contract_book
from erp_sync.systems.magento.sandbox.core import MagentoSandbox

_encoder = msgspec.json.Encoder(decimal_format="number")
HOST = "https://shop.example.com"
BOOK = contract_book({})

LOS_ANGELES: dict[str, Any] = {
    "firstname": "Ada",
    "lastname": "Byron",
    "email": "ada@example.com",
    "street": ["1 Main Street", "Floor 2"],
    "city": "Los Angeles",
    "region": "California",
    "region_id": 12,
    "region_code": "CA",
    "postcode": "90001",
    "country_id": "US",
    "telephone": "555-0100",
}

CATALOGUE: dict[str, Any] = {
    "locations": [{"code": "east", "name": "East"}, {"code": "west", "name": "West"}],
    "items": [
        {"sku": "MUG", "name": "Mug", "price": "29.95", "cost": "12.10", "weight": "1", "category": "Home/Kitchen",
         "manufacturer": "Acme"},
        {"sku": "TEA", "name": "Tea", "price": "3.33", "weight": "0.5"},
        {"sku": "EBOOK", "name": "E-book", "kind": "virtual", "price": "9.99"},
        {"sku": "SHIRT", "name": "Shirt", "kind": "configurable"},
        {"sku": "SHIRT-S", "name": "Shirt S", "price": "15.00", "parent_sku": "SHIRT", "options": {"size": "S"}},
        {"sku": "SHIRT-M", "name": "Shirt M", "price": "16.00", "parent_sku": "SHIRT", "options": {"size": "M"}},
        {"sku": "SET", "name": "Tea set", "kind": "bundle",
         "components": [{"sku": "MUG", "quantity": 2}, {"sku": "TEA", "quantity": 3}]},
        {"sku": "OLD", "name": "Discontinued", "price": "1.00", "active": False},
    ],
    "stock": [
        {"sku": "MUG", "location": "east", "quantity": "10"},
        {"sku": "MUG", "location": "west", "quantity": "5"},
        {"sku": "TEA", "location": "east", "quantity": "100"},
        {"sku": "EBOOK", "location": "east", "quantity": "50"},
        {"sku": "SHIRT-S", "location": "west", "quantity": "3"},
        {"sku": "SHIRT-M", "location": "west", "quantity": "0"},
    ],
    "customers": [
        {"email": "grace@example.com", "first_name": "Grace", "last_name": "Hopper", "password": "Password1",
         "addresses": [{"street": ["2 Oak"], "city": "Austin", "region": "TX", "postcode": "78701", "country": "US"}]}
    ],
    "coupons": [{"code": "TEN", "name": "Ten percent", "action": "by_percent", "amount": "10"}],
    "gift_cards": [{"code": "GIFT-0001", "balance": "20.00"}],
    "store_credit": [{"email": "grace@example.com", "amount": "5.00"}],
}  # fmt: skip


@dataclass
class Answer:
    status: int
    body: Any
    handled: Handled | None

    @property
    def message(self) -> str:
        return str(self.body["message"])


class _Copy(MagentoSandbox):
    """A shop that is a copy of a stocked one: to install and to stock each anew takes most of a short test."""

    def _install(self) -> None:
        options = asdict(self.shop.options) | {"events_url": ""}  # nothing is sent by stocking a shop
        _stocked(json.dumps(options), self.shop.clock.now()).backup(self.shop.database._connection)


@cache
def _stocked(options: str, at: datetime) -> sqlite3.Connection:
    original = MagentoSandbox(":memory:", ManualClock(at), json.loads(options))
    original.seed(CATALOGUE)
    return original.shop.database._connection


class ShopUnderTest:
    """Calls the core the way the kit's server does. `as_user` is "integration", a bearer token, or "" for nobody.

    It has the catalogue. Calls of the integration are signed, which takes longer than most answers: where the shop
    takes its token alone, only those with a query or something escaped in their path.
    """

    def __init__(self, clock: ManualClock, options: dict[str, Any]) -> None:
        self.clock, self.core = clock, _Copy(":memory:", clock, options)
        self.check = ContractCheck(BOOK)
        keys = self.core.status()["credentials"]
        self._token: str = keys["access_token"] if self.core.shop.options.integration_as_bearer else ""
        self._signer: Callable[[], Client] = lambda: Client(
            keys["consumer_key"],
            client_secret=keys["consumer_secret"],
            resource_owner_key=keys["access_token"],
            resource_owner_secret=keys["access_token_secret"],
            signature_method=SIGNATURE_HMAC_SHA256,
            timestamp=str(int(clock.wall().timestamp())),
        )

    @property
    def database(self) -> Any:
        return self.core.shop.database

    def request(
        self, method: str, path: str, body: Any = None, *, as_user: str = "integration", rest: str = "/rest/default"
    ) -> Request:
        url = HOST + quote(f"{rest}{path}", safe="/?=&%,:-_.~")
        headers = {"content-type": "application/json"} if body is not None else {}
        if as_user == "integration" and self._token and not set(url) & {"?", "%"}:
            headers["authorization"] = f"Bearer {self._token}"
        elif as_user == "integration":
            _, signed, _ = self._signer().sign(url, http_method=method)
            headers["authorization"] = signed["Authorization"]
        elif as_user:
            headers["authorization"] = f"Bearer {as_user}"
        raw = _encoder.encode(body) if body is not None else b""
        return Request.build(method, url, headers=headers, body=raw)

    def send(self, request: Request) -> Answer:
        endpoint = self.core.classify(request)
        response, handled = self.core.authenticate(request), None
        if response is None:
            response = self.core.admit(request, 0)
        if response is None:
            handled = self.core.handle(request)
            response = handled.response
        call = Call(0.0, "", request.method, request.path, "", "", endpoint.name, endpoint.kind, 0)
        if handled is None or response.status < 400:
            assert self.check.check(call, request, response) == []
        return Answer(response.status, json.loads(response.body, parse_float=Decimal), handled)

    def call(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """The body of a call that must succeed."""
        answer = self.send(self.request(method, path, body, **how))
        assert answer.status < 300, answer
        return answer.body

    def refused(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        answer = self.send(self.request(method, path, body, **how))
        assert answer.status >= 400, answer
        return answer

    # -- shoppers ------------------------------------------------------------------------------------------------

    def option(self, code: str, label: str) -> dict[str, Any]:
        row = self.database.row(
            "SELECT attribute_id, option_id FROM eav_attribute_option JOIN eav_attribute USING (attribute_id) "
            "WHERE attribute_code = ? AND label = ?",
            [code, label],
        )
        return {"option_id": str(row["attribute_id"]), "option_value": row["option_id"]}

    def item(self, sku: str, quantity: Any = 1, **option: Any) -> dict[str, Any]:
        item: dict[str, Any] = {"sku": sku, "qty": quantity, "quote_id": "1"}
        if option:
            item["product_option"] = {"extension_attributes": option}
        return item

    def tea_set(self, quantity: int = 1) -> dict[str, Any]:
        page = self.call("GET", "/V1/products/SET")
        chosen = [
            {
                "option_id": option["option_id"],
                "option_qty": 1,
                "option_selections": [int(option["product_links"][0]["id"])],
            }
            for option in page["extension_attributes"]["bundle_product_options"]
        ]
        return self.item("SET", quantity, bundle_options=chosen)

    def shirt(self, size: str = "S", quantity: int = 1) -> dict[str, Any]:
        return self.item("SHIRT", quantity, configurable_item_options=[self.option("size", size)])

    def cart(self, *items: dict[str, Any], address: dict[str, Any] | None = None, **how: Any) -> str:
        """A cart with items, addresses and the flat rate; returns its path."""
        if how.get("as_user"):
            self.call("POST", "/V1/carts/mine", **how)
            cart = "/V1/carts/mine"
        else:
            how = {"as_user": ""}
            cart = f"/V1/guest-carts/{self.call('POST', '/V1/guest-carts', **how)}"
        for item in items:
            self.call("POST", f"{cart}/items", {"cartItem": item}, **how)
        if any(item["sku"] != "EBOOK" for item in items):
            place = address or LOS_ANGELES
            shipping = {"shipping_address": place, "billing_address": place}
            shipping |= {"shipping_carrier_code": "flatrate", "shipping_method_code": "flatrate"}
            self.call("POST", f"{cart}/shipping-information", {"addressInformation": shipping}, **how)
        return cart

    def pay(self, cart: str, method: str = "checkmo", *, as_user: str = "", **payment: Any) -> int:
        body: dict[str, Any] = {"paymentMethod": {"method": method, **payment}, "billingAddress": LOS_ANGELES}
        if not as_user:
            body["email"] = "ada@example.com"
        return int(self.call("POST", f"{cart}/payment-information", body, as_user=as_user))

    def order(self, *items: dict[str, Any], method: str = "checkmo", **payment: Any) -> dict[str, Any]:
        """An order of a guest, as the API prints it."""
        order_id = self.pay(self.cart(*items), method, **payment)
        found: dict[str, Any] = self.call("GET", f"/V1/orders/{order_id}")
        return found

    def sign_in(self, email: str = "grace@example.com", password: str = "Password1") -> str:
        body = {"username": email, "password": password}
        return str(self.call("POST", "/V1/integration/customer/token", body, as_user=""))

    # -- looking -------------------------------------------------------------------------------------------------

    def source(self, sku: str, code: str) -> Decimal:
        found: Decimal = self.database.value(
            "SELECT quantity FROM inventory_source_item WHERE sku = ? AND source_code = ?", [sku, code]
        )
        return found

    def salable(self, sku: str) -> Decimal:
        return Decimal(self.call("GET", f"/V1/inventory/get-product-salable-quantity/{sku}/2"))

    def reserved(self, sku: str) -> Decimal:
        rows = self.database.column("SELECT quantity FROM inventory_reservation WHERE sku = ?", [sku])
        return sum(rows, Decimal(0))

    def mails(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.database.rows("SELECT * FROM sandbox_mail WHERE kind = ?", [kind])
        return found


def search(*filters: tuple[str, str, str], **more: Any) -> str:
    """A searchCriteria query; filters in AND."""
    parts = []
    for number, (name, condition, value) in enumerate(filters):
        place = f"searchCriteria[filter_groups][{number}][filters][0]"
        parts += [
            f"{place}[field]={name}",
            f"{place}[value]={quote(value, safe='')}",
            f"{place}[condition_type]={condition}",
        ]
    parts += [f"searchCriteria[{name}]={value}" for name, value in more.items()]
    return "?" + "&".join(parts or ["searchCriteria="])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_shop(clock: ManualClock) -> Iterator[Callable[..., ShopUnderTest]]:
    """Makes shops with options, stocked with the catalogue."""
    shops: list[ShopUnderTest] = []

    def make(**options: Any) -> ShopUnderTest:
        shop = ShopUnderTest(clock, {"float_noise": False, "integration_as_bearer": True, **options})
        shops.append(shop)
        return shop

    yield make
    for shop in shops:
        assert not shop.check.violations
        shop.database.close()


@pytest.fixture
def shop(open_shop: Callable[..., ShopUnderTest]) -> ShopUnderTest:
    return open_shop()


@pytest.fixture
def commerce(open_shop: Callable[..., ShopUnderTest]) -> ShopUnderTest:
    return open_shop(edition="commerce")
