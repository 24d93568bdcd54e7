"""How a product may be sold when there is none of it: backorders, and when stock is expected again.

Both are the product's in this store, not a source's: the flag is in its stock item, the date in an attribute of
the shop's own. Multi Source Inventory keeps neither (magento/inventory leaves backorders to the stock item).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from erp_sync.model.stock import StockTerms
from erp_sync.ports.outcomes import Again, Outcome, Refused
from erp_sync.systems.magento.client import MagentoClient, segment
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.systems.magento.mapping.common import records
from erp_sync.systems.magento.ports.bulk import BulkProducts
from erp_sync.systems.magento.ports.catalogue import Catalogue
from erp_sync.systems.magento.ports.outcomes import in_batches

WRITE = "stock_level.write_terms"
# Stock items are read one by one for so many SKUs; for more all are listed.
ONE_BY_ONE = 50
NO_BACKORDERS, BACKORDERS = 0, 1  # "Allow Qty Below 0"; 2 also tells the customer
_EVERY_QUANTITY = "999999999"  # the list is of items with at most so much
_FIELDS = "items[id,sku,custom_attributes],total_count"


class Terms:
    """Settings of the connection: ``backorders`` (true: the flag is ours to write) and ``restock_date_attribute``
    (code of a date attribute of the shop). Without them the store keeps no terms through this port."""

    def __init__(
        self, client: MagentoClient, settings: Mapping[str, Any], name: str, catalogue: Catalogue, page_size: int
    ) -> None:
        self._client, self._catalogue, self._name, self._page_size = client, catalogue, name, page_size
        self._backorders = bool(settings.get("backorders"))
        self._attribute = str(settings.get("restock_date_attribute") or "")
        self._bulk = BulkProducts(client, WRITE, "stock_level.settle_terms")

    @property
    def kept(self) -> bool:
        return self._backorders or bool(self._attribute)

    def values(self, row: StockTerms) -> dict[str, Any]:
        """What the store keeps of them; "" is no date."""
        values: dict[str, Any] = {}
        if self._backorders and row.backorders is not None:
            values["backorders"] = row.backorders
        if self._attribute and row.restock_date is not None:
            values["restock_date"] = row.restock_date
        return values

    def row(self, sku: str, values: Mapping[str, Any]) -> StockTerms:
        flag, date = values.get("backorders"), values.get("restock_date")
        return StockTerms(connection=self._name, sku=sku, backorders=flag, restock_date=date)

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[StockTerms]]:
        flags = self._listed_flags() if self._backorders else {}
        pages = self._client.all(
            "products",
            Criteria().only(_FIELDS),
            operation="stock_level.read_terms",
            page_size=self._page_size,
            sort=("entity_id",),
        )
        for page in pages:
            yield self._rows(page, flags)

    def read(self, skus: Sequence[str]) -> Iterator[list[StockTerms]]:
        known = self._catalogue.ids(skus)
        flags: dict[str, bool] = {}
        if self._backorders and len(known) > ONE_BY_ONE:
            flags = self._listed_flags()
        elif self._backorders:
            for sku, identity in known.items():
                item = self._client.get(f"stockItems/{segment(sku)}", operation="stock_level.read_stock_item")
                flags[identity] = _allowed(item)
        pages = self._client.by_keys(
            "products",
            "sku",
            sorted(known),
            operation="stock_level.read_terms",
            page_size=self._page_size,
            fields=_FIELDS,
        )
        for page in pages:
            yield self._rows(page, flags)

    def _listed_flags(self) -> dict[str, bool]:
        """Backorders by product id, from the list of stock items (REST schema 2.4.8, GET stockItems/lowStock)."""
        flags: dict[str, bool] = {}
        number = 1
        while True:
            params = [("scopeId", "0"), ("qty", _EVERY_QUANTITY), ("currentPage", str(number))]
            params.append(("pageSize", str(self._page_size)))
            answer = self._client.get("stockItems/lowStock/", operation="stock_level.list_stock_items", params=params)
            items = records(answer.get("items"))
            flags |= {str(item["product_id"]): _allowed(item) for item in items}
            # A page past the last one is the last one again: the count ends it.
            if not items or number * self._page_size >= int(answer.get("total_count") or 0):
                return flags
            number += 1

    def _rows(self, page: Sequence[Mapping[str, Any]], flags: Mapping[str, bool]) -> list[StockTerms]:
        started = datetime.now(UTC)
        return [
            StockTerms(
                connection=self._name,
                sku=str(item["sku"]),
                backorders=flags.get(str(item["id"]), False) if self._backorders else None,
                restock_date=self._date(item) if self._attribute else None,
                read_at=started,
            )
            for item in page
        ]

    def _date(self, item: Mapping[str, Any]) -> str:
        for one in records(item.get("custom_attributes")):
            if one.get("attribute_code") == self._attribute:
                return str(one.get("value") or "")[:10]  # the vendor gives dates with a time of midnight
        return ""

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[StockTerms], batch_size: int) -> list[Outcome]:
        """In bulk, product by product; what is not named stays (core: updateStockItemBySku adds to the stored item)."""
        known = self._catalogue.ids(row.sku for row in rows)
        outcomes: list[Outcome | None] = [None if row.sku in known else _lacks(row.sku) for row in rows]
        good = [self._product(row) for row in rows if row.sku in known]
        sent = iter(in_batches(good, batch_size, self._bulk.send))
        return [next(sent) if outcome is None else outcome for outcome in outcomes]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        return self._bulk.settle(handles)

    def _product(self, row: StockTerms) -> dict[str, Any]:
        values = self.values(row)
        product: dict[str, Any] = {"sku": row.sku}
        if "backorders" in values:
            allowed = BACKORDERS if values["backorders"] else NO_BACKORDERS
            stock_item = {"use_config_backorders": False, "backorders": allowed}
            product["extension_attributes"] = {"stock_item": stock_item}
        if "restock_date" in values:
            date = values["restock_date"]  # "" clears it (null is passed over; unconfirmed)
            product["custom_attributes"] = [{"attribute_code": self._attribute, "value": date}]
        return product


def _allowed(item: Mapping[str, Any]) -> bool:
    return int(item.get("backorders") or 0) > NO_BACKORDERS


def _lacks(sku: str) -> Outcome:
    return Refused(
        code="unknown_sku",
        message=f"the store has no product {sku}",
        again=Again.AFTER_DEPENDENCY,
        requirement=("product", sku),
    )
