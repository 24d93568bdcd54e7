"""Prices and units of one item: many rows of one record.

- ItemPrices is what SAP keeps (ITM1): prices of derived lists are stored, and not computed here. Every item has a row
  for every list, priced or not, so a price of 0 is none.
- Up to three currencies: the primary one, and two additional ones ([H9]).
- UoMPrices: prices of other units. One that has only `ReduceBy` is the item's price for what the unit holds, less
  that percentage (what Auto makes of it is unconfirmed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from erp_sync.model.price_terms import SCALE, ItemUnit, ListPrice
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule
from erp_sync.systems.sap_b1.company import MANUAL
from erp_sync.systems.sap_b1.mapping.price_terms import amount, code, of, own_unit, percent, rows_in, unit_code, whole

Record = Mapping[str, Any]
_EXACT = Context(prec=60)
_STEP = Decimal(1).scaleb(-SCALE)
HUNDRED = Decimal(100)

number = Rule("number with 6 digits", lambda value, scope: amount(value))
percentage = Rule("percentage with 6 digits", lambda value, scope: percent(value))

LIST_PRICE = RecordMapping(
    "list_price",
    Direction.TO_CANONICAL,
    (
        Field("PriceList", "price_list", code(), required=True),
        Field("ItemCode", "item", code(), required=True),
        Field("unit", "unit", of(code(), "UoMPrices[].UoMEntry"), default="", note="its code; none is the item's own"),
        Field("currency", "currency", of(code(), "Currency", "AdditionalCurrency1", "AdditionalCurrency2",
              "UoMPrices[].Currency", "UoMPrices[].AdditionalCurrency1", "UoMPrices[].AdditionalCurrency2"),
              required=True, note="ISO code"),
        Field("price", "price", of(number, "Price", "AdditionalPrice1", "AdditionalPrice2", "UoMPrices[].Price",
              "UoMPrices[].AdditionalPrice1", "UoMPrices[].AdditionalPrice2", "UoMPrices[].ReduceBy"),
              required=True, note="0 is none; of a unit with ReduceBy only: the item's for what it holds, less it"),
    ),
    ListPrice,
)  # fmt: skip

ITEM_UNIT = RecordMapping(
    "item_unit",
    Direction.TO_CANONICAL,
    (
        Field("ItemCode", "item", code(), required=True),
        Field("unit", "unit", of(code(), "AlternateUoM"), required=True, note="its code"),
        Field("factor", "factor", of(number, "BaseQuantity", "AlternateQuantity", "Active"), required=True,
              note="BaseQuantity / AlternateQuantity, in the unit that the item's prices are for"),
    ),
    ItemUnit,
)  # fmt: skip


def quotient(one: Decimal, other: Decimal) -> Decimal:
    """With the digits of a canonical column. Raises ZeroDivisionError."""
    return _EXACT.divide(one, other).quantize(_STEP, rounding=ROUND_HALF_UP, context=_EXACT)


def units_of(item: Record) -> Iterator[dict[str, Any]]:
    """A row for each unit of the item's group besides its own. One that does not convert has factor 0."""
    group = item.get("unit_group")
    if not group:
        return
    in_base = _in_base(group)
    own = own_unit(item)
    per_own = in_base.get(own, Decimal(0))
    for entry, held in in_base.items():
        if entry != own:
            factor = quotient(held, per_own) if per_own > 0 else Decimal(0)
            yield {"ItemCode": item["ItemCode"], "unit": unit_code(item, entry), "factor": factor}


def _in_base(group: Record) -> dict[int, Decimal]:
    """Base units in one of each unit of a group."""
    found = {whole(group.get("BaseUoM") or MANUAL): Decimal(1)}
    for one in rows_in(group, "UoMGroupDefinitionCollection"):
        if one.get("Active") == "tNO":
            continue
        base, alternate = amount(one.get("BaseQuantity") or 0), amount(one.get("AlternateQuantity") or 0)
        entry = whole(one.get("AlternateUoM"))
        if entry not in found:
            found[entry] = _EXACT.divide(base, alternate) if alternate > 0 else Decimal(0)
    return found


def prices_of(item: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each price stands in the record, and the price."""
    factors: dict[str, Decimal] | None = None
    for place, listed in enumerate(rows_in(item, "ItemPrices")):
        where = f"ItemPrices[{place}]"
        in_own = {}
        for name, own_price in _priced(item, listed):
            in_own[name] = own_price
            yield where, _row(item, listed, "", name, own_price)
        for at, of_unit in enumerate(rows_in(listed, "UoMPrices")):
            unit = unit_code(item, of_unit.get("UoMEntry"))
            priced = dict(_priced(item, of_unit))
            for name, price in priced.items():
                yield f"{where}.UoMPrices[{at}]", _row(item, listed, unit, name, price)
            if not priced and of_unit.get("ReduceBy"):
                factors = factors if factors is not None else {one["unit"]: one["factor"] for one in units_of(item)}
                left = (HUNDRED - percent(of_unit["ReduceBy"])) / HUNDRED
                for name, own_price in in_own.items():
                    price = amount(_EXACT.multiply(_EXACT.multiply(own_price, factors.get(unit, Decimal(0))), left))
                    yield f"{where}.UoMPrices[{at}]", _row(item, listed, unit, name, price)


def _priced(item: Record, row: Record) -> Iterator[tuple[str, Decimal]]:
    """Currency and price of each of the three that there is. Raises ValueError."""
    seen = set()
    for price, currency in (("Price", "Currency"), ("AdditionalPrice1", "AdditionalCurrency1"),
                            ("AdditionalPrice2", "AdditionalCurrency2")):  # fmt: skip
        if not row.get(price):
            continue
        own = row.get(currency)
        if not own and price != "Price":
            continue
        code = str(own or item.get("local_currency") or "")
        name = str((item.get("iso") or {}).get(code, code))
        if name not in seen:
            seen.add(name)
            yield name, amount(row[price])


def _row(item: Record, listed: Record, unit: str, currency: str, price: Decimal) -> dict[str, Any]:
    return {
        "PriceList": listed.get("PriceList"),
        "ItemCode": item["ItemCode"],
        "unit": unit,
        "currency": currency,
        "price": price,
    }
