"""``POST /api/_action/custom-price``: a customer's own prices, of the Commercial plugin; and the indexer on demand.

Facts: shopware/docs, customer-specific-pricing (6.7): commands as in a sync, each on its own and isolated; errors are
in the body of a 200; headers change nothing; products are always indexed; `customerGroupId` is a stub. That rows of a
command without errors are written beside one with errors, and that a product and a customer have one row, is
unconfirmed; so are the texts of errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, indexing, names, saving, stock
from erp_sync.systems.shopware.sandbox.database import marks
from erp_sync.systems.shopware.sandbox.errors import ShopwareError
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.values import Rejected, prices

_DELETED_BY = {"productIds": "productId", "customerIds": "customerId", "customerGroupIds": "customerGroupId"}


def routes() -> list[Route]:
    return [
        Route("custom-price", "POST", "/api/_action/custom-price", "bulk", handle, True, "pricing", commercial=True),
        Route("index-products", "POST", "/api/_action/index-products", "update", index_products, True),
    ]


def handle(call: Call) -> Response:
    commands = call.body()
    if not isinstance(commands, list):
        raise errors.plain(400, "Invalid payload format. Expected an array of operations.")
    data, failed = [], False
    for command in commands:
        if not isinstance(command, Mapping) or command.get("action") not in ("upsert", "delete"):
            raise errors.plain(400, 'Missing or invalid "action" argument. Supported actions are [upsert, delete]')
        run = _upsert if command["action"] == "upsert" else _delete
        result = [run(call.shop, row) for row in command.get("payload") or ()]
        failed = failed or any(one["errors"] for one in result)
        data.append({"result": result, "extensions": []})
    return answer({"success": not failed, "data": data})


def _upsert(shop: Shop, row: Any) -> dict[str, Any]:
    """One row of a command, by itself."""
    found, tiers = _checked(shop, row)
    if found:
        return {"entities": [], "errors": found}
    known = shop.database.value(
        'SELECT id FROM custom_price WHERE "productId" = ? AND "customerId" IS ? AND "customerGroupId" IS ?',
        [row["productId"], row.get("customerId"), row.get("customerGroupId")],
    )
    kept = {name: row[name] for name in ("productId", "customerId", "customerGroupId") if row.get(name)}
    writer = shop.writer()
    try:
        with shop.database.savepoint():
            identity = writer.upsert(
                shop.entity("custom_price"),
                {**kept, "id": row.get("id") or known or shop.new_id(), "price": tiers},
                "/0",
            )
            saving.save(shop, writer)
            indexing.index(shop, [row["productId"]])
    except ShopwareError as error:
        return {"entities": [], "errors": [str(one.get("detail")) for one in error.errors]}
    return {"entities": [identity], "errors": []}


def _checked(shop: Shop, row: Any) -> tuple[list[str], list[dict[str, Any]]]:
    if not isinstance(row, Mapping):
        return ["payload: This value should be of type array."], []
    found = []
    for name, entity in (("productId", "product"), ("customerId", "customer"), ("customerGroupId", "customer_group")):
        value = row.get(name)
        if value is None:
            if name == "productId":
                found.append("productId: This value should not be blank.")
        elif not names.is_id(value) or shop.raw(entity, value) is None:
            found.append(f"{name}: The {entity} with id {value} does not exist.")
    if row.get("customerId") is None and row.get("customerGroupId") is None:
        found.append("customerId: This value should not be blank.")
    tiers, problems = _tiers(row.get("price"))
    return found + problems, tiers


def _tiers(given: Any) -> tuple[list[dict[str, Any]], list[str]]:
    if not isinstance(given, list) or not given:
        return [], ["price: This value should not be blank."]
    made, found = [], []
    for index, tier in enumerate(given):
        start = tier.get("quantityStart") if isinstance(tier, Mapping) else None
        if isinstance(start, bool) or not isinstance(start, int) or start < 1:
            found.append(f"price/{index}/quantityStart: This value should be of type int.")
            continue
        try:
            price = prices(tier.get("price"), f"price/{index}/price")
        except Rejected as rejected:
            found += [f"{one['source']['pointer']}: {one['detail']}" for one in rejected.errors]
            continue
        made.append({"quantityStart": start, "quantityEnd": tier.get("quantityEnd"), "price": price})
    return made, found


def _delete(shop: Shop, row: Any) -> dict[str, Any]:
    """Rows of all lists that are given: those of the products and of the customers."""
    conditions, values = [], list[Any]()
    for key, column in _DELETED_BY.items():
        ids = [one for one in (row.get(key) if isinstance(row, Mapping) else None) or () if names.is_id(one)]
        if ids:
            conditions.append(f'"{column}" IN ({marks(ids)})')
            values += ids
    if not conditions:
        return {"entities": [], "errors": ["At least one id is needed in productIds, customerIds or customerGroupIds."]}
    where = " AND ".join(conditions)
    rows = shop.database.rows(f'SELECT id, "productId" FROM custom_price WHERE {where}', values)
    try:
        with shop.database.savepoint():
            saving.remove(shop, shop.entity("custom_price"), [one["id"] for one in rows])
            indexing.index(shop, sorted({one["productId"] for one in rows}))
    except ShopwareError as error:
        return {"entities": [], "errors": [str(one.get("detail")) for one in error.errors]}
    return {"entities": [], "errors": []}


def index_products(call: Call) -> Response:
    """What was written without indexing, or with parts skipped, is caught up (fact sheet, section 11)."""
    ids = call.fields().get("ids") or []
    if any(not names.is_id(one) for one in ids):
        raise errors.invalid_id(next(one for one in ids if not names.is_id(one)))
    auth.demand(call.shop, ["product:update"])
    stock.flag_available(call.shop.database, ids)
    indexing.index(call.shop, ids)
    return Response(204, {})
