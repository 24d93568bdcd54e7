"""Status of sales orders out of NetSuite: one SuiteQL row an order, changed ones by lastmodifieddate.

Setting ``cancel_reason_field`` names the custom body field that says why an order was cancelled; it is read with the
rest. A field of a list gives an internal id in SuiteQL (BUILTIN.DF would give its label, and whether it takes a field
of free text is unconfirmed): setting ``cancel_reasons`` says what the ids mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.ports.reconciling import Shortage
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.capabilities import cancel_reason_field, capabilities_of
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.identity import external_id
from erp_sync.systems.netsuite.mapping.order_status import status_letter
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader, numbers, raw, seen

ORDERS = Reading(
    operation="order_status.read",
    columns="t.id, t.tranid, t.externalid, t.otherrefnum, t.status, t.foreigntotal",
    tables="transaction t",
    condition="t.type = 'SalesOrd'",
    key="t.id",
    modified="t.lastmodifieddate",
    created="t.createddate",
)
# Quantities of sales lines are negative in SuiteQL, those shipped are not (unconfirmed): hence ABS.
SHIPPED = (
    "SELECT tl.transaction AS id, SUM(ABS(tl.quantityshiprecv)) AS shipped FROM transactionline tl "
    "WHERE tl.transaction IN ({ids}) AND tl.mainline = 'F' AND tl.taxline = 'F' GROUP BY tl.transaction"
)

# Units of closed lines that have not left. That a closed line has its quantity still is as the help's pages on closing
# have it; quantityshiprecv of items that are not shipped is empty (unconfirmed): hence NVL. The parts of a kit are its
# line's.
CLOSED = (
    "SELECT tl.transaction AS id, tl.item, i.itemid AS sku, "
    "SUM(ABS(tl.quantity) - ABS(NVL(tl.quantityshiprecv, 0))) AS units "
    "FROM transactionline tl JOIN item i ON i.id = tl.item WHERE tl.transaction IN ({ids}) AND tl.mainline = 'F' "
    "AND tl.taxline = 'F' AND tl.isclosed = 'T' AND NVL(tl.kitcomponent, 'F') = 'F' AND tl.quantity IS NOT NULL{after} "
    "GROUP BY tl.transaction, tl.item, i.itemid ORDER BY tl.transaction, tl.item"
)

# Of items that may be back-ordered, too. That a line's quantitybackordered is what is neither committed nor shipped
# of it is NetSuite's name for it (record fields of sales order lines); its sign in SuiteQL is unconfirmed: hence ABS.
SHORT = (
    "SELECT SUM(ABS(tl.quantity)) AS ordered, SUM(ABS(tl.quantitybackordered)) AS short FROM transactionline tl "
    "JOIN transaction t ON t.id = tl.transaction WHERE t.type = 'SalesOrd' AND tl.mainline = 'F' "
    "AND tl.taxline = 'F' AND t.status NOT IN ('C', 'SalesOrd:C') AND {of_store} AND {created}"
)


def order_reading(settings: Mapping[str, Any]) -> Reading:
    """The query of a connection: with its ``cancel_reason_field``, where it has one. Raises ValueError for a name that
    is none."""
    field = cancel_reason_field(settings)
    if not field:
        return ORDERS
    return msgspec.structs.replace(ORDERS, columns=f"{ORDERS.columns}, t.{field} AS cancel_reason")


class OrderStatusSource:
    """`DocumentSource` of order status. Setting ``source_connections`` names the stores' connections."""

    def __init__(self, client: NetSuiteClient, mapping: RecordMapping) -> None:
        self._client, self._mapping = client, mapping
        self.capabilities = capabilities_of(client.connection.settings)
        self._rows = RowReader(client, order_reading(client.connection.settings))
        self._connections = tuple(client.connection.settings.get("source_connections") or ())

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        for rows in self._rows.news(self._rows.within(window), _version, news, poll=True):
            yield self._raw(rows)

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        for rows in self._rows.of(native_ids, "t.id", numbers):
            yield self._raw(rows)

    def created(self, window: Window) -> dict[str, str]:
        condition = self._rows.within(window, "t.createddate")
        return {str(row["id"]): _version(row) for rows in self._rows.pages(condition) for row in rows}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        return seen(self._rows.first(self._rows.within(window)), _version)

    def shortage(self, window: Window, store: str) -> Shortage:
        """See `ports.reconciling.TellsShortage`. One query; adopted orders, which carry no key, are left out."""
        prefix = external_id(store) + "_"
        of_store = f"SUBSTR(t.externalid, 1, {len(prefix)}) = {suiteql.text(prefix)}"
        statement = SHORT.format(of_store=of_store, created=self._rows.within(window, "t.createddate"))
        rows = self._client.query(statement, operation="order_status.read_short")
        found = rows[0] if rows else {}
        return Shortage(ordered=decimal_of(found.get("ordered") or "0"), short=decimal_of(found.get("short") or "0"))

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> OrderStatusUpdate:
        values = {"connection": self._client.connection.name, "connections": self._connections}
        source = {**record.payload, "version": record.version}
        return self._mapping.apply(source, Context(self._client.connection, lookups, values), record.native_id)

    def _raw(self, rows: list[Row]) -> list[RawRecord]:
        """With the quantity shipped of closed orders: it tells a cancellation from an end. With what is closed of
        orders for which a reason is told: a part of them may have been cancelled for it."""
        closed = [str(row["id"]) for row in rows if status_letter(row.get("status", "")) == "H"]
        shipped: dict[str, str] = {}
        if closed:
            found = self._client.query(SHIPPED.format(ids=numbers(closed)), operation="order_status.read_shipped")
            shipped = {str(row["id"]): str(row.get("shipped") or "0") for row in found}
        parts = self._closed_parts([str(row["id"]) for row in rows if _partly(row)])
        found_rows = []
        for row in rows:
            key = str(row["id"])
            more: Row = {"shipped": shipped.get(key, "0")} if key in closed else {}
            if key in parts:
                more["cancelled"] = parts[key]
            found_rows.append(
                raw(self._rows, row, _version(row), row | more) if more else raw(self._rows, row, _version(row))
            )
        return found_rows

    def _closed_parts(self, ids: Sequence[str]) -> dict[str, list[Row]]:
        """What is closed of these orders and has not left: rows of sku and quantity by order. A page of orders may have
        more closed articles than a page holds."""
        found: dict[str, list[Row]] = {}
        for some in chunks(ids):
            after = ""
            while True:
                statement = CLOSED.format(ids=numbers(some), after=after)
                rows = self._client.query(statement, operation="order_status.read_closed")
                for row in rows:
                    if decimal_of(row.get("units") or "0") > 0:
                        part = {"sku": str(row["sku"]), "quantity": str(row["units"])}
                        found.setdefault(str(row["id"]), []).append(part)
                if len(rows) < PAGE:
                    break
                last = (str(rows[-1]["id"]), str(rows[-1]["item"]))
                after = f" AND {suiteql.after(('tl.transaction', 'tl.item'), last)}"
        return found


def _partly(row: Row) -> bool:
    """Whether a part of it may be cancelled for a reason; a cancelled one is so as a whole."""
    return bool(str(row.get("cancel_reason") or "").strip()) and status_letter(row.get("status", "")) != "C"


def _version(row: Row) -> str:
    """Time of last change has seconds: status and reason tell two changes of one second apart."""
    reason = str(row.get("cancel_reason") or "")
    said = f" {hashlib.sha256(reason.encode()).hexdigest()[:8]}" if reason else ""
    return f"{row.get('modified', '')} {status_letter(row.get('status', ''))}{said}".strip()
