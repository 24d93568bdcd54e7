"""What SAP publishes of the entities that are mapped: names and types of fields, as a data file (see make.py).

Which fields are required depends on the company and is not published. User-defined fields (``U_...``) are the
installation's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.ports.published import PublishedField, PublishedRecord, Served
from erp_sync.systems.sap_b1 import no_target

FILE = Path(__file__).with_name("entities.json")

# Mapping -> entity.
RECORDS = {
    "customer": "BusinessPartner",
    "sales_order": "Document",
    "order_status": "Document",
    "stock_level": "ItemWarehouseInfo",
    "product": "Item",
    "business_account": "BusinessPartner",
    "account": "BusinessPartner",
    "account_group": "BusinessPartnerGroup",
    "item": "Item",
    "item_unit": "UoMGroupDefinition",
    "list_price": "ItemPrice",
    "price_list": "PriceList",
    "special_price": "SpecialPrice",
    "agreement": "BlanketAgreement",
    "discount_rule": "EnhancedDiscountGroup",
}
ORDER_OPERATIONS = (
    *("customer.create", "sales_order.create", "sales_order.save_approved_draft", "sales_order.withdraw_draft"),
    "sales_order.close",
)

SERVED = {
    (Entity.SALES_ORDER, "target"): Served(
        mappings=("customer", "sales_order"), operations=ORDER_OPERATIONS, no_target=no_target.SALES_ORDER
    ),
    (Entity.ORDER_STATUS, "source"): Served(mappings=("order_status",)),
    (Entity.SHIPMENT, "source"): Served(mappings=("shipment",)),
    (Entity.STOCK_LEVEL, "source"): Served(mappings=("stock_level",)),
    (Entity.PRODUCT, "source"): Served(mappings=("product",)),
    (Entity.BUSINESS_ACCOUNT, "source"): Served(mappings=("business_account",)),
    (Entity.PRICE_TERMS, "source"): Served(
        mappings=(
            *("account_group", "account", "item", "item_unit", "price_list", "list_price", "exchange_rate"),
            *("discount_rule", "special_price", "agreement"),
        )
    ),
}


@cache
def document() -> dict[str, Any]:
    """``{"origin", "entities": {name: {field: type}}, "enumerations": {name: [value]}, "paths": {path: verb}}``."""
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read


@cache
def published(mapping: str) -> PublishedRecord | None:
    """The published entity of a mapping; None where nothing is published."""
    entity = RECORDS.get(mapping)
    if entity is None:
        return None
    fields = tuple(_fields(document()["entities"], entity, ""))
    return PublishedRecord(name=entity, origin=document()["origin"], fields=fields)


def _fields(entities: Mapping[str, Mapping[str, str]], entity: str, prefix: str) -> Iterator[PublishedField]:
    for name, kind in entities[entity].items():
        many = kind.startswith("list[")
        inner = kind.removeprefix("list[").removesuffix("]")
        if inner not in entities:
            yield PublishedField(path=prefix + name, type=kind)
        elif not prefix:  # one level: a document's lines, not the documents of a line's item
            yield from _fields(entities, inner, f"{name}{'[]' if many else ''}.")
