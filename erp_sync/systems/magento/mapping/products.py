"""Canonical product to and from the vendor's product (REST schema 2.4.8, catalog-data-product-interface)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.product import BundleComponent, Product, ProductKind
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.systems.magento.mapping.common import moment, records, text

TYPES = {
    ProductKind.SIMPLE: "simple",
    ProductKind.CONFIGURABLE: "configurable",
    ProductKind.BUNDLE: "bundle",
    ProductKind.VIRTUAL: "virtual",
    ProductKind.GIFT_CARD: "giftcard",
}
KINDS = {code: kind for kind, code in TYPES.items()} | {
    "downloadable": ProductKind.VIRTUAL,
    "grouped": ProductKind.SIMPLE,
}
# A bundle's price, SKU and weight come from its parts, which are shipped together.
DYNAMIC = ("price_type", "sku_type", "weight_type", "shipment_type")
ENABLED, DISABLED = 1, 2
NOT_VISIBLE, VISIBLE = 1, 4  # in no list of its own; in catalogue and search
# Parts of the vendor's product by canonical field, of those that have one of their own.
PARTS = {"name": "name", "active": "status", "kind": "type_id", "weight": "weight"}
# Parts of its extension attributes by canonical field: they say all of the field when they are saved.
EXTENSIONS = {"categories": "category_links", "components": "bundle_product_options"}
# Canonical fields kept in custom attributes of the core's default attribute set.
ATTRIBUTES = {"description": "description", "short_description": "short_description"}
URL_KEY, URL_KEY_LENGTH = "url_key", 255
# Further fields of which setting product_attributes may name the attribute, compared as texts; custom fields are, too.
_TEXTS = frozenset({*ATTRIBUTES, "gtin", "manufacturer", "unit", "weight_unit", "tax_class", "restock_date"})


def attributes_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Canonical path to attribute code: the core's, and those of setting ``product_attributes``."""
    return {**ATTRIBUTES, **(settings.get("product_attributes") or {})}


def compared_attributes(settings: Mapping[str, Any]) -> dict[str, str]:
    """Those of `attributes_of` whose values are read back and compared."""
    return {
        path: code for path, code in attributes_of(settings).items() if path in _TEXTS or path.startswith("custom.")
    }


def from_store(mapping: RecordMapping, settings: Mapping[str, Any]) -> RecordMapping:
    """The mapping that also reads the attributes that the settings name."""
    declared = {one.target: one for one in mapping.fields}
    declared |= {path: Field("", path, _attribute(code)) for path, code in compared_attributes(settings).items()}
    return mapping.with_fields(tuple(declared.values()))


def to_store(mapping: RecordMapping, settings: Mapping[str, Any]) -> RecordMapping:
    """The mapping that says that it also reads the fields that the settings name an attribute for."""
    named = tuple(path for path in attributes_of(settings) if path not in ATTRIBUTES)
    return mapping.with_fields(
        tuple(
            replace(one, rule=replace(one.rule, reads=(*one.rule.reads, *named)))
            if one.target == "custom_attributes"
            else one
            for one in mapping.fields
        )
    )


def category_names(settings: Mapping[str, Any]) -> dict[str, str]:
    """By id, the name of each category that setting ``categories`` names; the first where several name one."""
    names: dict[str, str] = {}
    for name, number in (settings.get("categories") or {}).items():
        names.setdefault(str(number), str(name))
    return names


def _status(value: Any, scope: Scope) -> int:
    return ENABLED if value else DISABLED


def _visibility(scope: Scope) -> int:
    return NOT_VISIBLE if scope.record.variant_of else VISIBLE


def _type(value: Any, scope: Scope) -> str:
    return TYPES[ProductKind(value)]


def url_key(product: Product) -> str:
    """Name and SKU, so that a product does not lose its page to another one of the same name: the vendor makes the key
    of the name alone and refuses the second (magento/magento2 issues 8188, 11266)."""
    name, sku = _key_part(product.name), _key_part(product.sku)
    if name.endswith(sku) and len(name) <= URL_KEY_LENGTH:
        return name
    return f"{name[: URL_KEY_LENGTH - len(sku) - 1]}-{sku}".strip("-")


def _key_part(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^0-9a-z]+", "-", plain.lower()).strip("-")


def _attributes(scope: Scope) -> Any:
    """Texts and declared custom attributes, as the vendor's list of codes and values; a new product's URL key."""
    product: Product = scope.record
    declared = attributes_of(scope.context.connection.settings)
    listed = []
    for field, code in declared.items():
        value = scope.get(field)
        if value is MISSING or value is None or value == "":
            continue
        listed.append(
            {"attribute_code": code, "value": "1" if value is True else "0" if value is False else str(value)}
        )
    if product.kind is not ProductKind.CONFIGURABLE:
        listed += [
            {"attribute_code": code, "value": scope.context.values["options"][code, label]}
            for code, label in product.variant_options
        ]
    if product.kind is ProductKind.BUNDLE and not product.only:
        listed += [{"attribute_code": code, "value": "0"} for code in DYNAMIC]
    if scope.context.values.get("new") and all(one["attribute_code"] != URL_KEY for one in listed):
        listed.append({"attribute_code": URL_KEY, "value": url_key(product)})
    return listed or MISSING


def _part(position: int, component: BundleComponent, there: Mapping[str, Any] | None) -> dict[str, Any]:
    """One required option with one product in it: the bundle is sold as it is. `there`: the option that has the
    product already; it stays the same one, so that carts that hold it stay whole."""
    link = {
        "sku": component.sku, "qty": component.quantity, "position": 1, "is_default": True, "price": 0,
        "price_type": 0, "can_change_quantity": 0,
    }  # fmt: skip
    option = {
        "title": component.sku, "required": True, "type": "select", "position": position, "sku": component.sku,
        "product_links": [link],
    }  # fmt: skip
    if there is not None:
        option["option_id"] = int(there["option_id"])
        link["id"] = str(records(there["product_links"])[0]["id"])
    return option


def _parts(components: Sequence[BundleComponent], existing: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`existing`: options that the bundle has."""
    there: dict[str, Mapping[str, Any]] = {}
    for option in existing:
        links = records(option.get("product_links"))
        if len(links) == 1:
            there.setdefault(str(links[0].get("sku")), option)
    return [_part(at, one, there.pop(one.sku, None)) for at, one in enumerate(components, 1)]


def _category_links(scope: Scope) -> list[dict[str, Any]]:
    """The categories that the ERP names, besides those of the store's own that no setting names."""
    known = scope.context.setting("categories") or {}
    wanted = dict.fromkeys(str(known[name]) for name in scope.record.categories if name in known)
    if not wanted:
        return []
    links = {number: {"category_id": number, "position": 0} for number in wanted}
    managed = category_names(scope.context.connection.settings)
    for link in records(scope.context.values.get("category_links")):
        number = str(link.get("category_id"))
        if number in links or number not in managed:
            links[number] = {"category_id": number, "position": int(link.get("position") or 0)}
    return list(links.values())


def _extension(scope: Scope) -> Any:
    found: dict[str, Any] = {}
    websites = scope.context.setting("website_ids")
    if websites:
        found["website_ids"] = [int(one) for one in websites]
    if links := _category_links(scope):
        found["category_links"] = links
    options = scope.context.values.get("configurable_options")
    if options:
        found["configurable_product_options"] = options
    product: Product = scope.record
    if product.kind is ProductKind.BUNDLE and (not product.only or "components" in product.only):
        existing = records(scope.context.values.get("bundle_options"))
        found["bundle_product_options"] = _parts(product.components, existing)
    return found or MISSING


TO_STORE = RecordMapping(
    name="product.write",
    direction=Direction.TO_VENDOR,
    fields=(
        Field("sku", "sku", text, required=True, validation=(rules.at_most(64),)),
        Field("name", "name", text, required=True, validation=(rules.at_most(255),)),
        Field("active", "status", Rule("1 enabled, 2 disabled", _status), note="inactive products are disabled"),
        Field("kind", "type_id", Rule("type", _type)),
        Field("", "visibility", rules.computed("variants not visible", _visibility, reads=("variant_of",))),
        Field("", "attribute_set_id", rules.setting("attribute_set_id", 4), note="4 is the core's default set"),
        Field("weight", "weight", rules.decimal(4)),
        Field("", "price", rules.value_of("price", "price of a new product, until prices are written")),
        Field(
            "",
            "custom_attributes",
            rules.computed(
                "texts; setting product_attributes adds; options of variants; URL key of a new product",
                _attributes,
                reads=("description", "short_description", "variant_options", "name", "sku"),
            ),
        ),
        Field(
            "",
            "extension_attributes",
            rules.computed(
                "settings website_ids and categories; options of configurable products, parts of bundles",
                _extension,
                reads=("categories", "variant_attributes", "components[].sku", "components[].quantity"),
            ),
        ),
    ),
)


def _active(value: Any, scope: Scope) -> bool:
    return str(value) == str(ENABLED)


def _kind(value: Any, scope: Scope) -> ProductKind:
    return KINDS.get(str(value), ProductKind.SIMPLE)


def _attribute(code: str) -> Rule:
    def find(scope: Scope) -> Any:
        for one in records(scope.record.get("custom_attributes")):
            if one.get("attribute_code") == code:
                return str(one.get("value") or "")
        return MISSING

    return rules.computed(f"custom attribute {code}", find, reads=(f"custom_attributes[attribute_code={code}].value",))


def _linked_categories(scope: Scope) -> Any:
    names = category_names(scope.context.connection.settings)
    links = records((scope.record.get("extension_attributes") or {}).get("category_links"))
    return [names[number] for link in links if (number := str(link.get("category_id"))) in names]


def _linked_parts(scope: Scope) -> Any:
    options = records((scope.record.get("extension_attributes") or {}).get("bundle_product_options"))
    links = [link for option in options for link in records(option.get("product_links"))]
    quantities = (1 if link.get("qty") is None else link["qty"] for link in links)
    return [
        BundleComponent(sku=str(link["sku"]), quantity=decimal_of(quantity))
        for link, quantity in zip(links, quantities, strict=True)
    ]


FROM_STORE = RecordMapping(
    name="product.read",
    direction=Direction.TO_CANONICAL,
    build=Product,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("website", "global scope"), default=""),
        Field("id", "native_id", text, required=True),
        Field("sku", "sku", text, required=True),
        Field("name", "name", text, default=""),
        Field("type_id", "kind", Rule("kind", _kind), default=ProductKind.SIMPLE),
        Field("status", "active", Rule("enabled", _active), default=False),
        Field("weight", "weight", rules.decimal(4)),
        Field("", "description", _attribute("description")),
        Field("", "short_description", _attribute("short_description")),
        Field(
            "",
            "categories",
            rules.computed(
                "names of setting categories; the store's others are its own",
                _linked_categories,
                reads=("extension_attributes.category_links",),
            ),
            default=(),
        ),
        Field(
            "",
            "components",
            rules.computed(
                "products and quantities of all options",
                _linked_parts,
                reads=("extension_attributes.bundle_product_options",),
            ),
            default=(),
        ),
        Field("created_at", "created_at", moment),
        Field("updated_at", "updated_at", moment),
    ),
)
