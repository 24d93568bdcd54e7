"""Shipments as a target: tracking codes and what left with them on the order's delivery, then its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.shipment import Shipment, ShipmentStatus
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Found, Outcome, Receipt, Refused
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import BookedShipment
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.mapping.common import state_of
from erp_sync.systems.shopware.ports.outcomes import attempted, looked, not_sent
from erp_sync.systems.shopware.ports.shipped import (
    RECORDS,
    CannotBook,
    check_open,
    complete,
    delivery_of,
    entry_of,
    recorded,
)
from erp_sync.systems.shopware.ports.states import existing_orders, order_requirement, step, way
from erp_sync.transport.errors import TransportError

RECORD, SHIP = "shipment.record", "shipment.ship"
READ = (
    Criteria()
    .along("stateMachineState", "lineItems", "deliveries.stateMachineState")
    .including(
        {
            "order": ("id", "versionId", "orderNumber", "stateMachineState", "lineItems", "deliveries"),
            "order_line_item": ("id", "versionId", "parentId", "productId", "type", "quantity", "payload", "states"),
            "order_delivery": (
                *(
                    "id",
                    "versionId",
                    "stateMachineState",
                    "trackingCodes",
                    "shippingCosts",
                    "customFields",
                    "createdAt",
                ),
            ),
            "state_machine_state": ("id", "technicalName"),
        }
    )
)


class ShipmentTarget:
    """Books fulfillments of the ERP on the order's delivery. `order_key` of the document is the shop's id of the order.

    The core has one delivery for an order and keeps no quantity of what left. So each fulfillment stands, by our key,
    with its SKUs and tracking codes in a custom field of the delivery, written in the same call as the codes: by it a
    fulfillment is found again, and it is known when all has left. Then the delivery goes to ``shipped``, before that to
    ``shipped_partially``; a second part of it is no change for the shop, so its customer is told of the first and of
    the last (setting ``shipment_mail``: the shop's flows may send e-mails, on by default).

    ``trackingCodes`` and the custom field are written as a whole, so they are read right before, and what concerns one
    order never goes side by side: class C.

    Look-ups: ``sku_map`` (the shop's SKU to the ERP's, to find the order's lines).
    """

    def __init__(
        self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities, lookups: Lookups
    ) -> None:
        self.capabilities = capabilities
        self._client, self._lookups = client, lookups
        self._page_size = capabilities.reading("sales_order").page_size
        self._mail = bool(connection.settings.get("shipment_mail", True))

    def requirements(self, document: Shipment) -> list[Requirement]:
        return [order_requirement(document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return existing_orders(self._client, requirements, self._page_size)

    def steps(self, document: Shipment) -> list[Step]:
        """Raises MappingProblem for goods that have not left yet, and for a fulfillment of nothing."""
        if document.status is not ShipmentStatus.SHIPPED:
            raise MappingProblem("not_shipped", "status", document.status, "the carrier does not have the parcels yet")
        if not document.order_key:
            raise MappingProblem("order_unknown", "order_key", "", "the fulfillment names no order of the store")
        if not document.lines:
            raise MappingProblem("no_lines", "lines", "", "the fulfillment has no lines")
        key, concerns = shipment_key(document), f"sales_order/{document.order_key}"
        digest = "+".join(sorted(parcel.tracking_number for parcel in document.parcels))
        record = Step(name="shipment", operation=RECORD, key=f"{key}#{digest}", concerns=concerns)
        return [record, Step(name="ship", operation=SHIP, key=f"{key}!", concerns=concerns, after=("shipment",))]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """One after the other: a delivery's record is read anew before each write of it."""
        return [self._one(request) for request in requests]

    def _one(self, request: StepRequest) -> Outcome:
        document: Shipment = request.document
        try:
            order = self._orders([document.order_key]).get(document.order_key)
        except TransportError as error:
            return not_sent(error)
        if order is None:
            return Refused(
                code="unknown_order",
                message=f"the shop has no order {document.order_key}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("sales_order", document.order_key),
            )
        write = self._record if request.step.operation == RECORD else self._ship
        try:
            return attempted(lambda: write(document, order))
        except CannotBook as problem:
            return Refused(code=problem.code, message=f"order {order.get('orderNumber')}: {problem}")

    def _record(self, document: Shipment, order: Mapping[str, Any]) -> Outcome:
        delivery = delivery_of(order)
        key, entry, known = shipment_key(document), entry_of(document), recorded(delivery)
        if known.get(key) == entry and _names(delivery, document):
            return Applied(receipt=Receipt(target_id=str(delivery["id"]), existed=True))
        check_open(order, {name: one for name, one in known.items() if name != key}, entry, self._lookups)
        codes = [str(code) for code in delivery.get("trackingCodes") or ()]
        codes += [one.tracking_number for one in document.parcels if one.tracking_number not in codes]
        self._client.write(
            "PATCH",
            f"order-delivery/{delivery['id']}",
            {"trackingCodes": codes, "customFields": {RECORDS: {**known, key: entry}}},
            operation=RECORD,
            document=document.order_key,
        )
        return Applied(receipt=Receipt(target_id=str(delivery["id"])))

    def _ship(self, document: Shipment, order: Mapping[str, Any]) -> Outcome:
        delivery = delivery_of(order)
        state = state_of(delivery)
        wanted = self._wanted(order, delivery)
        steps = way("order_delivery", state, wanted)
        if steps is None:
            return Refused(
                code="illegal_transition",
                message=f"the delivery of order {order.get('orderNumber')} is {state} in the shop and does not become "
                f"{wanted}",
            )
        for name in steps:
            step(
                self._client,
                "order_delivery",
                str(delivery["id"]),
                name,
                operation=SHIP,
                document=document.order_key,
                mail=self._mail,
            )
        return Applied(receipt=Receipt(target_id=str(delivery["id"]), existed=not steps))

    def _wanted(self, order: Mapping[str, Any], delivery: Mapping[str, Any]) -> str:
        return "shipped" if complete(order, recorded(delivery), self._lookups) else "shipped_partially"

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return looked(lambda: self._find(requests), len(requests))

    def _find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        orders = self._orders([request.document.order_key for request in requests])
        return [self._found(request, orders.get(request.document.order_key)) for request in requests]

    def _found(self, request: StepRequest, order: Mapping[str, Any] | None) -> Finding:
        document: Shipment = request.document
        try:
            delivery = delivery_of(order) if order is not None else None
        except CannotBook:
            delivery = None
        if order is None or delivery is None:
            return Absent()
        if request.step.operation == RECORD:
            there = recorded(delivery).get(shipment_key(document)) == entry_of(document) and _names(delivery, document)
        else:
            there = way("order_delivery", state_of(delivery), self._wanted(order, delivery)) == ()
        return Found(receipt=Receipt(target_id=str(delivery["id"]), existed=True)) if there else Absent()

    def moves(self, document: Shipment) -> list[str]:
        """None: stock falls when the order is placed."""
        return []

    def booked(self, order_keys: Sequence[str]) -> list[BookedShipment]:
        """The fulfillments that stand on these orders' deliveries; what somebody shipped by hand has no quantities."""
        found = []
        for order_key, order in self._orders(order_keys).items():
            for delivery in order.get("deliveries") or ():
                for key, entry in recorded(delivery).items():
                    found.append(
                        BookedShipment(
                            target_id=str(delivery.get("id")),
                            number=str(entry.get("number") or ""),
                            order_key=order_key,
                            keys=(key,),
                            parcels=tuple(entry["codes"]),
                            quantities={sku: Decimal(quantity) for sku, quantity in entry["lines"].items()},
                        )
                    )
        return found

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a shipment is never accepted for later: there is nothing to settle")

    def _orders(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        pages = self._client.by_ids("order", keys, READ, operation="shipment.read_orders", page_size=self._page_size)
        return {str(row["id"]): row for page in pages for row in page}


def shipment_key(document: Shipment) -> str:
    """Our key of a fulfillment at the shop: the same in every version of the document."""
    return f"{document.connection}/{document.native_id}"


def _names(delivery: Mapping[str, Any], document: Shipment) -> bool:
    """Whether the delivery has the tracking codes of all parcels."""
    codes = {str(code) for code in delivery.get("trackingCodes") or ()}
    return {parcel.tracking_number for parcel in document.parcels} <= codes
