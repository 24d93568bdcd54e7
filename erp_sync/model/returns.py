"""Return (RMA) and refund (credit memo)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True):
    order_line: str
    sku: str
    quantity_requested: Decimal
    quantity_authorised: Decimal = ZERO
    quantity_received: Decimal = ZERO
    reason: str = ""
    condition: str = ""


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that a customer sends back (RMA)."""

    connection: str
    scope: str
    native_id: str
    number: str = ""
    version: str = ""
    status: str
    order_native_id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    lines: tuple[ReturnLine, ...]
    custom: dict[str, Any] = {}


class RefundLine(msgspec.Struct, frozen=True, kw_only=True):
    order_line: str
    sku: str
    quantity: Decimal
    amount: Decimal
    tax_amount: Decimal = ZERO
    return_to_stock: bool = False


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money given back (credit memo). Amounts are positive, in `currency`."""

    connection: str
    scope: str
    native_id: str
    number: str = ""
    version: str = ""
    order_native_id: str
    return_native_id: str = ""
    currency: str
    created_at: datetime | None = None
    lines: tuple[RefundLine, ...] = ()
    shipping_amount: Decimal = ZERO
    adjustment_positive: Decimal = ZERO
    adjustment_negative: Decimal = ZERO
    grand_total: Decimal
    custom: dict[str, Any] = {}
