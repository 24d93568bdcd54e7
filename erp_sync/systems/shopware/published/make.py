"""Cut the paths and schemas in use out of the published Admin API; run after the published file changes.

    python make.py adminApiSchema.json.gz

What comes out (`admin-6.7.10.1.json`) keeps the contract's own words. A schema that is referred to and not kept becomes
any object.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

ORIGIN = "Shopware Admin API 6.7.10.1, OpenAPI 3.1: npm @shopware/api-client 1.6.0 (MIT)"
TARGET = Path(__file__).parent / "admin-6.7.10.1.json"

SEARCHED = (
    *("order", "product", "customer", "currency", "property-group-option", "tax"),
    *("rule", "rule-condition", "product-price", "custom-price"),
)
PATHS = (
    "/oauth/token",
    *(f"/search/{entity}" for entity in SEARCHED),
    "/_action/sync",
    "/order/{id}",
    "/order-delivery/{id}",
    "/customer/{id}",
    "/_action/order/{orderId}/state/{transition}",
    "/_action/order_delivery/{orderDeliveryId}/state/{transition}",
)
REFERRED = (
    *("Order", "OrderLineItem", "OrderDelivery", "OrderDeliveryPosition", "OrderTransaction", "OrderAddress"),
    *("OrderCustomer", "StateMachineState", "Currency", "Country", "CountryState", "PaymentMethod", "ShippingMethod"),
    *("Product", "Customer", "Criteria", "Filters", "SimpleFilter", "EqualsFilter", "MultiNotFilter", "RangeFilter"),
    *("Associations", "Includes", "failure", "error", "OAuthGrant", "OAuthClientCredentialsGrant"),
    *("OAuthPasswordGrant", "OAuthRefreshTokenGrant"),
)
# Of records that are written and not mapped: where others refer to them, they stay any object.
ROWS = ("Rule", "RuleCondition", "ProductPrice", "CustomPrice", "Tag")
SCHEMAS = (*REFERRED, *ROWS)
METHODS = ("get", "post", "patch", "delete", "put")


def cut(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract of what is in use. Raises KeyError for a name that it does not have."""
    schemas = contract["components"]["schemas"]
    return {
        "origin": ORIGIN,
        "paths": {path: _operations(contract["paths"][path]) for path in PATHS},
        "schemas": {name: _kept(schemas[name]) for name in SCHEMAS},
    }


def _operations(path: dict[str, Any]) -> dict[str, Any]:
    """Request and good answer of each method, as JSON schemas; None where there is no body."""
    found = {}
    for method in METHODS:
        if method not in path:
            continue
        one = path[method]
        good: dict[str, Any] = next(
            (answer for status, answer in one["responses"].items() if status.startswith("2")), {}
        )
        found[method] = {"request": _body(one.get("requestBody", {})), "response": _body(good)}
    return found


def _body(described: dict[str, Any]) -> Any:
    content = described.get("content", {})
    return _kept(content["application/json"]["schema"]) if "application/json" in content else None


def _kept(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_kept(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return {"$ref": f"#/schemas/{name}"} if name in REFERRED else {"type": "object"}
    return {key: _kept(value) for key, value in schema.items() if key != "extensions"}


def main(file: str) -> None:
    contract = json.loads(gzip.decompress(Path(file).read_bytes()))
    TARGET.write_text(json.dumps(cut(contract), indent=1, sort_keys=True) + "\n")
    print(f"{TARGET}: {len(PATHS)} paths, {len(SCHEMAS)} schemas")


if __name__ == "__main__":
    main(*sys.argv[1:])
