"""Base prices as a target: a product's own price in the shop's own currency.

Advanced prices (rules and quantities) and prices of single customers are not written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, BadNumber, decimal_of, round_money
from erp_sync.model.price import Price, PriceKind
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY
from erp_sync.systems.shopware.mapping.products import price_rows
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.currency import ShopCurrency
from erp_sync.systems.shopware.ports.outcomes import in_batches, not_sent
from erp_sync.systems.shopware.ports.products import INHERITED
from erp_sync.systems.shopware.ports.sync import upsert
from erp_sync.transport.errors import TransportError

WRITE = "price.write_base"
NET, GROSS = "net", "gross"
_NET_DIGITS = Decimal(1).scaleb(-10)  # of a net price that follows from a gross one
PRICED = Criteria().including({"product": ("id", "versionId", "autoIncrement", "productNumber", "price", "childCount")})
TAXED = (
    Criteria()
    .along("tax")
    .including({"product": ("id", "versionId", "autoIncrement", "productNumber", "tax"), "tax": ("id", "taxRate")})
)


class PriceTarget:
    """The base price of each product, in the currency of setting ``base_currency`` (default EUR).

    The vendor keeps net and gross beside each other and works neither out of the other: a row's amount is the one that
    setting ``price_amounts`` names (``net``, the default, or ``gross``), and the other follows by the product's tax,
    gross rounded to the currency. A price is written whole, so what it has in other currencies, and its list price, are
    read right before and stay. A price of 0 is none: it stands in products that have none yet. A variant without a
    price of its own has its parent's, and none here.
    """

    nets_own_orders = False

    def __init__(
        self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities, catalogue: Catalogue
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._catalogue = client, connection, catalogue
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("price").page_size
        self._own = ShopCurrency(client)
        self._currency = str(connection.settings.get("base_currency") or "EUR")
        self._leading = str(connection.settings.get("price_amounts") or NET)

    @property
    def currency(self) -> str:
        """Of all prices here."""
        return self._currency

    def operation(self, row: Price) -> str:
        return WRITE

    def key(self, row: Price) -> str:
        if row.kind is PriceKind.BASE:
            return f"{PriceKind.BASE}/{row.sku}"
        return f"{row.kind}/{row.group}/{row.quantity.normalize():f}/{row.sku}"

    def sku(self, key: str) -> str:
        kind, _, rest = key.partition("/")
        return rest if kind == PriceKind.BASE else rest.split("/", 2)[-1]

    def row(self, key: str, values: dict[str, Any]) -> Price:
        kind, _, rest = key.partition("/")
        group, quantity = ("", "1") if kind == PriceKind.BASE else rest.split("/", 2)[:2]
        return Price(
            connection=self._connection.name,
            scope="",
            sku=self.sku(key),
            kind=PriceKind(kind),
            group=group,
            quantity=decimal_of(quantity),
            currency=self._currency,
            amount=decimal_of(values["amount"]),
        )

    def values(self, row: Price) -> dict[str, Any]:
        return {"amount": decimal_of(row.amount)}

    def requirements(self, row: Price) -> list[Requirement]:
        return [Requirement("product", row.sku)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[Price]]:
        started = datetime.now(UTC)
        for page in self._client.all("product", PRICED, operation="price.snapshot", page_size=self._page_size):
            yield self._prices(page, started)

    def read(self, skus: Sequence[str]) -> Iterator[list[Price]]:
        started, wanted = datetime.now(UTC), set(skus)
        for page in self._catalogue.rows(skus, PRICED, operation="price.read"):
            yield [one for one in self._prices(page, started) if one.sku in wanted]

    def _prices(self, page: Sequence[Mapping[str, Any]], started: datetime) -> list[Price]:
        self._catalogue.remember(page)
        found = []
        for row in page:
            own = _own(row)
            if own is None or row.get("childCount"):
                continue
            number = str(row.get("productNumber") or "")
            try:
                amount = decimal_of(own.get(self._leading))
            except BadNumber as error:
                raise UnexpectedAnswer(f"price of product {number}: {error}") from error
            if amount:
                found.append(
                    Price(
                        connection=self._connection.name,
                        scope="",
                        sku=number,
                        currency=self._currency,
                        amount=amount,
                        read_at=started,
                    )
                )
        return found

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[Price]) -> list[Outcome]:
        try:
            if (theirs := self._own.code()) != self._currency:
                return [self._other_currency(row, theirs) for row in rows]
            there = self._by_number(rows, PRICED, {})
            taxed = self._by_number(rows, TAXED, INHERITED)
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        refused: dict[int, Outcome] = {}
        bodies: list[tuple[str, dict[str, Any]]] = []
        seen: set[str] = set()
        for position, row in enumerate(rows):
            rate = _rate(taxed.get(row.sku))
            refusal = self._refusal(row, there, rate, seen)
            if refusal is not None or rate is None:
                refused[position] = refusal or self._no_tax(row)
                continue
            seen.add(row.sku)
            bodies.append((row.sku, self._body(row, there[row.sku], rate)))
        sent = iter(in_batches(bodies, self._batch_size, self._send))
        return [refused[position] if position in refused else next(sent) for position in range(len(rows))]

    def remove(self, rows: Sequence[Price]) -> list[Outcome]:
        """A product's own price can be changed, not taken away: the vendor requires one."""
        return [self._unsupported(row) for row in rows]

    def _by_number(
        self, rows: Sequence[Price], criteria: Criteria, headers: Mapping[str, str]
    ) -> dict[str, Mapping[str, Any]]:
        skus = sorted({row.sku for row in rows})
        return {
            str(one.get("productNumber")): one
            for page in self._catalogue.rows(skus, criteria, operation="price.read_products", headers=headers)
            for one in page
        }

    def _refusal(self, row: Price, there: Mapping[str, Any], rate: Decimal | None, seen: set[str]) -> Refused | None:
        """Why a row must not be sent; None where it may."""
        if row.kind is not PriceKind.BASE or row.group or row.quantity != 1:
            return self._unsupported(row)
        if row.currency != self._currency:
            text = f"{row.sku}: price in {row.currency}, the store's prices are in {self._currency}"
            return Refused(code="wrong_currency", message=text)
        if row.amount < 0:
            return Refused(code="negative_price", message=f"{row.sku}: price {row.amount}")
        if row.sku not in there:
            return Refused(
                code="unknown_sku",
                message=f"the shop has no product {row.sku}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("product", row.sku),
            )
        if row.sku in seen:
            return Refused(code="twice_in_batch", message=f"{row.sku} stands in the batch twice")
        return None if rate is not None else self._no_tax(row)

    def _other_currency(self, row: Price, theirs: str) -> Refused:
        """Nothing is written: every amount would be taken for one of another currency."""
        text = f"{row.sku}: the shop's own currency is {theirs}, and setting base_currency says {self._currency}"
        return Refused(code="wrong_currency", message=text)

    @staticmethod
    def _no_tax(row: Price) -> Refused:
        return Refused(code="unknown_tax", message=f"product {row.sku} of the shop has no tax")

    @staticmethod
    def _unsupported(row: Price) -> Refused:
        return Refused(code="unsupported_price_kind", message=f"{row.sku}: {row.kind} cannot be done here")

    def _body(self, row: Price, product: Mapping[str, Any], rate: Decimal) -> dict[str, Any]:
        own = {"currencyId": DEFAULT_CURRENCY, "linked": True, **(_own(product) or {})}
        own |= self._both(decimal_of(row.amount), rate)
        others = [one for one in price_rows(product) if one.get("currencyId") != DEFAULT_CURRENCY]
        return {"id": str(product["id"]), "price": [own, *others]}

    def _both(self, amount: Decimal, rate: Decimal) -> dict[str, Decimal]:
        """Net and gross; without more digits than the amount has, and no exponent."""
        if self._leading == GROSS:
            net = (amount * 100 / (100 + rate)).quantize(_NET_DIGITS)
            return {NET: _plain(net), GROSS: _plain(amount)}
        return {NET: _plain(amount), GROSS: round_money(amount * (100 + rate) / 100, self._currency)}

    def _send(self, batch: list[tuple[str, dict[str, Any]]]) -> list[Outcome]:
        upsert(self._client, "product", [body for _, body in batch], operation=WRITE)
        return [Applied(receipt=Receipt(target_id=f"{PriceKind.BASE}/{sku}")) for sku, _ in batch]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a price is never accepted for later: there is nothing to settle")


def _own(product: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The product's price in the shop's own currency; None where it has none of its own."""
    return next((one for one in price_rows(product) if one.get("currencyId") == DEFAULT_CURRENCY), None)


def _rate(product: Mapping[str, Any] | None) -> Decimal | None:
    """The tax rate in percent that the product has, itself or by its parent."""
    tax = product.get("tax") if product is not None else None
    try:
        return decimal_of(tax.get("taxRate")) if isinstance(tax, Mapping) else None
    except BadNumber:
        return None


def _plain(amount: Decimal) -> Decimal:
    return Decimal(f"{amount.normalize():f}") if amount else ZERO
