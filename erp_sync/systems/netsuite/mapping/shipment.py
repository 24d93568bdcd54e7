"""Shipment, a NetSuite `itemFulfillment` record to `Shipment`.

The payload has ``record`` (the record with its sublists), ``order`` (externalid, otherrefnum of the order it
was made from), ``skus`` (item id to item name). Value: ``connection``, ``connections``.
Names: REST API Browser 2026.1 (itemFulfillment: item, package, packageUps, packageUsps, packageFedex).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.netsuite.mapping.common import IN, order_named_by

# Sublist, suffix of its line fields, carrier that the list stands for ("" for the plain one).
PACKAGE_LISTS = (("package", "", ""), ("packageUps", "Ups", "ups"), ("packageUsps", "Usps", "usps"),
                 ("packageFedex", "FedEx", "fedex"))  # fmt: skip


def identity_of(value: Any) -> Any:
    """The id of a reference or enumeration, which may also come bare."""
    return value.get("id", MISSING) if isinstance(value, Mapping) else value


ref = Rule("id of the reference", lambda value, scope: _text(identity_of(value)))


def _text(value: Any) -> Any:
    return MISSING if is_empty(value) else str(value)


def items_of(sublist: Any) -> list[Mapping[str, Any]]:
    return list(sublist.get("items") or []) if isinstance(sublist, Mapping) else []


def _sku(scope: Scope) -> Any:
    identity = identity_of(scope.record.get("item"))
    return scope.root.get("skus", {}).get(str(identity), MISSING)


def _quantity(value: Any, scope: Scope) -> Decimal:
    return abs(decimal_of(value))


LINES = RecordMapping(
    "shipment.lines",
    IN,
    (
        Field("orderLine", "order_line", rules.text(), required=True, note="`line` of the order's item sublist"),
        Field(
            "item",
            "sku",
            rules.computed("item name of the item's id", _sku, reads=("item.id", "$.skus")),
            required=True,
        ),
        Field("quantity", "quantity", Rule("number without sign", _quantity), required=True),
        Field("location", "location", ref, default=""),
    ),
    ShipmentLine,
)


def _lines_rule(lines: RecordMapping) -> Rule:
    nested = rules.each(lines)

    def apply(value: Any, scope: Scope) -> Any:
        # A fulfillment lists what it left out, too: itemReceive false, or no quantity.
        sent = [
            line
            for line in items_of(value)
            if line.get("itemReceive") is not False and not is_empty(line.get("quantity"))
            and decimal_of(line["quantity"]) != 0
        ]  # fmt: skip
        return nested.apply(sent, scope) if sent else MISSING

    return Rule("lines that were sent", apply, nested=lines, many=True, rebuild=_lines_rule)


PARCELS = RecordMapping(
    "shipment.parcels",
    IN,
    (
        Field("tracking", "tracking_number", rules.text(), required=True),
        Field("carrier", "carrier", rules.text(), default="", note="ship method's id, else the list's carrier; "
              "look-up table carriers makes it the store's"),
        Field("description", "description", rules.text(), default=""),
        Field("weight", "weight", rules.decimal(), note="lb"),
    ),
    Parcel,
)  # fmt: skip


def _parcels_rule(parcels: RecordMapping) -> Rule:
    nested = rules.each(parcels)

    def apply(_value: Any, scope: Scope) -> Any:
        return nested.apply(_packages(scope.root["record"]), scope)

    return Rule(
        "packages with a tracking number of package, packageUps, packageUsps, packageFedex",
        apply, nested=parcels, many=True, always=True, rebuild=_parcels_rule,
    )  # fmt: skip


def _packages(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    method = identity_of(record.get("shipMethod"))
    packages: dict[str, dict[str, Any]] = {}
    for name, suffix, carrier in PACKAGE_LISTS:
        for line in items_of(record.get(name)):
            tracking = line.get(f"packageTrackingNumber{suffix}")
            if is_empty(tracking):
                continue
            packages.setdefault(
                str(tracking),
                {
                    "tracking": tracking,
                    "carrier": carrier if is_empty(method) else str(method),
                    "description": line.get(f"packageDescr{suffix}"),
                    "weight": line.get(f"packageWeight{suffix}"),
                },
            )
    return list(packages.values())


def _location(scope: Scope) -> Any:
    """Of the whole, where all lines left from one."""
    places = {str(identity_of(line.get("location"))) for line in items_of(scope.root["record"].get("item"))
              if not is_empty(identity_of(line.get("location")))}  # fmt: skip
    return places.pop() if len(places) == 1 else MISSING


_STORE, _ORDER = order_named_by("order", "externalid")
STATUSES = {"A": ShipmentStatus.PICKED, "B": ShipmentStatus.PACKED, "C": ShipmentStatus.SHIPPED}

SHIPMENT = RecordMapping(
    "shipment",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("record.subsidiary", "scope", ref, default=""),
        Field("record.id", "native_id", rules.text(), required=True),
        Field("record.tranId", "number", rules.text(), default=""),
        Field("version", "version", rules.text(), required=True, note="time of last change and status"),
        Field("record.shipStatus", "status", rules.chain(ref, rules.choice(STATUSES, code="unknown_ship_status")),
              default=ShipmentStatus.SHIPPED, note="A picked, B packed, C shipped; empty where Pick, Pack and Ship is "
              "off: then saving ships (unconfirmed)"),
        Field("record.createdFrom", "order_native_id", ref, required=True),
        Field("order.externalid", "order_connection", _STORE, default=""),
        Field("order.externalid", "order_key", _ORDER, default="", note="empty for an order of somebody else"),
        Field("record.item.items", "location", rules.computed("location of the lines, where it is one", _location),
              default=""),
        Field("record.shippedDate", "shipped_at", rules.timestamp(), note="a date: midnight in the account's zone"),
        Field("modified", "updated_at", rules.timestamp("%Y-%m-%d %H:%M:%S")),
        Field("record.item", "lines", _lines_rule(LINES), required=True),
        Field("record.package", "parcels", _parcels_rule(PARCELS), default=()),
        Field("order.otherrefnum", "custom.order_number", rules.text(), note="the store's order number"),
        Field("record.memo", "custom.memo", rules.text()),
    ),
    Shipment,
)  # fmt: skip
