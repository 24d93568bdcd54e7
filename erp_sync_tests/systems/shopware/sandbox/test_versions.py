"""Drafts of orders: nothing of them is seen until they are merged, but they are told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.systems.shopware.sandbox.names import LIVE_VERSION
from erp_sync_tests.systems.shopware.sandbox.conftest import equals
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper
from erp_sync_tests.systems.shopware.sandbox.test_webhooks import Receiver, hook


@pytest.fixture
def order(shop):
    shopper = Shopper(shop)
    shopper.register_guest()
    return shopper.order(("MUG", 2), ("TEA", 1))


def draft_of(shop, order):
    return shop.call("POST", f"/api/_action/version/order/{order['id']}", {})["versionId"]


def look(shop, order, version=LIVE_VERSION):
    body = {"filter": [equals("id", order["id"])], "associations": {"lineItems": {}, "deliveries": {}}}
    (found,) = shop.call("POST", "/api/search/order", body, sw_version_id=version)["data"]
    return found


def line_of(found, label):
    return next(one for one in found["lineItems"] if one["label"] == label)


def test_what_is_edited_in_a_draft_is_live_when_it_is_merged(shop, order, clock):
    version = draft_of(shop, order)
    in_draft = {"sw_version_id": version}
    mug = line_of(look(shop, order, version), "Mug")
    clock.advance(60)
    shop.upsert("order_line_item", {"id": mug["id"], "quantity": 5, "priceDefinition": {
        "type": "quantity", "price": Decimal("29.95"), "quantity": 5, "taxRules": []}}, **in_draft)  # fmt: skip
    shop.call("POST", f"/api/_action/order/{order['id']}/recalculate", **in_draft)
    assert look(shop, order)["amountTotal"] == Decimal("63.23")
    assert look(shop, order, version)["amountTotal"] == Decimal("153.08")
    assert shop.product()["stock"] == 13
    shop.call("POST", f"/api/_action/version/merge/order/{version}")
    merged = look(shop, order)
    assert merged["amountTotal"] == Decimal("153.08")
    assert line_of(merged, "Mug")["quantity"] == 5
    assert shop.product()["stock"] == 10
    assert line_of(merged, "Tea")["updatedAt"] is None  # what is the same has not moved
    assert merged["updatedAt"] == "2026-11-02T08:01:00.000+00:00"
    answer = shop.refused("POST", f"/api/_action/version/merge/order/{version}")
    assert answer.error["code"] == "FRAMEWORK__VERSION_NOT_EXISTS"


def test_products_and_credits_are_added_to_drafts_only(shop, order):
    path = f"/api/_action/order/{order['id']}"
    shirt = shop.product("SHIRT-S")["id"]
    answer = shop.refused("POST", f"{path}/product/{shirt}", {"quantity": 1})
    assert answer.error["code"] == "CHECKOUT__ORDER_CAN_NOT_RECALCULATE_LIVE_VERSION"
    version = draft_of(shop, order)
    shop.call("POST", f"{path}/product/{shirt}", {"quantity": 2}, sw_version_id=version)
    credit = {"label": "Sorry", "priceDefinition": {"price": 5, "taxRules": []}}
    shop.call("POST", f"{path}/creditItem", credit, sw_version_id=version)
    assert shop.product("SHIRT-S")["stock"] == 3
    shop.call("POST", f"/api/_action/version/merge/order/{version}")
    merged = look(shop, order)
    assert merged["amountTotal"] == Decimal("88.23")  # 63.23 + 30 - 5
    assert line_of(merged, "Sorry")["type"] == "credit"
    assert shop.product("SHIRT-S")["stock"] == 1


def test_a_line_taken_out_of_a_draft_gives_its_stock_back_at_the_merge(shop, order):
    version = draft_of(shop, order)
    mug = line_of(look(shop, order, version), "Mug")
    shop.call("DELETE", f"/api/order-line-item/{mug['id']}", sw_version_id=version)
    shop.call("POST", f"/api/_action/order/{order['id']}/recalculate", sw_version_id=version)
    assert (len(look(shop, order)["lineItems"]), shop.product()["stock"]) == (2, 13)
    shop.call("POST", f"/api/_action/version/merge/order/{version}")
    assert (len(look(shop, order)["lineItems"]), shop.product()["stock"]) == (1, 15)
    assert look(shop, order)["amountTotal"] == Decimal("3.33")


def test_a_draft_thrown_away_leaves_nothing(shop, order):
    version = draft_of(shop, order)
    shop.call("POST", f"/api/_action/version/{version}/order/{order['id']}")
    assert shop.database.value('SELECT count(*) FROM "order"') == 1
    assert shop.database.value("SELECT count(*) FROM order_line_item") == 2
    assert shop.refused("POST", f"/api/_action/version/{LIVE_VERSION}/order/{order['id']}").status == 400


def test_a_draft_fires_order_written_unless_only_live_versions_are_asked_for(shop, order):
    receiver = Receiver(shop)
    hook(shop, "order.written")
    hook(shop, "order.written", onlyLiveVersion=True)
    version = draft_of(shop, order)
    told = [body["data"]["payload"] for body, _, _ in receiver.got]
    assert [[one["versionId"] for one in payload] for payload in told] == [[version]]


def test_drafts_are_no_orders_to_a_search(shop, order):
    draft_of(shop, order)
    assert shop.call("POST", "/api/search/order", {"total-count-mode": "exact"})["total"] == 1
    assert len(shop.search("order-line-item")) == 2
