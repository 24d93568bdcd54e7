"""A sender that answers searches over records which a test gives, and whatever else a test scripts.

No Shopware: it keeps no rules of an order. Its filters follow shopware/docs search-criteria: conditions of one group
about the same list hold for one of its elements (core: JoinGroupBuilder).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import httpx

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups, Passthrough
from erp_sync.systems.shopware.capabilities import capabilities_of
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.connector import ShopwareConnector
from erp_sync.transport.calls import Call, Reply, encode_json

Answer = Callable[[Call], Any] | Any


def settings(**changes: Any) -> ConnectionSettings:
    return ConnectionSettings(
        name="shopware_de",
        vendor="shopware",
        base_url="https://shop.example",
        credentials={"client_id": "SWIAKEY", "client_secret": "s3cret"},
        settings=changes,
    )


class Shop:
    """Records by entity (snake_case), and calls as they came. `before` runs before each search: a shop at work."""

    behind_seconds = 0.0

    def __init__(self, **records: list[dict[str, Any]]) -> None:
        self.records = records
        self.calls: list[Call] = []
        self.before: Callable[[int], None] = lambda number: None
        self._answers: list[tuple[str, str, Answer]] = []

    def answer(self, method: str, pattern: str, answer: Answer) -> None:
        """The last one added is asked first; an exception is raised, a `Reply` given as it is, else it is a body."""
        self._answers.insert(0, (method, pattern, answer))

    def send(self, call: Call) -> Reply:
        self.calls.append(call)
        for method, pattern, answer in self._answers:
            if call.method == method and re.fullmatch(pattern, call.path.removeprefix("/api/")):
                return given(answer(call) if callable(answer) else answer)
        if call.path.startswith("/api/search/"):
            self.before(len(self.made("search")))
            entity = call.path.rpartition("/")[2].replace("-", "_")
            if entity in self.records:
                return given(found(self.records[entity], call.json))
        raise AssertionError(f"no answer for {call.method} {call.path}")

    def close(self) -> None: ...

    def made(self, part: str) -> list[Call]:
        return [call for call in self.calls if part in call.path]

    def connector(self, lookups: Lookups | None = None, **changes: Any) -> ShopwareConnector:
        own = settings(**changes)
        return ShopwareConnector(own, ShopwareClient(self), capabilities_of(own.settings), lookups or Passthrough())


def given(body: Any) -> Reply:
    if isinstance(body, Exception):
        raise body
    if isinstance(body, Reply):
        return body
    content = b"" if body is None else encode_json(body)
    return Reply(status=200, headers=httpx.Headers(), content=content, elapsed=0.0, url="")


def found(records: list[dict[str, Any]], criteria: Mapping[str, Any]) -> dict[str, Any]:
    """One page. ``total`` counts its rows: that is what the vendor says without total-count-mode."""
    rows = [one for one in records if "ids" not in criteria or one["id"] in criteria["ids"]]
    rows = [one for one in rows if holds(one, {"type": "multi", "queries": criteria.get("filter", [])})]
    for sort in reversed(criteria.get("sort", [])):
        rows.sort(key=lambda one: one[sort["field"]], reverse=sort.get("order") == "DESC")
    page = rows[: criteria.get("limit", 500)]
    return {"total": len(page), "data": deepcopy(page), "aggregations": []}


def holds(record: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    if query["type"] == "multi":
        whether = any if query.get("operator") == "or" else all
        if whether is all and len(query["queries"]) > 1:
            return _all_hold(record, query["queries"])
        return whether(holds(record, one) for one in query["queries"])
    return any(_holds(value, query) for value in values(record, query["field"]))


def _all_hold(record: Mapping[str, Any], queries: list[Mapping[str, Any]]) -> bool:
    """All of them; those about one list for one and the same element."""
    heads = {one["field"].partition(".")[0] for one in queries if "field" in one}
    if len(heads) == 1 and all("field" in one for one in queries) and isinstance(record.get(head := heads.pop()), list):
        inner = [{**one, "field": one["field"].partition(".")[2]} for one in queries]
        return any(all(holds(element, one) for one in inner) for element in record[head])
    return all(holds(record, one) for one in queries)


def values(record: Any, path: str) -> Iterator[Any]:
    name, _, rest = path.partition(".")
    value = record.get(name)
    for one in value if isinstance(value, list) else [value]:
        if rest and isinstance(one, Mapping):
            yield from values(one, rest)
        elif not rest:
            yield one


def _holds(value: Any, query: Mapping[str, Any]) -> bool:
    if query["type"] == "equals":
        return value == query["value"]
    if query["type"] == "equalsAny":
        return value in query["value"]
    assert query["type"] == "range", query
    if value is None:
        return False
    number = _comparable(value)
    compare = {"gt": number.__gt__, "gte": number.__ge__, "lt": number.__lt__, "lte": number.__le__}
    return all(compare[name](_comparable(limit)) is True for name, limit in query["parameters"].items())


def _comparable(value: Any) -> Any:
    """A number, or the time that a text is; one without an offset is in UTC, as the vendor's database reads it."""
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
