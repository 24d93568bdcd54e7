"""Stock out of NetSuite, per item and location.

`aggregateitemlocation.lastquantityavailablechange` moves when the quantity *available* does. A fulfillment
lowers on hand and committed by the same number and leaves it alone, so items of inventory transactions
of the window are read, too. Quantities have no version: a row's version is its time of change and what it says.

NetSuite has no one field for "may be sold at zero" or "expected again" that all accounts use: settings
``backorder_column`` and ``restock_date_column`` name columns of `item` (a check box, say ``custitem_backorders``,
or ``outofstockbehavior``; a date). With one of them, stock of changed items is read, too. Setting
``backorder_values``: what the first holds where an item may be sold at zero, default T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.stock import NO_DATE, StockLevel
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks
from erp_sync.systems.netsuite.demand import Adopted, Shipped, StoreDemand
from erp_sync.systems.netsuite.items import ItemNames
from erp_sync.systems.netsuite.rows import Row, content_version, numbers

# Transactions that move quantity on hand: item fulfillment, item receipt, inventory adjustment, inventory
# transfer, inventory count (type codes of Oracle's SuiteAnalytics; the last three unconfirmed in SuiteQL).
MOVING_TYPES = ("ItemShip", "ItemRcpt", "InvAdjst", "InvTrnfr", "InvCount")

# A look reads so many pages before it says that there is too much to look at. The same rows are in the window for as
# long as the source's lateness: a run for them would find nothing new.
PEEKED_PAGES = 3

_COLUMNS = (
    "ail.item, ail.location, i.itemid, ail.quantityonhand, ail.quantityavailable, ail.quantitycommitted, "
    "ail.quantitybackordered, ail.quantityonorder"
)
_CHANGED = "ail.lastquantityavailablechange"


class StockSource:
    """`StateSource` of stock levels. Native id is ``<item>/<location>`` (internal ids)."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        client: NetSuiteClient,
        mapping: RecordMapping,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._mapping, self._clock = client, mapping, clock
        self._zone = ZoneInfo(client.connection.time_zone)
        self._demand = StoreDemand(client)
        self.keys_of = ItemNames(client).keys_of
        self.recognise = self._demand.recognise
        settings = client.connection.settings
        self._locations = [str(one) for one in settings.get("stock_locations") or ()]
        self._set_aside = {
            name: [str(one) for one in settings.get(f"{name}_statuses") or ()] for name in ("damaged", "quarantined")
        }
        self._backorder_column = str(settings.get("backorder_column") or "")
        self._restock_column = str(settings.get("restock_date_column") or "")
        self._backorder_values = {str(one) for one in settings.get("backorder_values") or ("T", "True", "true")}

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Active items at all locations (or setting ``stock_locations``). Not bound by the 100,000 row cap."""
        adopted = self._demand.adopted()
        shipped = self._demand.shipped_lately(self._clock(), adopted)
        yield from self._pages("i.isinactive = 'F'", "stock_level.snapshot", adopted, shipped)

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """Rows whose available quantity changed in the window, and items of inventory transactions in it, and of
        orders that became known in it.

        Where more left lately than a page holds, it is asked for by item: which items moved is read first then, and
        what moves after that is in the next window.
        """
        adopted = self._demand.adopted()
        condition = self._moved(window, adopted)
        shipped = self._demand.shipped_on_a_page(self._clock(), adopted)
        if shipped is None:
            items = self._items(condition)
            if not items:
                return
            named = numbers(items) if len(items) < PAGE else ""  # of more it is as well read of all
            shipped = self._demand.shipped_lately(self._clock(), adopted, named)
            condition = f"{condition} AND ail.item IN ({named})" if named else condition
        yield from self._pages(condition, "stock_level.changed", adopted, shipped, poll=True)

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        adopted = self._demand.adopted()
        condition = self._moved(window, adopted)
        seen: dict[str, str] = {}
        last: tuple[str, str] | None = None
        for _ in range(PEEKED_PAGES):
            rows = self._client.query(
                self._statement(condition, last, adopted), operation="stock_level.peek", poll=True
            )
            seen.update((record.native_id, record.version) for record in self._raw(rows, self._clock(), {}))
            if len(rows) < PAGE:
                return seen
            last = _key(rows[-1])
        return None

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Rows of these SKUs, as few queries as 1,000 SKUs and 1,000 rows a query allow.

        What left lately is read of them alone: on a busy day that of all items is thousands of rows.
        """
        adopted = self._demand.adopted()
        for some in chunks(list(dict.fromkeys(keys))):
            named = f"i.itemid IN ({suiteql.texts(some)})"
            items = f"SELECT i.id FROM item i WHERE {named}"
            shipped = self._demand.shipped_lately(self._clock(), adopted, items)
            yield from self._pages(named, "stock_level.read", adopted, shipped)

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> StockLevel:
        """`location` is the internal id, for look-up table ``locations``; quantities are not netted."""
        return self._mapping.apply(_source(record), self._context(lookups), record.native_id)

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], StockLevel]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(_source(record), record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        return Context(self._client.connection, lookups, {"connection": self._client.connection.name})

    def _moved(self, window: Window, adopted: Adopted) -> str:
        transactions = suiteql.within("t.lastmodifieddate", window, self._zone)
        items = ""
        if self._backorder_column or self._restock_column:
            items = f" OR ({suiteql.within('i.lastmodifieddate', window, self._zone)})"
        if known := adopted.became_known(window.start):
            items += (
                " OR ail.item IN (SELECT tl.item FROM transactionline tl "
                f"WHERE tl.item IS NOT NULL AND {suiteql.numbers_in('tl.transaction', known)})"
            )
        return (
            f"(({suiteql.within(_CHANGED, window, self._zone)}) OR ail.item IN (SELECT tl.item FROM transactionline tl "
            f"JOIN transaction t ON t.id = tl.transaction WHERE t.type IN ({suiteql.texts(MOVING_TYPES)}) "
            f"AND tl.item IS NOT NULL AND {transactions}){items})"
        )

    def _items(self, condition: str) -> list[str]:
        """Internal ids of items that have rows of this condition, a page of them at most."""
        rows = self._client.query(
            f"SELECT ail.item FROM aggregateitemlocation ail JOIN item i ON i.id = ail.item WHERE {condition} "
            "GROUP BY ail.item ORDER BY ail.item",
            operation="stock_level.read_moved",
            poll=True,
        )
        return [str(row["item"]) for row in rows]

    def _statement(self, condition: str, last: tuple[str, str] | None, adopted: Adopted) -> str:
        conditions = [condition]
        if self._locations:
            conditions.append(f"ail.location IN ({numbers(self._locations)})")
        if last is not None:
            conditions.append(suiteql.after(("ail.item", "ail.location"), last))
        return (
            f"SELECT {_COLUMNS}{self._term_columns()}{self._demand.columns(adopted)}, "
            f"{suiteql.time_column(_CHANGED, 'changed')} "
            "FROM aggregateitemlocation ail "
            f"JOIN item i ON i.id = ail.item WHERE {' AND '.join(conditions)} ORDER BY ail.item, ail.location"
        )

    def _term_columns(self) -> str:
        columns = f", i.{self._backorder_column} AS backorders" if self._backorder_column else ""
        if self._restock_column:
            columns += f", TO_CHAR(i.{self._restock_column}, 'YYYY-MM-DD') AS restock_date"
        return columns

    def _terms(self, row: Row) -> Row:
        """Nothing said where no column is named; else an empty column says that there is none."""
        terms: Row = {}
        if self._backorder_column:
            terms["backorders"] = str(row.get("backorders")) in self._backorder_values
        if self._restock_column:
            terms["restock_date"] = str(row.get("restock_date") or NO_DATE)
        return terms

    def _pages(
        self, condition: str, operation: str, adopted: Adopted, shipped: Shipped, *, poll: bool = False
    ) -> Iterator[list[RawRecord]]:
        last: tuple[str, str] | None = None
        while True:
            started = self._clock()
            rows = self._client.query(self._statement(condition, last, adopted), operation=operation, poll=poll)
            if rows:
                yield self._raw(rows, started, shipped)
            if len(rows) < PAGE:
                return
            last = _key(rows[-1])

    def _raw(self, rows: list[Row], started: datetime, shipped: Shipped) -> list[RawRecord]:
        aside = self._read_set_aside(rows)
        read_at = started.isoformat()
        records = []
        for row in rows:
            native_id = _native_id(row)
            quantities = row | aside.get(native_id, {}) | self._terms(row)
            # What left lately is no part of it: it is on hand no more, and would make another version once
            # it is lately no more.
            version = content_version(quantities, "changed")
            demands = self._demand.of(quantities, shipped)
            records.append(
                RawRecord(
                    native_id=native_id,
                    version=version,
                    source_time=suiteql.utc(row["changed"], self._zone) if row.get("changed") else None,
                    payload=quantities | ({"demands": demands} if demands else {}) | {"read_at": read_at},
                )
            )
        return records

    def _read_set_aside(self, rows: list[Row]) -> dict[str, dict[str, str]]:
        """Quantities in statuses that are not sold, from `inventorybalance`; no query without the settings."""
        found: dict[str, dict[str, str]] = {}
        for name, statuses in self._set_aside.items():
            if not statuses:
                continue
            places = list(dict.fromkeys(str(row["location"]) for row in rows))
            # So many items that all their locations fit one page.
            for items in chunks(list(dict.fromkeys(str(row["item"]) for row in rows)), max(1, PAGE // len(places))):
                balances: list[dict[str, Any]] = self._client.query(
                    "SELECT ib.item, ib.location, SUM(ib.quantityonhand) AS quantity FROM inventorybalance ib "
                    f"WHERE ib.item IN ({numbers(items)}) AND ib.location IN ({numbers(places)}) "
                    f"AND ib.inventorystatus IN ({numbers(statuses)}) "
                    "GROUP BY ib.item, ib.location ORDER BY ib.item, ib.location",
                    operation="stock_level.set_aside",
                )
                for balance in balances:
                    found.setdefault(_native_id(balance), {})[name] = str(balance.get("quantity") or "0")
        return found


def _key(row: Row) -> tuple[str, str]:
    return str(row["item"]), str(row["location"])


def _native_id(row: Row) -> str:
    return f"{row['item']}/{row['location']}"


def _source(record: RawRecord) -> Row:
    return {**record.payload, "version": record.version}
