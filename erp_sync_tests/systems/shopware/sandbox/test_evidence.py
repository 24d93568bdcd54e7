"""What the sandbox tells a judge of itself: a world made by calls, then what is said of it."""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from erp_sync.sandbox.evidence import Article, Payment, Price, Shelf, StoreTax, store_evidence
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.sandbox.testing import running
from erp_sync.systems.shopware.sandbox import create
from erp_sync.systems.shopware.sandbox.bootstrap import country
from erp_sync_tests.systems.shopware.sandbox.conftest import CATALOGUE, USD

LIVE = "0fa91ce3e96a4bc2be4bd9ce752c3425"
PLACE = {"street": "1 Main St", "city": "Dayton", "zipcode": "45402", "countryId": country("US")}
TAXED = {"tax_rate": "19", "shipping_gross": "5.95"}


class World:
    """A running shop, its APIs, and its evidence."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.keys = sandbox.status()["credentials"]
        self.files = SystemFiles(sandbox.app.database, sandbox.app.journal.path, "shopware")
        self.evidence = store_evidence(self.files)
        self._http = httpx.Client(base_url=sandbox.base_url, verify=sandbox.trust, trust_env=False)
        keys = {name: self.keys[name] for name in ("client_id", "client_secret")}
        token = self._http.post("/api/oauth/token", json={"grant_type": "client_credentials", **keys}).json()
        self._bearer = f"Bearer {token['access_token']}"

    def close(self):
        self._http.close()

    def call(self, method, path, body=None, **headers):
        sent = {"authorization": self._bearer, "accept": "application/json"} | headers
        answer = self._http.request(method, f"/api/{path}", json=body, headers=sent)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def rows(self, sql, *values):
        with sqlite3.connect(self.files.database) as database:
            return [row[0] for row in database.execute(sql, values)]

    def product(self, sku):
        (found,) = self.rows('SELECT id FROM product WHERE "productNumber" = ?', sku)
        return found

    def placed(self, *lines):
        """Id of an order of a guest."""
        headers = {"sw-access-key": self.keys["access_key"], "sw-context-token": f"token-{time.perf_counter_ns()}"}

        def shop(path, body):
            answer = self._http.post(f"/store-api/{path}", json=body, headers=headers)
            assert answer.status_code < 300, answer.text
            headers["sw-context-token"] = answer.headers["sw-context-token"]
            return answer.json()

        person = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "guest": True}
        shop("account/register", {**person, "billingAddress": PLACE})
        items = [{"type": "product", "referencedId": self.product(sku), "quantity": units} for sku, units in lines]
        shop("checkout/cart/line-item", {"items": items})
        return shop("checkout/order", {})["id"]

    def delivery(self, order):
        (found,) = self.rows('SELECT id FROM order_delivery WHERE "orderId" = ? AND "versionId" = ?', order, LIVE)
        return found

    def moved(self, entity, identity, *actions):
        for action in actions:
            self.call("POST", f"_action/{entity}/{identity}/state/{action}", {"sendMail": False})

    def told(self, order):
        (found,) = [one for one in self.evidence.orders() if one.id == order]
        return found

    def kept(self, table, identity, **fields):
        """Write a row as the shop itself would, past the API."""
        sets = ", ".join(f'"{name}" = ?' for name in fields)
        values = [json.dumps(one) if isinstance(one, dict | list) else one for one in fields.values()]
        with sqlite3.connect(self.files.database) as database:
            database.create_collation("EXACT_DECIMAL", lambda one, other: (one > other) - (one < other))
            assert database.execute(f'UPDATE "{table}" SET {sets} WHERE id = ?', [*values, identity]).rowcount


def opened(**options):
    with running(create, vendor="shopware", options=options) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        world = World(sandbox)
        yield world
        world.close()


@pytest.fixture
def world():
    yield from opened()


@pytest.fixture
def taxed():
    yield from opened(**TAXED)


def test_a_gross_order_is_told_before_tax(taxed):
    before = time.time()
    order = taxed.placed(("MUG", 2), ("SHIRT-S", 1))
    told = taxed.told(order)
    assert (told.number, told.state, told.currency) == ("10000", "open", "USD")
    assert (told.total, told.shipping) == (Decimal("80.85"), Decimal("5.00"))
    assert [(line.sku, line.kind, line.ordered, line.amount, line.discount, line.tax) for line in told.lines] == [
        ("MUG", "item", 2, Decimal("50.34"), 0, Decimal("9.56")),
        ("SHIRT-S", "item", 1, Decimal("12.61"), 0, Decimal("2.39")),
    ]
    assert told.tax == Decimal("12.90") == sum(tax.amount for tax in told.taxes)
    assert {tax.line for tax in told.taxes} == {told.lines[0].id, told.lines[1].id, None}
    assert StoreTax(None, Decimal(19), Decimal("0.95")) in told.taxes
    assert told.total == sum(line.amount for line in told.lines) + told.tax + told.shipping
    assert before <= told.placed_at <= time.time()
    assert told.channel == taxed.sandbox.status()["sales_channel_id"]


def test_a_net_order_is_told_as_it_is():
    for world in opened(**TAXED, display_gross=False):
        told = world.told(world.placed(("MUG", 1)))
        assert [(line.amount, line.tax) for line in told.lines] == [(Decimal("25.17"), Decimal("4.78"))]
        assert (told.shipping, told.tax, told.total) == (5, Decimal("5.73"), Decimal("35.90"))
        assert {one.sku: one.price for one in world.evidence.prices()}["MUG"] == Decimal("25.1681")


def test_drafts_are_nobody_s_business(world):
    order = world.placed(("MUG", 1))
    before = world.evidence.orders()
    draft = world.call("POST", f"_action/version/order/{order}", {})["versionId"]
    world.call("PATCH", f"order/{order}", {"customerComment": "a draft"}, **{"sw-version-id": draft})
    assert world.rows('SELECT count(*) FROM "order"') == [2]
    assert world.evidence.orders() == before
    assert world.evidence.shipments() == []


@pytest.mark.parametrize(
    ("actions", "state"),
    [((), "pending"), (("authorize",), "authorised"), (("paid",), "captured"), (("paid_partially",), "pending"),
     (("paid", "refund_partially"), "captured"), (("cancel",), None), (("fail",), None)],
)  # fmt: skip
def test_a_payment_is_what_its_transaction_s_state_says(world, actions, state):
    order = world.placed(("MUG", 1))
    (transaction,) = world.rows('SELECT id FROM order_transaction WHERE "orderId" = ?', order)
    world.moved("order_transaction", transaction, *actions)
    assert world.told(order).payments == ([Payment(Decimal("29.95"), state)] if state else [])


def test_a_delivery_that_left_whole_takes_its_positions_along(world):
    order = world.placed(("MUG", 2), ("TEA", 3))
    delivery = world.delivery(order)
    world.call("PATCH", f"order-delivery/{delivery}", {"trackingCodes": ["1Z1", "1Z2"]})
    assert world.evidence.shipments() == []
    before = time.time()
    world.moved("order_delivery", delivery, "ship")
    world.call("PATCH", f"order-delivery/{delivery}", {"customFields": {"seen": True}})
    (shipment,) = world.evidence.shipments()
    assert (shipment.id, shipment.number, shipment.order) == (delivery, "10000", "10000")
    assert (shipment.tracks, shipment.mails) == ({"1Z1", "1Z2"}, [])
    assert dict(shipment.units) == {"MUG": 2, "TEA": 3}
    told = world.told(order)
    assert (told.state, {line.sku: line.shipped for line in told.lines}) == ("done", {"MUG": 2, "TEA": 3})
    shipped = shipment.booked_at
    assert before <= shipped < world.sandbox.commits(entity="order_delivery")[-1]["committed_at"]
    assert world.evidence.own_stock_writes() == {("MUG", "default"): [shipped], ("TEA", "default"): [shipped]}


def test_of_a_delivery_that_left_in_part_no_units_are_told(world):
    order = world.placed(("MUG", 2))
    delivery = world.delivery(order)
    world.call("PATCH", f"order-delivery/{delivery}", {"trackingCodes": ["1Z1"]})
    world.moved("order_delivery", delivery, "ship_partially")
    (first,) = world.evidence.shipments()
    assert (first.tracks, first.units) == ({"1Z1"}, [])
    told = world.told(order)
    assert (told.state, told.lines[0].shipped) == ("open", 0)
    world.call("PATCH", f"order-delivery/{delivery}", {"trackingCodes": ["1Z1", "1Z2"]})
    world.moved("order_delivery", delivery, "ship")
    (second,) = world.evidence.shipments()
    assert (second.tracks, second.units) == ({"1Z1", "1Z2"}, [("MUG", 2)])
    assert second.booked_at > first.booked_at
    world.moved("order_delivery", delivery, "reopen")
    assert (world.evidence.shipments(), world.told(order).state) == ([], "open")


def test_a_cancelled_order_has_cancelled_what_did_not_leave(world):
    first, second, third = (world.placed(("MUG", 2)) for _ in range(3))
    world.moved("order_delivery", world.delivery(second), "ship")
    world.moved("order_delivery", world.delivery(third), "cancel")
    for order in (first, second):
        world.moved("order", order, "cancel")
    told = [
        (one.state, one.lines[0].cancelled, one.lines[0].shipped) for one in map(world.told, (first, second, third))
    ]
    assert told == [("cancelled", 2, 0), ("cancelled", 0, 2), ("open", 2, 0)]
    world.moved("order", third, "process", "complete")
    assert world.told(third).state == "done"


def promotion(total, *, taxes=(), composition=None, kind="promotion"):
    """A line with a negative price, as a sales channel writes it."""
    price = {"unitPrice": total, "quantity": 1, "totalPrice": total, "taxRules": [], "calculatedTaxes": list(taxes)}
    return {
        "id": f"{1:032x}", "identifier": "SUMMER", "label": "Summer", "quantity": 1, "type": kind, "good": False,
        "price": price, "payload": {"code": "SUMMER", **({"composition": composition} if composition else {})},
    }  # fmt: skip


def with_promotion(world, order, line, total):
    """The order with one more line, and its total."""
    world.call("PATCH", f"order/{order}", {"lineItems": [line]})
    (price,) = world.rows('SELECT price FROM "order" WHERE id = ?', order)
    world.kept("order", order, price={**json.loads(price), **total})
    return world.told(order)


def test_a_promotion_lowers_the_lines_that_it_names(taxed):
    order = taxed.placed(("MUG", 1), ("SHIRT-S", 1))
    mug = taxed.product("MUG")
    tax = {"tax": -1.9, "taxRate": 19, "price": -11.9}
    line = promotion(-11.9, taxes=[tax], composition=[{"id": mug, "quantity": 1, "discount": 11.9}])
    whole = taxed.told(order)
    total = {"totalPrice": 39.0, "calculatedTaxes": [{"tax": 6.22, "taxRate": 19, "price": 39.0}]}
    told = with_promotion(taxed, order, line, total)
    assert [(one.sku, one.amount, one.discount, one.tax) for one in told.lines] == [
        ("MUG", Decimal("25.17"), 10, Decimal("2.88")),
        ("SHIRT-S", Decimal("12.61"), 0, Decimal("2.39")),
    ]
    assert told.total == whole.total - Decimal("11.9")
    assert told.tax == sum(one.amount for one in told.taxes)
    assert told.total == sum(one.amount - one.discount for one in told.lines) + told.tax + told.shipping


def test_a_promotion_that_names_none_is_spread_by_tax_rates(taxed):
    order = taxed.placed(("MUG", 1), ("SHIRT-S", 1), ("TEA", 3))
    (tea,) = taxed.rows("SELECT id FROM order_line_item WHERE label = 'Tea'")
    reduced = {"unitPrice": 3.33, "quantity": 3, "totalPrice": 9.99, "taxRules": [],
               "calculatedTaxes": [{"tax": 0.65, "taxRate": 7, "price": 9.99}]}  # fmt: skip
    taxed.kept("order_line_item", tea, price=reduced)
    taxes = [{"tax": -0.72, "taxRate": 19, "price": -4.5}, {"tax": -0.07, "taxRate": 7, "price": -1.0}]
    told = with_promotion(taxed, order, promotion(-5.5, taxes=taxes), {})
    mug, shirt, of_tea = told.lines
    assert (of_tea.discount, of_tea.tax) == (Decimal("0.93"), Decimal("0.58"))
    assert mug.discount + shirt.discount == Decimal("3.78")
    assert round(mug.discount, 9) == round(Decimal("3.78") * Decimal("29.95") / Decimal("44.95"), 9)


def test_a_credit_of_an_order_without_taxes_is_a_discount(world):
    order = world.placed(("MUG", 1))
    told = with_promotion(world, order, promotion(-2.5, kind="credit"), {"totalPrice": 27.45})
    assert [(one.sku, one.amount, one.discount) for one in told.lines] == [("MUG", Decimal("29.95"), Decimal("2.5"))]
    assert told.total == Decimal("27.45")


def test_a_bundle_is_paid_for_and_its_parts_are_delivered(world):
    order = world.placed(("MUG", 2), ("TEA", 4))
    mug, tea = (world.rows("SELECT id FROM order_line_item WHERE label = ?", name)[0] for name in ("Mug", "Tea"))
    world.kept("order_line_item", tea, parentId=mug)
    told = world.told(order)
    assert [(one.sku, one.kind, one.part_of, one.ordered, one.amount) for one in told.lines] == [
        ("MUG", "bundle", None, 2, Decimal("59.90")),
        ("TEA", "item", mug, 4, 0),
    ]
    world.moved("order_delivery", world.delivery(order), "ship")
    assert world.evidence.shipments()[0].units == [("TEA", 4)]
    (position,) = world.rows('SELECT id FROM order_delivery_position WHERE "orderLineItemId" = ?', tea)
    world.call("DELETE", f"order-delivery-position/{position}")
    assert world.evidence.shipments()[0].units == [("TEA", 4)], "the bundle's position is its parts"


def test_a_shelf_holds_what_open_orders_have_taken_from_stock(world):
    first, second = world.placed(("MUG", 2)), world.placed(("MUG", 3))
    assert world.evidence.sources() == {"default"}

    def mugs():
        (there,) = [one for one in world.evidence.shelves() if one.sku == "MUG"]
        (stock,) = world.rows("SELECT stock FROM product WHERE \"productNumber\" = 'MUG'")
        return there, stock

    assert mugs() == (Shelf("MUG", "default", Decimal(15)), 10)
    world.moved("order", first, "cancel")
    assert mugs() == (Shelf("MUG", "default", Decimal(15)), 12)
    world.moved("order_delivery", world.delivery(second), "ship")
    assert mugs() == (Shelf("MUG", "default", Decimal(12)), 12)
    assert {one.sku for one in world.evidence.shelves()} == {"MUG", "TEA", "SHIRT-S", "SHIRT-M", "OLD"}


def test_times_of_stock_and_prices_are_told_apart(world):
    mug = world.product("MUG")
    assert (world.evidence.stock_writes(), world.evidence.price_writes()) == ({}, {})
    began = time.time()
    world.call("PATCH", f"product/{mug}", {"stock": 7})
    price = [{"currencyId": USD, "gross": 9, "net": 9, "linked": False}]
    world.call("PATCH", f"product/{mug}", {"price": price})
    world.call("PATCH", f"product/{mug}", {"name": "A mug"})
    rows = [{"entity": "product", "action": "upsert", "payload": [{"id": mug, "stock": 7, "price": price}]}]
    world.call("POST", "_action/sync", rows)
    world.placed(("MUG", 1))
    stock, prices = world.evidence.stock_writes(), world.evidence.price_writes()
    assert (list(stock), list(prices)) == ([("MUG", "default")], ["MUG"])
    first, second = stock["MUG", "default"]
    assert began <= first < prices["MUG"][0] < second == prices["MUG"][1]
    assert world.evidence.own_stock_writes() == {}


def test_prices_and_articles_with_what_variants_inherit(world):
    shirt = world.product("SHIRT-M")
    world.kept("product", shirt, price=None)
    struck = {"currencyId": USD, "gross": 2, "net": 2, "linked": False,
              "listPrice": {"currencyId": USD, "gross": 3.33, "net": 3.33, "linked": False}}  # fmt: skip
    world.kept("product", world.product("TEA"), price=[struck])
    prices = {one.sku: one for one in world.evidence.prices()}
    assert prices["MUG"] == Price("MUG", Decimal("29.95"), False)
    assert prices["TEA"] == Price("TEA", Decimal("3.33"), False)
    assert prices["SHIRT"] == Price("SHIRT", Decimal(15), True)
    assert (prices["SHIRT-S"].price, prices["SHIRT-M"].price) == (15, 15)
    world.kept("product", shirt, name=None)
    found = world.evidence.articles(["SHIRT-M", "OLD", "NOBODY", "MUG"])
    assert found == {
        "SHIRT-M": Article("Shirt", True), "OLD": Article("Discontinued", False), "MUG": Article("Mug", True),
    }  # fmt: skip
    world.call("PATCH", f"product/{world.product('SHIRT')}", {"active": False})
    world.kept("product", shirt, active=None)
    assert not world.evidence.articles(["SHIRT-M"])["SHIRT-M"].sold


def test_what_an_account_pays_is_told_from_the_files(world):
    rule = "1" * 32
    numbers = {"type": "customerCustomerNumber", "value": {"operator": "=", "numbers": ["10000"]}}
    row = {"id": "2" * 32, "productId": world.product("MUG"), "ruleId": rule, "quantityStart": 1,
           "price": [{"currencyId": USD, "gross": 21, "net": 21, "linked": False}]}  # fmt: skip
    world.call("POST", "_action/sync", [
        {"entity": "rule", "action": "upsert",
         "payload": [{"id": rule, "name": "Contract 7", "priority": 5, "conditions": [numbers]}]},
        {"entity": "product_price", "action": "upsert", "payload": [row]},
    ])  # fmt: skip
    (account,) = world.rows("SELECT \"customerNumber\" FROM customer WHERE email = 'grace@example.com'")
    asked = [PriceQuestion(number, sku, Decimal(2), "USD", datetime(2026, 11, 3, tzinfo=UTC))
             for number, sku in ((account, "MUG"), (account, "TEA"), ("404", "TEA"))]  # fmt: skip
    assert account == "10000"
    assert world.evidence.prices_paid(asked) == [
        PricePaid(Decimal(21), True, "product_price of the rule 'Contract 7'"),
        PricePaid(Decimal("3.33"), True, "price of the product"),
        NoPrice("no customers have the number '404'"),
    ]
