"""What a Shopware shop sold and SAP Business One does not know of is not offered again, whatever the orders wait for;
and what is offered after a run of changes is what the comparison of everything would offer.

No time is skipped here: when an order became known is compared with when stock was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.run_context import land_records
from erp_sync.components.state_due import _changed
from erp_sync.components.state_loading import load_states
from erp_sync.components.state_reading import read_states
from erp_sync.components.states import transform_states
from erp_sync.ledger import State
from erp_sync.ledger.schema import deliveries
from erp_sync_tests.e2e.business import later
from erp_sync_tests.e2e.parts_dealer import ROUTE, Dealer, User, parts_dealer

LARGE = [{"name": "Large orders", "object_type": "17", "total_above": 50}]
KINDS = ["server_error", "maintenance", "drop_connection"]


@pytest.fixture
def make(tmp_path: Path) -> Iterator:
    """Both sides compared as a whole once."""
    with ExitStack() as stack:

        def make(**more: Any) -> Dealer:
            settings = {"settle_seconds": {"sales_order.create": 0.2}, **more.pop("erp_settings", {})}
            dealer = stack.enter_context(parts_dealer(tmp_path, erp_settings=settings, **more))
            dealer.books.converge(ROUTE, full=True)
            return dealer

        yield make


@pytest.fixture
def dealer(make) -> Dealer:
    return make()


def offered(dealer: Dealer, sku: str = "SHAFT-20") -> int:
    return int(dealer.look("product", productNumber=sku)["stock"])


def in_erp(dealer: Dealer, sku: str = "SHAFT-20") -> int:
    """What the ERP has and has not promised."""
    with User(dealer.erp) as user:
        item = user.call("GET", f"Items('{sku}')")
    (place,) = (one for one in item["ItemWarehouseInfoCollection"] if one["WarehouseCode"] == "01")
    return int(float(place["InStock"]) - float(place["Committed"]))


def leaves(dealer: Dealer, quantity: int, sku: str = "SHAFT-20") -> None:
    """The warehouse takes so many out for something else, and the ERP's stock is told by what moved."""
    with User(dealer.erp) as user:
        line = {"ItemCode": sku, "Quantity": quantity, "WarehouseCode": "01"}
        user.call("POST", "InventoryGenExits", {"DocumentLines": [line]})


def run_orders(dealer: Dealer, times: int = 1) -> None:
    """Runs of the orders; what is due later is due now."""
    for _ in range(times):
        with dealer.books.installation() as here, here.ledger.database.write() as write:
            now = datetime.now(UTC)
            write.execute(sa.update(deliveries).where(deliveries.c.due_at > now).values(due_at=now))
        dealer.books.run("orders", ROUTE)


def changes(dealer: Dealer, *keys: str) -> None:
    """A run that reads what changed, or these keys of the fast lane."""
    if not keys:
        dealer.books.converge(ROUTE)
        return
    dealer.books.runs += 1
    run_id, kind = f"run-{dealer.books.runs}", FLOWS["inventory"]
    with dealer.books.installation() as here:
        route = here.configuration.routes[ROUTE]

        def land(entity: str, records: list[Any]) -> str:
            return land_records(here, route.erp, entity, run_id, records)

        read_states(here, route.erp, kind, [route], land, run_id=run_id, now=later(), keys=keys)
        transform_states(here, route, kind, route.flows["inventory"], run_id=run_id, lane="now", keys=keys)
        load_states(here, route, kind, owner=f"{run_id}:1", lane="now")


def everything(dealer: Dealer) -> None:
    dealer.books.converge(ROUTE, full=True)


def wanted(dealer: Dealer) -> str | None:
    """Why a run would start now."""
    with dealer.books.installation() as here:
        return _changed(here, here.configuration.routes[ROUTE], "inventory", later()).why


def dismiss(dealer: Dealer) -> None:
    with dealer.books.installation() as here:
        ids = [one.id for one in here.ledger.deliveries.find(route=ROUTE, flow="orders", states=[State.DEAD])]
        here.ledger.dead_letters.dismiss(ids, "ann", "not wanted")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_sold_while_no_order_gets_through_is_not_offered_again(dealer: Dealer, kind: str):
    dealer.erp.fault(kind, "Orders.create", times=None)
    for number, quantity in enumerate((7, 5)):
        dealer.buy({"SHAFT-20": quantity})
        run_orders(dealer)
        leaves(dealer, 100)
        changes(dealer)
        assert offered(dealer) == (393, 288)[number]
    everything(dealer)
    assert offered(dealer) == 288
    dealer.erp.clear_faults()
    for _ in range(3):
        run_orders(dealer)
    assert {state for state, _ in dealer.states().values()} == {"delivered"}
    changes(dealer)
    assert offered(dealer) == in_erp(dealer) == 288
    everything(dealer)
    assert offered(dealer) == 288


def test_a_quantity_that_was_written_over_an_order_not_read_yet_is_mended_by_the_next_run(dealer: Dealer):
    """The ERP has fewer, and the shop sold one that nobody has read yet: nothing else tells that it must be written."""
    dealer.erp.fault("server_error", "Orders.create", times=None)
    dealer.buy({"SHAFT-20": 7})
    leaves(dealer, 100)
    changes(dealer)
    assert offered(dealer) == 400
    run_orders(dealer)
    assert wanted(dealer) is not None
    changes(dealer)
    assert offered(dealer) == 393
    changes(dealer)
    assert wanted(dealer) is None


def test_the_fast_lane_and_the_comparison_of_everything_come_to_the_same(dealer: Dealer):
    dealer.erp.fault("server_error", "Orders.create", times=None)
    dealer.buy({"SHAFT-20": 7, "GREASE-400": 3})
    run_orders(dealer)
    leaves(dealer, 100)
    changes(dealer, "SHAFT-20")
    assert [offered(dealer, sku) for sku in ("SHAFT-20", "GREASE-400")] == [393, 497]
    changes(dealer, "GREASE-400")
    everything(dealer)
    assert [offered(dealer, sku) for sku in ("SHAFT-20", "GREASE-400")] == [393, 497]


def test_what_the_erp_has_by_a_send_without_an_answer_is_taken_off_twice_until_that_is_known(make):
    dealer = make(erp_settings={"write_timeout_seconds": 0.4})
    dealer.erp.fault("timeout_after_commit", "Orders.create", times=1)
    number = dealer.buy({"SHAFT-20": 7})
    run_orders(dealer)
    assert dealer.states() == {number: ("due", "outcome_unknown")}
    changes(dealer)
    assert offered(dealer) == 486
    run_orders(dealer, 3)
    assert dealer.states() == {number: ("delivered", "")}
    assert wanted(dealer) is not None
    changes(dealer)
    assert offered(dealer) == in_erp(dealer) == 493


@pytest.mark.parametrize("look", [changes, everything])
def test_an_order_that_was_rejected_counts_until_a_person_has_dismissed_it(make, look):
    dealer = make(erp_data={"approval_templates": LARGE}, erp_settings={"approval_poll_seconds": 0})
    number = dealer.buy({"SHAFT-20": 7})
    run_orders(dealer)
    assert dealer.states() == {number: ("due", "accepted")}
    changes(dealer)
    assert offered(dealer) == 493
    dealer.decide("ardNotApproved", "no more on account")
    run_orders(dealer)
    assert dealer.states() == {number: ("dead", "approval_rejected")}
    changes(dealer)
    assert offered(dealer) == 493
    dismiss(dealer)
    assert wanted(dealer) is not None
    look(dealer)
    assert offered(dealer) == in_erp(dealer) == 500
    assert wanted(dealer) is None


def test_an_order_that_was_dismissed_before_stock_was_reckoned_with_it_leaves_the_stock_to_the_others(make):
    """The shop has lowered its stock by itself, and no plan has counted the order."""
    dealer = make(erp_data={"approval_templates": LARGE}, erp_settings={"approval_poll_seconds": 0})
    dealer.buy({"SHAFT-20": 7})
    run_orders(dealer)
    dealer.decide("ardNotApproved", "no more on account")
    run_orders(dealer)
    dismiss(dealer)
    assert wanted(dealer) is not None
    changes(dealer)
    assert offered(dealer) == 500
    assert wanted(dealer) is None


def test_what_is_cancelled_in_the_shop_before_the_erp_knows_it_can_be_sold_again(dealer: Dealer):
    dealer.erp.fault("server_error", "Orders.create", times=None)
    number = dealer.buy({"SHAFT-20": 7})
    run_orders(dealer)
    changes(dealer)
    dealer.cancel(number)
    run_orders(dealer)
    changes(dealer)
    assert offered(dealer) == in_erp(dealer) == 500


def test_an_order_that_waits_for_an_article_counts(make):
    dealer = make(erp_items=["BEARING-6204", "SHAFT-20"])
    dealer.buy({"SHAFT-20": 4, "GREASE-400": 1})
    run_orders(dealer)
    leaves(dealer, 100)
    changes(dealer)
    assert offered(dealer) == 396


def test_an_order_that_is_cancelled_before_anybody_has_read_it_leaves_no_units_too_many(dealer: Dealer) -> None:
    """Between its purchase and its cancellation a figure of ours was written over the shop's."""
    number = dealer.buy({"SHAFT-20": 3})
    everything(dealer)
    assert offered(dealer) == in_erp(dealer)
    dealer.cancel(number)
    assert offered(dealer) == in_erp(dealer) + 3
    run_orders(dealer)
    assert dealer.states() == {}
    assert wanted(dealer) is not None
    changes(dealer)
    changes(dealer)
    assert offered(dealer) == in_erp(dealer)
    assert wanted(dealer) is None
