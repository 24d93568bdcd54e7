"""What the warehouse shipped by hand: to the store by the shipments flow, and booked in the ERP once it is back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import msgspec

from erp_sync.components.by_hand import hand_key
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.installation import Installation
from erp_sync.components.mapping_version import mapping_version
from erp_sync.flows.shipments import transform as shipments
from erp_sync.flows.shipments.by_hand import goods_of, key_of
from erp_sync.ledger import Delivery, NewDelivery
from erp_sync.ledger.by_hand import HandShipment
from erp_sync.ledger.documents import FORGOTTEN
from erp_sync.ledger.handling import Handling
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.money import ZERO
from erp_sync.model.order import LineKind, OrderLine, SalesOrder
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus, plain_number
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.fallback import is_cancelled, shipments_flow, shipments_known
from erp_sync.operations.fallback_files import pick_order
from erp_sync.operations.fallback_reading import Problem, Row, read_list, together

ERP_SYNC, WAREHOUSE = "erp_sync", "warehouse"
_LONGEST_NUMBER = 12
_ROWS = "by_hand"  # custom field of a shipment by hand: what is in which parcel


class ImportedList(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list.

    Attributes:
        shipments: new ones, by order number; each is one shipment and one e-mail.
        rows: that went on; `already` those that were known; `empty` those that nobody filled in.
        problems: rows that did not go on.
        booked_by: who books them in the ERP: erp_sync, or the warehouse itself (then they are recognised).
    """

    file: str
    route: str
    shipments: dict[str, str]
    rows: int
    already: int
    empty: int
    problems: list[Problem]
    ignored_columns: tuple[str, ...]
    booked_by: str


def import_list(
    here: Installation, route: RouteSpec, file: Path, *, who: str, location: str = "", run_id: str = "fallback"
) -> ImportedList:
    """Take in a list. The same list again changes nothing. Raises CannotDo for a file that is no list at all.

    Args:
        location: that parcels left from, where the list does not say it.
    """
    shipments_flow(route)
    booked_by = policy(route)
    listed = read_list(file)
    work = _Import(here, route, str(file), who, location, run_id, booked_by)
    with here.ledger.handling(route.name, "shipments", run_id=run_id) as handling:
        work.take(handling, listed.rows)
    return ImportedList(
        file=str(file),
        route=route.name,
        shipments=work.shipments,
        rows=work.went,
        already=work.already,
        empty=listed.empty,
        problems=sorted([*listed.problems, *work.problems], key=lambda one: one.line),
        ignored_columns=listed.ignored_columns,
        booked_by=booked_by,
    )


def policy(route: RouteSpec) -> str:
    """Who books in the ERP what left by hand: rule `booked_by` of the shipments flow. Raises CannotDo."""
    found = str(route.flows["shipments"].rules.get("booked_by", ERP_SYNC))
    if found not in (ERP_SYNC, WAREHOUSE):
        raise CannotDo(f"route {route.name}: rule booked_by of shipments is {found!r}; known: {ERP_SYNC}, {WAREHOUSE}")
    return found


class _Refused(Exception):
    """A row does not go on: column, problem, what to do."""

    def __init__(self, column: str, problem: str, do: str) -> None:
        self.column, self.problem, self.do = column, problem, do
        super().__init__(problem)


class _Import:
    def __init__(
        self, here: Installation, route: RouteSpec, file: str, who: str, location: str, run_id: str, booked_by: str
    ) -> None:
        self.here, self.route, self.file, self.who = here, route, file, who
        self.location, self.run_id, self.booked_by = location, run_id, booked_by
        self.lookups = here.lookups(route)
        self.carriers = here.ledger.lookups.rows(route.name, "carriers")
        self.locations = here.ledger.lookups.rows(route.name, "locations")
        self.mapping = mapping_version(here.configuration, route, "shipments").value
        self.decode = flow_module("orders", "transform").decode
        self.problems: list[Problem] = []
        self.shipments: dict[str, str] = {}
        self.went = self.already = 0

    def take(self, work: Handling, rows: Sequence[Row]) -> None:
        """All of it in the transaction of `work`: two imports of one list do not both go on."""
        numbers = {row.order: self._spellings(row.order) for row in rows}
        known = self.here.ledger.by_hand.orders(self.route.name, [one for some in numbers.values() for one in some])
        orders: dict[str, Delivery] = {}
        for number, spelt in numbers.items():
            found = [known[number]] if number in known else [known[one] for one in spelt if one in known]
            if len(found) == 1:
                orders[number] = found[0]
        ids = [one.key.native_id for one in orders.values()]
        there = shipments_known(self.here, self.route, ids)
        by_hand: dict[str, list[Shipment]] = {}
        for one in work.by_hand(ids):
            if one.payload == FORGOTTEN:
                continue
            by_hand.setdefault(one.order_id, []).append(shipments.decode(one.payload))
        for number, some in together(rows).items():
            if number not in orders:
                for row in some:
                    self._refuse(
                        row, _Refused("order", f"no order {number} is known here", "Correct the number on the list.")
                    )
                continue
            order_id = orders[number].key.native_id
            told = there.get(order_id, [])
            told += [one for one in by_hand.get(order_id, []) if one.native_id not in {two.native_id for two in told}]
            self._order(work, orders[number], some, told)

    @staticmethod
    def _spellings(number: str) -> list[str]:
        """A spreadsheet takes the zeros off a number's front."""
        if not number.isdigit():
            return [number]
        return list(dict.fromkeys([number, *(number.zfill(width) for width in range(6, _LONGEST_NUMBER + 1))]))

    def _order(self, work: Handling, delivery: Delivery, rows: Sequence[Row], told: Sequence[Shipment]) -> None:
        order: SalesOrder = self.decode(delivery.payload)
        if is_cancelled(delivery):
            for row in rows:
                do = "Stop the parcel with the carrier, or settle it with the customer; then book it by hand."
                self._refuse(row, _Refused("order", f"order {order.number} was cancelled in the store", do))
            return
        good: dict[str, list[tuple[Row, str, str]]] = {}
        open_ = _open(order, told)
        parcels = _parcels(told)
        # Two rows of one article in one parcel (from two bins) are one.
        asked: dict[tuple[str, str], Decimal] = {}
        resolved: list[tuple[Row, str, str, str]] = []
        for row in rows:
            try:
                sku, carrier, place = self._sku(order, row), self._carrier(row), self._place(row)
            except _Refused as refused:
                self._refuse(row, refused)
                continue
            resolved.append((row, sku, carrier, place))
            key = (sku, plain_number(row.tracking))
            asked[key] = asked.get(key, ZERO) + row.quantity
        for row, sku, carrier, place in resolved:
            key = (sku, plain_number(row.tracking))
            if key in parcels:
                known = parcels[key]
                if known is None or known == asked[key]:
                    self.already += 1
                else:
                    problem = f"parcel {row.tracking} was taken in with {known.normalize():f} of {sku}, not "
                    problem += f"{asked[key].normalize():f}"
                    do = "A shipment that the store was told of cannot be changed: correct it there and in the ERP."
                    self._refuse(row, _Refused("quantity", problem, do))
                continue
            if row.quantity > open_.get(sku, ZERO):
                left = max(open_.get(sku, ZERO), ZERO)
                problem = f"{row.quantity.normalize():f} of {sku}, and {left.normalize():f} of order {order.number} are"
                self._refuse(row, _Refused("quantity", f"{problem} to be shipped", "Correct what was counted."))
                continue
            open_[sku] -= row.quantity
            good.setdefault(place, []).append((row, sku, carrier))
        for place, some in good.items():
            self._accept(work, delivery, order, place, some)

    def _sku(self, order: SalesOrder, row: Row) -> str:
        lines = [line for line in order.lines if _named(line, row.sku)]
        shipped = [line for line in lines if line.kind in (LineKind.ITEM, LineKind.COMPONENT)]
        if shipped:
            return shipped[0].sku
        parts = [line.sku for one in lines for line in order.lines if line.parent_line_id == one.line_id]
        if parts:
            raise _Refused("sku", f"{row.sku} is a bundle", f"List what was shipped of it: {', '.join(parts)}.")
        if lines:
            raise _Refused("sku", f"{row.sku} is not shipped", "Take the row off the list.")
        ordered = sorted({line.sku for line in order.lines if line.kind in (LineKind.ITEM, LineKind.COMPONENT)})
        raise _Refused("sku", f"{row.sku} is not on order {order.number}", f"It has {', '.join(ordered)}.")

    def _carrier(self, row: Row) -> str:
        """Key of the look-up table `carriers` that is meant: by itself, by what it stands for, or by its title."""
        if self.lookups.get("carriers", row.carrier) is not None:
            return row.carrier
        wanted = row.carrier.strip().lower()
        for one in self.carriers:
            code, _, title = one.value.partition(":")
            if wanted in {part.lower() for part in (one.key, code, title, one.note) if part}:
                return one.key
        known = sorted({one.value.partition(":")[0] for one in self.carriers})
        raise _Refused(
            "carrier", f"no carrier is called {row.carrier}", f"Known are {', '.join(known)}; carriers.csv has all."
        )

    def _place(self, row: Row) -> str:
        """The ERP's location, named as it names it or as the store does."""
        wanted = row.location or self.location
        if not wanted:
            if len(self.locations) == 1:
                return self.locations[0].key
            known = ", ".join(one.value for one in self.locations)
            raise _Refused("location", "it is not said from where it left", f"Fill it in, or use --location: {known}.")
        for one in self.locations:
            if wanted.lower() in (one.key.lower(), one.value.lower(), one.note.lower()):
                return one.key
        known = ", ".join(one.value for one in self.locations)
        raise _Refused("location", f"no location is called {wanted}", f"Known are {known}.")

    def _refuse(self, row: Row, why: _Refused) -> None:
        self.problems.append(Problem(file=self.file, line=row.line, column=why.column, problem=why.problem, do=why.do))

    def _accept(
        self,
        work: Handling,
        delivery: Delivery,
        order: SalesOrder,
        place: str,
        rows: Sequence[tuple[Row, str, str]],
    ) -> None:
        key = key_of(order.native_id, place, [(sku, row.quantity, row.tracking) for row, sku, _ in rows])
        shipment = self._shipment(order, place, rows, key)
        payload, facts = shipments.encode(shipment), shipments.facts(shipment)
        common = {
            "version": "1",
            "payload": payload,
            "number": shipment.number,
            "lane": "now",
            "facts": {"content": shipments.content(shipment), **facts},
            "mapping": self.mapping,
        }
        documents = [
            NewDelivery(
                key=hand_key(self.route, key),
                target=self.route.store,
                concerns=shipments.concerns(shipment),
                **common,  # type: ignore[arg-type]
            )
        ]
        if self.booked_by == ERP_SYNC:
            documents.append(
                NewDelivery(
                    key=EntityKey(order.connection, "", Entity.SHIPMENT, key),
                    target=self.route.erp,
                    concerns=shipments.concerns(shipment),
                    **common,  # type: ignore[arg-type]
                )
            )
        work.add_by_hand(
            [
                HandShipment(
                    route=self.route.name,
                    key=key,
                    store=self.route.store,
                    erp=self.route.erp,
                    order_id=order.native_id,
                    number=order.number,
                    payload=payload,
                    file=self.file,
                    who=self.who,
                    at=self.here.ledger.now(),
                )
            ]
        )
        work.accept(documents)
        self.went += len(rows)
        self.shipments[shipment.number] = order.number

    def _shipment(self, order: SalesOrder, place: str, rows: Sequence[tuple[Row, str, str]], key: str) -> Shipment:
        """As the store is told it, and as it is booked in the ERP."""
        goods: dict[str, Decimal] = {}
        inside: dict[tuple[str, str], Decimal] = {}
        parcels: dict[str, Parcel] = {}
        for row, sku, carrier in rows:
            packed_as = (sku, plain_number(row.tracking))
            inside[packed_as] = inside.get(packed_as, ZERO) + row.quantity
            goods[sku] = goods.get(sku, ZERO) + row.quantity
            parcels.setdefault(
                plain_number(row.tracking),
                Parcel(tracking_number=row.tracking, carrier=carrier, description=row.carrier),
            )
        packed = [[sku, number, f"{quantity:f}"] for (sku, number), quantity in inside.items()]
        days = [row.shipped_on for row, _, _ in rows if row.shipped_on is not None]
        now = self.here.ledger.now()
        shipped_at = min(datetime.combine(max(days), time(12), UTC), now) if days else now
        return Shipment(
            connection=self.route.erp,
            scope="",
            native_id=key,
            number=f"{order.number}-{key.removeprefix('hand-')[:6]}",
            version="1",
            status=ShipmentStatus.SHIPPED,
            order_native_id="",
            order_connection=order.connection,
            order_key=order.native_id,
            location=place,
            shipped_at=shipped_at,
            lines=tuple(
                ShipmentLine(order_line="", sku=sku, quantity=quantity, location=place)
                for sku, quantity in goods.items()
            ),
            parcels=tuple(parcels.values()),
            custom={"order_number": order.number, _ROWS: packed},
        )


def _named(line: OrderLine, sku: str) -> bool:
    return sku.lower() in (line.sku.lower(), line.store_sku.lower())


def _open(order: SalesOrder, told: Sequence[Shipment]) -> dict[str, Decimal]:
    """By SKU, what is still to be shipped."""
    units: dict[str, Decimal] = {}
    for one in pick_order(order, goods_of(told), {}).lines:
        if one.picked:
            units[one.line.sku] = units.get(one.line.sku, ZERO) + one.quantity
    return units


def _parcels(told: Sequence[Shipment]) -> dict[tuple[str, str], Decimal | None]:
    """By SKU and tracking number, what is known to have left in that parcel; None where the ERP's fulfillment has the
    parcel and does not say what of it."""
    found: dict[tuple[str, str], Decimal | None] = {}
    for shipment in told:
        for sku, number, quantity in shipment.custom.get(_ROWS) or ():
            found[sku, number] = Decimal(quantity)
        if not shipment.custom.get(_ROWS):
            skus = goods_of([shipment])
            found |= {(sku, plain_number(parcel.tracking_number)): None for sku in skus for parcel in shipment.parcels}
    return found
