"""Products out of SAP Business One: items, by their stamps.

Bills of materials are read beside them (that `ProductTrees` has lines ItemCode and Quantity is of the contract 1.27,
what the entity itself has unconfirmed), and names of item groups and manufacturers once for a reading. A change of
these alone moves no stamp of an item: it is found by the comparison of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.money import decimal_of
from erp_sync.model.product import Product
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.changes import ordered_time, stamp_text
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.mapping.product import BUNDLES, DESCRIPTION

Row = dict[str, Any]
ITEM_FIELDS = (
    *("ItemCode", "ItemName", "TreeType", "InventoryItem", "SalesItem", "BarCode", "ItemsGroupCode", "Manufacturer"),
    *("SalesUnit", "SalesUnitWeight", "Valid", "ValidFrom", "ValidTo", "Frozen", "FrozenFrom", "FrozenTo"),
    *("CreateDate", "CreateTime", "UpdateDate", "UpdateTime", "DataVersion"),
)
NOBODY = -1  # code of "- No Manufacturer -" (unconfirmed by the sources at hand)
_PAGE = 100


class ProductSource:
    """`StateSource` of products. Native id is the ItemCode. Deleted items are those that a snapshot no longer has."""

    def __init__(
        self,
        client: ServiceLayerClient,
        mapping: RecordMapping,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._mapping, self._clock = client, mapping, clock
        settings = client.connection.settings
        self.capabilities = capabilities_of(settings)
        self._zone = client.connection.time_zone
        self._parent = str(settings.get("parent_field") or "")
        self._options = {str(name): str(field) for name, field in (settings.get("option_fields") or {}).items()}
        further = [str(one) for one in settings.get("item_fields") or ()]
        description = str(settings.get("description_field") or DESCRIPTION)
        own = [self._parent, description, *self._options.values(), *further]
        self._select = tuple(dict.fromkeys([*ITEM_FIELDS, *(one for one in own if one)]))

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Sales items, inactive ones too."""
        return self._pages(odata.equals("SalesItem", "tYES"), "product.snapshot", all_new)

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """Items changed since the window began; what is no sales item any more is given as inactive."""
        return self._pages(odata.changed_since(window.start, self._zone), "product.changed", news, poll=True)

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        unique = list(dict.fromkeys(keys))
        for some in (unique[at : at + MOST_IN_FILTER] for at in range(0, len(unique), MOST_IN_FILTER)):
            yield from self._pages(odata.any_of("ItemCode", some), "product.read", all_new)

    def peek(self, window: Window) -> dict[str, str] | None:
        query = Query(
            entity_set="Items",
            key=("ItemCode",),
            where=odata.changed_since(window.start, self._zone),
            select=("ItemCode", "UpdateDate", "UpdateTime", "DataVersion"),
            page=_PAGE,
        )
        pages = self._client.pages(query, operation="product.peek", poll=True)
        first = next(pages, [])
        return None if next(pages, None) else {row["ItemCode"]: _version(row) for row in first}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Product:
        product: Product = self._mapping.apply(_source(record), self._context(lookups), record.native_id)
        return product

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], Product]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(_source(record), record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        today = self._clock().astimezone(ZoneInfo(self._zone)).date()
        values = {"connection": self._client.connection.name, "today": today}
        return Context(self._client.connection, lookups, values)

    def _pages(self, where: str, operation: str, news: News, *, poll: bool = False) -> Iterator[list[RawRecord]]:
        query = Query(entity_set="Items", key=("ItemCode",), where=where, select=self._select, page=_PAGE)
        names: tuple[dict[Any, str], dict[Any, str]] | None = None
        for rows in self._client.pages(query, operation=operation, poll=poll):
            wanted = news({row["ItemCode"]: _version(row) for row in rows})
            fresh = [row for row in rows if row["ItemCode"] in wanted]
            if fresh:
                names = names or (
                    self._named("ItemGroups", "Number", "GroupName"),
                    self._named("Manufacturers", "Code", "ManufacturerName"),
                )
                yield self._records(fresh, *names)

    def _named(self, entity_set: str, key: str, name: str) -> dict[Any, str]:
        query = Query(entity_set=entity_set, key=(key,), select=(key, name))
        return {row[key]: str(row.get(name) or "") for row in self._client.rows(query, operation="product.read_names")}

    def _records(self, rows: Sequence[Row], groups: Mapping[Any, str], makers: Mapping[Any, str]) -> list[RawRecord]:
        codes = [row["ItemCode"] for row in rows]
        children = self._children(codes)
        trees = self._trees([row["ItemCode"] for row in rows if row.get("TreeType") in BUNDLES])
        records = []
        for row in rows:
            code = row["ItemCode"]
            more: Row = {
                "group": groups.get(row.get("ItemsGroupCode"), ""),
                "manufacturer": makers.get(row.get("Manufacturer"), "") if row.get("Manufacturer") != NOBODY else "",
            }
            if code in children:
                more |= children[code]
            else:
                options = {name: row[field] for name, field in self._options.items() if row.get(field)}
                more |= {"options": options} if options else {}
            if code in trees:
                more["components"] = trees[code]
            records.append(self._record(row, more))
        return records

    def _record(self, row: Row, more: Row) -> RawRecord:
        at = ordered_time(row, self._zone)
        return RawRecord(native_id=row["ItemCode"], version=_version(row), source_time=at, payload={**row, **more})

    def _children(self, codes: Sequence[str]) -> dict[str, Row]:
        """Of items that others name as their parent: how many, and which options these have."""
        found: dict[str, Row] = {}
        if not self._parent:
            return found
        select = tuple(dict.fromkeys(("ItemCode", self._parent, *self._options.values())))
        for some in (codes[at : at + MOST_IN_FILTER] for at in range(0, len(codes), MOST_IN_FILTER)):
            query = Query(entity_set="Items", key=("ItemCode",), where=odata.any_of(self._parent, some), select=select)
            for row in self._client.rows(query, operation="product.read_children"):
                entry = found.setdefault(str(row[self._parent]), {"children": 0, "option_names": []})
                entry["children"] += 1
                named = [name for name, field in self._options.items() if row.get(field)]
                entry["option_names"] = [one for one in self._options if one in (*entry["option_names"], *named)]
        return found

    def _trees(self, codes: Sequence[str]) -> dict[str, list[Row]]:
        """Parts of bundles, for one piece of each."""
        found: dict[str, list[Row]] = {}
        for some in (codes[at : at + MOST_IN_FILTER] for at in range(0, len(codes), MOST_IN_FILTER)):
            query = Query(
                entity_set="ProductTrees",
                key=("TreeCode",),
                where=odata.any_of("TreeCode", some),
                select=("TreeCode", "Quantity", "ProductTreeLines"),
            )
            for tree in self._client.rows(query, operation="product.read_components"):
                pieces = decimal_of(tree.get("Quantity") or 1)
                found[tree["TreeCode"]] = [
                    {"sku": line["ItemCode"], "quantity": f"{decimal_of(line.get('Quantity') or 0) / pieces:f}"}
                    for line in tree.get("ProductTreeLines") or ()
                    if line.get("ItemCode")
                ]
        return found


def _version(row: Mapping[str, Any]) -> str:
    return f"{stamp_text(row)} {row.get('DataVersion') or ''}".strip()


def _source(record: RawRecord) -> Row:
    return {**record.payload, "version": record.version}
