"""What was agreed about prices (`model.price_terms`), as the company's own objects.

Names become the company's numbers in the order of their tables: price lists, groups of partners and items,
manufacturers, units and the item properties that are in use. Prices of a list with a base are prices by hand: how they
were made of the base's is not known. Special prices, of which there may be a million, are written at once by
`seed_special_prices`; everything else goes the way of a POST.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.model import price_terms as terms
from erp_sync.systems.sap_b1.sandbox import seed_special_prices
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.values import number

if TYPE_CHECKING:
    import pyarrow as pa

Upsert = Callable[[str, dict[str, Any]], dict[str, Any]]

MANUAL_GROUP = -1
_FIRST_GROUP = 101
_POLICIES = {
    terms.Policy.DEFAULT: "epDefaultPriority",
    terms.Policy.LOWEST: "epLowestPrice",
    terms.Policy.HIGHEST: "epHighestPrice",
}
_COMBINATIONS = {
    terms.Combination.LOWEST: "dgrLowestDiscount",
    terms.Combination.HIGHEST: "dgrHighestDiscount",
    terms.Combination.AVERAGE: "dgrAverageDiscount",
    terms.Combination.TOTAL: "dgrDiscountTotals",
    terms.Combination.MULTIPLES: "dgrMultipliedDiscount",
}
_MATCHES = {"item": "dgboItems", "item_group": "dgboItemGroups", "manufacturer": "dgboManufacturer",
            "property": "dgboItemProperties"}  # fmt: skip


class CannotSay(ValueError):
    """SAP Business One has no object for what a row says; the message names the row."""


def tables_of(data: Mapping[str, list[dict[str, Any]]]) -> dict[str, pa.Table]:
    """Rows in JSON as canonical tables. Raises msgspec.ValidationError or KeyError for what is none."""
    found = {}
    for name, rows in data.items():
        record = terms.TABLES[name]
        found[name] = terms.table(record, [msgspec.convert(row, record, strict=False) for row in rows])
    return found


def load(context: Context, upsert: Upsert, tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Write it all and answer counts by table. Raises CannotSay."""
    small = {name: table for name, table in tables.items() if name not in ("special_prices", "list_prices")}
    return _Loader(context, upsert, terms.terms_of(small)).load(tables)


class _Loader:
    def __init__(self, context: Context, upsert: Upsert, found: terms.PriceTerms) -> None:
        self.context, self.upsert, self.terms = context, upsert, found
        self.lists = {one.price_list: place for place, one in enumerate(found.price_lists, 1)}
        groups = [one.group for one in found.account_groups] + [one.group for one in found.accounts]
        self.groups = _numbered(groups, _FIRST_GROUP)
        self.item_groups = _numbered((one.group for one in found.items if one.group), _FIRST_GROUP)
        self.manufacturers = _numbered(one.manufacturer for one in found.items if one.manufacturer)
        self.properties = _numbered(sorted({name for one in found.items for name in one.properties}))
        own = {one.item: one.unit for one in found.items}
        self.units = _numbered(
            name for one in found.item_units for name in (own.get(one.item, one.unit), one.unit) if name
        )
        self.conversions: dict[str, list[terms.ItemUnit]] = defaultdict(list)
        for one in found.item_units:
            self.conversions[one.item].append(one)
        self.unit_groups: dict[tuple[Any, ...], int] = {}
        #: The entry of an item's own unit; items that are sold in one unit have none.
        self.own_units = {item: self.units[own[item]] for item in self.conversions if item in own}

    def load(self, tables: Mapping[str, pa.Table]) -> dict[str, int]:
        if self.terms.promotions:
            raise CannotSay(f"promotion {self.terms.promotions[0].promotion!r}: there are no promotions in the company")
        self._names(tables)
        counts = {"price_lists": self._price_lists()}
        counts["exchange_rates"] = self._exchange_rates()
        counts["items"] = self._items(tables.get("list_prices"))
        counts["accounts"] = self._accounts()
        counts["discount_rules"] = self._discount_groups()
        counts["agreements"] = self._agreements()
        if "special_prices" in tables:
            writer = seed_special_prices.Writer(self.context.store, self.upsert, self.lists, self.units, self.own_units)
            counts["special_prices"] = writer.write(tables["special_prices"])
        return counts

    def _names(self, tables: Mapping[str, pa.Table]) -> None:
        currencies = {code for table in tables.values() if "currency" in table.column_names
                      for code in table.column("currency").unique().to_pylist()}  # fmt: skip
        for code in sorted(currencies - {""}):
            self.upsert("Currencies", {"Code": code, "Name": code})
        for name, code in self.groups.items():
            self.upsert("BusinessPartnerGroups", {"Code": code, "Name": name, "Type": "bbpgt_CustomerGroup"})
        for name, code in self.item_groups.items():
            self.upsert("ItemGroups", {"Number": code, "GroupName": name})
        for name, code in self.manufacturers.items():
            self.upsert("Manufacturers", {"Code": code, "ManufacturerName": name})
        for name, code in self.units.items():
            self.upsert("UnitOfMeasurements", {"AbsEntry": code, "Code": name, "Name": name})

    def _price_lists(self) -> int:
        for one in self.terms.price_lists:
            own = self.lists[one.price_list]
            self.upsert(
                "PriceLists",
                {"PriceListNo": own, "PriceListName": one.price_list, "BasePriceList": own,
                 "DefaultPrimeCurrency": one.currency, "IsGrossPrice": _flag(one.gross), "Active": _flag(one.active)},
            )  # fmt: skip
        for one in self.terms.price_lists:
            if one.base_list and one.base_list != one.price_list:
                based = {"PriceListNo": self.lists[one.price_list], "BasePriceList": self.lists[one.base_list]}
                self.upsert("PriceLists", based)
        return len(self.lists)

    def _exchange_rates(self) -> int:
        """Those into the company's currency, which are the ones that a company keeps."""
        local = self.context.options.local_currency
        rates = [one for one in self.terms.exchange_rates if one.into == local]
        self.context.store.many(
            "INSERT OR REPLACE INTO exchange_rates VALUES (?, ?, ?)",
            [(one.currency, one.day.isoformat(), str(number(one.rate))) for one in rates],
        )
        return len(rates)

    # -- items -----------------------------------------------------------------------------------------

    def _items(self, list_prices: pa.Table | None) -> int:
        prices: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if list_prices is not None:
            for row in list_prices.to_pylist():
                prices[row["item"]].append(row)
        currencies = {one.price_list: one.currency for one in self.terms.price_lists}
        for one in self.terms.items:
            body: dict[str, Any] = {
                "ItemCode": one.item, "ItemName": f"Part {one.item}", "NoDiscounts": _flag(one.no_discounts),
                "UoMGroupEntry": self._unit_group(one), "SalesUnit": one.unit, "InventoryUOM": one.unit,
                "ItemPrices": self._item_prices(one, prices.pop(one.item, []), currencies),
            }  # fmt: skip
            if one.group:
                body["ItemsGroupCode"] = self.item_groups[one.group]
            if one.manufacturer:
                body["Manufacturer"] = self.manufacturers[one.manufacturer]
            body |= {f"Properties{self.properties[name]}": "tYES" for name in one.properties}
            self.upsert("Items", body)
        if prices:
            raise CannotSay(f"list price of item {next(iter(prices))!r}, which does not exist")
        return len(self.terms.items)

    def _unit_group(self, item: terms.Item) -> int:
        """One group for all items with the same conversions."""
        conversions = self.conversions.get(item.item)
        if not conversions:
            return MANUAL_GROUP
        base = self.units[item.unit]
        factors = sorted((self.units[one.unit], one.factor) for one in conversions if one.unit != item.unit)
        known = (base, tuple(factors))
        if known not in self.unit_groups:
            entry = self.unit_groups[known] = len(self.unit_groups) + 1
            rows = [
                {"AlternateUoM": unit, "AlternateQuantity": 1, "BaseQuantity": factor, "Active": "tYES"}
                for unit, factor in ((base, 1), *factors)
            ]
            self.upsert(
                "UnitOfMeasurementGroups",
                {"AbsEntry": entry, "Code": f"units {entry}", "Name": f"units {entry}", "BaseUoM": base,
                 "UoMGroupDefinitionCollection": rows},
            )  # fmt: skip
        return self.unit_groups[known]

    def _item_prices(
        self, item: terms.Item, rows: list[dict[str, Any]], currencies: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: row["currency"] != currencies.get(row["price_list"])):
            unit = "" if row["unit"] in ("", item.unit) else row["unit"]
            price = found.setdefault((row["price_list"], unit), {})
            place = "" if row["currency"] == currencies.get(row["price_list"]) else str(_free(price, item.item))
            names = ("Price", "Currency") if not place else (f"AdditionalPrice{place}", f"AdditionalCurrency{place}")
            price |= {names[0]: row["price"], names[1]: row["currency"]}
        lists: dict[str, dict[str, Any]] = {}
        for (name, unit), price in found.items():
            own = lists.setdefault(name, {"PriceList": self.lists[name]})
            if unit:
                own.setdefault("UoMPrices", []).append({"UoMEntry": self.units[unit], **price})
            else:
                own |= price
        return list(lists.values())

    # -- partners --------------------------------------------------------------------------------------

    def _accounts(self) -> int:
        for one in self.terms.accounts:
            self.upsert(
                "BusinessPartners",
                {"CardCode": one.account, "CardName": f"Customer {one.account}", "CardType": "cCustomer",
                 "GroupCode": self.groups[one.group], "PriceListNum": self.lists[one.price_list],
                 "Currency": one.currency, "EffectivePrice": _POLICIES[one.policy],
                 "EffectivePriceConsidersPriceBeforeDiscount": _flag(one.every_source),
                 "EffectiveDiscount": _COMBINATIONS[one.combination], "NoDiscounts": _flag(one.no_discounts)},
            )  # fmt: skip
        return len(self.terms.accounts)

    def _discount_groups(self) -> int:
        rules: dict[str, list[terms.DiscountRule]] = defaultdict(list)
        for one in self.terms.discount_rules:
            rules[one.rule].append(one)
        for entry, lines in enumerate(rules.values(), 1):
            first = lines[0]
            kind, code = "dgt_AllBPs", "0"
            if first.scope == "group":
                kind, code = "dgt_CustomerGroup", str(self.groups[first.scoped_to])
            elif first.scope == "account":
                kind, code = "dgt_SpecificBP", first.scoped_to
            self.upsert(
                "EnhancedDiscountGroups",
                {"AbsEntry": entry, "Type": kind, "ObjectCode": code, "Active": _flag(first.active),
                 "DiscountRelations": _COMBINATIONS[first.relation], "ValidFrom": _day(first.valid_from),
                 "ValidTo": _day(first.valid_to),
                 "DiscountGroupLineCollection": [self._discount_line(one) for one in lines]},
            )  # fmt: skip
        return len(rules)

    def _discount_line(self, rule: terms.DiscountRule) -> dict[str, Any]:
        if rule.match == "all":
            raise CannotSay(f"discount rule {rule.rule!r} is for all items; a discount group is for some")
        code: int | str = rule.matched
        if rule.match != "item":
            known = {"item_group": self.item_groups, "manufacturer": self.manufacturers, "property": self.properties}
            code = known[rule.match].get(rule.matched, 0)
        return {"ObjectType": _MATCHES[rule.match], "ObjectCode": str(code), "DiscountType": "dgdt_Fixed",
                "Discount": rule.percent}  # fmt: skip

    def _agreements(self) -> int:
        found: dict[str, list[terms.Agreement]] = defaultdict(list)
        for one in self.terms.agreements:
            found[one.agreement].append(one)
        for number_, lines in enumerate(found.values(), 1):
            first = lines[0]
            rows = [
                {"AgreementRowNumber": place, "ItemNo": one.item, "UnitPrice": one.price, "PriceCurrency": one.currency}
                | self._unit(one.item, one.unit)
                for place, one in enumerate(lines, 1)
            ]
            self.upsert(
                "BlanketAgreements",
                {"AgreementNo": number_, "BPCode": first.account, "Description": first.agreement,
                 "Status": "asApproved" if first.active else "asDraft",
                 "StartDate": _day(first.valid_from) or "2000-01-01", "EndDate": _day(first.valid_to) or "2099-12-31",
                 "BPCurrency": first.currency, "BlanketAgreements_ItemsLines": rows},
            )  # fmt: skip
        return len(found)

    def _unit(self, item: str, unit: str) -> dict[str, int]:
        if item not in self.own_units:
            return {}
        return {"UoMEntry": self.units[unit] if unit else self.own_units[item]}


def _numbered(names: Iterable[str], first: int = 1) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names), first)}


def _free(price: Mapping[str, Any], item: str) -> int:
    for place in (1, 2):
        if f"AdditionalPrice{place}" not in price:
            return place
    raise CannotSay(f"item {item!r} has prices in more than three currencies in one list")


def _flag(value: bool) -> str:
    return "tYES" if value else "tNO"


def _day(day: Any) -> str | None:
    return None if day is None else str(day.isoformat())
