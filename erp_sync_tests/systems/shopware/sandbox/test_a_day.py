"""A shopping day of the kit in the shop, over HTTP, judged by the evidence alone."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from erp_sync.sandbox.evidence import store_evidence
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.retailer import Retailer
from erp_sync.sandbox.shoppers import fronts, play
from erp_sync.sandbox.testing import running
from erp_sync.systems.shopware.sandbox import create

OPTIONS = {"tax_rate": "8.25", "shipping_gross": "4.95"}


def test_everything_that_shoppers_placed_is_told_and_adds_up():
    retailer = Retailer()
    catalogue = retailer.catalogue()
    day = retailer.shopping_day(catalogue, cancelled=0.5).resampled(20, seed=7, max_lines=6)
    with running(create, vendor="shopware", options=OPTIONS) as sandbox:
        sandbox.control("POST", "seed", catalogue.seed(day.customers, erp=False))
        status = {"base_url": sandbox.base_url, **sandbox.status()}
        evidence = store_evidence(SystemFiles.of(status))
        opening = {shelf.sku: shelf.units for shelf in evidence.shelves()}
        played = play(day, fronts(status, catalogue), seconds=0, threads=4)
        assert played.lost == [], [one.why for one in played.lost]
        told = {order.id: order for order in evidence.orders()}
        shelves = {shelf.sku: shelf.units for shelf in evidence.shelves()}
    assert set(told) == {one.order_id for one in played.orders}
    assert len(told) == 20
    for one in played.orders:
        order = told[one.order_id]
        wanted, missing = Counter[str](), Counter[str]()
        for line in one.basket.lines:
            wanted[line.sku] += line.quantity
        for line in one.left_out:
            missing[line.sku] += line.quantity
        assert {line.sku: line.ordered for line in order.lines} == dict(wanted - missing)
        assert order.total == sum((line.amount for line in order.lines), Decimal(0)) + order.tax + order.shipping
        assert order.tax == sum((tax.amount for tax in order.taxes), Decimal(0))
        assert order.shipping > 0
        assert [payment.amount for payment in order.payments] == [order.total]
        assert order.placed_at is not None
        assert order.state == ("cancelled" if one.cancelled else "open")
    assert any(order.tax for order in told.values())
    assert any(one.cancelled for one in played.orders)
    assert not all(one.cancelled for one in played.orders)
    assert shelves == opening, "nothing has left"
