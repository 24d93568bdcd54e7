"""What every product must satisfy before it is compared. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.model.product import Product

SUITE = "products"

RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "name_is_given",
        "ExpectColumnValueLengthsToBeBetween",
        {"column": "name", "min_value": 1},
        "the name is empty",
    ),
    (
        "weight_is_not_negative",
        "ExpectColumnValuesToBeBetween",
        {"column": "weight", "min_value": 0},
        "the weight is negative",
    ),
    (
        "duplicate_sku",
        "ExpectColumnValuesToBeBetween",
        {"column": "others", "max_value": 0},
        "several items of the ERP have this SKU",
    ),
)


def columns(products: Sequence[Product], others: Sequence[int]) -> dict[str, list[Any]]:
    """The frame that the rules judge. `others`: how many other items of the ERP have the SKU."""
    return {
        "name": [product.name.strip() for product in products],
        "weight": [int((product.weight or 0) * 10000) for product in products],
        "others": list(others),
    }
