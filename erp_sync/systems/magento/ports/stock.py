"""Stock as a target: quantities of source items (Multi Source Inventory)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.model.money import decimal_of
from erp_sync.model.stock import StockOffer, StockTerms
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.systems.magento.client import BadAnswer, MagentoClient, number_in
from erp_sync.systems.magento.criteria import Criteria, chunks
from erp_sync.systems.magento.ports.catalogue import Catalogue
from erp_sync.systems.magento.ports.outcomes import in_batches, not_sent
from erp_sync.systems.magento.ports.stock_terms import WRITE as WRITE_TERMS
from erp_sync.systems.magento.ports.stock_terms import Terms
from erp_sync.transport.errors import TransportError

WRITE = "stock_level.write"
PATH = "inventory/source-items"
_NO_SOURCE = "*"  # no source's code: these are the product's
_FIELDS = "items[sku,source_code,quantity,status],total_count"


class StockTarget:
    """Quantity and status of SKUs at sources.

    The store subtracts its own open orders by reservations and lowers a source only at shipment
    (magento/inventory): it is given the quantity before its own open orders. Writing is an upsert by SKU
    and source, all or nothing per call. It accepts a SKU that does not exist as an orphan row (unconfirmed
    end to end) and fails on a source that does not: both are refused here before anything is sent. Backorders
    and restock date are the product's, see `stock_terms`.
    """

    nets_own_orders = True

    def __init__(
        self, client: MagentoClient, connection: ConnectionSettings, capabilities: Capabilities, catalogue: Catalogue
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._catalogue = client, connection, catalogue
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("stock_level").page_size
        self._terms = Terms(client, connection.settings, connection.name, catalogue, self._page_size)

    @property
    def keeps_terms(self) -> bool:
        """Backorders or the restock date are kept here, by the connection's settings."""
        return self._terms.kept

    def operation(self, row: StockOffer | StockTerms) -> str:
        return WRITE_TERMS if isinstance(row, StockTerms) else WRITE

    def key(self, row: StockOffer | StockTerms) -> str:
        return stock_key(row.sku, _NO_SOURCE if isinstance(row, StockTerms) else row.source)

    def sku(self, key: str) -> str:
        return key.partition("/")[2]  # a source code has letters, digits and _ only

    def values(self, row: StockOffer | StockTerms) -> dict[str, Any]:
        if isinstance(row, StockTerms):
            return self._terms.values(row)
        return {"quantity": decimal_of(row.quantity), "in_stock": row.in_stock}

    def row(self, key: str, values: dict[str, Any]) -> StockOffer | StockTerms:
        source, _, sku = key.partition("/")
        if source == _NO_SOURCE:
            return self._terms.row(sku, values)
        return StockOffer(
            connection=self._connection.name,
            sku=sku,
            source=source,
            quantity=decimal_of(values["quantity"]),
            in_stock=bool(values["in_stock"]),
        )

    def gone(self, key: str, values: dict[str, Any]) -> StockOffer | StockTerms:
        """What stands for a quantity that should not be there: nothing to sell."""
        if key.startswith(f"{_NO_SOURCE}/"):
            return self._terms.row(self.sku(key), {"backorders": False, "restock_date": ""})
        return self.row(key, {"quantity": "0", "in_stock": False})

    def requirements(self, row: StockOffer | StockTerms) -> list[Requirement]:
        return [Requirement("product", row.sku)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    def snapshot(self) -> Iterator[list[StockOffer | StockTerms]]:
        started = datetime.now(UTC)
        pages = self._client.all(
            PATH,
            Criteria().only(_FIELDS),
            operation="stock_level.snapshot",
            page_size=self._page_size,
            sort=("sku", "source_code"),
        )
        for page in pages:
            yield [self._offer(item, started) for item in page]
        if self.keeps_terms:
            yield from self._terms.snapshot()  # type: ignore[misc]

    def read(self, skus: Sequence[str]) -> Iterator[list[StockOffer | StockTerms]]:
        started = datetime.now(UTC)
        pages = self._client.by_keys(
            PATH,
            "sku",
            skus,
            operation="stock_level.read",
            page_size=self._page_size,
            fields=_FIELDS,
            sort=("sku", "source_code"),
        )
        for page in pages:
            yield [self._offer(item, started) for item in page]
        if self.keeps_terms:
            yield from self._terms.read(skus)  # type: ignore[misc]

    def _offer(self, item: Mapping[str, Any], started: datetime) -> StockOffer:
        return StockOffer(
            connection=self._connection.name,
            sku=str(item["sku"]),
            source=str(item["source_code"]),
            quantity=number_in(item, "quantity", 0),
            in_stock=str(item.get("status")) == "1",
            read_at=started,
        )

    def salable(self, skus: Sequence[str], website: str) -> dict[str, Decimal]:
        """What the store sells of these SKUs now, after its reservations; SKUs it does not stock are left out.

        Lags behind writes where the shop's indexers run on schedule (about a minute, unconfirmed).
        """
        found: dict[str, Decimal] = {}
        for part in chunks(sorted(set(skus)), self._page_size):
            pages = self._client.all(
                f"inventory/export-stock-salable-qty/website/{website}",
                Criteria().any_of("sku", part),
                operation="stock_level.read_salable",
                page_size=self._page_size,
                sort=("sku",),
            )
            found |= {str(item["sku"]): number_in(item, "qty", 0) for page in pages for item in page}
        return found

    def submit(self, rows: Sequence[StockOffer | StockTerms]) -> list[Outcome]:
        offers = [row for row in rows if isinstance(row, StockOffer)]
        terms = [row for row in rows if isinstance(row, StockTerms)]
        written = {StockOffer: iter(self._submit(offers)), StockTerms: iter(self._submit_terms(terms))}
        return [next(written[type(row)]) for row in rows]

    def _submit_terms(self, rows: Sequence[StockTerms]) -> list[Outcome]:
        if not rows:
            return []
        try:
            return self._terms.submit(rows, self.capabilities.operation(WRITE_TERMS).batch_size)
        except TransportError as error:
            return [not_sent(error)] * len(rows)

    def _submit(self, rows: Sequence[StockOffer]) -> list[Outcome]:
        refusals = self._refusals(rows)
        good = [row for position, row in enumerate(rows) if position not in refusals]
        written = iter(in_batches(good, self._batch_size, self._write))
        return [refusals[position] if position in refusals else next(written) for position in range(len(rows))]

    def _refusals(self, rows: Sequence[StockOffer]) -> dict[int, Outcome]:
        """Rows that must not be sent, by position."""
        try:
            known = self._catalogue.ids(row.sku for row in rows)
            sources = self._catalogue.sources(row.source for row in rows)
        except TransportError as error:
            return dict.fromkeys(range(len(rows)), not_sent(error))
        refusals: dict[int, Outcome] = {}
        seen: set[str] = set()
        for position, row in enumerate(rows):
            key = self.key(row)
            if row.quantity < 0:
                refusals[position] = Refused(code="negative_quantity", message=f"{key}: quantity {row.quantity}")
            elif row.sku not in known:
                refusals[position] = Refused(
                    code="unknown_sku",
                    message=f"the store has no product {row.sku}",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("product", row.sku),
                )
            elif row.source not in sources:
                names = ", ".join(sorted(sources))
                refusals[position] = Refused(
                    code="unknown_source", message=f"the store has no source {row.source}; it has: {names}"
                )
            elif key in seen:
                refusals[position] = Refused(code="twice_in_batch", message=f"{key} stands in the batch twice")
            seen.add(key)
        return refusals

    def _write(self, batch: list[StockOffer]) -> list[Outcome]:
        items = [
            {
                "sku": row.sku,
                "source_code": row.source,
                "quantity": decimal_of(row.quantity),
                "status": 1 if row.in_stock else 0,
            }
            for row in batch
        ]
        # Never twice in one call: a first attempt that nobody waits for any more may still be carried out, after a
        # newer quantity was written. The ledger holds its keys until it has settled, and looks.
        answer = self._client.post(PATH, {"sourceItems": items}, operation=WRITE)
        if answer not in ([], None, True):  # the vendor answers an empty list
            raise BadAnswer("stock was answered with something else than an empty list", operation=WRITE)
        return [Applied(receipt=Receipt(target_id=self.key(row))) for row in batch]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """Terms only: quantities are never accepted for later."""
        return self._terms.settle(handles)


def stock_key(sku: str, source: str) -> str:
    """Key of a quantity at the store; shipments name the keys that they move by it."""
    return f"{source}/{sku}"
