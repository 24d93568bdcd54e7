"""The rules of quality say the same without their engine."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.components.documents import suite_of
from erp_sync.quality import gate
from erp_sync_tests.chaos import thrift
from erp_sync_tests.chaos.house import FLOWS

VALUES: dict[str, list[Any]] = {
    "ExpectColumnValuesToBeBetween": [-1, 0, 1, None],
    "ExpectColumnValueLengthsToBeBetween": ["", "A", None, "AB"],
    "ExpectColumnValuesToBeInSet": ["USD", "", "usd", None],
    "ExpectColumnValuesToMatchRegex": ["USD", "", "usd", "USDX"],
}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_rule_says_the_same_as_by_the_engine(flow: str):
    suite = suite_of(flow)
    columns = {rule.arguments["column"]: VALUES[rule.expectation] for rule in suite.rules}
    records = [{name: values[row] for name, values in columns.items()} for row in range(4)]
    ours, theirs = thrift.judge(suite, records), gate.judge(suite, records)
    assert ours.by_row() == theirs.by_row()
    assert ours.rules == theirs.rules
