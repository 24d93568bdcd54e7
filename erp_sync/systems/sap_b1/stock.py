"""Stock out of SAP Business One, per item and warehouse.

That a move of stock leaves the item's UpdateDate alone is unconfirmed, and not relied on: which items moved is told by
the documents that move and commit stock, by their stamps. What no document tells (a document of a kind that is not in
setting ``moving_documents``, such as production) is found by the comparison of everything. Line queries by `$crossjoin`
work on HANA only, so documents are read with their lines.

Quantities have no version: a row's version is the time of the last document that moved its item, or the minute of the
read, and what it says. A value that comes back is another version then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.stock import StockLevel
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.changes import stamp_text
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.mapping.activity import FIELDS, is_active

Row = dict[str, Any]

#: Documents that change what is in stock, committed or ordered, with the name of their lines and of their stamps. Of a
#: stock transfer the contract has no time of day.
MOVING = {
    **dict.fromkeys(
        (
            *("Orders", "DeliveryNotes", "Returns", "Invoices", "CreditNotes", "PurchaseDeliveryNotes"),
            *("InventoryGenEntries", "InventoryGenExits"),
        ),
        ("DocumentLines", "UpdateDate", "UpdateTime"),
    ),
    "StockTransfers": ("StockTransferLines", "UpdateDate", ""),
}
ITEM_FIELDS = (
    *("ItemCode", "InventoryItem", *FIELDS, "UpdateDate", "UpdateTime"),
    "ItemWarehouseInfoCollection",
)
QUANTITIES = ("InStock", "Committed", "Ordered")
_PAGE, _DOCUMENTS = 100, 50
_MOST_PEEKED = 200


class StockSource:
    """`StateSource` of stock levels. Native id is ``<item>/<warehouse>``; a warehouse code has no slash."""

    def __init__(
        self,
        client: ServiceLayerClient,
        mapping: RecordMapping,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises ValueError for a setting ``moving_documents`` that names no document that moves stock."""
        self._client, self._mapping, self._clock = client, mapping, clock
        settings = client.connection.settings
        self.capabilities = capabilities_of(settings)
        self._zone = client.connection.time_zone
        self._warehouses = {str(one) for one in settings.get("stock_warehouses") or ()}
        self._moving = list(settings.get("moving_documents") or MOVING)
        for name in self._moving:
            if name not in MOVING:
                raise ValueError(f"setting moving_documents: {name!r} moves no stock; known are {', '.join(MOVING)}")

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Active items kept in stock, in all warehouses (or setting ``stock_warehouses``). Inactive ones are left out:
        the store offers none of what an extract of everything lacks."""
        query = Query(
            entity_set="Items",
            key=("ItemCode",),
            where=odata.equals("InventoryItem", "tYES"),
            select=ITEM_FIELDS,
            page=_PAGE,
        )
        for items, started in self._timed(query, "stock_level.snapshot"):
            active = [item for item in items if self._active(item, started)]
            yield self._records(active, started, {})

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """Rows of items that documents of the window moved, and of items that were changed themselves in it. Of an
        inactive item nothing is there to be sold: its quantities are zero, here as in `read`."""
        moved = self._moved(window)
        yield from self._of(sorted(moved), "stock_level.changed", moved)

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        yield from self._of(list(dict.fromkeys(keys)), "stock_level.read", {})

    def peek(self, window: Window) -> dict[str, str] | None:
        moved = self._moved(window)
        if len(moved) > _MOST_PEEKED:
            return None
        pages = self._of(sorted(moved), "stock_level.peek", moved)
        return {record.native_id: record.version for page in pages for record in page}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> StockLevel:
        """`location` is the warehouse code, for look-up table ``locations``; quantities are not netted."""
        level: StockLevel = self._mapping.apply(_source(record), self._context(lookups), record.native_id)
        return level

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], StockLevel]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(_source(record), record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        return Context(self._client.connection, lookups, {"connection": self._client.connection.name})

    # What moved ----------------------------------------------------------------------------

    def _moved(self, window: Window) -> dict[str, str]:
        """Items that documents of the window moved, with the latest stamp."""
        moved: dict[str, str] = {}
        for name in self._moving:
            lines, day, clock = MOVING[name]
            stamps = (day, clock) if clock else (day,)
            query = Query(
                entity_set=name,
                key=("DocEntry",),
                where=self._since(window, day, clock),
                select=("DocEntry", *stamps, lines),
                page=_DOCUMENTS,
            )
            for page in self._client.pages(query, operation="stock_level.read_moves", poll=True):
                for document in page:
                    for line in document.get(lines) or ():
                        _later(moved, line.get("ItemCode"), stamp_text(document))
        changed = odata.every(self._since(window, "UpdateDate", "UpdateTime"), odata.equals("InventoryItem", "tYES"))
        items = Query(
            entity_set="Items",
            key=("ItemCode",),
            where=changed,
            select=("ItemCode", "UpdateDate", "UpdateTime"),
            page=_PAGE,
        )
        for page in self._client.pages(items, operation="stock_level.read_items", poll=True):
            for item in page:
                _later(moved, item["ItemCode"], stamp_text(item))
        return moved

    def _since(self, window: Window, day: str, clock: str) -> str:
        if clock:
            return odata.changed_since(window.start, self._zone, date_field=day, time_field=clock)
        return f"{day} ge '{window.start.astimezone(ZoneInfo(self._zone)).date()}'"

    # Rows ----------------------------------------------------------------------------------

    def _of(self, skus: Sequence[str], operation: str, moved: Mapping[str, str]) -> Iterator[list[RawRecord]]:
        for some in (skus[at : at + MOST_IN_FILTER] for at in range(0, len(skus), MOST_IN_FILTER)):
            where = odata.every(odata.any_of("ItemCode", some), odata.equals("InventoryItem", "tYES"))
            query = Query(entity_set="Items", key=("ItemCode",), where=where, select=ITEM_FIELDS, page=_PAGE)
            for items, started in self._timed(query, operation):
                asked = [item for item in items if item["ItemCode"] in some]
                if records := self._records(asked, started, moved):
                    yield records

    def _timed(self, query: Query, operation: str) -> Iterator[tuple[list[Row], datetime]]:
        """Pages with the time at which each read started."""
        started = self._clock()
        for page in self._client.pages(query, operation=operation):
            yield page, started
            started = self._clock()

    def _active(self, item: Row, at: datetime) -> bool:
        return is_active(item, at.astimezone(ZoneInfo(self._zone)).date())

    def _records(self, items: Sequence[Row], started: datetime, moved: Mapping[str, str]) -> list[RawRecord]:
        records = []
        for item in items:
            stamp = moved.get(item["ItemCode"]) or started.strftime("%Y-%m-%dT%H:%M")
            active = self._active(item, started)
            for info in item.get("ItemWarehouseInfoCollection") or ():
                place = str(info.get("WarehouseCode") or "")
                if self._warehouses and place not in self._warehouses:
                    continue
                quantities = {name: info.get(name) if active else 0 for name in QUANTITIES}
                payload = {"ItemCode": item["ItemCode"], "WarehouseCode": place, **quantities}
                records.append(
                    RawRecord(
                        native_id=f"{item['ItemCode']}/{place}",
                        version=f"{stamp} {_digest(quantities)}",
                        payload={**payload, "read_at": started.isoformat()},
                    )
                )
        return records


def _later(moved: dict[str, str], item: Any, stamp: str) -> None:
    if item:
        moved[str(item)] = max(moved.get(str(item), ""), stamp)


def _digest(quantities: Mapping[str, Any]) -> str:
    said = "|".join(f"{name}={quantities[name]}" for name in sorted(quantities))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _source(record: RawRecord) -> Row:
    return {**record.payload, "version": record.version}
