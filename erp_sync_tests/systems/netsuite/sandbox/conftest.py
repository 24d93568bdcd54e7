"""An account on a clock that stands still, driven without a socket."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.core import Handled, Request
from erp_sync.systems.netsuite.sandbox import create, schema
from erp_sync.systems.netsuite.sandbox.auth import Authority
from erp_sync.systems.netsuite.sandbox.core import NetSuiteSandbox
from erp_sync.systems.netsuite.sandbox.store import Store

RECORDS = "/services/rest/record/v1"
HOST = "https://1234567-sb1.suitetalk.api.netsuite.com"

CATALOGUE = {
    "locations": [{"code": "east", "name": "East Warehouse"}, {"code": "west", "name": "West Warehouse"}],
    "items": [
        {"sku": "MUG", "name": "Mug", "price": "10.50", "cost": "4.00", "weight": "0.8"},
        {"sku": "TEA", "name": "Tea", "price": "3.333", "cost": "1.10"},
        {"sku": "EBOOK", "name": "E-book", "price": "9.99", "kind": "non_inventory"},
        {"sku": "OLD", "name": "Discontinued", "price": "1.00", "active": False},
    ],
    "stock": [
        {"sku": "MUG", "location": "east", "quantity": 5},
        {"sku": "MUG", "location": "west", "quantity": 2},
        {"sku": "TEA", "location": "east", "quantity": 100},
    ],
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any
    handled: Handled

    @property
    def id(self) -> str:
        """Internal id at the end of Location."""
        return self.headers["location"].rpartition("/")[2]

    @property
    def error(self) -> dict[str, Any]:
        return self.body["o:errorDetails"][0]


class Account:
    """The account, past authentication."""

    def __init__(self, core: NetSuiteSandbox, clock: ManualClock) -> None:
        self.core, self.clock = core, clock

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            names.setdefault("content-type", "application/json")
        request = Request.build(method, HOST + path, headers=names, body=content)
        handled = self.core.handle(request)
        text = handled.response.body
        parsed = json.loads(text, parse_float=Decimal) if text else None
        return Answer(handled.response.status, handled.response.headers, parsed, handled)

    def post(self, record: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", f"{RECORDS}/{record}", body, **headers)

    def patch(self, record: str, body: Any, **headers: str) -> Answer:
        return self.call("PATCH", f"{RECORDS}/{record}", body, **headers)

    def get(self, path: str) -> Any:
        answer = self.call("GET", f"{RECORDS}/{path}")
        assert answer.status == 200, answer.body
        return answer.body

    def full(self, path: str) -> Any:
        return self.get(f"{path}?expandSubResources=true")

    def made(self, record: str, body: Any) -> str:
        """Internal id of a record that must be created."""
        answer = self.post(record, body)
        assert answer.status == 204, answer.body
        return answer.id

    def changed(self, path: str, body: Any) -> None:
        answer = self.patch(path, body)
        assert answer.status == 204, answer.body

    def query(self, sql: str, limit: int = 1000, offset: int = 0) -> Answer:
        path = f"/services/rest/query/v1/suiteql?limit={limit}&offset={offset}"
        return self.call("POST", path, {"q": sql}, prefer="transient")

    def rows(self, sql: str) -> list[dict[str, str]]:
        answer = self.query(sql)
        assert answer.status == 200, answer.body
        return [{name: value for name, value in row.items() if name != "links"} for row in answer.body["items"]]

    def item(self, sku: str) -> str:
        return str(self.core.store.value("SELECT id FROM item WHERE itemid = ?", sku))

    def location(self, code: str) -> str:
        return str(self.core.store.value("SELECT id FROM location WHERE externalid = ?", code))

    def customer(self, external_id: str = "c-1", **fields: Any) -> str:
        return self.made("customer", {**PERSON, "externalId": external_id, **fields})

    def order(
        self, lines: list[tuple[str, int]], *, external_id: str = "o-1", customer: str = "", **fields: Any
    ) -> str:
        """An approved order from the east warehouse."""
        if not customer:
            found = self.core.store.value("SELECT id FROM customer WHERE externalid = 'c-1'")
            customer = str(found) if found else self.customer()
        items = [{"item": {"id": self.item(sku)}, "quantity": quantity} for sku, quantity in lines]
        body = {
            "externalId": external_id,
            "entity": {"id": customer},
            "orderStatus": {"id": "B"},
            "location": {"id": self.location("east")},
            "item": {"items": items},
            **fields,
        }
        return self.made("salesOrder", body)

    def stock(self, sku: str, code: str = "east") -> dict[str, Decimal]:
        row = self.core.store.one(
            "SELECT * FROM aggregateitemlocation WHERE item = ? AND location = ?", self.item(sku), self.location(code)
        )
        names = ("quantityonhand", "quantitycommitted", "quantityavailable", "quantitybackordered")
        return {name.removeprefix("quantity"): Decimal(row[name]) for name in names}

    def status(self, transaction: str) -> str:
        return self.core.store.value('SELECT status FROM "transaction" WHERE id = ?', transaction)


PERSON = {
    "isPerson": True,
    "firstName": "Ada",
    "lastName": "Lovelace",
    "email": "ada@example.org",
    "subsidiary": {"id": "1"},
    "addressBook": {
        "items": [
            {
                "label": "Home",
                "defaultShipping": True,
                "defaultBilling": True,
                "addressBookAddress": {
                    "addressee": "Ada Lovelace",
                    "addr1": "1 Main St",
                    "city": "Dayton",
                    "state": "OH",
                    "zip": "45402",
                    "country": {"id": "US"},
                },
            }
        ]
    },
}


@pytest.fixture(scope="session")
def certificates():
    """Made once: an RSA key of 3072 bits takes its time."""
    return Authority._new_certificates()


@pytest.fixture(autouse=True)
def same_certificates(monkeypatch, certificates):
    monkeypatch.setattr(Authority, "_new_certificates", staticmethod(lambda: certificates))


@pytest.fixture(scope="session")
def opened() -> sqlite3.Connection:
    """An account with its tables, lists and periods and nothing else: what costs most of a short test."""
    return create(":memory:", ManualClock(), {}).store.connection


@pytest.fixture(autouse=True)
def accounts_are_copies(monkeypatch, opened):
    """Accounts in memory begin as copies of one; those in files are made anew."""
    made_anew = schema.create

    def create_tables(store: Store) -> None:
        if store.path == ":memory:":
            opened.backup(store.connection)
        else:
            made_anew(store)

    monkeypatch.setattr(schema, "create", create_tables)


@pytest.fixture
def make_account():
    """Accounts with options, closed after the test."""
    made = []

    def make(**options: Any) -> Account:
        clock = ManualClock()
        core = create(":memory:", clock, options)
        made.append(core)
        core.seed(CATALOGUE)
        return Account(core, clock)

    yield make
    for core in made:
        core.store.close()


@pytest.fixture
def account(make_account) -> Account:
    return make_account()
