"""A discount group of SAP (EnhancedDiscountGroup): a row for each of its lines that is a percentage.

- It is for all partners, a customer group, or one partner; one for a group of vendors says nothing to customers.
- A line matches items, item groups, properties or manufacturers ([H]). "Pay x, get y" (dgdt_Variable) is no percentage:
  it is no row (unconfirmed what SAP makes of it in a price).
- DiscountRelations is among properties only ([SDK], of the partner's field of that name).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from erp_sync.model.price_terms import Combination, DiscountRule
from erp_sync.ports.mapping import Direction, Field, RecordMapping
from erp_sync.systems.sap_b1.mapping.item_prices import percentage
from erp_sync.systems.sap_b1.mapping.price_terms import COMBINATIONS, code, of, one_of, rows_in, yes
from erp_sync.systems.sap_b1.mapping.special_prices import day

Record = Mapping[str, Any]
VENDORS = "dgt_VendorGroup"
SCOPES = {"dgt_AllBPs": "all", "dgt_CustomerGroup": "group", "dgt_SpecificBP": "account"}
MATCHES = {
    "dgboItems": "item",
    "dgboItemGroups": "item_group",
    "dgboItemProperties": "property",
    "dgboManufacturer": "manufacturer",
}

LINES = "DiscountGroupLineCollection[]"
DISCOUNT_RULE = RecordMapping(
    "discount_rule",
    Direction.TO_CANONICAL,
    (
        Field("AbsEntry", "rule", code(), required=True),
        Field("Type", "scope", one_of(SCOPES), required=True),
        Field("scoped_to", "scoped_to", of(code(), "ObjectCode"), default="", note="unless it is for all"),
        Field("ObjectType", "match", of(one_of(MATCHES), f"{LINES}.ObjectType"), required=True, note="of the line"),
        Field("matched", "matched", of(code(), f"{LINES}.ObjectCode"), required=True, note="of the line"),
        Field("Discount", "percent", of(percentage, f"{LINES}.Discount", f"{LINES}.DiscountType"), required=True,
              note="of the line"),
        Field("DiscountRelations", "relation", one_of(COMBINATIONS), default=Combination.LOWEST),
        Field("ValidFrom", "valid_from", day),
        Field("ValidTo", "valid_to", day),
        Field("Active", "active", yes, default=True),
    ),
    DiscountRule,
)  # fmt: skip
_OF_GROUP = ("AbsEntry", "Type", "DiscountRelations", "ValidFrom", "ValidTo", "Active")


def lines_of(record: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, and the line with what its group says."""
    if record.get("Type") == VENDORS:
        return
    group = {name: record.get(name) for name in _OF_GROUP}
    group["scoped_to"] = "" if record.get("Type") == "dgt_AllBPs" else record.get("ObjectCode")
    for at, line in enumerate(rows_in(record, "DiscountGroupLineCollection")):
        if line.get("DiscountType") == "dgdt_Variable":
            continue
        yield (
            f"DiscountGroupLineCollection[{at}]",
            {
                **group,
                "ObjectType": line.get("ObjectType"),
                "matched": line.get("ObjectCode"),
                "Discount": line.get("Discount"),
            },
        )
