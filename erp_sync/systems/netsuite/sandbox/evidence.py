"""What a NetSuite account keeps, as the checker judges it: read from its tables and the sandbox's journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from erp_sync.sandbox.evidence import (
    Deposit,
    ErpEvidence,
    ErpLine,
    ErpOrder,
    ErpShipment,
    ErpTax,
    Id,
    StockChange,
    Units,
)
from erp_sync.sandbox.files import SystemFiles, by_first, commit_times, moments_of, number, opened

# Status of a sales order, by the letter of `transaction.status`.
_STATES: dict[str, Literal["cancelled", "closed"]] = {"C": "cancelled", "H": "closed"}

# Of a fulfillment: shipped, after picked (A) and packed (B).
_SHIPPED = "C"
_STOCKED = ("InvtPart", "Assembly")


class Erp(ErpEvidence):
    """Of an account."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files

    def orders(self) -> list[ErpOrder]:
        with opened(self._files.database) as database:
            orders = database.execute(
                "SELECT id, tranid, externalid, otherrefnum, status, currency, foreigntotal, taxtotal, shippingcost "
                "FROM \"transaction\" WHERE type = 'SalesOrd'"
            ).fetchall()
            lines = database.execute(
                'SELECT line."transaction", line.id, item.itemid, line.itemtype, line.quantity, line.foreignamount, '
                "line.quantityshiprecv, line.quantitypicked, line.isclosed, line.fulfillable "
                'FROM transactionline AS line JOIN "transaction" AS t '
                "ON t.id = line.\"transaction\" AND t.type = 'SalesOrd' LEFT JOIN item ON item.id = line.item "
                "WHERE line.mainline = 'F' AND line.taxline = 'F' AND line.kitcomponent = 'F' "
                "AND line.donotdisplayline = 'F' ORDER BY line.linesequencenumber, line.id"
            ).fetchall()
            taxes = database.execute('SELECT "transaction", taxrate, taxamount FROM transactiontaxdetail').fetchall()
            deposits = database.execute(
                "SELECT salesorder, externalid, id, payment FROM \"transaction\" WHERE type = 'CustDep' "
                "AND voided = 'F' AND salesorder IS NOT NULL"
            ).fetchall()
            currencies = dict(database.execute("SELECT id, symbol FROM currency"))
        created = commit_times(self._files.journal, "salesOrder")
        updated = commit_times(self._files.journal, "salesOrder", "update")
        lines_of, taxes_of, deposits_of = by_first(lines), by_first(taxes), by_first(deposits)
        return [
            ErpOrder(
                id=id,
                name=name,
                key=key or "",
                reference=reference or "",
                state=_STATES.get(status, "open"),
                currency=currencies.get(currency, str(currency)),
                total=number(total),
                tax=number(tax),
                shipping=number(shipping),
                created_at=min(moments_of(created, key, id), default=None),
                changed=bool(moments_of(updated, key, id)),
                lines=[_line(row) for row in lines_of.get(id, ())],
                taxes=[ErpTax(number(rate), number(amount)) for _, rate, amount in taxes_of.get(id, ())],
                deposits=[Deposit(own or row, number(paid)) for _, own, row, paid in deposits_of.get(id, ())],
            )
            for id, name, key, reference, status, currency, total, tax, shipping in orders
        ]

    def customers_twice(self) -> list[str]:
        with opened(self._files.database) as database:
            rows = database.execute(
                "SELECT lower(email) FROM customer WHERE email IS NOT NULL AND isinactive = 'F' "
                "GROUP BY lower(email), coalesce(subsidiary, 0) HAVING count(*) > 1"
            ).fetchall()
        return [email for (email,) in rows]

    def shipments(self) -> list[ErpShipment]:
        with opened(self._files.database) as database:
            rows = database.execute(
                'SELECT id, tranid, externalid, createdfrom FROM "transaction" '
                "WHERE type = 'ItemShip' AND status = ? ORDER BY id",
                (_SHIPPED,),
            ).fetchall()
            packages = by_first(
                database.execute(
                    'SELECT "transaction", trackingnumber FROM fulfillmentpackage WHERE trackingnumber IS NOT NULL'
                )
            )
            lines = by_first(
                database.execute(
                    'SELECT line."transaction", item.itemid, item.itemtype, line.kitcomponent, line.location, '
                    "line.quantity FROM transactionline AS line JOIN item ON item.id = line.item "
                    'JOIN "transaction" AS t ON t.id = line."transaction" '
                    "WHERE t.type = 'ItemShip' AND line.mainline = 'F' AND line.iscogs = 'F'"
                )
            )
        # When it was shipped, where the journal has that apart, else when it was made.
        left = commit_times(self._files.journal, "itemFulfillment")
        left |= commit_times(self._files.journal, "itemFulfillment", "ship")
        return [
            ErpShipment(
                id=id,
                name=name,
                order=order,
                left_at=min(moments_of(left, key, id), default=None),
                tracks={track for _, track in packages.get(id, ())},
                # A kit is shipped, its parts are taken from the shelves.
                units=[
                    (sku, abs(number(quantity)))
                    for _, sku, _, part_of_kit, _, quantity in lines.get(id, ())
                    if part_of_kit == "F"
                ],
                taken=[
                    Units(sku, place, abs(number(quantity)))
                    for _, sku, kind, _, place, quantity in lines.get(id, ())
                    if kind in _STOCKED
                ],
            )
            for id, name, key, order in rows
        ]

    def places(self) -> dict[Id, str]:
        with opened(self._files.database) as database:
            rows = database.execute("SELECT id, name, externalid FROM location").fetchall()
        return {id: str(key or name) for id, name, key in rows}

    def stocked(self) -> dict[str, bool]:
        with opened(self._files.database) as database:
            rows = database.execute("SELECT itemid, isinactive FROM item WHERE itemtype IN (?, ?)", _STOCKED).fetchall()
        return {sku: inactive == "F" for sku, inactive in rows}

    def on_hand(self) -> list[Units]:
        with opened(self._files.database) as database:
            rows = database.execute(
                "SELECT item.itemid, level.location, level.quantityonhand FROM aggregateitemlocation AS level "
                "JOIN item ON item.id = level.item"
            ).fetchall()
        return [Units(sku, place, number(quantity)) for sku, place, quantity in rows]

    def committed(self) -> list[tuple[Id, Units]]:
        with opened(self._files.database) as database:
            rows = database.execute(
                "SELECT t.id, item.itemid, line.location, line.quantitycommitted "
                'FROM transactionline AS line JOIN "transaction" AS t ON t.id = line."transaction" '
                "JOIN item ON item.id = line.item "
                "WHERE t.type = 'SalesOrd' AND line.quantitycommitted IS NOT NULL AND line.location IS NOT NULL"
            ).fetchall()
        return [(order, Units(sku, place, number(quantity))) for order, sku, place, quantity in rows]

    def prices(self, price_list: Id) -> dict[str, Decimal]:
        """The list is a price level's id."""
        with opened(self._files.database) as database:
            rows = database.execute(
                "SELECT item.itemid, itemprice.price FROM itemprice JOIN item ON item.id = itemprice.item "
                "WHERE itemprice.pricelevel = ? AND CAST(itemprice.quantity AS REAL) = 0 AND itemprice.currency = 1 "
                "AND item.isinactive = 'F' AND itemprice.price IS NOT NULL",
                (price_list,),
            ).fetchall()
        return {sku: number(price) for sku, price in rows}

    def adjustments(self) -> list[StockChange]:
        return self._moved("InvAdjst", commit_times(self._files.journal, "inventoryAdjustment"))

    def withdrawals(self) -> list[StockChange]:
        made = commit_times(self._files.journal, "itemFulfillment")
        left = commit_times(self._files.journal, "itemFulfillment", "ship")
        return self._moved("ItemShip", made, left)

    def price_changes(self) -> dict[str, list[float]]:
        changed = commit_times(self._files.journal, "inventoryItem", "update")
        with opened(self._files.database) as database:
            items = database.execute("SELECT itemid, externalid, id FROM item").fetchall()
        return {sku: moments_of(changed, key, id) for sku, key, id in items}

    def _moved(self, kind: str, *times: dict[str, list[float]]) -> list[StockChange]:
        with opened(self._files.database) as database:
            rows = database.execute(
                'SELECT t.id, t.externalid, item.itemid, line.location FROM "transaction" AS t '
                'JOIN transactionline AS line ON line."transaction" = t.id JOIN item ON item.id = line.item '
                "WHERE t.type = ? AND line.mainline = 'F'",
                (kind,),
            ).fetchall()
        return [
            StockChange(sku, place, sorted(moment for one in times for moment in moments_of(one, key, id)))
            for id, key, sku, place in rows
        ]


def _line(row: tuple[Any, ...]) -> ErpLine:
    _, id, sku, kind, quantity, amount, shipped, picked, closed, fulfillable = row
    # What is sold has negative figures, as in the account's books.
    return ErpLine(
        sku=sku or f"line {id}",
        lowers=kind == "Discount",
        quantity=None if quantity is None else -number(quantity),
        amount=-number(amount),
        shipped=number(shipped),
        picked=number(picked),
        closed=closed == "T",
        deliverable=fulfillable == "T",
    )
