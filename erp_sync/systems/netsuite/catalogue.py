"""Products and prices out of NetSuite.

Items and prices are read by SuiteQL; the members of a kit are on its record only (one GET a kit). Which
columns an account has differs by its features: the settings below name them, the doctor tries them.

Settings: ``item_columns`` (further columns of `item` for the overlay), ``description_column``,
``category_column``, ``matrix_options`` (option name to column), ``price_levels`` (level id to meaning),
``price_table`` (table and columns), ``special_price_dates`` ({from, to}: columns of `item`), ``currency``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.model.price import Price
from erp_sync.model.product import Product
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks
from erp_sync.systems.netsuite.items import ItemNames
from erp_sync.systems.netsuite.mapping.product import BUNDLE_RECORDS, KINDS
from erp_sync.systems.netsuite.mapping.shipment import identity_of, items_of
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader, content_version, numbers, raw, seen

_ITEM_COLUMNS = (
    "i.id, i.itemid, i.displayname, i.itemtype, i.isinactive, i.parent, p.itemid AS parent_itemid, i.weight, "
    "i.upccode, i.manufacturer"
)


def item_reading(settings: Mapping[str, Any]) -> Reading:
    """The query for items under these settings."""
    columns = [_ITEM_COLUMNS]
    if settings.get("description_column"):
        columns.append(f"i.{settings['description_column']} AS description")
    if settings.get("category_column"):
        columns.append(f"BUILTIN.DF(i.{settings['category_column']}) AS category")
    columns += [f"BUILTIN.DF(i.{column}) AS {column}" for column in (settings.get("matrix_options") or {}).values()]
    columns += [f"i.{column}" for column in settings.get("item_columns") or ()]
    return Reading(
        operation="product.read",
        columns=", ".join(columns),
        tables="item i LEFT JOIN item p ON p.id = i.parent",
        condition=f"i.itemtype IN ({suiteql.texts(KINDS)})",
        key="i.id",
        modified="i.lastmodifieddate",
        created="i.createddate",
    )


class ProductSource:
    """`StateSource` of products. Deleted items are those that a snapshot no longer has."""

    capabilities = CAPABILITIES

    def __init__(self, client: NetSuiteClient, mapping: RecordMapping) -> None:
        self._client, self._mapping = client, mapping
        self._rows = RowReader(client, item_reading(client.connection.settings))
        self.keys_of = ItemNames(client).keys_of
        self._options: dict[str, str] = dict(client.connection.settings.get("matrix_options") or {})

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """All items that can be products, inactive ones too."""
        for rows in self._rows.pages():
            yield self._raw(rows)

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        for rows in self._rows.news(self._rows.within(window), _item_version, news, poll=True):
            yield self._raw(rows)

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        return seen(self._rows.first(self._rows.within(window)), _item_version)

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        for rows in self._rows.of(keys, "i.itemid", suiteql.texts):
            yield self._raw(rows)

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Product:
        return self._mapping.apply(record.payload, self._context(lookups), record.native_id)

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], Product]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(record.payload, record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        return Context(self._client.connection, lookups, {"connection": self._client.connection.name})

    def _raw(self, rows: list[Row]) -> list[RawRecord]:
        if not rows:
            return []
        children = self._children([str(row["id"]) for row in rows])
        components = self._components(
            {str(row["id"]): BUNDLE_RECORDS[row["itemtype"]] for row in rows if row.get("itemtype") in BUNDLE_RECORDS}
        )
        records = []
        for row in rows:
            identity = str(row["id"])
            more: dict[str, Any] = {}
            if identity in children:
                more["children"] = children[identity]["children"]
                more["option_names"] = [
                    name for name, column in self._options.items() if int(children[identity].get(column) or 0)
                ]
            options = {name: row[column] for name, column in self._options.items() if row.get(column)}
            if options and identity not in children:
                more["options"] = options
            if identity in components:
                more["components"] = components[identity]
            records.append(raw(self._rows, row, _item_version(row), row | more))
        return records

    def _children(self, ids: Sequence[str]) -> dict[str, Row]:
        """Of items that others have as parent: how many, and which options these have."""
        counts = "".join(f", COUNT(c.{column}) AS {column}" for column in self._options.values())
        rows = self._client.query(
            f"SELECT c.parent AS id, COUNT(*) AS children{counts} FROM item c WHERE c.parent IN ({numbers(ids)}) "
            "GROUP BY c.parent ORDER BY c.parent",
            operation="product.read_children",
        )
        return {str(row["id"]): row for row in rows}

    def _components(self, kits: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
        """Members of kits and groups, by id and record name (REST API Browser 2026.1: member.item, member.quantity)."""
        members: dict[str, list[tuple[str, str]]] = {}
        for kit, name in kits.items():
            record = self._client.get(name, kit, operation="product.read_members", expand=True) or {}
            members[kit] = [
                (str(identity_of(line.get("item"))), str(line.get("quantity", "")))
                for line in items_of(record.get("member"))
            ]
        skus: dict[str, str] = {}
        for some in chunks(sorted({item for lines in members.values() for item, _ in lines})):
            rows = self._client.query(
                f"SELECT i.id, i.itemid FROM item i WHERE i.id IN ({numbers(some)}) ORDER BY i.id",
                operation="product.read_member_names",
            )
            skus |= {str(row["id"]): str(row["itemid"]) for row in rows}
        return {
            kit: [{"sku": skus.get(item, ""), "quantity": quantity} for item, quantity in lines]
            for kit, lines in members.items()
        }


def _item_version(row: Row) -> str:
    return content_version(row, "modified")


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where prices are. Table and columns are unconfirmed: setting ``price_table`` changes them.

    An empty `quantity` or `currency` means that the account has no such column.
    """

    table: str = "itemprice"
    item: str = "item"
    level: str = "pricelevel"
    currency: str = "currency"
    quantity: str = "quantity"
    amount: str = "price"


class PriceSource:
    """`StateSource` of prices: one record per item, level, currency and quantity break.

    Native id is ``<item>/<level>/<currency>/<quantity>``. A price has no time of change of its own: prices
    of items changed in the window are read. Default level 1 is NetSuite's Base Price.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        client: NetSuiteClient,
        mapping: RecordMapping,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._mapping, self._clock = client, mapping, clock
        self.keys_of = ItemNames(client).keys_of
        settings = client.connection.settings
        self._zone = ZoneInfo(client.connection.time_zone)
        self._table = msgspec.convert(settings.get("price_table") or {}, PriceTable)
        self._levels = {
            str(level): str(words) for level, words in (settings.get("price_levels") or {"1": "base"}).items()
        }
        self._dates: dict[str, str] = dict(settings.get("special_price_dates") or {})
        self._currency_names = {str(one): code for code, one in (settings.get("currencies") or {}).items()}
        self._only_currency = str(settings.get("currency") or "")

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Prices of active items in the levels of setting ``price_levels``."""
        return self._pages("i.isinactive = 'F'", "price.snapshot")

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        condition = suiteql.within("i.lastmodifieddate", window, self._zone)
        return self._pages(condition, "price.changed", poll=True)

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        condition = suiteql.within("i.lastmodifieddate", window, self._zone)
        rows = self._client.query(self._statement(condition, None), operation="price.peek", poll=True)
        return None if len(rows) >= PAGE else {one.native_id: one.version for one in self._records(rows)}

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        for some in chunks(list(dict.fromkeys(keys))):
            yield from self._pages(f"i.itemid IN ({suiteql.texts(some)})", "price.read")

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Price:
        return self._mapping.apply(record.payload, self._context(lookups), record.native_id)

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], Price]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(record.payload, record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        values = {"connection": self._client.connection.name, "price_levels": self._levels}
        return Context(self._client.connection, lookups, values)

    def _keys(self) -> tuple[str, ...]:
        names = (self._table.item, self._table.level, self._table.currency, self._table.quantity)
        return tuple(f"ip.{name}" for name in names if name)

    def _joins_currency(self) -> bool:
        """Setting ``currencies`` names the ids; without it NetSuite's own table does."""
        return bool(self._table.currency) and not self._currency_names and not self._only_currency

    def _statement(self, condition: str, last: tuple[str, ...] | None) -> str:
        table = self._table
        columns = [f"ip.{table.item} AS item", f"ip.{table.level} AS level", f"ip.{table.amount} AS amount", "i.itemid"]
        columns += [f"ip.{table.quantity} AS quantity"] if table.quantity else []
        columns += [f"ip.{table.currency} AS currency_id"] if table.currency else []
        columns += ["cur.symbol AS currency_symbol"] if self._joins_currency() else []
        columns += [f"TO_CHAR(i.{column}, 'YYYY-MM-DD') AS valid_{side}" for side, column in self._dates.items()]
        columns.append(suiteql.time_column("i.lastmodifieddate", "modified"))
        currencies = f"JOIN currency cur ON cur.id = ip.{table.currency} " if self._joins_currency() else ""
        conditions = [condition, f"ip.{table.level} IN ({numbers(list(self._levels))})"]
        if last is not None:
            conditions.append(suiteql.after(self._keys(), last))
        return (
            f"SELECT {', '.join(columns)} FROM {table.table} ip JOIN item i ON i.id = ip.{table.item} {currencies}"
            f"WHERE {' AND '.join(conditions)} ORDER BY {', '.join(self._keys())}"
        )

    def _pages(self, condition: str, operation: str, *, poll: bool = False) -> Iterator[list[RawRecord]]:
        last: tuple[str, ...] | None = None
        while True:
            started = self._clock()
            rows = self._client.query(self._statement(condition, last), operation=operation, poll=poll)
            if rows:
                yield self._records(rows, started)
            if len(rows) < PAGE:
                return
            names = ("item", "level", *(["currency_id"] if self._table.currency else []),
                     *(["quantity"] if self._table.quantity else []))  # fmt: skip
            last = tuple(str(rows[-1][name]) for name in names)

    def _records(self, rows: list[Row], started: datetime | None = None) -> list[RawRecord]:
        return [self._raw(row, started or self._clock()) for row in rows]

    def _raw(self, row: Row, started: datetime) -> RawRecord:
        named = self._currency_names.get(str(row.get("currency_id", "")), "")
        currency = named or str(row.get("currency_symbol") or "") or self._only_currency
        dated = self._levels.get(str(row["level"])) == "special"
        payload = {name: value for name, value in row.items() if dated or not name.startswith("valid_")}
        return RawRecord(
            native_id=_price_id(row),
            version=content_version(row, "modified"),
            source_time=suiteql.utc(row["modified"], self._zone) if row.get("modified") else None,
            payload=payload | {"currency": currency, "read_at": started.isoformat()},
        )


def _price_id(row: Row) -> str:
    return f"{row['item']}/{row['level']}/{row.get('currency_id', '')}/{row.get('quantity', '')}"
