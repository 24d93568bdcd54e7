"""Products as a target: created and changed in bulk, asynchronously; disabled, never deleted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.product import BundleComponent, Product, ProductKind
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context
from erp_sync.ports.mapping_overlay import overlaid
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.magento.client import MagentoClient, number_in, segment
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.systems.magento.mapping.products import (
    DISABLED,
    EXTENSIONS,
    FROM_STORE,
    PARTS,
    TO_STORE,
    URL_KEY,
    attributes_of,
    category_names,
    compared_attributes,
    from_store,
)
from erp_sync.systems.magento.ports.attributes import Attributes
from erp_sync.systems.magento.ports.bulk import BulkProducts
from erp_sync.systems.magento.ports.catalogue import Catalogue
from erp_sync.systems.magento.ports.outcomes import attempted, in_batches, not_sent
from erp_sync.transport.errors import Rejected, TransportError

WRITE = "product.write"
_EXISTING_FIELDS = (
    "items[id,sku,price,status,type_id,extension_attributes[category_links,bundle_product_options]],total_count"
)

# Ends the note of a product that is disabled until it has a price; in no SKU.
_LACKS_PRICE = "\t"


class ProductTarget:
    """Products of a store, written at global scope (``/rest/all``): without it only the default view changes.

    `submit` gives `Accepted` per row; `settle` asks the bulk's status and, for a variant that is now there,
    links it to its configurable product. A variant waits for that product. A new product has no price yet:
    it takes ``custom.base_price`` where that is given, else it is created disabled at price 0 and lacks its
    price; an existing product is not enabled before it has one. A value that the store would cut, cast or drop
    without a word is refused as ``attribute_unfit``.

    Settings: ``attribute_set_id``, ``website_ids``, ``categories`` ({name: id}), ``product_attributes``
    ({canonical path: attribute code}).
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
        self._attributes = Attributes(client)
        self._bulk = BulkProducts(client, WRITE, "product.settle")
        overlays = connection.settings.get("mapping") or {}
        self._to_store = overlaid(TO_STORE, overlays)
        self._from_store = from_store(overlaid(FROM_STORE, overlays), connection.settings)
        self._written = attributes_of(connection.settings)
        self._compared = compared_attributes(connection.settings)
        names = category_names(connection.settings)
        # The name by which each category is compared: several may stand for one.
        known = connection.settings.get("categories") or {}
        self._categories = {str(name): names[str(number)] for name, number in known.items()}
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("product").page_size

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
        weight, parts = values.get("weight"), values.get("components") or {}
        texts = {path: str(values[path]) for path in self._compared if path in values}
        return Product(
            connection=self._connection.name,
            scope="",
            native_id="",
            sku=key,
            name=str(values.get("name") or ""),
            kind=ProductKind(str(values.get("kind") or ProductKind.SIMPLE)),
            active=bool(values.get("active")),
            weight=decimal_of(weight) if weight is not None else None,
            categories=tuple(values.get("categories") or ()),
            components=tuple(BundleComponent(sku=sku, quantity=decimal_of(parts[sku])) for sku in sorted(parts)),
            custom={path.partition(".")[2]: text for path, text in texts.items() if path.startswith("custom.")},
            only=tuple(values.get("only") or ()),
            **{path: text for path, text in texts.items() if not path.startswith("custom.")},  # type: ignore[arg-type]
        )

    def gone(self, key: str, values: dict[str, Any]) -> Product:
        """What stands for a product that should not be there: it is disabled, never deleted."""
        return msgspec.structs.replace(self.row(key, values), active=False, only=("active",))

    def values(self, row: Product) -> dict[str, Any]:
        """Fields that the store keeps; what is empty says nothing and is not compared."""
        values: dict[str, Any] = {"name": row.name, "active": row.active, "kind": str(row.kind)}
        if row.weight is not None:
            values["weight"] = decimal_of(row.weight)
        for path in self._compared:
            own, _, name = path.partition(".")
            text = attribute_text(row.custom.get(name) if name else getattr(row, own))
            if text:
                values[path] = text
        if categories := {self._categories[name] for name in row.categories if name in self._categories}:
            values["categories"] = sorted(categories)
        if row.kind is ProductKind.BUNDLE and row.components:
            parts: Counter[str] = Counter()
            for one in row.components:
                parts[one.sku] += decimal_of(one.quantity)  # type: ignore[assignment]
            values["components"] = {sku: f"{decimal_of(parts[sku]).normalize():f}" for sku in sorted(parts)}
        return values

    def requirements(self, row: Product) -> list[Requirement]:
        needs = [Requirement("product", row.variant_of)] if row.variant_of else []
        # Of a bundle that is there only what changes is written.
        sent = not row.only or "components" in row.only
        parts = [Requirement("product", one.sku) for one in row.components] if sent else []
        return [*needs, *parts]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._catalogue.resolve(requirements)

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[Product]]:
        pages = self._client.all(
            "products", Criteria(), operation="product.snapshot", page_size=self._page_size, sort=("entity_id",)
        )
        for page in pages:
            yield [self._product(item) for item in page]

    def read(self, skus: Sequence[str]) -> Iterator[list[Product]]:
        pages = self._client.by_keys("products", "sku", skus, operation="product.read", page_size=self._page_size)
        for page in pages:
            yield [self._product(item) for item in page]

    def _product(self, item: Mapping[str, Any]) -> Product:
        context = Context(self._connection, self._lookups)
        product: Product = self._from_store.apply(item, context, str(item.get("sku")))
        return product

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[Product]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        bodies: list[tuple[Product, dict[str, Any]]] = []
        try:
            existing = self._existing([row.sku for row in rows])
            parents = self._catalogue.ids(row.variant_of for row in rows if row.variant_of)
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        for position, row in enumerate(rows):
            try:
                bodies.append((row, self._body(row, existing.get(row.sku), parents)))
            except _NotNow as problem:
                outcomes[position] = problem.outcome
            except MappingProblem as problem:
                outcomes[position] = Refused(code=problem.code, message=str(problem))
            except TransportError as error:
                outcomes[position] = not_sent(error)
        sent = iter(in_batches(bodies, self._batch_size, self._send))
        return [outcomes[position] if position in outcomes else next(sent) for position in range(len(rows))]

    def _existing(self, skus: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        pages = self._client.by_keys(
            "products",
            "sku",
            skus,
            operation="product.read_existing",
            page_size=self._page_size,
            fields=_EXISTING_FIELDS,
        )
        return {str(item["sku"]): item for page in pages for item in page}

    def _body(self, row: Product, existing: Mapping[str, Any] | None, parents: Mapping[str, str]) -> dict[str, Any]:
        if row.variant_of and "/" in row.variant_of:
            # The call that links a variant has its parent's SKU in the URL.
            raise _NotNow(
                Refused(code="sku_with_slash", message=f"{row.variant_of} cannot have variants: it has a slash")
            )
        if row.variant_of and row.variant_of not in parents:
            raise _NotNow(
                Refused(
                    code="unknown_parent",
                    message=f"the store has no product {row.variant_of} to link {row.sku} to",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("product", row.variant_of),
                )
            )
        if row.kind is ProductKind.BUNDLE and existing is None and not row.components:
            raise _NotNow(Refused(code="bundle_without_parts", message=f"{row.sku}: a bundle needs parts"))
        values: dict[str, Any] = {
            "options": {(code, label): self._attributes.option(code, label) for code, label in row.variant_options}
        }
        extension = (existing or {}).get("extension_attributes") or {}
        values["category_links"] = extension.get("category_links")
        values["bundle_options"] = extension.get("bundle_product_options")
        price = row.custom.get("base_price")
        if existing is None:
            values["price"] = decimal_of(price) if price is not None else ZERO
            if row.kind is ProductKind.CONFIGURABLE:
                values["configurable_options"] = self._configurable_options(row)
        values["new"] = existing is None
        body = self._to_store.apply(row, Context(self._connection, self._lookups, values), row.sku)
        if existing is not None and row.only:
            body = self._only(row, body)
        texts = {URL_KEY, *self._written.values()}  # the others are numbers of the store's own
        for one in body.get("custom_attributes", ()):
            code, value = one["attribute_code"], one["value"]
            if code in texts and (problem := self._attributes.unfit(code, value)):
                raise _NotNow(Refused(code="attribute_unfit", message=f"{row.sku}: {problem}"))
        if row.kind in (ProductKind.CONFIGURABLE, ProductKind.BUNDLE):
            body.pop("price", None)  # its variants, or its parts, have prices
        elif row.active and existing is None and price is None:
            body["status"] = DISABLED
        elif row.active and existing is not None and not self._may_be_sold(existing):
            raise _NotNow(
                Refused(
                    code="price_missing",
                    message=f"{row.sku} is not enabled before it has a price in the store",
                    again=Again.LATER,
                    retry_after_seconds=600.0,
                )
            )
        return body

    def _only(self, row: Product, body: dict[str, Any]) -> dict[str, Any]:
        """What changes, and the SKU: the vendor keeps what a save does not name (core: ProductRepository::save
        merges into the stored product)."""
        texts = {code for path, code in self._written.items() if path in row.only}
        attributes = [one for one in body.get("custom_attributes", ()) if one["attribute_code"] in texts]
        names = {"sku", *(PARTS[field] for field in row.only if field in PARTS)}
        kept = {name: value for name, value in body.items() if name in names}
        parts = {EXTENSIONS[field] for field in row.only if field in EXTENSIONS}
        extension = {name: part for name, part in body.get("extension_attributes", {}).items() if name in parts}
        kept |= {"custom_attributes": attributes} if attributes else {}
        return kept | ({"extension_attributes": extension} if extension else {})

    @staticmethod
    def _may_be_sold(existing: Mapping[str, Any]) -> bool:
        """It is sold already, or has a price."""
        price: Decimal = number_in(existing, "price", 0)
        if existing.get("type_id") in ("configurable", "bundle"):
            return True
        return price > 0 or str(existing.get("status")) != str(DISABLED)

    def _configurable_options(self, row: Product) -> list[dict[str, Any]]:
        options = []
        for position, code in enumerate(row.variant_attributes):
            attribute = self._attributes.of(code)
            options.append(
                {
                    "attribute_id": str(attribute["attribute_id"]),
                    "label": str(attribute.get("default_frontend_label") or code),
                    "position": position,
                    "values": [{"value_index": int(number)} for number in self._attributes.options(code).values()],
                }
            )
        return options

    def _send(self, batch: list[tuple[Product, dict[str, Any]]]) -> list[Outcome]:
        return self._bulk.send([body for _, body in batch], [self._note(row, body) for row, body in batch])

    @staticmethod
    def _note(row: Product, body: Mapping[str, Any]) -> str:
        """What is to be known once the queue has saved the product: its configurable product, and what it lacks."""
        return (row.variant_of or "") + (_LACKS_PRICE if row.active and body.get("status") == DISABLED else "")

    # -- afterwards ----------------------------------------------------------------------------

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """See `BulkProducts.settle`; a variant that is saved is linked to its configurable product."""
        return self._bulk.settle(handles, self._finish)

    def _finish(self, sku: str, note: str) -> Outcome:
        parent = note.removesuffix(_LACKS_PRICE)
        done = attempted(lambda: self._link(parent, sku)) if parent else Applied(receipt=Receipt(target_id=sku))
        if isinstance(done, Applied) and note.endswith(_LACKS_PRICE):
            return msgspec.structs.replace(done, lacks=("price", sku))
        return done

    def _link(self, parent: str, sku: str) -> Outcome:
        """Make the variant a child of its configurable product; one that is already is fine."""
        path = f"configurable-products/{segment(parent)}/child"
        try:
            self._client.post(path, {"childSku": sku}, operation="product.link_variant", document=sku)
        except Rejected as refusal:
            # "The product is already attached." (core: LinkManagement::addChild)
            if "already" not in refusal.message:
                raise
        return Applied(receipt=Receipt(target_id=sku))


_DECIMAL = re.compile(r"-?\d+\.\d+")


def attribute_text(value: Any) -> str:
    """How an attribute is compared: as text, decimals without zeros at their end, as stores add them."""
    if value is None:
        return ""
    text = {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)
    return text.rstrip("0").removesuffix(".") if _DECIMAL.fullmatch(text) else text


class _NotNow(Exception):
    """A row that is not sent. Attributes: outcome."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome))
