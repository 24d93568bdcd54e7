"""How a system arrives at a price, as data: the order of an ERP's sources, the means of a store, rounding. No I/O.

A vendor's folder gives these with the source of each line; the price engine of the flow executes them.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from erp_sync.model.money import minor_units

Mode = Literal["half_up", "half_even", "half_down", "up", "down"]
MODES: dict[Mode, str] = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "half_down": decimal.ROUND_HALF_DOWN,
    "up": decimal.ROUND_UP,
    "down": decimal.ROUND_DOWN,
}
_EXACT = decimal.Context(prec=60)


class Rounding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`digits` None: those of the currency (ISO 4217)."""

    digits: int | None = None
    mode: Mode = "half_up"


def digits_of(currency: str, rules: Mapping[str, Rounding]) -> int:
    digits = rules.get(currency, Rounding()).digits
    return minor_units(currency) if digits is None else digits


def rounded(amount: Decimal, currency: str, rules: Mapping[str, Rounding]) -> Decimal:
    """The amount, rounded once by the rule of its currency; without one half up, to the currency's own digits."""
    unit = Decimal(1).scaleb(-digits_of(currency, rules))
    return amount.quantize(unit, rounding=MODES[rules.get(currency, Rounding()).mode], context=_EXACT)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's document says. `source`: its tag in the vendor's folder. Not `confirmed`: our reading of it."""

    says: str
    source: str
    confirmed: bool = True


class PriceSource(StrEnum):
    """Where a price of the ERP can come from."""

    AGREEMENT = "agreement"
    ACCOUNT_SPECIAL = "account_special"
    LIST_SPECIAL = "list_special"
    PROMOTION = "promotion"
    LIST_PRICE = "list_price"


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One source, at its place in the order.

    Attributes:
        always: it wins under every policy, not only when the first is taken.
        discount: what the percentage of discount rules does here: nothing, it takes the place of the row's own
            (a price without one is taken as before it), or it comes off the price (of a list only).
        exact_unit: it counts only if the row is in the ordered unit; else a row in the item's own unit is converted.
    """

    source: PriceSource
    always: bool = False
    discount: Literal["none", "replaces", "applies"] = "none"
    exact_unit: bool = False
    fact: Fact

    def __post_init__(self) -> None:
        if self.discount == "applies" and self.source is not PriceSource.LIST_PRICE:
            raise ValueError(f"{self.source}: a percentage comes off list prices; elsewhere it replaces the row's own")


class Precedence(msgspec.Struct, frozen=True, kw_only=True):
    """The order of an ERP's sources: the first that has a price wins, unless the account's policy says otherwise.

    Attributes:
        comparing_needs_discount: the policies lowest and highest compare only where a discount rule is for the item,
            unless the account says that every source counts.
        zero_is_none: a list that says zero has no price, and lowest and highest do not look at a price of zero.
        price_digits: to so many the ERP rounds each price that it calculates for a unit, a currency or a percentage,
            half up, before the target's own rounding; None: it does not.
        facts: what holds besides, for the document.
    """

    system: str
    levels: tuple[Level, ...]
    price_digits: int | None = None
    comparing_needs_discount: bool = False
    zero_is_none: bool = False
    facts: tuple[Fact, ...] = ()

    def level(self, source: PriceSource) -> int | None:
        """Its place, from 0; None where the system has no such source."""
        return next((at for at, level in enumerate(self.levels) if level.source is source), None)

    def document(self) -> str:
        """The order as Markdown, with the source of each line."""
        lines = [f"# How {self.system} arrives at a price", "", "| place | source | discount rules | says | from |"]
        lines.append("|---|---|---|---|---|")
        for place, level in enumerate(self.levels, 1):
            name = str(level.source).replace("_", " ") + (" (under every policy)" if level.always else "")
            lines.append(f"| {place} | {name} | {level.discount} | {level.fact.says} | {_origin(level.fact)} |")
        lines += ["", *(f"- {fact.says} ({_origin(fact)})" for fact in self.facts)]
        return "\n".join(lines) + "\n"


def _origin(fact: Fact) -> str:
    return fact.source if fact.confirmed else f"{fact.source}, unconfirmed" if fact.source else "unconfirmed"


class StoreMeans(msgspec.Struct, frozen=True, kw_only=True):
    """How a store finds a price in its own rows: an account's rows, else a rule's, else the base price.

    Of the rules that an account belongs to, by priority (highest first; no two have the same), the first that has any
    row of the item is taken with all its tiers; others are not looked at, and the cheapest is not looked for. The tier
    of the largest start not above the quantity counts; below the first start it is the first tier.

    Attributes:
        first_quantity: the smallest start of a tier.
        whole_quantities: starts of tiers are whole numbers.
        most_rules: of an account, at once.
    """

    system: str
    first_quantity: int = 1
    whole_quantities: bool = True
    most_rules: int
    facts: tuple[Fact, ...] = ()
