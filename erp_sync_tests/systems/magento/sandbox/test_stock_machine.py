"""Orders are placed, shipped, refunded and cancelled in any order: no unit of stock is made or lost."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from erp_sync.sandbox.clock import ManualClock
from erp_sync_tests.systems.magento.sandbox.conftest import ShopUnderTest

SKUS = ("MUG", "TEA")
OPENING = {"MUG": 15, "TEA": 100}


class Stock(RuleBasedStateMachine):
    """The model counts, per order row: ordered, shipped, given back, given up. The shop must agree."""

    @initialize()
    def open_shop(self):
        self.shop = ShopUnderTest(ManualClock(), {"float_noise": False, "integration_as_bearer": True})
        self.orders = []  # of dicts: id, item, sku, ordered, shipped, refunded, back, open
        self.gone = dict.fromkeys(SKUS, 0)  # left the shop and did not come back
        self.held = dict.fromkeys(SKUS, 0)  # reserved by open orders

    def pick(self, number, where):
        found = [order for order in self.orders if where(order)]
        return found[number % len(found)] if found else None

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(1, 4))
    def place(self, sku, quantity):
        salable = OPENING[sku] - self.gone[sku] - self.held[sku]
        mask = self.shop.call("POST", "/V1/guest-carts", as_user="")
        item = {"cartItem": {"sku": sku, "qty": quantity, "quote_id": mask}}
        answer = self.shop.send(self.shop.request("POST", f"/V1/guest-carts/{mask}/items", item, as_user=""))
        assert (answer.status == 200) == (quantity <= salable)
        if answer.status != 200:
            return
        order = self.shop.order(self.shop.item(sku, quantity), method="paypal_express")
        self.orders.append(
            {"id": order["entity_id"], "item": order["items"][0]["item_id"], "sku": sku, "ordered": quantity,
             "shipped": 0, "refunded": 0, "back": 0}
        )  # fmt: skip
        self.held[sku] += quantity

    @precondition(lambda self: self.orders)
    @rule(number=st.integers(0, 50), quantity=st.integers(1, 4), source=st.sampled_from(["east", "west"]))
    def ship(self, number, quantity, source):
        order = self.pick(number, lambda one: one["ordered"] > max(one["shipped"], one["refunded"]))
        if order is None:
            return
        body = {
            "items": [{"order_item_id": order["item"], "qty": quantity}],
            "arguments": {"extension_attributes": {"source_code": source}},
        }
        there = self.shop.source(order["sku"], source) or 0
        answer = self.shop.send(self.shop.request("POST", f"/V1/order/{order['id']}/ship", body))
        allowed = quantity <= order["ordered"] - max(order["shipped"], order["refunded"]) and quantity <= there
        assert (answer.status == 200) == allowed
        if allowed:
            order["shipped"] += quantity
            self.held[order["sku"]] -= quantity
            self.gone[order["sku"]] += quantity

    @precondition(lambda self: self.orders)
    @rule(number=st.integers(0, 50), quantity=st.integers(1, 4))
    def refund_with_goods(self, number, quantity):
        """All refunds here give goods back, so that what was refunded before what shipped frees its reservation."""
        order = self.pick(number, lambda one: one["ordered"] > one["refunded"])
        if order is None:
            return
        body = {
            "items": [{"order_item_id": order["item"], "qty": quantity}],
            "arguments": {"shipping_amount": 0, "extension_attributes": {"return_to_stock_items": [order["item"]]}},
        }
        answer = self.shop.send(self.shop.request("POST", f"/V1/order/{order['id']}/refund", body))
        allowed = quantity <= order["ordered"] - order["refunded"]
        assert (answer.status == 200) == allowed
        if allowed:
            unshipped = order["ordered"] - order["shipped"]
            released = max(min(quantity, unshipped - order["refunded"]), 0)
            order["refunded"] += quantity
            self.held[order["sku"]] -= released
            self.gone[order["sku"]] -= quantity - released

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(1, 3))
    def place_and_cancel(self, sku, quantity):
        if quantity > OPENING[sku] - self.gone[sku] - self.held[sku]:
            return
        order = self.shop.order(self.shop.item(sku, quantity))
        assert self.shop.call("POST", f"/V1/orders/{order['entity_id']}/cancel") is True
        assert self.shop.call("POST", f"/V1/orders/{order['entity_id']}/cancel") is False

    @invariant()
    def nothing_is_made_or_lost(self):
        if not hasattr(self, "shop"):
            return
        for sku in SKUS:
            kept = self.shop.database.column("SELECT quantity FROM inventory_source_item WHERE sku = ?", [sku])
            assert sum(kept, Decimal(0)) == OPENING[sku] - self.gone[sku]
            assert self.shop.reserved(sku) == -self.held[sku]
            assert self.shop.salable(sku) == OPENING[sku] - self.gone[sku] - self.held[sku]

    def teardown(self):
        if hasattr(self, "shop"):
            assert not self.shop.check.violations
            self.shop.database.close()


Stock.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestStock = Stock.TestCase
