"""Orders that the ERP does not take, as the store's customer is told of them.

Nothing stands in the ERP that its order status could be read from: what the ledger knows is told instead, on hold and
with a reason, in the words that the ERP's port has for the customer. Once the order is booked its own status follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.installation import Installation
from erp_sync.flows.order_status.transform import concerns, content, encode, facts
from erp_sync.ledger import Delivery, NewDelivery, State
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.ports.documents import TellsCustomers

FLOW = "order_status"
#: Of each reason, those that stopped last: more at once are an outage, and are told with the next runs.
MOST = 200


def tell_of_refusals(here: Installation, route: RouteSpec, flow: str, target: Any, *, run_id: str) -> int:
    """Accept a status for every order of the route that is stopped for a reason which the customer may know, unless it
    was told so already. Gives how many are new. Idempotent."""
    words: Mapping[str, str] = target.customer_reasons if isinstance(target, TellsCustomers) else {}
    spec = route.flows.get(FLOW)
    if not words or spec is None or spec.mode != "on":
        return 0
    stopped = [
        one
        for code in words
        for one in here.ledger.deliveries.find(
            route=route.name, flow=flow, states=(State.DEAD, State.HELD), code=code, limit=MOST
        )
    ]
    updates = {_key(route, one): (one, _update(route, one, words[one.code])) for one in stopped}
    if not updates:
        return 0
    with here.ledger.handling(route.name, FLOW, run_id=run_id) as work:
        before = work.latest(route.store, list(updates))
        news = [
            _delivery(route, key, one, update)
            for key, (one, update) in updates.items()
            if key not in before or before[key].facts.get("content") != content(update)
        ]
        work.accept(news)
    return len(news)


def _key(route: RouteSpec, order: Delivery) -> EntityKey:
    key = order.key
    native_id = f"order:{key.native_id}"
    return EntityKey(connection=route.erp, scope=key.scope, entity=Entity.ORDER_STATUS, native_id=native_id)


def _update(route: RouteSpec, order: Delivery, reason: str) -> OrderStatusUpdate:
    return OrderStatusUpdate(
        connection=route.erp,
        scope=order.key.scope,
        native_id=f"order:{order.key.native_id}",
        number="",
        version=f"{order.id} {order.changed_at.isoformat()}",
        order_connection=route.store,
        order_key=order.key.native_id,
        status=OrderStatus.ON_HOLD,
        reason=reason,
        updated_at=order.changed_at,
    )


def _delivery(route: RouteSpec, key: EntityKey, order: Delivery, update: OrderStatusUpdate) -> NewDelivery:
    return NewDelivery(
        key=key,
        target=route.store,
        version=update.version,
        source_time=order.changed_at,
        payload=encode(update),
        number=order.number,
        lane="now",
        concerns=concerns(update),
        facts={"content": content(update), **facts(update)},
    )
