"""Shipments out of SAP Business One: delivery notes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.model.shipment import Parcel, ShipmentLine, ShipmentStatus
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.raw import BadRecord, Window
from erp_sync_tests.systems.sap_b1.requests import KEY
from erp_sync_tests.systems.sap_b1.samples import D

WINDOW = Window(start=datetime(2026, 1, 14, 23, 30, tzinfo=UTC), end=datetime(2026, 1, 14, 23, 32, tzinfo=UTC))


def source(connector):
    return connector(source_connections=["shopware_de"]).port("shipment", "source")


def line(number: int, quantity: float, order: int | None = 91, base: int = 0, **changes: Any) -> dict[str, Any]:
    values = {
        "LineNum": number, "ItemCode": f"A{base}", "Quantity": quantity, "WarehouseCode": "01",
        "BaseType": 17 if order else -1, "BaseEntry": order, "BaseLine": base, "TreeType": "iNotATree",
    }  # fmt: skip
    return values | changes


def note(entry: int = 300, *lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    values = {
        "DocEntry": entry, "DocNum": 8000 + entry, "DocDate": "2026-01-15T00:00:00Z", "Cancelled": "tNO",
        "CancelStatus": "csNo", "TrackingNumber": "JD014600, JD014601", "TransportationCode": 5, "Comments": None,
        "CreationDate": "2026-01-15T00:00:00Z", "DocTime": "00:31:00", "UpdateDate": "2026-01-15T00:00:00Z",
        "UpdateTime": "00:31:09", "DataVersion": 1, "DocumentLines": list(lines or (line(0, 4.0),)),
    }  # fmt: skip
    return values | changes


def order(entry: int = 91, key: str | None = KEY) -> dict[str, Any]:
    return {"DocEntry": entry, "DocNum": 5000 + entry, "NumAtCard": "10045", "U_ErpSyncKey": key}


def shipments(found, pages) -> dict[str, Any]:
    return {record.native_id: found.to_canonical(record, Passthrough()) for page in pages for record in page}


def test_a_delivery_note_as_a_shipment(connector, server):
    server.rows("DeliveryNotes", note(300, line(0, 4.0, base=1), line(1, 2.5, WarehouseCode="02")))
    server.rows("Orders", order())
    found = source(connector)
    shipment = shipments(found, found.changed(WINDOW))["300"]
    assert (shipment.number, shipment.status) == ("8300", ShipmentStatus.SHIPPED)
    assert (shipment.order_native_id, shipment.order_connection, shipment.order_key) == ("91", "shopware_de", "018f5c")
    assert shipment.lines == (
        ShipmentLine(order_line="1", sku="A1", quantity=D("4"), location="01"),
        ShipmentLine(order_line="0", sku="A0", quantity=D("2.5"), location="02"),
    )
    assert shipment.parcels == (
        Parcel(tracking_number="JD014600", carrier="5"),
        Parcel(tracking_number="JD014601", carrier="5"),
    )
    assert shipment.location == ""
    assert shipment.shipped_at == datetime(2026, 1, 14, 23, 0, tzinfo=UTC)
    assert shipment.updated_at == datetime(2026, 1, 14, 23, 31, 9, tzinfo=UTC)
    assert shipment.custom == {"order_number": "10045"}


def test_a_note_over_two_orders_is_a_shipment_of_each(connector, server):
    server.rows("DeliveryNotes", note(300, line(0, 4.0), line(1, 1.0, 92), line(2, 1.0, None)))
    server.rows("Orders", order(), order(92, "shopware_de_018f5d"))
    found = source(connector)
    got = shipments(found, found.changed(WINDOW))
    assert {name: (one.order_key, len(one.lines)) for name, one in got.items()} == {
        "300/91": ("018f5c", 1),
        "300/92": ("018f5d", 1),
    }
    assert set(shipments(found, found.fetch(["300/92"]))) == {"300/92"}


@pytest.mark.parametrize(
    "one",
    [
        note(300, Cancelled="tYES"),
        note(300, CancelStatus="csYes"),
        note(300, CancelStatus="csCancellation"),
        note(300, line(0, 4.0, None)),
        note(300, line(0, 0.0)),
    ],
    ids=["cancelled", "cancelled by another", "cancels another", "without an order", "nothing"],
)
def test_what_is_no_shipment_is_not_given(connector, server, one):
    server.rows("DeliveryNotes", one)
    found = source(connector)
    assert shipments(found, found.changed(WINDOW)) == {}
    assert found.peek(WINDOW) == {}
    assert found.created(WINDOW) == {}


def test_components_of_a_bill_of_materials_are_their_line_s(connector, server):
    server.rows("DeliveryNotes", note(300, line(0, 1.0, TreeType="iSalesTree"), line(1, 4.0, TreeType="iIngredient")))
    server.rows("Orders", order())
    found = source(connector)
    assert [one.order_line for one in shipments(found, found.changed(WINDOW))["300"].lines] == ["0"]


def test_an_order_without_our_key_is_somebody_else_s(connector, server):
    server.rows("DeliveryNotes", note())
    server.rows("Orders", order(key=None))
    found = source(connector)
    shipment = shipments(found, found.changed(WINDOW))["300"]
    assert (shipment.order_native_id, shipment.order_key) == ("91", "")


def test_only_news_is_worked_out_and_a_look_gives_the_same_versions(connector, server):
    server.rows("DeliveryNotes", note(300), note(301, DataVersion=2))
    server.rows("Orders", order())
    found = source(connector)
    assert set(shipments(found, found.changed(WINDOW, lambda versions: {"301"}))) == {"301"}
    expected = {"300": "2026-01-15 00:31:09 1", "301": "2026-01-15 00:31:09 2"}
    assert found.peek(WINDOW) == expected
    assert found.created(WINDOW) == expected
    assert list(found.changed(WINDOW, lambda versions: set())) == []


def test_a_note_without_tracking_has_no_parcels(connector, server):
    server.rows("DeliveryNotes", note(TrackingNumber=None))
    server.rows("Orders", order())
    found = source(connector)
    assert shipments(found, found.changed(WINDOW))["300"].parcels == ()


def test_a_note_with_a_time_that_is_none_is_named(connector, server):
    server.rows("DeliveryNotes", note(UpdateTime="24:61"))
    server.rows("Orders", order())
    found = source(connector)
    (page,) = found.changed(WINDOW)
    with pytest.raises(BadRecord, match="record 300, field updated_at"):
        found.to_canonical(page[0], Passthrough())
