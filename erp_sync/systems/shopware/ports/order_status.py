"""Order status as a target: the order's state follows the ERP's, and its number stands in custom fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Found, Outcome, Receipt, Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.mapping.common import state_of
from erp_sync.systems.shopware.ports.ordered import OrderedProducts
from erp_sync.systems.shopware.ports.outcomes import attempted, looked, not_sent
from erp_sync.systems.shopware.ports.states import order_requirement, step, way
from erp_sync.systems.shopware.ports.stock import source_of, stock_key
from erp_sync.transport.errors import TransportError

STATE, NOTE = "state", "note"
TRANSITION, CANCEL, WRITE_NOTE = "order_status.transition", "sales_order.cancel", "order_status.note"
NONE = "none"
# What the ERP says -> the state that the order is brought to; of other statuses the shop keeps its own.
GOALS: dict[OrderStatus, str] = {
    OrderStatus.OPEN: "in_progress",
    OrderStatus.PARTIALLY_FULFILLED: "in_progress",
    OrderStatus.FULFILLED: "completed",
    OrderStatus.CLOSED: "completed",
    OrderStatus.CANCELLED: "cancelled",
}
# In these an order does not go back: what the ERP says of it is late, and its custom fields tell it all the same.
_OVER = ("completed", "cancelled")
NUMBER_FIELD, STATUS_FIELD, REASON_FIELD = "erp_sync_order_number", "erp_sync_status", "erp_sync_reason"
READ = (
    Criteria()
    .along("stateMachineState")
    .including(
        {
            "order": ("id", "versionId", "orderNumber", "stateMachineState", "customFields"),
            "state_machine_state": ("id", "technicalName"),
        }
    )
)


class OrderStatusTarget:
    """Writes what the ERP says about an order. `order_key` of the document is the shop's id of it.

    State and custom fields are read before they are written, so a second send changes nothing; class C all the same,
    since a first one that is still under way could be overtaken. The shop's customers are sent no e-mail by it. The
    setting ``order_states`` ({status of ours: in_progress, completed, cancelled or none}) changes what follows what.
    Custom fields are merged by the vendor (core: CustomFieldsSerializer): those of others stay.

    A cancellation raises the stock of the order's products in the shop (core: OrderStockSubscriber).
    """

    def __init__(self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._client = client
        self._page_size = capabilities.reading("sales_order").page_size
        self._ordered = OrderedProducts(client, self._page_size)
        self._stock_source = source_of(connection)
        declared = connection.settings.get("order_states") or {}
        self._goals = {**GOALS, **{OrderStatus(name): str(state) for name, state in declared.items()}}

    def requirements(self, document: OrderStatusUpdate) -> list[Requirement]:
        return [order_requirement(document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._ordered.resolve(requirements)

    def _goal(self, document: OrderStatusUpdate) -> str:
        return self._goals.get(document.status, NONE)

    def steps(self, document: OrderStatusUpdate) -> list[Step]:
        key = f"{document.connection}/{document.native_id}/{document.version}"
        concerns, goal = f"sales_order/{document.order_key}", self._goal(document)
        steps = []
        if goal != NONE:
            operation = CANCEL if goal == "cancelled" else TRANSITION
            steps.append(Step(name=STATE, operation=operation, key=f"{key}:{goal}", concerns=concerns))
        after = tuple(one.name for one in steps)
        steps.append(Step(name=NOTE, operation=WRITE_NOTE, key=key, concerns=concerns, after=after))
        return steps

    def moves(self, document: OrderStatusUpdate) -> list[str]:
        """Keys (`stock_key`) whose quantity in the shop rises by this document: the products of an order that it
        cancels, as `resolve` found them; a line that somebody adds after that is found by the comparison of
        everything."""
        if self._goal(document) != "cancelled":
            return []
        return [stock_key(self._stock_source, number) for number in self._ordered.of(document.order_key)]

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        try:
            orders = self._read(requests)
        except TransportError as error:
            return [not_sent(error) for _ in requests]
        return [self._one(request, orders.get(request.document.order_key)) for request in requests]

    def _one(self, request: StepRequest, order: Mapping[str, Any] | None) -> Outcome:
        document: OrderStatusUpdate = request.document
        if order is None:
            return Refused(
                code="unknown_order",
                message=f"the shop has no order {document.order_key}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("sales_order", document.order_key),
            )
        if request.step.name == NOTE:
            return attempted(lambda: self._note(document, order))
        return attempted(lambda: self._move(request, document, order))

    def _move(self, request: StepRequest, document: OrderStatusUpdate, order: Mapping[str, Any]) -> Outcome:
        state, goal = state_of(order), self._goal(document)
        steps = way("order", state, goal)
        if steps is None and state in _OVER and goal != "cancelled":
            steps = ()
        if steps is None:
            code = "order_not_cancellable" if goal == "cancelled" else "illegal_transition"
            return Refused(
                code=code, message=f"order {order.get('orderNumber')} is {state} in the shop and does not become {goal}"
            )
        for name in steps:
            step(
                self._client,
                "order",
                document.order_key,
                name,
                operation=request.step.operation,
                document=document.order_key,
                mail=False,
            )
        return Applied(receipt=Receipt(target_id=document.order_key, existed=not steps))

    def _note(self, document: OrderStatusUpdate, order: Mapping[str, Any]) -> Outcome:
        fields = noted(document)
        if _has(order, fields):
            return Applied(receipt=Receipt(target_id=document.order_key, existed=True))
        self._client.write(
            "PATCH",
            f"order/{document.order_key}",
            {"customFields": fields},
            operation=WRITE_NOTE,
            document=document.order_key,
        )
        return Applied(receipt=Receipt(target_id=document.order_key))

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return looked(lambda: self._find(requests), len(requests))

    def _find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        orders = self._read(requests)
        return [self._found(request, orders.get(request.document.order_key)) for request in requests]

    def _found(self, request: StepRequest, order: Mapping[str, Any] | None) -> Finding:
        if order is None:
            return Absent()
        document: OrderStatusUpdate = request.document
        if request.step.name == NOTE:
            there = _has(order, noted(document))
        else:
            state, goal = state_of(order), self._goal(document)
            there = state == goal or (state in _OVER and goal != "cancelled")
        return Found(receipt=Receipt(target_id=document.order_key, existed=True)) if there else Absent()

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("an order status is never accepted for later: there is nothing to settle")

    def _read(self, requests: Sequence[StepRequest]) -> dict[str, dict[str, Any]]:
        keys = [request.document.order_key for request in requests]
        pages = self._client.by_ids("order", keys, READ, operation="order_status.read", page_size=self._page_size)
        return {str(row["id"]): row for page in pages for row in page}


def noted(document: OrderStatusUpdate) -> dict[str, str]:
    """The custom fields that tell what the ERP says; every one is written, so that none keeps an earlier word."""
    reason = document.reason
    if document.cancelled and document.status is not OrderStatus.CANCELLED:
        parts = ", ".join(f"{one.quantity.normalize():f} of {one.sku}" for one in document.cancelled)
        reason = f"Not to be sent: {parts}. {reason}".strip()
    # What waits, or was refused, is no order of the ERP yet: it has no number there.
    number = document.number or ("" if document.status is OrderStatus.ON_HOLD else document.native_id)
    return {
        NUMBER_FIELD: number,
        STATUS_FIELD: document.status.value,
        REASON_FIELD: reason,
    }


def _has(order: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    there = order.get("customFields")
    return isinstance(there, Mapping) and all(str(there.get(name) or "") == value for name, value in fields.items())
