"""Stock and prices: does the store show what the ERP has, how soon, and was anything sold that is not there.

At rest the store's source holds what the ERP has on hand at that location: the store subtracts its own open orders
itself (reservations). To be added is what the ERP has shipped and the store has not booked yet; to be taken off is
what orders from elsewhere have committed, and safety stock. Never below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.checker.sources import Conventions, spread
from erp_sync.sandbox.files import SystemFiles, commit_times, number, reading

ZERO = Decimal(0)
_STOCKED = ("InvtPart", "Assembly")
_PRICED_BY_PARTS = ("configurable", "bundle", "grouped")


@dataclass
class Stock:
    """Keys are "SKU at source". `mismatches` gives (store, expected)."""

    compared: int = 0
    mismatches: dict[str, tuple[str, str]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    oversold: dict[str, str] = field(default_factory=dict)
    prices_compared: int = 0
    price_mismatches: dict[str, tuple[str, str]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        units = sum((Decimal(quantity) for quantity in self.oversold.values()), ZERO)
        return {
            "stock_compared": self.compared,
            "stock_mismatches": len(self.mismatches),
            "stock_latency_s": spread(self.latencies),
            "stock_changes_unseen": len(self.unseen),
            "oversold_units": int(units),
            "prices_compared": self.prices_compared,
            "price_mismatches": len(self.price_mismatches),
        }


def check_stock(
    store: SystemFiles,
    erp: SystemFiles,
    conventions: Conventions,
    *,
    store_orders_in_erp: Sequence[int],
    unbooked_fulfillments: Sequence[int],
) -> Stock:
    """Figures about stock and prices.

    Arguments:
        store_orders_in_erp: internal ids of the ERP's orders that come from the store.
        unbooked_fulfillments: internal ids of fulfillments that the store has not booked and still can.
    """
    found = Stock()
    with reading(erp.database) as database:
        names = {
            row["id"]: _source(row, conventions)
            for row in database.execute("SELECT id, name, externalid FROM location")
        }
        stocked = {
            row["itemid"]: row["isinactive"] == "F"
            for row in database.execute("SELECT itemid, isinactive FROM item WHERE itemtype IN (?, ?)", _STOCKED)
        }
        levels = database.execute(
            "SELECT item.itemid AS sku, level.location, level.quantityonhand AS onhand FROM aggregateitemlocation "
            "AS level JOIN item ON item.id = level.item"
        ).fetchall()
        others = _elsewhere(database, store_orders_in_erp)
        coming = _left_unbooked(database, unbooked_fulfillments)
        prices = database.execute(
            "SELECT item.itemid AS sku, itemprice.price FROM itemprice JOIN item ON item.id = itemprice.item "
            "WHERE itemprice.pricelevel = ? AND CAST(itemprice.quantity AS REAL) = 0 AND itemprice.currency = 1 "
            "AND item.isinactive = 'F' AND itemprice.price IS NOT NULL",
            (conventions.price_list,),
        ).fetchall()
        adjusted = database.execute(
            'SELECT t.id, t.externalid, item.itemid AS sku, line.location FROM "transaction" AS t '
            'JOIN transactionline AS line ON line."transaction" = t.id JOIN item ON item.id = line.item '
            "WHERE t.type = 'InvAdjst' AND line.mainline = 'F'"
        ).fetchall()
    with reading(store.database) as database:
        shelves = {row["source_code"] for row in database.execute("SELECT source_code FROM inventory_source")}
        sources = database.execute("SELECT sku, source_code, quantity FROM inventory_source_item").fetchall()
        products = database.execute("SELECT sku, type_id, price FROM catalog_product_entity").fetchall()
        wanted = database.execute(
            "SELECT item.sku, item.qty_ordered, item.qty_canceled, item.qty_shipped, item.qty_refunded, "
            "item.product_type, item.item_id, item.parent_item_id FROM sales_order_item AS item JOIN sales_order ON "
            "sales_order.entity_id = item.order_id WHERE sales_order.state NOT IN ('canceled', 'closed', 'complete')"
        ).fetchall()
    on_hand = {sku: ZERO for sku in stocked}
    offered: dict[tuple[str, str], Decimal] = {}
    for level in levels:
        sku, location = level["sku"], level["location"]
        on_hand[sku] = on_hand.get(sku, ZERO) + number(level["onhand"]) + coming.get((sku, location), ZERO)
        moved = coming.get((sku, location), ZERO) - others.get((sku, location), ZERO)
        key = (sku, names[location])
        offered[key] = offered.get(key, ZERO) + number(level["onhand"]) + moved
    active = {sku for sku, is_active in stocked.items() if is_active}
    shelves &= set(names.values())
    there: dict[tuple[str, str], list[Decimal | None]] = {}
    for row in sources:
        key = (conventions.sku(row["sku"]), row["source_code"])
        if key[0] in active and key[1] in shelves:
            there.setdefault(key, []).append(number(row["quantity"]))
    sold = {conventions.sku(row["sku"]) for row in products}
    for key, units in offered.items():
        if units > 0 and key not in there and key[0] in active & sold and key[1] in shelves:
            there[key] = [None]
    for (sku, source), quantities in there.items():
        expected = max(ZERO, offered.get((sku, source), ZERO) - conventions.safety_stock(sku, source))
        for quantity in quantities:
            found.compared += 1
            if (quantity or ZERO) != expected:
                found.mismatches[f"{sku} at {source}"] = (
                    "nothing" if quantity is None else str(quantity),
                    str(expected),
                )
    _latencies(found, store, erp, adjusted, names, conventions)
    _oversold(found, wanted, on_hand, conventions)
    _prices(found, products, {row["sku"]: number(row["price"]) for row in prices}, conventions)
    return found


def _prices(
    found: Stock, products: Sequence[dict[str, Any]], wanted: dict[str, Decimal], conventions: Conventions
) -> None:
    """Base prices. A product without one is wrong, unless its parts have the prices."""
    for product in products:
        price = wanted.get(conventions.sku(product["sku"]))
        if price is None or (product["price"] is None and product["type_id"] in _PRICED_BY_PARTS):
            continue
        found.prices_compared += 1
        if product["price"] is None or abs(number(product["price"]) - price) > conventions.tolerance:
            shown = "nothing" if product["price"] is None else str(number(product["price"]))
            found.price_mismatches[product["sku"]] = (shown, str(price))


def _source(row: dict[str, Any], conventions: Conventions) -> str:
    """The store's source for a location: by external id, else by name."""
    return conventions.location(str(row["externalid"] or row["name"]))


def _elsewhere(database: Any, store_orders: Sequence[int]) -> dict[tuple[str, int], Decimal]:
    """Quantity committed to orders that are not the store's, by SKU and location."""
    ours = set(store_orders)
    out: dict[tuple[str, int], Decimal] = {}
    for row in database.execute(
        "SELECT t.id, item.itemid AS sku, line.location, line.quantitycommitted AS quantity "
        'FROM transactionline AS line JOIN "transaction" AS t ON t.id = line."transaction" '
        "JOIN item ON item.id = line.item "
        "WHERE t.type = 'SalesOrd' AND line.quantitycommitted IS NOT NULL AND line.location IS NOT NULL"
    ):
        if row["id"] not in ours and number(row["quantity"]):
            key = (row["sku"], row["location"])
            out[key] = out.get(key, ZERO) + number(row["quantity"])
    return out


def _left_unbooked(database: Any, fulfillments: Sequence[int]) -> dict[tuple[str, int], Decimal]:
    """Units that left with fulfillments which the store has not booked, by SKU and location."""
    wanted = set(fulfillments)
    out: dict[tuple[str, int], Decimal] = {}
    for row in database.execute(
        "SELECT t.id, item.itemid AS sku, line.location, line.quantity FROM transactionline AS line "
        'JOIN "transaction" AS t ON t.id = line."transaction" JOIN item ON item.id = line.item '
        "WHERE t.type = 'ItemShip' AND line.mainline = 'F' AND line.iscogs = 'F' AND item.itemtype IN (?, ?)",
        _STOCKED,
    ):
        if row["id"] in wanted:
            key = (row["sku"], row["location"])
            out[key] = out.get(key, ZERO) + abs(number(row["quantity"]))
    return out


def _latencies(
    found: Stock,
    store: SystemFiles,
    erp: SystemFiles,
    adjusted: Sequence[dict[str, Any]],
    names: dict[int, str],
    conventions: Conventions,
) -> None:
    """From an adjustment's commit to the first write of that SKU and source in the store after it.

    What the store itself takes off with a shipment or puts back with a credit memo is no such write.
    """
    changed = commit_times(erp.journal, "inventoryAdjustment")
    written: dict[str, list[float]] = {}
    own = ("shipment", "creditmemo")
    for document, moments in commit_times(store.journal, "inventory_source_item", None, own).items():
        sku, _, source = document.rpartition("|")
        written.setdefault(f"{conventions.sku(sku)}|{source}", []).extend(moments)
    for row in adjusted:
        begin = min(
            (time for key in (row["externalid"], str(row["id"])) if key for time in changed.get(key, ())), default=None
        )
        if begin is None:
            continue
        key = f"{row['sku']}|{names.get(row['location'], '')}"
        end = min((moment for moment in written.get(key, ()) if moment >= begin), default=None)
        if end is None:
            found.unseen.append(key)
        else:
            found.latencies.append(end - begin)


def _oversold(
    found: Stock, items: Sequence[dict[str, Any]], on_hand: dict[str, Decimal], conventions: Conventions
) -> None:
    """Units that open orders of the store still want and that are nowhere on hand, nor have left unbooked."""
    parents = {item["parent_item_id"] for item in items if item["parent_item_id"]}
    by_id = {item["item_id"]: item for item in items}
    open_units: dict[str, Decimal] = {}
    for item in items:
        if item["item_id"] in parents and item["product_type"] != "configurable":
            continue
        parent = by_id.get(item["parent_item_id"])
        if parent is not None and parent["product_type"] == "configurable":
            continue
        # A bundle that ships together books its shipments on the header: its share tells what is still to come.
        gone = sum((number(item[name]) for name in ("qty_canceled", "qty_shipped", "qty_refunded")), ZERO)
        if parent is not None and not gone and number(parent["qty_ordered"]):
            done = sum((number(parent[name]) for name in ("qty_canceled", "qty_shipped", "qty_refunded")), ZERO)
            gone = number(item["qty_ordered"]) * done / number(parent["qty_ordered"])
        sku = conventions.sku(item["sku"])
        open_units[sku] = open_units.get(sku, ZERO) + max(ZERO, number(item["qty_ordered"]) - gone)
    for sku, units in open_units.items():
        if sku in on_hand and units > on_hand[sku]:
            found.oversold[sku] = str(units - on_hand[sku])
