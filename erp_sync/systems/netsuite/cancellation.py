"""Cancelling a sales order in NetSuite: every open line is closed.

The REST API sets no cancelled status; an order whose lines are all closed becomes Closed (Oracle NetSuite
help, Sales Order). Closing closed lines changes nothing, so the step may be sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Found, Later, Outcome, Receipt, Refused
from erp_sync.systems.netsuite.capabilities import capabilities_of
from erp_sync.systems.netsuite.client import EXTERNAL_ID, NetSuiteClient
from erp_sync.systems.netsuite.mapping.identity import external_id, order_key
from erp_sync.systems.netsuite.mapping.shipment import items_of
from erp_sync.transport.errors import TransportError

CLOSE = "close_order"


class CancellationTarget:
    """`DocumentTarget` of cancellations; the document is the cancelled `SalesOrder`.

    An order of which something was shipped or billed is refused (code ``already_fulfilled``): a person
    decides about a return.
    """

    def __init__(self, client: NetSuiteClient) -> None:
        self._client, self.capabilities = client, capabilities_of(client.connection.settings)

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        return []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return {}

    def steps(self, document: SalesOrder) -> list[Step]:
        """One step, which excludes other writes to the order."""
        key = order_key(document)
        return [Step(name=CLOSE, operation="sales_order.close", key=external_id(key, "close"), concerns=key)]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """Reads the order, then closes its open lines: two calls. Never raises for what NetSuite did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        key = order_key(request.document)
        try:
            identity = request.target_id or EXTERNAL_ID + key
            order = self._read(identity, request.document.number)
            if order is None:
                return Refused(
                    code="order_not_found",
                    message=f"NetSuite has no sales order with external id {key} to cancel.",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("sales_order", key),
                )
            lines = items_of(order.get("item"))
            gone = [line for line in lines if _is_positive(line.get("quantityFulfilled"), line.get("quantityBilled"))]
            if gone:
                return Refused(
                    code="already_fulfilled",
                    message=f"{len(gone)} of {len(lines)} lines of order {order.get('tranId')} were shipped or billed: "
                    "cancel what is left in NetSuite, or take the goods back.",
                )
            open_lines = [line for line in lines if line.get("isClosed") is not True]
            if open_lines:
                body = {"item": {"items": [{"line": line["line"], "isClosed": True} for line in open_lines]}}
                self._client.update(
                    "salesOrder",
                    identity,
                    body,
                    operation=request.step.operation,
                    document=request.document.number,
                    repeatable=True,
                )
            return Applied(receipt=_receipt(order, existed=not open_lines))
        except TransportError as error:
            return error.as_outcome()

    def _read(self, identity: str, number: str) -> dict[str, Any] | None:
        """By the id that the cross references know (an adopted order has no key of ours), else by our key."""
        return self._client.get("salesOrder", identity, operation="sales_order.read", document=number, expand=True)

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Found where all lines are closed. One record read each: cancellations are rare."""
        findings: list[Finding] = []
        for request in requests:
            try:
                identity = request.target_id or EXTERNAL_ID + order_key(request.document)
                order = self._read(identity, request.document.number)
            except TransportError as error:
                findings.append(Later(seconds=error.retry_after_seconds or 10.0, why=str(error)))
                continue
            closed = order is not None and all(line.get("isClosed") is True for line in items_of(order.get("item")))
            findings.append(Found(receipt=_receipt(order, existed=True)) if order is not None and closed else Absent())
        return findings

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        if handles:
            raise ValueError(f"no cancellation was accepted as {handles[0]!r}")
        return []


def _is_positive(*values: Any) -> bool:
    return any(value is not None and value != "" and decimal_of(value) > 0 for value in values)


def _receipt(order: dict[str, Any], *, existed: bool) -> Receipt:
    return Receipt(target_id=str(order["id"]), number=str(order.get("tranId") or ""), existed=existed)
