"""What the store tells of a shipment, our receipt of it, and which shipment a later parcel belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.model.shipment import Shipment
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.reconciling import BookedShipment
from erp_sync.systems.magento.ports.outcomes import marks

TRACKS, NOTIFIED = "tracks", "notified"  # in the receipt of a created shipment


def shipment_key(document: Shipment) -> str:
    """Our key of a fulfillment at the store: the same in every version of the document."""
    return f"{document.connection}/{document.native_id}"


def leading_receipt(request: StepRequest) -> Receipt:
    return request.receipts["shipment"]


def marked(listed: Sequence[Mapping[str, Any]], order_key: str, key: str) -> list[Mapping[str, Any]]:
    """Shipments of the order with our key in a comment."""
    return [
        shipment
        for shipment in listed
        if str(shipment.get("order_id")) == order_key
        and any(key in marks(one.get("comment")) for one in shipment.get("comments") or ())
    ]


def leading_shipment(request: StepRequest, listed: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The shipment that carries the parcels: by our key, else by the id that we know, where it is of this order."""
    known, order_key = leading_receipt(request).target_id, request.document.order_key
    ours = marked(listed, order_key, shipment_key(request.document))
    if len(ours) == 1:
        return ours[0]
    among = ours or [one for one in listed if str(one.get("order_id")) == order_key]
    return next((one for one in among if str(one.get("entity_id")) == known), None)


def parcel_of(request: StepRequest) -> str:
    return request.step.name.partition(":")[2]


def shipment_to_write_of(request: StepRequest) -> str:
    """Id of the shipment to write of: the later parcels' steps looked it up."""
    shipment = leading_receipt(request)
    named = set(tracks_in(shipment))
    later = (
        request.receipts[name].target_id
        for parcel in request.document.parcels
        if parcel.tracking_number not in named and (name := f"parcel:{parcel.tracking_number}") in request.receipts
    )
    return next(later, shipment.target_id)


def created_receipt(shipment_id: str, tracks: Sequence[str], *, notified: bool) -> Receipt:
    values = {TRACKS: msgspec.json.encode(list(tracks)).decode(), NOTIFIED: "true" if notified else "false"}
    return Receipt(target_id=shipment_id, values=values)


def tracks_in(receipt: Receipt) -> list[str]:
    """Tracking numbers that the shipment was created with."""
    return msgspec.json.decode(receipt.values.get(TRACKS, "[]"), type=list[str])


def track_numbers(shipment: Mapping[str, Any]) -> list[str]:
    return [str(track.get("track_number")) for track in shipment.get("tracks") or ()]


def booked_shipment(shipment: Mapping[str, Any]) -> BookedShipment:
    quantities: dict[str, Decimal] = {}
    for item in shipment.get("items") or ():
        sku = str(item.get("sku"))
        quantities[sku] = quantities.get(sku, Decimal(0)) + decimal_of(item.get("qty") or 0)
    return BookedShipment(
        target_id=str(shipment["entity_id"]),
        number=str(shipment.get("increment_id") or ""),
        order_key=str(shipment.get("order_id")),
        keys=tuple(key for one in shipment.get("comments") or () for key in marks(one.get("comment"))),
        parcels=tuple(track_numbers(shipment)),
        quantities=quantities,
    )
