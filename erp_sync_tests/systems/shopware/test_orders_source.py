"""Which orders a window gives: all that changed in it, each once, whatever the shop does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.ports.raw import Window
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync_tests.systems.shopware.samples import CHANNEL, address, identity, order
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import problems_of

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR = Window(start=START, end=START + timedelta(hours=1))


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def placed(number: int, created: float, updated: float | None = None, **changes: Any) -> dict[str, Any]:
    """An order whose children were written with it."""
    record = order(number=number, createdAt=at(created), updatedAt=None if updated is None else at(updated), **changes)
    record["addresses"] = [record["billingAddress"], record["deliveries"][0]["shippingOrderAddress"]]
    for one in children(record):
        one["createdAt"], one["updatedAt"] = at(created), None
    return record


def children(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        *record["lineItems"],
        *record["deliveries"],
        *record["transactions"],
        *record["addresses"],
        record["orderCustomer"],
    ]


def source(shop: Shop, **settings: Any):
    return shop.connector(**settings).port("sales_order", "source")


def numbers(pages: Any) -> list[str]:
    return [record.payload["orderNumber"] for page in pages for record in page]


def test_an_order_is_in_the_windows_of_its_last_write_and_of_its_childrens():
    """The last one was changed later, and its lines were written in the window: it comes in both."""
    shop = Shop(
        order=[
            placed(1, -10),
            placed(2, 0),
            placed(3, 3599.999),
            placed(4, 3600),
            placed(5, -7200, 10),
            placed(6, 10, 7200),
        ]
    )
    assert numbers(source(shop).changed(HOUR)) == ["10002", "10003", "10005", "10006"]


@pytest.mark.parametrize(
    "child",
    [
        lambda one: one["deliveries"][0],
        lambda one: one["transactions"][0],
        lambda one: one["lineItems"][0],
        lambda one: one["billingAddress"],
        lambda one: one["deliveries"][0]["shippingOrderAddress"],
        lambda one: one["orderCustomer"],
    ],
    ids=["delivery", "transaction", "line", "billing address", "shipping address", "customer"],
)
def test_a_childs_write_moves_the_order_and_its_version_though_the_vendor_does_not(child):
    record = placed(1, -7200)
    shop = Shop(order=[record])
    orders = source(shop)
    (before,) = next(orders.fetch([record["id"]]))
    assert numbers(orders.changed(HOUR)) == []
    child(record)["updatedAt"] = at(60)
    ((after,),) = orders.changed(HOUR)
    assert after.version > before.version
    assert after.source_time == START + timedelta(seconds=60)
    assert orders.to_canonical(after, shop.connector().lookups).updated_at == after.source_time
    assert orders.peek(HOUR) == {record["id"]: after.version}


def test_a_new_payment_is_a_write_though_nothing_was_updated():
    record = placed(1, -7200)
    record["transactions"].append({**record["transactions"][0], "id": "b" * 32, "createdAt": at(5)})
    assert numbers(source(Shop(order=[record])).changed(HOUR)) == ["10001"]


@given(st.lists(st.tuples(st.integers(-5, 5), st.none() | st.integers(-5, 5)), min_size=1, max_size=6), st.data())
def test_consecutive_windows_give_every_write_and_versions_grow_with_it(times, data):
    """Each write, wherever it is, is in one of the windows of a second that follow each other, and in none after it."""
    shop = Shop(order=[placed(number, *pair) for number, pair in enumerate(times, start=1)])
    orders = source(shop)
    record = data.draw(st.sampled_from(shop.records["order"]))
    child = data.draw(st.sampled_from([record, *children(record)]))
    (before,) = next(orders.fetch([record["id"]]))
    written = data.draw(st.integers(6, 9))
    child["updatedAt"] = at(written)
    seen = [
        (second, one.version)
        for second in range(-6, 12)
        for page in orders.changed(
            Window(start=START + timedelta(seconds=second), end=START + timedelta(seconds=second + 1))
        )
        for one in page
        if one.native_id == record["id"]
    ]
    assert seen[-1][0] == written
    assert all(version > before.version for _, version in seen)


def test_an_answer_in_another_order_is_no_other_version():
    record = placed(1, 0)
    record["lineItems"].append({**record["lineItems"][0], "id": "b" * 32})
    orders = source(Shop(order=[record]))
    (before,) = next(orders.fetch([record["id"]]))
    record["lineItems"].reverse()
    record["orderCustomer"]["customer"]["groupId"] = "8" * 32  # the account's, not the order's
    (after,) = next(orders.fetch([record["id"]]))
    assert after.version == before.version
    record["lineItems"][0]["label"] = "renamed"
    (renamed,) = next(orders.fetch([record["id"]]))
    assert renamed.version != before.version


def test_what_a_shop_does_between_two_pages_loses_and_repeats_nothing():
    """With numbered pages, an order that leaves the window would shift the next page by one."""
    shop = Shop(order=[placed(number, number) for number in range(1, 8)])

    def at_work(search: int) -> None:
        if search == 2:
            shop.records["order"][0]["updatedAt"] = at(7200)
            shop.records["order"].append(placed(8, 50))

    shop.before = at_work
    assert numbers(source(shop, page_size=2).changed(HOUR)) == [f"1000{one}" for one in range(1, 9)]


def test_a_row_deleted_while_its_page_was_read_does_not_end_the_reading():
    """The vendor counts ids first and reads rows after: ``total`` is 2, ``data`` has one."""
    shop = Shop(order=[placed(number, number) for number in range(1, 5)])
    answers = [
        {"total": 2, "data": [placed(1, 1)]},
        {"total": 2, "data": [placed(3, 3), placed(4, 4)]},
        {"total": 0, "data": []},
    ]
    shop.answer("POST", "search/order", lambda call: answers.pop(0))
    assert numbers(source(shop, page_size=2).changed(HOUR)) == ["10001", "10003", "10004"]
    assert answers == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"data": {}}, "without a list"),
        ([], "without a list"),
        ({"total": 2, "data": []}, "without its records"),
        ({"total": 1, "data": [{"id": "a", "autoIncrement": None}]}, "ends at"),
        ({"total": 1, "data": [{"id": "a", "autoIncrement": 0}]}, "ends at"),
        ({"total": 1, "data": [{"id": "a", "versionId": "d" * 32, "autoIncrement": 1}]}, "draft"),
    ],
)
def test_an_answer_of_another_shape_is_never_taken_for_the_end(answer, words):
    shop = Shop()
    shop.answer("POST", "search/order", answer)
    with pytest.raises(UnexpectedAnswer, match=words):
        list(ShopwareClient(shop).all("order", Criteria(), operation="sales_order.read", page_size=2))


def test_created_tells_by_creation_whatever_came_after():
    shop = Shop(order=[placed(1, -1), placed(2, 5, 9000), placed(3, 7), placed(4, 3600)])
    assert source(shop).created(HOUR) == {
        identity("order 2"): "2026-11-30T10:30:00.000Z",
        identity("order 3"): "2026-11-30T08:00:07.000Z",
    }


def test_a_look_gives_up_where_more_than_a_page_changed():
    shop = Shop(order=[placed(number, number) for number in range(1, 50)])
    assert len(source(shop).peek(HOUR)) == 49
    shop.records["order"].append(placed(50, 50))
    assert source(shop).peek(HOUR) is None


def test_fetch_asks_only_for_what_can_exist_in_pages():
    shop = Shop(order=[placed(number, number) for number in range(1, 4)])
    wanted = [identity(f"order {number}") for number in (1, 2, 3, 99)]
    found = list(source(shop, page_size=2).fetch([*wanted, "17", "x" * 32]))
    assert sorted(numbers(found)) == ["10001", "10002", "10003"]
    assert [len(call.json["ids"]) for call in shop.calls] == [2, 2]
    assert list(source(shop).fetch(["17"])) == []


def test_only_the_sales_channels_that_are_named_are_read():
    other = "d" * 32
    shop = Shop(order=[placed(1, 1), placed(2, 2, salesChannelId=other)])
    orders = source(shop, order_sales_channels=[other], sales_channels={other: "b2b", CHANNEL: "b2c"})
    ((only,),) = orders.changed(HOUR)
    assert (only.payload["orderNumber"], only.scope) == ("10002", "b2b")
    assert set(orders.created(HOUR)) == {identity("order 2")}


def test_an_order_of_another_sales_channel_is_none_though_a_webhook_names_it():
    other = "d" * 32
    shop = Shop(order=[placed(1, 1), placed(2, 2, salesChannelId=other)])
    named = [identity("order 1"), identity("order 2")]
    ours, theirs = source(shop, order_sales_channels=[CHANNEL]), source(shop, order_sales_channels=[other])
    assert numbers(ours.fetch(named)) == ["10001"]
    assert numbers(theirs.fetch(named)) == ["10002"]
    assert sorted(numbers(source(shop).fetch(named))) == ["10001", "10002"]


def test_a_record_is_kept_without_the_key_that_opens_it_to_anybody():
    ((only,),) = source(Shop(order=[placed(1, 1)])).changed(HOUR)
    assert only.payload["deepLinkCode"] == "[redacted]"
    assert only.created_time == START + timedelta(seconds=1)


def test_every_search_follows_the_contract_and_asks_for_the_live_version():
    shop = Shop(order=[placed(1, 1)])
    orders = source(shop, order_sales_channels=[CHANNEL])
    list(orders.changed(HOUR))
    orders.peek(HOUR)
    orders.created(HOUR)
    list(orders.fetch([identity("order 1")]))
    assert [call.operation for call in shop.calls] == [
        "sales_order.read",
        "sales_order.peek",
        "sales_order.list",
        "sales_order.read",
    ]
    for call in shop.calls:
        assert problems_of("/search/order", "post", call.json) == []
        assert call.headers["sw-version-id"] == "0fa91ce3e96a4bc2be4bd9ce752c3425"
        assert call.headers["Accept"] == "application/json"
        assert call.repeatable
        assert "total-count-mode" not in call.json


def test_everything_that_is_mapped_is_asked_for():
    """What no association asks for is not answered: the mapping would find nothing there."""
    shop = Shop(order=[])
    source(shop).peek(HOUR)
    body = shop.calls[0].json
    associations = body["associations"]
    assert set(associations) == {
        "lineItems",
        "deliveries",
        "transactions",
        "billingAddress",
        "orderCustomer",
        "currency",
        "stateMachineState",
    }
    assert set(associations["deliveries"]["associations"]) == {
        "positions",
        "stateMachineState",
        "shippingMethod",
        "shippingOrderAddress",
    }
    assert set(associations["deliveries"]["associations"]["shippingOrderAddress"]["associations"]) == {
        "country",
        "countryState",
    }


def test_an_address_that_only_the_order_knows_is_no_place_to_look_for_a_write():
    """Addresses are searched as a list of the order and answered where they are used."""
    record = placed(1, -7200)
    record["addresses"].append({**address("old"), "createdAt": at(5)})
    assert numbers(source(Shop(order=[record])).changed(HOUR)) == ["10001"]
