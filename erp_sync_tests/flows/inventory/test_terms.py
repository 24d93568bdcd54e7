"""How a SKU may be sold when there is none of it: what is said, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.flows.inventory.transform import convert_rules, desired, missing_row, reason
from erp_sync.flows.state_flow import Surroundings
from erp_sync.model.stock import NO_DATE, StockLevel, StockTerms
from erp_sync.ports.lookups import Passthrough

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def level(**more: Any) -> StockLevel:
    return StockLevel(connection="erp", scope="", sku="MUG", location="1", on_hand=Decimal(3), read_at=NOW, **more)


def terms(levels: list[StockLevel], rules: dict[str, Any] | None = None, keeps: bool = True) -> list[Any]:
    around = Surroundings(
        lookups=Passthrough(), rules=convert_rules(rules or {}), channel="shop", now=NOW, keeps_terms=keeps
    )
    rows = [row for row, _ in desired(levels, around).rows if isinstance(row, StockTerms)]
    return [(row.backorders, row.restock_date) for row in rows]


@pytest.mark.parametrize(
    ("said", "rules", "expected"),
    [
        ({}, {}, []),
        ({"backorders": True}, {}, [(True, None)]),
        ({"backorders": False}, {"backorders": True}, [(True, None)]),
        ({}, {"backorders": ["MUG"]}, [(True, None)]),
        ({}, {"backorders": ["CUP"]}, [(False, None)]),
        ({"restock_date": "2026-12-24"}, {}, [(None, "2026-12-24")]),
        ({"restock_date": "2026-11-23"}, {}, [(None, "2026-11-23")]),
        ({"restock_date": "2026-11-22"}, {}, [(None, "")]),
        ({"restock_date": NO_DATE}, {}, [(None, "")]),
    ],
)
def test_only_what_the_erp_or_a_rule_says_is_written(said, rules, expected):
    assert terms([level(**said)], rules) == expected


def test_a_sku_has_one_set_of_terms_whatever_its_locations():
    assert terms([level(backorders=True), level(backorders=True)]) == [(True, None)]


def test_a_target_that_keeps_none_gets_none():
    assert terms([level(backorders=True)], keeps=False) == []


def test_terms_are_told_and_never_taken_for_a_quantity():
    assert reason(None, {"backorders": True}) == "backorders: None becomes True"
    assert missing_row("*/MUG", {"backorders": True}) is None
