"""The resource of every entity: search, list, create, read, update, delete.

Facts: shopware/shopware src/Core/Framework/Api/Controller/ApiController.php. Answers of 204 carry Location, also that
of a delete; `_response` asks for the row. A body that is a list is refused: sync is for lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, names
from erp_sync.systems.shopware.sandbox.criteria import Criteria, leaves, parse
from erp_sync.systems.shopware.sandbox.indexing import Behavior
from erp_sync.systems.shopware.sandbox.rendering import JSON, JSON_API, Printer, media_type
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.saving import remove, save
from erp_sync.systems.shopware.sandbox.schema import entities
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.search import Reader, Result
from erp_sync.systems.shopware.sandbox.shop import COMMERCIAL

FLOWS = {
    "order": "orders", "order_line_item": "orders", "order_transaction": "orders", "order_delivery": "shipments",
    "product": "products", "product_price": "pricing", "custom_price": "pricing", "rule": "pricing",
    "customer": "customers", "customer_address": "customers", "customer_group": "customers",
}  # fmt: skip


def routes() -> list[Route]:
    """Six of every entity; the names are ``order.search``, ``product.update``, ..."""
    made = []
    for one in entities().values():
        flow, commercial = FLOWS.get(one.name, ""), one.name.startswith(COMMERCIAL)
        base, named = f"/api/{one.path}", f"{one.path}/{{id}}"
        common: dict[str, Any] = {"flow": flow, "commercial": commercial}
        made += [
            Route(f"{one.name}.search", "POST", f"/api/search/{one.path}", "search", search, **common),
            Route(f"{one.name}.search-ids", "POST", f"/api/search-ids/{one.path}", "search", search_ids, **common),
            Route(f"{one.name}.list", "GET", base, "search", search, **common),
            Route(f"{one.name}.create", "POST", base, "create", create, True, **common),
            Route(f"{one.name}.read", "GET", f"/api/{named}", "read", read, **common),
            Route(f"{one.name}.update", "PATCH", f"/api/{named}", "update", update, True, **common),
            Route(f"{one.name}.delete", "DELETE", f"/api/{named}", "delete", delete, True, **common),
        ]
    return made


def _entity(call: Call) -> Entity:
    assert call.entity is not None
    return call.entity


def _reader(call: Call) -> Reader:
    return call.shop.reader(version=call.version, inheritance=call.header("sw-inheritance") in ("1", "true"))


def criteria_of(call: Call, entity: Entity) -> Criteria:
    """From the body, or from the query of a GET. Raises ShopwareError."""
    given = call.body() if call.request.method == "POST" else _nested(call.request.query)
    if not isinstance(given, Mapping):
        raise errors.plain(400, "Invalid payload. Should be associative array")
    criteria = parse(given, entity, call.shop.entities)
    auth.demand(call.shop, sorted(_read(call.shop.entities, entity, criteria)))
    return criteria


def _nested(query: list[tuple[str, str]]) -> dict[str, Any]:
    """``filter[field]=value`` and ``associations[lineItems][]=`` as PHP reads them."""
    made: dict[str, Any] = {}
    for name, value in query:
        first, _, rest = name.partition("[")
        keys = [first, *[part.rstrip("]") for part in rest.split("[")]] if rest else [first]
        at = made
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = value
    return made


def _read(known: Mapping[str, Entity], entity: Entity, criteria: Criteria) -> set[str]:
    """Rights that the criteria ask for: on the entity and on all that they reach."""
    wanted = {f"{entity.name}:read"}
    paths = [one.field for one in leaves([*criteria.filters, *criteria.post_filters])]
    paths += [one.field for one in criteria.sorting]
    for path in paths:
        at = entity
        for part in path.removeprefix(f"{entity.name}.").split(".")[:-1]:
            association = at.associations.get(part)
            if association is None:
                break
            at = known[association.entity]
            wanted.add(f"{at.name}:read")
    for name, inner in criteria.associations.items():
        wanted |= _read(known, known[entity.associations[name].entity], inner)
    return wanted


def search(call: Call) -> Response:
    entity = _entity(call)
    criteria = criteria_of(call, entity)
    result = _reader(call).search(entity, criteria)
    if media_type(call.header("accept") or "") == JSON_API:
        return _listed(call, entity, criteria, result)
    printer = Printer(call.shop.entities, criteria, call.base_url)
    data = [printer.plain(entity, row) for row in result.rows]
    return answer({"total": result.total, "data": data, "aggregations": []})


def _listed(call: Call, entity: Entity, criteria: Criteria, result: Result) -> Response:
    data, included = Printer(call.shop.entities, criteria, call.base_url).resources(entity, result.rows)
    here = call.request.url
    body = {
        "data": data, "included": included, "links": {"self": here},
        "meta": {"totalCountMode": criteria.total, "total": result.total}, "aggregations": [],
    }  # fmt: skip
    response = answer(body)
    response.headers["content-type"] = JSON_API
    return response


def search_ids(call: Call) -> Response:
    entity = _entity(call)
    criteria = criteria_of(call, entity)
    found = _reader(call).ids(entity, criteria)
    return answer({"total": found.total, "data": found.ids})


def read(call: Call) -> Response:
    entity = _entity(call)
    _checked_id(call)
    criteria = Criteria()
    auth.demand(call.shop, [f"{entity.name}:read"])
    row = _reader(call).one(entity, call.path["id"], criteria)
    if row is None:
        raise errors.not_found(entity.name, call.path["id"])
    return _detail(call, entity, row)


def _checked_id(call: Call) -> None:
    if not names.is_id(call.path["id"]):
        raise errors.no_route(call.request.method, call.request.url)


def _detail(call: Call, entity: Entity, row: Mapping[str, Any]) -> Response:
    printer = Printer(call.shop.entities, Criteria(), call.base_url)
    if media_type(call.header("accept") or "") == JSON:
        return answer({"data": printer.plain(entity, row)})
    data, included = printer.resources(entity, [row])
    response = answer({"data": data[0], "included": included, "links": {"self": call.request.url}})
    response.headers["content-type"] = JSON_API
    return response


def _behavior(call: Call) -> Behavior:
    return Behavior.of(call.header("indexing-behavior"), call.header("indexing-skip"))


def _written(call: Call, identity: str) -> Response:
    entity = _entity(call)
    if call.request.parameter("_response") is not None:
        row = _reader(call).one(entity, identity)
        assert row is not None
        return _detail(call, entity, row)
    return Response(204, {"location": f"{call.base_url}/{entity.path}/{identity}"})


def _row(call: Call) -> dict[str, Any]:
    given = call.body()
    if isinstance(given, list):
        raise errors.plain(
            400,
            "Only single write operations are supported. Please send the entities one by one or use the /sync api "
            "endpoint.",
        )
    if not isinstance(given, Mapping):
        raise errors.plain(400, "Invalid payload. Should be associative array")
    return dict(given)


def create(call: Call) -> Response:
    entity, shop = _entity(call), call.shop
    writer = shop.writer(version=call.version)
    identity = writer.upsert(entity, _row(call), "/0", only=None)
    if writer.existing(entity, identity) is not None:
        raise _exists(entity)
    save(shop, writer, _behavior(call))
    return _written(call, identity)


def _exists(entity: Entity) -> errors.ShopwareError:
    """A POST of an id that is there: an insert was meant (WriteTypeIntendException)."""
    prefix = "Shopware\\Core\\Framework\\DataAbstractionLayer\\Write\\Command\\"
    return errors.failure(
        "FRAMEWORK__WRITE_TYPE_INTEND_ERROR",
        f'Expected command for "{entity.name}" to be "{prefix}InsertCommand". (Got: {prefix}UpdateCommand)',
        parameters={
            "definition": entity.name, "expectedClass": f"{prefix}InsertCommand",
            "actualClass": f"{prefix}UpdateCommand",
        },
    )  # fmt: skip


def update(call: Call) -> Response:
    entity, shop = _entity(call), call.shop
    _checked_id(call)
    writer = shop.writer(version=call.version)
    identity = writer.upsert(entity, {**_row(call), "id": call.path["id"]}, "/0", only="update")
    save(shop, writer, _behavior(call))
    return _written(call, identity)


def delete(call: Call) -> Response:
    entity = _entity(call)
    _checked_id(call)
    _, absent = remove(call.shop, entity, [call.path["id"]], version=call.version, behavior=_behavior(call))
    if absent:
        raise errors.not_found(entity.name, absent[0])
    return Response(204, {"location": f"{call.base_url}/{entity.path}/{call.path['id']}"})
