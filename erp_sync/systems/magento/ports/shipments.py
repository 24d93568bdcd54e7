"""Shipments as a target: one shipment per fulfillment and source, its parcels, its e-mail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import (
    Absent,
    Again,
    Ambiguous,
    Applied,
    Finding,
    Found,
    Outcome,
    Receipt,
    Refused,
    Untraceable,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import BookedShipment
from erp_sync.systems.magento.client import BadAnswer, MagentoClient
from erp_sync.systems.magento.ports.order_status import existing_orders, order_requirement
from erp_sync.systems.magento.ports.outcomes import attempted, looked, mark, not_sent
from erp_sync.systems.magento.ports.shipment_items import CannotShip, items_to_ship
from erp_sync.systems.magento.ports.shipment_records import (
    NOTIFIED,
    booked_shipment,
    created_receipt,
    leading_shipment,
    marked,
    parcel_of,
    shipment_key,
    shipment_to_write_of,
    track_numbers,
    tracks_in,
)
from erp_sync.systems.magento.ports.stock import stock_key
from erp_sync.transport.errors import Rejected, TransportError

CREATE, ADD_PARCEL, NOTIFY = "shipment.create", "shipment.add_parcel", "shipment.notify"
ORDER_FIELDS = (
    "items[entity_id,increment_id,state,items[item_id,parent_item_id,product_id,product_type,sku,is_virtual,"
    "qty_ordered,qty_shipped,qty_canceled,qty_refunded]],total_count"
)
# The store does not take a shipment as it is: its code among the meanings of the client.
INVALID = "shipment_invalid"
SHIPMENT_FIELDS = (
    "items[entity_id,increment_id,order_id,tracks[track_number],comments[comment],"
    "items[order_item_id,qty,sku]],total_count"
)


class ShipmentTarget:
    """Posts fulfillments of the ERP as shipments. `order_key` of the document is the store's entity_id.

    Guarantee class C: our key stands in the shipment's comment and is found by listing the order's
    shipments. A fulfillment from several locations becomes one shipment per source, since a shipment has
    one source; the first carries all parcels and the e-mail, so that the customer gets one that names all.
    Parcels that the shipment was created with need no further write: their steps find them in its receipt.
    A parcel added later is added to the shipment, and one more e-mail goes out; before that the shipment is
    looked up by our key: an answer is nothing but a number, one that a proxy cut or doubled is a number too,
    and the e-mail of another number goes to another customer.

    Look-ups: ``locations`` (the ERP's to source code), ``carriers`` (the ERP's name to ``code`` or
    ``code:Title``), ``sku_map`` (the store's SKU to the ERP's, to find the order's rows).
    """

    def __init__(
        self,
        client: MagentoClient,
        connection: ConnectionSettings,
        capabilities: Capabilities,
        lookups: Lookups,
    ) -> None:
        self.capabilities = capabilities
        self._client, self._lookups = client, lookups
        self._page_size = capabilities.reading("sales_order").page_size
        self._bundles = str(connection.settings.get("bundle_shipment") or "")

    def requirements(self, document: Shipment) -> list[Requirement]:
        return [order_requirement(document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return existing_orders(self._client, requirements, self._page_size)

    def steps(self, document: Shipment) -> list[Step]:
        """Raises MappingProblem for an unknown carrier or location, and for goods that have not left yet."""
        if document.status is not ShipmentStatus.SHIPPED:
            raise MappingProblem("not_shipped", "status", document.status, "the carrier does not have the parcels yet")
        if not document.order_key:
            raise MappingProblem("order_unknown", "order_key", "", "the fulfillment names no order of the store")
        for parcel in document.parcels:
            self._track(parcel)
        key, concerns = shipment_key(document), f"sales_order/{document.order_key}"
        sources = list(self._by_source(document))
        steps = [
            Step(
                name=_step_name(source, sources),
                operation=CREATE,
                key=key if position == 0 else f"{key}@{source}",
                concerns=concerns,
            )
            for position, source in enumerate(sources)
        ]
        first = steps[0].name
        parcels = [
            Step(
                name=f"parcel:{parcel.tracking_number}",
                operation=ADD_PARCEL,
                key=f"{key}#{parcel.tracking_number}",
                concerns=concerns,
                after=(first,),
            )
            for parcel in document.parcels
        ]
        notice = Step(
            name="notice",
            operation=NOTIFY,
            key=f"{key}!{_digest(document.parcels)}",
            concerns=concerns,
            after=(first, *(step.name for step in parcels)),
            optional=True,
        )
        return [*steps, *parcels, notice]

    def moves(self, document: Shipment) -> list[str]:
        """Keys (`stock_key`) whose quantity at the store falls by this document: all SKUs that the ERP's may be."""
        return sorted(
            {
                stock_key(sku, source)
                for source, lines in self._by_source(document).items()
                for line in lines
                for sku in self._lookups.reverse("sku_map", line.sku)
            }
        )

    def _by_source(self, document: Shipment) -> dict[str, list[ShipmentLine]]:
        grouped: dict[str, list[ShipmentLine]] = {}
        for line in document.lines:
            location = line.location or document.location
            if not location:
                raise MappingProblem("location_unknown", "location", "", f"no location for {line.sku}")
            grouped.setdefault(self._lookups.require("locations", location), []).append(line)
        if not grouped:
            raise MappingProblem("no_lines", "lines", "", "the fulfillment has no lines")
        # In one order whatever the source's: which one leads is part of the keys.
        return dict(sorted(grouped.items()))

    def _track(self, parcel: Parcel) -> dict[str, str]:
        code, _, title = self._lookups.require("carriers", parcel.carrier).partition(":")
        return {"track_number": parcel.tracking_number, "title": title or parcel.carrier, "carrier_code": code}

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        creating = [request for request in requests if request.step.operation == CREATE]
        orders: dict[str, dict[str, Any]] = {}
        try:
            if creating:
                orders = self._orders([request.document.order_key for request in creating])
        except TransportError as error:
            failed = not_sent(error)
            return [failed if request.step.operation == CREATE else self._one(request, {}) for request in requests]
        return [self._one(request, orders) for request in requests]

    def _one(self, request: StepRequest, orders: Mapping[str, Mapping[str, Any]]) -> Outcome:
        done = self.implied(request)
        if done is not None:
            return Applied(receipt=done)
        if request.step.operation == CREATE:
            return attempted(lambda: self._create(request, orders.get(request.document.order_key)))
        if request.step.operation == ADD_PARCEL:
            return self._parcel_or_not(request)
        return attempted(lambda: self._notify(request))

    def _create(self, request: StepRequest, order: Mapping[str, Any] | None) -> Outcome:
        document: Shipment = request.document
        if order is None:
            return Refused(
                code="unknown_order",
                message=f"the store has no order {document.order_key}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("sales_order", document.order_key),
            )
        grouped = self._by_source(document)
        source = _source_of(request.step, list(grouped))
        try:
            items = items_to_ship(order, grouped[source], self._lookups, self._together(order))
        except CannotShip as problem:
            return Refused(code=problem.code, message=f"order {order.get('increment_id')}: {problem}")
        leading = source == next(iter(grouped))
        tracks = [self._track(parcel) for parcel in document.parcels] if leading else []
        body = {
            "items": items,
            "notify": leading,
            "appendComment": False,
            "comment": {
                "comment": f"Fulfillment {document.number or document.native_id} {mark(request.step.key)}",
                "is_visible_on_front": 0,
            },
            "tracks": tracks,
            "arguments": {"extension_attributes": {"source_code": source}},
        }
        try:
            number = self._client.post(
                f"order/{document.order_key}/ship", body, operation=CREATE, document=document.order_key
            )
        except Rejected as rejected:
            if rejected.code != INVALID:
                raise
            return self._invalid(document, source, rejected)
        if isinstance(number, bool) or not isinstance(number, (int, str)) or not str(number).isdigit():
            raise BadAnswer("a shipment was answered without its id", operation=CREATE)
        sent = [track["track_number"] for track in tracks]
        return Applied(receipt=created_receipt(str(number), sent, notified=leading))

    def _invalid(self, document: Shipment, source: str, rejected: Rejected) -> Outcome:
        """Why the store does not take it: mostly the order was cancelled or shipped since it was read."""
        try:
            order = self._orders([document.order_key]).get(document.order_key)
            if order is not None:
                items_to_ship(order, self._by_source(document)[source], self._lookups, self._together(order))
        except CannotShip as problem:
            return Refused(code=problem.code, message=f"order {document.order_key}: {problem}")
        except TransportError:
            return Refused(code=INVALID, message=str(rejected), again=Again.LATER)
        raise rejected

    def _together(self, order: Mapping[str, Any]) -> set[str]:
        """Row ids of bundles that ship as one: by setting ``bundle_shipment``, else as the product says."""
        bundles = [row for row in order.get("items") or () if row.get("product_type") == "bundle"]
        if not bundles or self._bundles == "separately":
            return set()
        if self._bundles == "together":
            return {str(row["item_id"]) for row in bundles}
        products = self._client.by_keys(
            "products",
            "entity_id",
            [str(row["product_id"]) for row in bundles],
            operation="shipment.read_bundles",
            page_size=self._page_size,
            fields="items[id,custom_attributes],total_count",
        )
        # Attribute shipment_type of a bundle: 0 together, 1 separately.
        separate = {
            str(product.get("id"))
            for page in products
            for product in page
            for attribute in product.get("custom_attributes") or ()
            if attribute.get("attribute_code") == "shipment_type" and str(attribute.get("value")) == "1"
        }
        return {str(row["item_id"]) for row in bundles if str(row.get("product_id")) not in separate}

    def implied(self, request: StepRequest) -> Receipt | None:
        """Parcels that the shipment was made with, and the e-mail that named them all."""
        shipment = request.receipts.get("shipment")
        if shipment is None:
            return None
        named = set(tracks_in(shipment))
        if request.step.operation == ADD_PARCEL:
            done = parcel_of(request) in named
        elif request.step.operation == NOTIFY:
            parcels = {one.tracking_number for one in request.document.parcels}
            done = shipment.values.get(NOTIFIED) == "true" and parcels <= named
        else:
            done = False
        return Receipt(target_id=shipment.target_id, existed=True) if done else None

    def _parcel_or_not(self, request: StepRequest) -> Outcome:
        try:
            listed = self._listed([request])
        except TransportError as error:
            return not_sent(error)
        shipment = leading_shipment(request, listed)
        if shipment is None:
            document: Shipment = request.document
            return Refused(
                code="shipment_unknown",
                message=f"the store's order {document.order_key} has no shipment of fulfillment "
                f"{document.number or document.native_id}: parcel {parcel_of(request)} has nowhere to go",
            )
        if parcel_of(request) in track_numbers(shipment):
            return Applied(receipt=Receipt(target_id=str(shipment["entity_id"]), existed=True))
        return attempted(lambda: self._add_parcel(request, str(shipment["entity_id"])))

    def _add_parcel(self, request: StepRequest, shipment_id: str) -> Outcome:
        document: Shipment = request.document
        number = parcel_of(request)
        parcel = next(one for one in document.parcels if one.tracking_number == number)
        entity = {
            **self._track(parcel),
            "order_id": int(document.order_key),
            "parent_id": int(shipment_id),
            "weight": parcel.weight or Decimal(0),
            "qty": Decimal(0),
            "description": parcel.description,
        }
        answer = self._client.post(
            "shipment/track", {"entity": entity}, operation=ADD_PARCEL, document=document.order_key
        )
        if not isinstance(answer, Mapping) or str(answer.get("track_number", number)) != number:
            raise BadAnswer("a parcel was answered with another one", operation=ADD_PARCEL)
        return Applied(receipt=Receipt(target_id=shipment_id, values={"track_id": str(answer.get("entity_id"))}))

    def _notify(self, request: StepRequest) -> Outcome:
        shipment_id = shipment_to_write_of(request)
        sent = self._client.post(
            f"shipment/{shipment_id}/emails", operation=NOTIFY, document=request.document.order_key
        )
        if sent is not True:
            return Refused(code="not_notified", message=f"the store sent no e-mail for shipment {shipment_id}")
        return Applied(receipt=Receipt(target_id=shipment_id))

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """By one listing of the orders' shipments."""
        return looked(lambda: self._find(requests), len(requests))

    def _find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        listed = self._listed([request for request in requests if request.step.operation != NOTIFY])
        return [self._found(request, listed) for request in requests]

    def _listed(self, requests: Sequence[StepRequest]) -> list[dict[str, Any]]:
        """All shipments of the orders of these, as the store has them."""
        return self._shipments([request.document.order_key for request in requests], "shipment.find")

    def _shipments(self, order_keys: Sequence[str], operation: str) -> list[dict[str, Any]]:
        pages = self._client.by_keys(
            "shipments",
            "order_id",
            order_keys,
            operation=operation,
            page_size=self._page_size,
            fields=SHIPMENT_FIELDS,
            sort=("entity_id",),
        )
        return [shipment for page in pages for shipment in page]

    def _found(self, request: StepRequest, listed: Sequence[Mapping[str, Any]]) -> Finding:
        operation = request.step.operation
        if operation == NOTIFY:
            return Untraceable(why=_maybe_notified(request))
        if operation == ADD_PARCEL:
            shipment = leading_shipment(request, listed)
            if shipment is not None and parcel_of(request) in track_numbers(shipment):
                return Found(receipt=Receipt(target_id=str(shipment["entity_id"]), existed=True))
            return Absent()
        ours = marked(listed, request.document.order_key, request.step.key)
        if len(ours) > 1:
            return Ambiguous(target_ids=tuple(str(one["entity_id"]) for one in ours))
        if not ours:
            return Absent()
        # The e-mail was asked for in the same call that made the shipment.
        leading = "@" not in request.step.key.removeprefix(shipment_key(request.document))
        receipt = created_receipt(str(ours[0]["entity_id"]), track_numbers(ours[0]), notified=leading)
        number = str(ours[0].get("increment_id") or "")
        return Found(receipt=msgspec.structs.replace(receipt, number=number, existed=True))

    def booked(self, order_keys: Sequence[str]) -> list[BookedShipment]:
        """All shipments of these orders, also those that somebody else posted: one listing a page."""
        numbers = [key for key in order_keys if key.isdigit()]
        return [booked_shipment(shipment) for shipment in self._shipments(numbers, "shipment.reconcile")]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a shipment is never accepted for later: there is nothing to settle")

    def _orders(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        numbers = [key for key in keys if key.isdigit()]
        if not numbers:
            return {}
        pages = self._client.by_keys(
            "orders",
            "entity_id",
            numbers,
            operation="shipment.read_orders",
            page_size=self._page_size,
            fields=ORDER_FIELDS,
        )
        return {str(item["entity_id"]): item for page in pages for item in page}


def _step_name(source: str, sources: Sequence[str]) -> str:
    return "shipment" if source == sources[0] else f"shipment:{source}"


def _source_of(step: Step, sources: Sequence[str]) -> str:
    return step.name.partition(":")[2] or sources[0]


def _maybe_notified(request: StepRequest) -> str:
    """The store keeps of a shipment's e-mails only whether there was any (magento2 ShipmentSender: email_sent), and
    the first went when the shipment was made."""
    parcels = ", ".join(parcel.tracking_number for parcel in request.document.parcels)
    return (
        f"the store was asked once to send the e-mail of shipment {shipment_to_write_of(request)} (order "
        f"{request.document.order_key}, parcels {parcels}) again for a parcel added later, and no answer came: it may "
        "have gone or not, and the shipment's page does not tell. Look for it in the log of the mail server that the "
        "store sends by, or ask the customer. It went, or nobody can tell: dismiss. It certainly did not: retry."
    )


def _digest(parcels: Sequence[Parcel]) -> str:
    numbers = "\n".join(sorted(parcel.tracking_number for parcel in parcels))
    return hashlib.sha256(numbers.encode()).hexdigest()[:12]
