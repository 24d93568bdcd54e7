"""Prices from price lists, as they are stored with the item (ITM1); nothing is calculated anew.

- Currency: the primary price, unless the document's currency is that of additional price 1 or 2 [H9]; else converted
  at the posting date's rate.
- Unit: UoMPrices.Price of the row's unit if present and the item's UoM group is not the manual one; ReduceBy is a
  percentage (section 11). Without one the base unit's price times the units in it, less ReduceBy (unconfirmed).
- An inactive list, or one outside its validity, gives zero (AdminInfo.ApplyBaseInactiveStatusTo…, a tip on
  community.sap.com; unconfirmed).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.price_lists import all_lists
from erp_sync.systems.sap_b1.sandbox.pricing import units
from erp_sync.systems.sap_b1.sandbox.pricing.question import HUNDRED, Question, converted, within
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal


@dataclass(frozen=True)
class ListPrice:
    """A list's price of one unit; `active` is False for a list that is off on that day."""

    amount: Decimal
    currency: str
    active: bool = True


def list_price(context: Context, question: Question, number: int | None = None) -> ListPrice:
    """The price in a list (the question's by default) for the question's unit, in the question's currency."""
    number = question.price_list if number is None else number
    price_list = all_lists(context).get(number)
    if price_list is None or not _active(price_list, question.day):
        return ListPrice(ZERO, question.currency, price_list is None)
    row = next((row for row in question.item.get("ItemPrices") or [] if row["PriceList"] == number), None)
    if row is None:
        return ListPrice(ZERO, question.currency)
    price, currency = _for_unit(context, question, row)
    return ListPrice(converted(context, price, currency, question.currency, question.day), question.currency)


def is_gross(context: Context, number: int) -> bool:
    return all_lists(context).get(number, {}).get("IsGrossPrice") == "tYES"


def _active(price_list: Entity, day: str) -> bool:
    return price_list.get("Active") != "tNO" and within(price_list.get("ValidFrom"), price_list.get("ValidTo"), day)


def _for_unit(context: Context, question: Question, row: Entity) -> tuple[Decimal, str]:
    uom = units.sales_unit(context, question.item) if question.uom is None else question.uom
    own = None
    if not units.is_manual(question.item):
        own = next((price for price in row.get("UoMPrices") or [] if price.get("UoMEntry") == uom), None)
        if own is not None and decimal(own.get("Price")):
            return _in_currency(context, own, question.currency)
    price, currency = _in_currency(context, row, question.currency)
    if uom != units.base(context, question.item):
        price *= units.factor(context, question.item, uom)
        if own is not None:
            price = price * (HUNDRED - decimal(own.get("ReduceBy"))) / HUNDRED
        price = price.quantize(context.options.price, rounding=ROUND_HALF_UP)
    return price, currency


def _in_currency(context: Context, row: Entity, currency: str) -> tuple[Decimal, str]:
    own = row.get("Currency") or context.options.local_currency
    if own != currency:
        for number in (1, 2):
            if row.get(f"AdditionalCurrency{number}") == currency and decimal(row.get(f"AdditionalPrice{number}")):
                return decimal(row[f"AdditionalPrice{number}"]), currency
    return decimal(row.get("Price")), own
