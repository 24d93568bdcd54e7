"""What every status update must satisfy before it is written. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from typing import Any

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import OrderStatusUpdate

SUITE = "order_status"

# (name, expectation, arguments, words); see `erp_sync.quality.gate.Rule`.
RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "has_a_number",
        "ExpectColumnValueLengthsToBeBetween",
        {"column": "number", "min_value": 1},
        "the order has no number in the ERP",
    ),
)


def facts(update: OrderStatusUpdate) -> dict[str, Any]:
    """The row of an update that the rules judge. What waits for a person, and says for what, is no order of the ERP
    yet: its own id stands for the number that it will get."""
    waits = update.status is OrderStatus.ON_HOLD and bool(update.reason)
    return {"number": update.number or (update.native_id if waits else "")}
