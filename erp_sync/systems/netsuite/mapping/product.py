"""Product and price, SuiteQL rows of `item` and `itemprice` to `Product` and `Price`.

The product payload is the item's row with, where they apply, ``parent_itemid``, ``children`` (how many items
have it as parent), ``options`` (matrix option name to value), ``option_names``, ``components``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.price import Price, PriceKind
from erp_sync.model.product import BundleComponent, Product, ProductKind
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.netsuite.mapping.common import IN

# Item types of Oracle's SuiteAnalytics; those that the fact base does not list are unconfirmed.
KINDS = {
    "InvtPart": ProductKind.SIMPLE,
    "Assembly": ProductKind.SIMPLE,
    "NonInvtPart": ProductKind.SIMPLE,
    "Kit": ProductKind.BUNDLE,
    "Group": ProductKind.BUNDLE,
    "GiftCert": ProductKind.GIFT_CARD,
    "Service": ProductKind.VIRTUAL,
    "DwnLdItem": ProductKind.VIRTUAL,
}
# Records whose members make up a bundle (REST API Browser 2026.1; itemGroup's members as in SuiteTalk).
BUNDLE_RECORDS = {"Kit": "kitItem", "Group": "itemGroup"}
TIMES = "%Y-%m-%d %H:%M:%S"


def _kind(scope: Scope) -> Any:
    if int(scope.record.get("children") or 0):
        return ProductKind.CONFIGURABLE
    found = str(scope.record.get("itemtype", ""))
    kind = KINDS.get(found)
    if kind is None:
        raise scope.problem("itemtype", f"{found!r} is none of {', '.join(KINDS)}")
    return kind


def _pairs(value: Any, scope: Scope) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no set of options")
    return [(str(name), str(option)) for name, option in value.items()]


def _categories(value: Any, scope: Scope) -> list[str]:
    return [part.strip() for part in str(value).split(":") if part.strip()]


COMPONENTS = RecordMapping(
    "product.components",
    IN,
    (
        Field("sku", "sku", rules.text(), required=True),
        Field("quantity", "quantity", rules.decimal(), required=True, validation=(rules.positive,)),
    ),
    BundleComponent,
)


def _members_rule(members: RecordMapping) -> Rule:
    nested = rules.each(members)

    def apply(value: Any, scope: Scope) -> Any:
        # A bundle without parts would sell nothing: its record could not be read, or has none.
        if not value and str(scope.record.get("itemtype")) in BUNDLE_RECORDS:
            raise ValueError("a bundle has no members that this role may read")
        return nested.apply(value, scope) if value else MISSING

    return Rule(
        f"{nested.name}; a bundle must have some", apply, nested=members, many=True, always=True, rebuild=_members_rule
    )


PRODUCT = RecordMapping(
    "product",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("id", "native_id", rules.text(), required=True),
        Field("modified", "version", rules.text(), default="", note="local time of last change as text"),
        Field("itemid", "sku", rules.text(), required=True),
        Field("", "name", rules.first_of("displayname", "itemid", then=rules.text()), required=True),
        Field("itemtype", "kind", rules.computed(
            "by item type: " + ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
            + "; configurable where other items have it as parent", _kind, reads=("children",)), required=True),
        Field("isinactive", "active", rules.chain(rules.boolean(), Rule("reversed", lambda value, scope: not value)),
              default=True),
        Field("description", "description", rules.text(), default=""),
        Field("weight", "weight", rules.decimal()),
        Field("upccode", "gtin", rules.text(), default=""),
        Field("manufacturer", "manufacturer", rules.text(), default=""),
        Field("category", "categories", Rule("path of names, split at ':'", _categories), default=()),
        Field("parent_itemid", "variant_of", rules.text()),
        Field("option_names", "variant_attributes", default=()),
        Field("options", "variant_options", Rule("name and value of each matrix option", _pairs), default=()),
        Field("components", "components", _members_rule(COMPONENTS), default=()),
        Field("", "weight_unit", rules.setting("weight_unit", "lb")),
        Field("", "tax_class", rules.setting("tax_class", "")),
        Field("created", "created_at", rules.timestamp(TIMES)),
        Field("modified", "updated_at", rules.timestamp(TIMES)),
    ),
    Product,
)  # fmt: skip


def _level(scope: Scope) -> tuple[str, str]:
    """Setting ``price_levels``: level id to ``base``, ``special``, ``cost`` or ``group:<customer group>``."""
    levels = scope.context.values["price_levels"]
    meaning, _, group = str(levels.get(str(scope.record.get("level")), "base")).partition(":")
    return meaning, group


def _price_kind(scope: Scope) -> Any:
    meaning, _ = _level(scope)
    quantity = scope.record.get("quantity")
    if meaning == "base" and not is_empty(quantity) and rules.decimal().apply(quantity, scope) > 1:
        return PriceKind.TIER
    if meaning == "group":
        return PriceKind.TIER
    if meaning not in list(PriceKind):
        raise scope.problem(
            "pricelevel", f"setting price_levels says {meaning!r}; known: {', '.join(PriceKind)}, group:"
        )
    return PriceKind(meaning)


def _break(value: Any, scope: Scope) -> Any:
    """The first break is from zero in NetSuite and from one piece here."""
    quantity = rules.decimal().apply(value, scope)
    return quantity if quantity > 0 else MISSING


PRICE = RecordMapping(
    "price",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("itemid", "sku", rules.text(), required=True),
        Field("level", "kind", rules.computed("by setting price_levels; tier from a quantity above one or for a group",
                                              _price_kind, reads=("quantity",)), required=True),
        Field("level", "price_list", rules.text(), default="", note="internal id of the price level"),
        Field("level", "group", rules.computed("group of setting price_levels", lambda scope: _level(scope)[1]),
              default=""),
        Field("quantity", "quantity", Rule("quantity break, 0 is 1", _break), default=1),
        Field("currency", "currency", rules.text(), required=True, note="ISO 4217"),
        Field("amount", "amount", rules.decimal(), required=True, validation=(rules.not_negative,)),
        Field("valid_from", "valid_from", rules.timestamp("%Y-%m-%d")),
        Field("valid_to", "valid_to", rules.timestamp("%Y-%m-%d")),
        Field("modified", "version", rules.text(), default=""),
        Field("read_at", "read_at", rules.timestamp()),
    ),
    Price,
)  # fmt: skip
