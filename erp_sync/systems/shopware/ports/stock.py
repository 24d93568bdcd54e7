"""Stock as a target: the quantity of a product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from erp_sync.model.money import ZERO, BadNumber, decimal_of
from erp_sync.model.stock import StockOffer
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.outcomes import in_batches, not_sent
from erp_sync.systems.shopware.ports.sync import upsert
from erp_sync.transport.errors import TransportError

WRITE = "stock_level.write"
DEFAULT_SOURCE = "default"
LISTED = Criteria().including({"product": ("id", "versionId", "autoIncrement", "productNumber", "stock", "childCount")})


class StockTarget:
    """Stock of products, in whole pieces.

    The core lowers ``stock`` when an order is placed and raises it when one is cancelled, and takes what is written as
    it is: the shop does *not* subtract its open orders from what it is given. It gets the quantity after them. An
    order that is placed between our reading and our write is overwritten (fact sheet, section 9): orders that the ERP
    does not know yet are subtracted by the flow, so that lasts as long as an order takes to be read. Moves by orders
    leave no time of change: what the shop has is known from full comparisons only, but for cancellations of ours
    (`OrderStatusTarget.moves`).

    The core has one stock: setting ``stock_source`` names the source that is it (default ``default``). Whether it may
    be sold at zero is the product's (``isCloseout``), not written here. Parents of variants have no stock of their own.
    """

    nets_own_orders = False

    def __init__(
        self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities, catalogue: Catalogue
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._catalogue = client, connection, catalogue
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("stock_level").page_size
        self._source = source_of(connection)

    def operation(self, row: StockOffer) -> str:
        return WRITE

    def key(self, row: StockOffer) -> str:
        return stock_key(row.source, row.sku)

    def sku(self, key: str) -> str:
        return key.removeprefix(f"{self._source}/") if key.startswith(f"{self._source}/") else key.partition("/")[2]

    def values(self, row: StockOffer) -> dict[str, Any]:
        return {"quantity": _pieces(row.quantity)}

    def row(self, key: str, values: dict[str, Any]) -> StockOffer:
        quantity = decimal_of(values["quantity"])
        sku = self.sku(key)
        return StockOffer(
            connection=self._connection.name,
            sku=sku,
            source=key.removesuffix(f"/{sku}"),
            quantity=quantity,
            in_stock=quantity > 0,
        )

    def gone(self, key: str, values: dict[str, Any]) -> StockOffer:
        """What stands for a quantity that should not be there: nothing to sell."""
        return self.row(key, {"quantity": "0"})

    def requirements(self, row: StockOffer) -> list[Requirement]:
        return [Requirement("product", row.sku)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    def snapshot(self) -> Iterator[list[StockOffer]]:
        started = datetime.now(UTC)
        for page in self._client.all("product", LISTED, operation="stock_level.snapshot", page_size=self._page_size):
            yield self._offers(page, started)

    def read(self, skus: Sequence[str]) -> Iterator[list[StockOffer]]:
        started, wanted = datetime.now(UTC), set(skus)
        for page in self._catalogue.rows(skus, LISTED, operation="stock_level.read"):
            yield [one for one in self._offers(page, started) if one.sku in wanted]

    def _offers(self, page: Sequence[Mapping[str, Any]], started: datetime) -> list[StockOffer]:
        self._catalogue.remember(page)
        return [self._offer(row, started) for row in page if not row.get("childCount")]

    def _offer(self, row: Mapping[str, Any], started: datetime) -> StockOffer:
        try:
            quantity = decimal_of(row.get("stock"))
        except BadNumber as error:
            raise UnexpectedAnswer(f"stock of product {row.get('productNumber')}: {error}") from error
        return StockOffer(
            connection=self._connection.name,
            sku=str(row.get("productNumber") or ""),
            source=self._source,
            quantity=quantity,
            in_stock=quantity > 0,
            read_at=started,
        )

    def submit(self, rows: Sequence[StockOffer]) -> list[Outcome]:
        try:
            known = self._catalogue.ids(row.sku for row in rows)
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        refusals = self._refusals(rows, known)
        good = [row for position, row in enumerate(rows) if position not in refusals]
        written = iter(in_batches(good, self._batch_size, lambda batch: self._write(batch, known)))
        return [refusals[position] if position in refusals else next(written) for position in range(len(rows))]

    def _refusals(self, rows: Sequence[StockOffer], known: Mapping[str, str]) -> dict[int, Outcome]:
        """Rows that must not be sent, by position."""
        refusals: dict[int, Outcome] = {}
        seen: set[str] = set()
        for position, row in enumerate(rows):
            if row.quantity < 0:
                refusals[position] = Refused(code="negative_quantity", message=f"{row.sku}: quantity {row.quantity}")
            elif row.source != self._source:
                refusals[position] = Refused(
                    code="unknown_source", message=f"the shop has no source {row.source}; it has: {self._source}"
                )
            elif row.sku not in known:
                refusals[position] = Refused(
                    code="unknown_sku",
                    message=f"the shop has no product {row.sku}",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("product", row.sku),
                )
            elif row.sku in seen:
                refusals[position] = Refused(code="twice_in_batch", message=f"{row.sku} stands in the batch twice")
            else:
                seen.add(row.sku)
        return refusals

    def _write(self, batch: list[StockOffer], known: Mapping[str, str]) -> list[Outcome]:
        """An id that the shop forgot meanwhile would be a new product without its name: all of the batch is refused,
        and the ids are asked for anew."""
        payload = [{"id": known[row.sku], "stock": int(_pieces(row.quantity))} for row in batch]
        try:
            upsert(self._client, "product", payload, operation=WRITE)
        except TransportError:
            self._catalogue.forget(row.sku for row in batch)
            raise
        return [Applied(receipt=Receipt(target_id=known[row.sku])) for row in batch]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a quantity is never accepted for later: there is nothing to settle")


def source_of(connection: ConnectionSettings) -> str:
    """The source that is the shop's one stock."""
    return str(connection.settings.get("stock_source") or DEFAULT_SOURCE)


def stock_key(source: str, sku: str) -> str:
    """Key of a known quantity; `sku` is the shop's product number."""
    return f"{source}/{sku}"


def _pieces(quantity: Decimal) -> Decimal:
    """Whole pieces, never more than there are."""
    return max(quantity.to_integral_value(ROUND_FLOOR), ZERO)
