"""What can be wrong with price terms, as rules of the flow: the planner finds it (`flows.prices.engine.defects`)."""

from __future__ import annotations

from typing import Any

from erp_sync.flows.prices.engine.defects import WORDS

SUITE = "contract_prices"
AMBIGUOUS_NAME, SEVERAL_UNITS = "ambiguous_name", "several_units"

RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    *((str(defect), "", {}, words) for defect, words in WORDS.items()),
    (AMBIGUOUS_NAME, "", {}, "look-up tables give several answers for the name"),
    (SEVERAL_UNITS, "", {}, "it is to be sold in several units, and a product of the store has one: only the first is"),
)
