"""Long outages of the ERP: orders are handed out to the warehouse, and what it shipped by hand is taken back in."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.installation import Installation
from erp_sync.flows.shipments.by_hand import goods_of
from erp_sync.flows.shipments.transform import decode as decode_shipment
from erp_sync.ledger import Delivery, State
from erp_sync.ledger.by_hand import STUCK, HandedOut
from erp_sync.model.money import ZERO
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.operations import papers
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.fallback_files import PickOrder, orders_csv, pick_list, pick_order, shipped_csv

BINS = "bins"  # look-up table: SKU of the ERP to the bin that it lies in


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is not handed out, and why."""

    order: str
    code: str
    why: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed out.

    Attributes:
        files: orders (CSV), pick_list (HTML), shipped (CSV, to fill in); none where no order was to be handed out.
        already: orders that a warehouse has on paper already, with the batch.
        left_out: orders that wait and are not to be shipped as they are.
        cancelled: numbers of orders that were handed out before and that the store has cancelled since.
    """

    route: str
    batch: str
    orders: int
    lines: int
    units: Decimal
    files: dict[str, str]
    already: dict[str, str]
    left_out: tuple[LeftOut, ...]
    cancelled: tuple[str, ...]


def export(here: Installation, route: RouteSpec, folder: Path, *, who: str, again: bool = False) -> Exported:
    """Write the orders that wait for the ERP for the warehouse, and mark them as handed out.

    What was handed out before is left out unless `again` says so. Nothing waits the less for it: the orders go to the
    ERP once it is back. Raises CannotDo.
    """
    shipments_flow(route)
    if not folder.is_dir():
        raise CannotDo(f"{folder} is no folder")
    now = here.ledger.now()
    batch = _batch(now)
    waiting = list(here.ledger.by_hand.waiting(route.name, route.erp))
    shipped = shipped_so_far(here, route, [one.key.native_id for one in waiting])
    bins = {row.key: row.value for row in here.ledger.lookups.rows(route.name, BINS)}
    left_out: list[LeftOut] = []
    picked: list[PickOrder] = []
    for delivery in waiting:
        one = pick_order(_decode(delivery), shipped.get(delivery.key.native_id, {}), bins)
        if why := _not_to_ship(one):
            left_out.append(LeftOut(order=delivery.number, code=why[0], why=why[1]))
        else:
            picked.append(one)
    left_out += [
        LeftOut(order=one.number, code=one.code or one.state.value, why=one.reason)
        for one in here.ledger.by_hand.waiting(route.name, route.erp, STUCK)
    ]
    marked = [(one.order.native_id, one.order.number) for one in picked]
    files: dict[str, str] = {}

    def write_papers(before: Mapping[str, HandedOut]) -> None:
        if not again:
            picked[:] = [one for one in picked if one.order.native_id not in before]
        if picked:
            texts = {
                "orders": (f"orders-{batch}.csv", orders_csv(picked)),
                "pick_list": (f"pick-list-{batch}.html", pick_list(picked, batch=batch, at=now, who=who)),
                "shipped": (f"shipped-{batch}.csv", shipped_csv(picked)),
            }
            papers.remember(here.settings, [folder / texts[name][0] for name in ("orders", "pick_list")])
            files.update((name, str(_written(folder / file, text))) for name, (file, text) in texts.items())

    try:
        before = here.ledger.by_hand.hand_out(route.name, marked, batch=batch, who=who, again=again, first=write_papers)
    except OSError as error:
        raise CannotDo(f"cannot write to {folder}: {error.strerror}; nothing more counts as handed out") from error
    already = {one.number: one.batch for one in before.values()}
    lines = [line for one in picked for line in one.lines]
    return Exported(
        route=route.name,
        batch=batch,
        orders=len(picked),
        lines=len(lines),
        units=sum((line.quantity for line in lines if line.picked), ZERO),
        files=files,
        already=already,
        left_out=tuple(left_out),
        cancelled=cancelled_since(here, route),
    )


def _batch(now: datetime) -> str:
    """Two exports of one second do not write into each other's files."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"


def _written(file: Path, text: str) -> Path:
    """Whole or not at all; a spreadsheet reads UTF-8 by its mark."""
    part = file.with_name(f".{file.name}.part")
    data = text.encode("utf-8-sig" if file.suffix == ".csv" else "utf-8")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # addresses: for its owner's eyes
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    return file


def _not_to_ship(one: PickOrder) -> tuple[str, str] | None:
    if one.order.status is OrderStatus.CANCELLED:
        return "cancelled_in_store", "the store has cancelled it"
    if not any(line.picked for line in one.lines):
        return "nothing_to_ship", "nothing of it is to be shipped, or all of it left already"
    return None


def _decode(delivery: Delivery) -> SalesOrder:
    order: SalesOrder = flow_module("orders", "transform").decode(delivery.payload)
    return order


def shipments_flow(route: RouteSpec) -> None:
    flow = route.flows.get("shipments")
    if flow is None or flow.mode is not Mode.ON:
        raise CannotDo(f"route {route.name} does not tell its store of shipments: set the flow shipments to on")


def shipped_so_far(here: Installation, route: RouteSpec, order_ids: Sequence[str]) -> dict[str, dict[str, Decimal]]:
    """By the store's id of the order and SKU, what left as far as we know: by hand, or by the ERP's fulfillments."""
    return {order: goods_of(found) for order, found in shipments_known(here, route, order_ids).items()}


def shipments_known(here: Installation, route: RouteSpec, order_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Shipments of these orders that the store has, or is to be told of."""
    concerns = [f"sales_order {order}" for order in order_ids]
    found: dict[str, list[Any]] = {}
    for delivery in here.ledger.by_hand.shipments_of_orders(route.store, concerns):
        if delivery.route == route.name and not (delivery.state is State.HELD and delivery.sequence == 1):
            shipment = decode_shipment(delivery.payload)
            found.setdefault(shipment.order_key, []).append(shipment)
    return found


def cancelled_since(here: Installation, route: RouteSpec) -> tuple[str, ...]:
    """Orders that a warehouse has on paper and that the store has cancelled: their parcels are to be stopped."""
    handed_out = here.ledger.by_hand.handed_out(route.name)
    orders = here.ledger.by_hand.orders(route.name, [one.number for one in handed_out.values()])
    left = {one.order_id for one in here.ledger.by_hand.shipments(route.name)}
    return tuple(
        sorted(
            number
            for number, one in orders.items()
            if one.key.native_id in handed_out and one.key.native_id not in left and is_cancelled(one)
        )
    )


def is_cancelled(delivery: Delivery) -> bool:
    """Whether the store has cancelled the order, as far as we read it."""
    return (
        delivery.code == "cancelled_in_store"
        or delivery.operation == "cancel"
        or (_decode(delivery).status is OrderStatus.CANCELLED)
    )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an outage stands.

    Attributes:
        waiting: orders that wait for the ERP; `stuck` of a person.
        handed_out: of all times; `not_back` those of which the warehouse has told nothing.
        left_by_hand: shipments; `told_the_store` and `known_to_the_erp` of them.
        open: numbers of orders whose shipments the ERP does not know of yet, and nobody has settled.
    """

    route: str
    waiting: int
    stuck: int
    handed_out: int
    not_back: tuple[str, ...]
    left_by_hand: int
    told_the_store: int
    known_to_the_erp: int
    open: tuple[str, ...]
    cancelled: tuple[str, ...]


def standing(here: Installation, route: RouteSpec) -> Standing:
    """How the outage stands, from the ledger alone."""
    handed_out = here.ledger.by_hand.handed_out(route.name)
    left = here.ledger.by_hand.shipments(route.name)
    orders = Counter(one.order_id for one in left)
    known = [one for one in left if one.known_as]
    told = here.ledger.cross_references.find("shipment", route.erp, [one.key for one in left], route.store)
    return Standing(
        route=route.name,
        waiting=sum(1 for _ in here.ledger.by_hand.waiting(route.name, route.erp)),
        stuck=sum(1 for _ in here.ledger.by_hand.waiting(route.name, route.erp, STUCK)),
        handed_out=len(handed_out),
        not_back=tuple(sorted(one.number for one in handed_out.values() if one.native_id not in orders)),
        left_by_hand=len(left),
        told_the_store=len(told),
        known_to_the_erp=len(known),
        open=tuple(sorted({one.number for one in left if not one.known_as and not one.settled})),
        cancelled=cancelled_since(here, route),
    )


__all__ = ["Exported", "LeftOut", "Standing", "cancelled_since", "export", "shipped_so_far", "standing"]
