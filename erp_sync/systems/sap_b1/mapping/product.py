"""Product, an `Item` to `Product`. Values: ``connection``, ``today`` (the server's date).

The payload is the item with, where they apply, ``group`` and ``manufacturer`` (names), ``children`` (how many items
name it as their parent), ``option_names``, ``options`` and ``components``. SAP Business One has no variants of its own:
an installation keeps parent and options in user-defined fields (settings ``parent_field``, ``option_fields``).
"""

from __future__ import annotations

from typing import Any

from erp_sync.model.product import BundleComponent, Product, ProductKind
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.mapping.activity import is_active

#: TreeType of items that are sold as one and picked as their parts; one that is produced is picked itself. That the
#: assembly's parts leave with it as with a sales bill of materials is unconfirmed.
BUNDLES = ("iSalesTree", "iAssemblyTree", "iTemplateTree")
DESCRIPTION = "User_Text"


def _kind(scope: Scope) -> ProductKind:
    item = scope.record
    if int(item.get("children") or 0):
        return ProductKind.CONFIGURABLE
    if item.get("TreeType") in BUNDLES:
        return ProductKind.BUNDLE
    return ProductKind.SIMPLE if item.get("InventoryItem") == "tYES" else ProductKind.VIRTUAL


def _active(scope: Scope) -> bool:
    """A sales item that may be sold today."""
    return scope.record.get("SalesItem") == "tYES" and is_active(scope.record, scope.context.values["today"])


def _pairs(value: Any, scope: Scope) -> list[tuple[str, str]]:
    return [(str(name), str(option)) for name, option in dict(value).items()]


COMPONENTS = RecordMapping(
    "product.components",
    Direction.TO_CANONICAL,
    (
        Field("sku", "sku", rules.text(strip=False), required=True),
        Field("quantity", "quantity", rules.decimal(), required=True, validation=(rules.positive,)),
    ),
    BundleComponent,
)


def _components_rule(components: RecordMapping) -> Rule:
    nested = rules.each(components)

    def apply(value: Any, scope: Scope) -> Any:
        # A bundle without parts would sell nothing: its bill of materials could not be read, or has none.
        if is_empty(value) or not value:
            if scope.record.get("TreeType") in BUNDLES:
                raise ValueError("a bundle has no bill of materials that this user may read")
            return []
        return nested.apply(value, scope)

    return Rule(
        f"{nested.name}; a bundle must have some", apply, nested=components, many=True, always=True,
        rebuild=_components_rule,
    )  # fmt: skip


def _time(day: str, clock: str) -> Rule:
    def find(scope: Scope) -> Any:
        value = scope.record.get(day)
        return odata.stamp(value, scope.record.get(clock), scope.context.connection.time_zone) if value else None

    return rules.computed("in the server's time zone, to UTC", find, reads=(day, clock))


def _description(scope: Scope) -> Any:
    return scope.record.get(str(scope.context.setting("description_field") or DESCRIPTION))


def _parent(scope: Scope) -> Any:
    field = scope.context.setting("parent_field")
    return scope.record.get(str(field)) if field else None


PRODUCT = RecordMapping(
    "product",
    Direction.TO_CANONICAL,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("ItemCode", "native_id", rules.text(strip=False), required=True),
        Field("version", "version", rules.text(), default="", note="time of last change, SAP's count of changes"),
        Field("ItemCode", "sku", rules.text(strip=False), required=True),
        Field("", "name", rules.first_of("ItemName", "ItemCode", then=rules.text()), required=True),
        Field("TreeType", "kind", rules.computed(
            f"bundle of {', '.join(BUNDLES)}; configurable where other items name it as parent; virtual where it is "
            "not kept in stock", _kind, reads=("InventoryItem", "children")), required=True),
        Field("SalesItem", "active", rules.computed(
            "a sales item, and not frozen on the server's date", _active,
            reads=("Frozen", "FrozenFrom", "FrozenTo", "Valid", "ValidFrom", "ValidTo"))),
        Field("", "description", rules.computed("field of setting description_field, else User_Text", _description),
              default=""),
        Field("SalesUnitWeight", "weight", rules.decimal(), note="of the sales unit"),
        Field("", "weight_unit", rules.setting("weight_unit", "kg")),
        Field("SalesUnit", "unit", rules.text(), default=""),
        Field("BarCode", "gtin", rules.text(), default=""),
        Field("manufacturer", "manufacturer", rules.text(), default=""),
        Field("group", "categories", Rule("name of the item group", lambda value, scope: [str(value)]), default=()),
        Field("", "tax_class", rules.setting("tax_class", "")),
        Field("", "variant_of", rules.computed("field of setting parent_field", _parent)),
        Field("option_names", "variant_attributes", default=()),
        Field("options", "variant_options", Rule("name and value of each field of setting option_fields", _pairs),
              default=()),
        Field("components", "components", _components_rule(COMPONENTS), default=()),
        Field("", "created_at", _time("CreateDate", "CreateTime")),
        Field("", "updated_at", _time("UpdateDate", "UpdateTime")),
    ),
    Product,
)  # fmt: skip
