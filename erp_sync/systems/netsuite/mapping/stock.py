"""Stock, a SuiteQL row of `aggregateitemlocation` joined with `item` to `StockLevel`."""

from __future__ import annotations

from datetime import date
from typing import Any

from erp_sync.model.stock import NO_DATE, ChannelDemand, StockLevel
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope
from erp_sync.systems.netsuite.mapping.common import IN


def _shipped(value: Any, scope: Scope) -> list[tuple[str, Any]]:
    return [(str(shipment), rules.decimal().apply(quantity, scope)) for shipment, quantity in dict(value).items()]


def _date(value: Any, scope: Scope) -> str:
    """Raises ValueError for what is no ISO date."""
    return NO_DATE if value == NO_DATE else date.fromisoformat(str(value)).isoformat()


DEMANDS = RecordMapping(
    "stock_level.demands",
    IN,
    (
        Field("channel", "channel", rules.text(), required=True),
        Field("allocated", "allocated", rules.decimal(), default=0,
              note="committed lines of the channel's orders and what is picked of them"),
        Field("shipped", "shipped", Rule("fulfillment id and quantity", _shipped), default=()),
    ),
    ChannelDemand,
)  # fmt: skip

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
        Field("backorders", "backorders", note="column of setting backorder_column; without it nothing is said"),
        Field("restock_date", "restock_date", Rule("ISO date, or none", _date),
              note="column of setting restock_date_column; without it nothing is said"),
        Field("demands", "demands", rules.each(DEMANDS), default=(),
              note="by external ids of orders that begin with a connection of setting source_connections; adopted "
                   "orders by internal id"),
        Field("version", "version", rules.text(), default="",
              note="time of the last change and the quantities: NetSuite has no version of a quantity"),
        Field("read_at", "read_at", rules.timestamp(), required=True, note="when the read started"),
    ),
    StockLevel,
)  # fmt: skip
