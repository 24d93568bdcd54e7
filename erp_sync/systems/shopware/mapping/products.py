"""Canonical product to and from the shop's (OpenAPI 6.7.10.1, schema Product)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from erp_sync.model.money import round_money
from erp_sync.model.product import Product, ProductKind
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.systems.shopware.mapping.common import moment, text
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY

# Parts of the shop's product by canonical field: those that are compared, and written alone where only they change.
PARTS = {"name": "name", "active": "active", "description": "description", "gtin": "ean", "weight": "weight"}
KILOGRAMS = ("", "kg")
EVERYWHERE = 30  # product_visibility: in lists and in search
NUMBER_LENGTH, NAME_LENGTH, EAN_LENGTH = 64, 255, 255


def identity(*parts: str) -> str:
    """An id of ours, the same for the same business key: what is written twice is one (fact sheet, section 5)."""
    return hashlib.md5("\n".join(("erp_sync", *parts)).encode(), usedforsecurity=False).hexdigest()


def weighs(product: Product) -> Decimal | None:
    """The weight in the shop's unit; None where the ERP's is another: the shop's own stays."""
    return product.weight if product.weight_unit.lower() in KILOGRAMS else None


def price_of(net: Decimal, rate: Decimal, currency: str) -> list[dict[str, Any]]:
    """A new product's price in the shop's own currency, which must hold net and gross (fact sheet, section 4)."""
    gross = round_money(net * (100 + rate) / 100, currency)
    return [{"currencyId": DEFAULT_CURRENCY, "net": net, "gross": gross, "linked": True}]


def _weight(scope: Scope) -> Any:
    found = weighs(scope.record)
    return MISSING if found is None else found


def _value(name: str, words: str, *reads: str) -> Rule:
    """What the port works out; `reads`: of which fields of the product."""
    return replace(rules.value_of(name, words), reads=reads)


TO_STORE = RecordMapping(
    name="product.write",
    direction=Direction.TO_VENDOR,
    fields=(
        Field("", "id", _value("id", "id of the product with this number, else of the number itself")),
        Field("sku", "productNumber", text, required=True, validation=(rules.at_most(NUMBER_LENGTH),)),
        Field("name", "name", text, required=True, validation=(rules.at_most(NAME_LENGTH),)),
        Field("active", "active", note="a new product is not active before it has a price"),
        Field("description", "description", text),
        Field("gtin", "ean", text, validation=(rules.at_most(EAN_LENGTH),)),
        Field(
            "weight",
            "weight",
            rules.computed("in kilograms; left out where the unit is another", _weight, reads=("weight_unit",)),
        ),
        Field("", "parentId", _value("parent", "id of the product that it is a variant of", "variant_of")),
        Field(
            "",
            "options",
            _value("options", "setting property_groups: the option with this name, else a new one", "variant_options"),
        ),
        Field(
            "",
            "taxId",
            _value("tax", "setting tax_ids by tax class, else setting tax_id; of a new product", "tax_class"),
        ),
        Field("", "stock", _value("stock", "0 of a new product")),
        Field("", "price", _value("price", "custom.base_price without tax, else 0; of a new product")),
        Field(
            "",
            "visibilities",
            _value("visibilities", "setting product_sales_channels; of a new product that is no variant"),
        ),
    ),
)


def _kind(scope: Scope) -> ProductKind:
    return ProductKind.CONFIGURABLE if scope.record.get("childCount") else ProductKind.SIMPLE


def _active(value: Any, scope: Scope) -> bool:
    return value is True


FROM_STORE = RecordMapping(
    name="product.read",
    direction=Direction.TO_CANONICAL,
    build=Product,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("scope", "none"), default=""),
        Field("id", "native_id", text, required=True),
        Field("productNumber", "sku", text, required=True),
        Field("", "name", rules.first_of("translated.name", "name", then=text), default=""),
        Field("", "kind", rules.computed("configurable where it has variants", _kind, reads=("childCount",))),
        Field("active", "active", Rule("true", _active), default=False, note="a variant's own or its parent's"),
        Field("", "description", rules.first_of("translated.description", "description", then=text)),
        Field("ean", "gtin", text),
        Field("weight", "weight", rules.decimal(4), note="in kilograms"),
        Field("createdAt", "created_at", moment),
        Field("updatedAt", "updated_at", moment),
    ),
)


def price_rows(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A product's prices by currency; a collection comes as a list or by key."""
    price = row.get("price")
    found = price if isinstance(price, list) else list(price.values()) if isinstance(price, Mapping) else []
    return [one for one in found if isinstance(one, Mapping)]


def has_price(row: Mapping[str, Any]) -> bool:
    """Whether the product has a price of its own or its parent's that is not zero."""
    return any((one.get("gross") or 0) > 0 for one in price_rows(row))
