"""Tiers of one owner and product, as canonical rows mean them and as the shop keeps them. Pure.

The shop keeps a record for each first quantity, with the prices of all currencies, and with the last quantity, by which
a cart finds it (fact sheet, section 11): ends must follow on each other without gap. A currency that has no tier at a
start has there what it pays from an earlier start on, below its first tier its first tier's price, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

Ladder = Mapping[tuple[int, str], Decimal]
"""(first quantity, currency) -> price."""


class Step(msgspec.Struct, frozen=True):
    """One record of the shop.

    Attributes:
        end: the last quantity; None: no end.
        prices: by currency, those of currencies without a tier here included.
        tiers: currencies that have a tier here.
    """

    start: int
    end: int | None
    prices: dict[str, Decimal]
    tiers: tuple[str, ...]


def steps_of(ladder: Ladder) -> list[Step]:
    """Records for a ladder, by their start."""
    starts = sorted({start for start, _ in ladder})
    currencies = sorted({currency for _, currency in ladder})
    steps = []
    for place, start in enumerate(starts):
        end = starts[place + 1] - 1 if place + 1 < len(starts) else None
        prices = {one: _price(ladder, starts, place, one) for one in currencies}
        tiers = tuple(one for one in currencies if (start, one) in ladder)
        steps.append(Step(start, end, prices, tiers))
    return steps


def ladder_of(steps: Iterable[Step]) -> dict[tuple[int, str], Decimal]:
    """The tiers that records stand for."""
    return {(one.start, currency): one.prices[currency] for one in steps for currency in one.tiers}


def told_apart(steps: Iterable[Step]) -> list[Step]:
    """Records that do not tell which currencies have a tier at their start: one that goes on from the record before at
    the same price has none, unless it is the only currency there is. Of a currency whose first tier begins later than
    another's the start is told too early: what is paid is the same."""
    before: dict[str, Decimal] = {}
    found = []
    for one in sorted(steps, key=lambda step: step.start):
        own = tuple(sorted(currency for currency, price in one.prices.items() if before.get(currency) != price))
        found.append(Step(one.start, one.end, one.prices, own if len(one.prices) > 1 else tuple(one.prices)))
        before |= one.prices
    return found


def _price(ladder: Ladder, starts: list[int], place: int, currency: str) -> Decimal:
    earlier = (ladder[start, currency] for start in reversed(starts[: place + 1]) if (start, currency) in ladder)
    later = (ladder[start, currency] for start in starts[place:] if (start, currency) in ladder)
    found = next(earlier, None)
    return next(later) if found is None else found
