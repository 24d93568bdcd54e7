"""What a Magento installation keeps, as the checker judges it: read from its tables and the sandbox's journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from erp_sync.sandbox.evidence import (
    Article,
    Mail,
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
from erp_sync.sandbox.files import SystemFiles, by_first, commit_times, number, opened

_STATES: dict[str, Literal["done", "cancelled"]] = {"canceled": "cancelled", "closed": "done", "complete": "done"}
_DISABLED = 2  # status of a product
_PRICED_BY_PARTS = ("configurable", "bundle", "grouped")
# What the store writes by itself when it changes a shelf.
_ITSELF = ("shipment", "creditmemo")
_KINDS: dict[str, Literal["variant", "bundle"]] = {"configurable": "variant", "bundle": "bundle"}


class Store(StoreEvidence):
    """Of an installation."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files

    def orders(self) -> list[StoreOrder]:
        with opened(self._files.database) as database:
            orders = database.execute(
                "SELECT entity_id, increment_id, store_id, state, order_currency_code, grand_total, tax_amount, "
                "shipping_amount, shipping_discount_amount, gift_cards_amount, customer_balance_amount, gift_cards "
                "FROM sales_order ORDER BY entity_id"
            ).fetchall()
            items = database.execute(
                "SELECT order_id, item_id, sku, product_type, parent_item_id, qty_ordered, qty_canceled, qty_shipped, "
                "qty_refunded, row_total, discount_amount, tax_amount FROM sales_order_item ORDER BY item_id"
            ).fetchall()
            payments = database.execute(
                "SELECT parent_id, amount_ordered, amount_authorized, amount_paid FROM sales_order_payment"
            ).fetchall()
            taxes = database.execute(
                "SELECT tax.order_id, item.item_id, item.tax_percent, item.real_amount "
                "FROM sales_order_tax AS tax JOIN sales_order_tax_item AS item USING (tax_id)"
            ).fetchall()
        placed = commit_times(self._files.journal, "sales_order")
        lines_of, payments_of, taxes_of = by_first(items), by_first(payments), by_first(taxes)
        found = []
        for id, name, channel, state, currency, grand, tax, shipping, off, cards, credit, coded in orders:
            found.append(
                StoreOrder(
                    id=id,
                    number=name,
                    channel=str(channel),
                    state=_STATES.get(state, "open"),
                    currency=str(currency),
                    # Magento's grand total is what is left to pay by the order's method.
                    total=number(grand) + number(cards) + number(credit),
                    tax=number(tax),
                    shipping=number(shipping) - number(off),
                    placed_at=next(iter(placed.get(name, ())), None),
                    lines=[_line(row) for row in lines_of.get(id, ())],
                    taxes=[StoreTax(row[1], number(row[2]), number(row[3])) for row in taxes_of.get(id, ())],
                    payments=[*_spent(coded, cards, credit), *map(_payment, payments_of.get(id, ()))],
                )
            )
        return found

    def shipments(self) -> list[StoreShipment]:
        with opened(self._files.database) as database:
            rows = database.execute(
                "SELECT shipment.entity_id, shipment.increment_id, sales_order.increment_id "
                "FROM sales_shipment AS shipment JOIN sales_order ON sales_order.entity_id = shipment.order_id"
            ).fetchall()
            tracks = by_first(database.execute("SELECT parent_id, track_number FROM sales_shipment_track"))
            # A bundle's own row stands for its parts, which have rows of their own.
            items = by_first(
                database.execute(
                    "SELECT item.parent_id, item.sku, item.qty FROM sales_shipment_item AS item "
                    "JOIN sales_order_item AS ordered ON ordered.item_id = item.order_item_id "
                    "WHERE ordered.product_type <> 'bundle'"
                )
            )
            mails = by_first(
                database.execute("SELECT document_id, tracks, wall_at FROM sandbox_mail WHERE kind = 'shipment'")
            )
        booked = commit_times(self._files.journal, "shipment")
        return [
            StoreShipment(
                id=id,
                number=name,
                order=order,
                booked_at=next(iter(booked.get(name, ())), None),
                tracks={track for _, track in tracks.get(id, ())},
                units=[(sku, number(quantity)) for _, sku, quantity in items.get(id, ())],
                mails=[
                    Mail(_tracks(json.loads(named)), datetime.fromisoformat(moment).timestamp())
                    for _, named, moment in mails.get(id, ())
                ],
            )
            for id, name, order in rows
        ]

    def sources(self) -> set[str]:
        with opened(self._files.database) as database:
            return {code for (code,) in database.execute("SELECT source_code FROM inventory_source")}

    def shelves(self) -> list[Shelf]:
        with opened(self._files.database) as database:
            rows = database.execute("SELECT sku, source_code, quantity FROM inventory_source_item").fetchall()
        return [Shelf(sku, source, number(quantity)) for sku, source, quantity in rows]

    def stock_writes(self) -> Moments:
        return _by_shelf(commit_times(self._files.journal, "inventory_source_item", None, _ITSELF))

    def own_stock_writes(self) -> Moments:
        told = self.stock_writes()
        every = _by_shelf(commit_times(self._files.journal, "inventory_source_item", None))
        return {shelf: sorted(set(moments) - set(told.get(shelf, ()))) for shelf, moments in every.items()}

    def prices(self) -> list[Price]:
        with opened(self._files.database) as database:
            rows = database.execute("SELECT sku, price, type_id FROM catalog_product_entity").fetchall()
        return [
            Price(sku, None if price is None else number(price), kind in _PRICED_BY_PARTS) for sku, price, kind in rows
        ]

    def price_writes(self) -> dict[str, list[float]]:
        return commit_times(self._files.journal, "product_price", None)

    def articles(self, skus: Sequence[str]) -> dict[str, Article]:
        marks = ", ".join("?" * len(skus))
        with opened(self._files.database) as database:
            rows = database.execute(
                f"SELECT sku, name, status FROM catalog_product_entity WHERE sku IN ({marks})", list(skus)
            ).fetchall()
        return {sku: Article(name, status != _DISABLED) for sku, name, status in rows}


def _by_shelf(times: dict[str, list[float]]) -> Moments:
    """The journal's documents are "SKU|source"."""
    found: Moments = {}
    for document, moments in times.items():
        sku, _, source = document.rpartition("|")
        found[sku, source] = moments
    return found


def _tracks(named: list[Any]) -> set[str]:
    """Tracking numbers of a mail, whose tracks are texts or records with a number."""
    return {
        str(track.get("track_number") or track.get("number")) if isinstance(track, dict) else str(track)
        for track in named
    }


def _line(row: tuple[Any, ...]) -> StoreLine:
    _, id, sku, kind, parent, ordered, cancelled, shipped, refunded, amount, discount, tax = row
    return StoreLine(
        id=id,
        sku=sku,
        kind=_KINDS.get(kind, "item"),
        part_of=parent or None,
        ordered=number(ordered),
        cancelled=number(cancelled),
        shipped=number(shipped),
        refunded=number(refunded),
        amount=number(amount),
        discount=number(discount),
        tax=number(tax),
    )


def _spent(coded: str | None, cards: Any, credit: Any) -> list[Payment]:
    """Gift cards one by one, what was paid by cards that are not named, and store credit."""
    named = [number(card["amount"]) for card in json.loads(coded or "[]", parse_float=Decimal)]
    amounts = [*named, number(cards) - sum(named, Decimal(0)), number(credit)]
    return [Payment(amount, "spent") for amount in amounts if amount]


def _payment(row: tuple[Any, ...]) -> Payment:
    ordered, authorised, paid = map(number, row[1:])
    state: Literal["pending", "authorised", "captured"] = "pending"
    if paid and paid >= ordered:
        state = "captured"
    elif authorised or paid:
        state = "authorised"
    return Payment(min(ordered, authorised) if authorised else ordered, state)
