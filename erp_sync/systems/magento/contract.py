"""What Magento publishes of the records that are mapped: the Admin REST schema 2.4.8 as a data file.

The schema lies beside the sandbox, which checks every exchange by it; nothing of the sandbox is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.ports.published import PublishedField, PublishedRecord, Served
from erp_sync.systems.magento import no_target
from erp_sync.systems.magento.written import WRITTEN

FILE = Path(__file__).parent / "sandbox" / "contract" / "rest-2.4.8.json"
DEEPEST = 6

# Mapping -> definition of the schema.
DEFINITIONS = {
    "sales_order": "sales-data-order-interface",
    "customer": "customer-data-customer-interface",
    "refund": "sales-data-creditmemo-interface",
    "product.write": "catalog-data-product-interface",
    "product.read": "catalog-data-product-interface",
}

SERVED = {
    (Entity.SALES_ORDER, "source"): Served(
        mappings=("sales_order",), operations=("customer.erase", "sales_order.anonymise")
    ),
    (Entity.CUSTOMER, "source"): Served(mappings=("customer",)),
    (Entity.REFUND, "source"): Served(mappings=("refund",)),
    (Entity.ORDER_STATUS, "target"): Served(
        operations=("order_status.comment", "sales_order.cancel"), no_target=no_target.ORDER_STATUS
    ),
    (Entity.SHIPMENT, "target"): Served(
        operations=("shipment.create", "shipment.add_parcel", "shipment.notify"), no_target=no_target.SHIPMENT
    ),
    (Entity.STOCK_LEVEL, "target"): Served(
        operations=("stock_level.write", "stock_level.write_terms"), no_target=no_target.STOCK_LEVEL
    ),
    (Entity.PRICE, "target"): Served(
        operations=("price.write_base", "price.write_special", "price.write_tier"), no_target=no_target.PRICE
    ),
    (Entity.PRODUCT, "target"): Served(
        mappings=("product.write", "product.read"), operations=("product.write",), no_target=no_target.PRODUCT
    ),
}


@cache
def published(mapping: str) -> PublishedRecord | None:
    """The published record of a mapping; None where the schema has none."""
    name = DEFINITIONS.get(mapping)
    if name is None:
        return None
    schema = json.loads(FILE.read_text())
    fields = {one.path: one for one in _fields(schema["definitions"], name, "", ())}
    info = schema["info"]
    return PublishedRecord(name=name, origin=f"{info['title']} {info['version']}", fields=tuple(fields.values()))


@cache
def body(operation: str) -> PublishedRecord | None:
    """The published body of a write that no mapping makes; None for a mapping's, or one without a body."""
    written = WRITTEN.get(operation)
    if written is None:
        return None
    schema = json.loads(FILE.read_text())
    parameters = schema["paths"][written.path]["post"]["parameters"]
    request = next(one["schema"] for one in parameters if one["in"] == "body")
    found = {one.path: one for one in _fields(schema["definitions"] | {"": request}, "", "", ())}
    info = schema["info"]
    origin = f"{info['title']} {info['version']}"
    return PublishedRecord(name=f"POST {written.path}", origin=origin, fields=tuple(found.values()))


def written(operation: str) -> tuple[tuple[str, str, str], ...]:
    """(source, field of the body, rule) of a write that no mapping makes."""
    return WRITTEN[operation].fields if operation in WRITTEN else ()


def _fields(definitions: Mapping[str, Any], name: str, prefix: str, above: tuple[str, ...]) -> Iterator[PublishedField]:
    """Leaves of a definition. One that contains itself (an order item's parent) is not followed again."""
    definition = definitions[name]
    required = set(definition.get("required", ()))
    for field, schema in definition.get("properties", {}).items():
        path, inner = f"{prefix}{field}", schema
        if schema.get("type") == "array":
            path, inner = f"{path}[]", schema["items"]
        nested = inner.get("$ref", "").rpartition("/")[2]
        known = nested and definitions[nested].get("properties")
        if not known:
            yield PublishedField(path=path, type=str(inner.get("type", "object")), required=field in required)
        elif nested != name and nested not in above and len(above) < DEEPEST:
            yield from _fields(definitions, nested, f"{path}.", (*above, name))
