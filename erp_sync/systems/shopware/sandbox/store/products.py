"""Products as shoppers see them: with calculated prices, which are read live.

Facts: [SW] Content/Product/SalesChannel (ProductListRoute, ProductDetailRoute), fact sheet, section 11: limit 100 at
most and by default; sorting and filtering by price use what the indexer kept, prices themselves the tables.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, indexing, names
from erp_sync.systems.shopware.sandbox.criteria import Compare, Criteria, Filter, Group, parse
from erp_sync.systems.shopware.sandbox.pricing.answers import ProductPrice
from erp_sync.systems.shopware.sandbox.pricing.prices import Prices
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call
from erp_sync.systems.shopware.sandbox.schema.fields import structure
from erp_sync.systems.shopware.sandbox.store.session import Shopper

MAX_LIMIT = 100
_HIDDEN = frozenset({"purchasePrices", "price"})


def _visible(shopper: Shopper) -> list[Filter]:
    """ProductAvailableFilter: active, and visible in the sales channel (30: everywhere)."""
    channel = shopper.channel["id"]
    return [
        Compare("equals", "active", True),
        Group("and", (Compare("gte", "visibilities.visibility", 10),
                      Compare("equals", "visibilities.salesChannelId", channel))),
    ]  # fmt: skip


def listing(call: Call, shopper: Shopper) -> dict[str, Any]:
    shop, entity = call.shop, call.shop.entity("product")
    body = dict(call.fields())
    if "p" in body and "page" not in body:
        body["page"] = body.pop("p")
    by_price = _price_order(body)
    criteria = parse(body, entity, shop.entities, max_limit=MAX_LIMIT, default_limit=MAX_LIMIT)
    limit, offset = criteria.limit, criteria.offset
    criteria.filters += [Group("or", (Group("and", tuple(_visible(shopper))), _variant(shopper)))]
    if by_price is not None:
        criteria.limit, criteria.offset = None, 0
    reader = shop.reader(inheritance=True)
    found = reader.ids(entity, criteria)
    ids = found.ids
    if by_price is not None:
        ids = _sorted_by_price(shopper, ids, by_price)[offset : offset + (limit or MAX_LIMIT)]
    criteria.ids, criteria.limit, criteria.filters = ids, None, []
    rows = reader.search(entity, Criteria(ids=ids, associations=criteria.associations)).rows
    prices = Prices(shop.database, shopper.prices()).of([row["id"] for row in rows])
    printer = Printer(shop.entities, criteria, call.base_url)
    return {
        "elements": [_printed(printer, call, row, prices.get(row["id"])) for row in rows],
        "total": found.total if by_price is None else len(ids), "aggregations": [], "page": offset // (limit or 1) + 1,
        "limit": limit, "entity": "product", "states": [], "extensions": [], "apiAlias": "entity_search_result",
    }  # fmt: skip


def _variant(shopper: Shopper) -> Group:
    """A variant is visible where its parent is."""
    return Group("and", (
        Compare("equals", "active", True),
        Compare("equals", "parent.active", True),
    ))  # fmt: skip


def _price_order(body: dict[str, Any]) -> bool | None:
    """Whether the listing is wanted by price, and then whether the dearest first."""
    sort = body.get("sort")
    first = sort[0] if isinstance(sort, list) and sort else None
    if isinstance(first, dict) and first.get("field") in ("price", "cheapestPrice", "product.cheapestPrice"):
        body.pop("sort")
        return str(first.get("order", "asc")).lower() == "desc"
    return None


def _sorted_by_price(shopper: Shopper, ids: list[str], descending: bool) -> list[str]:
    """By the prices that the indexer kept: those of the first matching rule that it knew, else the product's."""
    rules = shopper.prices().rules
    side = "gross" if shopper.tax_state == "gross" else "net"
    known: dict[str, Decimal] = {}
    for row in indexing.indexed(shopper.shop, ids):
        kept = structure(str(row["prices"]))
        own = next(([one for one in kept["rules"] if one["ruleId"] == rule] for rule in rules
                    if any(one["ruleId"] == rule for one in kept["rules"])), [])  # fmt: skip
        tables = [one["price"] for one in own] or ([kept["base"]] if kept["base"] else [])
        amounts = [Decimal(price[side]) for table in tables for price in table if price["currencyId"] == names.CURRENCY]
        known[str(row["product"])] = min(amounts, default=Decimal(0))
    return sorted(ids, key=lambda one: (known.get(one, Decimal(0)), one), reverse=descending)


def detail(call: Call, shopper: Shopper) -> dict[str, Any]:
    """A product; of a parent its first variant that can be had, which is what a page of it shows."""
    shop, entity = call.shop, call.shop.entity("product")
    identity = call.path["id"]
    if not names.is_id(identity):
        raise errors.invalid_id(identity)
    variants = shop.database.column(
        'SELECT id FROM product WHERE "parentId" = ? AND COALESCE(active, 1) = 1 ORDER BY available DESC, id',
        [identity],
    )
    wanted = variants[0] if variants else identity
    body = call.fields() if call.request.method == "POST" else {}
    criteria = parse(body, entity, shop.entities, max_limit=MAX_LIMIT)
    reader = shop.reader(inheritance=True)
    row = reader.one(entity, wanted, criteria)
    if row is None or not row["active"]:
        raise errors.failure(
            "CONTENT__PRODUCT_NOT_FOUND", f'Could not find product with id "{identity}"', status=404,
            parameters={"entity": "product", "field": "id", "value": identity},
        )  # fmt: skip
    price = Prices(shop.database, shopper.prices()).of([wanted]).get(wanted)
    printer = Printer(shop.entities, criteria, call.base_url)
    return {"product": _printed(printer, call, row, price), "configurator": [], "apiAlias": "product_detail"}


def _printed(printer: Printer, call: Call, row: dict[str, Any], price: ProductPrice | None) -> dict[str, Any]:
    """A SalesChannelProductEntity: price tables are not shown, what they come to is."""
    made = printer.plain(call.shop.entity("product"), row)
    for name in _HIDDEN:
        made.pop(name, None)
    if made.get("prices") is not None:
        made["prices"] = []
    if price is not None:
        made["calculatedPrice"] = price.base.printed()
        made["calculatedPrices"] = [one.price.printed() for one in price.tiers]
        made["calculatedMaxPurchase"] = row["maxPurchase"] or 100
        made["isNew"] = False
    return made
