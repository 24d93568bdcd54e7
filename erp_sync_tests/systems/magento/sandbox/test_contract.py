"""The contract check notices what it should: every operation is mutated both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from erp_sync.sandbox.contract import NOT_CHECKABLE, OWN, PUBLISHED, ContractCheck
from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call
from erp_sync.systems.magento.sandbox import rooms
from erp_sync.systems.magento.sandbox.contract import make
from erp_sync.systems.magento.sandbox.contract.definitions import load
from erp_sync_tests.systems.magento.sandbox.conftest import BOOK

CHECK = ContractCheck(BOOK)
SAMPLES = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}


def sample(schema: dict[str, Any], depth: int = 0) -> Any:
    """A value that the schema allows, with everything optional down to two levels."""
    if "$ref" in schema:
        schema = BOOK.definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], depth)
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "object":
        wanted = schema.get("properties", {})
        if depth >= 2:
            wanted = {name: wanted[name] for name in schema.get("required", ())}
        return {name: sample(inner, depth + 1) for name, inner in wanted.items()}
    if kind == "array":
        return (
            [sample(schema["items"], depth + 1)]
            if depth < 2 and schema.get("items") and not schema.get("maxItems")
            else []
        )
    if "pattern" in schema:
        return "0" * 36
    return SAMPLES[kind]


def mutations(schema: dict[str, Any], value: Any) -> list[Any]:
    """The value with one thing wrong: an unknown property, or a scalar that became an object."""
    if not schema:
        return []  # declared free
    if "$ref" in schema:
        schema = BOOK.definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return mutations(schema["anyOf"][0], value)
    if schema.get("type") == ["object", "array"] and "maxProperties" not in schema:
        return ["neither object nor array"]  # parameters of an error
    if isinstance(value, dict):
        found = [{**value, "surprise": 1}]
        for name, inner in value.items():
            deeper = mutations(schema["properties"][name], inner)
            found += [{**value, name: bad} for bad in deeper]
        return found
    if isinstance(value, list):
        return [[bad] for bad in mutations(schema["items"], value[0])] if value else [1]
    return [{"surprise": 1}]


def request_breaches(name: str, body: Any) -> list[Any]:
    return check(name, json.dumps(body).encode(), None)


def response_breaches(name: str, status: int, body: Any) -> list[Any]:
    request = BOOK.operations[name].request
    sent = b"" if request.schema is None else json.dumps(sample(request.schema)).encode()
    return check(name, sent, Response(status, {}, json.dumps(body).encode()))


def check(name: str, body: bytes, response: Response | None) -> list[Any]:
    method = name.split(" ")[0]
    call = Call(0.0, "", method, "/", "", "", name, "read", 0)
    return CHECK.check(call, Request.build(method, "https://shop.example.com/", body=body), response)


@pytest.mark.parametrize("name", sorted(BOOK.operations))
def test_a_wrong_field_in_either_direction_is_noticed(name):
    operation = BOOK.operations[name]
    if operation.request.checked_by != NOT_CHECKABLE:
        if operation.request.schema is None:
            assert request_breaches(name, {"surprise": 1})
        else:
            good = sample(operation.request.schema)
            assert request_breaches(name, good) == []
            assert all(request_breaches(name, bad) for bad in mutations(operation.request.schema, good))
    for status, side in operation.responses.items():
        if side.checked_by == NOT_CHECKABLE or side.schema is None:
            continue
        code = 500 if status == "default" else int(status)
        good = sample(side.schema)
        assert response_breaches(name, code, good) == []
        if side.schema:
            assert all(response_breaches(name, code, bad) for bad in mutations(side.schema, good))


def test_most_operations_are_checked_by_the_published_contract():
    synchronous = {entry.name for entry in rooms.routes()}
    sides = [BOOK.operations[name].responses["200"].checked_by for name in synchronous]
    assert set(sides) <= {PUBLISHED, OWN}
    assert sides.count(PUBLISHED) > 0.9 * len(sides)
    assert all(BOOK.operations[name].request.checked_by == PUBLISHED for name in synchronous)


def test_the_contract_that_ships_is_what_the_script_cuts():
    """A route added without running the script again has no contract."""
    kept = load().document
    assert kept["info"]["x-origin"] == make.ORIGIN
    for entry in rooms.routes():
        assert entry.method.lower() in kept["paths"][entry.template]
    again = make.cut(kept, {(entry.method, entry.template) for entry in rooms.routes()})
    assert make.printed(again) == make.TARGET.read_text(encoding="utf-8")


def test_the_script_names_an_operation_that_the_vendor_does_not_have():
    with pytest.raises(KeyError):
        make.cut(load().document, {("GET", "/V1/nonsense")})
