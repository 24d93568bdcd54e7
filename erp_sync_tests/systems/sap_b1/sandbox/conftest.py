"""A company on a clock that stands still, driven without a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.core import Handled, Request
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.core import SapB1Sandbox

HOST = "https://sap.example:50000"
KEY = {"TableName": "ORDR", "Name": "ErpSyncKey", "Type": "db_Alpha", "Size": 50, "SubType": "st_None"}
CATALOGUE = {
    "locations": [{"code": "01", "name": "East Warehouse"}, {"code": "02", "name": "West Warehouse"}],
    "items": [
        {"sku": "BOLT", "name": "Bolt M8", "price": "10.50", "cost": "4.00", "weight": "0.8", "category": "Fasteners"},
        {"sku": "NUT", "name": "Nut M8", "price": "3.333", "manufacturer": "Acme"},
        {"sku": "MANUAL", "name": "Handbook", "price": "9.99", "kind": "non_inventory"},
        {"sku": "OLD", "name": "Discontinued", "price": "1.00", "active": False},
    ],
    "stock": [
        {"sku": "BOLT", "location": "01", "quantity": 50},
        {"sku": "BOLT", "location": "02", "quantity": 20},
        {"sku": "NUT", "location": "01", "quantity": 1000},
    ],
    "vat_groups": [{"Code": "S19", "Name": "19 %", "VatGroups_Lines": [{"Effectivefrom": "2020-01-01", "Rate": 19}]}],
    "business_partners": [{"CardCode": "C1", "CardName": "Works Ltd", "CardType": "cCustomer"}],
    "user_fields": [KEY],
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any
    handled: Handled

    @property
    def code(self) -> str:
        """The error's number as text, whichever version."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        message = self.body["error"]["message"]
        return message if isinstance(message, str) else message["value"]


class Company:
    """The company, past authentication."""

    def __init__(self, core: SapB1Sandbox, clock: ManualClock) -> None:
        self.core, self.clock = core, clock

    def call(self, method: str, path: str, body: Any = None, *, version: str = "v2", **headers: str) -> Answer:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request.build(method, f"{HOST}/b1s/{version}/{path}", headers=names, body=content)
        self.seen(request, handled := self.core.handle(request))
        text = handled.response.body
        is_json = "json" in handled.response.headers.get("content-type", "")
        parsed = json.loads(text, parse_float=Decimal) if text and is_json else text.decode() or None
        return Answer(handled.response.status, handled.response.headers, parsed, handled)

    def seen(self, request: Request, handled: Handled) -> None:
        """Every exchange, for tests that look at all of them."""

    def get(self, path: str, *, version: str = "v2", **headers: str) -> Any:
        answer = self.call("GET", path, version=version, **headers)
        assert answer.status == 200, answer.body
        return answer.body

    def rows(self, path: str, **kinds: Any) -> list[dict[str, Any]]:
        """A page of a collection, without annotations."""
        return [
            {name: value for name, value in row.items() if "odata" not in name}
            for row in self.get(path, **kinds)["value"]
        ]

    def made(self, entity_set: str, body: Any) -> dict[str, Any]:
        answer = self.call("POST", entity_set, body)
        assert answer.status == 201, answer.body
        return answer.body

    def changed(self, path: str, body: Any, **headers: str) -> None:
        answer = self.call("PATCH", path, body, **headers)
        assert answer.status == 204, answer.body

    def done(self, path: str, body: Any = None) -> None:
        answer = self.call("POST", path, body)
        assert answer.status == 204, answer.body

    def order(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self.made("Orders", order_body(*lines, **fields))

    def stock(self, item: str, warehouse: str = "01") -> tuple[Decimal, Decimal]:
        """What is there and what is committed."""
        rows = self.get(f"Items('{item}')")["ItemWarehouseInfoCollection"]
        row = next(row for row in rows if row["WarehouseCode"] == warehouse)
        return row["InStock"], row["Committed"]


def order_body(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    rows = list(lines) or [{"ItemCode": "BOLT", "Quantity": 2, "UnitPrice": 10}]
    return {"CardCode": "C1", "DocDueDate": "2026-12-01", "DocumentLines": rows, **fields}


@pytest.fixture
def make_company():
    """Companies with options, closed after the test."""
    made = []

    def make(kind: type[Company] = Company, **options: Any) -> Company:
        clock = ManualClock()
        core = create(":memory:", clock, options)
        made.append(core)
        core.seed(CATALOGUE)
        return kind(core, clock)

    yield make
    for core in made:
        core.store.close()


@pytest.fixture
def company(make_company) -> Company:
    return make_company()
