"""A shop on a clock that stands still, driven without a socket; every exchange is checked by the contract."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.core import Handled, Request, Response
from erp_sync.sandbox.journal import Call
from erp_sync.systems.shopware.sandbox import contract_book
from erp_sync.systems.shopware.sandbox.core import ShopwareSandbox

_encoder = msgspec.json.Encoder(decimal_format="number")
HOST = "https://shop.example.com"
USD = "b7d2554b0ce847cd82f3ac9bd1c0dfca"
BOOK = contract_book({})

CATALOGUE: dict[str, Any] = {
    "items": [
        {"sku": "MUG", "name": "Mug", "price": "29.95", "cost": "12.10", "weight": "1", "category": "Home/Kitchen",
         "manufacturer": "Acme"},
        {"sku": "TEA", "name": "Tea", "price": "3.33", "weight": "0.5"},
        {"sku": "SHIRT", "name": "Shirt", "kind": "configurable"},
        {"sku": "SHIRT-S", "name": "Shirt S", "price": "15.00", "parent_sku": "SHIRT", "options": {"size": "S"}},
        {"sku": "SHIRT-M", "name": "Shirt M", "price": "16.00", "parent_sku": "SHIRT", "options": {"size": "M"}},
        {"sku": "OLD", "name": "Discontinued", "price": "1.00", "active": False},
    ],
    "stock": [
        {"sku": "MUG", "location": "east", "quantity": "10"},
        {"sku": "MUG", "location": "west", "quantity": "5"},
        {"sku": "TEA", "location": "east", "quantity": "100"},
        {"sku": "SHIRT-S", "location": "west", "quantity": "3"},
    ],
    "customers": [
        {"email": "grace@example.com", "first_name": "Grace", "last_name": "Hopper", "password": "Password1",
         "addresses": [{"street": ["2 Oak"], "city": "Austin", "region": "TX", "postcode": "78701", "country": "US"}]}
    ],
}  # fmt: skip


@dataclass
class Answer:
    status: int
    body: Any
    response: Response
    handled: Handled | None

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["errors"][0]
        return found

    @property
    def pointers(self) -> list[str]:
        return [one["source"]["pointer"] for one in self.body["errors"]]


class _Copy(ShopwareSandbox):
    """A shop that is a copy of a stocked one: to install and to stock each anew takes most of a short test."""

    def _install(self) -> None:
        _stocked(json.dumps(self._options, default=list, sort_keys=True)).backup(self.shop.database.connection)

    def __init__(self, clock: ManualClock, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__(":memory:", clock, options)


@cache
def _stocked(options: str) -> sqlite3.Connection:
    original = ShopwareSandbox(":memory:", ManualClock(), json.loads(options))
    original.status()
    original.seed(CATALOGUE)
    return original.shop.database.connection


class ShopUnderTest:
    """Calls the core the way the kit's server does, as the integration unless told otherwise."""

    def __init__(self, clock: ManualClock, options: dict[str, Any]) -> None:
        self.clock, self.core = clock, _Copy(clock, options)
        self.check = ContractCheck(BOOK)
        self.keys: dict[str, str] = self.core.status()["credentials"]
        self._token, self._held_until = "", clock.wall()

    @property
    def database(self) -> Any:
        return self.core.shop.database

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Request:
        sent = {"accept": "application/json", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if path.startswith("/api") and "authorization" not in sent and "oauth" not in path:
            sent["authorization"] = f"Bearer {self.token()}"
        raw = _encoder.encode(body) if body is not None else b""
        return Request.build(method, HOST + path, headers=sent, body=raw)

    def token(self, **given: str) -> str:
        """An access token, the same for as long as it holds."""
        if self.clock.wall() >= self._held_until or given:
            self._token = self.call("POST", "/api/oauth/token", self.grant(**given))["access_token"]
            self._held_until = self.clock.wall() + timedelta(seconds=600)
        return self._token

    def grant(self, **given: str) -> dict[str, str]:
        keys = {name: self.keys[name] for name in ("client_id", "client_secret")}
        return {"grant_type": "client_credentials", **keys, **given}

    def send(self, request: Request) -> Answer:
        endpoint = self.core.classify(request)
        response, handled = self.core.authenticate(request), None
        if response is None:
            response = self.core.admit(request, 0)
        if response is None:
            handled = self.core.handle(request)
            response = handled.response
        call = Call(0.0, "", request.method, request.path, "", "", endpoint.name, endpoint.kind, 0)
        if endpoint.name != "unknown":
            found = self.check.check(call, request, response)
            wrong = [one for one in found if one.side == "response" or response.status < 400]
            assert wrong == [], wrong
        body = json.loads(response.body, parse_float=Decimal) if response.body else None
        return Answer(response.status, body, response, handled)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of a call that must succeed."""
        answer = self.send(self.request(method, path, body, **headers))
        assert answer.status < 300, answer
        return answer.body

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = self.send(self.request(method, path, body, **headers))
        assert answer.status >= 400, answer
        return answer

    # -- short ways ----------------------------------------------------------------------------------------------

    def search(self, entity: str, *filters: dict[str, Any], **criteria: Any) -> list[dict[str, Any]]:
        names = {name.replace("_", "-"): value for name, value in criteria.items()}
        found: list[dict[str, Any]] = self.call("POST", f"/api/search/{entity}", {"filter": list(filters), **names})[
            "data"
        ]
        return found

    def product(self, sku: str = "MUG", **criteria: Any) -> dict[str, Any]:
        (found,) = self.search("product", equals("productNumber", sku), **criteria)
        return found

    def sync(self, *operations: dict[str, Any], **headers: str) -> Any:
        return self.call("POST", "/api/_action/sync", list(operations), **headers)

    def upsert(self, entity: str, *rows: dict[str, Any], **headers: str) -> Any:
        return self.sync({"entity": entity, "action": "upsert", "payload": list(rows)}, **headers)


def equals(field: str, value: Any) -> dict[str, Any]:
    return {"type": "equals", "field": field, "value": value}


def price(gross: Any, net: Any = None, currency: str = USD) -> dict[str, Any]:
    return {"currencyId": currency, "gross": gross, "net": gross if net is None else net, "linked": False}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_shop(clock: ManualClock) -> Iterator[Callable[..., ShopUnderTest]]:
    """Makes shops with options, stocked with the catalogue."""
    shops: list[ShopUnderTest] = []

    def make(**options: Any) -> ShopUnderTest:
        shop = ShopUnderTest(clock, options)
        shops.append(shop)
        return shop

    yield make
    for shop in shops:
        shop.core.close()


@pytest.fixture
def shop(open_shop: Callable[..., ShopUnderTest]) -> ShopUnderTest:
    return open_shop()
