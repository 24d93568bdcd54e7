"""What left by hand while the ERP was away, as runs meet it: fulfillments that are known again, bookings that wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.flows.decisions import Decision
from erp_sync.flows.shipments import by_hand
from erp_sync.flows.shipments.booking import BookingTarget
from erp_sync.flows.shipments.by_hand import DIFFERS
from erp_sync.flows.shipments.transform import content, decode
from erp_sync.flows.state_flow import LeftByHand
from erp_sync.ledger.cross_references import Link
from erp_sync.ledger.documents import FORGOTTEN
from erp_sync.ledger.handling import Handling
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.shipment import Shipment, ShipmentStatus

# Stock that was read before the ERP knew of a shipment by hand may still be on its way for so long.
READ_BEFORE = timedelta(days=1)
LONG_AGO = "the store has its parcels: shipped by hand, and forgotten since"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A fulfillment that stands for what left by hand. `late`: the shipment as the store has to be told it now, with
    parcels that were added since."""

    decision: Decision
    links: tuple[Link, ...] = ()
    late: tuple[EntityKey, Shipment] | None = None


def recognised(
    work: Handling, route: RouteSpec, kind: FlowKind, documents: Sequence[tuple[Any, Any]]
) -> dict[int, Known]:
    """By id of the received record, fulfillments of the ERP whose parcels left by hand. One query for all of them."""
    if kind.entity != Entity.SHIPMENT or not documents:
        return {}
    left: dict[str, list[Any]] = {}
    for one in work.by_hand([shipment.order_key for _, shipment in documents]):
        if one.store == route.store:
            left.setdefault(one.order_id, []).append(one)
    found: dict[int, Known] = {}
    for row, shipment in documents:
        mine = left.get(shipment.order_key, ())
        if not mine or shipment.status is not ShipmentStatus.SHIPPED or shipment.order_connection != route.store:
            continue
        if any(one.payload == FORGOTTEN and one.known_as == shipment.native_id for one in mine):
            found[row.id] = Known(decision=Decision(action="drop", code=by_hand.SHIPPED_BY_HAND, reason=LONG_AGO))
            continue
        there = {one.key: decode(one.payload) for one in mine if one.payload != FORGOTTEN}
        known = by_hand.recognise(
            shipment, [(one.key, there[one.key], one.known_as) for one in mine if one.key in there]
        )
        if known is not None:
            found[row.id] = _known(route, shipment, known, there)
    return found


def _known(route: RouteSpec, shipment: Shipment, known: by_hand.Recognised, mine: Mapping[str, Shipment]) -> Known:
    if known.differs:
        reason = f"its parcels left by hand with other goods: {known.differs}. Correct the side that is wrong by hand"
        return Known(decision=Decision(action="hold", code=DIFFERS, reason=reason))
    links = tuple(
        Link(
            entity=Entity.SHIPMENT,
            connection_a=route.store,
            id_a=key,
            connection_b=route.erp,
            id_b=shipment.native_id,
            origin="found",
        )
        for key in known.keys
    )
    words = f"the store has its parcels already: shipped by hand ({', '.join(known.keys)})"
    late = None
    if known.late:
        first = mine[known.keys[0]]
        told = msgspec.structs.replace(first, parcels=(*first.parcels, *known.late))
        late = (hand_key(route, known.keys[0]), told)
    return Known(decision=Decision(action="drop", code=by_hand.SHIPPED_BY_HAND, reason=words), links=links, late=late)


def hand_key(route: RouteSpec, key: str) -> EntityKey:
    """What is told to the store is named like a fulfillment of the ERP, which it stands for."""
    return EntityKey(route.erp, "", Entity.SHIPMENT, key)


def told_already(late: Shipment, before: Any) -> bool:
    """Whether the store was told of these parcels."""
    return before is not None and before.facts.get("content") == content(late)


def booking_target(here: Installation, route: RouteSpec) -> BookingTarget | None:
    """The ERP's port that shipments by hand are booked at; None where it offers none."""

    def orders(keys: Sequence[str]) -> dict[str, str]:
        return here.ledger.cross_references.find(Entity.SALES_ORDER, route.store, keys, route.erp)

    try:
        return BookingTarget(here.connector_for(route, "erp"), orders)
    except KeyError:
        return None


def release_bookings(here: Installation, route: RouteSpec) -> int:
    """Shipments by hand that waited for their orders go, where these are in the ERP now."""
    awaited = here.ledger.deliveries.awaited(route.erp, Entity.SALES_ORDER)
    if not awaited:
        return 0
    there = here.ledger.cross_references.find(Entity.SALES_ORDER, route.store, sorted(awaited), route.erp)
    return len(here.ledger.deliveries.release_waiting(route.erp, Entity.SALES_ORDER, sorted(there)))


def left_by_hand(here: Installation, route: RouteSpec) -> tuple[LeftByHand, ...]:
    """What left by hand and the ERP's stock may still hold."""
    found = []
    for one in here.ledger.by_hand.unknown_to_erp(route.name, here.ledger.now() - READ_BEFORE):
        shipment = decode(one.payload)
        lines: dict[tuple[str, str], Decimal] = {}
        for line in shipment.lines:
            place = (line.sku, line.location or shipment.location)
            lines[place] = lines.get(place, Decimal(0)) + line.quantity
        found.append(LeftByHand(fulfillment=one.known_as, known_at=one.known_at, lines=lines))
    return tuple(found)
