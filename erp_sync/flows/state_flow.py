"""What every state flow has: what its logic gets besides the rows, and what it answers. Values only.

A flow's `transform` module offers:

    GUARDS                              default limits, by guard
    convert_rules(rules)                the flow's rules of the route's YAML, typed; raises ValueError
    identity(row)                       what may be in the source once only
    order(row, record)                  place in the order of values
    desired(rows, surroundings)         what the target should hold
    missing_row(key, values)            action and values for a row that the source has no more; None: it stays
    realm(row)                          of rows made at the target the flow owns those whose realm it writes to;
                                        a flow without it leaves them all alone
    action(before, after), reason(before, after)
    alone(before, after, limits)        why one row waits for a person while the others go
    shares(pairs, whole, missing, base) figures for the guards
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.ports.lookups import Lookups

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Place of a time in the order of values, as the ledger keeps it: since 1970, exact."""
    return (time - _EPOCH) // _MICROSECOND


class LeftByHand(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that a warehouse shipped by hand while the ERP was away.

    Attributes:
        fulfillment: the ERP's that stands for it; "" while the ERP does not know of it.
        known_at: when that became known.
        lines: (SKU of the ERP, location) to quantity.
    """

    fulfillment: str
    known_at: datetime | None
    lines: dict[tuple[str, str], Decimal]


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of shipments that left the ERP's stock.

    Attributes:
        booked: shipments that the store has booked, or never will.
        open: shipments that it has not: id to (SKU of the ERP, location) to quantity.
        counted: whether shipments reach the store through this route at all; else the store books them by other
            means, and none is added.
        by_hand: what left by hand, and the ERP does not know of or has learned of lately.
    """

    booked: frozenset[str] = frozenset()
    open: dict[str, dict[tuple[str, str], Decimal]] = {}
    counted: bool = True
    by_hand: tuple[LeftByHand, ...] = ()


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """Units that one order of the store takes.

    Attributes:
        sku: as the store sold it.
        known_at: the ERP's figures have the order in them where they were read from then on; None: it does not know it.
    """

    sku: str
    quantity: Decimal
    known_at: datetime | None = None


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    channel: connection of the target.
    nets_own_orders: see `ports.state.StateTarget`.
    keeps_terms: the target keeps how a SKU may be sold when there is none of it.
    currency: of the target's prices; "" where it has none.
    unknown_to_erp: what the store sold and the ERP does not know, or has learned of lately; for stores that net none.
    """

    lookups: Lookups
    rules: Any
    channel: str
    now: datetime
    nets_own_orders: bool = False
    keeps_terms: bool = False
    currency: str = ""
    booked: Booked = Booked()
    unknown_to_erp: tuple[Sold, ...] = ()


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """A row that makes nothing: position among the rows, stable rule name, words."""

    position: int
    rule: str
    problem: str


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the target with the position of what they come from.

    Attributes:
        left_out: how many rows are none of the target's business, by reason.
        ended: rows that the source has and that the target should hold no more, with their positions.
    """

    rows: list[tuple[Any, int]]
    unusable: list[Unusable] = []
    left_out: dict[str, int] = {}
    ended: list[tuple[Any, int]] = []
