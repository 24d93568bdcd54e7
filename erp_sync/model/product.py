"""Product: what can be sold, with variants and bundles."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class ProductKind(StrEnum):
    SIMPLE = "simple"
    CONFIGURABLE = "configurable"  # parent of variants, has no stock of its own
    BUNDLE = "bundle"  # sold as one, picked as components
    VIRTUAL = "virtual"
    GIFT_CARD = "gift_card"


class BundleComponent(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    quantity: Decimal


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One product or variant.

    Attributes:
        variant_of: SKU of the configurable product this is a variant of.
        variant_options: what tells this variant from its siblings, attribute to value; on a configurable product
            the values that its variants have.
        variant_attributes: on a configurable product, the attributes its variants differ by.
        backorders: the store may sell below zero stock.
        restock_date: ISO date on which stock is expected again.
        only: names of the fields that are to be changed of a product that is there; empty: all.
    """

    connection: str
    scope: str
    native_id: str
    version: str = ""
    sku: str
    name: str
    kind: ProductKind = ProductKind.SIMPLE
    active: bool = True
    description: str = ""
    short_description: str = ""
    weight: Decimal | None = None
    weight_unit: str = ""
    unit: str = ""
    gtin: str = ""
    manufacturer: str = ""
    categories: tuple[str, ...] = ()
    tax_class: str = ""
    variant_of: str | None = None
    variant_attributes: tuple[str, ...] = ()
    variant_options: tuple[tuple[str, str], ...] = ()
    components: tuple[BundleComponent, ...] = ()
    backorders: bool = False
    restock_date: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    custom: dict[str, Any] = {}
    only: tuple[str, ...] = ()
