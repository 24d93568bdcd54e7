"""What the store and the ERP keep of orders, as read from their databases."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.remainder import open_units, remainder, shipped_units
from erp_sync.sandbox.checker.sources import Conventions, Row, SystemFiles, grouped, number, reading


@dataclass
class Shop:
    """The store's orders; their rows, payments and taxes by the order's entity id."""

    orders: list[Row]
    items: dict[int, list[Row]]
    payments: dict[int, list[Row]]
    taxes: dict[int, list[Row]]

    @classmethod
    def read(cls, files: SystemFiles, conventions: Conventions) -> Shop:
        with reading(files.database) as database:
            orders = database.execute("SELECT * FROM sales_order ORDER BY entity_id").fetchall()
            items = database.execute("SELECT * FROM sales_order_item ORDER BY item_id").fetchall()
            payments = database.execute("SELECT * FROM sales_order_payment").fetchall()
            taxes = database.execute(
                "SELECT tax.order_id, item.item_id, item.tax_percent AS percent, item.real_amount AS amount "
                "FROM sales_order_tax AS tax JOIN sales_order_tax_item AS item USING (tax_id)"
            ).fetchall()
        if conventions.store_ids:
            orders = [order for order in orders if order["store_id"] in conventions.store_ids]
        return cls(orders, grouped(items, "order_id"), grouped(payments, "parent_id"), grouped(taxes, "order_id"))

    def anything_left(self, order: Row) -> bool:
        """Whether a unit of the order is still to be delivered, or was."""
        entity = order["entity_id"]
        left = remainder(order, self.items.get(entity, []), self.taxes.get(entity, []))
        return left is None or not left.nothing

    def lost_any(self, order: Row) -> bool:
        """Whether a unit was cancelled, or refunded and never shipped."""
        entity = order["entity_id"]
        return remainder(order, self.items.get(entity, []), self.taxes.get(entity, [])) is not None

    def open_units(self, order: Row, conventions: Conventions) -> dict[str, Decimal]:
        """Units by the ERP's SKU that the store would still let leave; none of a cancelled order."""
        if order["state"] == "canceled":
            return {}
        return _mapped(open_units(self.items.get(order["entity_id"], [])), conventions)

    def shipped_units(self, order: Row, conventions: Conventions) -> dict[str, Decimal]:
        """Units by the ERP's SKU that have left by the store's count."""
        return _mapped(shipped_units(self.items.get(order["entity_id"], [])), conventions)

    def most_deposits(self, order: Row) -> int:
        """How many payments the order has at most: its methods, each gift card, store credit."""
        count = len(self.payments.get(order["entity_id"], []))
        count += number(order.get("customer_balance_amount")) > 0
        if number(order.get("gift_cards_amount")) > 0:
            count += max(1, str(order.get("gift_cards") or "").count('"code"'))
        return int(count)


def _mapped(units: dict[str, Decimal], conventions: Conventions) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for sku, quantity in units.items():
        found[conventions.sku(sku)] = found.get(conventions.sku(sku), Decimal(0)) + quantity
    return found


def beyond(units: dict[str, Decimal], most: dict[str, Decimal]) -> bool:
    """Whether there are more of an SKU than there may be."""
    return any(quantity > most.get(sku, Decimal(0)) for sku, quantity in units.items())


@dataclass
class Books:
    """The ERP's sales orders; their lines, taxes and deposits by the order's internal id."""

    orders: list[Row]
    by_external: dict[str, list[Row]]
    by_reference: dict[str, list[Row]]
    lines: dict[int, list[Row]]
    taxes: dict[int, list[Row]]
    deposits: dict[int, list[Row]]
    customers_twice: list[str]
    currencies: dict[int, str]

    @classmethod
    def read(cls, files: SystemFiles) -> Books:
        with reading(files.database) as database:
            orders = database.execute("SELECT * FROM \"transaction\" WHERE type = 'SalesOrd'").fetchall()
            lines = database.execute(
                'SELECT line.*, item.itemid AS sku FROM transactionline AS line JOIN "transaction" AS t '
                "ON t.id = line.\"transaction\" AND t.type = 'SalesOrd' LEFT JOIN item ON item.id = line.item "
                "WHERE line.mainline = 'F' AND line.taxline = 'F' AND line.kitcomponent = 'F' "
                "AND line.donotdisplayline = 'F' ORDER BY line.linesequencenumber, line.id"
            ).fetchall()
            taxes = database.execute("SELECT * FROM transactiontaxdetail").fetchall()
            deposits = database.execute(
                "SELECT id, externalid, salesorder, payment FROM \"transaction\" WHERE type = 'CustDep' "
                "AND voided = 'F' AND salesorder IS NOT NULL"
            ).fetchall()
            twice = database.execute(
                "SELECT lower(email) AS email FROM customer WHERE email IS NOT NULL AND isinactive = 'F' "
                "GROUP BY lower(email), coalesce(subsidiary, 0) HAVING count(*) > 1"
            ).fetchall()
            currencies = database.execute("SELECT id, symbol FROM currency").fetchall()
        return cls(
            orders,
            grouped((row for row in orders if row["externalid"]), "externalid"),
            grouped((row for row in orders if row["otherrefnum"]), "otherrefnum"),
            grouped(lines, "transaction"),
            grouped(taxes, "transaction"),
            grouped(deposits, "salesorder"),
            [row["email"] for row in twice],
            {row["id"]: row["symbol"] for row in currencies},
        )

    def given_up(self, row: Row) -> bool:
        """Cancelled, or closed with nothing shipped."""
        return row["status"] == "C" or (row["status"] == "H" and not self.shipped(row))

    def open_units(self, row: Row) -> dict[str, Decimal]:
        """Units by SKU that a warehouse could still ship of it."""
        found: dict[str, Decimal] = {}
        if row["status"] in ("C", "H"):
            return found
        for line in self.lines.get(row["id"], []):
            if line["isclosed"] != "T" and line["fulfillable"] == "T" and line["quantity"] is not None:
                left = abs(number(line["quantity"])) - number(line["quantityshiprecv"])
                if left > 0:
                    found[line["sku"]] = found.get(line["sku"], Decimal(0)) + left
        return found

    def shipped_units(self, row: Row) -> dict[str, Decimal]:
        """Units by SKU that have left."""
        return self._units(row, "quantityshiprecv")

    def picked_units(self, row: Row) -> dict[str, Decimal]:
        """Units by SKU that have left or are being packed."""
        return self._units(row, "quantitypicked")

    def _units(self, row: Row, column: str) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for line in self.lines.get(row["id"], []):
            if number(line[column]):
                found[line["sku"]] = found.get(line["sku"], Decimal(0)) + number(line[column])
        return found

    def closed_units(self, row: Row) -> dict[str, Decimal]:
        """Units by SKU of which every line is closed."""
        lines = self.lines.get(row["id"], [])
        still = {line["sku"] for line in lines if line["isclosed"] != "T"}
        found: dict[str, Decimal] = {}
        for line in lines:
            if line["sku"] not in still and line["quantity"] is not None:
                found[line["sku"]] = found.get(line["sku"], Decimal(0)) + abs(number(line["quantity"]))
        return found

    def shipped(self, row: Row) -> bool:
        """Whether anything of the order has left."""
        return any(number(line["quantityshiprecv"]) for line in self.lines.get(row["id"], []))
