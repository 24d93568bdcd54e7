"""Guards: limits beyond which a plan waits for a person. Pure.

A share is counted only where at least `few` rows are concerned: in a small batch one row is a large share.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

FEW = 5


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One figure to judge: `part` of `whole`.

    Attributes:
        guard: name of the limit in the route's YAML, e.g. ``max_zeroed_share``.
        words: what the part is, for an operator: "go to zero".
        summed: many small parts do what a large one does: those of the last hour count together.
    """

    guard: str
    part: int
    whole: int
    words: str
    summed: bool = False

    @property
    def share(self) -> float:
        return self.part / self.whole if self.whole else 0.0


class GuardVerdict(msgspec.Struct, frozen=True, kw_only=True):
    guard: str
    passed: bool
    words: str
    figure: str
    limit: str


def judge_shares(shares: list[Share], limits: Mapping[str, float], defaults: Mapping[str, float]) -> list[GuardVerdict]:
    """One verdict per share that has a limit; the route's limits win over the flow's defaults.

    The limit ``few`` is the number of rows below which a share says nothing, 5 where it is not given.
    """
    few = int(limits.get("few", FEW))
    verdicts = []
    for one in shares:
        limit = limits.get(one.guard, defaults.get(one.guard))
        if limit is None:
            continue
        # All of it is never few: a source that answers nothing empties a small shop, too.
        passed = one.share <= limit or (one.part < few and one.part < one.whole)
        words = f"{one.part} of {one.whole} {one.words} ({one.share:.1%}, limit {limit:.1%})"
        verdicts.append(
            GuardVerdict(guard=one.guard, passed=passed, words=words, figure=f"{one.share:.4f}", limit=f"{limit:g}")
        )
    return verdicts


def jumped(before: Decimal, after: Decimal, factor: float, floor: float = 1.0) -> bool:
    """Has a figure grown by more than the factor? Below `floor` every figure counts as `floor`.

    The limits come from YAML as floats: what counts is how they are written there.
    """
    lowest = Decimal(str(floor))
    return max(after, lowest) > Decimal(str(factor)) * max(before, lowest)
