"""What the client sends, and what the samples of these tests look like, follows the published Admin API.

Unknown properties fail: the published file is an OpenAPI document whose objects are open.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from erp_sync.systems.shopware.contract import FILE, published
from erp_sync.systems.shopware.published import make
from erp_sync_tests.systems.shopware import samples

CONTRACT = json.loads(FILE.read_text())
#: Properties of the JSON answer that the published schemas do not have.
BESIDE = ("apiAlias",)


def closed(schema: Any) -> Any:
    """The same schema, refusing properties that it does not have."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    # Parts of one object, each with properties of its own, cannot be closed one by one.
    result = {name: value if name == "allOf" else closed(value) for name, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        result["properties"] = {name: closed(one) for name, one in properties.items()}
        result.setdefault("additionalProperties", False)
    return result


NUMBERS = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "number", lambda checker, value: isinstance(value, (int, Decimal)) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=NUMBERS)
SCHEMAS = {name: one if name == "OAuthGrant" else closed(one) for name, one in CONTRACT["schemas"].items()}


def problems(schema: Any, value: Any) -> list[str]:
    validator = Validator({**closed(schema), "schemas": SCHEMAS})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def problems_of(path: str, method: str, body: Any) -> list[str]:
    """Of a request, by its path in the contract."""
    schema = CONTRACT["paths"][path][method]["request"]
    if schema is None:
        return [] if body is None else ["a body where none is expected"]
    return problems(schema, body)


def pattern_of(path: str) -> str:
    """The contract's name of a path: ids and names in it are parameters there."""
    for name in CONTRACT["paths"]:
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", name), path):
            return name
    raise AssertionError(f"the contract has no {path}")


def without_nulls(value: Any) -> Any:
    """The published schemas say of no property that it may be null; the vendor answers null all the same."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None and name not in BESIDE}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def test_the_cut_names_where_it_comes_from_and_under_which_licence():
    assert CONTRACT["origin"] == make.ORIGIN
    assert "MIT" in make.ORIGIN
    assert set(CONTRACT["schemas"]) == set(make.SCHEMAS)
    assert set(CONTRACT["paths"]) == set(make.PATHS)


def answered(record: dict[str, Any], schema: str) -> list[str]:
    """Problems of a record's names and types; what is required is required of a write, and `includes` leave it out."""
    told = problems({"$ref": f"#/schemas/{schema}"}, without_nulls(record))
    return [one for one in told if "is a required property" not in one]


def test_the_sample_orders_have_the_names_and_types_of_the_contract():
    # calculatedTaxes and taxRules are declared as objects; the core writes collections, which are lists (docs, 6.6).
    sample = samples.order(
        samples.line("MUG", "11.90", samples.tax("19", "11.90", "1.90")),
        samples.promotion("SALE", "-1.19", samples.tax("19", "-1.19", "-0.19"), of=[("MUG", "1.19")]),
        deliveries=[samples.delivery("4.90", samples.tax("19", "4.90", "0.78"), positions=[("MUG", 1)])],
    )
    told = [one for one in answered(sample, "Order") if not re.search(r"calculatedTaxes|taxRules", one)]
    assert told == []


def test_the_check_notices_a_renamed_field_of_a_sample():
    sample = samples.order()
    sample["lineItems"][0]["qty"] = sample["lineItems"][0].pop("quantity")
    assert any("qty" in one for one in answered(sample, "Order"))


def test_the_mapping_document_knows_the_published_order():
    record = published("sales_order")
    paths = {one.path for one in record.fields}
    assert {"orderNumber", "lineItems[].payload", "deliveries[].stateMachineState.technicalName"} <= paths
    assert {"price.totalPrice", "orderCustomer.vatIds[]", "billingAddress.country.iso"} <= paths


@pytest.mark.parametrize("path", make.PATHS)
def test_every_path_of_the_cut_has_an_operation(path):
    assert CONTRACT["paths"][path]
