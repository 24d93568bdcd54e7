from __future__ import annotations

import json

import httpx
import pytest

from erp_sync.sandbox.contract import (
    OWN,
    PUBLISHED,
    ContractBook,
    ContractCheck,
    OperationContract,
    Side,
    closed,
    mutations,
)
from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call
from erp_sync.sandbox.testing import running
from erp_sync_tests.sandbox.samples import unnoticed
from erp_sync_tests.sandbox.toy import contract_book, create

SIGNED = {"authorization": "yes"}


def test_exchanges_are_counted_by_class_and_unknown_properties_are_violations():
    check = ContractCheck(contract_book({}))
    with running(create, vendor="toy", contract=check) as toy:
        httpx.post(f"{toy.base_url}/documents", json={"key": "a"}, headers=SIGNED)
        httpx.post(f"{toy.base_url}/documents", json={"key": "b", "colour": "red"}, headers=SIGNED)
        httpx.get(f"{toy.base_url}/documents", headers=SIGNED)
        report = toy.control("GET", "contract")
        assert {(row["side"], row["class"]): row["exchanges"] for row in report["counts"]} == {
            ("request", OWN): 3,
            ("response", OWN): 3,
        }
        (violation,) = report["violations"]
        assert (violation["side"], violation["endpoint"]) == ("request", "document.create")
        assert "colour" in violation["message"]
        assert [call["request_class"] for call in toy.journal()] == [OWN] * 3


def test_an_answer_outside_the_contract_is_a_violation():
    check = ContractCheck(contract_book({}))
    with running(create, vendor="toy", contract=check) as toy:
        toy.fault("server_error", "document.list")
        httpx.get(f"{toy.base_url}/documents", headers=SIGNED)
        (violation,) = toy.control("GET", "contract")["violations"]
    assert (violation["side"], violation["message"]) == ("response", "status 500 is not in the contract")


def test_closed_refuses_unknown_properties_below_references_and_all_of():
    schema = closed(
        {
            "type": "object",
            "properties": {
                "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
                "both": {
                    "allOf": [
                        {"type": "object", "properties": {"a": {"type": "integer"}}},
                        {"type": "object", "properties": {"b": {"type": "integer"}}},
                    ]
                },
                "free": {"type": "object", "additionalProperties": True, "properties": {"x": {}}},
            },
        }
    )
    import jsonschema_rs

    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid({"lines": [{"sku": "a"}], "both": {"a": 1, "b": 2}, "free": {"y": 1}})
    assert not validator.is_valid({"lines": [{"sku": "a", "colour": 1}]})
    assert not validator.is_valid({"both": {"a": 1, "c": 2}})
    assert not validator.is_valid({"more": 1})


def test_a_schema_is_compiled_once_with_what_it_refers_to_also_by_way_of_others():
    far = {"type": "object", "additionalProperties": False}
    book = ContractBook({}, {"near": {"items": {"$ref": "#/$defs/far"}}, "far": far, "apart": {"type": "nonsense"}})
    schema = {"properties": {"lines": {"anyOf": [{"$ref": "#/$defs/near"}, {"type": "null"}]}}}
    validator = book.validator(schema)
    assert validator.is_valid({"lines": [{}]})
    assert not validator.is_valid({"lines": [{"unknown": 1}]})
    assert book.validator(dict(schema)) is validator


def test_a_side_that_is_not_published_names_its_source_or_reason():
    assert Side(PUBLISHED, {}).note == ""
    with pytest.raises(ValueError, match="needs a note"):
        Side(OWN, {})


def test_a_request_with_a_query_is_of_the_weaker_class_of_body_and_query():
    book = ContractBook(
        {"list": OperationContract(Side(PUBLISHED), {"200": Side(PUBLISHED)}, Side(OWN, {"maxProperties": 1}, "help"))}
    )
    check, classes = ContractCheck(book), []
    for query in ("", "?limit=1", "?limit=1&offset=2"):
        call = Call(0.0, "", "GET", "/", "", "", "list", "read")
        found = check.check(call, Request.build("GET", f"https://vendor.example/{query}"), Response(200))
        classes.append((call.request_class, len(found)))
    assert classes == [(PUBLISHED, 0), (OWN, 0), (OWN, 1)]
    assert check.report()["notes"] == {OWN: ["help"]}


def test_a_check_in_which_nothing_is_checked_is_named():
    operations = {"free": OperationContract(Side(OWN, {}, "help"), {"200": Side(PUBLISHED, {"type": "object"})})}
    assert unnoticed(ContractCheck(ContractBook(operations)), "free", set()) == [
        "free request : nothing in it is checked",
        "free response 200/surprise",
        "free: an unknown query parameter",
    ]


def test_mutations_put_one_defect_at_every_place():
    body = {"key": "a", "lines": [{"sku": "x"}]}
    assert dict(mutations(body)) == {
        "/unknownProperty": {**body, "unknownProperty": 1},
        "/key": {**body, "key": {"wrongType": True}},
        "/lines/0/unknownProperty": {"key": "a", "lines": [{"sku": "x", "unknownProperty": 1}]},
        "/lines/0/sku": {"key": "a", "lines": [{"sku": {"wrongType": True}}]},
    }


def test_the_check_notices_every_mutation_of_both_sides():
    check = ContractCheck(contract_book({}))

    def exchange(endpoint: str, sent: object, status: int, answered: object) -> list:
        call = Call(0.0, "", "POST", "/", "", "", endpoint, "create")
        request = Request("POST", "/", body=b"" if sent is None else json.dumps(sent).encode())
        response = Response(status, body=b"" if answered is None else json.dumps(answered).encode())
        return check.check(call, request, response)

    assert exchange("document.create", {"key": "a"}, 204, None) == []
    assert exchange("document.list", None, 200, {"keys": ["a"]}) == []
    for place, body in mutations({"key": "a"}):
        assert exchange("document.create", body, 204, None), place
    for place, body in mutations({"keys": ["a"]}):
        assert exchange("document.list", None, 200, body), place
