"""What NetSuite already holds without our external id: orders by number, customers by e-mail, items by name.

Reads only. One SuiteQL per 500 keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from erp_sync.model.keys import Entity
from erp_sync.model.money import decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.adoption import Certainty, Match
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.identity import customer_key, order_key
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader

KEYS_A_QUERY = 500

ORDERS = Reading(
    operation="adoption.orders",
    columns="t.id, t.tranid, t.otherrefnum, t.externalid, t.foreigntotal, t.entity",
    tables="transaction t",
    condition="t.type = 'SalesOrd'",
    key="t.id",
    modified="t.lastmodifieddate",
)
CUSTOMERS = Reading(
    operation="adoption.customers",
    columns="c.id, c.entityid, c.email, c.externalid, c.isinactive",
    tables="customer c",
    key="c.id",
    modified="c.lastmodifieddate",
)
ITEMS = Reading(
    operation="adoption.items",
    columns="i.id, i.itemid, i.externalid, i.isinactive",
    tables="item i",
    key="i.id",
    modified="i.lastmodifieddate",
)


class Adoption:
    """Finds matches; links nothing. Every method raises the TransportError tree."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client

    def orders(self, documents: Sequence[SalesOrder]) -> list[Match]:
        """By our external id, then by order number in `otherrefnum` or `tranid`.

        Certain: one order with that number, without another system's external id, of the same total.
        """
        keys = {order_key(document): document for document in documents}
        numbers = [document.number for document in documents]
        rows = self._rows(
            ORDERS, numbers, lambda some: f"(t.otherrefnum IN ({some}) OR t.tranid IN ({some}))"
        ) + self._rows(ORDERS, list(keys), lambda some: f"t.externalid IN ({some})")
        rows = list({str(row["id"]): row for row in rows}.values())
        return [self._order(document, rows) for document in documents]

    def _order(self, document: SalesOrder, rows: Sequence[Row]) -> Match:
        ours = [row for row in rows if row.get("externalid") == order_key(document)]
        if ours:
            return _match(
                Entity.SALES_ORDER, document.native_id, document.number, ours, "has our external id", ours=True
            )
        same = [row for row in rows if document.number in (row.get("otherrefnum"), row.get("tranid"))]
        doubt = ""
        if len(same) == 1:
            row = same[0]
            total = row.get("foreigntotal")
            if row.get("externalid"):
                doubt = f"it carries the external id {row['externalid']} of another system"
            elif total is None or decimal_of(total, 2) != decimal_of(document.totals.grand_total, 2):
                doubt = f"its total is {total}, the store's {document.totals.grand_total}"
        return _match(Entity.SALES_ORDER, document.native_id, document.number, same, "same number and total", doubt)

    def customers(self, documents: Sequence[SalesOrder]) -> list[Match]:
        """The orders' customers, by our external id, then by e-mail address. Certain: one active customer."""
        emails = [document.customer.email.strip().lower() for document in documents]
        rows = self._rows(CUSTOMERS, emails, lambda some: f"LOWER(c.email) IN ({some})")
        matches: dict[str, Match] = {}
        for document, email in zip(documents, emails, strict=True):
            key = customer_key(document.connection, document.customer)
            same = [row for row in rows if str(row.get("email", "")).lower() == email]
            ours = [row for row in same if row.get("externalid") == key]
            doubt = ""
            if len(same) == 1 and same[0].get("isinactive") == "T":
                doubt = "it is inactive"
            elif len(same) == 1 and not ours and same[0].get("externalid"):
                doubt = f"it carries the external id {same[0]['externalid']} of another system"
            native_id = document.customer.native_id or email
            words = "has our external id" if ours else "same e-mail address"
            matches[native_id] = _match(Entity.CUSTOMER, native_id, email, ours or same, words, doubt, ours=bool(ours))
        return list(matches.values())

    def items(self, skus: Sequence[str]) -> list[Match]:
        """By item name (`itemid`). Certain: one active item."""
        rows = self._rows(ITEMS, skus, lambda some: f"i.itemid IN ({some})")
        result = []
        for sku in dict.fromkeys(skus):
            same = [row for row in rows if row.get("itemid") == sku and row.get("isinactive") != "T"]
            idle = [row for row in rows if row.get("itemid") == sku and row.get("isinactive") == "T"]
            doubt = "it is inactive" if idle and not same else ""
            result.append(_match(Entity.PRODUCT, sku, sku, same or idle, "same item name", doubt))
        return result

    def _rows(self, reading: Reading, keys: Sequence[str], condition: Callable[[str], str]) -> list[Row]:
        reader = RowReader(self._client, reading)
        return [
            row
            for some in chunks(list(dict.fromkeys(keys)), KEYS_A_QUERY)
            for rows in reader.pages(condition(suiteql.texts(some)))
            for row in rows
        ]


def _match(
    entity: str, native_id: str, key: str, rows: Sequence[Row], words: str, doubt: str = "", *, ours: bool = False
) -> Match:
    ids = tuple(str(row["id"]) for row in rows)
    if not ids:
        return Match(
            entity=entity, native_id=native_id, natural_key=key, certainty=Certainty.MISSING, why="nothing has this key"
        )
    if len(ids) > 1:
        doubt = f"{len(ids)} records have this key"
    return Match(
        entity=entity,
        native_id=native_id,
        natural_key=key,
        certainty=Certainty.DOUBTFUL if doubt else Certainty.CERTAIN,
        target_ids=ids,
        ours=ours,
        why=doubt or words,
    )
