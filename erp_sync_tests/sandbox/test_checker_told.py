"""The checker says nothing of what a store cannot tell, and takes claims by an order's number or its id."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from erp_sync.sandbox.checker.orders import Orders, check_orders
from erp_sync.sandbox.checker.shipments import check_shipments
from erp_sync.sandbox.checker.sources import Claim, Conventions
from erp_sync.sandbox.evidence import ErpLine, ErpOrder, ErpShipment, StoreLine, StoreOrder, StoreShipment

ONE = Decimal(1)
CONVENTIONS = Conventions(external_id="store_{id}")


def shipments(shipment: StoreShipment, *, mails: bool) -> Any:
    left = [ErpShipment(id=1, name="F1", order=7, left_at=10.0, tracks={"T1"}, units=[("MUG", ONE)], taken=[])]
    return check_shipments([shipment], left, {7: "10001"}, set(), CONVENTIONS, mails=mails)


def booked(**values: Any) -> StoreShipment:
    return StoreShipment(id="s", number="10001", order="10001", booked_at=20.0, tracks={"T1"}, **values)


@pytest.mark.parametrize(("mails", "missing"), [(True, ["F1"]), (False, [])])
def test_mails_are_missed_only_where_the_store_tells_of_mails(mails: bool, missing: list[str]) -> None:
    assert shipments(booked(units=[("MUG", ONE)]), mails=mails).mails_missing == missing


@pytest.mark.parametrize(
    ("values", "differing"),
    [
        ({"units": [("MUG", ONE)]}, {}),
        ({"units": []}, {"F1": "MUG: 1 left, 0 booked"}),
        ({"units": [], "units_told": False}, {}),
        ({"units": [("MUG", ONE)], "tracks": set()}, {"F1": "parcel T1 not booked"}),
    ],
    ids=["the same", "another", "nobody can say", "another parcel"],
)
def test_units_are_compared_where_the_store_knows_them(values: dict[str, Any], differing: dict[str, str]) -> None:
    shipment = booked(**{name: value for name, value in values.items() if name != "tracks"})
    shipment.tracks = values.get("tracks", {"T1"})
    assert shipments(shipment, mails=False).differing == differing


def presence(claim: Claim, *, shipped_in_store: int, shipped_in_erp: int | None, state: Any = "cancelled") -> Orders:
    line = StoreLine(
        id="l", sku="MUG", kind="item", part_of=None, ordered=ONE, cancelled=Decimal(0),
        shipped=Decimal(shipped_in_store), refunded=Decimal(0), amount=ONE, discount=Decimal(0), tax=Decimal(0),
    )  # fmt: skip
    order = StoreOrder(
        id="01a1", number="10001", channel="c", state=state, currency="EUR", total=ONE, tax=Decimal(0),
        shipping=Decimal(0), placed_at=1.0, lines=[line], taxes=[], payments=[],
    )  # fmt: skip
    rows = []
    if shipped_in_erp is not None:
        units = Decimal(shipped_in_erp)
        row = ErpLine("MUG", False, ONE, ONE, units, units, True, True)
        rows.append(
            ErpOrder(
                id=1, name="1004", key="store_01a1", reference="10001", state="closed", currency="EUR", total=ONE,
                tax=Decimal(0), shipping=Decimal(0), created_at=2.0, changed=False, lines=[row],
            )
        )  # fmt: skip
    return check_orders([order], rows, [], [claim], CONVENTIONS, "shopware")


@pytest.mark.parametrize("name", ["10001", "01a1"])
def test_a_claim_names_an_order_by_number_or_id(name: str) -> None:
    found = presence(Claim(name, "dead_lettered", "why"), shipped_in_store=0, shipped_in_erp=None, state="open")
    assert (found.dead_lettered, found.false_claims, found.lost) == ({"10001": "why"}, {}, [])


def test_a_claim_for_an_order_that_nobody_placed_is_false() -> None:
    found = presence(Claim("10002", "held"), shipped_in_store=0, shipped_in_erp=None, state="open")
    assert list(found.false_claims) == ["10002"]
    assert found.lost == ["10001"]


@pytest.mark.parametrize(
    ("in_store", "in_erp", "true"),
    [(0, 1, True), (1, 1, True), (0, 0, False)],
    ids=["the store does not know that it left", "the store booked it, though it was cancelled", "nothing left"],
)
def test_that_goods_left_before_a_cancellation_is_true_where_they_did(in_store: int, in_erp: int, true: bool) -> None:
    found = presence(Claim("10001", "already_shipped"), shipped_in_store=in_store, shipped_in_erp=in_erp)
    assert (found.cancelled_after_shipping == ["10001"], found.false_claims == {}) == (true, true)
