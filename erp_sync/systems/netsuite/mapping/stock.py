"""Stock, a SuiteQL row of `aggregateitemlocation` joined with `item` to `StockLevel`."""

from __future__ import annotations

from erp_sync.model.stock import StockLevel
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping
from erp_sync.systems.netsuite.mapping.common import IN

STOCK_LEVEL = RecordMapping(
    "stock_level",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("itemid", "sku", rules.text(), required=True),
        Field("location", "location", rules.text(), required=True, note="internal id of the location"),
        Field("quantityonhand", "on_hand", rules.decimal(), default=0,
              note="empty for an item that was never at the location"),
        Field("quantitycommitted", "allocated", rules.decimal(), default=0),
        Field("quantityonorder", "on_order", rules.decimal(), default=0),
        Field("damaged", "damaged", rules.decimal(), default=0,
              note="on hand in the statuses of setting damaged_statuses"),
        Field("quarantined", "quarantined", rules.decimal(), default=0,
              note="on hand in the statuses of setting quarantined_statuses"),
        Field("version", "version", rules.text(), note="when the read started: NetSuite has no version of a quantity"),
        Field("version", "read_at", rules.timestamp(), required=True),
    ),
    StockLevel,
)  # fmt: skip
