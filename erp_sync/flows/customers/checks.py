"""What every business account must satisfy before it is compared. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.model.business_account import BusinessAccount

SUITE = "business_accounts"

RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "name_is_given",
        "ExpectColumnValueLengthsToBeBetween",
        {"column": "name", "min_value": 1},
        "the name is empty",
    ),
    (
        "credit_limit_is_not_negative",
        "ExpectColumnValuesToBeBetween",
        {"column": "credit_limit", "min_value": 0},
        "the credit limit is negative",
    ),
    (
        "duplicate_account",
        "ExpectColumnValuesToBeBetween",
        {"column": "others", "max_value": 0},
        "several accounts of the ERP have this number",
    ),
)


def columns(accounts: Sequence[BusinessAccount], others: Sequence[int]) -> dict[str, list[Any]]:
    """The frame that the rules judge. `others`: how many other accounts of the ERP have the number."""
    return {
        "name": [account.name.strip() for account in accounts],
        "credit_limit": [int((account.credit_limit or 0) * 10000) for account in accounts],
        "others": list(others),
    }
