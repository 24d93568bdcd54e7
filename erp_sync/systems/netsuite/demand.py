"""What single stores' orders take of the stock: committed, picked, and shipped a short while ago.

A store's orders are those whose external id begins with the name of its connection (`mapping.identity`), and those
that were adopted from before without one: by internal id, as the cross references know them.
Columns: transactionline.quantitycommitted, createdfrom, iscogs and the status letters A, B and C of item
fulfillments (Oracle NetSuite help, Pick, Pack, and Ship: only C lowers on hand). That picking moves a line's
committed quantity to the fulfillment while the item's stays committed is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.ports.raw import Window
from erp_sync.ports.state import StoreOrder
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient
from erp_sync.systems.netsuite.mapping.identity import external_id
from erp_sync.systems.netsuite.rows import Row

# Fulfillments younger than this are read with the stock; older ones the shipments flow has received.
LATELY_HOURS = 2.0

# (item, location) -> store's position -> fulfillment id -> quantity
Shipped = dict[tuple[str, str], dict[int, dict[str, Decimal]]]


# Of these nothing is committed any more: cancelled, pending billing, billed, closed (fact sheet, status letters).
FINISHED = tuple(f"{prefix}{letter}" for letter in "CFGH" for prefix in ("", "SalesOrd:"))


class Adopted(msgspec.Struct, frozen=True):
    """Orders that are a store's without its key: store's position and moment of adoption by internal id, and by
    position those that still take stock."""

    stores: dict[str, tuple[int, datetime]] = {}
    open: dict[int, list[str]] = {}

    def became_known(self, start: datetime) -> list[str]:
        """Those open ones that were adopted since."""
        return [order for orders in self.open.values() for order in orders if self.stores[order][1] >= start]


class StoreDemand:
    """Columns and readings for the stores of setting ``source_connections``; nothing without it.

    Setting ``recent_shipment_hours``: how far back fulfillments are read with the stock, default 2.
    """

    def __init__(self, client: NetSuiteClient) -> None:
        settings = client.connection.settings
        self._client = client
        self._zone = ZoneInfo(client.connection.time_zone)
        self.stores: tuple[str, ...] = tuple(settings.get("source_connections") or ())
        self._prefixes = [external_id(store) + "_" for store in self.stores]
        self._lately = timedelta(hours=float(settings.get("recent_shipment_hours", LATELY_HOURS)))
        self._orders: Callable[[], Mapping[str, StoreOrder]] = dict

    def recognise(self, orders: Callable[[], Mapping[str, StoreOrder]]) -> None:
        """See `ports.state.TellsDemand`."""
        self._orders = orders

    def adopted(self) -> Adopted:
        """To be read before the quantities. One query for 1,000 open orders of their time that are of no store, none
        where nothing was adopted. One that is finished in between takes nothing any more, whatever is said here."""
        stores = {
            order: (self.stores.index(known.store), known.since)
            for order, known in self._orders().items()
            if known.store in self.stores
        }
        found: dict[int, list[str]] = {}
        if not stores:
            return Adopted()
        first, last = min(stores, key=int), max(stores, key=int)
        conditions = [
            "t.type = 'SalesOrd'",
            f"t.status NOT IN ({suiteql.texts(FINISHED)})",
            f"t.id <= {suiteql.number(last)}",
            *(f"(t.externalid IS NULL OR NOT {_begins('t.externalid', prefix)})" for prefix in self._prefixes),
        ]
        bound = f"t.id >= {suiteql.number(first)}"
        while True:
            rows = self._client.query(
                f"SELECT t.id FROM transaction t WHERE {' AND '.join([*conditions, bound])} ORDER BY t.id",
                operation="stock_level.read_adopted",
                poll=True,
            )
            for row in rows:
                if (order := str(row["id"])) in stores:
                    found.setdefault(stores[order][0], []).append(order)
            if len(rows) < PAGE:
                return Adopted(stores, found)
            bound = f"t.id > {suiteql.number(str(rows[-1]['id']))}"

    def columns(self, adopted: Adopted) -> str:
        """Further columns of a query on `aggregateitemlocation ail`, read in the same statement as its quantities."""
        columns = ""
        for position, prefix in enumerate(self._prefixes):
            orders = adopted.open.get(position, [])
            columns += f", {self._committed(_of_store('t', prefix, orders))} AS committed_{position}"
            columns += f", {self._picked(_of_store('o', prefix, orders))} AS picked_{position}"
        return columns

    def _committed(self, of_store: str) -> str:
        return (
            "(SELECT SUM(tl.quantitycommitted) FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
            "WHERE tl.item = ail.item AND tl.location = ail.location AND t.type = 'SalesOrd' "
            f"AND {of_store})"
        )

    def _picked(self, of_store: str) -> str:
        return (
            "(SELECT SUM(tl.quantity) FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
            "JOIN transaction o ON o.id = tl.createdfrom WHERE tl.item = ail.item AND tl.location = ail.location "
            "AND t.type = 'ItemShip' AND t.status IN ('A', 'B', 'ItemShip:A', 'ItemShip:B') "
            f"AND {of_store})"
        )

    def shipped_lately(self, now: datetime, adopted: Adopted, items: str = "") -> Shipped:
        """Fulfillments of the stores' orders that left lately. To be read before the quantities.

        `items`: internal ids, or a query for them, of the items that are asked for; "" for all.
        """
        found: Shipped = {}
        for rows in self._pages(now, items):
            self._add(found, rows, adopted)
        return found

    def shipped_on_a_page(self, now: datetime, adopted: Adopted) -> Shipped | None:
        """The same of all items, where one page holds it; else None."""
        found: Shipped = {}
        for rows in self._pages(now, ""):
            if len(rows) == PAGE:
                return None
            self._add(found, rows, adopted)
        return found

    def _pages(self, now: datetime, items: str) -> Iterator[list[Row]]:
        window = Window(start=now - self._lately, end=now + timedelta(days=1))
        last: tuple[str, str] | None = None
        while self.stores:
            statement = self._statement(window, last, items)
            rows = self._client.query(statement, operation="stock_level.read_shipped", poll=True)
            yield rows
            if len(rows) < PAGE:
                return
            last = (str(rows[-1]["id"]), str(rows[-1]["line"]))

    def _add(self, found: Shipped, rows: Sequence[Row], adopted: Adopted) -> None:
        for row in rows:
            store = self._store(str(row.get("order_key") or ""))
            if store is None and (known := adopted.stores.get(str(row["order_id"]))):
                store = known[0]
            if store is None:
                continue
            place = found.setdefault((str(row["item"]), str(row["location"])), {}).setdefault(store, {})
            quantity = abs(decimal_of(row.get("quantity") or 0))
            place[str(row["id"])] = place.get(str(row["id"]), Decimal(0)) + quantity

    def _statement(self, window: Window, last: tuple[str, str] | None, items: str) -> str:
        conditions = [
            "t.type = 'ItemShip'",
            "t.status IN ('C', 'ItemShip:C')",
            "tl.mainline = 'F'",
            "tl.iscogs = 'F'",
            "tl.item IS NOT NULL",
            "tl.location IS NOT NULL",
            suiteql.within("t.lastmodifieddate", window, self._zone),
        ]
        if items:
            conditions.append(f"tl.item IN ({items})")
        if last is not None:
            conditions.append(suiteql.after(("t.id", "tl.id"), last))
        return (
            "SELECT t.id, tl.id AS line, tl.item, tl.location, tl.quantity, o.id AS order_id, "
            "o.externalid AS order_key FROM transaction t JOIN transactionline tl ON tl.transaction = t.id "
            f"JOIN transaction o ON o.id = tl.createdfrom WHERE {' AND '.join(conditions)} ORDER BY t.id, tl.id"
        )

    def _store(self, key: str) -> int | None:
        matching = [at for at, prefix in enumerate(self._prefixes) if key.startswith(prefix)]
        return max(matching, key=lambda at: len(self._prefixes[at]), default=None)

    def of(self, row: dict[str, Any], shipped: Shipped) -> list[dict[str, Any]]:
        """The payload's ``demands`` of a stock row; takes this class's columns out of the row."""
        gone = shipped.get((str(row["item"]), str(row["location"])), {})
        demands = []
        for position, store in enumerate(self.stores):
            taken, carried = row.pop(f"committed_{position}", None), row.pop(f"picked_{position}", None)
            left = gone.get(position, {})
            if not (taken or carried or left):
                continue
            committed, picked = decimal_of(taken or 0), abs(decimal_of(carried or 0))
            if committed or picked or left:
                demands.append(
                    {
                        "channel": store,
                        "allocated": str(committed + picked),
                        "shipped": {shipment: str(quantity) for shipment, quantity in sorted(left.items())},
                    }
                )
        return demands


def _of_store(order: str, prefix: str, adopted: list[str]) -> str:
    """Condition that a sales order is the store's."""
    named = _begins(f"{order}.externalid", prefix)
    return f"({named} OR {suiteql.numbers_in(f'{order}.id', adopted)})" if adopted else named


def _begins(column: str, prefix: str) -> str:
    return f"SUBSTR({column}, 1, {len(prefix)}) = {suiteql.text(prefix)}"
