"""Shoppers in the Magento sandbox, over real HTTP."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from erp_sync.sandbox.catalogue import Line, ShoppingDay
from erp_sync.sandbox.retailer import Retailer
from erp_sync.sandbox.shoppers import play, schedule
from erp_sync.sandbox.testing import running
from erp_sync.systems.magento.sandbox import create
from erp_sync.systems.magento.sandbox.storefront import Storefront, fronts


@pytest.fixture(scope="module")
def retail():
    retailer = Retailer()
    catalogue = retailer.catalogue()
    return catalogue, retailer.shopping_day(catalogue)


@pytest.fixture(scope="module")
def shop(retail):
    catalogue, day = retail
    with running(create, vendor="magento") as sandbox:
        sandbox.control("POST", "seed", catalogue.seed(day.customers, erp=False))
        yield sandbox


def rows(shop, sql, *values):
    database = sqlite3.connect(shop.app.database)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(sql, values)]
    finally:
        database.close()


def front(shop, catalogue):
    return Storefront(shop.base_url, shop.status()["credentials"], catalogue)


def order(shop, placed):
    assert placed.order_id is not None, placed.why
    (row,) = rows(shop, "SELECT * FROM sales_order WHERE entity_id = ?", placed.order_id)
    items = rows(shop, "SELECT * FROM sales_order_item WHERE order_id = ? ORDER BY item_id", placed.order_id)
    return row, items


def a_basket(day, **wanted):
    return next(
        basket
        for basket in day.baskets
        if basket.trouble is None and all(getattr(basket, name) == value for name, value in wanted.items())
    )


def test_a_guest_and_a_customer_check_out(shop, retail):
    catalogue, day = retail
    guest = next(b for b in day.baskets if not b.customer.registered and not b.trouble and len(b.lines) < 6)
    member = next(b for b in day.baskets if b.customer.registered and len(b.lines) < 6)
    shopper = front(shop, catalogue)
    first, items = order(shop, shopper.place(guest))
    assert first["customer_is_guest"] == 1
    assert first["customer_email"] == guest.customer.email
    assert {item["sku"] for item in items} >= {
        line.sku for line in guest.lines if catalogue.by_sku[line.sku].kind == "simple"
    }
    second, _ = order(shop, shopper.place(member))
    assert second["customer_id"]
    assert second["customer_email"] == member.customer.email
    assert second["shipping_method"] == member.shipping
    shopper.close()


def test_variants_and_bundles_are_bought_through_their_product_page(shop, retail):
    catalogue, day = retail
    variant = next(
        item
        for item in catalogue.items
        if item.parent_sku and item.in_erp and catalogue.stock[item.sku, "east"] + catalogue.stock[item.sku, "west"] > 3
    )
    bundle = next(item for item in catalogue.items if item.kind == "bundle")
    basket = replace(a_basket(day, coupon=None), lines=(Line(variant.sku, 2), Line(bundle.sku, 1)))
    shopper = front(shop, catalogue)
    _, items = order(shop, shopper.place(basket))
    shopper.close()
    kinds = {item["product_type"]: item for item in items if item["parent_item_id"] is None}
    assert kinds["configurable"]["sku"] == variant.sku
    parts = [item["sku"] for item in items if item["parent_item_id"] == kinds["bundle"]["item_id"]]
    assert sorted(parts) == sorted(sku for sku, _ in bundle.members)


def test_a_coupon_lowers_the_total(shop, retail):
    catalogue, day = retail
    sku = next(item.sku for item in catalogue.items if item.kind == "simple" and item.price > 5 and not item.parent_sku)
    plain = replace(a_basket(day), lines=(Line(sku, 1),), coupon=None)
    shopper = front(shop, catalogue)
    without, _ = order(shop, shopper.place(plain))
    with_coupon, _ = order(shop, shopper.place(replace(plain, coupon="PANTRY10")))
    shopper.close()
    assert Decimal(with_coupon["discount_amount"]) < 0
    assert Decimal(with_coupon["grand_total"]) < Decimal(without["grand_total"])
    assert with_coupon["coupon_code"] == "PANTRY10"


def test_what_is_sold_out_is_left_out_and_who_has_nothing_left_leaves(shop, retail):
    catalogue, day = retail
    there = next(sku for (sku, code), quantity in catalogue.stock.items() if code == "east" and quantity > 20)
    basket = replace(a_basket(day, coupon=None), lines=(Line(there, 1), Line("GRO-32111", 100_000)))
    shopper = front(shop, catalogue)
    placed = shopper.place(basket)
    assert placed.order_id is not None
    assert placed.left_out == (Line("GRO-32111", 100_000),)
    nothing = shopper.place(replace(basket, lines=basket.lines[1:]))
    assert (nothing.order_id, nothing.why) == (None, "nothing of the basket was to be had")
    shopper.close()


def test_a_part_of_the_day_is_played_with_cancellations_and_progress(shop, retail):
    catalogue, day = retail
    baskets = [basket for basket in day.baskets if len(basket.lines) <= 4][:12]
    baskets = [replace(basket, cancelled=False) for basket in baskets]
    baskets[3] = replace(baskets[3], cancelled=True, payment="checkmo")
    seen: list[tuple[int, int]] = []
    before = len(rows(shop, "SELECT 1 FROM sales_order"))
    played = play(
        ShoppingDay(day.day, tuple(baskets)),
        fronts(shop.base_url, shop.status()["credentials"], catalogue),
        seconds=0.2,
        threads=3,
        progress=lambda done, total, placed: seen.append((done, total)),
    )
    assert seen == [(number, 12) for number in range(1, 13)]
    assert len(rows(shop, "SELECT 1 FROM sales_order")) == before + len(played.orders)
    assert not [placed.why for placed in played.lost if "nothing of the basket" not in placed.why]
    (cancelled,) = [placed for placed in played.placed if placed.cancelled]
    assert rows(shop, "SELECT state FROM sales_order WHERE entity_id = ?", cancelled.order_id) == [
        {"state": "canceled"}
    ]
    assert {call["agent"] for call in shop.journal(endpoint="POST /V1/guest-carts")} == {"storefront"}
    assert all(shop.commits(entity="sales_order", document=row["increment_id"])
               for row in rows(shop, "SELECT increment_id FROM sales_order"))  # fmt: skip


def test_a_day_can_be_stopped(shop, retail):
    catalogue, day = retail
    stop = threading.Event()
    played = play(
        day,
        fronts(shop.base_url, shop.status()["credentials"], catalogue),
        seconds=3600,
        threads=2,
        stop=stop,
        progress=lambda *_: stop.set(),
    )
    assert 1 <= len(played.placed) <= 2


def test_the_night_takes_no_time(retail):
    _, day = retail
    base = day.baskets[0]
    at = [timedelta(0), timedelta(minutes=5), timedelta(hours=8), timedelta(hours=8, minutes=5)]
    moments = schedule([replace(base, at=moment) for moment in at], seconds=40)
    assert moments == [0.0, 10.0, 30.0, 40.0]
    assert schedule([base], 40) == [0.0]
