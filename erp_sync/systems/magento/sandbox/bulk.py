"""Asynchronous and bulk calls: accepted at once (202), done later by a queue consumer.

Facts: magento/magento2 `AsynchronousOperations/Model/MassSchedule` and `OperationProcessor`. An async call is the body
of the synchronous one; a bulk call is an array of such bodies, with the path's parameters named `by...` in the path and
taken from the body. Rows that do not validate are rejected, the rest go on; the answer is 202 all the same.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from erp_sync.systems.magento.sandbox.errors import InternalError, MagentoError, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, Route, User, route
from erp_sync.systems.magento.sandbox.shop import Shop, json_text

COMPLETE, RETRIABLY_FAILED, FAILED, OPEN, REJECTED = 1, 2, 3, 4, 5
CONSUMER_BATCH = 500
STATUS = "Magento_Logging::system_magento_logging_bulk_operations"
_USER_TYPES = {"integration": 1, "admin": 2, "customer": 3, "guest": 4}

# Service behind a route, for topic names and messages; a route not listed gets a name made from its path.
_SERVICES = {
    "POST /V1/products": ("catalog", "ProductRepositoryInterface", "save"),
    "PUT /V1/products/{sku}": ("catalog", "ProductRepositoryInterface", "save"),
    "DELETE /V1/products/{sku}": ("catalog", "ProductRepositoryInterface", "deleteById"),
    "POST /V1/products/base-prices": ("catalog", "BasePriceStorageInterface", "update"),
    "POST /V1/products/tier-prices": ("catalog", "TierPriceStorageInterface", "update"),
    "PUT /V1/products/tier-prices": ("catalog", "TierPriceStorageInterface", "replace"),
    "POST /V1/products/special-price": ("catalog", "SpecialPriceStorageInterface", "update"),
    "POST /V1/products/cost": ("catalog", "CostStorageInterface", "update"),
    "POST /V1/inventory/source-items": ("inventoryapi", "SourceItemsSaveInterface", "execute"),
    "POST /V1/order/{orderId}/ship": ("sales", "ShipOrderInterface", "execute"),
    "POST /V1/order/{orderId}/invoice": ("sales", "InvoiceOrderInterface", "execute"),
    "POST /V1/customers": ("customer", "AccountManagementInterface", "createAccount"),
    "PUT /V1/customers/{customerId}": ("customer", "CustomerRepositoryInterface", "save"),
}


def _service(entry: Route) -> tuple[str, str, str]:
    parts = [part for part in entry.template.split("/") if part and not part.startswith("{")]
    return _SERVICES.get(entry.name, ("webapi", "".join(part.title() for part in parts[1:]) + "Interface", "execute"))


def topic(entry: Route) -> str:
    """``async.magento.catalog.api.productrepositoryinterface.save.post``."""
    module, interface, method = _service(entry)
    return f"async.magento.{module}.api.{interface}.{method}.{entry.method}".lower()


def schedule(
    shop: Shop, entry: Route, bodies: list[Any], paths: list[dict[str, str]], store_id: int, user: User
) -> Any:
    """Keep one operation per body; answers what the client is told."""
    bulk_id = str(uuid.uuid4())
    name = topic(entry)
    shop.database.insert(
        "magento_bulk",
        {
            "uuid": bulk_id,
            "user_id": user.id,
            "user_type": _USER_TYPES[user.kind],
            "description": f"Topic {name}",
            "operation_count": len(bodies),
            "start_time": shop.now(),
        },
    )
    items, errors = [], False
    for key, (body, path) in enumerate(zip(bodies, paths, strict=True)):
        message = json_text(body)
        item: dict[str, Any] = {"id": key, "data_hash": hashlib.sha256(message.encode()).hexdigest()}
        operation = {
            "bulk_uuid": bulk_id,
            "operation_key": key,
            "topic_name": name,
            "serialized_data": json_text({"entity_id": None, "entity_link": "", "meta_information": message}),
            "due_at": shop.wall(shop.options.consumer_lag_seconds),
            "sandbox_call": json_text({"route": entry.name, "path": path, "store_id": store_id,
                                       "user": [user.kind, user.id]}),
        }  # fmt: skip
        try:
            shop.contract.convert(entry.method, entry.template, body, path)
            item["status"] = "accepted"
            shop.database.insert("magento_operation", {**operation, "status": OPEN})
        except (MagentoError, InternalError) as error:
            errors = True
            item |= {"status": "rejected", "error_message": str(error)}
            shop.database.insert(
                "magento_operation",
                {**operation, "status": REJECTED, "error_code": 0, "result_message": str(error)},
            )
        items.append(item)
    shop.wrote("magento_bulk", bulk_id)
    return {"bulk_uuid": bulk_id, "request_items": items, "errors": errors}


def body_path(entry: Route, body: Any) -> dict[str, str]:
    """Path parameters of a bulk row, which its body names: at the top, or inside its only object."""
    names = [part[1:-1] for part in entry.template.split("/") if part.startswith("{")]
    found: dict[str, str] = {}
    places = [body, *(value for value in body.values() if isinstance(value, dict))] if isinstance(body, dict) else []
    for name in names:
        for place in places:
            if place.get(name) is not None:
                found[name] = str(place[name])
                break
    return found


def run_due(shop: Shop, router: Any) -> int:
    """What the consumer `async.operations.all` does: every due operation in a transaction of its own."""
    due = shop.database.rows(
        "SELECT * FROM magento_operation WHERE status = ? AND due_at <= ? ORDER BY id LIMIT ?",
        [OPEN, shop.wall(), CONSUMER_BATCH],
    )
    for operation in due:
        with shop.database.transaction():
            _execute(shop, router, operation)
    return len(due)


def _execute(shop: Shop, router: Any, operation: dict[str, Any]) -> None:
    kept = json.loads(operation["sandbox_call"])
    entry: Route = router.named(kept["route"])
    body = json.loads(json.loads(operation["serialized_data"])["meta_information"])
    fields: dict[str, Any] = {"status": COMPLETE}
    written = len(shop.commits)
    try:
        with shop.database.savepoint():
            arguments = shop.contract.convert(entry.method, entry.template, body, kept["path"])
            missing = [part[1:-1] for part in entry.template.split("/") if part.startswith("{")]
            for name in missing:
                if name not in kept["path"]:
                    raise NoSuchEntityException.single(name, "")
            call = Call(shop, entry, kept["path"], {}, arguments, kept["store_id"], User(*kept["user"]))
            answer = entry.handler(call)
        module, interface, method = _service(entry)
        class_name = f"Magento\\{module.title()}\\Api\\{interface}"
        fields |= {
            "result_message": f"Service execution success {class_name}::{method}",
            "result_serialized_data": json_text(answer),
        }
    except MagentoError as error:
        del shop.commits[written:]
        fields = {"status": FAILED, "error_code": error.code or 0, "result_message": _substituted(error)}
    except InternalError as error:
        del shop.commits[written:]
        fields = {"status": FAILED, "error_code": 0, "result_message": str(error)}
    shop.database.update("magento_operation", {"id": operation["id"]}, fields)


def _substituted(error: MagentoError) -> str:
    """Unlike the web API's bodies, the consumer's log has the rendered text."""
    text = error.message
    values = error.parameters or {}
    pairs = values.items() if isinstance(values, dict) else ((str(n), value) for n, value in enumerate(values, 1))
    for name, value in pairs:
        text = text.replace(f"%{name}", str(value))
    return text


# -- status ------------------------------------------------------------------------------------------------------


def _bulk(call: Call) -> dict[str, Any]:
    row = call.shop.database.row("SELECT * FROM magento_bulk WHERE uuid = ?", [call.path["bulkUuid"]])
    if row is None:
        raise NoSuchEntityException.single("bulkUuid", call.path["bulkUuid"])
    return row


def _head(bulk: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "operations_list": operations,
        "user_type": bulk["user_type"],
        "bulk_id": bulk["uuid"],
        "description": bulk["description"],
        "start_time": bulk["start_time"],
        "user_id": bulk["user_id"],
        "operation_count": bulk["operation_count"],
    }


def _operations(call: Call) -> list[dict[str, Any]]:
    return call.shop.database.rows(
        "SELECT * FROM magento_operation WHERE bulk_uuid = ? ORDER BY operation_key", [call.path["bulkUuid"]]
    )


@route("GET", "/V1/bulk/{bulkUuid}/status", resource=STATUS)
def get_status(call: Call) -> Any:
    names = ("status", "result_message", "error_code")
    rows = [{"id": row["operation_key"], **{name: row[name] for name in names}} for row in _operations(call)]
    return _head(_bulk(call), rows)


@route("GET", "/V1/bulk/{bulkUuid}/detailed-status", resource=STATUS)
def get_detailed_status(call: Call) -> Any:
    names = ("bulk_uuid", "topic_name", "serialized_data", "result_serialized_data", "status", "result_message",
             "error_code")  # fmt: skip
    rows = [{"id": row["operation_key"], **{name: row[name] for name in names}} for row in _operations(call)]
    return _head(_bulk(call), rows)


@route("GET", "/V1/bulk/{bulkUuid}/operation-status/{status}", resource=STATUS)
def count_by_status(call: Call) -> Any:
    bulk = _bulk(call)
    return call.shop.database.value(
        "SELECT count(*) AS total FROM magento_operation WHERE bulk_uuid = ? AND status = ?",
        [bulk["uuid"], call.number("status")],
    )
