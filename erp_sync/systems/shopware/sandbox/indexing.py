"""The product indexer: what is derived from products, some of it at once, the rest when the queue gets to it.

Facts: shopware/shopware src/Core/Content/Product/DataAbstractionLayer/ProductIndexer.php: of a write's products the
first 50 are worked off inline, the others and all parents and variants go to the queue; `use-queue-indexing` queues
all, `disable-indexing` does nothing. The indexer sets updatedAt by SQL: an indexed price write moves the product.
Listings sort and filter by what is kept here; product pages and carts read prices themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from erp_sync.systems.shopware.sandbox import names, stock
from erp_sync.systems.shopware.sandbox.database import marks
from erp_sync.systems.shopware.sandbox.schema import declared
from erp_sync.systems.shopware.sandbox.schema.fields import text_of
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Link

INLINE = 50
CHEAPEST, DISABLED, QUEUED = "product.cheapest-price", "disable-indexing", "use-queue-indexing"
_OF_PRODUCT = {"product": "id", "product_price": "productId", "product_visibility": "productId"}
_STOCK_FIELDS = frozenset({"stock", "isCloseout", "minPurchase"})
SCHEMA = (
    "CREATE TABLE sandbox_index_queue (product TEXT, skips TEXT, due TEXT, PRIMARY KEY (product, skips))",
    "CREATE TABLE sandbox_listing (product TEXT PRIMARY KEY, prices TEXT)",
)


@dataclass(frozen=True)
class Behavior:
    """Headers ``indexing-behavior`` and ``indexing-skip``."""

    mode: str = ""
    skips: tuple[str, ...] = ()

    @classmethod
    def of(cls, behavior: str | None, skips: str | None) -> Behavior:
        return cls(behavior or "", tuple(part for part in (skips or "").split(",") if part))


def products_of(commands: Iterable[Command], links: Iterable[Link] = ()) -> list[str]:
    """Products that a write is about, each once."""
    found = []
    for command in commands:
        field = _OF_PRODUCT.get(command.entity.name)
        if field == "id":
            found.append(command.key[0])
        elif field:
            found.append({**(command.before or {}), **command.columns}[field])
    found += [link.columns["productId"] for link in links if "productId" in link.columns]
    return list(dict.fromkeys(found))


def written(shop: Shop, commands: Sequence[Command], links: Sequence[Link], behavior: Behavior) -> None:
    """What follows a write of products."""
    products = products_of(commands, links)
    if not products or behavior.mode == DISABLED:
        return
    stock.flag_available(
        shop.database,
        [one.key[0] for one in commands if one.entity.name == "product" and _STOCK_FIELDS & one.columns.keys()],
    )
    inline = [] if behavior.mode == QUEUED else products[:INLINE]
    index(shop, inline, behavior.skips)
    queue(shop, [*_relatives(shop, products), *products[len(inline) :]], behavior.skips)


def queue(shop: Shop, products: Iterable[str], skips: Sequence[str] = ()) -> None:
    due, listed = shop.wall(shop.options.index_lag_seconds), ",".join(skips)
    for product in dict.fromkeys(products):
        shop.database.run("INSERT OR IGNORE INTO sandbox_index_queue VALUES (?, ?, ?)", [product, listed, due])


def run_due(shop: Shop) -> None:
    """Work off what the queue has due."""
    rows = shop.database.rows(
        "SELECT product, skips FROM sandbox_index_queue WHERE due <= ? ORDER BY due LIMIT 5000", [shop.wall()]
    )
    if not rows:
        return
    with shop.database.transaction():
        for row in rows:
            shop.database.delete("sandbox_index_queue", {"product": row["product"], "skips": row["skips"]})
        by_skips: dict[str, list[str]] = {}
        for row in rows:
            by_skips.setdefault(row["skips"], []).append(row["product"])
        for skips, products in by_skips.items():
            stock.flag_available(shop.database, products)
            index(shop, products, tuple(part for part in skips.split(",") if part))


def _relatives(shop: Shop, products: Sequence[str]) -> list[str]:
    """Parents and variants of the products."""
    found = []
    for product in products:
        row = shop.raw("product", product)
        if row and row["parentId"]:
            found.append(row["parentId"])
        found += shop.database.column('SELECT id FROM product WHERE "parentId" = ?', [product])
    return [one for one in dict.fromkeys(found) if one not in products]


def index(shop: Shop, products: Sequence[str], skips: Sequence[str] = ()) -> None:
    """Derive again what is kept of these products, and move their updatedAt."""
    database, now = shop.database, shop.now()
    for product in products:
        columns: dict[str, object] = {"updatedAt": now}
        for (entity, field), association in declared.ID_LISTS.items():
            if entity == "product":
                table, near, far = declared.MAPPINGS[entity, association]
                ids = database.column(f'SELECT "{far}" FROM "{table}" WHERE "{near}" = ? ORDER BY 1', [product])
                columns[field] = text_of(ids) if ids else None
        columns["childCount"] = database.value('SELECT count(*) FROM product WHERE "parentId" = ?', [product])
        database.update("product", {"id": product, "versionId": names.LIVE_VERSION}, columns)
        if CHEAPEST not in skips:
            _list_prices(shop, product)


def _list_prices(shop: Shop, product: str) -> None:
    """The prices that listings go by: the product's own, and those of rules for one unit."""
    row = shop.raw("product", product)
    if row is None:
        shop.database.delete("sandbox_listing", {"product": product})
        return
    base = row["price"]
    if base is None and row["parentId"]:
        base = (shop.raw("product", row["parentId"]) or {}).get("price")
    rules = shop.database.rows(
        'SELECT "ruleId" AS rule, price FROM product_price WHERE "productId" = ? ORDER BY "quantityStart", id',
        [product],
    )
    kept = (
        f'{{"base": {base or "null"}, "rules": ['
        + ", ".join(f'{{"ruleId": "{one["rule"]}", "price": {one["price"]}}}' for one in rules)
        + "]}"
    )
    shop.database.run("INSERT OR REPLACE INTO sandbox_listing VALUES (?, ?)", [product, kept])


def indexed(shop: Shop, products: Sequence[str]) -> list[dict[str, object]]:
    """What listings know of these products."""
    return shop.database.rows(
        f"SELECT product, prices FROM sandbox_listing WHERE product IN ({marks(products)})", list(products)
    )
