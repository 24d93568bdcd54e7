"""What Shopware publishes of the records that are mapped: the Admin API's schema as a data file (`published/`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.ports.published import PublishedField, PublishedRecord, Served
from erp_sync.systems.shopware import no_target
from erp_sync.systems.shopware.written import WRITTEN

FILE = Path(__file__).parent / "published" / "admin-6.7.10.1.json"
DEEPEST = 4

# Mapping -> schema.
SCHEMAS = {"sales_order": "Order", "product.write": "Product", "product.read": "Product"}
# Ways back from a record to what it belongs to, and lists of what refers to it: no part of the record.
_BACK = ("order", "primaryOrder", "primaryOrderDelivery", "primaryOrderTransaction", "orderDeliveries", "orders")
_OF_MASTER_DATA = (
    "Currency",
    "Country",
    "CountryState",
    "PaymentMethod",
    "ShippingMethod",
    "StateMachineState",
    "Customer",
)

SERVED = {
    (Entity.SALES_ORDER, "source"): Served(
        mappings=("sales_order",), operations=("customer.erase", "sales_order.anonymise")
    ),
    (Entity.ORDER_STATUS, "target"): Served(
        operations=("order_status.transition", "sales_order.cancel", "order_status.note"),
        no_target=no_target.ORDER_STATUS,
    ),
    (Entity.SHIPMENT, "target"): Served(operations=("shipment.record", "shipment.ship"), no_target=no_target.SHIPMENT),
    (Entity.BUSINESS_ACCOUNT, "target"): Served(operations=("business_account.write",), no_target=no_target.ACCOUNT),
    (Entity.PRICE, "target"): Served(operations=("price.write_base",), no_target=no_target.PRICE),
    (Entity.CONTRACT_PRICE, "target"): Served(
        operations=("contract_prices.write",), no_target=no_target.CONTRACT_PRICES
    ),
    (Entity.PRODUCT, "target"): Served(
        mappings=("product.write", "product.read"), operations=("product.write",), no_target=no_target.PRODUCT
    ),
    (Entity.STOCK_LEVEL, "target"): Served(operations=("stock_level.write",), no_target=no_target.STOCK_LEVEL),
}


@cache
def published(mapping: str) -> PublishedRecord | None:
    """The published record of a mapping; None where the schema has none."""
    name = SCHEMAS.get(mapping)
    if name is None:
        return None
    document = json.loads(FILE.read_text())
    fields = {one.path: one for one in _fields(document["schemas"], name, "", ())}
    return PublishedRecord(name=name, origin=document["origin"], fields=tuple(fields.values()))


@cache
def body(operation: str) -> PublishedRecord | None:
    """The published body of a write that no mapping makes; None for a mapping's, or one without a body. Of a sync, the
    schema of its rows: that of the request has any object there."""
    sent = WRITTEN.get(operation)
    if sent is None:
        return None
    document = json.loads(FILE.read_text())
    if sent.entities:
        fields = [one for entity, name in sent.entities for one in _own(document["schemas"][name], f"{entity}.")]
    elif sent.entity:
        fields = list(_own(document["schemas"][sent.entity]))
    else:
        fields = list(_own(document["paths"][sent.path][sent.method]["request"]))
    name = f"{sent.method.upper()} {sent.path}"
    return PublishedRecord(name=name, origin=document["origin"], fields=tuple(fields))


def _own(schema: Mapping[str, Any], prefix: str = "") -> Iterator[PublishedField]:
    """Properties of a schema that are no records of their own."""
    for name, one in schema.get("properties", {}).items():
        if "$ref" not in json.dumps(one):
            path = f"{prefix}{name}[]" if one.get("type") == "array" else f"{prefix}{name}"
            yield PublishedField(path=path, type=str(one.get("type", "any")))


def written(operation: str) -> tuple[tuple[str, str, str], ...]:
    """(source, field of the body, rule) of a write that no mapping makes."""
    return WRITTEN[operation].fields if operation in WRITTEN else ()


def _fields(schemas: Mapping[str, Any], name: str, prefix: str, above: tuple[str, ...]) -> Iterator[PublishedField]:
    """Leaves of a schema. One that contains itself (a line's children) is not followed again; of master data that a
    record refers to, its own fields only."""
    schema = schemas[name]
    required = set(schema.get("required", ()))
    for field, described in schema.get("properties", {}).items():
        if field in _BACK:
            continue
        path, inner = f"{prefix}{field}", described
        if described.get("type") == "array":
            path, inner = f"{path}[]", described.get("items", {})
        nested = str(inner.get("$ref", "")).rpartition("/")[2]
        if nested:
            if nested not in (name, *above) and len(above) < DEEPEST and name not in _OF_MASTER_DATA:
                yield from _fields(schemas, nested, f"{path}.", (*above, name))
        elif inner.get("properties"):
            for leaf, kind in inner["properties"].items():
                yield PublishedField(path=f"{path}.{leaf}", type=str(kind.get("type", "object")))
        else:
            yield PublishedField(path=path, type=str(inner.get("type", "object")), required=field in required)
