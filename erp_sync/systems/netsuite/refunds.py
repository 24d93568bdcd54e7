"""Credit memos and cash refunds of sales orders, found by their orders.

They are made from an invoice, a cash sale or a return authorization, which come from the order, or from one another
(Oracle NetSuite help, Return Management): the chain is followed by `createdfrom` of the main line. Links of
transactions would lead astray: a credit memo that is applied to another order's invoice is linked to that as well.
That SuiteQL shows `createdfrom` on the main line of these types is unconfirmed; of fulfillments it is seen in public
code. A deposit that is refunded without a credit memo is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from erp_sync.model.returns import Refund
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import RawRecord, Window
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader, numbers, raw

MEMOS = ("CustCred", "CashRfnd")
BETWEEN = ("CustInvc", "CashSale", "RtnAuth")
DEEPEST = 4  # order, invoice, return authorization, credit memo

CHAIN = Reading(
    operation="refund.list",
    columns="t.id, t.type, t.tranid, t.status, t.voided, t.foreigntotal, c.symbol AS currency, "
    "tl.createdfrom AS origin",
    tables="transaction t JOIN transactionline tl ON tl.transaction = t.id JOIN currency c ON c.id = t.currency",
    condition=f"tl.mainline = 'T' AND t.type IN ({suiteql.texts((*MEMOS, *BETWEEN))})",
    key="t.id",
    modified="t.lastmodifieddate",
    created="t.createddate",
)


class RefundTarget:
    """`ports.reconciling.ListsRefunds` of one account. Nothing is written by it."""

    capabilities = CAPABILITIES

    def __init__(self, client: NetSuiteClient, mapping: RecordMapping) -> None:
        self._client, self._mapping = client, mapping
        self._rows = RowReader(client, CHAIN)

    def refunded(self, window: Window) -> list[str]:
        """Orders with a memo created in the window, whoever made it. A few queries, however many they are."""
        memos = f"t.type IN ({suiteql.texts(MEMOS)})"
        created = f"{self._rows.within(window, 't.createddate')} AND {memos}"
        heads = {_origin(row) for rows in self._rows.pages(created) for row in rows} - {""}
        orders: set[str] = set()
        for _ in range(DEEPEST):
            between = {str(row["id"]): _origin(row) for row in self._of(sorted(heads), "t.id")}
            orders |= heads - between.keys()
            heads = {origin for origin in between.values() if origin}
        return sorted(orders)

    def refunds_of(self, orders: Sequence[str]) -> dict[str, list[RawRecord]]:
        """All memos of these orders, by order."""
        found: dict[str, list[RawRecord]] = {}
        order_of = {order: order for order in orders}
        ids = list(order_of)
        for _ in range(DEEPEST):
            rows = self._of(ids, "tl.createdfrom")
            order_of |= {str(row["id"]): order_of[_origin(row)] for row in rows}
            for row in rows:
                if row["type"] in MEMOS:
                    order = order_of[str(row["id"])]
                    version = str(row.get("modified") or "")
                    found.setdefault(order, []).append(raw(self._rows, row, version, {**row, "order": order}))
            ids = [str(row["id"]) for row in rows if row["type"] not in MEMOS]
        return found

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Refund:
        source = {**record.payload, "version": record.version}
        values: dict[str, Any] = {"connection": self._client.connection.name}
        return self._mapping.apply(source, Context(self._client.connection, lookups, values), record.native_id)

    def _of(self, ids: Sequence[str], column: str) -> list[Row]:
        return list(self._pages(ids, column)) if ids else []

    def _pages(self, ids: Sequence[str], column: str) -> Iterator[Row]:
        for rows in self._rows.of(ids, column, numbers):
            yield from rows


def _origin(row: Row) -> str:
    return str(row.get("origin") or "")
