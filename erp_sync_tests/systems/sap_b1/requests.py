"""Steps of an order as a delivery sends them, and what SAP knows of them."""

from __future__ import annotations

from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports.documents import Requirement, StepRequest
from erp_sync.ports.outcomes import Receipt

KEY = "shopware_de_018f5c"
REFERENCES = {
    Requirement("product", "BEARING-6204"): "BEARING-6204",
    Requirement("product", "SHAFT-20"): "SHAFT-20",
    Requirement("currency", "EUR"): "EUR",
}


def request(port: Any, document: SalesOrder, name: str = "sales_order", attempt: int = 1, **more: Any) -> StepRequest:
    step = next(one for one in port.steps(document) if one.name == name)
    values = {"receipts": {"customer": Receipt(target_id="C20000")}, "references": REFERENCES}
    return StepRequest(delivery="1", step=step, document=document, attempt=attempt, **(values | more))


def saved(entry: int = 91, **changes: Any) -> dict[str, Any]:
    """An order of ours as SAP keeps it: 119.00 EUR."""
    values = {
        "DocEntry": entry, "DocNum": 5000 + entry, "NumAtCard": "10045", "CardCode": "C20000", "DocCurrency": "EUR",
        "DocTotal": 119.0, "DocTotalFc": 0.0, "VatSum": 19.0, "VatSumFc": 0.0, "DocumentStatus": "bost_Open",
        "Cancelled": "tNO", "UpdateDate": "2026-01-15T00:00:00Z", "UpdateTime": "00:31:07", "DataVersion": 1,
        "U_ErpSyncKey": KEY,
        "DocumentLines": [{"LineNum": 0, "ItemCode": "BEARING-6204", "Quantity": 10.0, "TreeType": "iNotATree"},
                          {"LineNum": 1, "ItemCode": "SHAFT-20", "Quantity": 3.0, "TreeType": "iNotATree"}],
    }  # fmt: skip
    return values | changes


def draft(entry: int = 77, status: str = "dasPending", **changes: Any) -> dict[str, Any]:
    values = {
        "DocEntry": entry, "DocNum": 12, "NumAtCard": "10045", "AuthorizationStatus": status,
        "DocObjectCode": "oOrders", "U_ErpSyncKey": KEY, "CardCode": "C20000", "DocumentStatus": "bost_Open",
        "Cancelled": "tNO", "DocTotal": 119.0, "DocTotalFc": 0.0, "UpdateDate": None, "UpdateTime": None,
        "DataVersion": 3, "@odata.etag": 'W/"d3"',
    }  # fmt: skip
    return values | changes


def card(code: str = "C20000", **changes: Any) -> dict[str, Any]:
    values = {
        "CardCode": code, "CardName": "Noether Maschinenbau GmbH", "CardType": "cCustomer", "Frozen": "tNO",
        "FrozenFrom": None, "FrozenTo": None,
    }  # fmt: skip
    return values | changes


RECEIPT = Receipt(
    target_id="91", number="5091", version="1", totals={"grand_total": "119.000000", "tax": "19.000000"},
    values={"status": "bost_Open"},
)  # fmt: skip
