"""Automatic Location Assignment: NetSuite gives a fulfilment location to order lines that have none.

Locations are assigned after approval, in the background (Oracle NetSuite help, "Assigning Locations
Automatically in a Sales Order"); a line with a location is left alone. The rule here is one that accounts
commonly configure: a location that can fill the whole line, the fullest first; else the fullest
("Automatic Location Assignment Configurations"; how ties are broken is unconfirmed).
"""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.netsuite.sandbox import stock
from erp_sync.systems.netsuite.sandbox.session import Session


def assign(session: Session) -> int:
    """Assign every line that waits for a location, and commit stock to it; gives how many lines."""
    lines = session.store.all(
        """SELECT l.* FROM transactionline l JOIN "transaction" t ON t.id = l."transaction"
           WHERE t.type = 'SalesOrd' AND t.status IN ('B', 'D', 'E') AND l.mainline = 'F' AND l.item IS NOT NULL
             AND l.location IS NULL AND l.fulfillable = 'T' AND l.isclosed = 'F'
           ORDER BY t.id, l.id"""
    )
    if not lines:
        return 0
    places = [row["id"] for row in session.store.all("SELECT id FROM location WHERE isinactive = 'F' ORDER BY id")]
    touched: set[int] = set()
    for line in lines:
        wanted = stock.open_quantity(line)
        location = _best(session, line["item"], wanted, places)
        if location is None:
            continue
        keys = {"transaction": line["transaction"], "id": line["id"]}
        session.store.update("transactionline", keys, location=location, linelastmodifieddate=session.now)
        assigned = session.store.one(
            'SELECT * FROM transactionline WHERE "transaction" = ? AND id = ?', line["transaction"], line["id"]
        )
        assert assigned is not None
        stock.commit_line(session, assigned, wanted)
        touched.add(line["transaction"])
    for order in sorted(touched):
        session.store.update("transaction", {"id": order}, lastmodifieddate=session.now)
    return len(lines)


def _best(session: Session, item: int, wanted: Decimal, places: list[int]) -> int | None:
    parts = stock.components(session, item)
    if not parts or not places:
        return None

    def room(location: int) -> Decimal:
        return min(stock.available(session, part, location) / per for part, per in parts)

    rooms = {location: room(location) for location in places}
    return max(places, key=lambda location: (rooms[location] >= wanted, rooms[location], -location))
