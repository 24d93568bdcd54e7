"""Money given back, a SuiteQL row of `transaction` (credit memo or cash refund) to `Refund`, by its total.

The row has ``order`` (id of the sales order that it comes from) and ``currency`` (its symbol). Value: ``connection``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.returns import Refund
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope
from erp_sync.systems.netsuite.mapping.common import IN
from erp_sync.systems.netsuite.mapping.order_status import status_letter

# Oracle NetSuite help, transaction statuses: Credit Memo V is voided; a voided one may keep its status and say so in
# `voided` alone.
VOIDED = "V"


def _state(scope: Scope) -> str:
    voided = scope.record.get("voided") == "T" or status_letter(scope.record.get("status", "")) == VOIDED
    return "canceled" if voided else "refunded"


def _without_sign(value: Any, scope: Scope) -> Decimal:
    return abs(decimal_of(value))


REFUND = RecordMapping(
    "refund",
    IN,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("subsidiary", "scope", rules.text(), default=""),
        Field("id", "native_id", rules.text(), required=True),
        Field("tranid", "number", rules.text(), default=""),
        Field("version", "version", rules.text(), default="", note="time of last change"),
        Field("order", "order_native_id", rules.text(), required=True,
              note="the sales order at the head of its chain of transactions"),
        Field("currency", "currency", rules.text(), required=True, validation=(rules.matches("[A-Z]{3}"),)),
        Field("created", "created_at", rules.timestamp("%Y-%m-%d %H:%M:%S")),
        Field("foreigntotal", "grand_total", Rule("number without sign", _without_sign), required=True,
              note="in the order's currency; its sign in SuiteQL is unconfirmed"),
        Field("", "custom.state", rules.computed("canceled where voided, else refunded", _state,
                                                 reads=("status", "voided"))),
    ),
    Refund,
)  # fmt: skip
