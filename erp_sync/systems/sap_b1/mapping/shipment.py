"""A shipment: the lines of a delivery note that are of one sales order. Values as for order status.

The payload is ``{"note": the note's header, "lines": those of this order, "order": {DocEntry, NumAtCard, our key}}``.
"""

from __future__ import annotations

import re
from typing import Any

from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.sap_b1.mapping.order_status import order_fields, time_of

_SEPARATED = re.compile(r"[,;\s]+")

LINES = RecordMapping(
    "shipment.lines",
    Direction.TO_CANONICAL,
    (
        Field("BaseLine", "order_line", rules.text(), required=True, note="LineNum of the order's line"),
        Field("ItemCode", "sku", rules.text(strip=False), required=True),
        Field("Quantity", "quantity", rules.decimal(), required=True, validation=(rules.positive,)),
        Field("WarehouseCode", "location", rules.text(), default=""),
    ),
    ShipmentLine,
)
PARCELS = RecordMapping(
    "shipment.parcels",
    Direction.TO_CANONICAL,
    (
        Field("number", "tracking_number", rules.text(), required=True),
        Field("carrier", "carrier", rules.text(), default="",
              note="TransportationCode; look-up table carriers makes it the store's"),
    ),
    Parcel,
)  # fmt: skip


def _parcels_rule(parcels: RecordMapping) -> Rule:
    nested = rules.each(parcels)

    def apply(value: Any, scope: Scope) -> Any:
        carrier = scope.record["note"].get("TransportationCode")
        numbers = [one for one in _SEPARATED.split(str(value)) if one]
        return nested.apply([{"number": one, "carrier": carrier} for one in dict.fromkeys(numbers)], scope)

    return Rule(
        "one parcel a number; several stand with commas between (unconfirmed)",
        apply,
        nested=parcels,
        many=True,
        reads=("note.TransportationCode",),
        rebuild=_parcels_rule,
    )


def _location(scope: Scope) -> Any:
    """Of the whole, where all lines left from one."""
    places = {str(line["WarehouseCode"]) for line in scope.record["lines"] if not is_empty(line.get("WarehouseCode"))}
    return places.pop() if len(places) == 1 else MISSING


def shipment_mapping(key_field: str) -> RecordMapping:
    """`key_field`: the user-defined field of our key."""
    return RecordMapping(
        "shipment",
        Direction.TO_CANONICAL,
        (
            Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
            Field("", "scope", rules.constant(""), default=""),
            Field("native_id", "native_id", rules.text(), required=True,
                  note="DocEntry of the note; of one over several orders <note>/<order>"),
            Field("note.DocNum", "number", rules.text(), default=""),
            Field("version", "version", rules.text(), required=True),
            Field("", "status", rules.constant(ShipmentStatus.SHIPPED), note="a posted note lowers the stock"),
            Field("order.DocEntry", "order_native_id", rules.text(), required=True),
            *order_fields("order", key_field),
            Field("lines", "location", rules.computed("warehouse of the lines, where it is one", _location),
                  default=""),
            Field("", "shipped_at", time_of("note.DocDate"), note="a date: midnight in the server's zone"),
            Field("", "updated_at", time_of("note.UpdateDate", "note.UpdateTime")),
            Field("lines", "lines", rules.each(LINES), required=True),
            Field("note.TrackingNumber", "parcels", _parcels_rule(PARCELS), default=()),
            Field("order.NumAtCard", "custom.order_number", rules.text(), note="the store's order number"),
            Field("note.Comments", "custom.comments", rules.text()),
        ),
        Shipment,
    )  # fmt: skip
