"""Price lists and the prices that items have in them.

A list's price is its base list's price times its factor (factors of chains multiply), rounded by the list's rule, and
**stored** with the item (fact sheet, section 11); whoever sends a price for a derived list overwrites it by hand, and
it no longer follows. The flag for that (ITM1.Ovrwritten) is not in Service Layer. Rounding to fixed endings or
intervals is not known well enough (section 11) and is refused here rather than guessed.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.store import loads
from erp_sync.systems.sap_b1.sandbox.values import decimal, number

MANUAL = "sandbox_overwritten"
_STEPS = {
    "borm_RoundToFullDecAmount": Decimal("0.1"),
    "borm_RoundToFullAmount": Decimal(1),
    "borm_RoundToFullTensAmount": Decimal(10),
}
_MODES = {"borrRoundDown": ROUND_DOWN, "borrRoundUp": ROUND_UP, "borrRoundOff": ROUND_HALF_UP}


def rounded(amount: Decimal, price_list: Entity, smallest: Decimal) -> Decimal:
    """The amount by the list's rounding method and rule; without a method, to the company's price decimals."""
    step = _STEPS.get(price_list.get("RoundingMethod") or "", smallest)
    mode = _MODES[price_list.get("RoundingRule") or "borrRoundOff"]
    return (amount / step).quantize(Decimal(1), rounding=mode) * step


def ordered(lists: dict[int, Entity]) -> list[int]:
    """List numbers, every base before those that derive from it. A circle is left out (its prices stay)."""
    done: list[int] = []
    waiting = sorted(lists)
    while waiting:
        ready = [one for one in waiting if _base(lists, one) in (one, None) or _base(lists, one) in done]
        if not ready:
            break
        done += ready
        waiting = [one for one in waiting if one not in ready]
    return done


def _base(lists: dict[int, Entity], one: int) -> int | None:
    base = lists[one].get("BasePriceList")
    return base if base in lists else None


def all_lists(context: Context) -> dict[int, Entity]:
    if context.price_lists is None:
        found = context.store.rows('SELECT k1, data FROM "PriceLists"')
        context.price_lists = {number_: loads(text) for number_, text in found}
    return context.price_lists


def with_prices(context: Context, lists: dict[int, Entity], item: Entity) -> Entity:
    """The item with a row for every list, derived prices calculated anew."""
    held = {row["PriceList"]: row for row in item.get("ItemPrices") or []}
    found: dict[int, dict[str, Any]] = {}
    calculable = ordered(lists)
    for one in (*calculable, *(one for one in lists if one not in calculable)):
        price_list, row = lists[one], dict(held.get(one, {}))
        base = _base(lists, one)
        factor = decimal(price_list.get("Factor") or 1)
        row |= {"PriceList": one, "BasePriceList": base if base is not None else one, "Factor": number(factor)}
        row.setdefault("Price", number(0))
        if base not in (None, one) and one in calculable and not row.get(MANUAL):
            source = found[base] if base in found else held.get(base, {})
            amount = decimal(source.get("Price"))
            row["Price"] = number(rounded(amount * factor, price_list, context.options.price))
            row["Currency"] = source.get("Currency")
        row["Currency"] = (
            row.get("Currency") or price_list.get("DefaultPrimeCurrency") or context.options.local_currency
        )
        row.setdefault("UoMPrices", [])
        found[one] = row
    return {**item, "ItemPrices": [found[one] for one in sorted(found)]}


def overwritten(lists: dict[int, Entity], item: Entity, sent: list[dict[str, Any]]) -> Entity:
    """The item with the mark of a manual price on the derived lists that were sent a price."""
    by_hand = {row["PriceList"] for row in sent if "Price" in row and row.get("PriceList") is not None}
    prices = []
    for row in item.get("ItemPrices") or []:
        one = row["PriceList"]
        if one in by_hand and one in lists and _base(lists, one) not in (None, one):
            row = {**row, MANUAL: 1}
        prices.append(row)
    return {**item, "ItemPrices": prices}


class PriceLists(Kind):
    """Changing a list's base or factor calculates the prices of all items anew (in SAP Business One one is asked)."""

    def new(self, context: Context, sent: Entity) -> Entity:
        entity = super().new(context, self._checked(context, sent, None))
        entity = {
            "BasePriceList": entity["PriceListNo"], "Factor": number(1), "IsGrossPrice": "tNO", "Active": "tYES",
            "RoundingMethod": "borm_NoRounding", "RoundingRule": "borrRoundOff",
            "DefaultPrimeCurrency": context.options.local_currency, **entity,
        }  # fmt: skip
        return entity

    def added(self, context: Context, entity: Entity) -> None:
        recalculate(context)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        self._checked(context, sent, before)
        context.price_lists = None
        if {"BasePriceList", "Factor", "RoundingMethod", "RoundingRule"} & set(sent):
            rows.write(context.store, "PriceLists", after)
            recalculate(context)
        return after

    @staticmethod
    def _checked(context: Context, sent: Entity, before: Entity | None) -> Entity:
        if sent.get("RoundingMethod") in ("borm_FixedEnding", "borm_FixedInterval"):
            raise rule("This sandbox does not know how fixed endings and intervals are calculated")
        base = sent.get("BasePriceList")
        own = before["PriceListNo"] if before else sent.get("PriceListNo")
        if base is not None and base != own and not rows.exists(context.store, "PriceLists", base):
            raise rule("Enter valid code [OPLN.BASE_NUM]")
        return sent


def recalculate(context: Context) -> None:
    """Every item's derived prices anew. Items whose prices stay keep their row as it is."""
    context.price_lists = None
    lists = all_lists(context)
    for (text,) in context.store.rows('SELECT data FROM "Items"'):
        item = loads(text)
        after = with_prices(context, lists, item)
        if after["ItemPrices"] != item.get("ItemPrices"):
            rows.write(context.store, "Items", after)
