"""Stock, one row of `ItemWarehouseInfoCollection` of an item, to `StockLevel`."""

from __future__ import annotations

from erp_sync.model.stock import StockLevel
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping

STOCK_LEVEL = RecordMapping(
    "stock_level",
    Direction.TO_CANONICAL,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("ItemCode", "sku", rules.text(strip=False), required=True),
        Field("WarehouseCode", "location", rules.text(), required=True),
        Field("InStock", "on_hand", rules.decimal(), default=0, note="in the inventory unit"),
        Field("Committed", "allocated", rules.decimal(), default=0, note="of orders of all channels"),
        Field("Ordered", "on_order", rules.decimal(), default=0),
        Field("version", "version", rules.text(), default="",
              note="time of the last document that moved it, and the quantities: SAP has no version of a quantity"),
        Field("read_at", "read_at", rules.timestamp(), required=True, note="when the read started"),
    ),
    StockLevel,
)  # fmt: skip
