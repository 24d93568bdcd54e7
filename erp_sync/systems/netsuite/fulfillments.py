"""Fulfillments into NetSuite: what a warehouse shipped by hand while the account was away.

A fulfillment is made by transforming its order, with an external id of ours (fact sheet, Idempotency and lookup: "Give
transforms an externalId in the body"; that a second one is refused as for other records is unconfirmed, and not relied
on: what was sent and not answered is looked for by that id once it has settled). Before that the order's fulfillments
are read: one that somebody has booked for the same parcels stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.model.keys import Entity
from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.shipment import Shipment, ShipmentLine, plain_number
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Found, Later, Outcome, Receipt, Refused
from erp_sync.systems.netsuite import refusals, suiteql
from erp_sync.systems.netsuite.capabilities import capabilities_of
from erp_sync.systems.netsuite.client import EXTERNAL_ID, NetSuiteClient
from erp_sync.systems.netsuite.errors import ALREADY_EXISTS
from erp_sync.systems.netsuite.mapping.identity import external_id
from erp_sync.systems.netsuite.mapping.shipment import PACKAGE_LISTS, identity_of, items_of
from erp_sync.transport.errors import Rejected, TransportError

BOOK = "shipment.book"
NOT_OPEN, NOT_COMMITTED, NOT_APPROVED = "not_open_in_erp", "not_committed", "order_not_approved"
_RECORD = "itemFulfillment"


class _Line(msgspec.Struct):
    """A line of the order that can be fulfilled."""

    line: str
    sku: str
    open: Decimal
    take: Decimal = ZERO


class FulfillmentTarget:
    """`DocumentTarget` of shipments by hand. Guarantee class C: the fulfillment's external id. Thread-safe."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client, self.capabilities = client, capabilities_of(client.connection.settings)
        self._zone = ZoneInfo(client.connection.time_zone)

    def requirements(self, document: Shipment) -> list[Requirement]:
        return [Requirement(Entity.SALES_ORDER, document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Which order of the account it is, the cross references know: an adopted one has no key of ours."""
        return {}

    def steps(self, document: Shipment) -> list[Step]:
        """One step, which excludes other writes to the order."""
        return [
            Step(
                name=Entity.SHIPMENT,
                operation=BOOK,
                key=external_id(document.order_connection, document.native_id),
                concerns=external_id(document.order_connection, document.order_key),
            )
        ]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """Two queries, a read for each fulfillment that the order has, one transform. Never raises for what NetSuite
        or the network did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        document: Shipment = request.document
        order = request.references[Requirement(Entity.SALES_ORDER, document.order_key)]
        try:
            there = self._there(request, order)
            if there is not None:
                return Applied(receipt=there)
            lines = self._lines(order)
            missing = _taken(lines, document.lines)
            if missing:
                return Refused(
                    code=NOT_OPEN,
                    message=f"order {document.custom.get('order_number', document.order_key)}: {missing} left by hand "
                    "and is not open in NetSuite.",
                )
            return Applied(receipt=self._book(request, order, lines))
        except Rejected as rejected:
            return self._rejected(request, rejected)
        except TransportError as error:
            return error.as_outcome()

    def _book(self, request: StepRequest, order: str, lines: Sequence[_Line]) -> Receipt:
        document: Shipment = request.document
        body: dict[str, Any] = {
            "externalId": request.step.key,
            "shipStatus": {"id": "C"},
            "memo": f"Shipped by hand, {document.number}",
            "item": {"items": [_item(line, document.location) for line in lines]},
            "package": {
                "items": [
                    {"packageTrackingNumber": parcel.tracking_number, "packageDescr": parcel.description}
                    for parcel in document.parcels
                ]
            },
        }
        if document.shipped_at is not None:
            body["tranDate"] = document.shipped_at.astimezone(self._zone).date().isoformat()
        identity = self._client.create(
            f"salesOrder/{suiteql.number(order)}/!transform/{_RECORD}",
            body,
            operation=BOOK,
            document=document.number,
            repeatable=False,
        )
        return Receipt(target_id=identity)

    def _rejected(self, request: StepRequest, rejected: Rejected) -> Outcome:
        if rejected.code == ALREADY_EXISTS:
            try:
                found = self._ours(request)
            except TransportError as error:
                return Refused(code=ALREADY_EXISTS, message=str(error), again=Again.LATER)
            if found is not None:
                return Applied(receipt=found)
            settle = self.capabilities.operation(request.step.operation).settle_seconds
            return refusals.of_unseen(request, rejected, settle)
        # NetSuite's words for both are unconfirmed.
        if "committed" in rejected.message:
            return Refused(code=NOT_COMMITTED, message=rejected.message, again=Again.LATER)
        if "not approved" in rejected.message:
            return Refused(code=NOT_APPROVED, message=rejected.message, again=Again.LATER)
        return rejected.as_outcome()

    def _ours(self, request: StepRequest) -> Receipt | None:
        record = self._client.get(
            _RECORD,
            EXTERNAL_ID + request.step.key,
            operation="shipment.find",
            document=request.document.number,
            fields="id,tranId",
        )
        if record is None:
            return None
        return Receipt(target_id=str(record["id"]), number=str(record.get("tranId") or ""), existed=True)

    def _there(self, request: StepRequest, order: str) -> Receipt | None:
        """The fulfillment that stands for it already: ours, or one that somebody booked for the same parcels."""
        rows = self._client.query(
            "SELECT t.id, t.tranid, t.externalid FROM transaction t JOIN nexttransactionlink l ON l.nextdoc = t.id "
            f"WHERE t.type = 'ItemShip' AND l.previousdoc = {suiteql.number(order)} ORDER BY t.id",
            operation="shipment.read_booked",
        )
        document: Shipment = request.document
        for identity, row in {str(row["id"]): row for row in rows}.items():
            receipt = Receipt(target_id=identity, number=str(row.get("tranid") or ""), existed=True)
            if row.get("externalid") == request.step.key:
                return receipt
            if _family(str(row.get("externalid") or "")) == _family(request.step.key):
                continue  # another booking of ours, which may name the same parcel: a list is corrected in parts
            record = self._client.get(
                _RECORD, identity, operation="shipment.read", document=document.number, expand=True
            )
            if record is not None and _same(record, document, self._skus(record)):
                return receipt
        return None

    def _skus(self, record: dict[str, Any]) -> dict[str, str]:
        items = sorted({str(identity_of(line["item"])) for line in items_of(record.get("item")) if line.get("item")})
        if not items:
            return {}
        rows = self._client.query(
            f"SELECT i.id, i.itemid FROM item i WHERE {suiteql.numbers_in('i.id', items)} ORDER BY i.id",
            operation="shipment.read_items",
        )
        return {str(row["id"]): str(row["itemid"]) for row in rows}

    def _lines(self, order: str) -> list[_Line]:
        rows = self._client.query(
            "SELECT tl.id AS line, i.itemid AS sku, tl.quantity AS ordered, tl.quantitypicked AS picked "
            "FROM transactionline tl "
            f"JOIN item i ON i.id = tl.item WHERE tl.transaction = {suiteql.number(order)} AND tl.mainline = 'F' "
            "AND tl.taxline = 'F' AND tl.fulfillable = 'T' AND tl.isclosed = 'F' ORDER BY tl.id",
            operation="shipment.read_lines",
        )
        return [
            _Line(
                line=str(row["line"]),
                sku=str(row["sku"]),
                open=abs(decimal_of(row.get("ordered") or 0)) - abs(decimal_of(row.get("picked") or 0)),
            )
            for row in rows
        ]

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """By external id, one read each: shipments by hand are rare."""
        findings: list[Finding] = []
        for request in requests:
            try:
                found = self._ours(request)
            except TransportError as error:
                findings.append(Later(seconds=error.retry_after_seconds or 10.0, why=str(error)))
                continue
            findings.append(Absent() if found is None else Found(receipt=found))
        return findings

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        if handles:
            raise ValueError(f"no fulfillment was accepted as {handles[0]!r}")
        return []


def _taken(lines: Sequence[_Line], wanted: Sequence[ShipmentLine]) -> str:
    """Divide what left among the order's lines; gives what finds no place, in words."""
    missing = []
    for one in wanted:
        left = one.quantity
        for line in lines:
            take = min(left, line.open - line.take) if line.sku == one.sku else ZERO
            if take > 0:
                line.take += take
                left -= take
        if left > 0:
            missing.append(f"{left.normalize():f} of {one.sku}")
    return ", ".join(missing)


def _item(line: _Line, location: str) -> dict[str, Any]:
    """Lines that are not named would leave in full."""
    if not line.take:
        return {"orderLine": int(line.line), "itemReceive": False}
    return {
        "orderLine": int(line.line),
        "itemReceive": True,
        "quantity": line.take,
        "location": {"id": location},
    }


def _family(key: str) -> str:
    """What the keys of all shipments by hand of one store begin with."""
    return key.rpartition("-")[0]


def _same(record: dict[str, Any], document: Shipment, skus: dict[str, str]) -> bool:
    """By a tracking number; a record that has none by its goods."""
    numbers = {
        plain_number(str(line[f"packageTrackingNumber{suffix}"]))
        for name, suffix, _ in PACKAGE_LISTS
        for line in items_of(record.get(name))
        if line.get(f"packageTrackingNumber{suffix}")
    }
    if numbers:
        return bool(numbers & {plain_number(parcel.tracking_number) for parcel in document.parcels})
    return _goods(record, skus) == _added((line.sku, line.quantity) for line in document.lines)


def _goods(record: dict[str, Any], skus: dict[str, str]) -> dict[str, Decimal]:
    return _added(
        (skus.get(str(identity_of(line["item"])), ""), abs(decimal_of(line.get("quantity") or 0)))
        for line in items_of(record.get("item"))
        if line.get("item") and line.get("itemReceive") is not False
    )


def _added(goods: Any) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for sku, quantity in goods:
        found[sku] = found.get(sku, ZERO) + quantity
    return {sku: quantity for sku, quantity in found.items() if quantity}
