"""Sales orders at the target: created with what is still to be delivered, cancelled where the store cancelled them
afterwards, wholly or in part, or put back as they were sent where somebody edited them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.correction import OrderCorrection
from erp_sync.model.keys import Entity
from erp_sync.model.order import SalesOrder
from erp_sync.model.remaining import ended, lost, remaining
from erp_sync.ports.differences import Difference, TellsDifferences
from erp_sync.ports.documents import Requirement, Step, StepRequest, TakesBack, TellsCustomers
from erp_sync.ports.outcomes import Finding, Outcome


class OrdersTarget:
    """`DocumentTarget` over ports of one system: sales orders, their cancellation, and their correction.

    An order that lost units has the steps of what is left, of which those that are confirmed stay so, and one more
    that closes what is lost and still open: nothing, where it was lost before the order went.
    """

    def __init__(self, connector: Any) -> None:
        self._orders = connector.port(Entity.SALES_ORDER, "target")
        self._cancellations = connector.port(Entity.ORDER_CANCELLATION, "target")
        self._connector = connector
        self.capabilities = self._orders.capabilities

    def _port(self, order: SalesOrder) -> Any:
        if isinstance(order, OrderCorrection):
            return self._connector.port(Entity.ORDER_CORRECTION, "target")
        return self._cancellations if ended(order) else self._orders

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        return list(self._port(document).requirements(_sent(document)))

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return dict(self._orders.resolve(requirements))

    def differences(self, document: SalesOrder) -> list[Difference]:
        """None of a cancellation: it moves no amount. None of a correction: its amounts were let pass."""
        if isinstance(document, OrderCorrection) or ended(document) or not isinstance(self._orders, TellsDifferences):
            return []
        return list(self._orders.differences(_sent(document)))

    def steps(self, document: SalesOrder) -> list[Step]:
        steps = list(self._port(document).steps(_sent(document)))
        return [*steps, *self._closing(document)]

    def _closing(self, document: SalesOrder) -> list[Step]:
        """Of an order that goes on with less."""
        if isinstance(document, OrderCorrection) or ended(document) or not lost(document):
            return []
        return list(self._cancellations.steps(document))

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        return [port.submit([one])[0] for port, one in map(self._addressed, requests)]

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return [port.find([one])[0] for port, one in map(self._addressed, requests)]

    def _addressed(self, request: StepRequest) -> tuple[Any, StepRequest]:
        """The port that a step is for, and the request as it gets it."""
        if request.step.name in {step.name for step in self._closing(request.document)}:
            return self._cancellations, request
        document = _sent(request.document)
        return self._port(request.document), msgspec.structs.replace(request, document=document)

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        return list(self._orders.settle(handles))

    def proceed(self, request: StepRequest, handle: str) -> Outcome:
        """See `Proceeds`; only asked for where the system's own port says that it is needed."""
        outcome: Outcome = self._orders.proceed(self._addressed(request)[1], handle)
        return outcome

    @property
    def take_back_operation(self) -> str:
        """See `TakesBack`: "" where the system cannot."""
        return self._orders.take_back_operation if isinstance(self._orders, TakesBack) else ""

    def take_back(self, request: StepRequest, handle: str) -> Outcome:
        outcome: Outcome = self._orders.take_back(self._addressed(request)[1], handle)
        return outcome

    @property
    def customer_reasons(self) -> Mapping[str, str]:
        """See `TellsCustomers`: nothing where the system says nothing."""
        return self._orders.customer_reasons if isinstance(self._orders, TellsCustomers) else {}


def _sent(document: SalesOrder) -> SalesOrder:
    return document if ended(document) else remaining(document)
