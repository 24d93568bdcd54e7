"""What a NetSuite account keeps, as the checker judges it: read from its tables and the sandbox's journal."""

from __future__ import annotations

from typing import Any, Literal

from erp_sync.sandbox.evidence import Deposit, ErpLine, ErpOrder, ErpTax
from erp_sync.sandbox.files import SystemFiles, by_first, commit_times, moments_of, number, opened

# Status of a sales order, by the letter of `transaction.status`.
_STATES: dict[str, Literal["cancelled", "closed"]] = {"C": "cancelled", "H": "closed"}


class Erp:
    """`erp_sync.sandbox.evidence.ErpEvidence` of an account."""

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
