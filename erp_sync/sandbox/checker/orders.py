"""Orders: what was placed, what the ERP has, what is claimed, and whether amounts agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.checker.sources import (
    Claim,
    Conventions,
    Row,
    SystemFiles,
    commit_times,
    grouped,
    number,
    reading,
    spread,
)

_CLOSED_IN_ERP = ("C", "H")


@dataclass
class Difference:
    """Two values that should agree. `part` is header, lines, tax, shipping or payments."""

    order: str
    part: str
    what: str
    store: str
    erp: str


@dataclass
class Orders:
    """What is known of orders. Lists hold order numbers of the store."""

    placed: list[str] = field(default_factory=list)
    in_erp: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    cancelled_open_in_erp: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    dead_lettered: dict[str, str] = field(default_factory=dict)
    false_claims: dict[str, str] = field(default_factory=dict)
    not_from_store: list[str] = field(default_factory=list)
    deposits_duplicated: list[str] = field(default_factory=list)
    customers_duplicated: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    latencies: dict[str, float] = field(default_factory=dict)
    without_time: list[str] = field(default_factory=list)
    erp_ids: dict[int, str] = field(default_factory=dict)  # internal id of the ERP's order to order number

    def figures(self) -> dict[str, Any]:
        parts = {part: 0 for part in ("header", "lines", "tax", "payments")}
        wrong = {(one.order, "header" if one.part == "shipping" else one.part) for one in self.differences}
        for _, part in wrong:
            parts[part] += 1
        return {
            "orders_placed": len(self.placed),
            "orders_in_erp": len(self.in_erp),
            "orders_held": len(self.held),
            "orders_dead_lettered": len(self.dead_lettered),
            "orders_cancelled": len(self.cancelled),
            "orders_duplicated": len(self.duplicated),
            "orders_lost": len(self.lost),
            "order_latency_s": spread(self.latencies.values()),
            "order_total_mismatches": {**parts, "orders": len({difference.order for difference in self.differences})},
            "false_claims": len(self.false_claims),
            "deposits_duplicated": len(self.deposits_duplicated),
            "customers_duplicated": len(self.customers_duplicated),
            "orders_not_from_store": len(self.not_from_store),
            "orders_cancelled_open_in_erp": len(self.cancelled_open_in_erp),
        }


def check_orders(store: SystemFiles, erp: SystemFiles, claims: Sequence[Claim], conventions: Conventions) -> Orders:
    """All figures about orders."""
    found = Orders()
    shop, books = _Shop.read(store, conventions), _Books.read(erp)
    matched: dict[str, list[Row]] = {}
    used: set[int] = set()
    for order in shop.orders:
        key, reference = conventions.external_id.format(**order), conventions.reference.format(**order)
        candidates = books.by_external.get(key, []) + books.by_reference.get(reference, [])
        by_id = {row["id"]: row for row in candidates}
        matched[order["increment_id"]] = list(by_id.values())
        found.erp_ids |= dict.fromkeys(by_id, order["increment_id"])
        used |= set(by_id)
    found.not_from_store = [row["tranid"] for row in books.orders if row["id"] not in used]
    _presence(found, shop, matched, claims)
    for order in shop.orders:
        rows = matched[order["increment_id"]]
        if len(rows) == 1 and order["state"] != "canceled":
            found.differences += _amounts(order, rows[0], shop, books, conventions)
        for row in rows:
            deposits = books.deposits.get(row["id"], [])
            if len({deposit["externalid"] or deposit["id"] for deposit in deposits}) > shop.most_deposits(order):
                found.deposits_duplicated.append(order["increment_id"])
    found.customers_duplicated = books.customers_twice
    _latencies(found, store, erp, matched)
    return found


def _presence(found: Orders, shop: _Shop, matched: dict[str, list[Row]], claims: Sequence[Claim]) -> None:
    claimed = {claim.order: claim for claim in claims}
    for order in shop.orders:
        name, rows = order["increment_id"], matched[order["increment_id"]]
        found.placed.append(name)
        if rows:
            found.in_erp.append(name)
        if len(rows) > 1:
            found.duplicated.append(name)
        if order["state"] == "canceled":
            found.cancelled.append(name)
            if any(row["status"] not in _CLOSED_IN_ERP for row in rows):
                found.cancelled_open_in_erp.append(name)
        claim = claimed.pop(name, None)
        if claim is not None and rows:
            found.false_claims[name] = f"claimed {claim.claim}, but the ERP has {rows[0]['tranid']}"
        elif claim is not None and claim.claim == "cancelled_pending" and order["state"] != "canceled":
            found.false_claims[name] = "claimed cancelled, but the store has it open"
            found.lost.append(name)
        elif claim is not None and claim.claim == "held":
            found.held[name] = claim.reason
        elif claim is not None and claim.claim == "dead_lettered":
            found.dead_lettered[name] = claim.reason
        elif claim is None and not rows and order["state"] != "canceled":
            found.lost.append(name)
    for name, claim in claimed.items():
        found.false_claims[name] = f"claimed {claim.claim}, but the store has no such order"


def _latencies(found: Orders, store: SystemFiles, erp: SystemFiles, matched: dict[str, list[Row]]) -> None:
    placed = commit_times(store.journal, "sales_order")
    created = commit_times(erp.journal, "salesOrder")
    for name, rows in matched.items():
        if not rows:
            continue
        begin = placed.get(name)
        ends = [
            moment
            for row in rows
            for key in (row["externalid"], str(row["id"]))
            if key
            for moment in created.get(key, ())
        ]
        if begin and ends:
            found.latencies[name] = min(ends) - begin[0]
        else:
            found.without_time.append(name)


# -- the two sides -----------------------------------------------------------------------------------------


@dataclass
class _Shop:
    orders: list[Row]
    items: dict[int, list[Row]]
    payments: dict[int, list[Row]]
    taxes: dict[int, list[Row]]

    @classmethod
    def read(cls, files: SystemFiles, conventions: Conventions) -> _Shop:
        with reading(files.database) as database:
            orders = database.execute("SELECT * FROM sales_order ORDER BY entity_id").fetchall()
            items = database.execute("SELECT * FROM sales_order_item ORDER BY item_id").fetchall()
            payments = database.execute("SELECT * FROM sales_order_payment").fetchall()
            taxes = database.execute(
                "SELECT tax.order_id, item.tax_percent AS percent, item.real_amount AS amount "
                "FROM sales_order_tax AS tax JOIN sales_order_tax_item AS item USING (tax_id)"
            ).fetchall()
        if conventions.store_ids:
            orders = [order for order in orders if order["store_id"] in conventions.store_ids]
        return cls(orders, grouped(items, "order_id"), grouped(payments, "parent_id"), grouped(taxes, "order_id"))

    def most_deposits(self, order: Row) -> int:
        """How many payments the order has at most: its methods, each gift card, store credit."""
        count = len(self.payments.get(order["entity_id"], []))
        count += number(order.get("customer_balance_amount")) > 0
        if number(order.get("gift_cards_amount")) > 0:
            count += max(1, str(order.get("gift_cards") or "").count('"code"'))
        return int(count)


@dataclass
class _Books:
    orders: list[Row]
    by_external: dict[str, list[Row]]
    by_reference: dict[str, list[Row]]
    lines: dict[int, list[Row]]
    taxes: dict[int, list[Row]]
    deposits: dict[int, list[Row]]
    customers_twice: list[str]

    @classmethod
    def read(cls, files: SystemFiles) -> _Books:
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
        return cls(
            orders,
            grouped((row for row in orders if row["externalid"]), "externalid"),
            grouped((row for row in orders if row["otherrefnum"]), "otherrefnum"),
            grouped(lines, "transaction"),
            grouped(taxes, "transaction"),
            grouped(deposits, "salesorder"),
            [row["email"] for row in twice],
        )


# -- amounts -----------------------------------------------------------------------------------------------


def _amounts(order: Row, row: Row, shop: _Shop, books: _Books, conventions: Conventions) -> list[Difference]:
    """Every amount of an order that differs between store and ERP."""
    name, out = order["increment_id"], []

    def compare(part: str, what: str, store: Decimal, erp: Decimal) -> None:
        if abs(store - erp) > conventions.tolerance:
            out.append(Difference(name, part, what, str(store), str(erp)))

    paid_otherwise = number(order.get("gift_cards_amount")) + number(order.get("customer_balance_amount"))
    compare("header", "total", number(order["grand_total"]) + paid_otherwise, number(row["foreigntotal"]))
    shipping = number(order["shipping_amount"]) - number(order.get("shipping_discount_amount"))
    compare("shipping", "shipping cost", shipping, number(row["shippingcost"]))
    compare("tax", "tax", number(order["tax_amount"]), number(row["taxtotal"]))
    if details := books.taxes.get(row["id"]):
        store_rates = _by_rate(shop.taxes.get(order["entity_id"], []), "percent", "amount")
        erp_rates = _by_rate(details, "taxrate", "taxamount")
        for rate in sorted(set(store_rates) | set(erp_rates)):
            compare("tax", f"tax at {rate} %", store_rates.get(rate, Decimal(0)), erp_rates.get(rate, Decimal(0)))
    wanted, whole = _store_lines(shop.items.get(order["entity_id"], []), conventions)
    there = _erp_lines(books.lines.get(row["id"], []))
    for sku in sorted(set(wanted) | set(there)):
        store_line, erp_line = wanted.get(sku, _NOTHING), there.get(sku, _NOTHING)
        compare("lines", f"quantity of {sku}", store_line[0], erp_line[0])
        if store_line[1] is not None:
            compare("lines", f"amount of {sku}", store_line[1], erp_line[1] or Decimal(0))
    compare("lines", "amount of all lines", whole, sum((line[1] or Decimal(0) for line in there.values()), Decimal(0)))
    deposits = sum((number(deposit["payment"]) for deposit in books.deposits.get(row["id"], [])), Decimal(0))
    expected = _deposits(order, shop.payments.get(order["entity_id"], []), conventions) + paid_otherwise
    compare("payments", "deposits", expected, deposits)
    return out


_Line = tuple[Decimal, Decimal | None]
_NOTHING: _Line = (Decimal(0), Decimal(0))


def _by_rate(rows: Sequence[Row], rate: str, amount: str) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for row in rows:
        key = format(number(row[rate]).normalize(), "f")
        out[key] = out.get(key, Decimal(0)) + number(row[amount])
    return out


def _store_lines(items: Sequence[Row], conventions: Conventions) -> tuple[dict[str, _Line], Decimal]:
    """Quantity and amount before tax by the ERP's SKU, and the amount of all lines.

    A configurable product counts as its row, a bundle as its parts; where a bundle has a price of its own, how it is
    spread over the parts is the sender's business: the amounts of these SKUs are then None.
    """
    children = grouped((item for item in items if item["parent_item_id"]), "parent_item_id")
    lines: dict[str, _Line] = {}
    whole = Decimal(0)

    def add(item: Row, known: bool = True) -> None:
        sku = conventions.sku(item["sku"])
        quantity, amount = lines.get(sku, _NOTHING)
        mine = _amount(item) if known else None
        together = None if amount is None or mine is None else amount + mine
        lines[sku] = (quantity + number(item["qty_ordered"]), together)

    for item in items:
        if item["parent_item_id"]:
            continue
        parts = children.get(item["item_id"], [])
        if item["product_type"] == "bundle" and parts:
            own_price = not any(number(part["row_total"]) for part in parts)
            whole += _amount(item) if own_price else sum((_amount(part) for part in parts), Decimal(0))
            for part in parts:
                add(part, known=not own_price)
        else:
            whole += _amount(item)
            add(item)
    return lines, whole


def _amount(item: Row) -> Decimal:
    return number(item["row_total"]) - number(item["discount_amount"])


def _erp_lines(rows: Sequence[Row]) -> dict[str, _Line]:
    """Quantity and amount by SKU; a discount line belongs to the line above it."""
    lines: dict[str, _Line] = {}
    above = ""
    for row in rows:
        amount = -number(row["foreignamount"])
        if row["itemtype"] == "Discount" and above:
            quantity, before = lines[above]
            lines[above] = (quantity, (before or Decimal(0)) + amount)
            continue
        above = row["sku"] or f"line {row['id']}"
        quantity, before = lines.get(above, _NOTHING)
        lines[above] = (quantity - number(row["quantity"]), (before or Decimal(0)) + amount)
    return lines


def _deposits(order: Row, payments: Sequence[Row], conventions: Conventions) -> Decimal:
    """What the ERP should have as deposits for the order's payment methods."""
    whole = Decimal(0)
    for payment in payments:
        ordered, authorised = number(payment["amount_ordered"]), number(payment["amount_authorized"])
        paid = number(payment["amount_paid"])
        state = "captured" if paid and paid >= ordered else "authorised" if authorised or paid else "pending"
        if state in conventions.deposit_states:
            whole += min(ordered, authorised) if authorised else ordered
    return whole
