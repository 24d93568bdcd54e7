"""Which version of a fulfillment goes to the store, and as what."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.flows.decisions import Before, Decision
from erp_sync.model.keys import Entity
from erp_sync.model.shipment import Shipment, ShipmentStatus

ONE_DAY = timedelta(days=1)

encode = msgspec.json.Encoder(decimal_format="string").encode
_decoder = msgspec.json.Decoder(Shipment)


def decode(payload: bytes) -> Shipment:
    """The shipment as the ledger keeps it."""
    return _decoder.decode(payload)


def erp_order(shipment: Shipment) -> str:
    """The ERP's id of the order, where the record names no order of the store: an adopted one may be linked."""
    return "" if shipment.order_key else shipment.order_native_id


def of_order(shipment: Shipment, store: str, order_key: str) -> Shipment:
    """The same, of this order of the store."""
    return msgspec.structs.replace(shipment, order_connection=store, order_key=order_key)


def before_start(shipment: Shipment, start: datetime) -> bool:
    """Was it shipped before? An ERP tells the day of shipping at best: on the day of the start, and where it tells
    none, the fulfillment's last change says it."""
    if shipment.shipped_at is not None and shipment.shipped_at + ONE_DAY <= start:
        return True
    return shipment.updated_at is not None and shipment.updated_at < start


def decide(shipment: Shipment, start: datetime, before: Before | None, target: str = "") -> Decision:
    """A fulfillment goes once the carrier has its parcels, and again when parcels were added.

    One that was posted under an earlier start of the route gets what is added to it all the same. Goods that are
    changed after it was posted are for a person: a posted shipment cannot be changed.
    """
    if shipment.status is not ShipmentStatus.SHIPPED:
        return Decision(action="drop", code="not_shipped_yet", reason="the carrier does not have the parcels yet")
    if not shipment.order_key or shipment.order_connection not in ("", target):
        # Two stores number their orders alike: the id alone would find another customer's order.
        return Decision(action="drop", code="not_from_the_store", reason="the order is not one of this store")
    if before_start(shipment, start) and not (before is not None and before.begun):
        return Decision(action="drop", code="before_start", reason=f"shipped before the route's start {start:%Y-%m-%d}")
    if before is not None and not before.held and before.content == content(shipment):
        return Decision(action="drop", code="unchanged", reason="nothing that the store gets has changed")
    if before is not None and before.begun and (before.case or _goods(before.content) != _goods(content(shipment))):
        return Decision(
            action="hold",
            code="changed_after_delivery",
            reason="its goods were changed after it was posted: compare both, then correct the store's by hand",
        )
    return Decision(action="create")


def content(shipment: Shipment) -> str:
    """Fingerprint of what the store gets, its parcels apart. In whatever order the source gives them."""
    goods = sorted((line.order_line, line.sku, line.quantity, line.location) for line in shipment.lines)
    parcels = sorted((parcel.carrier, parcel.tracking_number) for parcel in shipment.parcels)
    return f"{_digest(goods)}/{_digest(parcels)}"


def _goods(fingerprint: str) -> str:
    return fingerprint.partition("/")[0]


def _digest(value: Any) -> str:
    return hashlib.sha256(encode(value)).hexdigest()[:16]


def concerns(shipment: Shipment) -> str:
    """Shipments of one order are not posted side by side."""
    return f"sales_order {shipment.order_key}"


def facts(shipment: Shipment) -> dict[str, Any]:
    """What lists of documents show."""
    return {"order": shipment.order_key, "parcels": len(shipment.parcels)}


def target(connector: Any) -> Any:
    """The port that shipments go to."""
    return connector.port(Entity.SHIPMENT, "target")
