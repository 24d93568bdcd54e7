"""``POST /api/_action/sync``: many upserts and deletes, all or none.

Facts: shopware/shopware src/Core/Framework/Api/Controller/SyncController.php, Api/Sync/SyncService.php,
DataAbstractionLayer/Write/EntityWriter.php (sync). One transaction for the whole request; every row is looked at and
all complaints come at once, with pointers ``/<operation key>/<row>/<field>``. PHP prints an empty list where nothing
was written. What was written names the owners of children, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, indexing, names
from erp_sync.systems.shopware.sandbox.criteria import Criteria, read_filter
from erp_sync.systems.shopware.sandbox.errors import Error, ShopwareError
from erp_sync.systems.shopware.sandbox.indexing import Behavior
from erp_sync.systems.shopware.sandbox.resolvers import resolved
from erp_sync.systems.shopware.sandbox.resources import FLOWS
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.saving import parents, remove, save, tagged
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.deleting import Deleter, mapping
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Link, Writer

_ENTITY = re.compile(rb'"entity"\s*:\s*"(\w+)"')


def flow(body: bytes) -> str:
    """What a sync is for, by its first entity; products of which the stock alone is written are stock."""
    found = _ENTITY.search(body)
    entity = found[1].decode() if found else ""
    if entity == "product" and b'"stock"' in body and b'"productNumber"' not in body and b'"price"' not in body:
        return "inventory"
    return FLOWS.get(entity, "")


def routes() -> list[Route]:
    return [Route("sync", "POST", "/api/_action/sync", "bulk", sync, True)]


def sync(call: Call) -> Response:
    shop, body = call.shop, call.body()
    operations = _operations(body)
    behavior = Behavior.of(call.header("indexing-behavior"), call.header("indexing-skip"))
    writer = shop.writer(version=call.version)
    deletes: list[tuple[str, list[Any]]] = []
    for key, operation in operations:
        if operation["action"] == "delete":
            deletes.append((operation["entity"], _to_delete(call, key, operation)))
        else:
            _stage(shop, writer, key, operation)
    if writer.errors:
        raise ShopwareError(writer.errors)
    deleted, absent = _delete(call, deletes, behavior)
    commands = save(shop, writer, behavior)
    written = _grouped([(one.entity.name, one.key[0]) for one in commands] + parents(shop, commands))
    return answer({
        "extensions": [], "data": written or [], "notFound": absent or [],
        "deleted": _grouped([(one.entity.name, one.key[0]) for one in deleted]) or [],
    })  # fmt: skip


def _operations(body: Any) -> list[tuple[str, dict[str, Any]]]:
    """Key and operation, in their order. Raises ShopwareError."""
    if not isinstance(body, Mapping | list):
        raise errors.plain(400, "Invalid payload format. Expected an array of operations.")
    pairs = list(body.items()) if isinstance(body, Mapping) else [(str(at), one) for at, one in enumerate(body)]
    found = []
    for key, operation in pairs:
        if not isinstance(operation, Mapping):
            raise errors.plain(400, "Invalid payload format. Expected an array of operations.")
        name = str(operation.get("key", key))
        wrong = []
        if not operation.get("entity"):
            wrong.append(
                f'Missing "entity" argument for operation with key "{name}". It needs to be a non-empty string.'
            )
        if operation.get("action") not in ("upsert", "delete"):
            wrong.append(
                f'Missing or invalid "action" argument for operation with key "{name}". Supported actions are '
                "[upsert, delete]"
            )
        if not operation.get("payload") and not operation.get("criteria"):
            wrong.append(
                f'Missing "payload"|"criteria" argument for operation with key "{name}". It needs to be a non-empty '
                "array."
            )
        for part in ("payload", "criteria"):
            if operation.get(part) and not isinstance(operation[part], list | Mapping):
                wrong.append(f'Argument "{part}" of operation with key "{name}" needs to be an array.')
        if wrong:
            raise errors.failure("FRAMEWORK__INVALID_SYNC_OPERATION", "; ".join(wrong))
        listed = {part: _values(operation.get(part)) for part in ("payload", "criteria")}
        found.append((name, {**operation, **listed, "entity": str(operation["entity"])}))
    return found


def _values(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, Mapping) else given or []


def _stage(shop: Shop, writer: Writer, key: str, operation: Mapping[str, Any]) -> None:
    name, rows = operation["entity"], operation["payload"]
    near_far = mapping(name)
    if near_far is not None:
        auth.demand(shop, [f"{name}:create"])
        for index, row in enumerate(rows):
            writer.links.append(Link(name, _pair(row, near_far, f"/{key}/{index}")))
        return
    entity = shop.known(name)
    if entity is None:
        raise _unknown(name)
    rows = resolved(shop, entity, rows, key)
    writer.prefetch(entity, rows)
    for index, row in enumerate(rows):
        writer.upsert(entity, row, f"/{key}/{index}")


def _pair(row: Any, fields: tuple[str, str], pointer: str) -> dict[str, str]:
    """A row of a mapping table. Raises ShopwareError."""
    values = row if isinstance(row, Mapping) else {}
    missing = [errors.blank(f"{pointer}/{field}") for field in fields if values.get(field) is None]
    if missing:
        raise ShopwareError(missing)
    for field in fields:
        if not names.is_id(values[field]):
            raise errors.invalid_id(values[field])
    return {field: values[field] for field in fields}


def _unknown(name: str) -> ShopwareError:
    """DataAbstractionLayer/Exception/DefinitionNotFoundException."""
    return errors.failure(
        "FRAMEWORK__DEFINITION_NOT_FOUND",
        f'Definition for entity "{name}" does not exist.',
        parameters={"entity": name},
    )


def _to_delete(call: Call, key: str, operation: Mapping[str, Any]) -> list[Any]:
    """Rows to delete: those named, or those that the criteria find."""
    name, shop = operation["entity"], call.shop
    if not operation.get("criteria"):
        return list(operation["payload"])
    entity = shop.known(name)
    if entity is None:
        raise _unknown(name)
    problems: list[Error] = []
    filters = [read_filter(one, f"/filter/{at}", problems) for at, one in enumerate(operation["criteria"])]
    if problems:
        raise ShopwareError(problems)
    criteria = Criteria(filters=[one for one in filters if one is not None])
    if not criteria.filters:
        raise errors.failure(
            "API_INVALID_SYNC_CRITERIA_EXCEPTION",
            f'Sync operation {key}, with action "delete", requires a criteria with at least one filter and can only be '
            "applied for mapping entities",
        )
    return [{"id": identity} for identity in shop.reader(version=call.version).ids(entity, criteria).ids]


def _delete(
    call: Call, deletes: list[tuple[str, list[Any]]], behavior: Behavior
) -> tuple[list[Command], dict[str, list[Any]]]:
    shop, done, absent = call.shop, list[Command](), dict[str, list[Any]]()
    deleter = Deleter(shop.database, shop.entities, version=call.version)
    for name, rows in deletes:
        if (known := shop.known(name)) is not None and mapping(name) is None:
            ids = [row["id"] for row in rows if isinstance(row, Mapping) and names.is_id(row.get("id"))]
            deleter.refuse_used(known, ids)
    for name, rows in deletes:
        near_far = mapping(name)
        if near_far is not None:
            auth.demand(shop, [f"{name}:delete"])
            for row in rows:
                keys = {field: row.get(field) for field in near_far}
                if shop.database.delete(name, keys):
                    if "productId" in keys:
                        indexing.queue(shop, [str(keys["productId"])])
                    if name == "customer_tag":
                        tagged(shop, [str(keys["customerId"])])
                else:
                    absent.setdefault(name, []).append(keys)
            continue
        entity = shop.known(name)
        if entity is None:
            raise _unknown(name)
        for row in rows:
            if not isinstance(row, Mapping) or "id" not in row:
                raise errors.failure(
                    "FRAMEWORK__INCONSISTENT_PRIMARY_KEY", f"Inconsistent primary key id for entity {name}",
                    parameters={"primaryKey": "id", "entity": name},
                )  # fmt: skip
            if not names.is_id(row["id"]):
                raise errors.invalid_id(row["id"])
        gone, missing = remove(shop, entity, [row["id"] for row in rows], version=call.version, behavior=behavior)
        done += gone
        if missing:
            absent.setdefault(name, []).extend(missing)
    return done, absent


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, identity in dict.fromkeys(pairs):
        found.setdefault(name, []).append(identity)
    return dict(sorted(found.items()))
