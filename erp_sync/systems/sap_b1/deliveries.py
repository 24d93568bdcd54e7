"""What has left of sales orders, by the documents that deliver them.

An open line's RemainingOpenQuantity says it, too; whether a line or an order that was closed by hand keeps its open
quantity is unconfirmed, so of those it proves nothing. Lines cannot be searched for by the order that they deliver
(but by `$crossjoin`, on HANA): the documents of the orders' customers since the orders were made are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient

SALES_ORDER = 17  # BaseType of a line that delivers a sales order's
DELIVERING = ("DeliveryNotes", "Invoices")
_FIELDS = ("DocEntry", "Cancelled", "CancelStatus", "DocumentLines")
Left = dict[int, dict[int, Decimal]]


class Deliveries:
    """Thread-safe; keeps nothing. Setting ``delivering_documents``: entity sets whose documents deliver orders."""

    def __init__(self, client: ServiceLayerClient) -> None:
        """Raises ValueError for a setting that names another document."""
        self._client = client
        self._sets = list(client.connection.settings.get("delivering_documents") or DELIVERING)
        for name in self._sets:
            if name not in DELIVERING:
                raise ValueError(
                    f"setting delivering_documents: {name!r} delivers no order; known are {', '.join(DELIVERING)}"
                )

    def of(self, orders: Sequence[Mapping[str, Any]], *, operation: str, document: str = "") -> Left:
        """Units that have left, by LineNum, of each order (`DocEntry`, `CardCode`, `CreationDate` are read of it).

        Raises the TransportError tree.
        """
        left: Left = {int(order["DocEntry"]): {} for order in orders}
        cards = list(dict.fromkeys(str(order.get("CardCode") or "") for order in orders))
        since = min((str(order.get("CreationDate") or "")[:10] for order in orders), default="")
        for some in (cards[at : at + MOST_IN_FILTER] for at in range(0, len(cards), MOST_IN_FILTER)):
            dated = f"CreationDate ge '{since}'" if since else ""
            where = odata.every(odata.any_of("CardCode", some), dated)
            for name in self._sets:
                query = Query(entity_set=name, key=("DocEntry",), where=where, select=_FIELDS, page=50)
                for page in self._client.pages(query, operation=operation, document=document):
                    for one in page:
                        _count(left, one)
        return left


def _count(left: Left, document: Mapping[str, Any]) -> None:
    if is_void(document):
        return
    for line in document.get("DocumentLines") or ():
        if line.get("BaseType") == SALES_ORDER and line.get("BaseEntry") in left:
            lines, number = left[int(line["BaseEntry"])], int(line["BaseLine"])
            lines[number] = lines.get(number, ZERO) + decimal_of(line.get("Quantity") or 0, scale=6)


def is_void(document: Mapping[str, Any]) -> bool:
    """A document that was cancelled, or that cancels one."""
    return document.get("Cancelled") == "tYES" or document.get("CancelStatus") in ("csYes", "csCancellation")
