"""Limits that hold a plan, or a row of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.flows.guards import jumped
from erp_sync.flows.prices import transform as prices


@pytest.mark.parametrize(
    ("before", "after", "factor", "expected"),
    [
        ("0.07", "0.21", 3, False),
        ("0.07", "0.2101", 3, True),
        ("3", "3.3", 1.1, False),  # 1.1 * 3 is 3.3000000000000003 in floats
        ("9007199254740993", "9007199254740994", 1, True),  # the same float
    ],
)
def test_a_jump_is_judged_exactly(before: str, after: str, factor: float, expected: bool):
    assert jumped(Decimal(before), Decimal(after), factor, floor=0) is expected


def test_a_price_of_exactly_so_many_times_goes():
    assert prices.alone({"amount": "0.07"}, {"amount": "0.21"}, {"max_jump_factor": 3}) is None
    assert prices.alone({"amount": "0.07"}, {"amount": "0.22"}, {"max_jump_factor": 3}) is not None
