"""Shipments: every fulfillment that left the ERP's warehouse is booked in the store once, with one mail.

A fulfillment and a shipment belong together when they share a tracking number, else when they are the only ones
of their order. What left for an order that the store has cancelled meanwhile can never be booked there: it is
counted apart, since it is a case for a person.

A pair is compared by units and tracking numbers. A mail is early when it left before its fulfillment did, or when
no fulfillment that left explains its shipment at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from erp_sync.sandbox.checker.sources import Conventions, grouped, spread
from erp_sync.sandbox.files import SystemFiles, commit_times, number, reading

Row = dict[str, Any]

SHIPPED = "C"
MAIL = "shipment"


@dataclass
class Shipments:
    """What is known of shipments. Lists name the ERP's fulfillments (tranid) or the store's shipments."""

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
    unbooked: list[int] = field(default_factory=list)  # internal ids of fulfillments the store has not booked yet
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
    store: SystemFiles, erp: SystemFiles, erp_orders: dict[int, str], conventions: Conventions
) -> Shipments:
    """Figures about shipments.

    Arguments:
        erp_orders: internal id of the ERP's order to the store's order number, of orders that are in both.
    """
    found = Shipments()
    fulfillments = _fulfillments(erp, erp_orders)
    shipments, mails = _shipments(store, conventions)
    cancelled = _cancelled_orders(store)
    left = _left_times(erp)
    booked = commit_times(store.journal, "shipment")
    by_order = grouped(shipments, itemgetter("order"))
    matched: set[int] = set()
    of_fulfillment: dict[int, list[Row]] = {}
    for order, group in grouped(fulfillments, itemgetter("order")).items():
        there = by_order.get(order, [])
        for one in group:
            same = [shipment for shipment in there if shipment["tracks"] & one["tracks"]]
            if not same and len(group) == len(there) == 1:
                same = there
            of_fulfillment[one["id"]] = same
            matched |= {shipment["id"] for shipment in same}
    found.fulfilled, found.booked = len(fulfillments), len(shipments)
    for shipment in shipments:
        if shipment["id"] not in matched:
            found.unexplained.append(shipment["number"])
            found.mails_early += [shipment["number"]] * len(mails.get(shipment["id"], []))
    _compare(found, fulfillments, of_fulfillment)
    for one in fulfillments:
        same = of_fulfillment[one["id"]]
        if not same and one["order"] in cancelled:
            found.of_cancelled.append(one["name"])
            continue
        if not same:
            found.missing.append(one["name"])
            found.unbooked.append(one["id"])
        if len(same) > 1:
            found.booked_twice.append(one["name"])
        gone = min((moment for key in one["keys"] for moment in left.get(key, ())), default=None)
        arrived = min((moment for shipment in same for moment in booked.get(shipment["number"], ())), default=None)
        if gone is not None and arrived is not None:
            found.latencies[one["name"]] = arrived - gone
        _mails(found, one, [mail for shipment in same for mail in mails.get(shipment["id"], [])], gone)
    found.mails = sum(map(len, mails.values()))
    return found


def _compare(found: Shipments, fulfillments: Sequence[Row], of_fulfillment: dict[int, list[Row]]) -> None:
    """Units and tracking numbers of what belongs together; one shipment may stand for several fulfillments."""
    by_shipment: dict[int, list[Row]] = {}
    for one in fulfillments:
        for shipment in of_fulfillment[one["id"]]:
            by_shipment.setdefault(shipment["id"], []).append(one)
    for one in fulfillments:
        there = of_fulfillment[one["id"]]
        if not there:
            continue
        together = {other["id"]: other for shipment in there for other in by_shipment[shipment["id"]]}
        left, booked = _units(together.values()), _units(there)
        said = [
            f"{sku}: {left.get(sku, 0)} left, {booked.get(sku, 0)} booked"
            for sku in sorted(set(left) | set(booked))
            if left.get(sku, 0) != booked.get(sku, 0)
        ]
        tracks = set().union(*(shipment["tracks"] for shipment in there))
        said += [f"parcel {track} not booked" for track in sorted(one["tracks"] - tracks)]
        if said:
            found.differing[one["name"]] = "; ".join(said)


def _units(documents: Iterable[Row]) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for document in documents:
        for sku, quantity in document["units"]:
            out[sku] = out.get(sku, Decimal(0)) + quantity
    return out


def _mails(found: Shipments, fulfillment: Row, mails: Sequence[Row], gone: float | None) -> None:
    """One mail for a fulfillment, which names its parcels, and one more for each later parcel."""
    if fulfillment["tracks"] - {track for mail in mails for track in mail["tracks"]} or not mails:
        found.mails_missing.append(fulfillment["name"])
    named: set[str] = set()
    for index, mail in enumerate(sorted(mails, key=lambda mail: mail["at"])):
        if gone is not None and mail["at"] < gone:
            found.mails_early.append(fulfillment["name"])
        if index and not mail["tracks"] - named:
            found.mails_twice.append(fulfillment["name"])
        named |= mail["tracks"]


def _fulfillments(erp: SystemFiles, orders: dict[int, str]) -> list[Row]:
    """Fulfillments that have left, of orders that the store has too."""
    with reading(erp.database) as database:
        rows = database.execute(
            'SELECT t.id, t.tranid, t.externalid, t.createdfrom FROM "transaction" AS t '
            "WHERE t.type = 'ItemShip' AND t.status = ? ORDER BY t.id",
            (SHIPPED,),
        ).fetchall()
        packages = grouped(
            database.execute(
                'SELECT "transaction", trackingnumber FROM fulfillmentpackage WHERE trackingnumber IS NOT NULL'
            ).fetchall(),
            itemgetter("transaction"),
        )
        units = grouped(
            database.execute(
                'SELECT line."transaction", item.itemid AS sku, line.quantity FROM transactionline AS line '
                'JOIN item ON item.id = line.item JOIN "transaction" AS t ON t.id = line."transaction" '
                "WHERE t.type = 'ItemShip' AND line.mainline = 'F' AND line.iscogs = 'F' AND line.kitcomponent = 'F'"
            ).fetchall(),
            itemgetter("transaction"),
        )
    return [
        {
            "id": row["id"],
            "name": row["tranid"],
            "order": orders[row["createdfrom"]],
            "keys": [key for key in (row["externalid"], str(row["id"])) if key],
            "tracks": {package["trackingnumber"] for package in packages.get(row["id"], [])},
            "units": [(line["sku"], abs(number(line["quantity"]))) for line in units.get(row["id"], [])],
        }
        for row in rows
        if row["createdfrom"] in orders
    ]


def _cancelled_orders(store: SystemFiles) -> set[str]:
    with reading(store.database) as database:
        rows = database.execute("SELECT increment_id FROM sales_order WHERE state = 'canceled'").fetchall()
    return {row["increment_id"] for row in rows}


def _left_times(erp: SystemFiles) -> dict[str, list[float]]:
    """When fulfillments were shipped: the commit that the ERP journals as such, else their creation."""
    return {**commit_times(erp.journal, "itemFulfillment"), **commit_times(erp.journal, "itemFulfillment", "ship")}


def _shipments(store: SystemFiles, conventions: Conventions) -> tuple[list[Row], dict[int, list[Row]]]:
    with reading(store.database) as database:
        rows = database.execute(
            "SELECT shipment.entity_id, shipment.increment_id, sales_order.increment_id AS order_number "
            "FROM sales_shipment AS shipment JOIN sales_order ON sales_order.entity_id = shipment.order_id"
        ).fetchall()
        tracks = grouped(
            database.execute("SELECT parent_id, track_number FROM sales_shipment_track").fetchall(),
            itemgetter("parent_id"),
        )
        # A bundle's own row stands for its parts, which have rows of their own.
        units = grouped(
            database.execute(
                "SELECT item.parent_id, item.sku, item.qty FROM sales_shipment_item AS item "
                "JOIN sales_order_item AS ordered ON ordered.item_id = item.order_item_id "
                "WHERE ordered.product_type <> 'bundle'"
            ).fetchall(),
            itemgetter("parent_id"),
        )
        mails = database.execute("SELECT * FROM sandbox_mail WHERE kind = ?", (MAIL,)).fetchall()
    shipments = [
        {
            "id": row["entity_id"],
            "number": row["increment_id"],
            "order": row["order_number"],
            "tracks": {track["track_number"] for track in tracks.get(row["entity_id"], [])},
            "units": [(conventions.sku(item["sku"]), number(item["qty"])) for item in units.get(row["entity_id"], [])],
        }
        for row in rows
    ]
    sent = [
        {
            "shipment": mail["document_id"],
            "tracks": _numbers(json.loads(mail["tracks"])),
            "at": datetime.fromisoformat(mail["wall_at"]).timestamp(),
        }
        for mail in mails
    ]
    return shipments, grouped(sent, itemgetter("shipment"))


def _numbers(tracks: Sequence[Any]) -> set[str]:
    """Tracking numbers of a mail, whose tracks are texts or records with a number."""
    return {
        str(track.get("track_number") or track.get("number")) if isinstance(track, dict) else str(track)
        for track in tracks
    }
