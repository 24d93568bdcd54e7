"""Fulfillments of the ERP compared with the store's shipments, by created time: missing, extra, other parcels or
quantities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from erp_sync.components.by_hand import hand_key
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import with_adopted_orders
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.flows.shipments.transform import before_start, decode
from erp_sync.ledger import Delivery, State
from erp_sync.ledger.by_hand import HandShipment
from erp_sync.ledger.documents import FORGOTTEN
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.shipment import Shipment, ShipmentStatus
from erp_sync.operations.choosing import CannotDo, connector
from erp_sync.operations.reconcile_documents import Comparison
from erp_sync.operations.reconciliation import Progress, Reconciliation
from erp_sync.ports.raw import BadRecord, MappingProblem, Window
from erp_sync.ports.reconciling import BookedShipment, ListsShipments


def reconcile_shipments(here: Installation, route: RouteSpec, window: Window, progress: Progress) -> Reconciliation:
    """Compare the fulfillments created in the window. Raises the TransportError tree, CannotDo."""
    return _Shipments(here, route, window).run(progress)


class _Shipments(Comparison):
    flow, batch, what = "shipments", 100, "fulfillments"

    def __init__(self, here: Installation, route: RouteSpec, window: Window) -> None:
        source = connector(here, route, "erp").port(Entity.SHIPMENT, "source")
        super().__init__(here, route, window, source, (route.erp, route.store))
        self.target: Any = connector(here, route, "store").port(Entity.SHIPMENT, "target")
        if not isinstance(self.target, ListsShipments):
            raise CannotDo(f"{route.store} cannot list its shipments")
        self.counts = dict.fromkeys(
            (
                *("not_shipped_yet", "of_other_orders", "to_compare", "shipped_by_hand", "in_store", "parcels"),
                "quantities_compared",
            ),
            0,
        )
        self._extra_told: set[str] = set()

    def compare(self, ids: Sequence[str]) -> None:
        """One batch: the fulfillments, and one listing of their orders' shipments."""
        mine = [shipment for shipment in self._shipments(ids) if self._is_ours(shipment)]
        self.counts["to_compare"] += len(mine)
        booked: dict[str, list[BookedShipment]] = defaultdict(list)
        for one in self.target.booked(sorted({shipment.order_key for shipment in mine})):
            booked[one.order_key].append(one)
        by_hand = self._by_hand(mine)
        keys = [self._key(shipment) for shipment in mine]
        keys += [hand_key(self.route, one.key) for some in by_hand.values() for one in some]
        deliveries = self.here.ledger.deliveries.latest(self.route.name, "shipments", self.route.store, keys)
        for shipment in mine:
            there, delivery = booked[shipment.order_key], deliveries.get(self._key(shipment))
            left = by_hand.get(shipment.native_id, ()) if delivery is None else ()
            for one in left:
                delivery = deliveries.get(hand_key(self.route, one.key))
                self._compare(decode(delivery.payload if delivery is not None else one.payload), there, delivery)
            if not left:
                self._compare(shipment, there, delivery)
        self._find_extra(booked)

    def _by_hand(self, mine: Sequence[Shipment]) -> dict[str, list[HandShipment]]:
        """By fulfillment, what left by hand and it stands for: that is what the store was told of."""
        found: dict[str, list[HandShipment]] = defaultdict(list)
        for one in self.here.ledger.by_hand.shipments(self.route.name, {shipment.order_key for shipment in mine}):
            if one.known_as and one.payload != FORGOTTEN:
                found[one.known_as].append(one)
        self.counts["shipped_by_hand"] += sum(shipment.native_id in found for shipment in mine)
        return found

    def _shipments(self, ids: Sequence[str]) -> list[Shipment]:
        found: list[tuple[Any, Any]] = []
        for page in self.source.fetch(ids):
            for record in page:
                try:
                    found.append((record, self.source.to_canonical(record, self.lookups)))
                except (BadRecord, MappingProblem) as problem:
                    self.is_open(record.native_id, "quarantine", "malformed_record", str(problem))
        return [shipment for _, shipment in with_adopted_orders(self.here, self.route, FLOWS[self.flow], found)]

    def _is_ours(self, shipment: Shipment) -> bool:
        if not shipment.order_key or shipment.order_connection not in ("", self.route.store):
            self.counts["of_other_orders"] += 1
            return False
        if shipment.status is not ShipmentStatus.SHIPPED:
            self.counts["not_shipped_yet"] += 1
            return False
        return True

    def _key(self, shipment: Shipment) -> EntityKey:
        return EntityKey(self.route.erp, shipment.scope, Entity.SHIPMENT, shipment.native_id)

    def _compare(self, shipment: Shipment, booked: Sequence[BookedShipment], delivery: Delivery | None) -> None:
        number = shipment.number or shipment.native_id
        try:
            steps = self.target.steps(shipment)
        except MappingProblem as problem:
            self.is_open(number, "unmapped", problem.code, str(problem))
            return
        creating = [step.key for step in steps if step.name.partition(":")[0] == Entity.SHIPMENT]
        ours = [one for one in booked if set(creating) & set(one.keys)]
        absent = [key for key in creating if not any(key in one.keys for one in booked)]
        twice = [key for key, count in Counter(key for one in ours for key in one.keys).items() if count > 1]
        if twice:
            ids = ", ".join(one.number or one.target_id for one in ours)
            self.differs("duplicate", number, store=ids, erp=number, words="one fulfillment, several shipments")
        if absent:
            self._absent(number, shipment, absent, delivery)
            return
        self.counts["in_store"] += 1
        self._parcels(number, shipment, ours)
        self._quantities(number, shipment, ours)

    def _absent(self, number: str, shipment: Shipment, absent: Sequence[str], delivery: Delivery | None) -> None:
        if delivery is not None and delivery.state is not State.DELIVERED:
            self.under_way(number, delivery)
            return
        start = self.route.flows["shipments"].start
        if delivery is None and start is not None and before_start(shipment, start):
            reason = f"shipped before the route's start {start:%Y-%m-%d}"
            self.is_open(number, "left_out", "before_start", reason)
            return
        told = f"delivery d{delivery.id} says delivered" if delivery is not None else "no delivery knows of it"
        words = f"order {shipment.order_key} has none with {', '.join(absent)}; {told}"
        erp = f"{len(shipment.parcels)} parcels"
        # What left by hand is no record of the ERP: there is nothing to read again.
        native_id = shipment.native_id if shipment.order_native_id else ""
        self.differs("missing", number, erp=erp, words=words, native_id=native_id)

    def _parcels(self, number: str, shipment: Shipment, ours: Sequence[BookedShipment]) -> None:
        there = {tracking for one in ours for tracking in one.parcels}
        wanted = {parcel.tracking_number for parcel in shipment.parcels}
        self.counts["parcels"] += len(wanted)
        if wanted - there:
            self.differs("parcels", number, store=", ".join(sorted(there)), erp=", ".join(sorted(wanted)))

    def _quantities(self, number: str, shipment: Shipment, ours: Sequence[BookedShipment]) -> None:
        """By SKU, where the store names the SKU: a bundle's parts are booked under the bundle."""
        there: dict[str, Decimal] = defaultdict(Decimal)
        for one in ours:
            for sku, quantity in one.quantities.items():
                there[sku] += quantity
        wanted: dict[str, Decimal] = defaultdict(Decimal)
        for line in shipment.lines:
            names = [sku for sku in self.lookups.reverse("sku_map", line.sku) if sku in there]
            if len(names) != 1:
                return
            wanted[names[0]] += line.quantity
        self.counts["quantities_compared"] += 1
        for sku in sorted(wanted):
            if there[sku] != wanted[sku]:
                self.differs(
                    "quantity",
                    number,
                    store=f"{sku} {there[sku].normalize():f}",
                    erp=f"{sku} {wanted[sku].normalize():f}",
                )

    def _find_extra(self, booked: dict[str, list[BookedShipment]]) -> None:
        """Shipments of these orders that nobody of us posted: the ERP knows nothing of them."""
        for shipments in booked.values():
            for one in shipments:
                if not one.keys and one.target_id not in self._extra_told:
                    self._extra_told.add(one.target_id)
                    words = f"order {one.order_key} has a shipment that no fulfillment stands behind"
                    self.differs("extra", one.number or one.target_id, store=", ".join(one.parcels), words=words)
