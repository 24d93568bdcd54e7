"""SpecialPrices: of one business partner, or (``*<list>``) period and volume discounts of a price list.

- A period row that is current on the posting date beats the header [H9]; with none current the header counts; an
  expired header with a current row still charges ([S], unconfirmed). Of two periods that overlap, which SAP Business
  One would not let one enter, the lower RowNumber counts (unconfirmed).
- Within a period the break with the largest Quantity that is not more than the ordered one, per UoMEntry [H9]; a
  period or volume discount needs the row's unit [L]. Of equal quantities the lower RowNumber counts (unconfirmed).
- The prices of header and period are for the item's inventory unit, as a break's without UoMEntry. A partner's own cost
  times what another unit holds, without the inventory unit's breaks; a list's are not for other units (unconfirmed but
  for [L]).
- SpecialPrice is net, list x (1 - Discount %); AutoUpdate tNO freezes it [SDK], also where only the percentage was
  sent, which is worked out once in the row's own unit (unconfirmed); tYES keeps it at its list
  (PriceListNum; 0 is none, unconfirmed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    follows = entity.get("AutoUpdate") == "tYES" and (entity.get("PriceListNum") or 0) > 0
    if entity.get("Price") is None and not follows:
        return None
    header = {
        "SpecialPrice": entity.get("Price"),
        "PriceCurrency": entity.get("Currency"),
        "PriceListNo": entity.get("PriceListNum"),
        "AutoUpdate": entity.get("AutoUpdate"),
    }
    percent, why = entity.get("DiscountPercent"), f"special price of {card_code}"
    return _priced(context, question, header, header, percent, why, per)


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
        return _worked_out(context, self._numbered(entity), _is_missing)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return _worked_out(context, self._numbered(after), _is_missing)

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
        areas = entity.get("SpecialPriceDataAreas") or []
        if not any(one.get("AutoUpdate") == "tYES" for one in (entity, *areas)):
            return entity
        return _worked_out(context, entity, _is_followed)


Chosen = Callable[[Entity, str, str, Entity], bool]
"""Row, its price's name, its percentage's, and what says whether it follows a list -> whether it is worked out."""


def _is_missing(row: Entity, price: str, percent: str, area: Entity) -> bool:
    """A percentage without a price: the system keeps the price that it comes to now ([SDK]: AutoUpdate tNO)."""
    return area.get("AutoUpdate") != "tYES" and row.get(price) is None and row.get(percent) is not None


def _is_followed(row: Entity, price: str, percent: str, area: Entity) -> bool:
    return area.get("AutoUpdate") == "tYES"


def _worked_out(context: Context, entity: Entity, chosen: Chosen) -> Entity:
    """The special price with the prices of chosen rows worked out from the lists that they name, in their own units."""
    item = rows.read(context.store, "Items", entity["ItemCode"]) or {"ItemCode": entity["ItemCode"]}
    base, local = units.base(context, item), context.options.local_currency

    def fresh(row: Entity, area: Entity, price: str, percent: str, currency: Any) -> Entity:
        if (area.get("PriceListNo") or 0) <= 0 or not chosen(row, price, percent, area):
            return row
        uom = row.get("UoMEntry") or base
        question = Question({}, item, context.today, Decimal(1), uom, 1, currency or local)
        return {**row, price: number(_priced(context, question, area, {}, row.get(percent), "").net)}

    areas = []
    for area in entity.get("SpecialPriceDataAreas") or []:
        own = area.get("PriceCurrency")
        steps = [
            fresh(step, area, "SpecialPrice", "Discountin", step.get("PriceCurrency") or own)
            for step in area.get("SpecialPriceQuantityAreas") or []
        ]
        area = fresh(area, area, "SpecialPrice", "Discount", own)
        areas.append({**area, "SpecialPriceQuantityAreas": steps})
    header = {"PriceListNo": entity.get("PriceListNum"), "AutoUpdate": entity.get("AutoUpdate")}
    found = fresh(entity, header, "Price", "DiscountPercent", entity.get("Currency"))
    return {**found, "SpecialPriceDataAreas": areas}


def _with_numbers(given: list[Entity]) -> list[Entity]:
    last = max((row["RowNumber"] for row in given if row.get("RowNumber") is not None), default=-1)
    found = []
    for row in given:
        if row.get("RowNumber") is None:
            last += 1
            row = {**row, "RowNumber": last}
        found.append(row)
    return found
