"""Which of the parcels that left by hand a fulfillment of the ERP stands for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.shipments.by_hand import key_of, recognise
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus


def shipment(native_id: str, goods: dict[str, int], *tracking: str) -> Shipment:
    lines = tuple(ShipmentLine(order_line="", sku=sku, quantity=Decimal(count)) for sku, count in goods.items())
    return Shipment(
        connection="netsuite_us",
        scope="",
        native_id=native_id,
        status=ShipmentStatus.SHIPPED,
        order_native_id="1",
        lines=lines,
        parcels=tuple(Parcel(tracking_number=number, carrier="ups") for number in tracking),
    )


MUGS = ("hand-1", shipment("", {"MUG": 2}, "1Z 999-AA1"), "")
TEA = ("hand-2", shipment("", {"TEA": 1}, "1Z999AA2"), "")


def test_it_is_known_again_by_a_tracking_number_however_it_is_written():
    found = recognise(shipment("7", {"MUG": 2}, "1z999aa1"), [MUGS, TEA])
    assert found is not None
    assert (found.keys, found.differs, found.late) == (("hand-1",), "", ())


def test_one_that_stands_for_two_is_known_as_both():
    found = recognise(shipment("7", {"MUG": 2, "TEA": 1}, "1Z999AA1", "1Z999AA2"), [MUGS, TEA])
    assert found is not None
    assert (found.keys, found.differs) == (("hand-1", "hand-2"), "")


def test_where_the_goods_differ_both_figures_are_named():
    found = recognise(shipment("7", {"MUG": 3}, "1Z999AA1"), [MUGS, TEA])
    assert found is not None
    assert found.differs == "MUG: 3 in the ERP, 2 by hand"


def test_a_parcel_that_came_later_is_told_to_the_store():
    found = recognise(shipment("7", {"MUG": 2}, "1Z999AA1", "1Z999AA9"), [MUGS])
    assert found is not None
    assert [parcel.tracking_number for parcel in found.late] == ["1Z999AA9"]


def test_without_a_tracking_number_it_is_known_by_its_goods_once():
    assert recognise(shipment("7", {"TEA": 1}), [MUGS, TEA]).keys == ("hand-2",)  # type: ignore[union-attr]
    taken = (TEA[0], TEA[1], "6")
    assert recognise(shipment("7", {"TEA": 1}), [MUGS, taken]) is None
    assert recognise(shipment("6", {"TEA": 1}), [MUGS, taken]).keys == ("hand-2",)  # type: ignore[union-attr]


@pytest.mark.parametrize("goods", [{"MUG": 2}, {"TEA": 1}])
def test_another_parcel_of_the_same_goods_is_another_shipment(goods: dict[str, int]):
    assert recognise(shipment("7", goods, "1Z999AA7"), [MUGS, TEA]) is None


@given(st.permutations([("MUG", Decimal("2.0"), "1Z 1"), ("TEA", Decimal(1), "1Z 2"), ("CUP", Decimal(3), "1Z 2")]))
def test_the_same_list_twice_is_the_same_shipment(goods: list[tuple[str, Decimal, str]]):
    written_otherwise = [(sku, quantity.normalize(), tracking.replace(" ", "-")) for sku, quantity, tracking in goods]
    assert key_of("17", "east", goods) == key_of("17", "east", written_otherwise)
    assert key_of("17", "east", goods) != key_of("17", "west", goods)
    assert key_of("17", "east", goods) != key_of("17", "east", goods[1:])


def test_of_two_that_name_one_parcel_the_goods_tell_which_it_is():
    corrected = ("hand-3", shipment("", {"TEA": 1}, "1Z999AA1"), "")
    found = recognise(shipment("7", {"TEA": 1}, "1Z999AA1"), [MUGS, corrected])
    assert found is not None
    assert (found.keys, found.differs) == (("hand-3",), "")
    both = recognise(shipment("7", {"MUG": 2, "TEA": 1}, "1Z999AA1"), [MUGS, corrected])
    assert both is not None
    assert (both.keys, both.differs) == (("hand-1", "hand-3"), "")
