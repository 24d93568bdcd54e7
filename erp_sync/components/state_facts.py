"""What the ledger knows that a state flow's logic needs besides the rows."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from erp_sync.components.by_hand import left_by_hand
from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.flows.state_flow import Booked
from erp_sync.ledger import State
from erp_sync.ledger.documents import StepState
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN

# While nobody knows whether a shipment was booked its stock is not written; should that last, too little is
# offered rather than too much.
BOOKED = (StepState.CONFIRMED, StepState.SENDING, StepState.UNKNOWN, StepState.ACCEPTED)
UNFINISHED = (State.WAITING, State.DUE, State.CLAIMED, State.DEAD, State.HELD)


def booked_shipments(here: Installation, route: RouteSpec, lately: Collection[str]) -> Booked:
    """Which shipments the store has booked, and what is in those that it has not.

    `lately`: ids of shipments that the ERP named with its stock. One that the ledger does not have yet is
    on its way; one whose delivery was given up or dismissed never will be booked by us, and one that the store
    refused because its order was cancelled there has freed its reservation: it waits for nothing.
    """
    flow = route.flows.get("shipments")
    if flow is None or flow.mode is not Mode.ON:
        return Booked(counted=False)
    kind = FLOWS["shipments"]
    source, target = getattr(route, kind.source), getattr(route, kind.target)
    decode = flow_module("shipments", "transform").decode
    booked: set[str] = set()
    open_shipments: dict[str, dict[tuple[str, str], Decimal]] = {}
    # A later version of a shipment (one more parcel) follows one that the store has booked.
    for one in here.ledger.deliveries.effects(
        route.name,
        kind.name,
        target=target,
        states=UNFINISHED,
        operations=_steps_that_move_stock(here, route),
        step_states=BOOKED,
        dead_of=[QUANTITY_ABOVE_OPEN],
    ):
        if one.payload is None:
            booked.add(one.native_id)
            continue
        shipment = decode(one.payload)
        lines = open_shipments.setdefault(shipment.native_id, {})
        for line in shipment.lines:
            place = (line.sku, line.location or shipment.location)
            lines[place] = lines.get(place, Decimal(0)) + line.quantity
    others = [name for name in lately if name not in open_shipments and name not in booked]
    keys = [EntityKey(source, "", Entity.SHIPMENT, name) for name in others]
    booked.update(key.native_id for key in here.ledger.deliveries.accepted(route.name, kind.name, target, keys))
    by_hand = left_by_hand(here, route)
    # What the store has of these it has by what is told of them here, not by the ERP's fulfillment.
    booked.update(one.fulfillment for one in by_hand if one.fulfillment)
    return Booked(booked=frozenset(booked), open=open_shipments, by_hand=by_hand)


def _steps_that_move_stock(here: Installation, route: RouteSpec) -> set[str]:
    target = here.connector_for(route, FLOWS["shipments"].target).port(Entity.SHIPMENT, "target")
    return {one.name for one in target.capabilities.operations if Entity.STOCK_LEVEL in one.moves}
