"""Whatever happens in whatever order, stock adds up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.netsuite.sandbox import create
from erp_sync_tests.systems.netsuite.sandbox.conftest import CATALOGUE, RECORDS, Account

ZERO = Decimal(0)
SKUS = st.sampled_from(["MUG", "TEA", "SET"])
PLACES = st.sampled_from(["east", "west"])


class Stock(RuleBasedStateMachine):
    """Orders, fulfillments, adjustments, closings and deletions of mugs, tea and sets of both."""

    @initialize()
    def open(self):
        core = create(":memory:", ManualClock(), {})
        core.seed(CATALOGUE)
        core.seed({"items": [{"sku": "SET", "kind": "bundle", "price": 20, "components": [
            {"sku": "MUG", "quantity": 2}, {"sku": "TEA", "quantity": 1}]}]})  # fmt: skip
        self.account = Account(core, core.clock)
        self.customer = self.account.customer()
        self.orders: list[str] = []
        self.placed = 0
        self.fulfillments: list[str] = []
        self.moved = {(sku, place): self.on_hand(sku, place) for sku in ("MUG", "TEA") for place in ("east", "west")}

    def teardown(self):
        if hasattr(self, "account"):
            self.account.core.store.close()

    def on_hand(self, sku, place):
        row = self.account.core.store.one(
            "SELECT quantityonhand FROM aggregateitemlocation WHERE item = ? AND location = ?",
            self.account.item(sku),
            self.account.location(place),
        )
        return Decimal(row["quantityonhand"]) if row else ZERO

    def all(self, sql):
        return self.account.core.store.all(sql)

    @rule(
        lines=st.lists(st.tuples(SKUS, st.integers(1, 6)), min_size=1, max_size=3), place=PLACES, approved=st.booleans()
    )
    def order(self, lines, place, approved):
        self.placed += 1
        self.orders.append(
            self.account.order(
                lines,
                external_id=f"o-{self.placed}",
                customer=self.customer,
                location={"id": self.account.location(place)},
                orderStatus={"id": "B" if approved else "A"},
            )
        )

    @rule(sku=st.sampled_from(["MUG", "TEA"]), place=PLACES, quantity=st.integers(-4, 12).filter(bool))
    def adjust(self, sku, place, quantity):
        line = {
            "item": {"id": self.account.item(sku)},
            "location": {"id": self.account.location(place)},
            "adjustQtyBy": quantity,
        }
        self.account.made("inventoryAdjustment", {"account": {"id": "126"}, "inventory": {"items": [line]}})
        self.moved[sku, place] += quantity

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), status=st.sampled_from("ABC"), quantity=st.integers(1, 4))
    def fulfil(self, data, status, quantity):
        order = data.draw(st.sampled_from(self.orders))
        lines = {"items": [{"orderLine": 1, "quantity": quantity}]} if data.draw(st.booleans()) else {"items": []}
        answer = self.account.call(
            "POST",
            f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment",
            {"shipStatus": {"id": status}, "item": lines},
        )
        assert answer.status in (204, 400, 404), answer.body
        if answer.status == 204:
            self.fulfillments.append(answer.id)

    @precondition(lambda self: self.fulfillments)
    @rule(data=st.data(), status=st.sampled_from("BC"))
    def advance(self, data, status):
        fulfillment = data.draw(st.sampled_from(self.fulfillments))
        answer = self.account.patch(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": status}})
        assert answer.status in (204, 400), answer.body

    @precondition(lambda self: self.fulfillments)
    @rule(data=st.data())
    def undo(self, data):
        fulfillment = data.draw(st.sampled_from(self.fulfillments))
        assert self.account.call("DELETE", f"{RECORDS}/itemFulfillment/{fulfillment}").status == 204
        self.fulfillments.remove(fulfillment)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), change=st.sampled_from(["close", "approve", "more", "delete"]))
    def change(self, data, change):
        order = data.draw(st.sampled_from(self.orders))
        if change == "delete":
            if self.account.call("DELETE", f"{RECORDS}/salesOrder/{order}").status == 204:
                self.orders.remove(order)
            return
        body = {
            "close": {"item": {"items": [{"line": 1, "isClosed": True}]}},
            "approve": {"orderStatus": {"id": "B"}},
            "more": {"item": {"items": [{"line": 1, "quantity": 7}]}},
        }[change]
        assert self.account.patch(f"salesOrder/{order}", body).status in (204, 400)

    @invariant()
    def committed_is_what_lines_and_parcels_in_the_house_hold(self):
        held: dict[tuple[int, int], Decimal] = {}
        for line in self.all("SELECT * FROM transactionline l WHERE mainline = 'F' AND item IS NOT NULL"):
            kind = self.account.core.store.one(
                'SELECT type, status FROM "transaction" WHERE id = ?', line["transaction"]
            )
            if kind["type"] == "SalesOrd":
                quantity = Decimal(line["quantitycommitted"] or 0)
            elif kind["type"] == "ItemShip" and kind["status"] != "C":
                quantity = -Decimal(line["quantity"])
            else:
                continue
            for item, per in self.parts(line["item"]):
                key = (item, line["location"])
                held[key] = held.get(key, ZERO) + quantity * per
        for row in self.all("SELECT * FROM aggregateitemlocation"):
            assert Decimal(row["quantitycommitted"]) == held.get((row["item"], row["location"]), ZERO)
            available = Decimal(row["quantityonhand"]) - Decimal(row["quantitycommitted"])
            assert Decimal(row["quantityavailable"]) == available

    @invariant()
    def what_left_is_what_is_missing(self):
        gone: dict[tuple[int, int], Decimal] = {}
        for line in self.all(
            """SELECT l.* FROM transactionline l JOIN "transaction" t ON t.id = l."transaction"
               WHERE t.type = 'ItemShip' AND t.status = 'C' AND l.mainline = 'F'"""
        ):
            for item, per in self.parts(line["item"]):
                key = (item, line["location"])
                gone[key] = gone.get(key, ZERO) - Decimal(line["quantity"]) * per
        for (sku, place), moved in self.moved.items():
            key = (int(self.account.item(sku)), int(self.account.location(place)))
            assert self.on_hand(sku, place) == moved - gone.get(key, ZERO)

    @invariant()
    def nobody_waits_while_stock_is_free(self):
        for line in self.all(
            """SELECT l.* FROM transactionline l JOIN "transaction" t ON t.id = l."transaction"
               WHERE t.type = 'SalesOrd' AND t.status IN ('B', 'D', 'E') AND l.quantitybackordered > '0.00000'
                 AND l.itemtype = 'InvtPart'"""
        ):
            row = self.account.core.store.one(
                "SELECT quantityavailable FROM aggregateitemlocation WHERE item = ? AND location = ?",
                line["item"],
                line["location"],
            )
            assert row is None or Decimal(row["quantityavailable"]) <= 0

    def parts(self, item):
        members = self.all(f"SELECT item, quantity FROM itemmember WHERE parentitem = {item}")
        if members:
            return [(member["item"], Decimal(member["quantity"])) for member in members]
        kind = self.account.core.store.value("SELECT itemtype FROM item WHERE id = ?", item)
        return [(item, Decimal(1))] if kind == "InvtPart" else []


TestStock = Stock.TestCase
TestStock.settings = settings(
    max_examples=12, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
