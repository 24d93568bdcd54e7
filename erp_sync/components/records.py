"""Canonical records by entity: what `transformed` gives, and what rules of quality judge. Imports them when asked."""

from __future__ import annotations

import importlib
from typing import Any

from erp_sync.model.keys import Entity

#: Module and class of the canonical record that `transformed` gives.
RECORDS: dict[str, tuple[str, str]] = {
    Entity.SALES_ORDER: ("order", "SalesOrder"),
    Entity.ORDER_STATUS: ("order_status", "OrderStatusUpdate"),
    Entity.SHIPMENT: ("shipment", "Shipment"),
    Entity.STOCK_LEVEL: ("stock", "StockOffer"),
    Entity.PRODUCT: ("product", "Product"),
    Entity.PRICE: ("price", "Price"),
    Entity.BUSINESS_ACCOUNT: ("business_account", "BusinessAccount"),
    Entity.CONTRACT_PRICE: ("native_prices", "NativeRow"),
}
_JUDGED = {**RECORDS, Entity.STOCK_LEVEL: ("stock", "StockLevel")}


def judged_record(entity: str) -> Any:
    """Class of the records that the rules of a flow of this entity judge: as the source gives them."""
    module, name = _JUDGED[entity]
    return getattr(importlib.import_module(f"erp_sync.model.{module}"), name)
