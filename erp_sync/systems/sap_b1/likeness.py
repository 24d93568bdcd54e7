"""Orders and drafts that may be ours though they lack our key: an add-on may empty the field of it.

They are looked for by what an order is sent with besides, the store's order number (NumAtCard) and the card, and
compared by what they hold. NumAtCard is not unique, and people type orders in by it: where the contents differ, or
there are several, a person tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.ports.outcomes import Absent, Accepted, Ambiguous, Finding, Found
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.finding import DRAFT_FIELDS, ORDER_FIELDS, Handle, OrderFinder, is_ended, receipt_of
from erp_sync.systems.sap_b1.mapping.comparison import in_document_currency

Row = Mapping[str, Any]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What an order was sent with.

    Attributes:
        number: NumAtCard.
        rows: quantity by item, as often as it was sent.
        total: of the order, in its currency; what SAP makes of it may differ by so much.
    """

    key: str
    number: str
    card: str
    rows: Counter[tuple[str, Decimal]]
    total: Decimal
    tolerance: Decimal

    @classmethod
    def of(cls, body: Row, key: str, total: Decimal, tolerance: Decimal) -> Sent:
        return cls(
            key=key,
            number=str(body.get("NumAtCard") or ""),
            card=str(body.get("CardCode") or ""),
            rows=_rows(body),
            total=total,
            tolerance=tolerance,
        )


class Likeness:
    """Thread-safe; keeps nothing. Every method raises the TransportError tree."""

    def __init__(self, client: ServiceLayerClient, finder: OrderFinder) -> None:
        self._client, self._finder = client, finder

    def find(self, sent: Sent, *, document: str = "") -> Finding:
        """Without our key, by number and card: `Found` or `Accepted` (a draft) where one alone is there and holds the
        same; Ambiguous, with the reason, where that cannot be told."""
        if not sent.number or not sent.card:
            return Absent()
        orders = self.unmarked("Orders", sent.number, sent.card, document=document)
        drafts = [row for row in self.unmarked("Drafts", sent.number, sent.card, document=document) if _may_come(row)]
        if not orders and not drafts:
            return Absent()
        names = [f"order {row['DocEntry']}" for row in orders] + [f"draft {row['DocEntry']}" for row in drafts]
        what = f"{', '.join(names)} of card {sent.card} with NumAtCard {sent.number} and an empty {self._field}"
        if len(names) > 1:
            return self._doubt(names, f"{what}: which of them is this order cannot be told", sent)
        (row,) = (*orders, *drafts)
        differs = _difference(row, sent)
        if differs:
            return self._doubt(names, f"{what}, but {differs}", sent)
        if drafts:
            return Accepted(handle=str(Handle(int(row["DocEntry"]), sent.key)))
        return Found(receipt=msgspec.structs.replace(noted(row, self._field), existed=True))

    def unmarked(self, entity_set: str, number: str, card: str, *, document: str = "") -> list[dict[str, Any]]:
        """Orders, or drafts of orders, of this number and card in which the field of our key is empty."""
        kind = odata.equals("DocObjectCode", "oOrders") if entity_set == "Drafts" else ""
        where = odata.every(odata.equals("NumAtCard", number), odata.equals("CardCode", card), kind)
        fields = DRAFT_FIELDS if entity_set == "Drafts" else ORDER_FIELDS
        more = ("Cancelled", "DocRate", "DocCurrency", "DocumentLines", self._field)
        query = Query(
            entity_set=entity_set, key=("DocEntry",), where=where, select=tuple(dict.fromkeys((*fields, *more)))
        )
        rows = self._client.rows(query, operation="sales_order.find", document=document)
        # A database that takes upper and lower case for the same finds the numbers of others, too.
        return [
            row
            for row in rows
            if not row.get(self._field) and (row.get("NumAtCard"), row.get("CardCode")) == (number, card)
        ]

    @property
    def _field(self) -> str:
        return self._finder.key_field

    def _doubt(self, names: Sequence[str], what: str, sent: Sent) -> Ambiguous:
        why = (
            f"SAP Business One has {what}. It was not sent again. Write {sent.key} into {self._field} of the one that "
            "is this order, or change the NumAtCard of what is not; then retry"
        )
        return Ambiguous(target_ids=tuple(names), why=why)


def noted(row: Row, field: str) -> Any:
    """The receipt of an order that was recognised without our key."""
    receipt = receipt_of(row)
    values = {**receipt.values, "key": f"{field} is empty in SAP, recognised by NumAtCard, CardCode and its contents"}
    return msgspec.structs.replace(receipt, values=values)


def _may_come(draft: Row) -> bool:
    """A draft that may become an order: one that was closed is one by now, or nothing."""
    return not is_ended(draft) and draft.get("DocumentStatus") != "bost_Close"


def _difference(row: Row, sent: Sent) -> str:
    """In words; "" where it holds the same."""
    if row.get("Cancelled") == "tYES":
        return "it was cancelled there"
    if _rows(row) != sent.rows:
        return "its rows are others"
    total = in_document_currency(row, "DocTotal", "DocTotalFc")
    if total is None or abs(total - sent.total) > sent.tolerance:
        return f"its total is {'not told' if total is None else f'{total.normalize():f}'}, not {sent.total:f}"
    return ""


def _rows(document: Row) -> Counter[tuple[str, Decimal]]:
    """Without the components that SAP adds to a sales bill of materials."""
    rows = [one for one in document.get("DocumentLines") or () if one.get("TreeType") != "iIngredient"]
    return Counter(
        (str(one.get("ItemCode")), decimal_of(one.get("Quantity") or 0, scale=6).normalize()) for one in rows
    )
