"""Products as a target: created and changed by sync, disabled, never deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, BadNumber, decimal_of
from erp_sync.model.product import Product, ProductKind
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context
from erp_sync.ports.mapping_overlay import overlaid
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria, is_id
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.products import (
    EVERYWHERE,
    FROM_STORE,
    PARTS,
    TO_STORE,
    has_price,
    identity,
    price_of,
    weighs,
)
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.outcomes import in_batches, not_sent
from erp_sync.systems.shopware.ports.properties import Properties
from erp_sync.systems.shopware.ports.sync import Rows, upsert_all
from erp_sync.transport.errors import TransportError

WRITE = "product.write"
LACKS_PRICE_SECONDS = 600.0
SOLD = (ProductKind.SIMPLE, ProductKind.CONFIGURABLE, ProductKind.VIRTUAL)
LISTED = Criteria().including(
    {
        "product": (
            *("id", "versionId", "autoIncrement", "productNumber", "name", "translated", "active", "description"),
            *("ean", "weight", "parentId", "childCount", "price", "createdAt", "updatedAt"),
        )
    }
)
# What a variant has not of its own is its parent's.
INHERITED = {"sw-inheritance": "1"}


class ProductTarget:
    """Products of a shop. A variant is a product with a parent: it waits for that.

    A product that is there is found by its number and keeps its id; a new one gets an id of its number, so a second
    send changes nothing (class A). It takes ``custom.base_price`` (without tax, in the shop's own currency) where that
    is given, else it is made inactive at price 0 and lacks its price; one that is there is not activated before it has
    one.

    Settings: ``tax_id`` and ``tax_ids`` ({tax class: id}), ``product_sales_channels`` (ids), ``property_groups``
    ({attribute: id}), ``base_currency``.
    """

    nets_own_orders = False

    def __init__(
        self,
        client: ShopwareClient,
        connection: ConnectionSettings,
        capabilities: Capabilities,
        catalogue: Catalogue,
        lookups: Lookups,
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._catalogue, self._lookups = client, connection, catalogue, lookups
        overlays = connection.settings.get("mapping") or {}
        self._to_store, self._from_store = overlaid(TO_STORE, overlays), overlaid(FROM_STORE, overlays)
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("product").page_size
        self._properties = Properties(client, connection, self._page_size)
        settings = connection.settings
        self._taxes = {str(name): str(one) for name, one in (settings.get("tax_ids") or {}).items()}
        self._tax = str(settings.get("tax_id") or "")
        self._channels = [str(one) for one in settings.get("product_sales_channels") or []]
        self._currency = str(settings.get("base_currency") or "EUR")

    def operation(self, row: Product) -> str:
        return WRITE

    def key(self, row: Product) -> str:
        return row.sku

    def sku(self, key: str) -> str:
        return key

    def row(self, key: str, values: dict[str, Any]) -> Product:
        """The product that a plan keeps (``row``), else one with these values only: of a product that is there."""
        whole = values.get("row")
        if whole is not None:
            product: Product = msgspec.convert(whole, Product)
            return product
        weight = values.get("weight")
        return Product(
            connection=self._connection.name,
            scope="",
            native_id="",
            sku=key,
            name=str(values.get("name") or ""),
            active=bool(values.get("active")),
            description=str(values.get("description") or ""),
            gtin=str(values.get("gtin") or ""),
            weight=decimal_of(weight) if weight is not None else None,
            only=tuple(values.get("only") or ()),
        )

    def gone(self, key: str, values: dict[str, Any]) -> Product:
        """What stands for a product that should not be there: it is disabled, never deleted."""
        return msgspec.structs.replace(self.row(key, values), active=False, only=("active",))

    def values(self, row: Product) -> dict[str, Any]:
        """Fields that the shop keeps; what is empty says nothing and is not compared."""
        values: dict[str, Any] = {"name": row.name, "active": row.active}
        weight = weighs(row)
        if weight is not None:
            values["weight"] = decimal_of(weight)
        for name in ("description", "gtin"):
            if getattr(row, name):
                values[name] = getattr(row, name)
        return values

    def requirements(self, row: Product) -> list[Requirement]:
        return [Requirement("product", row.variant_of)] if row.variant_of else []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[Product]]:
        pages = self._client.all(
            "product", LISTED, operation="product.snapshot", page_size=self._page_size, headers=INHERITED
        )
        for page in pages:
            yield [self._product(row) for row in page]

    def read(self, skus: Sequence[str]) -> Iterator[list[Product]]:
        wanted = set(skus)
        for page in self._catalogue.rows(skus, LISTED, operation="product.read", headers=INHERITED):
            yield [self._product(row) for row in page if row.get("productNumber") in wanted]

    def _product(self, row: Mapping[str, Any]) -> Product:
        number = str(row.get("productNumber") or "")
        try:
            product: Product = self._from_store.apply(row, Context(self._connection, self._lookups), number)
        except BadRecord as problem:
            raise UnexpectedAnswer(f"product {number}: {problem}") from problem
        return product

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[Product]) -> list[Outcome]:
        try:
            there = self._there([row.sku for row in rows])
            parents = self._catalogue.ids(row.variant_of for row in rows if row.variant_of)
            options = self._properties.options(rows)
            rates = self._rates(rows, there)
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        refused: dict[int, Outcome] = {}
        bodies: list[tuple[Product, dict[str, Any], bool]] = []
        seen: set[str] = set()
        for position, row in enumerate(rows):
            existing = there.get(row.sku)
            refusal = self._refusal(row, existing, parents, seen)
            if refusal is not None:
                refused[position] = refusal
                continue
            try:
                bodies.append(self._body(row, existing, parents, options, rates))
                seen.add(row.sku)
            except MappingProblem as problem:
                refused[position] = Refused(code=problem.code, message=f"{row.sku}: {problem}")
            except BadNumber as problem:
                refused[position] = Refused(code="invalid_value", message=f"{row.sku}: base_price {problem}")
        sent = iter(in_batches(bodies, self._batch_size, lambda batch: self._send(batch, parents, options)))
        return [refused[position] if position in refused else next(sent) for position in range(len(rows))]

    def _there(self, skus: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        wanted = set(skus)
        return {
            str(row["productNumber"]): row
            for page in self._catalogue.rows(skus, LISTED, operation="product.read_existing", headers=INHERITED)
            for row in page
            if row.get("productNumber") in wanted
        }

    def _tax_of(self, row: Product) -> str:
        return self._taxes.get(row.tax_class) or self._tax

    def _rates(self, rows: Sequence[Product], there: Mapping[str, Any]) -> dict[str, Decimal]:
        """Tax rates in percent by id, of those that a new product's price needs."""
        ids = {self._tax_of(row) for row in rows if row.sku not in there and row.custom.get("base_price") is not None}
        listed = Criteria().including({"tax": ("id", "taxRate")})
        pages = self._client.by_ids(
            "tax", sorted(ids), listed, operation="product.read_taxes", page_size=self._page_size
        )
        return {str(row["id"]): decimal_of(row.get("taxRate")) for page in pages for row in page}

    def _refusal(
        self, row: Product, existing: Mapping[str, Any] | None, parents: Mapping[str, str], seen: set[str]
    ) -> Refused | None:
        """Why a row must not be sent; None where it may."""
        if row.sku in seen:
            return Refused(code="twice_in_batch", message=f"{row.sku} stands in the batch twice")
        if row.kind not in SOLD:
            kinds = ", ".join(SOLD)
            return Refused(code="unsupported_kind", message=f"{row.sku} is a {row.kind}; the shop's core has {kinds}")
        if row.variant_of and row.variant_of not in parents:
            return Refused(
                code="unknown_parent",
                message=f"the shop has no product {row.variant_of} that {row.sku} could be a variant of",
                again=Again.AFTER_DEPENDENCY,
                requirement=("product", row.variant_of),
            )
        if existing is None:
            if not is_id(self._tax_of(row)):
                return Refused(
                    code="unknown_tax", message=f"{row.sku}: no tax for class {row.tax_class!r}; see setting tax_ids"
                )
            return self._properties.refusal(row)
        if row.active and existing.get("active") is not True and not has_price(existing) and not self._is_parent(row):
            return Refused(
                code="price_missing",
                message=f"{row.sku} is not enabled before it has a price in the store",
                again=Again.LATER,
                retry_after_seconds=LACKS_PRICE_SECONDS,
            )
        return None

    @staticmethod
    def _is_parent(row: Product) -> bool:
        """Its variants have prices."""
        return row.kind is ProductKind.CONFIGURABLE

    def _body(
        self,
        row: Product,
        existing: Mapping[str, Any] | None,
        parents: Mapping[str, str],
        options: Mapping[tuple[str, str], Mapping[str, Any]],
        rates: Mapping[str, Decimal],
    ) -> tuple[Product, dict[str, Any], bool]:
        """The row's payload, and whether it lacks its price."""
        if existing is not None:
            known = {"id": str(existing["id"])}
            body = self._to_store.apply(row, Context(self._connection, self._lookups, known), row.sku)
            if row.only:
                kept = {PARTS[name] for name in row.only if name in PARTS}
                body = {name: value for name, value in body.items() if name in kept} | known
            return row, body, False
        base, tax = row.custom.get("base_price"), self._tax_of(row)
        if base is not None and tax not in rates:
            raise MappingProblem("unknown_tax", "tax_class", row.tax_class, f"the shop has no tax {tax}")
        net = decimal_of(base) if base is not None else ZERO
        product_id = identity("product", row.sku)
        lacks = base is None and row.active and not self._is_parent(row)
        values: dict[str, Any] = {
            "id": product_id,
            "tax": tax,
            "stock": 0,
            "price": price_of(net, rates.get(tax, ZERO), self._currency),
        }
        if row.variant_of:
            values["parent"] = parents[row.variant_of]
            values["options"] = [dict(options[one]) for one in row.variant_options]
        elif self._channels:
            values["visibilities"] = [
                {
                    "id": identity("product_visibility", product_id, channel),
                    "salesChannelId": channel,
                    "visibility": EVERYWHERE,
                }
                for channel in self._channels
            ]
        sent = msgspec.structs.replace(row, active=False) if lacks else row
        return row, self._to_store.apply(sent, Context(self._connection, self._lookups, values), row.sku), lacks

    def _send(
        self,
        batch: list[tuple[Product, dict[str, Any], bool]],
        parents: Mapping[str, str],
        options: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> list[Outcome]:
        """One transaction: the products, then what the parents of new variants offer."""
        new = [row for row, body, _ in batch if "parentId" in body]
        rows = [Rows("product", [body for _, body, _ in batch])]
        if new:
            offered = self._properties.offered(new, parents, options)
            rows += [Rows("product_configurator_setting", offered)] if offered else []
        upsert_all(self._client, rows, operation=WRITE)
        self._catalogue.remember({"productNumber": row.sku, "id": body["id"]} for row, body, _ in batch)
        return [
            Applied(receipt=Receipt(target_id=str(body["id"])), lacks=("price", row.sku) if lacks else None)
            for row, body, lacks in batch
        ]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a product is never accepted for later: there is nothing to settle")
