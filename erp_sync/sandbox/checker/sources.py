"""What the checker is told, and the conventions by which two systems' records belong together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar

_One = TypeVar("_One")

PEOPLE = ("storefront", "warehouse", "approver", "setup")
"""User agents of the simulated people; their calls are not erp_sync's."""
_AGENT_FLOW = re.compile(r"\((?P<flow>\w+)\)$")


@dataclass(frozen=True)
class Claim:
    """What erp_sync says of one order.

    Attributes:
        order: the store's order number, or its id of an order whose number nobody could read.
        claim: "held", "dead_lettered", "cancelled_pending" (cancelled before it was sent), or "already_shipped" (its
            cancellation came after goods had left: a person decides).
    """

    order: str
    claim: Literal["held", "dead_lettered", "cancelled_pending", "already_shipped"]
    reason: str = ""


@dataclass(frozen=True)
class Conventions:
    """How one system's records are named in the other, and what is expected of them.

    Attributes:
        external_id: under which an order is sent to the ERP, from the store's vendor, the order's id and number.
        reference: the order's number on the ERP's order, from the same.
        channels: restrict to what was sold there (`evidence.StoreOrder.channel`); empty: all.
        sku: the ERP's SKU for the store's.
        deposit_states: states of a payment for which the ERP must have a deposit: "pending", "authorised", "captured".
        tolerance: difference of amounts that is none.
        people: user agents whose calls are not erp_sync's.
        call_flows: pattern on an endpoint's name to flow, first match counts, for ``api_calls``.
        location: the store's source code for the ERP's name of a place.
        safety_stock: units kept back per (SKU, source).
        price_list: the ERP's price list that is the store's base price.
    """

    external_id: str = "{vendor}_us_{id}"
    reference: str = "{number}"
    channels: frozenset[str] = frozenset()
    sku: Callable[[str], str] = str
    deposit_states: frozenset[str] = frozenset({"authorised", "captured"})
    tolerance: Decimal = Decimal("0.005")
    people: tuple[str, ...] = PEOPLE
    call_flows: Sequence[tuple[str, str]] = ()
    location: Callable[[str], str] = str
    safety_stock: Callable[[str, str], Decimal] = field(default=lambda sku, source: Decimal(0))
    price_list: Any = 1

    def flow(self, endpoint: str, told: str, agent: str = "") -> str:
        """Flow of a call: what its User-Agent says in brackets, else what the endpoint itself tells, else the first
        pattern that matches, else "other".
        """
        if said := _AGENT_FLOW.search(agent):
            return said["flow"]
        if told:
            return told
        return next((flow for pattern, flow in self.call_flows if fnmatchcase(endpoint, pattern)), "other")


def grouped(things: Iterable[_One], key: Callable[[_One], Any]) -> dict[Any, list[_One]]:
    out: dict[Any, list[_One]] = {}
    for thing in things:
        out.setdefault(key(thing), []).append(thing)
    return out


def spread(values: Iterable[float]) -> dict[str, float | int | None]:
    """Count, median, 95th percentile (nearest rank) and maximum of seconds, in milliseconds' precision."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": None, "p95": None, "max": None}

    def rank(share: float) -> float:
        return round(ordered[max(0, -(-int(share * 100 * len(ordered)) // 100) - 1)], 3)

    return {"count": len(ordered), "p50": rank(0.5), "p95": rank(0.95), "max": round(ordered[-1], 3)}
