"""Price of one SKU, for one list, group, quantity and time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class PriceKind(StrEnum):
    BASE = "base"
    SPECIAL = "special"
    TIER = "tier"
    COST = "cost"


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One price row.

    Attributes:
        price_list: list or level in the source, e.g. ``Base Price``.
        group: customer group it is for; ``""`` is everybody.
        quantity: the break: valid from this quantity on.
        valid_from, valid_to: half-open interval in UTC; None is unbounded.
    """

    connection: str
    scope: str
    sku: str
    kind: PriceKind = PriceKind.BASE
    price_list: str = ""
    group: str = ""
    quantity: Decimal = Decimal(1)
    currency: str
    amount: Decimal
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    version: str = ""
    read_at: datetime | None = None
