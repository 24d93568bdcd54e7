"""Which of SAP's records decide prices: sets, fields, pages; and what is put beside a record that it only refers to.

Which carry a time of last change is of the contract 1.27: items and partners do; price lists, special prices, discount
groups, partner groups, agreements and rates do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.company import MANUAL, UNITS_OF_GROUP, Company
from erp_sync.systems.sap_b1.mapping.price_terms import PROPERTIES

Row = dict[str, Any]
STAMPS = ("UpdateDate", "UpdateTime", "DataVersion")
RATES = "CurrencyRates"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    where: always true of what is read.
    page: rows a call.
    stamped: it has UpdateDate and UpdateTime.
    numbered: its key is a number.
    accounts, items: field that names the account, the item; "" where rows of it are of no single one.
    """

    entity_set: str
    key: tuple[str, ...]
    select: tuple[str, ...]
    where: str = ""
    page: int = 200
    stamped: bool = False
    numbered: bool = False
    accounts: str = ""
    items: str = ""


LISTS = Table(
    entity_set="PriceLists",
    key=("PriceListNo",),
    numbered=True,
    select=(
        *("PriceListNo", "PriceListName", "DefaultPrimeCurrency", "IsGrossPrice", "BasePriceList", "Factor"),
        *("Active", "ValidFrom", "ValidTo", "RoundingMethod", "RoundingRule"),
    ),
)
GROUPS = Table(
    entity_set="BusinessPartnerGroups",
    key=("Code",),
    numbered=True,
    select=("Code", "Name", "Type"),
    where=odata.equals("Type", "bbpgt_CustomerGroup"),
)
DISCOUNTS = Table(
    entity_set="EnhancedDiscountGroups",
    key=("AbsEntry",),
    numbered=True,
    select=(
        *("AbsEntry", "Type", "ObjectCode", "DiscountRelations", "Active", "ValidFrom", "ValidTo"),
        "DiscountGroupLineCollection",
    ),
)
AGREEMENTS = Table(
    entity_set="BlanketAgreements",
    key=("AgreementNo",),
    numbered=True,
    select=(
        *("AgreementNo", "BPCode", "BPType", "BPCurrency", "StartDate", "EndDate", "TerminateDate", "Status"),
        *("AgreementType", "AgreementMethod", "IgnorePricesInAgreement", "PriceMode", "BlanketAgreements_ItemsLines"),
    ),
    where=odata.equals("BPType", "atCustomer"),
    page=50,
    accounts="BPCode",
)
ACCOUNTS = Table(
    entity_set="BusinessPartners",
    key=("CardCode",),
    select=(
        *("CardCode", "CardType", "GroupCode", "PriceListNum", "Currency", "EffectivePrice", "EffectiveDiscount"),
        *("EffectivePriceConsidersPriceBeforeDiscount", "NoDiscounts", "DefaultBlanketAgreementNumber"),
        *("Frozen", "FrozenFrom", "FrozenTo", "CreateDate", *STAMPS),
    ),
    stamped=True,
    accounts="CardCode",
)
ITEMS = Table(
    entity_set="Items",
    key=("ItemCode",),
    select=(
        *("ItemCode", "SalesItem", "ItemsGroupCode", "Manufacturer", "NoDiscounts", "SalesUnit", "PricingUnit"),
        *("UoMGroupEntry", "InventoryUoMEntry", "DefaultSalesUoMEntry", "ItemUnitOfMeasurementCollection"),
        *("ItemPrices", *(f"Properties{number}" for number in range(1, PROPERTIES + 1)), *STAMPS),
    ),
    stamped=True,
    items="ItemCode",
)
SPECIALS = Table(
    entity_set="SpecialPrices",
    key=("CardCode", "ItemCode"),
    select=(
        *("CardCode", "ItemCode", "Price", "Currency", "DiscountPercent", "PriceListNum", "AutoUpdate", "SourcePrice"),
        *("Valid", "ValidFrom", "ValidTo", "SpecialPriceDataAreas"),
    ),
    page=500,
    accounts="CardCode",
    items="ItemCode",
)
#: Few rows and no stamp: read whole by every look for changes.
UNSTAMPED = (LISTS, GROUPS, DISCOUNTS, AGREEMENTS)
TABLES = {table.entity_set: table for table in (*UNSTAMPED, ITEMS, ACCOUNTS, SPECIALS)}
CUSTOMERS = odata.equals("CardType", "cCustomer")
SOLD = odata.equals("SalesItem", "tYES")


def native_id(entity_set: str, *key: Any) -> str:
    """``SpecialPrices/C20000/BEARING-6204``; a slash inside a part is %2F."""
    return "/".join((entity_set, *(str(part).replace("%", "%25").replace("/", "%2F") for part in key)))


def key_condition(table: Table, name: str) -> str:
    """The filter that the record of this native id alone passes; "" for what cannot be one."""
    parts = [part.replace("%2F", "/").replace("%25", "%") for part in name.split("/")[1:]]
    if len(parts) != len(table.key) or (table.numbered and not all(part.isdecimal() for part in parts)):
        return ""
    keys = [int(part) if table.numbered else part for part in parts]
    return odata.every(*(odata.equals(field, key) for field, key in zip(table.key, keys, strict=True)))


def digest(payload: Mapping[str, Any]) -> str:
    """The same for the same content."""
    encoded = msgspec.json.encode(payload, order="sorted")
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def with_names(table: Table, row: Row, company: Company, today: date) -> Row:
    """The record as it is kept: with codes of what it names by number, and whether a list counts today.

    Looks past what is not as published: the mapping names such a record, and the others go.
    """
    if table is SPECIALS:
        areas = _rows(row, "SpecialPriceDataAreas")
        steps = [step for area in areas for step in _rows(area, "SpecialPriceQuantityAreas")]
        codes = [row.get("Currency"), *(one.get("PriceCurrency") for one in (*areas, *steps))]
        return row | _names(company, codes, [step.get("UoMEntry") for step in steps])
    if table is ITEMS:
        return _item(row, company)
    if table is AGREEMENTS:
        lines = _rows(row, "BlanketAgreements_ItemsLines")
        codes = [row.get("BPCurrency"), *(one.get("PriceCurrency") for one in lines)]
        return row | _names(company, codes, [one.get("UoMEntry") for one in lines])
    if table is ACCOUNTS:
        return row | _names(company, [row.get("Currency")], ())
    if table is LISTS:
        return row | _names(company, [row.get("DefaultPrimeCurrency")], ()) | {"current": _counts(row, today)}
    return row


def _rows(record: Mapping[str, Any], name: str) -> list[Row]:
    rows = record.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _names(company: Company, codes: Iterable[Any], entries: Iterable[Any]) -> Row:
    """``local_currency``, and ``iso`` and ``units`` where they are needed."""
    named: Row = {"local_currency": company.local_currency}
    if iso := company.iso({company.local_currency, *(one for one in codes if isinstance(one, str))}):
        named["iso"] = iso
    if units := company.unit_codes({one for one in entries if isinstance(one, int)}):
        named["units"] = units
    return named


def _item(row: Row, company: Company) -> Row:
    kept = {name: value for name, value in row.items() if not name.startswith("Properties")}
    having = [str(number) for number in range(1, PROPERTIES + 1) if row.get(f"Properties{number}") == "tYES"]
    if having:
        kept["properties"] = having
    prices = [one for listed in _rows(row, "ItemPrices") for one in (listed, *_rows(listed, "UoMPrices"))]
    codes = [one.get(name) for one in prices for name in ("Currency", "AdditionalCurrency1", "AdditionalCurrency2")]
    entry = row.get("UoMGroupEntry")
    group = company.unit_groups.get(entry) if isinstance(entry, int) and entry != MANUAL else None
    if group is None:
        return kept | _names(company, codes, ())
    entries = [row.get(name) for name in ("PricingUnit", "InventoryUoMEntry", "DefaultSalesUoMEntry")]
    entries += [one.get("UoMEntry") for one in (*_rows(row, "ItemUnitOfMeasurementCollection"), *prices)]
    entries += [group.get("BaseUoM"), *(one.get("AlternateUoM") for one in _rows(group, UNITS_OF_GROUP))]
    return kept | {"unit_group": group} | _names(company, codes, entries)


def _counts(row: Mapping[str, Any], today: date) -> bool | None:
    """Active, and both days belong to it. None where one is no day."""
    start, end = row.get("ValidFrom"), row.get("ValidTo")
    try:
        within = (not start or odata.day_of(start) <= today) and (not end or today <= odata.day_of(end))
    except ValueError:
        return None
    return row.get("Active") != "tNO" and within
