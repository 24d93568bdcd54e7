"""Sales orders at the target: created with what is still to be delivered, cancelled where the store cancelled them
afterwards, or put back as they were sent where somebody edited them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from erp_sync.model.correction import OrderCorrection
from erp_sync.model.keys import Entity
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.model.remaining import remaining
from erp_sync.ports.differences import Difference, TellsDifferences
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Finding, Outcome


class OrdersTarget:
    """`DocumentTarget` over ports of one system: sales orders, their cancellation, and their correction."""

    def __init__(self, connector: Any) -> None:
        self._orders = connector.port(Entity.SALES_ORDER, "target")
        self._cancellations = connector.port(Entity.ORDER_CANCELLATION, "target")
        self._connector = connector
        self.capabilities = self._orders.capabilities

    def _port(self, order: SalesOrder) -> Any:
        if isinstance(order, OrderCorrection):
            return self._connector.port(Entity.ORDER_CORRECTION, "target")
        return self._cancellations if order.status is OrderStatus.CANCELLED else self._orders

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        return list(self._port(document).requirements(_sent(document)))

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return dict(self._orders.resolve(requirements))

    def differences(self, document: SalesOrder) -> list[Difference]:
        """None of a cancellation: it moves no amount. None of a correction: its amounts were let pass."""
        if (
            isinstance(document, OrderCorrection)
            or document.status is OrderStatus.CANCELLED
            or not isinstance(self._orders, TellsDifferences)
        ):
            return []
        return list(self._orders.differences(_sent(document)))

    def steps(self, document: SalesOrder) -> list[Step]:
        return list(self._port(document).steps(_sent(document)))

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        return [self._port(request.document).submit([_request(request)])[0] for request in requests]

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return [self._port(request.document).find([_request(request)])[0] for request in requests]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        return list(self._orders.settle(handles))


def _sent(document: SalesOrder) -> SalesOrder:
    return document if document.status is OrderStatus.CANCELLED else remaining(document)


def _request(request: StepRequest) -> StepRequest:
    document = _sent(request.document)
    return request if document is request.document else msgspec.structs.replace(request, document=document)
