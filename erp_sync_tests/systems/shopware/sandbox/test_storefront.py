"""Shoppers of the kit in the shop, over HTTP; every exchange is in the contract."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from erp_sync.sandbox.catalogue import Basket, Catalogue, Item, Line, Warehouse
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.people import person, place
from erp_sync.sandbox.testing import running
from erp_sync.systems.shopware.sandbox import contract_book, create
from erp_sync.systems.shopware.sandbox.storefront import Storefront


def article(sku, price="7.50", **more):
    return Item(
        sku=sku, name=f"Article {sku}", price=Decimal(price), cost=Decimal(1), weight=Decimal(1),
        category="Shop/Things", manufacturer="Maker", tax_class="taxable", **more,
    )  # fmt: skip


GOODS = Catalogue(
    items=(article("MUG"), article("POT", "21.00"), article("TEA", "3.25")),
    warehouses=(Warehouse("east", "East", place("east")),),
    stock={("MUG", "east"): 8, ("POT", "east"): 3, ("TEA", "east"): 40},
    coupons=(),
)
MEMBER, GUEST = person(1, registered=True), person(2, registered=False)


class Shop:
    """A running shop, its fronts, and what it has kept."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.keys = sandbox.status()["credentials"]

    def front(self, http=None):
        return Storefront(self.sandbox.base_url, self.keys, GOODS, http=http)

    def rows(self, sql, *values):
        with sqlite3.connect(self.sandbox.app.database) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, values)]

    def order(self, placed):
        """Of an order: e-mail, state of the address that it goes to, methods, comment, quantities by article."""
        assert placed.order_id is not None, placed.why
        (row,) = self.rows(
            'SELECT c.email, a.street, s."shortCode" AS state, p."technicalName" AS payment, '
            'm."technicalName" AS shipping, o."customerComment" AS comment FROM "order" o '
            'JOIN order_customer c ON c."orderId" = o.id JOIN order_delivery d ON d."orderId" = o.id '
            'JOIN order_address a ON a.id = d."shippingOrderAddressId" '
            'LEFT JOIN country_state s ON s.id = a."countryStateId" '
            'JOIN order_transaction t ON t."orderId" = o.id JOIN payment_method p ON p.id = t."paymentMethodId" '
            'JOIN shipping_method m ON m.id = d."shippingMethodId" WHERE o.id = ?',
            placed.order_id,
        )
        lines = self.rows(
            'SELECT p."productNumber" AS sku, l.quantity FROM order_line_item l JOIN product p ON p.id = l."productId" '
            'WHERE l."orderId" = ?',
            placed.order_id,
        )
        return row | {"lines": {line["sku"]: line["quantity"] for line in lines}}

    def office(self, method, path, body):
        keys = {name: self.keys[name] for name in ("client_id", "client_secret")}
        url, trust = self.sandbox.base_url, self.sandbox.trust
        grant = {"grant_type": "client_credentials", **keys}
        token = httpx.post(f"{url}/api/oauth/token", json=grant, verify=trust).json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        answer = httpx.request(method, f"{url}/api/{path}", json=body, headers=headers, verify=trust)
        assert answer.status_code < 300, answer.text

    def change(self, sku, **fields):
        (row,) = self.rows('SELECT id FROM product WHERE "productNumber" = ?', sku)
        self.office("PATCH", f"product/{row['id']}", fields)


@pytest.fixture
def shop():
    with running(create, vendor="shopware", contract=ContractCheck(contract_book({}))) as sandbox:
        sandbox.control("POST", "seed", GOODS.seed([MEMBER], erp=False))
        yield Shop(sandbox)
        assert sandbox.control("GET", "contract")["violations"] == []


def basket(customer, *lines, **more):
    made = Basket(1, timedelta(0), customer, customer.place, lines, None, "flatrate_flatrate", "checkmo")
    return replace(made, **more)


def test_a_guest_and_a_member_check_out(shop):
    front = shop.front()
    guest = shop.order(front.place(basket(GUEST, Line("MUG", 2), Line("TEA", 1))))
    assert (guest["email"], guest["lines"]) == (GUEST.email, {"MUG": 2, "TEA": 1})
    assert (guest["street"], guest["state"]) == (GUEST.place.street, f"US-{GUEST.place.region}")
    member = shop.order(front.place(basket(MEMBER, Line("POT", 1))))
    assert (member["email"], member["street"]) == (MEMBER.email, MEMBER.place.street)
    people = shop.rows("SELECT email, guest FROM customer ORDER BY email")
    assert people == [{"email": MEMBER.email, "guest": 0}, {"email": GUEST.email, "guest": 1}]
    front.close()


def test_methods_are_what_the_shop_has_for_them(shop):
    front = shop.front()
    cheque = shop.order(front.place(basket(GUEST, Line("TEA", 1))))
    assert (cheque["payment"], cheque["shipping"]) == ("payment_prepayment", "shipping_standard")
    ordered = basket(GUEST, Line("TEA", 1), payment="purchaseorder", purchase_order="PO-7", shipping="by_boat")
    invoice = shop.order(front.place(ordered))
    assert (invoice["payment"], invoice["shipping"]) == ("payment_invoicepayment", "shipping_standard")
    assert (cheque["comment"], invoice["comment"]) == (None, "PO-7")
    front.close()


def test_who_ships_elsewhere_adds_an_address_once(shop):
    front, there = shop.front(), place("a friend")
    for customer in (MEMBER, GUEST, MEMBER):
        found = shop.order(front.place(basket(customer, Line("TEA", 1), ship_to=there)))
        assert (found["street"], found["state"]) == (there.street, f"US-{there.region}")
    of_member = shop.rows(
        'SELECT street FROM customer_address a JOIN customer c ON c.id = a."customerId" WHERE email = ?', MEMBER.email
    )
    assert sorted(one["street"] for one in of_member) == sorted((MEMBER.place.street, there.street))
    assert shop.order(front.place(basket(MEMBER, Line("TEA", 1))))["street"] == MEMBER.place.street
    front.close()


def test_what_the_shop_refuses_is_left_out_and_who_has_nothing_left_leaves(shop):
    shop.change("MUG", isCloseout=True)
    shop.change("POT", isCloseout=True, stock=0)
    front = shop.front()
    placed = front.place(basket(GUEST, Line("MUG", 10), Line("POT", 1), Line("NOBODY", 2), Line("TEA", 1)))
    assert shop.order(placed)["lines"] == {"MUG": 8, "TEA": 1}
    assert placed.left_out == (Line("MUG", 2), Line("POT", 1), Line("NOBODY", 2))
    for lines in ((Line("POT", 1),), (Line("NOBODY", 1),)):
        placed = front.place(basket(GUEST, *lines))
        assert (placed.order_id, placed.left_out, placed.why) == (None, lines, "nothing of the basket was to be had")
    front.close()


class Meddling:
    """An HTTP client that does something once, just before a cart becomes an order."""

    def __init__(self, act):
        self._client, self._act = httpx.Client(trust_env=False), act

    def request(self, method, url, **given):
        if url.endswith("checkout/order") and self._act:
            act, self._act = self._act, None
            act()
        return self._client.request(method, url, **given)

    def close(self):
        self._client.close()


def test_what_goes_at_the_last_moment_is_left_out_of_the_order(shop):
    front = shop.front(Meddling(lambda: shop.change("MUG", active=False)))
    placed = front.place(basket(GUEST, Line("MUG", 1), Line("TEA", 1)))
    assert shop.order(placed)["lines"] == {"TEA": 1}
    assert placed.left_out == (Line("MUG", 1),)
    front.close()
    front = shop.front(Meddling(lambda: shop.change("TEA", active=False)))
    placed = front.place(basket(GUEST, Line("TEA", 3)))
    assert (placed.order_id, placed.left_out) == (None, (Line("TEA", 3),))
    assert len(shop.rows('SELECT id FROM "order"')) == 1
    front.close()


def test_who_cannot_shop_is_told_why(shop):
    front = shop.front()
    stranger = replace(MEMBER, password="wrong")
    assert front.place(basket(stranger, Line("TEA", 1))).why.endswith(": 401 Invalid username and/or password.")
    far = replace(GUEST, place=replace(GUEST.place, country="NZ"))
    assert front.place(basket(far, Line("TEA", 1))).why == "TurnedAway: the shop does not sell to NZ"
    assert shop.rows('SELECT id FROM "order"') == []
    front.close()


def test_a_code_that_the_shop_does_not_take_is_no_reason_to_leave(shop):
    front = shop.front()
    placed = front.place(basket(GUEST, Line("TEA", 1), coupon="PANTRY10"))
    assert shop.order(placed)["lines"] == {"TEA": 1}
    front.close()


def test_the_back_office_cancels_what_is_not_completed(shop):
    front = shop.front()
    first, second = (front.place(basket(GUEST, Line("MUG", 2))).order_id for _ in range(2))
    assert front.cancel(first)
    assert front.cancel(first), "again is no harm"
    assert shop.rows('SELECT stock FROM product WHERE "productNumber" = ?', "MUG") == [{"stock": 6}]
    for action in ("process", "complete"):
        shop.office("POST", f"_action/order/{second}/state/{action}", {})
    assert not front.cancel(second)
    states = dict(
        (row["id"], row["state"])
        for row in shop.rows(
            'SELECT o.id, s."technicalName" AS state FROM "order" o JOIN state_machine_state s ON s.id = o."stateId"'
        )
    )
    assert states == {first: "cancelled", second: "completed"}
    front.close()


def test_a_back_office_s_token_is_replaced_when_it_has_lapsed(shop):
    front = shop.front()
    first, second = (front.place(basket(GUEST, Line("TEA", 1))).order_id for _ in range(2))
    assert front.cancel(first)
    front._bearer = "lapsed"
    assert front.cancel(second)
    assert [call["status"] for call in shop.sandbox.journal(endpoint="order.state")] == [200, 401, 200]
    front.close()
