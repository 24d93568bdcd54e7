"""Shipments: every fulfillment that left the ERP's warehouse is booked in the store once, with one mail.

A fulfillment and a shipment belong together when they share a tracking number, else when they are the only ones
of their order. What left for an order that the store has cancelled meanwhile can never be booked there: it is
counted apart, since it is a case for a person.

A pair is compared by units and tracking numbers. A mail is early when it left before its fulfillment did, or when
no fulfillment that left explains its shipment at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.checker.sources import Conventions, grouped, spread
from erp_sync.sandbox.evidence import ErpShipment, Id, Mail, StoreShipment


@dataclass
class Shipments:
    """What is known of shipments. Lists name the ERP's fulfillments or the store's shipments by their numbers."""

    fulfilled: int = 0
    booked: int = 0
    missing: list[str] = field(default_factory=list)
    booked_twice: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    differing: dict[str, str] = field(default_factory=dict)
    latencies: dict[str, float] = field(default_factory=dict)
    mails: int = 0
    mails_early: list[str] = field(default_factory=list)
    mails_twice: list[str] = field(default_factory=list)
    mails_missing: list[str] = field(default_factory=list)
    unbooked: list[Id] = field(default_factory=list)  # ids of fulfillments that the store has not booked yet
    of_cancelled: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        return {
            "shipments_in_erp": self.fulfilled,
            "shipments_in_store": self.booked,
            "shipments_missing": len(self.missing),
            "shipments_of_cancelled_orders": len(self.of_cancelled),
            "shipments_twice": len(self.booked_twice),
            "shipments_unexplained": len(self.unexplained),
            "shipments_differing": len(self.differing),
            "shipment_latency_s": spread(self.latencies.values()),
            "shipping_emails": self.mails,
            "shipping_emails_early": len(self.mails_early),
            "shipping_emails_twice": len(self.mails_twice),
            "shipping_emails_missing": len(self.mails_missing),
        }


def check_shipments(
    shipments: Sequence[StoreShipment],
    left: Sequence[ErpShipment],
    erp_orders: dict[Id, str],
    cancelled: set[str],
    conventions: Conventions,
    *,
    mails: bool = True,
) -> Shipments:
    """Figures about shipments.

    Arguments:
        left: the ERP's fulfillments.
        erp_orders: the ERP's id of an order to the store's order number, of orders that are in both.
        cancelled: numbers of orders that the store cancelled.
        mails: the store tells of its mails.
    """
    found = Shipments()
    fulfillments = [one for one in left if one.order in erp_orders]
    by_order = grouped(shipments, lambda shipment: shipment.order)
    matched: set[Id] = set()
    of_fulfillment: dict[Id, list[StoreShipment]] = {}
    for order, group in grouped(fulfillments, lambda one: erp_orders[one.order]).items():
        there = by_order.get(order, [])
        for one in group:
            same = [shipment for shipment in there if shipment.tracks & one.tracks]
            if not same and len(group) == len(there) == 1:
                same = there
            of_fulfillment[one.id] = same
            matched |= {shipment.id for shipment in same}
    found.fulfilled, found.booked = len(fulfillments), len(shipments)
    for shipment in shipments:
        if shipment.id not in matched:
            found.unexplained.append(shipment.number)
            found.mails_early += [shipment.number] * len(shipment.mails)
    _compare(found, fulfillments, of_fulfillment, conventions)
    for one in fulfillments:
        same = of_fulfillment[one.id]
        if not same and erp_orders[one.order] in cancelled:
            found.of_cancelled.append(one.name)
            continue
        if not same:
            found.missing.append(one.name)
            found.unbooked.append(one.id)
        if len(same) > 1:
            found.booked_twice.append(one.name)
        arrived = min((shipment.booked_at for shipment in same if shipment.booked_at is not None), default=None)
        if one.left_at is not None and arrived is not None:
            found.latencies[one.name] = arrived - one.left_at
        if mails:
            _mails(found, one, [mail for shipment in same for mail in shipment.mails])
    found.mails = sum(len(shipment.mails) for shipment in shipments)
    return found


def _compare(
    found: Shipments,
    fulfillments: Sequence[ErpShipment],
    of_fulfillment: dict[Id, list[StoreShipment]],
    conventions: Conventions,
) -> None:
    """Units and tracking numbers of what belongs together; one shipment may stand for several fulfillments."""
    by_shipment: dict[Id, list[ErpShipment]] = {}
    for one in fulfillments:
        for shipment in of_fulfillment[one.id]:
            by_shipment.setdefault(shipment.id, []).append(one)
    for one in fulfillments:
        there = of_fulfillment[one.id]
        if not there:
            continue
        together = {other.id: other for shipment in there for other in by_shipment[shipment.id]}
        left = _summed(unit for other in together.values() for unit in other.units)
        booked = _summed((conventions.sku(sku), units) for shipment in there for sku, units in shipment.units)
        said = [
            f"{sku}: {left.get(sku, 0)} left, {booked.get(sku, 0)} booked"
            for sku in sorted(set(left) | set(booked))
            if left.get(sku, 0) != booked.get(sku, 0)
        ]
        if not all(shipment.units_told for shipment in there):
            said = []
        tracks = set().union(*(shipment.tracks for shipment in there))
        said += [f"parcel {track} not booked" for track in sorted(one.tracks - tracks)]
        if said:
            found.differing[one.name] = "; ".join(said)


def _summed(units: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for sku, quantity in units:
        out[sku] = out.get(sku, Decimal(0)) + quantity
    return out


def _mails(found: Shipments, fulfillment: ErpShipment, mails: Sequence[Mail]) -> None:
    """One mail for a fulfillment, which names its parcels, and one more for each later parcel."""
    if fulfillment.tracks - {track for mail in mails for track in mail.tracks} or not mails:
        found.mails_missing.append(fulfillment.name)
    gone, named = fulfillment.left_at, set[str]()
    for index, mail in enumerate(sorted(mails, key=lambda mail: mail.at)):
        if gone is not None and mail.at < gone:
            found.mails_early.append(fulfillment.name)
        if index and not mail.tracks - named:
            found.mails_twice.append(fulfillment.name)
        named |= mail.tracks
