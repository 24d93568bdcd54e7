"""Shipments out of NetSuite: item fulfillments changed in a window, each read as a record.

Tracking numbers are on the record only (its package sublists), so each fulfillment costs one GET: it is read
once it is shipped, and again when it has changed since. Orders and item names are read for a page of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from erp_sync.model.shipment import Shipment
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping, is_empty
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.order_status import status_letter
from erp_sync.systems.netsuite.mapping.shipment import identity_of, items_of
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader, numbers, raw, seen, time_version
from erp_sync.transport.context import carried

FULFILLMENTS = Reading(
    operation="shipment.list",
    columns="t.id, t.tranid, t.externalid, t.status",
    tables="transaction t",
    condition="t.type = 'ItemShip'",
    key="t.id",
    modified="t.lastmodifieddate",
    created="t.createddate",
)
SHIPPED = "C"
_AT_ONCE = 3  # record reads under way; the account has five slots for everybody
_PAGE = 25  # fulfillments whose records are read before they are handed on: so many are lost to an error, no more


class ShipmentSource:
    """`DocumentSource` of shipments. Setting ``source_connections`` names the stores' connections."""

    capabilities = CAPABILITIES

    def __init__(self, client: NetSuiteClient, mapping: RecordMapping) -> None:
        self._client, self._mapping = client, mapping
        self._rows = RowReader(client, FULFILLMENTS)
        self._connections = tuple(client.connection.settings.get("source_connections") or ())

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        for rows in self._rows.pages(self._rows.within(window), poll=True):
            shipped = [row for row in rows if _is_shipped(row)]
            wanted = news({str(row["id"]): self._version(row, window.end) for row in shipped})
            yield from self._records([row for row in shipped if str(row["id"]) in wanted], window.end, news)

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        for rows in self._rows.of(native_ids, "t.id", numbers):
            yield from self._records(rows, datetime.now(UTC))

    def fetch_new(self, native_ids: Sequence[str], news: News) -> Iterator[list[RawRecord]]:
        """A fulfillment that is picked and packed is saved, and told of, several times before it is shipped."""
        for rows in self._rows.of(native_ids, "t.id", numbers):
            read_at = datetime.now(UTC)
            wanted = news({str(row["id"]): self._version(row, read_at) for row in rows})
            wanted_rows = [row for row in rows if _is_shipped(row) and str(row["id"]) in wanted]
            yield from self._records(wanted_rows, read_at, news)

    def created(self, window: Window) -> dict[str, str]:
        pages = self._rows.pages(self._rows.within(window, "t.createddate"))
        return {str(row["id"]): self._version(row, window.end) for rows in pages for row in rows if _is_shipped(row)}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        found = self._rows.first(self._rows.within(window))
        versions = seen(found, lambda row: self._version(row, window.end))
        return versions and {str(row["id"]): versions[str(row["id"])] for row in found if _is_shipped(row)}

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Shipment:
        """Carriers and locations are NetSuite's ids; the target looks them up."""
        values = {"connection": self._client.connection.name, "connections": self._connections}
        source = {**record.payload, "version": record.version}
        return self._mapping.apply(source, Context(self._client.connection, lookups, values), record.native_id)

    def _records(self, rows: list[Row], read_at: datetime, news: News = all_new) -> Iterator[list[RawRecord]]:
        """`news` is asked again for each page but the first: reading one takes seconds, in which a run beside this one,
        which events have started, may have received the next."""
        for number, some in enumerate(chunks(rows, _PAGE)):
            if number:
                wanted = news({str(row["id"]): self._version(row, read_at) for row in some})
                some = [row for row in some if str(row["id"]) in wanted]
                if not some:
                    continue
            with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="shipments") as pool:
                records = list(pool.map(carried(self._read), some))
            pairs = zip(some, records, strict=True)
            found = [(row, record) for row, record in pairs if record is not None]
            orders = self._orders([_order_of(record) for _, record in found])
            skus = self._skus([item for _, record in found for item in _items_of(record)])
            yield [
                raw(
                    self._rows,
                    was,
                    self._version_read(row, was, read_at),
                    {
                        "record": record,
                        "modified": was.get("modified"),
                        "order": orders.get(_order_of(record), {}),
                        "skus": {item: skus[item] for item in _items_of(record) if item in skus},
                    },
                )
                for row, was, record in ((row, self._as_read(row, record), record) for row, record in found)
            ]

    def _as_read(self, row: Row, record: dict[str, Any]) -> Row:
        """The row as it was when the record was like that (`lastModifiedDate`, UTC: REST API Browser 2026.1).

        The record may be older than the list that named it. Its time counts where it is the earlier one; one that
        cannot be read, or names no offset, says nothing: the list's stays.
        """
        status = identity_of(record.get("shipStatus"))
        row = row if is_empty(status) else {**row, "status": status}
        listed, changed = self._rows.utc(row.get("modified")), record.get("lastModifiedDate")
        if listed is None or is_empty(changed):
            return row
        try:
            read = datetime.fromisoformat(str(changed))
            if read.tzinfo is None or read >= listed:
                return row
            return {**row, "modified": suiteql.local_time(read, self._rows.zone)}
        except (ValueError, OverflowError):  # no time, or one that the account's zone puts before year 1
            return row

    def _version_read(self, row: Row, was: Row, read_at: datetime) -> str:
        """The list's version, and where the record differs from the list what the record was.

        Under the list's version alone an older record would pass for the newer one, which would never be read.
        Under the record's alone two changes would pass for one where its time is coarser than the list's.
        """
        version = self._version(row, read_at)
        status = status_letter(was.get("status", ""))
        if was.get("modified") == row.get("modified") and status == status_letter(row.get("status", "")):
            return version
        return f"{version} record {was.get('modified', '')} {status}"

    def _version(self, row: Row, read_at: datetime) -> str:
        return time_version(self._rows, row, status_letter(row.get("status", "")), read_at)

    def _read(self, row: Row) -> dict[str, Any] | None:
        """None where it was deleted since it was listed."""
        return self._client.get(
            "itemFulfillment",
            str(row["id"]),
            operation="shipment.read",
            document=str(row.get("tranid", "")),
            expand=True,
        )

    def _orders(self, ids: Sequence[str]) -> dict[str, Row]:
        wanted = sorted({one for one in ids if one})
        found: dict[str, Row] = {}
        for some in chunks(wanted):
            rows = self._client.query(
                f"SELECT t.id, t.externalid, t.otherrefnum, t.tranid FROM transaction t "
                f"WHERE t.id IN ({numbers(some)}) ORDER BY t.id",
                operation="shipment.read_orders",
            )
            found |= {str(row["id"]): row for row in rows}
        return found

    def _skus(self, ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in chunks(sorted(set(ids))):
            rows = self._client.query(
                f"SELECT i.id, i.itemid FROM item i WHERE i.id IN ({numbers(some)}) ORDER BY i.id",
                operation="shipment.read_items",
            )
            found |= {str(row["id"]): str(row["itemid"]) for row in rows}
        return found


def _order_of(record: dict[str, Any]) -> str:
    return str(identity_of(record.get("createdFrom")) or "")


def _items_of(record: dict[str, Any]) -> list[str]:
    return [str(identity_of(line["item"])) for line in items_of(record.get("item")) if line.get("item")]


def _is_shipped(row: Row) -> bool:
    """Picked and packed ones (A, B) are no shipment yet: the carrier does not have them."""
    return status_letter(row.get("status", "")) == SHIPPED
