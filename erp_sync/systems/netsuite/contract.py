"""What NetSuite publishes of the records that are mapped: names and types of fields, as a data file.

The file lies beside the sandbox, which checks every exchange by it; nothing of the sandbox is imported.
Whether a field is required depends on the account's forms and is not published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.model.keys import Entity
from erp_sync.ports.published import PublishedField, PublishedRecord, Served
from erp_sync.systems.netsuite import no_target

FILE = Path(__file__).parent / "sandbox" / "contract" / "records.json"


class Shape(msgspec.Struct, frozen=True):
    """Record of a mapping, path before its fields, and whether the mapping reads SuiteQL columns of it."""

    record: str
    prefix: str = ""
    columns: bool = False


# Mapping -> record. Stock and prices are read from SuiteQL tables that no contract describes.
RECORDS = {
    "customer": Shape("customer"),
    "sales_order": Shape("salesOrder"),
    "customer_deposit": Shape("customerDeposit"),
    "order_status": Shape("salesOrder", columns=True),
    "shipment": Shape("itemFulfillment", prefix="record."),
    "refund": Shape("creditMemo", columns=True),
    "product": Shape("inventoryItem", columns=True),
}
ORDER_MAPPINGS = ("customer", "sales_order", "customer_deposit")
ORDER_OPERATIONS = (
    "customer.create",
    "customer.add_currency",
    "sales_order.create",
    "sales_order.create_with_legacy_tax",
    "customer_deposit.create",
    "sales_order.close",
    "sales_order.put_back",
    "customer_deposit.put_back",
    "customer_deposit.create_again",
    "customer.put_back",
    "sales_order.compare_tax",
    "external_id.write",
    "customer.erase",
    "sales_order.anonymise",
)

SERVED = {
    (Entity.SALES_ORDER, "target"): Served(
        mappings=ORDER_MAPPINGS, operations=ORDER_OPERATIONS, no_target=no_target.SALES_ORDER
    ),
    (Entity.ORDER_STATUS, "source"): Served(mappings=("order_status",)),
    (Entity.SHIPMENT, "source"): Served(mappings=("shipment",)),
    (Entity.SHIPMENT, "target"): Served(operations=("shipment.book",)),
    (Entity.REFUND, "target"): Served(mappings=("refund",)),
    (Entity.STOCK_LEVEL, "source"): Served(mappings=("stock_level",)),
    (Entity.PRODUCT, "source"): Served(mappings=("product",)),
    (Entity.PRICE, "source"): Served(mappings=("price",)),
}


@cache
def published(mapping: str) -> PublishedRecord | None:
    """The published record of a mapping; None where nothing is published."""
    shape = RECORDS.get(mapping)
    if shape is None:
        return None
    document = json.loads(FILE.read_text())
    fields = tuple(_fields(document, document["records"][shape.record], shape))
    return PublishedRecord(name=shape.record, origin=document["origin"], fields=fields, letters_count=not shape.columns)


def _fields(document: Mapping[str, Any], record: Mapping[str, Any], shape: Shape) -> Iterator[PublishedField]:
    for name, kind in record["fields"].items():
        if name not in record["sublists"] and name not in record["subrecords"]:
            yield PublishedField(path=f"{shape.prefix}{name}", type=kind)
    for name, inner in record["subrecords"].items():
        for field, kind in document["subrecords"][inner].items():
            yield PublishedField(path=f"{shape.prefix}{name}.{field}", type=kind)
    for name, lines in record["sublists"].items():
        for field, kind in lines.items():
            yield PublishedField(path=f"{shape.prefix}{name}.items[].{field}", type=kind)
