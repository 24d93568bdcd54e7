"""Free texts that are longer than NetSuite's field: cut where they may be, and never unseen.

The memo of a transaction takes 999 characters (known from SuiteTalk schema browsers; unconfirmed for REST). What a
customer wrote may be longer: a custom body field of type Text Area takes 4,000, of type Long Text more (Oracle help,
Field Type Descriptions for Custom Fields, which adds that characters of other than English letters take more room).
No record of the published contract is a note on a transaction. The whole text stays in the document in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Rule
from erp_sync.systems.netsuite.mapping.deposit import deposits_of

MEMO, DESCRIPTION, INSTRUCTIONS = 999, 4000, 4000
CUT = " [...]"


def shortened(text: str, length: int) -> str:
    """The text, or what of it fits with a mark that something is missing."""
    return text if len(text) <= length else text[: length - len(CUT)].rstrip() + CUT


def at_most(length: int) -> Rule:
    """Cut to the length, with a mark."""
    return Rule(f"at most {length} characters, cut with a mark", lambda value, scope: shortened(str(value), length))


def memo(order: SalesOrder, settings: Mapping[str, Any], lookups: Lookups) -> str:
    """Special instructions, coupon codes, payments that are no deposit, reasons of discounts, and how to ship where no
    ship method says it. The instructions give way to the others."""
    further = [f"Coupons: {', '.join(order.coupon_codes)}"] if order.coupon_codes else []
    deposits = {id(payment) for _, payment in deposits_of(order, settings)}
    further += [
        f"Payment: {payment.method}, {payment.state}, {payment.amount:f}"
        + (f", authorisation {payment.authorisation_reference}" if payment.authorisation_reference else "")
        for payment in order.payments
        if payment.amount > 0 and id(payment) not in deposits
    ]
    further += [
        f"Discount: {one.reason}, {one.amount:f}" for one in order.discounts if one.reason not in order.coupon_codes
    ]
    described = order.shipping.description
    if described and lookups.get("shipping_methods", order.shipping.method) is None:
        further.append(f"Shipping: {described}")
    rest = shortened("; ".join(further), MEMO // 2)
    room = MEMO - len(rest) - len("; ") if rest else MEMO
    return "; ".join(part for part in (shortened(order.special_instructions, room), rest) if part)


def instructions_length(settings: Mapping[str, Any]) -> int:
    return int(settings.get("instructions_length", INSTRUCTIONS))


def told_shortened(order: SalesOrder, settings: Mapping[str, Any], lookups: Lookups) -> dict[str, str]:
    """What of the special instructions NetSuite does not get whole in any field; for the receipt."""
    whole = order.special_instructions
    kept = instructions_length(settings) if settings.get("instructions_field") else 0
    if whole in memo(order, settings, lookups) or len(whole) <= kept:
        return {}
    longest = max(kept, MEMO)
    return {"shortened": f"special instructions of {len(whole)} characters to at most {longest}; whole in the document"}
