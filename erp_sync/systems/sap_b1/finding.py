"""Finding an order by our key: among Orders, and among Drafts, where an approval procedure keeps what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.ports.outcomes import Absent, Accepted, Ambiguous, Applied, Finding, Found, Outcome, Receipt, Refused
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import key_field
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.mapping.comparison import TOTALS, in_document_currency

SALES_ORDER = "sales_order"
ORDER_FIELDS = (
    *("DocEntry", "DocNum", "NumAtCard", "CardCode", "DocCurrency", "DocRate"),
    *("DocTotal", "DocTotalFc", "VatSum", "VatSumFc"),
    *("DocumentStatus", "Cancelled", "UpdateDate", "UpdateTime", "DataVersion"),
)
#: The ETag in the body is that of DataVersion, and wrong without it.
DRAFT_FIELDS = (
    *("DocEntry", "DocNum", "NumAtCard", "CardCode", "AuthorizationStatus", "DocObjectCode", "DocumentStatus"),
    *("Cancelled", "DocTotal", "DocTotalFc", "UpdateDate", "UpdateTime", "DataVersion"),
)
#: Of drafts that become no order, unless a person changes their mind: a rejected one may be approved after all (SDK
#: help, DocumentAuthorizationStatusEnum), a cancelled approval procedure be restored (SAP help, Canceling Approval
#: Procedures).
ENDED = ("dasRejected", "dasCancelled")
GENERATED = ("dasGenerated", "dasGeneratedbyAuthorizer")


class Handle(msgspec.Struct, frozen=True):
    """A draft that stands for an order, as the ledger keeps it: ``draft:77:shopware_de_10045``."""

    draft: int
    key: str

    def __str__(self) -> str:
        return f"draft:{self.draft}:{self.key}"

    @classmethod
    def read(cls, text: str) -> Handle:
        """Raises ValueError for what is none."""
        kind, _, rest = text.partition(":")
        draft, _, key = rest.partition(":")
        if kind != "draft" or not draft.isdigit() or not key:
            raise ValueError(f"no order was accepted as {text!r}")
        return cls(int(draft), key)


class OrderFinder:
    """Thread-safe; keeps nothing. Every method raises the TransportError tree."""

    def __init__(self, client: ServiceLayerClient) -> None:
        self._client = client
        self.key_field = key_field(client.connection.settings)

    def find(self, keys: Sequence[str], *, document: str = "", ended: bool = True) -> dict[str, Finding]:
        """What there is of each key: the order, else a draft (`Accepted`: ask `settle` what becomes of it).

        A draft that was rejected or cancelled counts only where there is nothing else, and only with `ended`: it tells
        what became of a send, and says nothing against another one. Two orders, or two drafts that may become one, are
        Ambiguous.
        """
        orders = self.orders(keys, document=document)
        drafts = self.drafts([key for key in keys if key not in orders], document=document)
        if not ended:
            drafts = {key: [row for row in rows if not is_ended(row)] for key, rows in drafts.items()}
        return {key: finding_of(key, orders.get(key, []), drafts.get(key, [])) for key in keys}

    def orders(self, keys: Sequence[str], *, document: str = "") -> dict[str, list[dict[str, Any]]]:
        """Orders by our key, as SAP keeps them."""
        return self._by_key("Orders", keys, (*ORDER_FIELDS, self.key_field), "", document)

    def drafts(self, keys: Sequence[str], *, document: str = "") -> dict[str, list[dict[str, Any]]]:
        """Drafts of orders by our key, as SAP keeps them, whatever became of them."""
        kind = odata.equals("DocObjectCode", "oOrders")
        return self._by_key("Drafts", keys, (*DRAFT_FIELDS, self.key_field), kind, document)

    def _by_key(
        self, entity_set: str, keys: Sequence[str], fields: tuple[str, ...], kind: str, document: str
    ) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        unique = list(dict.fromkeys(keys))
        for some in (unique[at : at + MOST_IN_FILTER] for at in range(0, len(unique), MOST_IN_FILTER)):
            where = odata.every(odata.any_of(self.key_field, some), kind)
            query = Query(entity_set=entity_set, key=("DocEntry",), where=where, select=fields)
            for row in self._client.rows(query, operation="sales_order.find", document=document):
                # A database that takes upper and lower case for the same finds the keys of others, too.
                if row.get(self.key_field) in some:
                    found.setdefault(row[self.key_field], []).append(row)
        return found

    def by_ids(self, ids: Sequence[str]) -> dict[str, Receipt]:
        """Orders by DocEntry; what is no number cannot exist."""
        numbers = list(dict.fromkeys(int(one) for one in ids if one.isdigit()))
        found: dict[str, Receipt] = {}
        for some in (numbers[at : at + MOST_IN_FILTER] for at in range(0, len(numbers), MOST_IN_FILTER)):
            where = odata.any_of("DocEntry", some)
            query = Query(entity_set="Orders", key=("DocEntry",), where=where, select=ORDER_FIELDS)
            rows = self._client.rows(query, operation="sales_order.read")
            found |= {str(row["DocEntry"]): msgspec.structs.replace(receipt_of(row), existed=True) for row in rows}
        return found

    def order(self, entry: int, key: str, *, document: str = "", or_none: bool = False) -> Receipt | None:
        """The order of this number, if it carries our key (`or_none`: if it carries no other): a number of a draft may
        be another order's."""
        row = self.row(entry, document=document)
        if row is None or not (row.get(self.key_field) == key or (or_none and not row.get(self.key_field))):
            return None
        return receipt_of(row)

    def row(self, entry: int, *, document: str = "") -> dict[str, Any] | None:
        """The order of this number, whoever's it is, with the field of our key."""
        fields = (*ORDER_FIELDS, self.key_field)
        return self._client.get("Orders", entry, operation="sales_order.find", document=document, select=fields)

    def there(self, key: str, *, document: str = "") -> Outcome | None:
        """The order, or a draft that may become it; Refused where there are several."""
        finding = self.find([key], document=document, ended=False)[key]
        if isinstance(finding, Found):
            return Applied(receipt=finding.receipt)
        if isinstance(finding, Accepted):
            return finding
        if isinstance(finding, Ambiguous):
            return Refused(code="ambiguous", message=f"several carry {key}: {', '.join(finding.target_ids)}")
        return None


def finding_of(key: str, orders: Sequence[Mapping[str, Any]], drafts: Sequence[Mapping[str, Any]]) -> Finding:
    """See `OrderFinder.find`."""
    if len(orders) == 1:
        return Found(receipt=msgspec.structs.replace(receipt_of(orders[0]), existed=True))
    if orders:
        return Ambiguous(target_ids=tuple(f"order {row['DocEntry']}" for row in orders))
    alive = [row for row in drafts if not is_ended(row)]
    if len(alive) > 1:
        return Ambiguous(target_ids=tuple(f"draft {row['DocEntry']}" for row in alive))
    if drafts:
        return Accepted(handle=str(Handle(int((alive or drafts)[-1]["DocEntry"]), key)))
    return Absent()


def is_ended(draft: Mapping[str, Any]) -> bool:
    return draft.get("AuthorizationStatus") in ENDED or draft.get("Cancelled") == "tYES"


def is_added(draft: Mapping[str, Any]) -> bool:
    """Whether it was added as an order, or closed by hand: which of both is told by the order alone.

    By the SDK help (DocumentAuthorizationStatusEnum) a draft that was added is dasGenerated; on a live system it was
    seen to be dasWithout and closed then, its approval request deleted (Ngonie69/ShopInventory, SAP credit note
    approvals).
    """
    return draft.get("AuthorizationStatus") in GENERATED or (
        draft.get("DocumentStatus") == "bost_Close" and not is_ended(draft)
    )


def receipt_of(row: Mapping[str, Any]) -> Receipt:
    """Of an order as SAP gives it. Totals are in the order's currency: in a foreign one those fields that end in Fc."""
    totals = {
        name: f"{found:f}"
        for name, (own, foreign) in zip(("grand_total", "tax"), TOTALS, strict=True)
        if (found := in_document_currency(row, own, foreign)) is not None
    }
    status = "cancelled" if row.get("Cancelled") == "tYES" else str(row.get("DocumentStatus") or "")
    return Receipt(
        target_id=str(row["DocEntry"]),
        number=str(row.get("DocNum") or ""),
        version=version_of(row),
        totals=totals,
        values={"status": status} if status else {},
    )


def version_of(row: Mapping[str, Any]) -> str:
    """Grows with every change of the document."""
    if row.get("DataVersion") is not None:
        return str(row["DataVersion"])
    return f"{str(row.get('UpdateDate') or '')[:10]} {row.get('UpdateTime') or ''}".strip()
