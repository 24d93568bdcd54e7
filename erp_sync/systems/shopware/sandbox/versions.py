"""Drafts of orders: made, edited under their version, merged or thrown away.

Facts: shopware/shopware src/Core/Framework/Api/Controller/ApiController.php (createVersion, mergeVersion,
deleteVersion); the fact sheet, section 9: a draft fires order.written. A draft is a copy of the order and of all that
cascades with it; merging writes only what differs, so that nothing else moves, and stock follows the merged lines.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, names, stock
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Operation

#: The order's family with the field that leads to the order; positions are led there by their delivery.
FAMILY = {"order": "id", "order_address": "orderId", "order_customer": "orderId", "order_line_item": "orderId",
          "order_delivery": "orderId", "order_delivery_position": "", "order_transaction": "orderId"}  # fmt: skip
_UNCOMPARED = frozenset({"createdAt", "updatedAt"})

Row = dict[str, Any]


def routes() -> list[Route]:
    base = "/api/_action/version"
    return [
        Route("version.create", "POST", f"{base}/order/{{id}}", "create", _create, True, "orders"),
        Route("version.merge", "POST", f"{base}/merge/order/{{version}}", "update", _merge, True, "orders"),
        Route("version.delete", "POST", f"{base}/{{version}}/order/{{id}}", "delete", _discard, True, "orders"),
    ]


def _create(call: Call) -> Response:
    shop, body, order = call.shop, call.fields(), call.path["id"]
    version = body.get("versionId") or shop.new_id()
    if not names.is_id(version):
        raise errors.failure(
            "FRAMEWORK__INVALID_VERSION_ID",
            f"versionId {version} is not a valid uuid.",
            parameters={"versionId": version},
        )
    if not names.is_id(order) or shop.raw("order", order) is None:
        raise errors.failure(
            "FRAMEWORK__CANNOT_CREATE_NEW_VERSION", f"Cannot create new version. order by id {order} not found.",
            parameters={"entity": "order", "id": order},
        )  # fmt: skip
    auth.demand(shop, ["order:create"])
    commands = []
    for name in FAMILY:
        entity = shop.entity(name)
        for row in rows(shop, entity, order, names.LIVE_VERSION):
            columns = _moved(entity, row, version)
            shop.database.insert(name, columns, instead="OR REPLACE")
            commands.append(Command(entity, "insert", (row["id"], version), columns))
    shop.note(commands)
    return answer({"versionId": version, "versionName": body.get("versionName"), "id": order, "entity": "order"})


def rows(shop: Shop, entity: Entity, order: str, version: str) -> list[Row]:
    """An order's rows of one entity in one version."""
    field = FAMILY[entity.name]
    condition = f'"{field}" = ?' if field else (
        '"orderDeliveryId" IN (SELECT id FROM order_delivery WHERE "orderId" = ?)'
    )  # fmt: skip
    return shop.database.rows(f'SELECT * FROM "{entity.name}" WHERE {condition} AND "versionId" = ?', [order, version])


def _moved(entity: Entity, row: Row, version: str) -> Row:
    """The row in another version; what it refers to outside of the order stays live."""
    made = dict(row)
    for name, known in entity.fields.items():
        if known.kind == "version" and made.get(name) is not None and not name.startswith("product"):
            made[name] = version
    return made


def order_of(shop: Shop, version: str) -> str:
    """The order that a draft is of. Raises ShopwareError."""
    found: str | None = None
    if names.is_id(version) and version != names.LIVE_VERSION:
        found = shop.database.value('SELECT id FROM "order" WHERE "versionId" = ?', [version])
    if found is None:
        raise errors.failure(
            "FRAMEWORK__VERSION_NOT_EXISTS",
            f"Version {version} does not exist. Version was probably deleted or already merged.",
            parameters={"versionId": version},
        )
    return found


def _merge(call: Call) -> Response:
    shop, version = call.shop, call.path["version"]
    order = order_of(shop, version)
    auth.demand(shop, ["order:update"])
    commands = []
    for name in FAMILY:
        entity = shop.entity(name)
        drafts = {row["id"]: _moved(entity, row, names.LIVE_VERSION) for row in rows(shop, entity, order, version)}
        live = {row["id"]: row for row in rows(shop, entity, order, names.LIVE_VERSION)}
        for identity, draft in drafts.items():
            commands += _merged(shop, entity, identity, draft, live.get(identity))
        for identity, row in live.items():
            if identity not in drafts:
                shop.database.delete(name, {"id": identity, "versionId": names.LIVE_VERSION})
                commands.append(Command(entity, "delete", (identity, names.LIVE_VERSION), {}, before=row))
    _drop(shop, order, version)
    stock.lines_written(shop.database, commands)
    shop.note(commands)
    return Response(204, {})


def _merged(shop: Shop, entity: Entity, identity: str, draft: Row, live: Row | None) -> list[Command]:
    operation: Operation = "update" if live else "insert"
    columns = draft
    if live is not None:
        columns = {name: value for name, value in draft.items() if value != live[name] and name not in _UNCOMPARED}
        if not columns:
            return []
        columns["updatedAt"] = shop.now()
        shop.database.update(entity.name, {"id": identity, "versionId": names.LIVE_VERSION}, columns)
    else:
        shop.database.insert(entity.name, draft)
    return [Command(entity, operation, (identity, names.LIVE_VERSION), columns, before=live)]


def _drop(shop: Shop, order: str, version: str) -> None:
    for name in reversed(FAMILY):
        for row in rows(shop, shop.entity(name), order, version):
            shop.database.delete(name, {"id": row["id"], "versionId": version})


def _discard(call: Call) -> Response:
    """Delete a draft; the live version is refused."""
    shop, version = call.shop, call.path["version"]
    if version == names.LIVE_VERSION:
        raise errors.failure("FRAMEWORK__API_DELETE_LIVE_VERSION", "Live version can not be deleted.")
    order = order_of(shop, version)
    auth.demand(shop, ["order:delete"])
    gone = [
        Command(shop.entity(name), "delete", (row["id"], version), {}, before=row)
        for name in FAMILY
        for row in rows(shop, shop.entity(name), order, version)
    ]
    _drop(shop, order, version)
    shop.note(gone)
    return answer({})
