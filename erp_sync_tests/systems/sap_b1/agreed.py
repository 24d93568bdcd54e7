"""Canonical price terms as an administrator of SAP would enter them: seed of the sandbox, in SAP's own words.

Written from the contract and the fact sheet, not from the client. SAP numbers lists, groups and manufacturers: their
canonical names here are these numbers.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.price_terms import Combination, DiscountRule, PriceTerms, SpecialPrice, terms_of
from erp_sync.sandbox.distributor import Distributor

LOCAL = "EUR"
RELATIONS = {
    Combination.LOWEST: "dgrLowestDiscount",
    Combination.HIGHEST: "dgrHighestDiscount",
    Combination.AVERAGE: "dgrAverageDiscount",
    Combination.TOTAL: "dgrDiscountTotals",
    Combination.MULTIPLES: "dgrMultipliedDiscount",
}
TYPES = {"all": "dgt_AllBPs", "group": "dgt_CustomerGroup", "account": "dgt_SpecificBP"}
OBJECTS = {
    "item": "dgboItems",
    "item_group": "dgboItemGroups",
    "manufacturer": "dgboManufacturer",
    "property": "dgboItemProperties",
}


def numbered(distributor: Distributor) -> PriceTerms:
    """The distributor's contracts with SAP's numbers for names: list-01 is list 1, group-01 is group 101."""
    terms = terms_of(distributor.tables())

    def number(name: str, above: int = 0) -> str:
        return str(int(name.rpartition("-")[2]) + above) if name else name

    replace = msgspec.structs.replace
    return replace(
        terms,
        account_groups=tuple(replace(one, group=number(one.group, 100)) for one in terms.account_groups),
        accounts=tuple(
            replace(one, group=number(one.group, 100), price_list=number(one.price_list)) for one in terms.accounts
        ),
        items=tuple(
            replace(one, group=number(one.group, 100), manufacturer=number(one.manufacturer, 1)) for one in terms.items
        ),
        price_lists=tuple(
            replace(one, price_list=number(one.price_list), base_list=number(one.base_list))
            for one in terms.price_lists
        ),
        list_prices=tuple(replace(one, price_list=number(one.price_list)) for one in terms.list_prices),
        discount_rules=tuple(
            replace(one, rule=number(one.rule, 1), scoped_to=number(one.scoped_to, 100),
                    matched=number(one.matched, 1)) for one in terms.discount_rules
        ),
    )  # fmt: skip


def seed_of(terms: PriceTerms) -> dict[str, Any]:
    """What the sandbox's administrator loads. Rates are left out: they are of a day."""
    prices: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in terms.list_prices:
        prices[one.item].append({"PriceList": int(one.price_list), "Price": _text(one.price), "Currency": one.currency})
    manufacturers = sorted({int(one.manufacturer) for one in terms.items})
    groups = sorted({int(one.group) for one in terms.items})
    return {
        "currencies": [{"Code": one, "Name": one} for one in sorted({one.currency for one in terms.price_lists})],
        "manufacturers": [{"Code": one, "ManufacturerName": f"maker {one}"} for one in manufacturers],
        "item_groups": [{"Number": one, "GroupName": f"category {one}"} for one in groups],
        "partner_groups": [
            {"Code": int(one.group), "Name": f"group {one.group}", "Type": "bbpgt_CustomerGroup"}
            for one in terms.account_groups
        ],
        "price_lists": [
            {
                "PriceListNo": int(one.price_list), "PriceListName": f"list {one.price_list}",
                "DefaultPrimeCurrency": one.currency, "BasePriceList": int(one.base_list or one.price_list),
                "IsGrossPrice": _flag(one.gross), "Active": _flag(one.active),
            } for one in terms.price_lists
        ],
        "raw_items": [
            {
                "ItemCode": one.item, "ItemName": one.item, "SalesUnit": one.unit, "SalesItem": "tYES",
                "ItemsGroupCode": int(one.group), "Manufacturer": int(one.manufacturer),
                "ItemPrices": sorted(prices[one.item], key=lambda price: price["PriceList"]),
            } for one in terms.items
        ],
        "business_partners": [
            {
                "CardCode": one.account, "CardName": one.account, "CardType": "cCustomer",
                "GroupCode": int(one.group), "PriceListNum": int(one.price_list), "Currency": one.currency,
            } for one in terms.accounts
        ],
        "discount_groups": [_discount_group(one) for one in terms.discount_rules],
        "special_prices": specials(terms.special_prices),
    }  # fmt: skip


def specials(rows: tuple[SpecialPrice, ...]) -> list[dict[str, Any]]:
    """Steps of a pair as one entity: its header, and a period for each span of dates."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        card = row.account or f"*{row.price_list}"
        entity = found.setdefault((card, row.item), {"CardCode": card, "ItemCode": row.item})
        if row.level == "header":
            entity |= {"Price": _text(row.price), "Currency": row.currency, "ValidFrom": _day(row.valid_from),
                       "ValidTo": _day(row.valid_to)}  # fmt: skip
            continue
        areas = entity.setdefault("SpecialPriceDataAreas", [])
        dates = {"DateFrom": _day(row.valid_from), "Dateto": _day(row.valid_to)}
        area = next((one for one in areas if dates.items() <= one.items()), None)
        if area is None:
            area = dates | {"PriceCurrency": row.currency, "SpecialPriceQuantityAreas": []}
            areas.append(area)
        if row.quantity:
            step = {"Quantity": _text(row.quantity), "SpecialPrice": _text(row.price), "PriceCurrency": row.currency}
            area["SpecialPriceQuantityAreas"].append(step)
        else:
            area["SpecialPrice"] = _text(row.price)
    return list(found.values())


def _discount_group(rule: DiscountRule) -> dict[str, Any]:
    line = {"ObjectType": OBJECTS[rule.match], "ObjectCode": rule.matched, "DiscountType": "dgdt_Fixed",
            "Discount": _text(rule.percent)}  # fmt: skip
    return {
        "AbsEntry": int(rule.rule), "Type": TYPES[rule.scope], "ObjectCode": rule.scoped_to or None,
        "DiscountRelations": RELATIONS[rule.relation], "Active": _flag(rule.active),
        "ValidFrom": _day(rule.valid_from), "ValidTo": _day(rule.valid_to), "DiscountGroupLineCollection": [line],
    }  # fmt: skip


def _flag(value: bool) -> str:
    return "tYES" if value else "tNO"


def _day(value: Any) -> str | None:
    return None if value is None else value.isoformat()


def _text(value: Decimal | None) -> float | None:
    """As a JSON number."""
    return None if value is None else float(value)
