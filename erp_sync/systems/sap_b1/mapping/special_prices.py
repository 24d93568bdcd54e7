"""One `SpecialPrice` of SAP: a header, its periods, their quantity breaks; each of them a row.

- CardCode is a partner, or ``*<list>``: for everybody who buys from that list (contract 1.27, fact sheet section 11).
- A price follows its list where AutoUpdate is tYES and it has one: then it is the percentage off the list; so it is
  where there is a percentage and no price. Else it is the price as it stands, which is after its discount ([SDK]
  SpecialPrices.Price).
- The header's dates do not bound its periods (a period under an expired header was seen to charge; unconfirmed). A
  header that is not Valid has no price of its own; that its periods stay is unconfirmed.
- A period's own price is for the item's own unit, from the first piece on; a break has a unit (UoMEntry).
- Prices with dates that run backwards, breaks of equal quantity, units that SAP does not have: as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.price_terms import SpecialPrice
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, is_empty
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.company import MANUAL
from erp_sync.systems.sap_b1.mapping.item_prices import number, percentage
from erp_sync.systems.sap_b1.mapping.price_terms import amount, code, currency_in, of, rows_in, unit_code, whole

Record = Mapping[str, Any]

day = Rule("day, without a time", lambda value, scope: odata.day_of(value), pure=True)
ZERO = Decimal(0)
PERIODS = "SpecialPriceDataAreas[]"
BREAKS = f"{PERIODS}.SpecialPriceQuantityAreas"

SPECIAL_PRICE = RecordMapping(
    "special_price",
    Direction.TO_CANONICAL,
    (
        Field("account", "account", of(code(), "CardCode"), default="", note="unless it is *<list>"),
        Field("price_list", "price_list", of(code(), "CardCode"), default="", note="the number in *<list>"),
        Field("ItemCode", "item", code(), required=True),
        Field("unit", "unit", of(code(), BREAKS), default="", note="code of UoMEntry; none is the item's own"),
        Field("level", "level", of(code(), "Valid"), required=True,
              note="header (where it is Valid), or period for what is in SpecialPriceDataAreas"),
        Field("quantity", "quantity", of(number, BREAKS), default=ZERO, note="Quantity of a break"),
        Field("price", "price", of(number, "Price", f"{PERIODS}.SpecialPrice", BREAKS, "AutoUpdate",
                                   f"{PERIODS}.AutoUpdate"),
              note="Price, SpecialPrice of a period or break; none where it follows a list (AutoUpdate)"),
        Field("discount", "discount", of(percentage, "DiscountPercent", f"{PERIODS}.Discount", BREAKS),
              note="DiscountPercent, Discount, Discountin, of what follows a list"),
        Field("from_list", "from_list", of(code(), "PriceListNum", f"{PERIODS}.PriceListNo"), default="",
              note="PriceListNum, PriceListNo, of what follows a list"),
        Field("currency", "currency", of(rules.text(), "Currency", f"{PERIODS}.PriceCurrency", BREAKS), required=True,
              note="ISO code of Currency, PriceCurrency; a break's, else its period's, else the header's"),
        Field("valid_from", "valid_from", of(day, "ValidFrom", f"{PERIODS}.DateFrom"), note="that day belongs to it"),
        Field("valid_to", "valid_to", of(day, "ValidTo", f"{PERIODS}.Dateto"), note="that day belongs to it"),
    ),
    SpecialPrice,
)  # fmt: skip


def steps_of(record: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each step stands in the record, and the step."""
    card = str(record["CardCode"])
    owner = {"price_list": card[1:]} if card.startswith("*") else {"account": card}
    owner["ItemCode"] = record["ItemCode"]
    header = record.get("Currency")
    if record.get("Valid") != "tNO":
        priced = _priced(record.get("Price"), record.get("DiscountPercent"), record, record.get("PriceListNum"))
        if priced is not None:
            yield "", {
                **owner, **priced, "level": "header", "currency": currency_in(record, header),
                "valid_from": record.get("ValidFrom"), "valid_to": record.get("ValidTo"),
            }  # fmt: skip
    for place, period in enumerate(rows_in(record, "SpecialPriceDataAreas")):
        where = f"SpecialPriceDataAreas[{place}]"
        dates = {"valid_from": period.get("DateFrom"), "valid_to": period.get("Dateto")}
        listed = period.get("PriceListNo")
        own = period.get("PriceCurrency") or header
        breaks = rows_in(period, "SpecialPriceQuantityAreas")
        priced = _priced(period.get("SpecialPrice"), period.get("Discount"), period, listed)
        # The break from the first piece on is what counts then, never the period's own price.
        if priced is not None and not any(_from_first(step) for step in breaks):
            yield where, {**owner, **priced, "level": "period", "currency": currency_in(record, own), **dates}
        for at, step in enumerate(breaks):
            priced = _priced(step.get("SpecialPrice"), step.get("Discountin"), period, listed)
            yield f"{where}.SpecialPriceQuantityAreas[{at}]", {
                **owner, **(priced or {}), "level": "period", "quantity": step.get("Quantity"),
                "unit": _unit(record, step.get("UoMEntry")),
                "currency": currency_in(record, step.get("PriceCurrency") or own), **dates,
            }  # fmt: skip


def _priced(price: Any, discount: Any, row: Record, price_list: Any) -> dict[str, Any] | None:
    """The price as it stands, or the percentage off the list that it follows: by AutoUpdate of the row, or for want of
    a price. None where there is neither."""
    follows = row.get("AutoUpdate") == "tYES" or is_empty(price)
    if follows and not is_empty(discount) and not is_empty(price_list) and whole(price_list) > 0:
        return {"discount": discount, "from_list": str(price_list)}
    return None if is_empty(price) else {"price": price}


def _unit(record: Record, entry: Any) -> str:
    return "" if is_empty(entry) or whole(entry) == MANUAL else unit_code(record, entry)


def _from_first(step: Record) -> bool:
    entry, quantity = step.get("UoMEntry"), step.get("Quantity")
    return (is_empty(entry) or whole(entry) == MANUAL) and (is_empty(quantity) or amount(quantity) <= 0)
