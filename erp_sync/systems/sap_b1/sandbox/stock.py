"""Stock per item and warehouse: on hand, committed by open sales orders, ordered from suppliers.

Documents move it; the item's own record and its update stamp stay as they are (fact sheet, section 3, unconfirmed).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.store import Store
from erp_sync.systems.sap_b1.sandbox.values import ZERO, number

_COLUMNS = ("on_hand", "committed", "ordered")


def levels(store: Store, item: str, warehouse: str) -> dict[str, Decimal]:
    """on_hand, committed and ordered; zero where nothing was ever moved."""
    found = store.rows(f"SELECT {', '.join(_COLUMNS)} FROM stock WHERE item = ? AND warehouse = ?", item, warehouse)
    values = found[0] if found else ("0", "0", "0")
    return {name: Decimal(value) for name, value in zip(_COLUMNS, values, strict=True)}


def move(store: Store, item: str, warehouse: str, **by: Decimal) -> dict[str, Decimal]:
    """Add to on_hand, committed or ordered; answers what it is afterwards."""
    after = levels(store, item, warehouse)
    for name, change in by.items():
        after[name] += change
    store.run(
        "INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?, ?)", item, warehouse, *(str(after[name]) for name in _COLUMNS)
    )
    return after


def set_on_hand(store: Store, item: str, warehouse: str, quantity: Decimal) -> None:
    """Opening stock, as an administrator's import would set it."""
    held = levels(store, item, warehouse)
    move(store, item, warehouse, on_hand=quantity - held["on_hand"])


def shown(store: Store, item: dict[str, Any]) -> dict[str, Any]:
    """The item with its totals and one row for every warehouse of the company."""
    held = {
        warehouse: values
        for warehouse, *values in store.rows(
            "SELECT warehouse, on_hand, committed, ordered FROM stock WHERE item = ?", item["ItemCode"]
        )
    }
    own = {row["WarehouseCode"]: row for row in item.get("ItemWarehouseInfoCollection") or []}
    totals = [ZERO, ZERO, ZERO]
    collection = []
    for (warehouse,) in store.rows('SELECT k1 FROM "Warehouses" ORDER BY k1'):
        values = [Decimal(value) for value in held.get(warehouse, ("0", "0", "0"))]
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        collection.append(
            {
                "Locked": "tNO",
                **own.get(warehouse, {}),
                "WarehouseCode": warehouse,
                "ItemCode": item["ItemCode"],
                "InStock": number(values[0]),
                "Committed": number(values[1]),
                "Ordered": number(values[2]),
            }
        )
    return {
        **item,
        "QuantityOnStock": number(totals[0]),
        "QuantityOrderedByCustomers": number(totals[1]),
        "QuantityOrderedFromVendors": number(totals[2]),
        "ItemWarehouseInfoCollection": collection,
    }


def is_kept(item: dict[str, Any]) -> bool:
    """Whether the item is kept in stock at all."""
    return item.get("InventoryItem") == "tYES"


def check_warehouse(context: Context, code: str) -> bool:
    return rows.exists(context.store, "Warehouses", code)
