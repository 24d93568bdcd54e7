"""A priority of its own for every rule, the same from run to run: few rules move when their order changes.

Of two rules of one priority a store takes the one that happens to have the smaller id, which is nobody's decision.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

STEP = 1024
LARGEST = 2_000_000_000  # a store keeps a priority in 32 bits


def unique_priorities(order: Sequence[str], known: Mapping[str, int], taken: Collection[int] = ()) -> dict[str, int]:
    """Of each rule, growing along `order`.

    As many rules as can keep the priority that they have in `known`; where there is no room between two of them, or
    above the last, all get new ones.

    Args:
        taken: priorities of rules that are not in `order`, which stay.
    """
    others = frozenset(taken)
    kept = _growing([(at, known[rule]) for at, rule in enumerate(order) if 0 < known.get(rule, 0) < LARGEST])
    found: dict[str, int] = {order[at]: priority for at, priority in kept if priority not in others}
    edges = [(-1, 0), *((at, one) for at, one in kept if one not in others), (len(order), None)]
    for (start, low), (end, high) in pairwise(edges):
        free = _between(low or 0, high, end - start - 1, others)
        if free is None:
            return dict(zip(order, _between(0, None, len(order), others) or (), strict=True))
        found |= zip(order[start + 1 : end], free, strict=True)
    return found


def _between(low: int, high: int | None, count: int, others: frozenset[int]) -> list[int] | None:
    """So many numbers above `low` and below `high`, evenly; None where there is no room."""
    top = min(low + (count + 1) * STEP, LARGEST) if high is None else high
    found: list[int] = []
    at = low
    for place in range(1, count + 1):
        at = max(at + 1, low + (top - low) * place // (count + 1))
        while at in others:
            at += 1
        if at >= (LARGEST if high is None else high):
            return None
        found.append(at)
    return found


def _growing(given: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of (place, priority) whose priorities grow: the first of several that are as long."""
    ends: list[int] = []  # of parts of each length the smallest last priority
    at_end: list[int] = []
    before: list[int] = []
    for number, (_, priority) in enumerate(given):
        length = bisect_left(ends, priority)
        before.append(at_end[length - 1] if length else -1)
        ends[length : length + 1] = [priority]
        at_end[length : length + 1] = [number]
    found = []
    number = at_end[-1] if at_end else -1
    while number >= 0:
        found.append(given[number])
        number = before[number]
    return found[::-1]
