"""Booking in the ERP what a warehouse shipped by hand while it was away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.model.shipment import Shipment
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Finding, Outcome


class BookingTarget:
    """`DocumentTarget` over the ERP's port of shipments. Each waits for its order: sent by us, or entered by somebody
    and linked.

    Args:
        orders: the ERP's ids of those of these orders of the store that are known to be there.
    """

    def __init__(self, connector: Any, orders: Callable[[Sequence[str]], dict[str, str]]) -> None:
        self._port = connector.port(Entity.SHIPMENT, "target")
        self._orders = orders
        self.capabilities = self._port.capabilities

    def requirements(self, document: Shipment) -> list[Requirement]:
        return [Requirement(Entity.SALES_ORDER, document.order_key)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        found = self._orders([one.key for one in requirements])
        return {one: found[one.key] for one in requirements if one.key in found}

    def steps(self, document: Shipment) -> list[Step]:
        return list(self._port.steps(document))

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        return list(self._port.submit(requests))

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return list(self._port.find(requests))

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        return list(self._port.settle(handles))
