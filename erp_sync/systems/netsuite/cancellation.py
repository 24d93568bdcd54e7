"""Cancelling a sales order in NetSuite, or a part of it: what is cancelled is closed, what has left stays.

See `closing` for what becomes of each line. Doing it again changes nothing, so the step may be sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.money import ZERO
from erp_sync.model.order import SalesOrder
from erp_sync.model.remaining import ended, lost
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Found, Later, Outcome, Receipt, Refused
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.netsuite.capabilities import capabilities_of
from erp_sync.systems.netsuite.client import EXTERNAL_ID, NetSuiteClient
from erp_sync.systems.netsuite.closing import Closing, closing, needs_names
from erp_sync.systems.netsuite.finding import SALES_ORDER
from erp_sync.systems.netsuite.items import ItemNames
from erp_sync.systems.netsuite.mapping.identity import external_id, order_key
from erp_sync.systems.netsuite.mapping.order import LEGACY, SUITETAX
from erp_sync.systems.netsuite.mapping.order_lines import Discounts
from erp_sync.systems.netsuite.mapping.shipment import items_of
from erp_sync.systems.netsuite.orders import ORDER_DEPLOYMENT, ORDER_SCRIPT, ORDER_SCRIPT_VERSION
from erp_sync.transport.errors import Rejected, TransportError

CLOSE = "close_order"
#: A fulfillment may come between reading and writing; one after the other they are soon through.
MOST_ROUNDS = 4
#: What version 1 of the order RESTlet says to a change: it takes it for an order to create.
CREATES_ONLY = "erp_sync_bad_request"
#: What the order RESTlet says where the order is taxed as a whole, and has taxed lines that the store has not sold.
ADDED_LINES = "erp_sync_added_lines"
HALF_DONE = "Lines that were cancelled whole are closed; those of which a part was cancelled are open as they were."


class CancellationTarget:
    """`DocumentTarget` of cancellations; the document is a `SalesOrder` that was cancelled, or that lost units.

    What is open of it is closed. Where more was picked, shipped or billed than the store keeps, it is refused all the
    same (code ``already_fulfilled``): a person stops the parcel, or decides about a return.
    """

    def __init__(self, client: NetSuiteClient) -> None:
        self._client, self.capabilities = client, capabilities_of(client.connection.settings)
        self._names = ItemNames(client)
        self._discounts = Discounts(client.connection.settings.get("discounts", Discounts.NET_RATE))

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        return []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return {}

    def steps(self, document: SalesOrder) -> list[Step]:
        """One step, which excludes other writes to the order. What is cancelled later on is another step."""
        key = order_key(document)
        token = () if ended(document) else (_token(document),)
        return [Step(name=CLOSE, operation="sales_order.close", key=external_id(key, "close", *token), concerns=key)]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """Reads the order, changes its lines, and reads it again: what was fulfilled in between is seen. Never raises
        for what NetSuite did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        try:
            return self._close(request)
        except MappingProblem as problem:
            return Refused(code=problem.code, message=str(problem))
        except TransportError as error:
            return error.as_outcome()

    def _close(self, request: StepRequest) -> Outcome:
        closed: set[str] = set()
        refused: tuple[Closing, Rejected] | None = None
        written = False
        for _ in range(MOST_ROUNDS):
            order = self._read(request)
            if order is None:
                key = order_key(request.document)
                return Refused(
                    code="order_not_found",
                    message=f"NetSuite has no sales order with external id {key} to cancel.",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("sales_order", key),
                )
            todo = self._todo(request.document, order, closed)
            if not todo.body:
                return _ended(order, todo, existed=not written)
            if refused is not None and refused[0] == todo:
                raise refused[1]
            try:
                problem = self._write(request, order, todo)
                if problem is not None:
                    return problem
                closed |= set(todo.closes)
                written = True
            except Rejected as rejected:
                refused = todo, rejected
        number = request.document.number
        words = f"the sales order of {number} went on changing while it was cancelled"
        return Refused(code="record_changed", message=words, again=Again.LATER)

    def _todo(self, document: SalesOrder, order: Mapping[str, Any], closed: Collection[str]) -> Closing:
        legacy = self._client.connection.settings.get("tax_engine", SUITETAX) == LEGACY and document.tax_from_store
        names = {}
        if needs_names(document) or legacy:
            items = [str((line.get("item") or {}).get("id") or "") for line in items_of(order.get("item"))]
            names = self._names.keys_of(items)
        return closing(document, order, names, self._discounts, closed, legacy=legacy)

    def _write(self, request: StepRequest, order: Mapping[str, Any], todo: Closing) -> Refused | None:
        """What keeps lines from being cut, once nothing else is left to do: those that need no tax go first, so that
        nothing of them leaves."""
        problem = todo.tax_problem
        if todo.legacy_tax is not None:
            # Lines and tax in one save: of a change that was made half, nothing would say so.
            settings = self._client.connection.settings
            try:
                self._client.restlet(
                    str(settings.get("order_script", ORDER_SCRIPT)),
                    str(settings.get("order_deployment", ORDER_DEPLOYMENT)),
                    {"record": "salesOrder", "id": str(order["id"]), "body": todo.body, "tax": todo.legacy_tax},
                    operation=request.step.operation,
                    document=request.document.number,
                    repeatable=True,
                )
                return None
            except Rejected as rejected:
                if rejected.code == ADDED_LINES:
                    problem = Refused(code="tax_of_added_lines", message=_added(order, rejected))
                elif rejected.code == CREATES_ONLY:
                    problem = Refused(code="order_restlet_too_old", message=_too_old(order))
                else:
                    raise
        body = todo.body if problem is None else todo.without_tax()
        if not body:
            return problem
        self._update(request, order, body)
        return None

    def _update(self, request: StepRequest, order: Mapping[str, Any], body: dict[str, Any]) -> None:
        self._client.update(
            "salesOrder",
            str(order["id"]),
            body,
            operation=request.step.operation,
            document=request.document.number,
            repeatable=True,
            replace="taxDetails" if "taxDetails" in body else "",
        )

    def _read(self, request: StepRequest) -> dict[str, Any] | None:
        """By the id that the cross references know (an adopted order has no key of ours), else by our key."""
        receipt = request.receipts.get(SALES_ORDER)
        identity = (receipt.target_id if receipt is not None else "") or request.target_id
        identity = identity or EXTERNAL_ID + order_key(request.document)
        asked = {"operation": "sales_order.read", "document": request.document.number}
        return self._client.get("salesOrder", identity, **asked, expand=True)

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Found where nothing is left to close, nor to be told. One record read each: cancellations are rare."""
        findings: list[Finding] = []
        for request in requests:
            try:
                order = self._read(request)
                todo = None if order is None else self._todo(request.document, order, ())
                done = todo is not None and not todo.body and not todo.beyond
            except MappingProblem:
                done = False
            except TransportError as error:
                findings.append(Later(seconds=error.retry_after_seconds or 10.0, why=str(error)))
                continue
            findings.append(Found(receipt=_receipt(order, existed=True)) if order is not None and done else Absent())
        return findings

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        if handles:
            raise ValueError(f"no cancellation was accepted as {handles[0]!r}")
        return []


def _too_old(order: Mapping[str, Any]) -> str:
    return (
        f"order RESTlet version {ORDER_SCRIPT_VERSION} is needed to take the tax of cancelled units off order "
        f"{order.get('tranId')}: install it (INSTALL.md). {HALF_DONE}"
    )


def _added(order: Mapping[str, Any], rejected: Rejected) -> str:
    return (
        f"the tax of cancelled units cannot be taken off order {order.get('tranId')}: {rejected.message}. {HALF_DONE}"
    )


def _token(document: SalesOrder) -> str:
    units = {line: f"{quantity.normalize():f}" for line, quantity in sorted(lost(document).items())}
    return hashlib.sha256(msgspec.json.encode(units)).hexdigest()[:12]


def _ended(order: Mapping[str, Any], done: Closing, *, existed: bool) -> Outcome:
    if not done.beyond:
        return Applied(receipt=_receipt(order, existed=existed))
    there, keeps = (f"{sum((one[place] for one in done.beyond), ZERO).normalize():f}" for place in (0, 1))
    lines = items_of(order.get("item"))
    return Refused(
        code="already_fulfilled",
        message=f"{len(done.beyond)} of {len(lines)} lines of order {order.get('tranId')} were picked, shipped or "
        f"billed before the cancellation came: {there} units, of which the store keeps {keeps}. "
        "What was open is closed: stop the parcel, or take the goods back.",
    )


def _receipt(order: Mapping[str, Any], *, existed: bool) -> Receipt:
    return Receipt(target_id=str(order["id"]), number=str(order.get("tranId") or ""), existed=existed)
