"""Shipments out of SAP Business One: delivery notes, split by the sales orders that they deliver.

A note that was cancelled, and the document that cancels it, are no shipments; one cancelled after it was received stays
as it was told (a person takes the goods back in the store).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erp_sync.model.shipment import Shipment
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of, key_field
from erp_sync.systems.sap_b1.changes import DocumentReader, Documents, Row
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.deliveries import SALES_ORDER, is_void
from erp_sync.systems.sap_b1.order_status import trimmed

HEADER = ("DocNum", "DocDate", "Cancelled", "CancelStatus", "TrackingNumber", "TransportationCode", "Comments")
LINE = ("LineNum", "ItemCode", "Quantity", "WarehouseCode", "BaseType", "BaseEntry", "BaseLine", "TreeType")
# Note, number of the order, its lines
Part = tuple[Row, int, list[Row]]


class ShipmentSource:
    """`DocumentSource` of shipments. Native id is the note's DocEntry; of a note over several orders
    ``<note>/<order>``. Setting ``source_connections`` names the stores' connections."""

    def __init__(self, client: ServiceLayerClient, mapping: RecordMapping) -> None:
        settings = client.connection.settings
        self._client, self._mapping = client, mapping
        self.capabilities = capabilities_of(settings)
        self._key_field = key_field(settings)
        self._connections = tuple(settings.get("source_connections") or ())
        self._notes = DocumentReader(
            client,
            Documents(entity_set="DeliveryNotes", select=(*HEADER, "DocumentLines"), operation="shipment.read"),
        )

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        for rows in self._notes.changed(window):
            parts = [part for row in rows for part in parts_of(row)]
            wanted = news({_native_id(part): self._notes.version(part[0]) for part in parts})
            if fresh := [part for part in parts if _native_id(part) in wanted]:
                yield self._records(fresh)

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        for rows in self._notes.of([one.partition("/")[0] for one in native_ids]):
            parts = [part for row in rows for part in parts_of(row) if _native_id(part) in native_ids]
            if parts:
                yield self._records(parts)

    def created(self, window: Window) -> dict[str, str]:
        return {
            _native_id(part): self._notes.version(row) for row in self._notes.created(window) for part in parts_of(row)
        }

    def peek(self, window: Window) -> dict[str, str] | None:
        pages = self._notes.changed(window)
        first = next(pages, [])
        if next(pages, None):
            return None
        return {_native_id(part): self._notes.version(row) for row in first for part in parts_of(row)}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Shipment:
        """Carriers and warehouses are SAP's codes; the target looks them up."""
        values = {
            "connection": self._client.connection.name,
            "connections": self._connections,
            "key_field": self._key_field,
        }
        source = {**record.payload, "version": record.version, "native_id": record.native_id}
        context = Context(self._client.connection, lookups, values)
        shipment: Shipment = self._mapping.apply(source, context, record.native_id)
        return shipment

    def _records(self, parts: Sequence[Part]) -> list[RawRecord]:
        orders = self._orders([entry for _, entry, _ in parts])
        records = []
        for part in parts:
            note, entry, lines = part
            header = {name: value for name, value in note.items() if name != "DocumentLines"}
            payload = {"note": header, "lines": lines, "order": orders.get(entry, {"DocEntry": entry})}
            records.append(self._notes.raw(note, native_id=_native_id(part), payload=payload))
        return records

    def _orders(self, entries: Sequence[int]) -> dict[int, Row]:
        """Our key stands on the order; that a note made from it has it, too, is unconfirmed."""
        found: dict[int, Row] = {}
        unique = list(dict.fromkeys(entries))
        for some in (unique[at : at + MOST_IN_FILTER] for at in range(0, len(unique), MOST_IN_FILTER)):
            query = Query(
                entity_set="Orders",
                key=("DocEntry",),
                where=odata.any_of("DocEntry", some),
                select=("DocEntry", "DocNum", "NumAtCard", self._key_field),
            )
            rows = self._client.rows(query, operation="shipment.read_orders")
            found |= {int(row["DocEntry"]): row for row in rows}
        return found


def parts_of(note: Row) -> list[Part]:
    """One part for each order that the note delivers; none of a cancelled note, or of one without an order."""
    if is_void(note):
        return []
    lines: dict[int, list[Row]] = {}
    for line in note.get("DocumentLines") or ():
        if line.get("BaseType") == SALES_ORDER and line.get("TreeType") != "iIngredient" and _quantity(line):
            lines.setdefault(int(line["BaseEntry"]), []).append(trimmed(line, LINE))
    whole = len(lines) == 1
    return [({**note, "whole": whole}, entry, some) for entry, some in lines.items()]


def _quantity(line: Mapping[str, Any]) -> bool:
    return bool(line.get("Quantity"))


def _native_id(part: Part) -> str:
    note, entry, _ = part
    return str(note["DocEntry"]) if note["whole"] else f"{note['DocEntry']}/{entry}"
