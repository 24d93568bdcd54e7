"""What single stores' orders take of the stock: committed, picked, and shipped a short while ago.

A store's orders are those whose external id begins with the name of its connection (`mapping.identity`).
Columns: transactionline.quantitycommitted, createdfrom, iscogs and the status letters A, B and C of item
fulfillments (Oracle NetSuite help, Pick, Pack, and Ship: only C lowers on hand). That picking moves a line's
committed quantity to the fulfillment while the item's stays committed is unconfirmed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.money import decimal_of
from erp_sync.ports.raw import Window
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient
from erp_sync.systems.netsuite.mapping.identity import external_id

# Fulfillments younger than this are read with the stock; older ones the shipments flow has received.
LATELY_HOURS = 2.0

# (item, location) -> store's position -> fulfillment id -> quantity
Shipped = dict[tuple[str, str], dict[int, dict[str, Decimal]]]


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

    def columns(self) -> str:
        """Further columns of a query on `aggregateitemlocation ail`, read in the same statement as its quantities."""
        return "".join(
            f", {self._committed(prefix)} AS committed_{position}, {self._picked(prefix)} AS picked_{position}"
            for position, prefix in enumerate(self._prefixes)
        )

    def _committed(self, prefix: str) -> str:
        return (
            "(SELECT SUM(tl.quantitycommitted) FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
            "WHERE tl.item = ail.item AND tl.location = ail.location AND t.type = 'SalesOrd' "
            f"AND {_begins('t.externalid', prefix)})"
        )

    def _picked(self, prefix: str) -> str:
        return (
            "(SELECT SUM(tl.quantity) FROM transactionline tl JOIN transaction t ON t.id = tl.transaction "
            "JOIN transaction o ON o.id = tl.createdfrom WHERE tl.item = ail.item AND tl.location = ail.location "
            "AND t.type = 'ItemShip' AND t.status IN ('A', 'B', 'ItemShip:A', 'ItemShip:B') "
            f"AND {_begins('o.externalid', prefix)})"
        )

    def shipped_lately(self, now: datetime) -> Shipped:
        """Fulfillments of the stores' orders that left lately. To be read before the quantities."""
        found: Shipped = {}
        if not self.stores:
            return found
        window = Window(start=now - self._lately, end=now + timedelta(days=1))
        last: tuple[str, str] | None = None
        while True:
            rows = self._client.query(self._statement(window, last), operation="stock_level.read_shipped", poll=True)
            for row in rows:
                store = self._store(str(row.get("order_key") or ""))
                if store is None:
                    continue
                place = found.setdefault((str(row["item"]), str(row["location"])), {}).setdefault(store, {})
                quantity = abs(decimal_of(row.get("quantity") or 0))
                place[str(row["id"])] = place.get(str(row["id"]), Decimal(0)) + quantity
            if len(rows) < PAGE:
                return found
            last = (str(rows[-1]["id"]), str(rows[-1]["line"]))

    def _statement(self, window: Window, last: tuple[str, str] | None) -> str:
        conditions = [
            "t.type = 'ItemShip'",
            "t.status IN ('C', 'ItemShip:C')",
            "tl.mainline = 'F'",
            "tl.iscogs = 'F'",
            "tl.item IS NOT NULL",
            "tl.location IS NOT NULL",
            suiteql.within("t.lastmodifieddate", window, self._zone),
        ]
        if last is not None:
            conditions.append(suiteql.after(("t.id", "tl.id"), last))
        return (
            "SELECT t.id, tl.id AS line, tl.item, tl.location, tl.quantity, o.externalid AS order_key "
            "FROM transaction t JOIN transactionline tl ON tl.transaction = t.id "
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


def _begins(column: str, prefix: str) -> str:
    return f"SUBSTR({column}, 1, {len(prefix)}) = {suiteql.text(prefix)}"
