"""Rows by which a store knows prices, in canonical form: what the price engine makes, and what a store holds. No I/O.

An account's rows of an item are taken before any rule's, a rule's before the base price (`ports.pricing.StoreMeans`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec


class NativeRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule of the store: the highest `priority` that has an item is taken, then the first name."""

    rule: str
    priority: int


class RuleMember(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    rule: str
    account: str


class NativeRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tier.

    Attributes:
        kind, owner: the base price (``""``), a rule's name, or an account.
        quantity: where the tier begins.
        gross: `price` includes tax.
    """

    kind: Literal["base", "rule", "account"]
    owner: str = ""
    item: str
    unit: str
    currency: str
    quantity: Decimal
    price: Decimal
    gross: bool = False


NATIVE: dict[str, type[msgspec.Struct]] = {"rules": NativeRule, "members": RuleMember, "rows": NativeRow}
KEY = ("kind", "owner", "item", "unit", "currency", "quantity")
