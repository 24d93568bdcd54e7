"""What orders need at SAP: items by SKU, currencies by code, accounts by card code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erp_sync.ports.documents import Requirement
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient

ITEM_FIELDS = ("ItemCode", "Frozen", "FrozenFrom", "FrozenTo")
CARD_FIELDS = ("CardCode", "CardName", "CardType", "Frozen", "FrozenFrom", "FrozenTo")


class OrderResolver:
    """Thread-safe; keeps nothing but currencies. Setting ``currencies`` ({ISO code: SAP's code}) gives them unasked."""

    def __init__(self, client: ServiceLayerClient) -> None:
        self._client = client
        own = client.connection.settings.get("currencies") or {}
        self._currencies = {str(iso): str(code) for iso, code in own.items()}

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Codes of what exists, in a call per kind and 25 keys. Left out is what is frozen without an end.

        Raises the TransportError tree; ValueError for what no order needs.
        """
        kinds: dict[str, list[str]] = {}
        for requirement in dict.fromkeys(requirements):
            kinds.setdefault(requirement.entity, []).append(requirement.key)
        found: dict[Requirement, str] = {}
        for entity, keys in kinds.items():
            if entity == "product":
                codes = self._items(keys)
            elif entity == "currency":
                codes = self._currency_codes(keys)
            elif entity == "customer":
                codes = self._accounts(keys)
            else:
                raise ValueError(f"SAP Business One resolves product, currency and customer, not {entity}")
            found |= {Requirement(entity, key): codes[key] for key in keys if key in codes}
        return found

    def _items(self, skus: Sequence[str]) -> dict[str, str]:
        rows = self._of("Items", "ItemCode", skus, ITEM_FIELDS, "item.resolve")
        return {row["ItemCode"]: row["ItemCode"] for row in rows if not frozen_for_good(row)}

    def _accounts(self, numbers: Sequence[str]) -> dict[str, str]:
        rows = self._of("BusinessPartners", "CardCode", numbers, CARD_FIELDS, "customer.resolve")
        return {row["CardCode"]: row["CardCode"] for row in rows if row.get("CardType") == "cCustomer"}

    def _of(
        self, entity_set: str, key: str, values: Sequence[str], select: tuple[str, ...], operation: str
    ) -> Iterator[dict[str, Any]]:
        for some in (values[at : at + MOST_IN_FILTER] for at in range(0, len(values), MOST_IN_FILTER)):
            query = Query(entity_set=entity_set, key=(key,), where=odata.any_of(key, some), select=select)
            yield from self._client.rows(query, operation=operation)

    def _currency_codes(self, wanted: Sequence[str]) -> dict[str, str]:
        """A company names its currencies itself: by the ISO code mostly, else that stands in DocumentsCode
        (unconfirmed); where two have it, setting ``currencies`` decides."""
        if any(iso not in self._currencies for iso in wanted):
            query = Query(entity_set="Currencies", key=("Code",), select=("Code", "DocumentsCode"))
            rows = self._client.rows(query, operation="currency.resolve")
            named: dict[str, list[str]] = {}
            for row in rows:
                named.setdefault(str(row.get("DocumentsCode") or ""), []).append(str(row["Code"]))
            known = {iso: codes[0] for iso, codes in named.items() if len(codes) == 1}
            known |= {str(row["Code"]): str(row["Code"]) for row in rows}
            self._currencies = known | self._currencies
        return {iso: self._currencies[iso] for iso in wanted if iso in self._currencies}


def frozen_for_good(row: Mapping[str, Any]) -> bool:
    """Frozen (inactive) without a date from or to which it holds; with one SAP decides by the document's date."""
    return row.get("Frozen") == "tYES" and not row.get("FrozenFrom") and not row.get("FrozenTo")
