"""The stock that the shop raises when an order is cancelled by us: its keys are doubted."""

from __future__ import annotations

import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.ports.documents import MovesState, Requirement
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync_tests.systems.shopware.samples import line, order, promotion
from erp_sync_tests.systems.shopware.test_contract import problems_of
from erp_sync_tests.systems.shopware.test_targets import ORDER, shop, status_target, update


def test_a_cancellation_moves_the_stock_of_the_orders_products():
    """By the keys that the stock's target makes; of each product once, whatever else the order has lines of."""
    record = order(line("MUG", "5.95"), line("CAP", "5.95"), line("MUG", "0"), promotion("ten off", "-1"))
    there = shop(record)
    connector = there.connector(stock_source="berlin")
    target, stock = connector.port("order_status", "target"), connector.port("stock_level", "target")
    document = update(OrderStatus.CANCELLED)
    assert isinstance(target, MovesState)
    assert target.resolve(target.requirements(document)) == {Requirement("sales_order", ORDER): ORDER}
    calls = len(there.calls)
    found = target.moves(document)
    assert [stock.sku(key) for key in found] == ["CAP", "MUG"]
    assert found == [stock.key(stock.row(key, {"quantity": "1"})) for key in found] == ["berlin/CAP", "berlin/MUG"]
    assert len(there.calls) == calls
    assert problems_of("/search/order", "post", there.calls[0].json) == []
    (cancel,) = [one for one in target.steps(document) if target.capabilities.operation(one.operation).moves]
    assert cancel.operation == "sales_order.cancel"


def test_an_update_that_cancels_nothing_moves_nothing_and_a_setting_may_say_that_it_cancels():
    there = shop(order())
    needs = [Requirement("sales_order", ORDER)]
    target = status_target(there)
    target.resolve(needs)
    assert target.moves(update(OrderStatus.CLOSED)) == []
    cancelling = status_target(there, order_states={"closed": "cancelled"})
    cancelling.resolve(needs)
    assert cancelling.moves(update(OrderStatus.CLOSED)) == ["default/MUG"]


def test_what_a_cancellation_moves_is_what_the_last_look_found():
    record = order()
    target = status_target(shop(record))
    needs = [Requirement("sales_order", ORDER)]
    target.resolve(needs)
    record["lineItems"] = [line("CAP", "11.90")]
    assert target.moves(update(OrderStatus.CANCELLED)) == ["default/MUG"]
    target.resolve(needs)
    assert target.moves(update(OrderStatus.CANCELLED)) == ["default/CAP"]
    record["lineItems"] = None
    with pytest.raises(UnexpectedAnswer, match="without its lines"):
        target.resolve(needs)
