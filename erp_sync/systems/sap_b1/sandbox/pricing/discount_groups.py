"""Discount groups: no price of their own, a percentage for prices from lists and period or volume discounts [H].

- They match by item, item group, property or manufacturer [H].
- Within one group the percentages of several properties are combined by the group's DiscountRelations ("among
  properties only" [SDK]).
- Several hits: the business partner's EffectiveDiscount (lowest by default, highest, average, total, multiples) [H];
  5 % and 7 % as multiples are 11.65 %.
- For all partners, a partner group or one partner: no rank is stated, so all hits are combined (unconfirmed).
- Partner or item with NoDiscounts: none [H].
- "Pay X get Y" (dgdt_Variable) is no percentage and is left out here (unconfirmed).
"""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.pricing.question import HUNDRED, Question, within
from erp_sync.systems.sap_b1.sandbox.store import loads
from erp_sync.systems.sap_b1.sandbox.values import decimal


def percentage(context: Context, question: Question) -> Decimal | None:
    """The percentage for this item and partner, or None if no group matches."""
    if question.partner.get("NoDiscounts") == "tYES" or question.item.get("NoDiscounts") == "tYES":
        return None
    hits: list[Decimal] = []
    for group in _all(context):
        if group.get("Active", "tYES") == "tYES" and _concerns(group, question):
            hits += _hits(group, question.item)
    if not hits:
        return None
    return combined(hits, question.partner.get("EffectiveDiscount") or "dgrLowestDiscount")


def _all(context: Context) -> list[Entity]:
    if context.discount_groups is None:
        found = context.store.rows('SELECT data FROM "EnhancedDiscountGroups" ORDER BY k1')
        context.discount_groups = [loads(text) for (text,) in found]
    return context.discount_groups


def combined(hits: list[Decimal], relation: str) -> Decimal:
    """Several percentages as one. A total is not more than 100."""
    match relation:
        case "dgrHighestDiscount":
            return max(hits)
        case "dgrAverageDiscount":
            return sum(hits, Decimal(0)) / len(hits)
        case "dgrDiscountTotals":
            return min(sum(hits, Decimal(0)), HUNDRED)
        case "dgrMultipliedDiscount":
            left = Decimal(1)
            for hit in hits:
                left *= (HUNDRED - hit) / HUNDRED
            return (1 - left) * HUNDRED
    return min(hits)


def _concerns(group: Entity, question: Question) -> bool:
    if not within(group.get("ValidFrom"), group.get("ValidTo"), question.day):
        return False
    code = group.get("ObjectCode")
    match group.get("Type"):
        case "dgt_AllBPs":
            return True
        case "dgt_CustomerGroup":
            is_customer = question.partner.get("CardType") == "cCustomer"
            return is_customer and code == str(question.partner.get("GroupCode"))
        case "dgt_SpecificBP":
            return code == question.partner["CardCode"]
    return False


class DiscountGroups(Kind):
    """Whoever a group is for must exist (words of refusals unconfirmed)."""

    def new(self, context: Context, sent: Entity) -> Entity:
        defaults = {
            "Type": "dgt_AllBPs", "Active": "tYES", "DiscountRelations": "dgrLowestDiscount",
            "DiscountGroupLineCollection": [],
        }  # fmt: skip
        return self._checked(context, {**defaults, **super().new(context, sent)})

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        return self._checked(context, after)

    def removable(self, context: Context, entity: Entity) -> None:
        context.discount_groups = None

    @staticmethod
    def _checked(context: Context, entity: Entity) -> Entity:
        context.discount_groups = None
        code = str(entity.get("ObjectCode") or "")
        known = True
        if entity["Type"] == "dgt_SpecificBP":
            known = rows.exists(context.store, "BusinessPartners", code)
        elif entity["Type"] in ("dgt_CustomerGroup", "dgt_VendorGroup"):
            known = code.isdigit() and rows.exists(context.store, "BusinessPartnerGroups", int(code))
        if not known:
            raise not_found()
        for line in entity["DiscountGroupLineCollection"]:
            if not 0 <= decimal(line.get("Discount")) <= HUNDRED:
                raise rule("Discount must be between 0 and 100")
        return entity


def _hits(group: Entity, item: Entity) -> list[Decimal]:
    found, of_properties = [], []
    for line in group.get("DiscountGroupLineCollection") or []:
        if line.get("DiscountType", "dgdt_Fixed") != "dgdt_Fixed":
            continue
        kind, code, percent = line.get("ObjectType"), line.get("ObjectCode"), decimal(line.get("Discount"))
        if kind == "dgboItemProperties":
            if item.get(f"Properties{code}") == "tYES":
                of_properties.append(percent)
        elif (
            (kind == "dgboItems" and code == item["ItemCode"])
            or (kind == "dgboItemGroups" and code == str(item.get("ItemsGroupCode")))
            or (kind == "dgboManufacturer" and code == str(item.get("Manufacturer")))
        ):
            found.append(percent)
    if of_properties:
        found.append(combined(of_properties, group.get("DiscountRelations") or "dgrLowestDiscount"))
    return found
