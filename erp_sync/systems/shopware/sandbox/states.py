"""State machines of orders, deliveries and payments, and the actions that move them.

Facts: transitions as src/Core/Migration (V6_3/Migration1536233560BasicData and the later ones of state_machine) install
them; what an action does, System/StateMachine/StateMachineRegistry.php: an action whose target is the present state is
answered 200 and changes nothing; another that does not start here is refused. In 6.6 a cancel passes from any state.
The actions answer the state that was reached.
"""

from __future__ import annotations

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, names, stock
from erp_sync.systems.shopware.sandbox.criteria import Criteria
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.shop import Shop, StateChange

ORDER, DELIVERY, TRANSACTION = "order.state", "order_delivery.state", "order_transaction.state"
MACHINES = {"order": ORDER, "order_delivery": DELIVERY, "order_transaction": TRANSACTION}

#: action, from, to
TRANSITIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    ORDER: (
        ("process", "open", "in_progress"), ("cancel", "open", "cancelled"), ("complete", "in_progress", "completed"),
        ("cancel", "in_progress", "cancelled"), ("reopen", "cancelled", "open"), ("reopen", "completed", "open"),
    ),
    DELIVERY: (
        ("ship", "open", "shipped"), ("ship_partially", "open", "shipped_partially"), ("cancel", "open", "cancelled"),
        ("ship", "shipped", "shipped"), ("retour", "shipped", "returned"),
        ("retour_partially", "shipped", "returned_partially"), ("cancel", "shipped", "cancelled"),
        ("retour", "shipped_partially", "returned"), ("retour_partially", "shipped_partially", "returned_partially"),
        ("ship", "shipped_partially", "shipped"), ("cancel", "shipped_partially", "cancelled"),
        ("retour", "returned_partially", "returned"), ("reopen", "cancelled", "open"), ("reopen", "shipped", "open"),
        ("reopen", "shipped_partially", "open"), ("reopen", "returned", "open"),
        ("reopen", "returned_partially", "open"),
    ),
    TRANSACTION: (
        *((action, state, to) for state in ("open", "reminded", "paid_partially", "in_progress", "failed", "authorized",
                                            "unconfirmed", "cancelled", "chargeback")
          for action, to in (("paid", "paid"),)),
        *((action, state, to) for state in ("open", "reminded", "in_progress", "failed", "authorized", "unconfirmed",
                                            "chargeback")
          for action, to in (("paid_partially", "paid_partially"), ("cancel", "cancelled"))),
        *(("do_pay", state, "in_progress") for state in ("open", "failed", "reminded", "paid_partially")),
        *(("process", state, "in_progress") for state in ("open", "failed", "reminded", "paid_partially")),
        *(("fail", state, "failed") for state in ("open", "in_progress", "failed", "authorized", "unconfirmed")),
        *(("authorize", state, "authorized") for state in ("open", "in_progress", "reminded", "unconfirmed")),
        *(("cancel", state, "cancelled") for state in ("paid", "paid_partially", "refunded_partially")),
        *(("refund", state, "refunded") for state in ("paid", "paid_partially", "refunded_partially", "cancelled")),
        *(("refund_partially", state, "refunded_partially") for state in ("paid", "paid_partially", "cancelled")),
        *(("remind", state, "reminded") for state in ("open", "paid_partially")),
        *(("chargeback", state, "chargeback") for state in ("paid", "paid_partially")),
        *(("reopen", state, "open") for state in ("cancelled", "in_progress", "failed", "reminded", "paid_partially",
                                                  "paid", "refunded_partially")),
        ("process_unconfirmed", "open", "unconfirmed"),
    ),
}  # fmt: skip
STATES: dict[str, tuple[str, ...]] = {
    ORDER: ("open", "in_progress", "completed", "cancelled"),
    DELIVERY: ("open", "shipped", "shipped_partially", "returned", "returned_partially", "cancelled"),
    TRANSACTION: ("open", "authorized", "paid", "paid_partially", "refunded", "refunded_partially", "cancelled",
                  "failed", "reminded", "in_progress", "chargeback", "unconfirmed"),
}  # fmt: skip


def routes() -> list[Route]:
    order = "/api/_action/order/{id}/state/{transition}"
    return [
        Route("order.state", "POST", order, "update", _order, True, "orders"),
        Route("order_delivery.state", "POST", order.replace("/order/", "/order_delivery/"), "update", _delivery, True,
              "shipments"),
        Route("order_transaction.state", "POST", order.replace("/order/", "/order_transaction/"), "update",
              _transaction, True, "orders"),
    ]  # fmt: skip


def _order(call: Call) -> Response:
    return _moved(call, "order")


def _delivery(call: Call) -> Response:
    return _moved(call, "order_delivery")


def _transaction(call: Call) -> Response:
    return _moved(call, "order_transaction")


def _moved(call: Call, entity: str) -> Response:
    shop = call.shop
    auth.demand(shop, [f"{entity}:update"])
    if not names.is_id(call.path["id"]):
        raise errors.invalid_id(call.path["id"])
    state = transition(shop, entity, call.path["id"], call.path["transition"], version=call.version)
    row = shop.reader().one(shop.entity("state_machine_state"), state)
    assert row is not None
    printed = Printer(shop.entities, Criteria(), call.base_url).plain(shop.entity("state_machine_state"), row)
    return answer(printed)


def transition(shop: Shop, entity: str, identity: str, action: str, *, version: str = names.LIVE_VERSION) -> str:
    """Carry an action out; returns the id of the state reached. Raises ShopwareError.

    The entity's updatedAt moves, of a delivery or a payment not the order's.
    """
    row = shop.database.row(f'SELECT * FROM "{entity}" WHERE id = ? AND "versionId" = ?', [identity, version])
    if row is None:
        raise errors.failure(
            "SYSTEM__STATE_MACHINE_INVALID_ENTITY_ID",
            f'Unable to read entity "{entity}" with id "{identity}".',
            parameters={"entityName": entity, "entityId": identity},
        )
    machine = MACHINES[entity]
    here: str = shop.database.value('SELECT "technicalName" FROM state_machine_state WHERE id = ?', [row["stateId"]])
    there = destination(machine, here, action, any_cancel=shop.options.release == "6.6")
    if there is None:
        possible = [one for one, start, _ in sorted(TRANSITIONS[machine]) if start == here]
        raise errors.failure(
            "SYSTEM__ILLEGAL_STATE_TRANSITION",
            f'Illegal transition "{action}" from state "{row["stateId"]}". Possible transitions are: '
            f"{', '.join(possible)}",
            parameters={
                "transition": action, "currentState": row["stateId"],
                "possibleTransitionsString": ", ".join(possible), "possibleTransitions": possible,
            },
        )  # fmt: skip
    if there == here and not (action == "cancel" and shop.options.release == "6.6"):
        return str(row["stateId"])
    target = shop.state(machine, there)
    writer = shop.writer(version=version, system=True)
    writer.upsert(shop.entity(entity), {"id": identity, "stateId": target}, "/0")
    shop.note(writer.execute())
    if version == names.LIVE_VERSION:
        if entity == "order":
            stock.order_entered(shop.database, identity, here, there)
        shop.states.append(StateChange(machine, entity, identity, here, there))
    return target


def destination(machine: str, here: str, action: str, *, any_cancel: bool = False) -> str | None:
    """Where an action leads from a state; the same state when it is reached already; None when it cannot."""
    found = [(start, to) for one, start, to in TRANSITIONS[machine] if one == action]
    if any_cancel and action == "cancel" and found:
        return found[0][1]
    if any(to == here for _, to in found):
        return here
    return next((to for start, to in found if start == here), None)
