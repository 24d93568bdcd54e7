"""What a store sold and the ERP does not know: offered and sold together are never more than there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.inventory.availability import aggregated
from erp_sync.flows.inventory.transform import convert_rules, desired
from erp_sync.flows.state_flow import Sold, Surroundings
from erp_sync.model.stock import StockLevel
from erp_sync.ports.raw import MappingProblem

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
D = Decimal
quantities = st.integers(0, 30).map(D)
moments = st.integers(-3, 3).map(lambda seconds: NOW + timedelta(seconds=seconds))
# Two warehouses are one source, the third is another.
SOURCES = {"north": "main", "south": "main", "harbour": "other"}


class Tables:
    """The shop sells MUG under its own name and as a gift."""

    def get(self, table: str, key: str) -> str | None:
        if key == "AMBIGUOUS":
            raise MappingProblem("ambiguous_sku_map", table, key, "several rules match")
        return SOURCES.get(key) if table == "locations" else {"GIFT-MUG": "MUG", "MUG": "MUG"}.get(key)

    def require(self, table: str, key: str) -> str:
        return self.get(table, key) or key

    def reverse(self, table: str, value: str) -> list[str]:
        return ["MUG", "GIFT-MUG"] if value == "MUG" else [value]


def level(location: str, on_hand: Decimal, allocated: Decimal = D(0), read_at: datetime = NOW) -> StockLevel:
    values = {"connection": "erp", "scope": "", "sku": "MUG", "location": location}
    return StockLevel(**values, on_hand=on_hand, allocated=allocated, read_at=read_at)


def offered(levels: list[StockLevel], sold: list[Sold], **more: Any) -> dict[tuple[str, str], Decimal]:
    around = Surroundings(
        lookups=Tables(),
        rules=convert_rules(more.pop("rules", {})),
        channel="shop",
        now=NOW,
        unknown_to_erp=tuple(sold),
        **more,
    )
    return {(row.source, row.sku): row.quantity for row, _ in desired(levels, around).rows}


def levels_of(stocks: list[tuple[str, Decimal, Decimal, datetime]]) -> list[StockLevel]:
    return [level(location, *rest) for location, *rest in {one[0]: one for one in stocks}.values()]


stocks = st.lists(st.tuples(st.sampled_from(sorted(SOURCES)), quantities, quantities, moments), min_size=1, max_size=5)
sales = st.lists(
    st.builds(
        Sold,
        sku=st.sampled_from(["MUG", "GIFT-MUG", "CUP"]),
        quantity=quantities,
        known_at=st.none() | moments,
    ),
    max_size=6,
)


@given(stocks, sales, quantities)
def test_what_is_offered_and_what_was_sold_are_never_more_than_there_is(stocks, sales, safety):
    levels = levels_of(stocks)
    found = offered(levels, sales, rules={"safety_stock": {"default": str(safety)}})
    for (source, _), quantity in found.items():
        mine = [one for one in levels if SOURCES[one.location] == source]
        there = sum((one.on_hand - one.allocated - safety for one in mine), D(0))
        oldest = min(one.read_at for one in mine)
        sold = sum(
            (one.quantity for one in sales if one.sku != "CUP" and (one.known_at is None or one.known_at > oldest)),
            D(0),
        )
        assert quantity == max(there - sold, D(0))
        assert quantity + min(sold, max(there, D(0))) <= max(there, D(0))


def test_what_one_location_has_promised_beyond_its_shelves_is_not_offered_from_another():
    """All orders are booked on one warehouse of the ERP: their goods come from the others, too."""
    levels = [level("north", D(8), D(11)), level("south", D(9))]
    assert set(offered(levels, []).values()) == {D(6)}
    assert set(offered(levels, [], nets_own_orders=True).values()) == {D(9)}


@given(stocks, sales)
def test_a_store_that_nets_its_own_orders_gets_the_same_whatever_it_sold(stocks, sales):
    levels = levels_of(stocks)
    assert offered(levels, sales, nets_own_orders=True) == offered(levels, [], nets_own_orders=True)


@given(stocks, sales, sales)
def test_who_sells_more_is_never_offered_more(stocks, sales, more):
    levels = levels_of(stocks)
    before, after = offered(levels, sales), offered(levels, [*sales, *more])
    assert all(after[place] <= quantity for place, quantity in before.items())


def test_a_sum_of_locations_is_lowered_once():
    found = offered([level("north", D(5)), level("south", D(5))], [Sold(sku="MUG", quantity=D(7))])
    assert found["main", "MUG"] == D(3)


def test_what_is_sold_as_a_gift_is_gone_for_both_names():
    found = offered([level("north", D(5))], [Sold(sku="GIFT-MUG", quantity=D(4))])
    assert found == {("main", "MUG"): D(1), ("main", "GIFT-MUG"): D(1)}


def test_an_order_that_became_known_counts_for_what_was_read_before():
    at = NOW + timedelta(seconds=1)
    sold = [Sold(sku="MUG", quantity=D(4), known_at=at)]
    assert offered([level("north", D(5))], sold)["main", "MUG"] == D(1)
    assert offered([level("north", D(5), read_at=at)], sold)["main", "MUG"] == D(5)


def test_of_a_sum_the_oldest_read_decides():
    sold = [Sold(sku="MUG", quantity=D(4), known_at=NOW)]
    levels = [level("north", D(5)), level("south", D(5), read_at=NOW - timedelta(seconds=1))]
    assert offered(levels, sold)["main", "MUG"] == D(6)


def test_a_sku_that_two_rules_answer_for_lowers_no_other():
    sold = [Sold(sku="AMBIGUOUS", quantity=D(4))]
    assert offered([level("north", D(5))], sold)["main", "MUG"] == D(5)


def test_negative_demand_is_refused():
    with pytest.raises(ValueError, match="never negative"):
        aggregated([D(1)], D(-1))
