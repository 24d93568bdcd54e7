"""SpecialPrices: of one business partner, or (``*<list>``) period and volume discounts of a price list.

- A period row that is current on the posting date beats the header [H9]; with none current the header counts; an
  expired header with a current row still charges ([S], unconfirmed). Of two periods that overlap, which SAP Business
  One would not let one enter, the lower RowNumber counts (unconfirmed).
- Within a period the break with the largest Quantity that is not more than the ordered one, per UoMEntry [H9]; a
  period or volume discount needs the row's unit [L]. Of equal quantities the lower RowNumber counts (unconfirmed).
- The prices of header and period are for the item's inventory unit, as a break's without UoMEntry. A partner's own cost
  times what another unit holds, without the inventory unit's breaks; a list's are not for other units (unconfirmed but
  for [L]).
- SpecialPrice is net, list x (1 - Discount %); AutoUpdate tNO freezes it [SDK], tYES keeps it at its list
  (PriceListNum; 0 is none, unconfirmed).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.pricing import units
from erp_sync.systems.sap_b1.sandbox.pricing.list_prices import list_price
from erp_sync.systems.sap_b1.sandbox.pricing.question import HUNDRED, Question, converted, within
from erp_sync.systems.sap_b1.sandbox.values import decimal, number


@dataclass(frozen=True)
class Special:
    """What a special price says for a question, in the question's currency.

    `net` is after its own `discount`, `before` is before it.
    """

    net: Decimal
    discount: Decimal
    before: Decimal
    why: str


def special(context: Context, question: Question, card_code: str) -> Special | None:
    """The special price of a partner, or of ``*<list>``, that counts on the question's day; None without one."""
    entity = rows.read(context.store, "SpecialPrices", card_code, question.item["ItemCode"])
    if entity is None:
        return None
    uom = units.sales_unit(context, question.item) if question.uom is None else question.uom
    own_unit = units.is_manual(question.item) or uom == units.base(context, question.item)
    per = Decimal(1) if own_unit else units.factor(context, question.item, uom)
    period = _current(entity.get("SpecialPriceDataAreas") or [], question.day)
    if period is not None:
        step = _break(context, period.get("SpecialPriceQuantityAreas") or [], question, uom)
        if step is not None:
            return _priced(
                context, question, period, step, step.get("Discountin"), f"break from {step['Quantity']} of {card_code}"
            )
        if own_unit or not card_code.startswith("*"):
            return _priced(context, question, period, period, period.get("Discount"), f"period of {card_code}", per)
    if not own_unit and card_code.startswith("*"):
        return None
    if entity.get("Valid", "tYES") == "tNO" or not within(entity.get("ValidFrom"), entity.get("ValidTo"), question.day):
        return None
    if entity.get("Price") is None and not _follows_list(entity, "Price", "PriceListNum", "DiscountPercent"):
        return None
    header = {
        "SpecialPrice": entity.get("Price"),
        "PriceCurrency": entity.get("Currency"),
        "PriceListNo": entity.get("PriceListNum"),
        "AutoUpdate": entity.get("AutoUpdate"),
    }
    percent, why = entity.get("DiscountPercent"), f"special price of {card_code}"
    return _priced(context, question, header, header, percent, why, per)


def _follows_list(row: Entity, price: str, price_list: str, percent: str, area: Entity | None = None) -> bool:
    """Whether the price is a discount off a list, as it is now. `area` names the list where the row does not."""
    named = row if area is None else area
    if (named.get(price_list) or 0) <= 0:
        return False
    return named.get("AutoUpdate") == "tYES" or (row.get(price) is None and row.get(percent) is not None)


def _current(periods: Iterable[Entity], day: str) -> Entity | None:
    found = [one for one in periods if within(one.get("DateFrom"), one.get("Dateto"), day)]
    return min(found, key=lambda one: one.get("RowNumber") or 0, default=None)


def _break(context: Context, steps: Iterable[Entity], question: Question, uom: int) -> Entity | None:
    base = units.base(context, question.item)
    reached = [
        step
        for step in steps
        if decimal(step.get("Quantity")) <= question.quantity
        and (units.is_manual(question.item) or (step.get("UoMEntry") or base) == uom)
    ]
    return max(reached, key=lambda step: (decimal(step.get("Quantity")), -(step.get("RowNumber") or 0)), default=None)


def _priced(
    context: Context, question: Question, area: Entity, row: Entity, percent: Any, why: str, per: Decimal = Decimal(1)
) -> Special:
    """The price of a row in the question's unit, of which it holds `per`, and currency; `area` names the list and
    whether the price follows it."""
    discount, list_number = decimal(percent), area.get("PriceListNo") or 0
    if list_number > 0 and (area.get("AutoUpdate") == "tYES" or row.get("SpecialPrice") is None):
        before = list_price(context, question, list_number).amount
        return Special(_less(before, discount, context), discount, before, f"{why}, follows list {list_number}")
    currency = row.get("PriceCurrency") or area.get("PriceCurrency") or context.options.local_currency
    net = converted(context, decimal(row.get("SpecialPrice")) * per, currency, question.currency, question.day)
    before = net
    if discount and discount < HUNDRED:
        before = (net * HUNDRED / (HUNDRED - discount)).quantize(context.options.price, rounding=ROUND_HALF_UP)
    return Special(net, discount, before, why)


def _less(amount: Decimal, discount: Decimal, context: Context) -> Decimal:
    if not discount:
        return amount
    return (amount * (HUNDRED - discount) / HUNDRED).quantize(context.options.price, rounding=ROUND_HALF_UP)


class SpecialPrices(Kind):
    """CardCode is a business partner or ``*`` and the number of a list; rows are numbered when they name no number."""

    def new(self, context: Context, sent: Entity) -> Entity:
        entity = super().new(context, sent)
        self._check(context, entity)
        entity = {"Valid": "tYES", "PriceListNum": 0, "AutoUpdate": "tNO", "SpecialPriceDataAreas": [], **entity}
        return self._numbered(entity)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return self._numbered(after)

    @staticmethod
    def _check(context: Context, entity: Entity) -> None:
        card, item = entity["CardCode"], entity["ItemCode"]
        if card.startswith("*"):
            known = card[1:].isdigit() and rows.exists(context.store, "PriceLists", int(card[1:]))
        else:
            known = rows.exists(context.store, "BusinessPartners", card)
        if not known or not rows.exists(context.store, "Items", item):
            raise not_found()

    @staticmethod
    def _numbered(entity: Entity) -> Entity:
        areas = []
        for area in _with_numbers(entity.get("SpecialPriceDataAreas") or []):
            if area.get("DateFrom") is None:
                raise rule("Enter a start date for the period")  # words unconfirmed
            steps = [
                {**step, "SPDARowNumber": area["RowNumber"], "BPCode": entity["CardCode"], "ItemNo": entity["ItemCode"]}
                for step in _with_numbers(area.get("SpecialPriceQuantityAreas") or [])
            ]
            areas.append(
                {**area, "BPCode": entity["CardCode"], "ItemNo": entity["ItemCode"], "SpecialPriceQuantityAreas": steps}
            )
        return {**entity, "SpecialPriceDataAreas": areas}

    def shown(self, context: Context, entity: Entity) -> Entity:
        """With prices that follow a list as they are now."""
        if not self._follows(entity):
            return entity
        item = rows.read(context.store, "Items", entity["ItemCode"]) or {"ItemCode": entity["ItemCode"]}
        base = units.base(context, item)
        question = Question({}, item, context.today, Decimal(1), base, 1, context.options.local_currency)

        def fresh(row: Entity, area: Entity, price: str, percent: str) -> Entity:
            found = _priced(context, question, area, {}, row.get(percent), "")
            return {**row, price: number(found.net)}

        areas = []
        for area in entity.get("SpecialPriceDataAreas") or []:
            steps = [
                fresh(step, area, "SpecialPrice", "Discountin") if _step_follows(step, area) else step
                for step in area.get("SpecialPriceQuantityAreas") or []
            ]
            if _area_follows(area):
                area = fresh(area, area, "SpecialPrice", "Discount")
            areas.append({**area, "SpecialPriceQuantityAreas": steps})
        found = {**entity, "SpecialPriceDataAreas": areas}
        if _follows_list(entity, "Price", "PriceListNum", "DiscountPercent"):
            header = {"PriceListNo": entity["PriceListNum"], "AutoUpdate": "tYES"}
            found = fresh(found, header, "Price", "DiscountPercent")
        return found

    @staticmethod
    def _follows(entity: Entity) -> bool:
        if _follows_list(entity, "Price", "PriceListNum", "DiscountPercent"):
            return True
        return any(
            _area_follows(area)
            or any(_step_follows(step, area) for step in area.get("SpecialPriceQuantityAreas") or [])
            for area in entity.get("SpecialPriceDataAreas") or []
        )


def _area_follows(area: Entity) -> bool:
    return _follows_list(area, "SpecialPrice", "PriceListNo", "Discount")


def _step_follows(step: Entity, area: Entity) -> bool:
    return _follows_list(step, "SpecialPrice", "PriceListNo", "Discountin", area)


def _with_numbers(given: list[Entity]) -> list[Entity]:
    last = max((row["RowNumber"] for row in given if row.get("RowNumber") is not None), default=-1)
    found = []
    for row in given:
        if row.get("RowNumber") is None:
            last += 1
            row = {**row, "RowNumber": last}
        found.append(row)
    return found
