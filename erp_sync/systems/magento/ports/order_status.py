"""Order status as a target: the ERP's number and status as a comment on the order, and cancellation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Ambiguous, Applied, Finding, Found, Outcome, Receipt, Refused
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.ports.outcomes import attempted, looked, mark, marks, not_sent
from erp_sync.transport.errors import Rejected, TransportError

COMMENT, CANCEL = "comment", "cancel"
STATUS_WORDS = {
    OrderStatus.PENDING_PAYMENT: "waits for payment",
    OrderStatus.OPEN: "is open",
    OrderStatus.ON_HOLD: "is on hold",
    OrderStatus.PARTIALLY_FULFILLED: "is partly fulfilled",
    OrderStatus.FULFILLED: "is fulfilled",
    OrderStatus.CLOSED: "is closed",
    OrderStatus.CANCELLED: "is cancelled",
}
# Closed is what an order becomes of which everything was refunded: nothing of it is to be delivered either.
_OVER = ("canceled", "closed")
_ORDER_FIELDS = "items[entity_id,state,status,status_histories[entity_id,comment]],total_count"


def order_requirement(native_id: str) -> Requirement:
    return Requirement("sales_order", native_id)


def existing_orders(
    client: MagentoClient, requirements: Sequence[Requirement], page_size: int
) -> dict[Requirement, str]:
    """Those of the required orders that the store has; `key` is its entity_id."""
    wanted = {one.key: one for one in requirements if one.entity == "sales_order" and one.key.isdigit()}
    found: dict[Requirement, str] = {}
    if not wanted:
        return found
    pages = client.by_keys(
        "orders",
        "entity_id",
        list(wanted),
        operation="sales_order.resolve",
        page_size=page_size,
        fields="items[entity_id],total_count",
    )
    for page in pages:
        for item in page:
            key = str(item["entity_id"])
            if key in wanted:
                found[wanted[key]] = key
    return found


class OrderStatusTarget:
    """Writes what the ERP says about an order. `order_key` of the document is the store's entity_id.

    A comment is found again by our mark in its text, a cancellation by the order's state: class C both.
    The order's status is sent unchanged with the comment, since older cores set it to what the comment
    carries (OrderManagement::addComment; unconfirmed for 2.4.8). The setting ``order_status_codes``
    ({canonical status: the shop's status code}) sends another one, which the vendor accepts only if it
    belongs to the order's state.
    """

    def __init__(self, client: MagentoClient, connection: ConnectionSettings, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._client = client
        self._page_size = capabilities.reading("sales_order").page_size
        self._codes = {
            OrderStatus(name): str(code) for name, code in (connection.settings.get("order_status_codes") or {}).items()
        }

    def requirements(self, document: OrderStatusUpdate) -> list[Requirement]:
        return [order_requirement(document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return existing_orders(self._client, requirements, self._page_size)

    def steps(self, document: OrderStatusUpdate) -> list[Step]:
        key = f"{document.connection}/{document.native_id}/{document.version}"
        concerns = f"sales_order/{document.order_key}"
        steps = []
        if document.status is OrderStatus.CANCELLED:
            steps.append(
                Step(name=CANCEL, operation="sales_order.cancel", key=f"cancel/{document.order_key}", concerns=concerns)
            )
        steps.append(
            Step(
                name=COMMENT,
                operation="order_status.comment",
                key=key,
                concerns=concerns,
                after=tuple(step.name for step in steps),
            )
        )
        return steps

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        try:
            orders = self._read([request.document.order_key for request in requests])
        except TransportError as error:
            return [not_sent(error) for _ in requests]
        return [self._one(request, orders) for request in requests]

    def _one(self, request: StepRequest, orders: Mapping[str, Mapping[str, Any]]) -> Outcome:
        document: OrderStatusUpdate = request.document
        order = orders.get(document.order_key)
        if order is None:
            return Refused(
                code="unknown_order",
                message=f"the store has no order {document.order_key}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("sales_order", document.order_key),
            )
        if request.step.name == CANCEL:
            return attempted(lambda: self._cancel(document, order))
        return attempted(lambda: self._comment(request, document, order))

    def _cancel(self, document: OrderStatusUpdate, order: Mapping[str, Any]) -> Outcome:
        key, state = document.order_key, str(order.get("state"))
        if state in _OVER:
            return Applied(receipt=Receipt(target_id=key, existed=True))
        if state == "complete":
            return Refused(code="order_not_cancellable", message=f"order {key} is {state} in the store")
        done = self._client.post(f"orders/{key}/cancel", operation="sales_order.cancel", document=key)
        if done is True:
            return Applied(receipt=Receipt(target_id=key))
        # The vendor answers 200 with false where the order cannot be cancelled (unconfirmed): invoiced, for one.
        return Refused(code="order_not_cancellable", message=f"the store does not cancel order {key} in state {state}")

    def _comment(self, request: StepRequest, document: OrderStatusUpdate, order: Mapping[str, Any]) -> Outcome:
        key = document.order_key
        words = f"ERP order {document.number or document.native_id} {STATUS_WORDS[document.status]}."
        reason = f" {document.reason}" if document.reason else ""
        if document.cancelled and document.status is not OrderStatus.CANCELLED:
            parts = ", ".join(f"{_plain(one.quantity)} of {one.sku}" for one in document.cancelled)
            reason = f" Not to be sent: {parts}.{reason}"
        entity = {
            "comment": f"{words}{reason} {mark(request.step.key)}",
            "is_customer_notified": 0,
            "is_visible_on_front": 0,
            "parent_id": int(key),
            "status": self._codes.get(document.status) or str(order.get("status") or ""),
        }
        if not entity["status"]:
            del entity["status"]
        try:
            done = self._client.post(
                f"orders/{key}/comments", {"statusHistory": entity}, operation="order_status.comment", document=key
            )
        except Rejected as refusal:
            if document.status in self._codes or "not part of the order status history" not in refusal.message:
                raise
            # It was the order's own when it was read: it has been shipped or paid since.
            text = f"order {key} moved on from status {entity.get('status')} while it was commented"
            return Refused(code="order_moved", message=text, again=Again.LATER, retry_after_seconds=1.0)
        if done is not True:
            return Refused(code="comment_refused", message=f"the store did not take the comment on order {key}")
        return Applied(receipt=Receipt(target_id=key))

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return looked(lambda: self._find(requests), len(requests))

    def _find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        orders = self._read([request.document.order_key for request in requests])
        return [self._found(request, orders.get(request.document.order_key)) for request in requests]

    def _found(self, request: StepRequest, order: Mapping[str, Any] | None) -> Finding:
        if order is None:
            return Absent()
        key = request.document.order_key
        if request.step.name == CANCEL:
            there = order.get("state") in _OVER
            return Found(receipt=Receipt(target_id=key, existed=True)) if there else Absent()
        comments = [
            str(one.get("entity_id"))
            for one in order.get("status_histories") or ()
            if request.step.key in marks(one.get("comment"))
        ]
        if len(comments) > 1:
            return Ambiguous(target_ids=tuple(comments))
        return Found(receipt=Receipt(target_id=key, existed=True)) if comments else Absent()

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("an order status is never accepted for later: there is nothing to settle")

    def _read(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        numbers = [key for key in keys if key.isdigit()]
        if not numbers:
            return {}
        pages = self._client.by_keys(
            "orders",
            "entity_id",
            numbers,
            operation="order_status.read",
            page_size=self._page_size,
            fields=_ORDER_FIELDS,
        )
        return {str(item["entity_id"]): item for page in pages for item in page}


def _plain(quantity: Decimal) -> str:
    """Without trailing zeros and without exponent."""
    return f"{quantity:f}".rstrip("0").rstrip(".") if "." in f"{quantity:f}" else f"{quantity:f}"
