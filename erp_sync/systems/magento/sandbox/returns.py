"""Returns (RMA), in Adobe Commerce only."""

from __future__ import annotations

from typing import Any

from erp_sync.systems.magento.sandbox import orders
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, table_listing
from erp_sync.systems.magento.sandbox.shop import Shop

RMA = "Magento_Rma::magento_rma"
_ITEM_FIELDS = ("order_item_id", "qty_requested", "qty_authorized", "qty_approved", "qty_returned", "reason",
                "condition", "resolution", "status")  # fmt: skip


def _printed(shop: Shop, row: Row) -> dict[str, Any]:
    items = shop.database.rows(
        "SELECT * FROM magento_rma_item_entity WHERE rma_entity_id = ? ORDER BY entity_id", [row["entity_id"]]
    )
    return {**row, "items": items, "comments": [], "tracks": []}


def _row(shop: Shop, identity: int) -> Row:
    row = shop.database.row("SELECT * FROM magento_rma WHERE entity_id = ?", [identity])
    if row is None:
        raise NoSuchEntityException.single("entityId", identity)
    return row


@route("GET", "/V1/returns", resource=RMA, commerce=True, listing=True)
def search(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "magento_rma", "entity_id").keys(call.shop.database, criteria)
    return answer([_printed(call.shop, _row(call.shop, key)) for key in keys], criteria, total)


@route("GET", "/V1/returns/{id}", resource=RMA, commerce=True)
def get(call: Call) -> Any:
    return _printed(call.shop, _row(call.shop, call.number("id")))


@route("POST", "/V1/returns", resource=RMA, commerce=True)
def create(call: Call) -> Any:
    shop, given = call.shop, call.body["rmaDataObject"]
    order = orders.row(shop, int(given.get("order_id") or 0))
    if not given.get("items"):
        raise InputException("There are no items selected for return.")
    number = shop.next_number("rma_item", order["store_id"])
    identity = shop.database.insert(
        "magento_rma",
        {
            "increment_id": number,
            "order_id": order["entity_id"],
            "order_increment_id": order["increment_id"],
            "store_id": order["store_id"],
            "customer_id": order["customer_id"],
            "status": given.get("status") or "pending",
            "date_requested": shop.now(),
            "customer_custom_email": given.get("customer_custom_email"),
        },
    )
    for item in given["items"]:
        _save_item(shop, identity, order, item)
    shop.wrote("rma", number)
    call.document = order["increment_id"]
    return _printed(shop, _row(shop, identity))


@route("PUT", "/V1/returns/{id}", resource=RMA, commerce=True)
def update(call: Call) -> Any:
    shop, given = call.shop, call.body["rmaDataObject"]
    row = _row(shop, call.number("id"))
    order = orders.row(shop, row["order_id"])
    if given.get("status"):
        shop.database.update("magento_rma", {"entity_id": row["entity_id"]}, {"status": given["status"]})
    for item in given.get("items") or ():
        _save_item(shop, row["entity_id"], order, item)
    shop.wrote("rma", row["increment_id"], "update")
    call.document = order["increment_id"]
    return _printed(shop, _row(shop, row["entity_id"]))


def _save_item(shop: Shop, rma_id: int, order: Row, item: dict[str, Any]) -> None:
    fields = {name: item[name] for name in _ITEM_FIELDS if item.get(name) is not None}
    if item.get("entity_id"):
        shop.database.update(
            "magento_rma_item_entity", {"entity_id": item["entity_id"], "rma_entity_id": rma_id}, fields
        )
        return
    ordered = shop.database.row(
        "SELECT qty_shipped FROM sales_order_item WHERE item_id = ? AND order_id = ?",
        [item.get("order_item_id") or 0, order["entity_id"]],
    )
    if ordered is None:
        raise InputException("You cannot return %1.", [str(item.get("order_item_id"))])
    if (item.get("qty_requested") or 0) > (ordered["qty_shipped"] or 0):
        raise InputException("A quantity of %1 is greater than you can return.", [str(item.get("order_item_id"))])
    shop.database.insert("magento_rma_item_entity", {"status": "pending", **fields, "rma_entity_id": rma_id})
