"""Shipments: what left a source, its tracks, and the mail that goes with it.

Facts: magento/magento2 `Sales/Model/ShipOrder`, its validators, and magento/inventory `SourceDeductionProcessor`: the
source drops by what ships and the reservation of the order is compensated. Each shipment has one source; without
`source_code` it is the only one of the order's stock, else the source `default`. The mail goes out when the
shipment is created with `notify`, or by `POST /V1/shipment/{id}/emails`; a track added later sends none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import inventory, mails, order_items, orders
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.order_items import OrderItem
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, in_order, in_parts, table_listing
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, json_text, placeholders

SHIP = "Magento_Sales::ship"
READ = "Magento_Sales::shipment"
EMAILS_ENABLED = "sales_email/shipment/enabled"


def create(shop: Shop, order: Row, given: dict[str, Any]) -> int:
    """Ship rows of an order (no items: all that is open). Raises LocalizedException in the validators' words."""
    items = order_items.load(shop, order["entity_id"])
    problems = _state_problems(order, items)
    chosen, found = _chosen(items, given.get("items"))
    problems += found
    for track in given.get("tracks") or ():
        if not str(track.get("track_number") or "").strip():
            problems.append("Please enter a tracking number.")
    if problems:
        raise LocalizedException("Shipment Document Validation Error(s):\n" + "\n".join(problems))
    if any(not track.get("carrier_code") for track in given.get("tracks") or ()):
        # Found when the track is saved (`Shipment/Track/Validator`), and told as any error then (`ShipOrder`).
        raise LocalizedException("Could not save a shipment, see error log for details")
    source = _source(shop, order, given)
    identity = _insert(shop, order, given, chosen, source)
    taken: dict[str, Decimal] = {}
    for item, quantity in chosen:
        if item.virtual or (item.parent and not item.counts_in_shipping()):
            continue
        for sku, part in item.stock_parts(quantity).items():
            taken[sku] = taken.get(sku, ZERO) + part
    try:
        inventory.deduct(shop, source, taken)
    except NoSuchEntityException as error:
        raise LocalizedException("Could not save a shipment, see error log for details") from error
    inventory.reserve(shop, orders.sales_stock(shop, order), taken, "shipment_created", order)
    for sku in taken:
        shop.wrote("inventory_source_item", f"{sku}|{source}", "update")
    orders.settle_state(shop, order, in_process=True)
    orders.touch(shop, order)
    if given.get("notify"):
        _mail(shop, order, identity)
    return identity


def _state_problems(order: Row, items: list[OrderItem]) -> list[str]:
    if order["state"] in ("payment_review", "holded", "canceled") or order["is_virtual"]:
        return [f"A shipment cannot be created when an order has a status of {order['status']}"]
    if not orders.can_ship(order, items):
        return ["The order does not allow a shipment to be created."]
    return []


def _chosen(
    items: list[OrderItem], given: list[dict[str, Any]] | None
) -> tuple[list[tuple[OrderItem, Decimal]], list[str]]:
    """Rows and quantities to ship, and what is wrong with what was asked for."""
    known = {item.item_id: item for item in items}
    problems: list[str] = []
    wanted: dict[int, Decimal] = {}
    if not given:
        wanted = {item.item_id: item.to_ship() for item in items if item.to_ship() > 0 and not item.virtual}
    for entry in given or ():
        item = known.get(int(entry.get("order_item_id") or 0))
        quantity = Decimal(entry.get("qty") or 0)
        if item is None:
            problems.append(f'We can not found item "{entry.get("order_item_id")}" in order.')
            continue
        if quantity < 0 or (item.counts_in_shipping() and quantity > item.to_ship()):
            problems.append(f'We found an invalid quantity to ship for item "{item.row["name"]}".')
            continue
        if item.counts_in_shipping() and not item.virtual and quantity > 0:
            wanted[item.item_id] = wanted.get(item.item_id, ZERO) + quantity
    if not problems and not wanted:
        problems.append("You can't create a shipment without products.")
    chosen = []
    for item_id in sorted(wanted):
        item = known[item_id]
        chosen.append((item, wanted[item_id]))
        if item.row["product_type"] == "bundle":
            chosen += [(child, child.per_parent() * wanted[item_id]) for child in item.children if not child.virtual]
    return chosen, problems


def _source(shop: Shop, order: Row, given: dict[str, Any]) -> str:
    """What `AssignSourceCodeToShipmentPlugin` (magento/inventory) chooses."""
    code = ((given.get("arguments") or {}).get("extension_attributes") or {}).get("source_code")
    if code:
        return str(code)
    sources = shop.database.column(
        "SELECT source_code FROM inventory_source_stock_link JOIN inventory_source USING (source_code) "
        "WHERE stock_id = ? AND enabled = 1",
        [orders.sales_stock(shop, order)],
    )
    return str(sources[0]) if len(sources) == 1 else "default"


def _insert(shop: Shop, order: Row, given: dict[str, Any], chosen: list[tuple[OrderItem, Decimal]], source: str) -> int:
    now = shop.now()
    number = shop.next_number("shipment", order["store_id"])
    identity = shop.database.insert(
        "sales_shipment",
        {
            "increment_id": number,
            "order_id": order["entity_id"],
            "store_id": order["store_id"],
            "customer_id": order["customer_id"],
            "billing_address_id": order["billing_address_id"],
            "shipping_address_id": order["shipping_address_id"],
            "created_at": now,
            "updated_at": now,
            "total_qty": sum((quantity for item, quantity in chosen if item.counts_in_shipping()), ZERO),
            "packages": json_text(given.get("packages") or []),
            "source_code": source,
        },
    )
    for item, quantity in chosen:
        shop.database.insert(
            "sales_shipment_item",
            {
                "parent_id": identity,
                "order_item_id": item.item_id,
                "product_id": item.row["product_id"],
                "sku": item.row["sku"],
                "name": item.row["name"],
                "price": item.row["price"],
                "weight": item.row["weight"],
                "qty": quantity,
            },
        )
        order_items.add(shop, item, qty_shipped=quantity)
    for track in given.get("tracks") or ():
        add_track(shop, order["entity_id"], identity, track)
    comment = given.get("comment") or {}
    if comment.get("comment"):
        _add_comment(shop, identity, comment, notified=bool(given.get("notify") and given.get("appendComment")))
    shop.wrote("shipment", number)
    return identity


def add_track(shop: Shop, order_id: int, shipment_id: int, given: dict[str, Any]) -> int:
    now = shop.now()
    return shop.database.insert(
        "sales_shipment_track",
        {
            "parent_id": shipment_id,
            "order_id": order_id,
            "track_number": given.get("track_number"),
            "title": str(given.get("title") or "")[:255] or None,  # what the columns hold; see `eav_values`
            "carrier_code": str(given.get("carrier_code") or "")[:32] or None,
            "description": given.get("description"),
            "qty": given.get("qty"),
            "weight": given.get("weight"),
            "created_at": now,
            "updated_at": now,
        },
    )


def _add_comment(shop: Shop, shipment_id: int, comment: dict[str, Any], *, notified: bool) -> int:
    return shop.database.insert(
        "sales_shipment_comment",
        {
            "parent_id": shipment_id,
            "comment": comment["comment"],
            "is_visible_on_front": int(comment.get("is_visible_on_front") or 0),
            "is_customer_notified": int(notified),
            "created_at": shop.now(),
        },
    )


def _mail(shop: Shop, order: Row, shipment_id: int) -> bool:
    """Send it, unless e-mails about shipments are switched off. Gives whether the shipment was ever mailed, which is
    all that the shop's notifier answers (magento/magento2 `Sales/Model/AbstractNotifier`: `getEmailSent`)."""
    if shop.config(EMAILS_ENABLED, "1") == "0":
        return bool(row(shop, shipment_id)["email_sent"])
    tracks = shop.database.rows(
        "SELECT carrier_code, title, track_number FROM sales_shipment_track WHERE parent_id = ? ORDER BY entity_id",
        [shipment_id],
    )
    subject = f"Your order #{order['increment_id']} has shipped"
    mails.keep(shop, order, "shipment", subject, document_id=shipment_id, tracks=tracks)
    shop.database.update("sales_shipment", {"entity_id": shipment_id}, {"email_sent": 1})
    return True


# -- reading -----------------------------------------------------------------------------------------------------


def row(shop: Shop, identity: int) -> Row:
    found = shop.database.row("SELECT * FROM sales_shipment WHERE entity_id = ?", [identity])
    if found is None:
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return found


def printed(shop: Shop, ids: list[int]) -> list[dict[str, Any]]:
    rows = shop.database.rows(f"SELECT * FROM sales_shipment WHERE entity_id IN ({placeholders(ids)})", ids)
    result = []
    for shipment in in_order(rows, "entity_id", ids):
        shown = shop.render(
            "sales-data-shipment-interface", {**shipment, "packages": from_json(shipment["packages"], [])}
        )
        for part, table in (("items", "item"), ("tracks", "track"), ("comments", "comment")):
            shown[part] = [
                shop.render(f"sales-data-shipment-{table}-interface", entry)
                for entry in shop.database.rows(
                    f"SELECT * FROM sales_shipment_{table} WHERE parent_id = ? ORDER BY entity_id",
                    [shipment["entity_id"]],
                )
            ]
        shown["extension_attributes"] = {"source_code": shipment["source_code"]}
        result.append(shown)
    return result


@route("GET", "/V1/shipments", resource=READ, listing=True)
def list_shipments(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "sales_shipment", "entity_id").keys(call.shop.database, criteria)
    return answer(in_parts(keys, lambda part: printed(call.shop, part)), criteria, total)


@route("GET", "/V1/shipment/{id}", resource=READ)
def get_shipment(call: Call) -> Any:
    return printed(call.shop, [row(call.shop, call.number("id"))["entity_id"]])[0]


@route("GET", "/V1/shipment/{id}/comments", resource=READ)
def list_comments(call: Call) -> Any:
    shipment = row(call.shop, call.number("id"))
    rows = call.shop.database.rows(
        "SELECT * FROM sales_shipment_comment WHERE parent_id = ? ORDER BY entity_id", [shipment["entity_id"]]
    )
    filters = {"filters": [{"field": "parent_id", "value": str(shipment["entity_id"]), "condition_type": "eq"}]}
    return {
        "items": [call.shop.render("sales-data-shipment-comment-interface", entry) for entry in rows],
        "search_criteria": {"filter_groups": [filters]},
        "total_count": len(rows),
    }


# -- writing -----------------------------------------------------------------------------------------------------


@route("POST", "/V1/order/{orderId}/ship", resource=SHIP)
def ship_order(call: Call) -> Any:
    order = orders.row(call.shop, call.number("orderId"))
    call.document = order["increment_id"]
    return create(call.shop, order, call.body)


@route("POST", "/V1/shipment/track", resource=SHIP)
def add_track_to_shipment(call: Call) -> Any:
    shop, given = call.shop, call.body["entity"]
    problems = [
        f"{text} is a required field"
        for name, text in (("parent_id", "Parent Id"), ("order_id", "Order Id"), ("track_number", "Number"),
                           ("carrier_code", "Carrier Code"))
        if not given.get(name)
    ]  # fmt: skip
    shipment = shop.database.row("SELECT * FROM sales_shipment WHERE entity_id = ?", [given.get("parent_id") or 0])
    if problems or shipment is None or shipment["order_id"] != given["order_id"]:
        if not problems:
            raise LocalizedException("The shipment track could not be saved." if shipment is None
                                     else "Could not save the shipment tracking.")  # fmt: skip
        raise LocalizedException("Cannot save track:\n" + "\n".join(problems))
    identity = add_track(shop, given["order_id"], shipment["entity_id"], given)
    order = orders.row(shop, given["order_id"])
    shop.database.update("sales_shipment", {"entity_id": shipment["entity_id"]}, {"updated_at": shop.now()})
    shop.wrote("shipment_track", given["track_number"])
    call.document = order["increment_id"]
    kept = shop.database.row("SELECT * FROM sales_shipment_track WHERE entity_id = ?", [identity])
    return shop.render("sales-data-shipment-track-interface", kept or {})


@route("DELETE", "/V1/shipment/track/{id}", resource=SHIP)
def delete_track(call: Call) -> Any:
    if not call.shop.database.run("DELETE FROM sales_shipment_track WHERE entity_id = ?", [call.number("id")]):
        raise NoSuchEntityException("The entity that was requested doesn't exist. Verify the entity and try again.")
    return True


@route("POST", "/V1/shipment/{id}/comments", resource=SHIP, kind="update")
def add_comment(call: Call) -> Any:
    shipment, given = row(call.shop, call.number("id")), call.body["entity"]
    order = orders.row(call.shop, shipment["order_id"])
    notified = bool(given.get("is_customer_notified"))
    identity = _add_comment(call.shop, shipment["entity_id"], given, notified=notified)
    if notified:
        subject = f"Update to your order #{order['increment_id']} shipment"
        mails.keep(call.shop, order, "shipment_comment", subject, document_id=shipment["entity_id"])
    kept = call.shop.database.row("SELECT * FROM sales_shipment_comment WHERE entity_id = ?", [identity])
    return call.shop.render("sales-data-shipment-comment-interface", kept or {})


@route("POST", "/V1/shipment/{id}/emails", resource=SHIP, kind="update")
def send_email(call: Call) -> Any:
    shipment = row(call.shop, call.number("id"))
    order = orders.row(call.shop, shipment["order_id"])
    call.document = order["increment_id"]
    return _mail(call.shop, order, shipment["entity_id"])
