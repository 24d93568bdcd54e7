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
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Link

INLINE = 50
_CHUNK = 500
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
    for start in range(0, len(products), _CHUNK):
        chunk = list(products[start : start + _CHUNK])
        _derive(shop, chunk)
        if CHEAPEST not in skips:
            _list_prices(shop, chunk)


def _derive(shop: Shop, products: list[str]) -> None:
    """Lists of ids, the count of variants, updatedAt: one statement of SQL for each, as the vendor's indexer."""
    database, wanted = shop.database, marks(products)
    fields = []
    for (entity, field), association in declared.ID_LISTS.items():
        if entity == "product":
            table, near, far = declared.MAPPINGS[entity, association]
            ids = f'SELECT "{far}" AS id FROM "{table}" WHERE "{near}" = product.id ORDER BY 1'
            fields.append(f"\"{field}\" = NULLIF((SELECT json_group_array(id) FROM ({ids})), '[]')")
    children = 'SELECT count(*) FROM product c WHERE c."parentId" = product.id'
    database.run(
        f"""UPDATE product SET {", ".join(fields)}, "childCount" = ({children}), "updatedAt" = ?
            WHERE id IN ({wanted}) AND "versionId" = ?""",
        [shop.now(), *products, names.LIVE_VERSION],
    )


def _list_prices(shop: Shop, products: list[str]) -> None:
    """The prices that listings go by: the product's own, and those of rules by their quantity."""
    wanted = marks(products)
    bases = shop.database.rows(
        f"""SELECT e.id, COALESCE(e.price, p.price) AS price FROM product e
            LEFT JOIN product p ON p.id = e."parentId" WHERE e.id IN ({wanted})""",
        products,
    )
    rules: dict[str, list[str]] = {}
    for one in shop.database.rows(
        f"""SELECT "productId" AS product, "ruleId" AS rule, price FROM product_price
            WHERE "productId" IN ({wanted}) ORDER BY "quantityStart", id""",
        products,
    ):
        rules.setdefault(one["product"], []).append(f'{{"ruleId": "{one["rule"]}", "price": {one["price"]}}}')
    shop.database.many(
        "INSERT OR REPLACE INTO sandbox_listing VALUES (?, ?)",
        [
            (row["id"], f'{{"base": {row["price"] or "null"}, "rules": [{", ".join(rules.get(row["id"], ()))}]}}')
            for row in bases
        ],
    )
    gone = set(products) - {row["id"] for row in bases}
    for product in gone:
        shop.database.delete("sandbox_listing", {"product": product})


def indexed(shop: Shop, products: Sequence[str]) -> list[dict[str, object]]:
    """What listings know of these products."""
    return shop.database.rows(
        f"SELECT product, prices FROM sandbox_listing WHERE product IN ({marks(products)})", list(products)
    )
