"""What several percentages are together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from erp_sync.flows.prices.engine.conversion import EXACT, HUNDRED
from erp_sync.flows.prices.engine.defects import in_range
from erp_sync.model.price_terms import SCALE, Combination, DiscountRule

WRONG = Decimal(999)  # takes off more than any price, so that what it comes off is held
_UNIT = Decimal(1).scaleb(-SCALE)


def combined(percents: Sequence[Decimal], how: Combination) -> Decimal:
    """One percentage for all, to six digits. Raises ValueError without any."""
    if not percents:
        raise ValueError("no percentage to combine")
    match how:
        case Combination.LOWEST:
            result = min(percents)
        case Combination.HIGHEST:
            result = max(percents)
        case Combination.TOTAL:
            result = min(sum(percents, Decimal(0)), HUNDRED)
        case Combination.AVERAGE:
            result = EXACT.divide(sum(percents, Decimal(0)), Decimal(len(percents)))
        case Combination.MULTIPLES:
            left = Decimal(1)
            for percent in sorted(percents):
                left = EXACT.multiply(left, EXACT.divide(HUNDRED - percent, HUNDRED))
            result = EXACT.multiply(EXACT.subtract(Decimal(1), left), HUNDRED)
    return result.quantize(_UNIT, rounding=ROUND_HALF_UP, context=EXACT)


def of_rules(hits: Iterable[DiscountRule], how: Combination) -> Decimal | None:
    """The percentage of all lines that match: a rule's properties by its own relation first, then everything.

    `WRONG` where one of them, or all together, is out of range.
    """
    hits = list(hits)
    if not all(in_range(hit.percent) for hit in hits):
        return WRONG
    percents: list[Decimal] = []
    properties: dict[str, list[DiscountRule]] = {}
    for hit in hits:
        if hit.match == "property":
            properties.setdefault(hit.rule, []).append(hit)
        else:
            percents.append(hit.percent)
    for several in properties.values():
        percents.append(combined([hit.percent for hit in several], several[0].relation))
    if not percents:
        return None
    found = combined(percents, how)
    return found if in_range(found) else WRONG
