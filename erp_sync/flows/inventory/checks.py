"""What every stock level must satisfy before it is offered. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.model.stock import StockLevel

SUITE = "stock_levels"
# Named in quarantine, and offered as nothing: leaving an older quantity would sell what is not there.
NAMED_ONLY = ("negative_quantity",)

RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "negative_quantity",
        "ExpectColumnValuesToBeBetween",
        {"column": "on_hand", "min_value": 0},
        "the quantity on hand is negative",
    ),
    (
        "negative_allocation",
        "ExpectColumnValuesToBeBetween",
        {"column": "lowest_taken", "min_value": 0},
        "an allocated, reserved, damaged or quarantined quantity is negative",
    ),
    (
        "sku_is_given",
        "ExpectColumnValueLengthsToBeBetween",
        {"column": "sku", "min_value": 1},
        "the SKU is empty",
    ),
    (
        "duplicate_sku",
        "ExpectColumnValuesToBeBetween",
        {"column": "others", "max_value": 0},
        "several items of the ERP have this SKU at this location",
    ),
)


def columns(levels: Sequence[StockLevel], others: Sequence[int]) -> dict[str, list[Any]]:
    """The frame that the rules judge; quantities in ten-thousandths.

    `others`: for each level, how many other items of the ERP claim the same SKU and location.
    """
    return {
        "sku": [level.sku for level in levels],
        "on_hand": [int(level.on_hand * 10000) for level in levels],
        "lowest_taken": [
            int(min(level.allocated, level.reserved, level.damaged, level.quarantined) * 10000) for level in levels
        ],
        "others": list(others),
    }
