"""What a Shopware shop keeps, as the checker judges it: read from its tables and the sandbox's journal.

Only live versions count; drafts of orders are nobody's business yet. Amounts of an order are gross, net or tax-free as
its tax status says, and are told before tax here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from erp_sync.sandbox.evidence import (
    Article,
    Moments,
    Payment,
    Price,
    Shelf,
    StoreEvidence,
    StoreLine,
    StoreOrder,
    StoreShipment,
    StoreTax,
)
from erp_sync.sandbox.files import SystemFiles, commit_times, number, opened, reading
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.shopware.sandbox.bootstrap import GROUP
from erp_sync.systems.shopware.sandbox.database import Database
from erp_sync.systems.shopware.sandbox.evidence_lines import Charge, Parcels, lowered
from erp_sync.systems.shopware.sandbox.names import CURRENCY, LIVE_VERSION
from erp_sync.systems.shopware.sandbox.options import Options
from erp_sync.systems.shopware.sandbox.pricing.questions import answers
from erp_sync.systems.shopware.sandbox.schema.fields import structure

SOURCE = "default"
"""The code of the one stock that the core keeps."""

_Row = dict[str, Any]
_STATES: dict[str, Literal["done", "cancelled"]] = {"cancelled": "cancelled", "completed": "done"}
_PAYMENTS: dict[str, Literal["pending", "authorised", "captured"]] = {
    "authorized": "authorised", "paid": "captured", "refunded": "captured", "refunded_partially": "captured",
    "chargeback": "captured",
}  # fmt: skip
_NO_PAYMENT = ("cancelled", "failed")
_LIVE = f"\"versionId\" = '{LIVE_VERSION}'"


class Store(StoreEvidence):
    """Of a shop.

    The core keeps no shipped quantity of a line. A delivery that has left, or came back, has taken all of its
    positions along; of one that left in part nobody can say which units left: until the rest has followed they are not
    told, neither as units of the shipment nor as shipped of the lines, and still count as open. A cancelled delivery
    cancels its positions, though the order stands. No refunded quantity is kept at all: it is zero.
    """

    keeps_mails = False

    def __init__(self, files: SystemFiles) -> None:
        self._files = files

    def _rows(self, sql: str, *values: Any) -> list[_Row]:
        with reading(self._files.database) as database:
            found: list[_Row] = database.execute(sql, values).fetchall()
        return found

    def orders(self) -> list[StoreOrder]:
        """`done`: completed, or everything has left. Promotions and credits are discounts of the other lines."""
        orders = self._rows(
            'SELECT o.id, o."orderNumber", o."salesChannelId", o.price, o."shippingCosts", '
            's."technicalName" AS state, c."isoCode" AS currency FROM "order" AS o '
            'JOIN state_machine_state AS s ON s.id = o."stateId" JOIN currency AS c ON c.id = o."currencyId" '
            f"WHERE o.{_LIVE} ORDER BY o.id"
        )
        lines_of, parcels_of = self._lines(), self._parcels()
        payments_of = _by_order(self._rows(
            'SELECT t."orderId", t.amount, s."technicalName" AS state FROM order_transaction AS t '
            f'JOIN state_machine_state AS s ON s.id = t."stateId" WHERE t.{_LIVE} ORDER BY t.id'
        ))  # fmt: skip
        placed = commit_times(self._files.journal, "order")
        found = []
        for row in orders:
            lines, parcels = lines_of.get(row["id"], []), parcels_of.get(row["id"], Parcels([], []))
            price, shipping = structure(row["price"]), Charge.of(structure(row["shippingCosts"]), row["price"])
            charges = lowered(lines, row["price"])
            state = _STATES.get(row["state"]) or ("done" if parcels.all_left else "open")
            taxes = [
                StoreTax(line, percent, amount)
                for line, charge in [*((one["id"], charges[one["id"]]) for one in lines if one["id"] in charges)]
                for percent, amount in charge.taxes.items()
            ]
            taxes += [StoreTax(None, percent, amount) for percent, amount in shipping.taxes.items()]
            found.append(
                StoreOrder(
                    id=row["id"],
                    number=row["orderNumber"],
                    channel=row["salesChannelId"],
                    state=state,
                    currency=row["currency"],
                    total=number(price["totalPrice"]),
                    tax=sum((number(one["tax"]) for one in price["calculatedTaxes"]), Decimal(0)),
                    shipping=shipping.net,
                    placed_at=next(iter(placed.get(row["orderNumber"], ())), None),
                    lines=_told(lines, charges, parcels, cancelled=state == "cancelled"),
                    taxes=taxes,
                    payments=[
                        Payment(number(structure(one["amount"])["totalPrice"]), _PAYMENTS.get(one["state"], "pending"))
                        for one in payments_of.get(row["id"], ())
                        if one["state"] not in _NO_PAYMENT
                    ],
                )
            )
        return found

    def shipments(self) -> list[StoreShipment]:
        """Deliveries that have left, whole or in part; without mails, which this sandbox does not keep.

        A delivery has no number, its order's is told. Several parcels of an order are one delivery, and so one
        shipment; it is booked when the shop was last told that goods left.
        """
        booked = self._shipped_at("ship", "ship_partially")
        made = commit_times(self._files.journal, "order_delivery")
        numbers = {row["id"]: row["orderNumber"] for row in self._rows(
            f'SELECT id, "orderNumber" FROM "order" WHERE {_LIVE}'
        )}  # fmt: skip
        lines = {order: {line["id"]: line for line in rows} for order, rows in self._lines().items()}
        found = []
        for order, parcels in self._parcels().items():
            for delivery in parcels.gone:
                moments = booked.get(delivery["id"]) or made.get(delivery["id"])
                found.append(
                    StoreShipment(
                        id=delivery["id"],
                        number=numbers[order],
                        order=numbers[order],
                        booked_at=moments[-1] if moments else None,
                        tracks=set(structure(delivery["trackingCodes"] or "[]")),
                        units_told=not parcels.partly(delivery["id"]),
                        units=[
                            (_sku(lines[order][line]), units) for line, units in parcels.goods(delivery["id"]).items()
                        ],
                    )
                )
        return found

    def sources(self) -> set[str]:
        return {SOURCE}

    def shelves(self) -> list[Shelf]:
        """Stock falls when an order is placed: what open orders have taken and has not left is added again."""
        taken: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders():
            if order.state == "open":
                for line in order.lines:
                    taken[line.sku] += line.ordered - line.shipped
        rows = self._rows(
            f'SELECT "productNumber", stock FROM product WHERE {_LIVE} AND COALESCE("childCount", 0) = 0 ORDER BY 1'
        )
        return [Shelf(row["productNumber"], SOURCE, number(row["stock"]) + taken[row["productNumber"]]) for row in rows]

    def stock_writes(self) -> Moments:
        found = commit_times(self._files.journal, "product.stock", None)
        return {(sku, SOURCE): moments for sku, moments in found.items()}

    def own_stock_writes(self) -> Moments:
        """When goods left: placing or cancelling an order moves stock, but not what lies on a shelf."""
        shipped = self._shipped_at("ship")
        lines = {line["id"]: line for rows in self._lines().values() for line in rows}
        found: Moments = defaultdict(list)
        for parcels in self._parcels().values():
            for delivery in parcels.gone:
                for line in parcels.goods(delivery["id"]):
                    found[_sku(lines[line]), SOURCE] += shipped.get(delivery["id"], [])
        return {shelf: sorted(moments) for shelf, moments in found.items() if moments}

    def prices(self) -> list[Price]:
        """In the default currency, gross or net as the standard customer group sees it.

        A price that is struck through is the base price, the one beside it a promotion. A variant without a price has
        its parent's, who is not bought itself.
        """
        (group,) = self._rows('SELECT "displayGross" FROM customer_group WHERE id = ?', GROUP)
        side = "gross" if group["displayGross"] else "net"
        rows = self._rows(
            'SELECT e."productNumber", COALESCE(e.price, p.price) AS price, e."childCount" FROM product AS e '
            f'LEFT JOIN product AS p ON p.id = e."parentId" AND p.{_LIVE} WHERE e.{_LIVE} ORDER BY 1'
        )
        return [Price(row["productNumber"], _base(row["price"], side), bool(row["childCount"])) for row in rows]

    def prices_paid(self, questions: Sequence[PriceQuestion]) -> list[PricePaid | NoPrice]:
        """See `sandbox.price_evidence`: what the Store API would answer each account for each product."""
        with opened(self._files.database) as connection:
            connection.execute("BEGIN")
            database = Database.over(connection)
            kept = {row["key"]: row["value"] for row in database.rows("SELECT key, value FROM sandbox_config")}
            return answers(database, Options.kept(kept), questions)

    def price_writes(self) -> dict[str, list[float]]:
        return commit_times(self._files.journal, "product.price", None)

    def articles(self, skus: Sequence[str]) -> dict[str, Article]:
        """Sold: active, and shown in a sales channel; a variant where its parent is. What is sold out still counts."""
        marks = ", ".join("?" * len(skus))
        rows = self._rows(
            'SELECT e."productNumber", COALESCE(e.name, p.name) AS name, COALESCE(e.active, p.active) AS active, '
            'EXISTS (SELECT 1 FROM product_visibility AS v WHERE v."productId" IN (e.id, e."parentId")) AS shown '
            f'FROM product AS e LEFT JOIN product AS p ON p.id = e."parentId" AND p.{_LIVE} '
            f'WHERE e.{_LIVE} AND e."productNumber" IN ({marks})',
            *skus,
        )
        return {row["productNumber"]: Article(row["name"] or "", bool(row["active"] and row["shown"])) for row in rows}

    # -- tables ------------------------------------------------------------------------------------------------------

    def _lines(self) -> dict[str, list[_Row]]:
        return _by_order(self._rows(
            'SELECT l.id, l."orderId", l."parentId", l.type, l.identifier, l.quantity, l.price, l.payload, l.label, '
            'p."productNumber" FROM order_line_item AS l '
            f'LEFT JOIN product AS p ON p.id = l."productId" AND p.{_LIVE} '
            f"WHERE l.{_LIVE} ORDER BY l.position, l.id"
        ))  # fmt: skip

    def _parcels(self) -> dict[str, Parcels]:
        """The deliveries of each order that has any."""
        deliveries = _by_order(self._rows(
            'SELECT d.id, d."orderId", d."trackingCodes", s."technicalName" AS state FROM order_delivery AS d '
            f'JOIN state_machine_state AS s ON s.id = d."stateId" WHERE d.{_LIVE} ORDER BY d.id'
        ))  # fmt: skip
        positions: dict[str, list[_Row]] = defaultdict(list)
        for row in self._rows(
            f'SELECT "orderDeliveryId", "orderLineItemId", price FROM order_delivery_position WHERE {_LIVE} ORDER BY id'
        ):
            positions[row["orderDeliveryId"]].append(row)
        lines = self._lines()
        return {
            order: Parcels([{**row, "positions": positions[row["id"]]} for row in rows], lines.get(order, []))
            for order, rows in deliveries.items()
        }

    def _shipped_at(self, *actions: str) -> dict[str, list[float]]:
        """When a delivery changed its state by one of these actions, ascending."""
        found: dict[str, list[float]] = defaultdict(list)
        marks = " OR ".join("calls.path LIKE '%/state/' || ?" for _ in actions)
        with reading(self._files.journal) as journal:
            rows = journal.execute(
                "SELECT commits.document, commits.committed_at FROM commits JOIN calls ON calls.id = commits.call_id "
                f"WHERE commits.entity = 'order_delivery' AND ({marks}) ORDER BY commits.committed_at",
                actions,
            ).fetchall()
        for row in rows:
            found[row["document"]].append(row["committed_at"])
        return found


def _told(lines: Sequence[_Row], charges: dict[str, Charge], parcels: Parcels, *, cancelled: bool) -> list[StoreLine]:
    """Rows that are not discounts. A bundle's parts have no amounts: what the bundle costs is what is paid."""
    wholes = {row["parentId"] for row in lines if row["parentId"]}
    told = []
    for row in lines:
        charge = charges.get(row["id"])
        if charge is None and not row["parentId"]:
            continue
        ordered, shipped = number(row["quantity"]), parcels.left.get(row["id"], Decimal(0))
        dropped = ordered if cancelled else parcels.dropped.get(row["id"], Decimal(0))
        told.append(
            StoreLine(
                id=row["id"],
                sku=_sku(row),
                kind="bundle" if row["id"] in wholes else "item",
                part_of=row["parentId"] or None,
                ordered=ordered,
                cancelled=min(dropped, ordered - shipped),
                shipped=shipped,
                refunded=Decimal(0),
                amount=charge.full if charge else Decimal(0),
                discount=charge.full - charge.net if charge else Decimal(0),
                tax=charge.tax if charge else Decimal(0),
            )
        )
    return told


def _sku(line: _Row) -> str:
    """As it was when it was ordered; of what is no product the line's identifier."""
    payload = structure(line["payload"]) if line["payload"] else {}
    known = payload.get("productNumber") if isinstance(payload, dict) else None
    return str(known or line["productNumber"] or line["identifier"] or line["id"])


def _base(price: str | None, side: str) -> Decimal | None:
    rows = structure(price) if price else []
    found = next((row for row in rows if row["currencyId"] == CURRENCY), None)
    return None if found is None else number((found.get("listPrice") or found)[side])


def _by_order(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        found[row["orderId"]].append(row)
    return found
