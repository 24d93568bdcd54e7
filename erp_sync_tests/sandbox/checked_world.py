"""A store and an ERP in tables with the columns that the checker reads, whose rows a test writes by hand."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from erp_sync.sandbox.checker import Claim, Conventions, SystemFiles, check
from erp_sync.sandbox.core import Commit
from erp_sync.sandbox.journal import Entry, Journal

STORE = """
CREATE TABLE sales_order (entity_id, increment_id, state, store_id, grand_total, tax_amount, shipping_amount,
  shipping_discount_amount, subtotal, gift_cards_amount, gift_cards, customer_balance_amount, order_currency_code);
CREATE TABLE sales_order_item (item_id, order_id, parent_item_id, product_type, sku, qty_ordered, row_total,
  discount_amount, tax_amount, qty_canceled, qty_shipped, qty_refunded);
CREATE TABLE sales_shipment (entity_id, increment_id, order_id);
CREATE TABLE sales_shipment_item (parent_id, order_item_id, sku, qty);
CREATE TABLE sales_shipment_track (parent_id, track_number);
CREATE TABLE sandbox_mail (kind, document_id, tracks, wall_at);
CREATE TABLE inventory_source (source_code);
INSERT INTO inventory_source VALUES ('east');
CREATE TABLE inventory_source_item (sku, source_code, quantity);
CREATE TABLE catalog_product_entity (sku, type_id, price);
CREATE TABLE sales_order_payment (entity_id, parent_id, method, amount_ordered, amount_authorized, amount_paid);
CREATE TABLE sales_order_tax (tax_id, order_id);
CREATE TABLE sales_order_tax_item (tax_id, item_id, tax_percent, real_amount);
"""
ERP = """
CREATE TABLE "transaction" (id, type, tranid, externalid, otherrefnum, status, foreigntotal, taxtotal, shippingcost,
  salesorder, payment, voided, createdfrom, currency);
CREATE TABLE transactionline ("transaction", id, mainline, taxline, kitcomponent, donotdisplayline, linesequencenumber,
  item, itemtype, quantity, foreignamount, location, quantitycommitted, quantitypicked, quantityshiprecv, iscogs,
  isclosed, fulfillable);
CREATE TABLE transactiontaxdetail ("transaction", taxrate, taxamount);
CREATE TABLE item (id, itemid, itemtype, isinactive);
CREATE TABLE location (id, name, externalid);
CREATE TABLE currency (id, symbol);
INSERT INTO currency VALUES (1, 'USD'), (2, 'EUR');
CREATE TABLE aggregateitemlocation (item, location, quantityonhand);
CREATE TABLE itemprice (item, pricelevel, currency, quantity, price);
CREATE TABLE fulfillmentpackage ("transaction", trackingnumber);
CREATE TABLE customer (id, email, isinactive, subsidiary);
"""


class World:
    """A store and an ERP whose rows the test writes; orders placed at second 1000 + n of the wall clock."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            name: SystemFiles(folder / f"{name}.db", folder / f"{name}-journal.db", vendor)
            for name, vendor in (("store", "magento"), ("erp", "netsuite"))
        }
        self.store = self.opened(self.files["store"].database, STORE)
        self.erp = self.opened(self.files["erp"].database, ERP)
        self.journals = {name: Journal(files.journal) for name, files in self.files.items()}
        self.insert(self.erp, "item", id=1000, itemid="GRO-1", itemtype="InvtPart", isinactive="F")
        self.insert(self.erp, "item", id=1001, itemid="GRO-2", itemtype="InvtPart", isinactive="F")
        self.insert(self.erp, "location", id=1, name="East warehouse", externalid="east")

    @staticmethod
    def opened(file: Path, tables: str) -> sqlite3.Connection:
        """Every statement is a transaction, and none waits for the disk: nothing of it has to outlive the test."""
        database = sqlite3.connect(file, isolation_level=None)
        database.executescript(f"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; {tables}")
        return database

    @staticmethod
    def insert(database, table, **row):
        names = ", ".join(f'"{name}"' for name in row)
        database.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(row))})', list(row.values()))

    def place(self, number: int, *, state: str = "new", items=None, **order) -> str:
        increment = f"{number:09d}"
        row = {
            "grand_total": "17.4500", "tax_amount": "0.5000", "shipping_amount": "5.9500", "subtotal": "11.0000",
            "gift_cards_amount": None, "customer_balance_amount": None, "order_currency_code": "USD", **order,
        }  # fmt: skip
        self.insert(self.store, "sales_order", entity_id=number, increment_id=increment, state=state, store_id=1, **row)
        for index, item in enumerate(items or [{"sku": "GRO-1", "qty_ordered": "2.0000", "row_total": "11.0000"}]):
            item = {"item_id": number * 10 + index, "product_type": "simple", "discount_amount": "0.0000", **item}
            self.insert(self.store, "sales_order_item", order_id=number, **item)
        self.insert(
            self.store, "sales_order_payment", entity_id=number, parent_id=number, method="braintree",
            amount_ordered=row["grand_total"], amount_authorized=row["grand_total"],
        )  # fmt: skip
        self.commit("store", 1000.0 + number, "sales_order", increment)
        return increment

    def book(self, number: int, *, after: float = 2.0, suffix: str = "", lines=None, deposit="17.45", **order) -> None:
        key, row_id = f"magento_us_{number}{suffix}", number * 100 + len(suffix)
        row = {
            "foreigntotal": "17.45",
            "taxtotal": "0.50",
            "shippingcost": "5.95",
            "status": "B",
            "currency": 1,
            **order,
        }
        self.insert(
            self.erp, "transaction", id=row_id, type="SalesOrd", tranid=f"SO{row_id}", externalid=key,
            otherrefnum=f"{number:09d}", **row,
        )  # fmt: skip
        for index, line in enumerate(lines or [{"item": 1000, "quantity": "-2.00000", "foreignamount": "-11.00"}]):
            self.insert(
                self.erp, "transactionline", transaction=row_id, id=1 + 3 * index, mainline="F", taxline="F",
                kitcomponent="F", donotdisplayline="F", linesequencenumber=index,
                **{"itemtype": "InvtPart", "isclosed": "F", "fulfillable": "T", **line},
            )  # fmt: skip
        if deposit:
            self.insert(
                self.erp, "transaction", id=row_id + 50, type="CustDep", externalid=f"{key}_payment_1",
                salesorder=row_id, payment=deposit, voided="F",
            )  # fmt: skip
        self.commit("erp", 1000.0 + number + after, "salesOrder", key)

    def fulfil(self, number: int, *tracks: str, status: str = "C", at: float = 10.0, quantity: str = "-2.00000") -> str:
        """The ERP ships the order's line; the commit lies `at` seconds after 1000 + the order's number."""
        row_id = number * 100 + 70 + len(tracks)
        key = f"wh-{row_id}"
        self.insert(
            self.erp, "transaction", id=row_id, type="ItemShip", tranid=f"IF{row_id}", externalid=key, status=status,
            createdfrom=number * 100,
        )  # fmt: skip
        self.insert(
            self.erp, "transactionline", transaction=row_id, id=1, mainline="F", iscogs="F", item=1000, location=1,
            quantity=quantity, kitcomponent="F",
        )  # fmt: skip
        for track in tracks:
            self.insert(self.erp, "fulfillmentpackage", transaction=row_id, trackingnumber=track)
        self.commit("erp", 1000.0 + number + at, "itemFulfillment", key)
        return f"IF{row_id}"

    def ship(
        self,
        number: int,
        *tracks: str,
        at: float = 14.0,
        mails: tuple[tuple[float, tuple[str, ...]], ...] = (),
        quantity: str = "2.0000",
    ) -> str:
        """The store books a shipment of the order, with mails (at, tracks named)."""
        row_id = number * 10 + len(self.store.execute("SELECT 1 FROM sales_shipment").fetchall())
        self.insert(self.store, "sales_shipment", entity_id=row_id, increment_id=f"S{row_id}", order_id=number)
        self.insert(
            self.store, "sales_shipment_item", parent_id=row_id, order_item_id=number * 10, sku="GRO-1", qty=quantity
        )
        for track in tracks:
            self.insert(self.store, "sales_shipment_track", parent_id=row_id, track_number=track)
        self.commit("store", 1000.0 + number + at, "shipment", f"S{row_id}")
        for moment, named in mails:
            wall = datetime.fromtimestamp(1000.0 + number + moment, UTC).isoformat()
            self.insert(
                self.store, "sandbox_mail", kind="shipment", document_id=row_id, tracks=json.dumps(named), wall_at=wall
            )
        return f"S{row_id}"

    def stock(self, sku_id: int, on_hand: str, sku: str, in_store: str) -> None:
        self.insert(self.erp, "aggregateitemlocation", item=sku_id, location=1, quantityonhand=on_hand)
        self.insert(self.store, "inventory_source_item", sku=sku, source_code="east", quantity=in_store)

    def commit(self, system: str, wall: float, entity: str, document: str) -> None:
        self.journals[system].append(Entry(None, [(wall, "2026-11-12T08:00:00+00:00", Commit(entity, document))]))

    def check(self, *claims: Claim, **conventions):
        return check(self.files["store"], self.files["erp"], claims, Conventions(**conventions))
