"""Status of a sales order, a `Document` of Orders (or of Drafts, while it waits for approval) to `OrderStatusUpdate`.

Values: ``connection``, ``connections`` (the stores'), ``key_field``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.customer_words import of_templates
from erp_sync.systems.sap_b1.mapping.comparison import in_document_currency
from erp_sync.systems.sap_b1.mapping.identity import order_of

#: What a draft says: words for the store, by AuthorizationStatus.
DRAFT_WORDS = {
    "dasPending": "waits for approval",
    "dasApproved": "approved, not released yet",
    "dasRejected": "not approved",
    "dasCancelled": "withdrawn from approval",
    "dasWithout": "kept as a draft",
}

CLOSED = ("bost_Close", "bost_Delivered", "bost_Paid")


def quantities(lines: Iterable[Mapping[str, Any]]) -> tuple[Decimal, Decimal]:
    """What was ordered, and what of it is open still. Components that SAP adds itself are their line's."""
    ordered = left = ZERO
    for line in lines:
        if line.get("TreeType") == "iIngredient":
            continue
        ordered += decimal_of(line.get("Quantity") or 0)
        left += decimal_of(line.get("RemainingOpenQuantity") or 0)
    return ordered, left


def _status(scope: Scope) -> OrderStatus:
    """Of a closed order what has left is told by its deliveries (`delivered`): whether a line that was closed by hand
    keeps its open quantity is unconfirmed."""
    row = scope.record
    if "AuthorizationStatus" in row:
        return OrderStatus.ON_HOLD
    if row.get("Cancelled") == "tYES":
        return OrderStatus.CANCELLED
    ordered, left = quantities(row.get("DocumentLines") or ())
    gone = ordered - left
    status = row.get("DocumentStatus")
    if status == "bost_Open":
        return OrderStatus.PARTIALLY_FULFILLED if gone > 0 else OrderStatus.OPEN
    if status in CLOSED:
        delivered = gone if row.get("delivered") is None else decimal_of(row["delivered"])
        if delivered >= ordered:
            return OrderStatus.FULFILLED
        return OrderStatus.CLOSED if delivered > 0 else OrderStatus.CANCELLED
    raise MappingProblem("unknown_order_status", "DocumentStatus", str(status), "is none of bost_Open, bost_Close")


def order_fields(*path: str) -> tuple[Field, Field]:
    """The store's connection and order id out of our key, at `path` of the record or in the user-defined field."""

    def find(scope: Scope) -> tuple[str, str]:
        value: Any = scope.root
        for name in path or (scope.context.values["key_field"],):
            value = value.get(name) if isinstance(value, Mapping) else None
        return order_of(str(value), scope.context.values.get("connections", ())) if value else ("", "")

    words = "in our key; empty for an order of somebody else"
    return (
        Field("", "order_connection", rules.computed(f"the store's connection {words}", lambda scope: find(scope)[0]),
              default=""),
        Field("", "order_key", rules.computed(f"the store's order id {words}", lambda scope: find(scope)[1]),
              default=""),
    )  # fmt: skip


def time_of(day: str, clock: str = "") -> Rule:
    """UTC of a date field and a time field, which are in the server's zone, whatever zone the text pretends."""

    def find(scope: Scope) -> Any:
        value = scope.get(day)
        at = scope.get(clock) if clock else None
        return odata.stamp(value, at or None, scope.context.connection.time_zone) if value else None

    return rules.computed("in the server's time zone, to UTC", find, reads=(day, *([clock] if clock else [])))


def _number(scope: Scope) -> str:
    return "" if "AuthorizationStatus" in scope.record else str(scope.record.get("DocNum") or "")


def _reason(scope: Scope) -> str:
    status = scope.record.get("AuthorizationStatus")
    if status is None:
        return ""
    if status not in DRAFT_WORDS:
        raise MappingProblem("unknown_order_status", "AuthorizationStatus", str(status), "is no status of a draft")
    requests = scope.record.get("Document_ApprovalRequests") or ()
    names = [str(one.get("ApprovalTemplatesName") or "") for one in requests]
    told = of_templates(scope.context.values.get("settings") or {}, names)
    return f"{DRAFT_WORDS[status]}: {told}" if told else DRAFT_WORDS[status]


def _total(scope: Scope) -> Any:
    return in_document_currency(scope.record, "DocTotal", "DocTotalFc")


ORDER_STATUS = RecordMapping(
    "order_status",
    Direction.TO_CANONICAL,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("", "scope", rules.constant(""), default=""),
        Field("native_id", "native_id", rules.text(), required=True, note="DocEntry; of a draft draft:<DocEntry>"),
        Field("DocNum", "number", rules.computed("text; of a draft none: the order gets another", _number),
              default=""),
        Field("version", "version", rules.text(), required=True, note="time of last change, SAP's count of changes"),
        *order_fields(),
        Field("DocumentStatus", "status", rules.computed(
            "cancelled; open, or partially fulfilled once a part has left; closed: fulfilled where all has left, "
            "cancelled where nothing has, else closed; on hold while it is a draft", _status,
            reads=("Cancelled", "AuthorizationStatus", "DocumentLines[].Quantity",
                   "DocumentLines[].RemainingOpenQuantity", "delivered")), required=True),
        Field("AuthorizationStatus", "reason", rules.computed(
            "of a draft what it waits for, with the words of setting customer_reasons for its approval templates",
            _reason, reads=("Document_ApprovalRequests[].ApprovalTemplatesName",)), default=""),
        Field("", "updated_at", time_of("UpdateDate", "UpdateTime"), required=True),
        Field("NumAtCard", "custom.order_number", rules.text(), note="the store's order number"),
        Field("", "custom.grand_total", rules.computed("DocTotal, in a foreign currency DocTotalFc", _total,
                                                       reads=("DocTotal", "DocTotalFc")),
              note="in the order's currency"),
    ),
    OrderStatusUpdate,
)  # fmt: skip
