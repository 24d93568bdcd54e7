"""A sender that answers from a table of functions, and records of the vendor to answer with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

import httpx

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.systems.magento.capabilities import capabilities_of
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.connector import MagentoConnector
from erp_sync.transport.calls import Call, Reply, decode_json, encode_json

D = Decimal


class FakeSender:
    """Answers calls in process. `answer(method, path, function(call) -> body or TransportError)`."""

    behind_seconds = 0.0

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: list[tuple[str, str, Callable[[Call], Any]]] = []

    def answer(self, method: str, path: str, function: Callable[[Call], Any] | Any) -> None:
        self._answers.insert(0, (method, path, function if callable(function) else lambda call: function))

    def send(self, call: Call) -> Reply:
        self.calls.append(call)
        for method, path, function in self._answers:
            if call.method == method and call.path.endswith(f"/V1/{path}"):
                body = function(call)
                if isinstance(body, Exception):
                    raise body
                return Reply(status=200, headers=httpx.Headers(), content=encode_json(body), elapsed=0.0, url="")
        raise AssertionError(f"no answer for {call.method} {call.path}")

    def close(self) -> None: ...

    def made(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation]


def settings(**changes: Any) -> ConnectionSettings:
    return ConnectionSettings(
        name="magento_us",
        vendor="magento",
        base_url="https://shop.example",
        credentials={},
        settings={"website": "base", **changes},
    )


def connector(sender: FakeSender, lookups: Any = None, **changes: Any) -> MagentoConnector:
    from erp_sync.ports.lookups import Passthrough

    own = settings(**changes)
    return MagentoConnector(own, MagentoClient(sender), capabilities_of(own.settings), lookups or Passthrough())


def filters(call: Call) -> list[dict[str, str]]:
    """The filters of a search, flat: field, value, condition_type."""
    found: dict[str, dict[str, str]] = {}
    for name, value in call.params:
        stem, _, last = name.rpartition("[")
        if "[filters]" in stem:
            found.setdefault(stem, {})[last.rstrip("]")] = value
    return list(found.values())


def parameter(call: Call, name: str) -> str | None:
    return dict(call.params).get(name)


def search(records: list[dict[str, Any]]) -> Callable[[Call], dict[str, Any]]:
    """A search over records that understands the conditions the client uses, on plain text and numbers."""

    def compare(record: Mapping[str, Any], one: Mapping[str, str]) -> bool:
        value, wanted = record.get(one["field"]), one["value"]
        if isinstance(value, int) and one["condition_type"] != "in":
            return {"gt": value > int(wanted), "eq": value == int(wanted)}[one["condition_type"]]
        text = str(value)
        tests = {"gteq": text >= wanted, "lt": text < wanted, "eq": text == wanted, "in": text in wanted.split(",")}
        return tests[one["condition_type"]]

    def answer(call: Call) -> dict[str, Any]:
        groups: dict[str, list[dict[str, str]]] = {}
        for name, _ in call.params:
            if name.endswith("[field]") and "[filters]" in name:
                groups.setdefault(name.split("[filters]")[0], [])
        flat = dict(call.params)
        for name in flat:
            if name.endswith("[field]") and "[filters]" in name:
                stem = name[: -len("[field]")]
                groups[name.split("[filters]")[0]].append(
                    {
                        "field": flat[name],
                        "value": flat[f"{stem}[value]"],
                        "condition_type": flat[f"{stem}[condition_type]"],
                    }
                )
        found = [one for one in records if all(any(compare(one, f) for f in group) for group in groups.values())]
        sort = [flat[name] for name in flat if "[sortOrders]" in name and name.endswith("[field]")]
        found.sort(key=lambda one: tuple(one[field] for field in sort))
        size = int(flat.get("searchCriteria[pageSize]", len(found) or 1))
        page = int(flat.get("searchCriteria[currentPage]", 1))
        return {"items": found[(page - 1) * size : page * size], "search_criteria": {}, "total_count": len(found)}

    return answer


ADDRESS = {
    "address_type": "billing",
    "firstname": "Ada",
    "lastname": "Lovelace",
    "street": ["1 Main Street", "Apt 2"],
    "city": "Los Angeles",
    "region_code": "CA",
    "region": "California",
    "postcode": "90001",
    "country_id": "US",
    "telephone": "555-0100",
    "email": "ada@example.com",
}


def row(item_id: int, sku: str, **changes: Any) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "sku": sku,
        "name": f"Name of {sku}",
        "product_type": "simple",
        "qty_ordered": 1,
        "price": D("10"),
        "row_total": D("10"),
        **changes,
    }


def applied(item_id: int | None, *taxes: tuple[str, str, str], kind: str = "product") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": kind,
        "applied_taxes": [
            {
                "code": code,
                "title": code,
                "percent": D(percent),
                "amount": D(amount),
                "base_amount": D(amount),
                "extension_attributes": {"rates": [{"code": code, "title": code, "percent": D(percent)}]},
            }
            for code, percent, amount in taxes
        ],
    }
    if item_id is not None:
        entry["item_id"] = item_id
    return entry


def order(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A paid guest order of one row, as the vendor's REST gives it; `extensions` adds extension attributes."""
    extensions = changes.pop("extensions", {})
    address = deepcopy(ADDRESS)
    record = {
        "entity_id": 5,
        "increment_id": "000000005",
        "state": "processing",
        "status": "processing",
        "store_id": 1,
        "created_at": "2026-01-02 03:04:05",
        "updated_at": "2026-01-02 03:05:05",
        "order_currency_code": "USD",
        "base_currency_code": "USD",
        "customer_email": "ada@example.com",
        "customer_is_guest": 1,
        "customer_group_id": 0,
        "billing_address": address,
        "items": list(rows) or [row(11, "MUG")],
        "subtotal": D("10"),
        "grand_total": D("15"),
        "shipping_amount": 5,
        "shipping_description": "Flat Rate - Fixed",
        "payment": {"entity_id": 9, "method": "checkmo", "amount_ordered": D("15")},
        "extension_attributes": {
            "shipping_assignments": [
                {"shipping": {"address": {**address, "address_type": "shipping"}, "method": "flatrate_flatrate"}}
            ],
            **extensions,
        },
        **changes,
    }
    return decode_json(encode_json(record))
