"""What can be wrong with price terms, as rules of the flow: the planner finds it (`flows.prices.engine.defects`)."""

from __future__ import annotations

from typing import Any

from erp_sync.flows.prices.engine.defects import WORDS, Defect

SUITE = "contract_prices"
AMBIGUOUS_NAME, SEVERAL_UNITS = "ambiguous_name", "several_units"

# Stores and orders have reasons of the same name that mean something else.
_OTHERS = {Defect.UNKNOWN_ITEM: "terms_of_unknown_item", Defect.UNKNOWN_ACCOUNT: "terms_of_unknown_account"}


def code_of(defect: str) -> str:
    """Of a row in quarantine with this rule of the planner."""
    return _OTHERS.get(Defect(defect), defect)


RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    *((code_of(defect), "", {}, words) for defect, words in WORDS.items()),
    (AMBIGUOUS_NAME, "", {}, "look-up tables give several answers for the name"),
    (SEVERAL_UNITS, "", {}, "it is to be sold in several units, and a product of the store has one: only the first is"),
)
