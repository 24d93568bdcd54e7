"""Price terms that one record of SAP's says in one row: groups, accounts, price lists, items.

Records are as SAP gives them, with what they refer to by number beside it (`price_terms`): ``iso`` ({SAP's currency
code: ISO code}, where they differ), ``local_currency``, ``units`` ({entry: code}).

Sources: contract 1.27 (names of fields); [H] help.sap.com 10.0 "BP Master Data: Payment Terms Tab"; [SDK] help.sap.com
SDKHelp 10.0, tables ITM1 and AIT9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.price_terms import SCALE, Account, AccountGroup, Combination, Item, Policy, PriceList
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.systems.sap_b1.company import MANUAL

IN = Direction.TO_CANONICAL
PROPERTIES = 64
_LARGEST = Decimal(10) ** 12
_LARGEST_PERCENT = Decimal(1000)

POLICIES = {
    "epDefaultPriority": Policy.DEFAULT,
    "epLowestPrice": Policy.LOWEST,
    "epHighestPrice": Policy.HIGHEST,
}
COMBINATIONS = {
    "dgrLowestDiscount": Combination.LOWEST,
    "dgrHighestDiscount": Combination.HIGHEST,
    "dgrAverageDiscount": Combination.AVERAGE,
    "dgrDiscountTotals": Combination.TOTAL,
    "dgrMultipliedDiscount": Combination.MULTIPLES,
}


def one_of(values: Mapping[str, Any]) -> Rule:
    """A value of an enumeration; another is an error of this record."""

    def apply(value: Any, scope: Scope) -> Any:
        if value not in values:
            raise ValueError(f"{value!r} is none of {', '.join(values)}")
        return values[value]

    return Rule(", ".join(f"{key}→{value}" for key, value in values.items()), apply, pure=True)


yes = one_of({"tYES": True, "tNO": False})


def code() -> Rule:
    """The number or text by which SAP names a thing, as text."""
    return rules.text(strip=False)


def of(rule: Rule, *reads: str) -> Rule:
    """The rule, for a value that code finds at these paths of SAP's record: the field's source is our own word then."""
    return replace(rule, reads=reads)


def amount(value: Any) -> Decimal:
    """A price, quantity or rate at the scale of the canonical tables. Raises ValueError."""
    number = decimal_of(value, SCALE)
    if abs(number) >= _LARGEST:
        raise ValueError(f"{value} is too large for a price or a quantity")
    return number


def percent(value: Any) -> Decimal:
    """12.5 is 12.5 %. Raises ValueError."""
    number = decimal_of(value, SCALE)
    if abs(number) >= _LARGEST_PERCENT:
        raise ValueError(f"{value} is too large for a percentage")
    return number


def whole(value: Any) -> int:
    """A list's number or a unit's entry. Raises ValueError."""
    number = decimal_of(value, SCALE)
    if number != number.to_integral_value():
        raise ValueError(f"{value!r} is no whole number")
    return int(number)


def rows_in(record: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A collection within a record; none is an empty one. Raises ValueError where it is something else."""
    rows = record.get(name) or ()
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"{name} is no list of records")
    return rows


def currency_in(record: Mapping[str, Any], own: Any) -> str:
    """ISO code of one of SAP's currency codes; without one the company's own currency."""
    named = str(own or record.get("local_currency") or "")
    return str((record.get("iso") or {}).get(named, named))


def currency(field: str) -> Rule:
    def find(scope: Scope) -> str:
        own = scope.record.get(field)
        return currency_in(scope.record, None if own == "##" else own)

    return rules.computed(
        "ISO code of SAP's code (setting currencies, DocumentsCode); empty or ## is the company's own currency",
        find,
        reads=(field, "local_currency", "iso"),
    )


ACCOUNT_GROUP = RecordMapping(
    "account_group", IN, (Field("Code", "group", code(), required=True),), AccountGroup
)  # fmt: skip

ACCOUNT = RecordMapping(
    "account",
    IN,
    (
        Field("CardCode", "account", code(), required=True),
        Field("GroupCode", "group", code(), default=""),
        Field("PriceListNum", "price_list", code(), default=""),
        Field("Currency", "currency", currency("Currency"), required=True),
        Field("EffectivePrice", "policy", one_of(POLICIES), default=Policy.DEFAULT, note="[H]"),
        Field("EffectivePriceConsidersPriceBeforeDiscount", "every_source", yes, default=False,
              note="'Effective Price Considers All Price Sources' [H]; that this field is it: OCRD.EffcAllSrc"),
        Field("EffectiveDiscount", "combination", one_of(COMBINATIONS), default=Combination.LOWEST, note="[H]"),
        Field("NoDiscounts", "no_discounts", yes, default=False, note="'Do Not Apply Discount Groups' [H]"),
    ),
    Account,
)  # fmt: skip


def _base_list(scope: Scope) -> str:
    """Numbers below 1 are SAP's own (last purchase price, last evaluated price: [SDK], unconfirmed): no list."""
    base = scope.record.get("BasePriceList")
    if is_empty(base) or whole(base) < 1 or base == scope.record.get("PriceListNo"):
        return ""
    return str(base)


def _active(scope: Scope) -> bool:
    if scope.record.get("current") is None:
        raise ValueError("ValidFrom or ValidTo is no day")
    return bool(scope.record["current"])


PRICE_LIST = RecordMapping(
    "price_list",
    IN,
    (
        Field("PriceListNo", "price_list", code(), required=True),
        Field("DefaultPrimeCurrency", "currency", currency("DefaultPrimeCurrency"), required=True),
        Field("IsGrossPrice", "gross", yes, default=False),
        Field("BasePriceList", "base_list", rules.computed(
            "the number; none for itself and for SAP's own lists (below 1)", _base_list, reads=("PriceListNo",)),
            default="", note="Factor is not read: the prices it makes are stored with the item [H9]"),
        Field("", "active", rules.computed(
            "Active, and the day of the reading is within ValidFrom and ValidTo", _active,
            reads=("Active", "ValidFrom", "ValidTo"))),
    ),
    PriceList,
)  # fmt: skip


def own_unit(item: Mapping[str, Any]) -> int:
    """Entry of the unit that an item's list prices are for: the pricing unit, else the inventory unit ([SDK] ITM1:
    PriceType is of either), else the base unit of its group; that of manual items has no entry."""
    group = item.get("unit_group")
    if not group:
        return MANUAL
    for field in ("PricingUnit", "InventoryUoMEntry"):
        entry = item.get(field)
        if not is_empty(entry) and whole(entry) > 0:
            return whole(entry)
    return whole(group.get("BaseUoM") or MANUAL)


def unit_code(record: Mapping[str, Any], entry: Any) -> str:
    """Code of a unit; the entry itself where SAP has no such unit: it does not convert, and is named so."""
    return str((record.get("units") or {}).get(str(entry), entry))


def _unit(scope: Scope) -> str:
    entry = own_unit(scope.record)
    if entry != MANUAL:
        return unit_code(scope.record, entry)
    return str(scope.record.get("SalesUnit") or "")


def _sold_in(scope: Scope) -> tuple[str, ...]:
    """The default sales unit first."""
    item = scope.record
    if not item.get("unit_group"):
        return ()
    named = [item.get("DefaultSalesUoMEntry")]
    named += [
        one.get("UoMEntry")
        for one in rows_in(item, "ItemUnitOfMeasurementCollection")
        if one.get("UoMType") == "iutSales"
    ]
    entries = [whole(one) for one in named if not is_empty(one)]
    return tuple(dict.fromkeys(unit_code(item, one) for one in entries if one > 0))


ITEM = RecordMapping(
    "item",
    IN,
    (
        Field("ItemCode", "item", code(), required=True),
        Field("ItemsGroupCode", "group", code(), default=""),
        Field("Manufacturer", "manufacturer", code(), default=""),
        Field("properties", "properties", Rule("numbers of the properties that it has", lambda value, scope: value,
              reads=tuple(f"Properties{number}" for number in range(1, PROPERTIES + 1))), default=()),
        Field("NoDiscounts", "no_discounts", yes, default=False),
        Field("", "unit", rules.computed(
            "code of PricingUnit, else of InventoryUoMEntry, else of the group's BaseUoM; without a group SalesUnit",
            _unit, reads=("PricingUnit", "InventoryUoMEntry", "UoMGroupEntry", "SalesUnit")), default="",
            note="which its list prices are for: [SDK] ITM1.PriceType"),
        Field("", "sold_in", rules.computed(
            "codes of the default sales unit and of further units for sales; without a group its own", _sold_in,
            reads=("DefaultSalesUoMEntry", "ItemUnitOfMeasurementCollection"))),
    ),
    Item,
)  # fmt: skip
