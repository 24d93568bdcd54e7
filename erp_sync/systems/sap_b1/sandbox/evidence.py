"""What a company keeps, as the checker judges it: read from the sandbox's entities, its stock and its journal.

The journal knows a document by one of its own values or by its DocEntry (option `document_field`): the times of two
documents of one such value are not told apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from erp_sync.sandbox.evidence import (
    ErpEvidence,
    ErpLine,
    ErpOrder,
    ErpShipment,
    ErpTax,
    Id,
    StockChange,
    Units,
)
from erp_sync.sandbox.files import SystemFiles, commit_times, number, opened
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.sandbox import price_answers
from erp_sync.systems.sap_b1.sandbox.store import loads

KEY_FIELD = "U_ErpSyncKey"
"""The installation's own field for the key under which an order was sent."""

_ORDER = "17"
_MOVEMENTS = ("InventoryGenEntries", "InventoryGenExits", "Returns", "CreditNotes", "PurchaseDeliveryNotes")
_WITHDRAWING = ("DeliveryNotes", "Invoices")
_Entity = dict[str, Any]
_BETWEEN_TRACKS = re.compile(r"[,;\s]+")


class Erp(ErpEvidence):
    """Of a company. Places are warehouse codes; an id of a document is its DocEntry."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files

    def _entities(self, set_name: str) -> list[_Entity]:
        """In the order of their keys. `set_name` is ours, never data."""
        with opened(self._files.database) as database:
            return [loads(text) for (text,) in database.execute(f'SELECT data FROM "{set_name}" ORDER BY k1')]

    def _items(self) -> dict[str, _Entity]:
        return {item["ItemCode"]: item for item in self._entities("Items")}

    def _times(self, entity: str, change: str = "create", not_beside: tuple[str, ...] = ()) -> dict[str, list[float]]:
        return commit_times(self._files.journal, entity, change, not_beside)

    def orders(self) -> list[ErpOrder]:
        """Drafts that wait for approval are none.

        This sandbox has neither incoming payments nor down payments: an order has no deposits.
        """
        items = self._items()
        created = self._times("Orders")
        # What takes goods writes what remains of its orders; that is no change of the order.
        updated = self._times("Orders", "update", _WITHDRAWING)
        packing = self._packing()
        return [_order(order, items, packing, created, updated) for order in self._entities("Orders")]

    def _packing(self) -> dict[tuple[Id, int], Decimal]:
        """Units that are picked and have not left, by order and row; nothing of closed pick lists is."""
        found: dict[tuple[Id, int], Decimal] = defaultdict(Decimal)
        for pick_list in self._entities("PickLists"):
            for row in pick_list["PickListsLines"]:
                if row["PickStatus"] != "ps_Closed":
                    place = row["OrderEntry"], row["OrderRowID"]
                    found[place] += number(row["PickedQuantity"]) - number(row["sandbox_delivered"])
        return found

    def customers_twice(self) -> list[str]:
        """Leads and suppliers are no customers; a frozen one is not active."""
        found: dict[str, int] = defaultdict(int)
        for partner in self._entities("BusinessPartners"):
            email = (partner.get("EmailAddress") or "").strip().lower()
            if email and partner.get("CardType") == "cCustomer" and _active(partner):
                found[email] += 1
        return sorted(email for email, count in found.items() if count > 1)

    def shipments(self) -> list[ErpShipment]:
        """Delivery notes that stand, one for each order in them: the id is then (DocEntry, the order's).

        A cancelled one has not left, nor has the document that cancels it. Several parcels share the one
        TrackingNumber, between commas, semicolons or spaces (a habit of users; unconfirmed).
        """
        items, left = self._items(), self._times("DeliveryNotes")
        found = []
        for note in self._entities("DeliveryNotes"):
            if note["CancelStatus"] != "csNo":
                continue
            lines: dict[Id, list[_Entity]] = defaultdict(list)
            for line in note["DocumentLines"]:
                lines[line.get("BaseEntry") if str(line.get("BaseType")) == _ORDER else None].append(line)
            moments = _moments(left, note)
            for order, rows in lines.items():
                found.append(
                    ErpShipment(
                        id=note["DocEntry"] if len(lines) == 1 else (note["DocEntry"], order),
                        name=str(note["DocNum"]),
                        order=order,
                        left_at=min(moments, default=None),
                        tracks={track for track in _BETWEEN_TRACKS.split(note.get("TrackingNumber") or "") if track},
                        units=[(row["ItemCode"], number(row["Quantity"])) for row in rows if not _is_component(row)],
                        taken=[_taken(row) for row in rows if _is_kept(items, row)],
                    )
                )
        return found

    def places(self) -> dict[Id, str]:
        return {place["WarehouseCode"]: place["WarehouseCode"] for place in self._entities("Warehouses")}

    def stocked(self) -> dict[str, bool]:
        """By the flags alone, whatever dates stand beside them."""
        return {
            code: _active(item) and item.get("SalesItem") == "tYES"
            for code, item in self._items().items()
            if item.get("InventoryItem") == "tYES"
        }

    def on_hand(self) -> list[Units]:
        with opened(self._files.database) as database:
            rows = database.execute("SELECT item, warehouse, on_hand FROM stock ORDER BY item, warehouse").fetchall()
        return [Units(sku, place, number(quantity)) for sku, place, quantity in rows]

    def committed(self) -> list[tuple[Id, Units]]:
        items = self._items()
        return [
            (order["DocEntry"], Units(line["ItemCode"], line["WarehouseCode"], units))
            for order in self._entities("Orders")
            for line in order["DocumentLines"]
            if _is_kept(items, line) and (units := number(line["RemainingOpenInventoryQuantity"]))
        ]

    def prices(self, price_list: Id) -> dict[str, Decimal]:
        """The list is a PriceListNo. A price of zero is none; the company's currency is that of the first list."""
        with opened(self._files.database) as database:
            (text,) = database.execute('SELECT data FROM "PriceLists" ORDER BY k1 LIMIT 1').fetchone()
        currency = loads(text)["DefaultPrimeCurrency"]
        return {
            code: number(row["Price"])
            for code, item in self._items().items()
            if _active(item) and item.get("SalesItem") == "tYES"
            for row in item.get("ItemPrices") or []
            if row["PriceList"] == price_list and row["Currency"] == currency and row["Price"]
        }

    def prices_paid(self, questions: Sequence[PriceQuestion]) -> list[PricePaid | NoPrice]:
        """See `sandbox.price_evidence`: what a row of an order would have as its price after discount."""
        with opened(self._files.database) as database:
            database.execute("BEGIN")
            return price_answers.kept(database, questions)

    def adjustments(self) -> list[StockChange]:
        """Rows that brought goods or took them without an order, and both rows of a transfer."""
        times = self._times("StockTransfers")
        transferred = [
            StockChange(line["ItemCode"], line[place], sorted(_moments(times, document)))
            for document in self._entities("StockTransfers")
            for line in document["StockTransferLines"]
            for place in ("FromWarehouseCode", "WarehouseCode")
        ]
        return [change for name in _MOVEMENTS for change in self._moved(name)] + transferred

    def withdrawals(self) -> list[StockChange]:
        """Rows of deliveries, of invoices that took the goods themselves, and of what cancels them."""
        return [change for name in _WITHDRAWING for change in self._moved(name)]

    def price_changes(self) -> dict[str, list[float]]:
        """A list that is calculated anew changes articles without a time of their own."""
        changed = self._times("Items", "update")
        return {code: changed.get(code, []) for code in self._items()}

    def _moved(self, set_name: str) -> list[StockChange]:
        items, times = self._items(), self._times(set_name)
        return [
            StockChange(line["ItemCode"], line["WarehouseCode"], sorted(_moments(times, document)))
            for document in self._entities(set_name)
            for line in document["DocumentLines"]
            if _is_kept(items, line) and line.get("sandbox_moved") != "0"
        ]


def _order(
    order: _Entity,
    items: Mapping[str, _Entity],
    packing: Mapping[tuple[Id, int], Decimal],
    created: dict[str, list[float]],
    updated: dict[str, list[float]],
) -> ErpOrder:
    # A discount of the whole document lowers every row alike, before tax.
    left = 1 - number(order.get("DiscountPercent")) / 100
    state: Literal["open", "cancelled", "closed"] = "open"
    if order["Cancelled"] == "tYES":
        state = "cancelled"
    elif order["DocumentStatus"] == "bost_Close":
        state = "closed"
    return ErpOrder(
        id=order["DocEntry"],
        name=str(order["DocNum"]),
        key=order.get(KEY_FIELD) or "",
        reference=order.get("NumAtCard") or "",
        state=state,
        currency=order["DocCurrency"],
        total=_own(order, "DocTotalFc", "DocTotal"),
        tax=_own(order, "VatSumFc", "VatSum"),
        shipping=sum((number(row["LineTotal"]) for row in _expenses(order)), Decimal(0)),
        created_at=min(_moments(created, order), default=None),
        changed=bool(_moments(updated, order)),
        lines=[
            _line(row, items, left, packing.get((order["DocEntry"], row["LineNum"]), Decimal(0)))
            for row in order["DocumentLines"]
            if not _is_component(row)
        ],
        taxes=_taxes(order),
    )


def _line(row: _Entity, items: Mapping[str, _Entity], left: Decimal, packing: Decimal) -> ErpLine:
    shipped = number(row.get("sandbox_delivered"))
    return ErpLine(
        sku=row["ItemCode"],
        lowers=False,
        quantity=number(row["Quantity"]),
        amount=_own(row, "RowTotalFC", "LineTotal") * left,
        shipped=shipped,
        picked=shipped + packing,
        closed=row["LineStatus"] == "bost_Close",
        # Labour and travel are items too (ItemTypeEnum).
        deliverable=items.get(row["ItemCode"], {}).get("ItemType") == "itItems",
    )


def _taxes(order: _Entity) -> list[ErpTax]:
    """By rate in the document's currency. Of a foreign one rows have only the company's amounts: told for one rate."""
    rates: dict[Decimal, Decimal] = defaultdict(Decimal)
    for row in order["DocumentLines"]:
        rates[number(row["TaxPercentagePerRow"])] += number(row["TaxTotal"])
    for row in _expenses(order):
        rates[number(row["TaxPercent"])] += number(row["TaxSum"])
    if number(order["DocTotalFc"]):
        return [ErpTax(rate, number(order["VatSumFc"])) for rate in rates] if len(rates) == 1 else []
    return [ErpTax(rate, amount) for rate, amount in sorted(rates.items())]


def _expenses(order: _Entity) -> Iterable[_Entity]:
    """Additional expenses, in the document's currency."""
    return order.get("DocumentAdditionalExpenses") or ()


def _own(entity: _Entity, foreign: str, local: str) -> Decimal:
    """The amount in the document's currency: that in a foreign one is zero where there is none."""
    return number(entity[foreign]) or number(entity[local])


def _taken(row: _Entity) -> Units:
    return Units(row["ItemCode"], row["WarehouseCode"], number(row["InventoryQuantity"]))


def _is_component(row: _Entity) -> bool:
    """A part of a bundle, below the bundle's own row (fact sheet, section 8)."""
    return row.get("TreeType") == "iIngredient"


def _is_kept(items: Mapping[str, _Entity], row: _Entity) -> bool:
    kept = items.get(row["ItemCode"], {}).get("InventoryItem") == "tYES"
    return kept and bool(row.get("WarehouseCode"))


def _active(entity: _Entity) -> bool:
    return entity.get("Frozen") != "tYES" and entity.get("Valid") != "tNO"


def _moments(times: Mapping[str, list[float]], document: _Entity) -> list[float]:
    """By the first of its names that the journal knows."""
    names = (document.get(KEY_FIELD), document.get("NumAtCard"), document["DocEntry"])
    return next((times[str(name)] for name in names if name and str(name) in times), [])
