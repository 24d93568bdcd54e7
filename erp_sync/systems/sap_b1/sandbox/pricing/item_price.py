"""The order of precedence (fact sheet, section 11, "Order"), line by line.

1. A blanket agreement that is linked to the row wins under every EffectivePrice [H].
2. The partner's own special price (SpecialPrices, CardCode = partner).
3. The period or volume discount ``*<list>``, the list being the document's.
4. The price list.

EffectivePrice chooses among 2 to 4: the first that there is (epDefaultPriority), the lowest or the highest price net
of discounts [H]. An older SDK text ranks discount groups above 3; [H] is followed.

A discount group's percentage replaces 3's own percentage and applies to 4, never to 2 [H]. For 3 with a group the
price is 3's and the percentage the group's (contentsiphon.com). Whether 3's price then is the one before its own
percentage is unconfirmed; here it is (option `period_price_with_group`).

EffectivePriceConsidersPriceBeforeDiscount is "Effective Price Considers All Price Sources" of the user interface:
"Select this checkbox to consider all price sources when calculating the effective price, no matter whether you have
defined a discount in the Discount Groups window or not" ([H], read in its print of 2026-06-08). Under Lowest Price the
same page says "calculates prices from all available price sources, and the lowest price will be taken", without a
condition, and refers for the rest to "How to Determine the Prices in Sales and Purchasing Documents", of which no copy
was found. What holds without the flag is unconfirmed. The sentence and the property's name (a price *before discount*
counts, too) speak for the flag mattering where no discount group is for the item: there the default priority stays
(option `effective_price_compares` "with_group"). That the flag changes nothing is the other reading ("always"). Nothing
speaks for leaving a source out where a group's discount exists: all are compared then.
"""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.pricing import discount_groups
from erp_sync.systems.sap_b1.sandbox.pricing.agreements import agreed
from erp_sync.systems.sap_b1.sandbox.pricing.list_prices import list_price
from erp_sync.systems.sap_b1.sandbox.pricing.question import Offer, Question
from erp_sync.systems.sap_b1.sandbox.pricing.special_prices import special
from erp_sync.systems.sap_b1.sandbox.values import ZERO


def price(context: Context, question: Question) -> Offer:
    """The offer that counts; a price of zero if there is none (obs.). Raises ServiceLayerError."""
    contract = agreed(context, question)
    if contract is not None:
        return contract
    group = discount_groups.percentage(context, question)
    offers = {
        2: _own(context, question),
        3: _period(context, question, group),
        4: _list(context, question, group),
    }
    found = {rank: offer for rank, offer in offers.items() if offer is not None}
    mode = question.partner.get("EffectivePrice") or "epDefaultPriority"
    if mode == "epDefaultPriority":
        return found[min(found)]
    considers_all = question.partner.get("EffectivePriceConsidersPriceBeforeDiscount") == "tYES"
    if group is None and not considers_all and context.options.effective_price_compares == "with_group":
        return found[min(found)]
    # A source without a price says nothing about the lowest one.
    priced = {rank: offer for rank, offer in found.items() if offer.unit_price} or found
    step = context.options.price
    sign = 1 if mode == "epLowestPrice" else -1
    return min(priced.items(), key=lambda item: (sign * item[1].net(step), item[0]))[1]


def _own(context: Context, question: Question) -> Offer | None:
    found = special(context, question, question.partner["CardCode"])
    if found is None:
        return None
    return Offer("dpsSpecialPricesForBusinessPartner", found.net, ZERO, question.currency, found.why)


def _period(context: Context, question: Question, group: Decimal | None) -> Offer | None:
    found = special(context, question, f"*{question.price_list}")
    if found is None:
        return None
    if group is None:
        return Offer("dpsPeriodAndVolumeDiscounts", found.net, ZERO, question.currency, found.why)
    before = context.options.period_price_with_group == "before"
    return Offer(
        "dpsPeriodAndVolumeDiscountsDiscountGroups",
        found.before if before else found.net,
        group,
        question.currency,
        f"{found.why}, discount group {group} %",
    )


def _list(context: Context, question: Question, group: Decimal | None) -> Offer:
    found = list_price(context, question)
    source = "dpsActivePriceList" if found.active else "dpsInactivePriceList"
    why = f"price list {question.price_list}"
    if group is None:
        return Offer(source, found.amount, ZERO, found.currency, why)
    return Offer(f"{source}DiscountGroups", found.amount, group, found.currency, f"{why}, discount group {group} %")
