"""Status of sales orders out of SAP Business One, and of drafts that may become one.

A document's lines come with it, since they tell what has left; of them is kept what the status needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.money import ZERO
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of, key_field
from erp_sync.systems.sap_b1.changes import DocumentReader, Documents, Row
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.deliveries import Deliveries
from erp_sync.systems.sap_b1.finding import is_added
from erp_sync.systems.sap_b1.mapping.order_status import CLOSED, DRAFT_WORDS

HEADER = (
    *("DocNum", "NumAtCard", "CardCode", "DocumentStatus", "Cancelled", "DocTotal", "DocTotalFc", "DocRate"),
    "DocumentLines",
)
DRAFT_HEADER = ("NumAtCard", "AuthorizationStatus", "DocumentStatus", "Cancelled", "Document_ApprovalRequests")
LINE = ("LineNum", "ItemCode", "Quantity", "RemainingOpenQuantity", "LineStatus", "TreeType")
DRAFT = "draft:"


class OrderStatusSource:
    """`DocumentSource` of order status. Native id is the DocEntry, of a draft ``draft:<DocEntry>``.

    Setting ``source_connections`` names the stores' connections.
    """

    def __init__(self, client: ServiceLayerClient, mapping: RecordMapping) -> None:
        settings = client.connection.settings
        self._client, self._mapping = client, mapping
        self.capabilities = capabilities_of(settings)
        self._key_field = key_field(settings)
        self._connections = tuple(settings.get("source_connections") or ())
        self._deliveries = Deliveries(client)
        self._orders = DocumentReader(
            client,
            Documents(entity_set="Orders", select=(*HEADER, self._key_field), operation="order_status.read"),
        )
        self._drafts = DocumentReader(
            client,
            Documents(
                entity_set="Drafts",
                select=(*DRAFT_HEADER, self._key_field),
                where=odata.equals("DocObjectCode", "oOrders"),
                operation="order_status.read_drafts",
            ),
        )

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        for reader, rows in self._changed(window):
            records = [self._record(reader, row) for row in rows]
            wanted = news({record.native_id: record.version for record in records})
            if fresh := [record for record in records if record.native_id in wanted]:
                yield self._with_deliveries(fresh)

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        drafts = [one.removeprefix(DRAFT) for one in native_ids if one.startswith(DRAFT)]
        orders = [one for one in native_ids if not one.startswith(DRAFT)]
        for reader, ids in ((self._orders, orders), (self._drafts, drafts)):
            for rows in reader.of(ids):
                yield self._with_deliveries([self._record(reader, row) for row in self._told(reader, rows)])

    def created(self, window: Window) -> dict[str, str]:
        """Of orders: a draft becomes one, or none."""
        return {str(row["DocEntry"]): self._orders.version(row) for row in self._orders.created(window)}

    def peek(self, window: Window) -> dict[str, str] | None:
        seen: dict[str, str] = {}
        for number, (reader, rows) in enumerate(self._changed(window)):
            if number > 1:  # orders and drafts: a page each
                return None
            seen.update((record.native_id, record.version) for record in (self._record(reader, row) for row in rows))
        return seen

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> OrderStatusUpdate:
        source = {**record.payload, "version": record.version, "native_id": record.native_id}
        update: OrderStatusUpdate = self._mapping.apply(source, self._context(lookups), record.native_id)
        return update

    def _context(self, lookups: Lookups) -> Context:
        values = {
            "connection": self._client.connection.name,
            "connections": self._connections,
            "key_field": self._key_field,
            "settings": self._client.connection.settings,
        }
        return Context(self._client.connection, lookups, values)

    def _changed(self, window: Window) -> Iterator[tuple[DocumentReader, list[Row]]]:
        for reader in (self._orders, self._drafts):
            for rows in reader.changed(window):
                if told := self._told(reader, rows):
                    yield reader, told

    def _told(self, reader: DocumentReader, rows: Sequence[Row]) -> list[Row]:
        """All orders; drafts of ours that are no order yet."""
        if reader is self._orders:
            return list(rows)
        ours = [row for row in rows if row.get(self._key_field) and row.get("AuthorizationStatus") in DRAFT_WORDS]
        return [row for row in ours if not is_added(row)]

    def _with_deliveries(self, records: list[RawRecord]) -> list[RawRecord]:
        """What has left of orders that are closed: it tells a fulfilled one from one that was closed by hand."""
        closed = [one.payload for one in records if is_closed(one.payload)]
        if not closed:
            return records
        left = self._deliveries.of(closed, operation="order_status.read_deliveries")
        return [
            msgspec.structs.replace(
                one,
                payload={**one.payload, "delivered": f"{sum(left[int(one.native_id)].values(), ZERO):f}"},
            )
            if is_closed(one.payload)
            else one
            for one in records
        ]

    def _record(self, reader: DocumentReader, row: Row) -> RawRecord:
        if reader is self._drafts:
            return reader.raw(row, native_id=f"{DRAFT}{row['DocEntry']}")
        return reader.raw(row, payload={**row, "DocumentLines": [trimmed(line) for line in row["DocumentLines"] or ()]})


def is_closed(row: Mapping[str, Any]) -> bool:
    """Closed and not cancelled."""
    return row.get("DocumentStatus") in CLOSED and row.get("Cancelled") != "tYES"


def trimmed(line: Mapping[str, Any], names: Sequence[str] = LINE) -> Row:
    """A line has 230 fields."""
    return {name: line[name] for name in names if name in line}
