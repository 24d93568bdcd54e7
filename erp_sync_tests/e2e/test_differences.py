"""Orders whose amounts differ by more than the tolerance: held with both calculations, approved as they are, or not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from erp_sync.ledger import State
from erp_sync.operations import decisions
from erp_sync.operations.choosing import CannotDo
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.e2e.test_routes_in_process import trace


def test_the_erps_tax_is_let_pass_as_it_is_for_one_order_and_refused_for_another(tmp_path: Path):
    with business(tmp_path, store_settings={"tax_from_store": False}) as shop:
        passes, refused = shop.store.buy("ann", {"MUG": 2}), shop.store.buy("bob", {"TEA": 3})
        shop.settle()
        assert [shop.delivery(number).state for number in (passes, refused)] == [State.HELD, State.HELD]
        with shop.installation() as here:
            with pytest.raises(CannotDo, match="--why"):
                decisions.approve(here, passes, who="ann")
            decisions.approve(here, passes, who="ann", why="the carrier's zone is new; the ERP is right")
            decisions.reject(here, refused, who="ann", why="the customer was charged wrongly")
        shop.settle()
        assert [shop.delivery(number).state for number in (passes, refused)] == [State.DELIVERED, State.DISMISSED]
        (deposit,) = shop.deposits(passes)
        assert Decimal(deposit["payment"]) == Decimal(shop.store.order(shop.store.id_of(passes))["grand_total"])
        assert shop.deposits(refused) == []
        assert len(shop.in_erp(passes)) == 1
        (told,) = [event for event in trace(shop, passes) if event.kind == "approved"]
        assert (told.actor, told.details["why"]) == ("ann", "the carrier's zone is new; the ERP is right")
        assert told.details["differences"][0].startswith("tax: ")
        confirmed = [event.details["values"] for event in trace(shop, passes) if "values" in event.details]
        assert Decimal(confirmed[0]["tax_difference"]) == shop.delivery(passes).allowed[0].amount


def test_a_store_whose_totals_do_not_add_up_is_held_before_anything_is_written_and_goes_as_it_is(tmp_path: Path):
    with business(tmp_path) as shop:
        number, other = shop.store.buy("ann", {"MUG": 2}), shop.store.buy("bob")
        wrong = Decimal(shop.store.order(shop.store.id_of(number))["grand_total"]) - 3
        shop.store.sql("UPDATE sales_order SET grand_total = ? WHERE increment_id = ?", str(wrong), number)
        shop.settle()
        held = shop.delivery(number)
        assert (held.state, held.code) == (State.HELD, "total_difference")
        assert {one.part: one.amount for one in held.differences if one.beyond} == {
            "total": Decimal(3),
            "header": Decimal(3),
        }
        assert (len(shop.in_erp(number)), len(shop.in_erp(other))) == (0, 1)
        assert shop.report().orders.held[number].startswith("total_difference: total: ")
        with shop.installation() as here:
            decisions.approve(here, number, who="ann", why="a voucher that the store books elsewhere")
        shop.settle()
        assert shop.delivery(number).state is State.DELIVERED
        assert len(shop.in_erp(number)) == 1
        # A change that leaves the amounts alone asks nobody again.
        touch(shop, number)
        shop.settle()
        assert [one.state for one in shop.deliveries() if one.number == number] == [State.DELIVERED]


def touch(shop: Business, number: str) -> None:
    shop.store.sql(
        "UPDATE sales_order SET updated_at = datetime(updated_at, '+1 second') WHERE increment_id = ?", number
    )
