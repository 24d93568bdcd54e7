"""An installation's own rules: the stored procedure that every write passes before it is committed.

SBO_SP_TransactionNotification refuses a write with a number and a text of its own, and Service Layer answers -1116
with that text (obs.). Rules are data: {"object_type": "17", "transaction": "A", "field": "NumAtCard", "missing": true,
"message": "…"}; instead of `missing`: `above` or `below` (a number: a
minimum order value is DocTotal below it) or `equals`. Transactions: A add, U update, D delete,
C cancel, L close. Object types: `OBJECT_TYPES`.
"""

from __future__ import annotations

from typing import Any

from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import TRANSACTION_NOTIFICATION, ServiceLayerError
from erp_sync.systems.sap_b1.sandbox.values import decimal, exact

#: Numbers of BoObjectTypes (SDK help); of agreements by public code.
OBJECT_TYPES = {
    "Orders": "17", "Drafts": "112", "DeliveryNotes": "15", "InventoryGenEntries": "59", "InventoryGenExits": "60",
    "Invoices": "13", "CreditNotes": "14", "Returns": "16", "PurchaseDeliveryNotes": "20", "StockTransfers": "67",
    "BusinessPartners": "2", "Items": "4", "PriceLists": "6", "SpecialPrices": "7",
    "BusinessPartnerGroups": "10", "BlanketAgreements": "1250000025",
}  # fmt: skip


def check(context: Context, set_name: str, transaction: str, entity: dict[str, Any]) -> None:
    """Raises ServiceLayerError (-1116) if a rule of the installation refuses the write."""
    if context.administrator:
        return
    kind = OBJECT_TYPES.get(set_name)
    for row in context.setting("add_on"):
        if str(row.get("object_type")) != kind or row.get("transaction", "A") != transaction:
            continue
        if _refused(row, entity.get(row["field"])):
            raise ServiceLayerError(TRANSACTION_NOTIFICATION, row["message"])


def _refused(row: dict[str, Any], value: Any) -> bool:
    if row.get("missing"):
        return value in (None, "")
    if row.get("above") is not None:
        return value is not None and decimal(value) > exact(row["above"])
    if row.get("below") is not None:
        return value is not None and decimal(value) < exact(row["below"])
    return bool(value == row.get("equals"))
