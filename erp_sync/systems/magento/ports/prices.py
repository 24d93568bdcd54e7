"""Prices as a target: base, special with dates, and tier prices.

Every price call answers 200 with the list of rows that failed; the others are saved (core:
BasePriceStorage, SpecialPriceStorage, TierPriceStorage).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.model.price import Price, PriceKind
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused, Unknown
from erp_sync.systems.magento.client import BadAnswer, MagentoClient, number_in, rendered
from erp_sync.systems.magento.criteria import TIME, Criteria, chunks
from erp_sync.systems.magento.ports.catalogue import Catalogue
from erp_sync.systems.magento.ports.outcomes import in_batches, not_sent
from erp_sync.transport.errors import TransportError

ALL_GROUPS = "ALL GROUPS"
# The vendor wants both dates of a special price (Commerce); these stand for 'unbounded'.
FIRST_DAY, LAST_DAY = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
OPERATIONS = {
    PriceKind.BASE: "price.write_base",
    PriceKind.SPECIAL: "price.write_special",
    PriceKind.TIER: "price.write_tier",
}
_PATHS = {
    PriceKind.BASE: "products/base-prices",
    PriceKind.SPECIAL: "products/special-price",
    PriceKind.TIER: "products/tier-prices",
}
_READ_PATHS = {
    PriceKind.BASE: "products/base-prices-information",
    PriceKind.SPECIAL: "products/special-price-information",
    PriceKind.TIER: "products/tier-prices-information",
}
_DELETE_PATHS = {PriceKind.SPECIAL: "products/special-price-delete", PriceKind.TIER: "products/tier-prices-delete"}
# A key has so many parts before the SKU, by its first part.
_PARTS_BEFORE_SKU = {PriceKind.BASE: 2, PriceKind.SPECIAL: 3, PriceKind.TIER: 4}


class PriceTarget:
    """Prices of SKUs.

    Settings: ``currency`` (of the store's prices, default USD), ``price_scopes``: {scope of the price:
    {store_id, website_id}}, default store 0 and website 0 for every scope, which is right where the shop's
    price scope is global. Customer groups are looked up in ``customer_groups`` and are the vendor's group
    codes; a price without group is for ALL GROUPS. Dates of special prices are written in the connection's
    time zone, the vendor's day of ``price_to`` included (unconfirmed).
    """

    nets_own_orders = False

    def __init__(
        self,
        client: MagentoClient,
        connection: ConnectionSettings,
        capabilities: Capabilities,
        catalogue: Catalogue,
        lookups: Lookups,
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection = client, connection
        self._catalogue, self._lookups = catalogue, lookups
        self._zone = ZoneInfo(connection.time_zone)
        self._currency = str(connection.settings.get("currency") or "USD")
        self._scopes: Mapping[str, Mapping[str, Any]] = connection.settings.get("price_scopes") or {}
        self._read_size = capabilities.operation("price.write_base").batch_size
        self._page_size = capabilities.reading("price").page_size

    def operation(self, row: Price) -> str:
        """Raises KeyError for a kind that the store does not keep through this port."""
        return OPERATIONS[row.kind]

    def key(self, row: Price) -> str:
        if row.kind is PriceKind.TIER:
            group = quote(self._group(row), safe=" ")
            return f"tier/{self._website(row)}/{group}/{decimal_of(row.quantity).normalize():f}/{row.sku}"
        if row.kind is PriceKind.SPECIAL:
            return f"special/{self._store(row)}/{self._from(row)}/{row.sku}"
        return f"{row.kind}/{self._store(row)}/{row.sku}"

    def sku(self, key: str) -> str:
        return key.split("/", _PARTS_BEFORE_SKU[PriceKind(key.partition("/")[0])])[-1]

    @property
    def currency(self) -> str:
        """Of all prices here; setting ``currency``."""
        return self._currency

    def row(self, key: str, values: dict[str, Any]) -> Price:
        """The row that a key and its values mean. Its dates come from `values`, which `key` repeats."""
        kind = PriceKind(key.partition("/")[0])
        parts = key.split("/", _PARTS_BEFORE_SKU[kind])
        tier = kind is PriceKind.TIER
        group = unquote(parts[2]) if tier else ""
        return Price(
            connection=self._connection.name,
            scope=self._scope_of(parts[1] if tier else None, None if tier else parts[1]),
            sku=parts[-1],
            kind=kind,
            group="" if group == ALL_GROUPS else group,
            quantity=decimal_of(parts[3]) if tier else Decimal(1),
            currency=self._currency,
            amount=decimal_of(values["amount"]),
            valid_from=self._moment(values.get("valid_from"), FIRST_DAY),
            valid_to=self._moment(values.get("valid_to"), LAST_DAY, timedelta(seconds=1)),
        )

    def values(self, row: Price) -> dict[str, Any]:
        values: dict[str, Any] = {"amount": decimal_of(row.amount)}
        if row.kind is PriceKind.SPECIAL:
            values |= {"valid_from": self._from(row), "valid_to": self._to(row)}
        return values

    def requirements(self, row: Price) -> list[Requirement]:
        return [Requirement("product", row.sku)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[Price]]:
        """All prices of all products, by pages of products."""
        pages = self._client.all(
            "products",
            Criteria().only("items[id,sku],total_count"),
            operation="price.list_products",
            page_size=self._page_size,
            sort=("entity_id",),
        )
        for page in pages:
            yield from self.read(list(self._catalogue.remember(page)))

    def read(self, skus: Sequence[str]) -> Iterator[list[Price]]:
        # An unknown SKU makes the vendor refuse the whole question.
        known = sorted(self._catalogue.ids(skus))
        for part in chunks(known, self._read_size, characters=1_000_000):
            started = datetime.now(UTC)
            for kind, path in _READ_PATHS.items():
                found = self._client.post(path, {"skus": part}, operation=f"price.read_{kind}", repeatable=True)
                if not isinstance(found, list):
                    raise BadAnswer("prices were answered without a list", operation=f"price.read_{kind}")
                yield [self._price(kind, item, started) for item in found]

    def _price(self, kind: PriceKind, item: Mapping[str, Any], started: datetime) -> Price:
        website, store = item.get("website_id"), item.get("store_id")
        group = str(item.get("customer_group") or "")
        return Price(
            connection=self._connection.name,
            scope=self._scope_of(website, store),
            sku=str(item["sku"]),
            kind=kind,
            group="" if group.upper() == ALL_GROUPS else group,
            quantity=number_in(item, "quantity", 1),
            currency=self._currency,
            amount=number_in(item, "price"),
            valid_from=self._moment(item.get("price_from"), FIRST_DAY),
            valid_to=self._moment(item.get("price_to"), LAST_DAY, timedelta(seconds=1)),
            read_at=started,
        )

    def _scope_of(self, website: Any, store: Any) -> str:
        for scope, ids in self._scopes.items():
            if (website is not None and str(ids.get("website_id", 0)) == str(website)) or (
                website is None and str(ids.get("store_id", 0)) == str(store)
            ):
                return scope
        return ""

    def _moment(self, text: Any, unbounded: datetime, plus: timedelta = timedelta()) -> datetime | None:
        if not text:
            return None
        moment = datetime.strptime(str(text), TIME).replace(tzinfo=self._zone).astimezone(UTC)
        return None if moment == self._stored(unbounded) else moment + plus

    def _stored(self, moment: datetime) -> datetime:
        """An 'unbounded' date as it comes back: written without regard to the zone."""
        return moment.replace(tzinfo=self._zone).astimezone(UTC)

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[Price]) -> list[Outcome]:
        """Write rows of any kind; rows of one kind go together."""
        return self._by_kind(rows, _PATHS)

    def remove(self, rows: Sequence[Price]) -> list[Outcome]:
        """Take special and tier prices away; the rows are as `read` gave them. Idempotent."""
        return self._by_kind(rows, _DELETE_PATHS)

    def _by_kind(self, rows: Sequence[Price], paths: Mapping[PriceKind, str]) -> list[Outcome]:
        outcomes: list[Outcome | None] = [None] * len(rows)
        try:
            known = self._catalogue.ids(row.sku for row in rows)
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        for position, row in enumerate(rows):
            outcomes[position] = self._refusal(row, known, paths)
        for kind, path in paths.items():
            chosen = [at for at, row in enumerate(rows) if row.kind is kind and outcomes[at] is None]
            size = self.capabilities.operation(OPERATIONS[kind]).batch_size
            sent = in_batches(
                [rows[at] for at in chosen],
                size,
                lambda batch, path=path, kind=kind: self._send(path, OPERATIONS[kind], batch),  # type: ignore[misc]
            )
            for at, outcome in zip(chosen, sent, strict=True):
                outcomes[at] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _refusal(self, row: Price, known: Mapping[str, str], paths: Mapping[PriceKind, str]) -> Outcome | None:
        if row.kind not in paths:
            return Refused(code="unsupported_price_kind", message=f"{row.sku}: {row.kind} cannot be done here")
        if row.currency != self._currency:
            text = f"{row.sku}: price in {row.currency}, the store's prices are in {self._currency}"
            return Refused(code="wrong_currency", message=text)
        if row.amount < 0:
            return Refused(code="negative_price", message=f"{row.sku}: price {row.amount}")
        if row.sku not in known:
            return Refused(
                code="unknown_sku",
                message=f"the store has no product {row.sku}",
                again=Again.AFTER_DEPENDENCY,
                requirement=("product", row.sku),
            )
        return None

    def _send(self, path: str, operation: str, batch: list[Price]) -> list[Outcome]:
        prices = [self._row(row) for row in batch]
        # Never twice in one call, as with stock: an attempt that was given up could overwrite a newer price.
        failures = self._client.post(path, {"prices": prices}, operation=operation)
        if not isinstance(failures, list):
            raise BadAnswer("prices were answered without a list of failures", operation=operation)
        return outcomes_of(batch, prices, [one for one in failures if isinstance(one, Mapping)], self.key)

    def _row(self, row: Price) -> dict[str, Any]:
        if row.kind is PriceKind.TIER:
            return {
                "price": decimal_of(row.amount),
                "price_type": "fixed",
                "website_id": self._website(row),
                "sku": row.sku,
                "customer_group": self._group(row),
                "quantity": decimal_of(row.quantity),
            }
        body: dict[str, Any] = {"price": decimal_of(row.amount), "store_id": self._store(row), "sku": row.sku}
        if row.kind is PriceKind.SPECIAL:
            body |= {"price_from": self._from(row), "price_to": self._to(row)}
        return body

    def _store(self, row: Price) -> int:
        return int(self._scopes.get(row.scope, {}).get("store_id", 0))

    def _website(self, row: Price) -> int:
        return int(self._scopes.get(row.scope, {}).get("website_id", 0))

    def _group(self, row: Price) -> str:
        if not row.group:
            return ALL_GROUPS
        return self._lookups.get("customer_groups", row.group) or row.group

    def _from(self, row: Price) -> str:
        return self._local(row.valid_from, FIRST_DAY)

    def _to(self, row: Price) -> str:
        """The canonical interval is half-open, the vendor's includes its end."""
        return self._local(row.valid_to - timedelta(seconds=1) if row.valid_to else None, LAST_DAY)

    def _local(self, moment: datetime | None, unbounded: datetime) -> str:
        return moment.astimezone(self._zone).strftime(TIME) if moment else unbounded.strftime(TIME)


def outcomes_of(
    batch: Sequence[Price],
    sent: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, Any]],
    key: Callable[[Price], str],
) -> list[Outcome]:
    """One outcome per row from the list of failures.

    A failure names its row by values in its parameters: the SKU, then store or website, group, quantity.
    One that names no row of the batch leaves it open which row failed: all become unknown and are read back.
    """
    outcomes: list[Outcome] = [Applied(receipt=Receipt(target_id=key(row))) for row in batch]
    for failure in failures:
        parameters = failure.get("parameters")
        values = list(parameters.values()) if isinstance(parameters, Mapping) else list(parameters or ())
        text = rendered(str(failure.get("message") or ""), parameters)
        named = [at for at, body in enumerate(sent) if body["sku"] in values]
        for field in ("customer_group", "quantity", "website_id", "store_id", "price_from"):
            closer = [at for at in named if field in sent[at] and _among(sent[at][field], values)]
            if closer and len(closer) < len(named):
                named = closer
        if not named:
            why = f"a price failed and it is not said which: {text}"
            return [Unknown(why=why) for _ in batch]
        for at in named:
            outcomes[at] = Refused(code="price_refused", message=text)
    return outcomes


def _among(wanted: Any, values: Sequence[Any]) -> bool:
    for value in values:
        if str(value).lower() == str(wanted).lower():
            return True
        if isinstance(wanted, (int, Decimal)):
            try:
                if decimal_of(value) == wanted:
                    return True
            except BadNumber:
                continue
    return False
