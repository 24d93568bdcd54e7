"""Cancelling a sales order in SAP Business One, or a part of it: what is cancelled is closed, what has left stays.

See `closing` for what becomes of each row. Doing it again changes nothing, so the step may be sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO
from erp_sync.model.order import SalesOrder
from erp_sync.model.remaining import ended, lost
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Ambiguous, Applied, Finding, Found, Later, Outcome, Receipt, Refused
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of, key_field
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.closing import Closing, closing, may_have_left
from erp_sync.systems.sap_b1.deliveries import Deliveries
from erp_sync.systems.sap_b1.errors import CHANGED
from erp_sync.systems.sap_b1.finding import SALES_ORDER
from erp_sync.systems.sap_b1.mapping.identity import document_key, order_key
from erp_sync.transport.errors import Rejected, TransportError

CLOSE = "close_order"
OPERATION = "sales_order.close"
#: A delivery may come between reading and writing; one after the other they are soon through. Removing rows and
#: lowering quantities are two writes.
MOST_ROUNDS = 5
# The ETag in the body is that of DataVersion, and wrong without it.
ORDER_FIELDS = (
    *("DocEntry", "DocNum", "CardCode", "CreationDate", "DocumentStatus", "Cancelled", "DataVersion", "DocumentLines"),
)


class _Several(Exception):
    """Several orders carry our key: which one the store means cannot be told."""

    def __init__(self, field: str, key: str, orders: tuple[str, ...]) -> None:
        super().__init__(f"several sales orders of SAP Business One have {field} {key}: {', '.join(orders)}")
        self.orders = orders


class CancellationTarget:
    """`DocumentTarget` of cancellations; the document is a `SalesOrder` that was cancelled, or that lost units.

    What is open of it is closed. Where more has left than the store keeps, it is refused all the same (code
    ``already_fulfilled``): a person stops the parcel, or decides about a return. An order that waits for approval is a
    draft still: its own delivery takes that back (`withdrawing`), or ends with the order that is cancelled here.
    Thread-safe.
    """

    def __init__(self, client: ServiceLayerClient) -> None:
        self._client, self.capabilities = client, capabilities_of(client.connection.settings)
        self._key_field = key_field(client.connection.settings)
        self._deliveries = Deliveries(client)

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        return []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return {}

    def steps(self, document: SalesOrder) -> list[Step]:
        """One step, which excludes other writes to the order. What is cancelled later on is another step."""
        key = order_key(document)
        token = () if ended(document) else (_token(document),)
        return [Step(name=CLOSE, operation=OPERATION, key=document_key(key, "close", *token), concerns=key)]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """Reads the order, changes it, and reads it again: what was delivered in between is seen. Never raises for what
        SAP did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        try:
            return self._close(request)
        except _Several as several:
            return Refused(code="ambiguous", message=f"{several}: a person tells which one is to be cancelled.")
        except TransportError as error:
            return error.as_outcome()

    def _close(self, request: StepRequest) -> Outcome:
        refused: tuple[Closing, Rejected] | None = None
        written = False
        for _ in range(MOST_ROUNDS):
            order = self._read(request)
            if order is None:
                key = order_key(request.document)
                return Refused(
                    code="order_not_found",
                    message=f"SAP Business One has no sales order with {self._key_field} {key} to cancel.",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=(SALES_ORDER, key),
                )
            todo = closing(request.document, order, self._left(order, request))
            if todo.nothing:
                return _ended(order, todo, existed=not written)
            if refused is not None and refused[0] == todo:
                raise refused[1]
            try:
                self._write(request, order, todo)
                written = True
            except Rejected as rejected:
                # Of an order that changed meanwhile the same may be right still.
                refused = refused if rejected.code == CHANGED else (todo, rejected)
        number = request.document.number
        words = f"the sales order of {number} went on changing while it was cancelled"
        return Refused(code="record_changed", message=words, again=Again.LATER)

    def _write(self, request: StepRequest, order: Mapping[str, Any], todo: Closing) -> None:
        asked = {"operation": request.step.operation, "document": request.document.number}
        entry = int(order["DocEntry"])
        if todo.cancels or todo.ends:
            action = "Cancel" if todo.cancels else "Close"
            self._client.act(f"{odata.path('Orders', entry)}/{action}", {}, **asked, repeatable=True)
            return
        # Not tried again as it is: where the order has changed meanwhile, another change is to be made.
        self._client.update(
            "Orders",
            entry,
            todo.body(order),
            **asked,
            repeatable=False,
            etag=str(order.get("@odata.etag") or ""),
            replaces=bool(todo.removes),
        )

    def _read(self, request: StepRequest) -> dict[str, Any] | None:
        """By the number that the cross references know (an adopted order has no key of ours), else by our key.

        Raises _Several, and the TransportError tree.
        """
        receipt = request.receipts.get(SALES_ORDER)
        entry = (receipt.target_id if receipt is not None else "") or request.target_id
        asked: dict[str, Any] = {"operation": "sales_order.read", "document": request.document.number}
        if entry:
            return self._client.get("Orders", int(entry), select=ORDER_FIELDS, **asked)
        key = order_key(request.document)
        query = Query(
            entity_set="Orders",
            key=("DocEntry",),
            where=odata.equals(self._key_field, key),
            select=(*ORDER_FIELDS, self._key_field),
        )
        # A database that takes upper and lower case for the same finds the keys of others, too.
        rows = [row for row in self._client.rows(query, **asked) if row.get(self._key_field) == key]
        if len(rows) > 1:
            raise _Several(self._key_field, key, tuple(f"order {row['DocEntry']}" for row in rows))
        return rows[0] if rows else None

    def _left(self, order: Mapping[str, Any], request: StepRequest) -> dict[int, Decimal]:
        """Units by row of the order that have left, see `Deliveries`."""
        if not may_have_left(order):
            return {}
        found = self._deliveries.of([order], operation="sales_order.read", document=request.document.number)
        return found[int(order["DocEntry"])]

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Found where nothing is left to close, nor to be told. One order read each: cancellations are rare."""
        findings: list[Finding] = []
        for request in requests:
            try:
                order = self._read(request)
                todo = closing(request.document, order, self._left(order, request)) if order is not None else None
            except _Several as several:
                findings.append(Ambiguous(target_ids=several.orders))
                continue
            except TransportError as error:
                findings.append(Later(seconds=error.retry_after_seconds or 10.0, why=str(error)))
                continue
            done = order is not None and todo is not None and todo.nothing and not todo.beyond
            findings.append(Found(receipt=_receipt(order, existed=True)) if done and order is not None else Absent())
        return findings

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        if handles:
            raise ValueError(f"no cancellation was accepted as {handles[0]!r}")
        return []


def _token(document: SalesOrder) -> str:
    units = {line: f"{gone.normalize():f}" for line, gone in sorted(lost(document).items())}
    return hashlib.sha256(msgspec.json.encode(units)).hexdigest()[:12]


def _ended(order: Mapping[str, Any], done: Closing, *, existed: bool) -> Outcome:
    if not done.beyond:
        return Applied(receipt=_receipt(order, existed=existed))
    there, keeps = (f"{sum((one[place] for one in done.beyond), ZERO).normalize():f}" for place in (0, 1))
    return Refused(
        code="already_fulfilled",
        message=f"{len(done.beyond)} rows of order {order.get('DocNum')} were delivered before the cancellation came: "
        f"{there} units, of which the store keeps {keeps}. What was open is closed: stop the parcel, or take the goods "
        "back.",
    )


def _receipt(order: Mapping[str, Any], *, existed: bool) -> Receipt:
    return Receipt(target_id=str(order["DocEntry"]), number=str(order.get("DocNum") or ""), existed=existed)
