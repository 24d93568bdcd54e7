"""What stock is offered, as examples and as properties."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.inventory.availability import StoreDemand, offered, sellable
from erp_sync.model.stock import StockLevel

D = Decimal
quantities = st.decimals(min_value=0, max_value=10_000, places=2)


def level(on_hand="0", allocated="0", **more) -> StockLevel:
    return StockLevel(
        connection="netsuite_us",
        scope="1",
        sku="SKU-1",
        location="east",
        on_hand=D(on_hand),
        allocated=D(allocated),
        read_at=datetime(2026, 1, 1, tzinfo=UTC),
        **more,
    )


@pytest.mark.parametrize(
    ("on_hand", "allocated", "safety", "expected"),
    [("10", "3", "0", "7"), ("10", "3", "2", "5"), ("10", "3", "8", "0"), ("2", "5", "0", "0"), ("-4", "0", "0", "0")],
)
def test_sellable_never_falls_below_zero(on_hand, allocated, safety, expected):
    assert sellable(level(on_hand, allocated), D(safety)) == D(expected)


def test_damaged_and_quarantined_goods_are_not_offered():
    assert sellable(level("10", damaged=D(1), quarantined=D(2), reserved=D(3))) == D(4)


def test_a_store_that_nets_its_orders_gets_the_quantity_before_them():
    """Pushing stock already net of the store's orders would subtract them twice."""
    known = StoreDemand(allocated=D(3))
    assert offered(level("10", "3"), known, target_nets_own_orders=True) == D(10)


def test_what_shipped_but_is_not_booked_in_the_store_still_counts_there():
    """The store lowers its source when the shipment is booked: until then the goods are in its figure."""
    demand = StoreDemand(allocated=D(0), shipped_not_booked=D(3))
    assert offered(level("7", "0"), demand, target_nets_own_orders=True) == D(10)


def test_another_channels_orders_are_not_offered():
    assert offered(level("10", "6"), StoreDemand(allocated=D(2)), target_nets_own_orders=True) == D(6)


@given(quantities, quantities, quantities, quantities, quantities, quantities)
def test_what_the_store_shows_is_never_more_than_can_be_promised(on_hand, own, others, unknown, shipped, safety):
    """Salable in the store = written - its own reservations; it must not exceed what the ERP could promise."""
    stock = level(str(on_hand), str(own + others))
    written = offered(
        stock,
        StoreDemand(allocated=own, shipped_not_booked=shipped),
        safety_stock=safety,
        target_nets_own_orders=True,
    )
    reservations = own + shipped + unknown
    salable = max(written - reservations, D(0))
    assert salable <= sellable(stock, safety)
    assert salable == max(sellable(stock, safety) - unknown, D(0))


@given(quantities, quantities, quantities, quantities)
def test_the_written_quantity_covers_every_shipment_to_come(on_hand, own, shipped, safety):
    """Posting a shipment at the store fails where its source holds less than is shipped."""
    written = offered(
        level(str(on_hand), str(own)),
        StoreDemand(allocated=own, shipped_not_booked=shipped),
        safety_stock=safety,
        target_nets_own_orders=True,
    )
    assert written >= own + shipped


def test_negative_safety_stock_is_refused():
    with pytest.raises(ValueError, match="never negative"):
        sellable(level("1"), D(-1))
