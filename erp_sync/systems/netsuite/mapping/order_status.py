"""Status of a sales order, a SuiteQL row of `transaction` to `OrderStatusUpdate`. Value: ``connections``."""

from __future__ import annotations

from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import CancelledUnits, OrderStatusUpdate
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Scope, is_empty
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.netsuite.mapping.common import IN, order_named_by

# Oracle NetSuite help, transaction statuses. H is what an order becomes when all its lines are closed:
# that is a cancellation where nothing left the house.
STATUSES = {
    "A": OrderStatus.OPEN,  # pending approval: in the house, not released
    "B": OrderStatus.OPEN,  # pending fulfillment
    "C": OrderStatus.CANCELLED,
    "D": OrderStatus.PARTIALLY_FULFILLED,
    "E": OrderStatus.PARTIALLY_FULFILLED,  # pending billing / partially fulfilled
    "F": OrderStatus.FULFILLED,  # pending billing
    "G": OrderStatus.FULFILLED,  # billed
    "H": OrderStatus.CLOSED,
}


def status_letter(value: Any) -> str:
    """``B`` of ``B`` or ``SalesOrd:B``: both forms are seen in SuiteQL (unconfirmed which when)."""
    return str(value).rpartition(":")[2].strip()


def _status(scope: Scope) -> Any:
    letter = status_letter(scope.record.get("status", ""))
    status = STATUSES.get(letter)
    if status is None:
        raise MappingProblem("unknown_order_status", "status", letter, f"is none of {', '.join(STATUSES)}")
    shipped = scope.record.get("shipped")
    if status is OrderStatus.CLOSED and not is_empty(shipped) and not decimal_of(shipped):
        return OrderStatus.CANCELLED
    return status


def _reason(scope: Scope) -> str:
    value = str(scope.record.get("cancel_reason") or "").strip()
    over = _status(scope) in (OrderStatus.CANCELLED, OrderStatus.CLOSED)
    if not value or not (over or scope.record.get("cancelled")):
        return ""
    words = scope.context.connection.settings.get("cancel_reasons") or {}
    return next((str(said) for name, said in words.items() if str(name) == value), value)


CANCELLED = RecordMapping(
    "order_status.cancelled",
    IN,
    (
        Field("sku", "sku", rules.text(), required=True),
        Field("quantity", "quantity", rules.decimal(), required=True, validation=(rules.positive,)),
    ),
    CancelledUnits,
)

_STORE, _ORDER = order_named_by("externalid")

ORDER_STATUS = RecordMapping(
    "order_status",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("subsidiary", "scope", rules.text(), default=""),
        Field("id", "native_id", rules.text(), required=True),
        Field("tranid", "number", rules.text(), default=""),
        Field("version", "version", rules.text(), required=True, note="time of last change and status"),
        Field("externalid", "order_connection", _STORE, default=""),
        Field("externalid", "order_key", _ORDER, default="", note="empty for orders that erp_sync did not create"),
        Field("status", "status", rules.computed(
            "A, B open; C cancelled; D, E partially fulfilled; F, G fulfilled; H closed, or cancelled where nothing "
            "was shipped", _status), required=True),
        Field("cancel_reason", "reason", rules.computed(
            "of orders cancelled or closed, whole or partly: what setting cancel_reasons says of the value, else the "
            "value itself",
            _reason), default="", note="the field that setting cancel_reason_field names"),
        Field("cancelled", "cancelled", rules.each(CANCELLED), default=(), note="units of closed lines that have not "
              "left; read for orders with a reason"),
        Field("modified", "updated_at", rules.timestamp("%Y-%m-%d %H:%M:%S"), required=True),
        Field("otherrefnum", "custom.order_number", rules.text(), note="the store's order number"),
        Field("foreigntotal", "custom.grand_total", rules.decimal(), note="in the order's currency"),
        Field("shipped", "custom.quantity_shipped", rules.decimal(), note="over all lines; read for closed orders"),
    ),
    OrderStatusUpdate,
)  # fmt: skip
