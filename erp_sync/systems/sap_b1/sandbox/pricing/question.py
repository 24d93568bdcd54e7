"""What is asked about a price, what is answered, and prices in other currencies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from erp_sync.systems.sap_b1.sandbox import exchange_rates
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError
from erp_sync.systems.sap_b1.sandbox.kind import Entity

HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Question:
    """One item for one business partner on one day.

    Attributes:
        day: posting date, ``YYYY-MM-DD``; it decides validity [H].
        quantity: in `uom`.
        uom: UoMEntry; None for the item's own sales unit.
        price_list: the one in the document; the business partner's unless the row says otherwise.
        currency: the document's.
        agreement, agreement_line: a blanket agreement named by hand.
    """

    partner: Entity
    item: Entity
    day: str
    quantity: Decimal
    uom: int | None
    price_list: int
    currency: str
    agreement: int | None = None
    agreement_line: int | None = None


@dataclass(frozen=True)
class Offer:
    """What one source says.

    Attributes:
        source: member of DocumentPriceSourceEnum.
        unit_price: before `discount` percent, in `currency`.
        why: the rule, in words, for people who compare.
    """

    source: str
    unit_price: Decimal
    discount: Decimal
    currency: str
    why: str
    agreement: int | None = None
    agreement_line: int | None = None

    def net(self, step: Decimal) -> Decimal:
        """Price after discount; rounded half up only where a discount was taken (seen on drafts, [D])."""
        if not self.discount:
            return self.unit_price
        return (self.unit_price * (HUNDRED - self.discount) / HUNDRED).quantize(step, rounding=ROUND_HALF_UP)


def within(first: str | None, last: str | None, day: str) -> bool:
    """Both ends count; an empty end is open."""
    return (not first or first <= day) and (not last or day <= last)


def rate(context: Context, currency: str, day: str) -> Decimal:
    """Local currency for one unit of `currency` on a day (`exchange_rates`).

    Raises ServiceLayerError: -10 when there is none (the words are unconfirmed).
    """
    if currency == context.options.local_currency:
        return Decimal(1)
    found = exchange_rates.stored(context, currency, day)
    if found is None:
        raise ServiceLayerError(-10, f"Update the exchange rate , '{currency}'")
    return found


def converted(context: Context, amount: Decimal, source: str, target: str, day: str) -> Decimal:
    """At the posting date's rate (sap-b1-blog.com), rounded to the company's price decimals."""
    if source == target or not amount:
        return amount
    local = amount * rate(context, source, day)
    return (local / rate(context, target, day)).quantize(context.options.price, rounding=ROUND_HALF_UP)
