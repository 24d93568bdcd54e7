"""State machines: what moves, what is no move, what is refused; and what a cancelled order gives back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.systems.shopware.sandbox import states
from erp_sync.systems.shopware.sandbox.bootstrap import PAYMENT, SALES_CHANNEL, SHIPPING, country
from erp_sync.systems.shopware.sandbox.names import LANGUAGE, fixed_id
from erp_sync_tests.systems.shopware.sandbox.conftest import USD, equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper

EVERYTHING = {
    "deliveries": {"associations": {"stateMachineState": {}}},
    "transactions": {"associations": {"stateMachineState": {}}},
    "stateMachineState": {},
}


@pytest.fixture
def order(shop):
    shopper = Shopper(shop)
    shopper.register_guest()
    return shopper.order(("MUG", 2))


def move(shop, entity, identity, action):
    return shop.call("POST", f"/api/_action/{entity}/{identity}/state/{action}", {"sendMail": False})


def look(shop, order):
    (found,) = shop.search("order", equals("id", order["id"]), associations=EVERYTHING)
    return found


def test_a_delivery_is_shipped_with_its_tracking_codes(shop, order, clock):
    (delivery,) = order["deliveries"]
    clock.advance(60)
    shop.call("PATCH", f"/api/order-delivery/{delivery['id']}", {"trackingCodes": ["1Z1"]})
    shop.call("PATCH", f"/api/order-delivery/{delivery['id']}", {"trackingCodes": ["1Z1", "1Z2"]})
    assert move(shop, "order_delivery", delivery["id"], "ship")["technicalName"] == "shipped"
    found = look(shop, order)
    assert found["deliveries"][0]["trackingCodes"] == ["1Z1", "1Z2"]
    assert found["deliveries"][0]["stateMachineState"]["technicalName"] == "shipped"
    assert found["deliveries"][0]["updatedAt"] == "2026-11-02T08:01:00.000+00:00"
    assert found["updatedAt"] is None  # the order has not moved


def test_the_state_that_is_there_already_is_no_move(shop, order, clock):
    (delivery,) = order["deliveries"]
    move(shop, "order_delivery", delivery["id"], "ship_partially")
    before = look(shop, order)["deliveries"][0]["updatedAt"]
    clock.advance(60)
    answer = shop.send(
        shop.request("POST", f"/api/_action/order_delivery/{delivery['id']}/state/ship_partially", {"sendMail": False})
    )
    assert answer.status == 200
    assert not answer.handled.committed
    assert look(shop, order)["deliveries"][0]["updatedAt"] == before


def test_an_illegal_action_names_the_legal_ones(shop, order):
    answer = shop.refused("POST", f"/api/_action/order/{order['id']}/state/complete", {})
    assert (answer.status, answer.error["code"]) == (400, "SYSTEM__ILLEGAL_STATE_TRANSITION")
    assert answer.error["meta"]["parameters"]["possibleTransitions"] == ["cancel", "process"]
    move(shop, "order", order["id"], "process")
    assert move(shop, "order", order["id"], "complete")["technicalName"] == "completed"


def test_a_state_is_not_patched(shop, order):
    done = fixed_id("state", states.ORDER, "completed")
    answer = shop.refused("PATCH", f"/api/order/{order['id']}", {"stateId": done})
    assert answer.status == 400
    assert answer.pointers == ["/0/stateId"]
    assert look(shop, order)["stateMachineState"]["technicalName"] == "open"


def test_a_cancelled_order_gives_its_stock_back_and_a_reopened_one_takes_it_again(shop, order):
    assert shop.product()["stock"] == 13
    move(shop, "order", order["id"], "cancel")
    assert shop.product()["stock"] == 15
    move(shop, "order", order["id"], "cancel")
    assert shop.product()["stock"] == 15
    move(shop, "order", order["id"], "reopen")
    assert shop.product()["stock"] == 13


def test_a_cancel_passes_from_any_state_in_6_6_only(open_shop):
    for release, status in (("6.6", 200), ("6.7", 400)):
        shop = open_shop(release=release)
        shopper = Shopper(shop)
        shopper.register_guest()
        order = shopper.order(("TEA", 1))
        move(shop, "order", order["id"], "process")
        move(shop, "order", order["id"], "complete")
        path = f"/api/_action/order/{order['id']}/state/cancel"
        assert shop.send(shop.request("POST", path, {"sendMail": False})).status == status


def test_payments_move_by_themselves(shop, order):
    (payment,) = order["transactions"]
    assert move(shop, "order_transaction", payment["id"], "paid")["technicalName"] == "paid"
    assert move(shop, "order_transaction", payment["id"], "refund_partially")["technicalName"] == "refunded_partially"
    window = {"type": "range", "field": "transactions.updatedAt", "parameters": {"gte": "2026-11-02T08:00:00Z"}}
    assert len(shop.search("order", window)) == 1
    assert shop.refused("POST", f"/api/_action/order_transaction/{'f' * 32}/state/paid", {}).status == 400


@given(st.sampled_from(sorted(states.TRANSITIONS)), st.lists(st.sampled_from(
    sorted({action for rows in states.TRANSITIONS.values() for action, _, _ in rows})), max_size=12))  # fmt: skip
def test_actions_lead_along_declared_ways_only(machine, actions):
    here = "open"
    for action in actions:
        there = states.destination(machine, here, action)
        assert there is None or there == here or (action, here, there) in states.TRANSITIONS[machine]
        here = there or here
        assert here in states.STATES[machine]


def imported(shop, quantity=4, **more):
    """An order that another system writes: it computes the prices itself."""
    mug = shop.product()
    price = {"unitPrice": 10, "totalPrice": 10 * quantity, "quantity": quantity, "calculatedTaxes": [], "taxRules": []}
    total = {"netPrice": 40, "totalPrice": 40, "positionPrice": 40, "rawTotal": 40, "taxStatus": "net",
             "calculatedTaxes": [], "taxRules": []}  # fmt: skip
    rounding = {"decimals": 2, "interval": 0.01, "roundForNet": True}
    return {
        "id": "a" * 32, "orderNumber": "ERP-1", "billingAddressId": "b" * 32, "currencyId": USD, "currencyFactor": 1,
        "languageId": LANGUAGE, "salesChannelId": SALES_CHANNEL, "orderDateTime": "2026-11-02T09:00:00+01:00",
        "stateId": fixed_id("state", states.ORDER, "open"), "itemRounding": rounding, "totalRounding": rounding,
        "price": total, "shippingCosts": {**price, "unitPrice": 0, "totalPrice": 0, "quantity": 1},
        "addresses": [{"id": "b" * 32, "countryId": country("US"), "firstName": "A", "lastName": "B",
                       "street": "1 Main", "city": "Dayton"}],
        "orderCustomer": {"email": "a@example.com", "firstName": "A", "lastName": "B"},
        "lineItems": [{"id": "c" * 32, "identifier": mug["id"], "referencedId": mug["id"], "productId": mug["id"],
                       "type": "product", "label": "Mug", "quantity": quantity, "price": price}],
        "deliveries": [{"shippingOrderAddressId": "b" * 32, "shippingMethodId": SHIPPING,
                        "stateId": fixed_id("state", states.DELIVERY, "open"),
                        "shippingDateEarliest": "2026-11-03T00:00:00+00:00",
                        "shippingDateLatest": "2026-11-05T00:00:00+00:00"}],
        "transactions": [{"paymentMethodId": PAYMENT, "amount": {**price, "totalPrice": 40},
                          "stateId": fixed_id("state", states.TRANSACTION, "open")}],
        **more,
    }  # fmt: skip


def test_an_order_may_be_written_and_its_lines_take_stock(shop):
    shop.upsert("order", imported(shop))
    found = look(shop, {"id": "a" * 32})
    assert (found["amountTotal"], found["amountNet"], found["taxStatus"]) == (40, 40, "net")
    assert found["orderDateTime"] == "2026-11-02T08:00:00.000+00:00"
    assert shop.product()["stock"] == 11
    shop.upsert("order_line_item", {"id": "c" * 32, "quantity": 1})
    assert shop.product()["stock"] == 14
    shop.call("DELETE", f"/api/order-line-item/{'c' * 32}")
    assert shop.product()["stock"] == 15


def test_an_order_without_what_it_needs_names_all_of_it(shop):
    row = imported(shop)
    for name in ("currencyFactor", "stateId", "itemRounding"):
        del row[name]
    del row["lineItems"][0]["label"]
    answer = shop.refused("POST", "/api/order", row)
    assert set(answer.pointers) == {"/0/currencyFactor", "/0/stateId", "/0/itemRounding", "/0/lineItems/0/label"}
