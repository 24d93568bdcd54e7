"""Stock from NetSuite to Magento, end to end over HTTP: what the store's own database holds afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from erp_sync.components.state_due import fast_keys
from erp_sync.flows.shipments.transform import encode
from erp_sync.ledger import NewDelivery
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.lookups import LookupRow
from erp_sync.ledger.plans import PlanState
from erp_sync.ledger.schema import plans
from erp_sync.model.keys import EntityKey
from erp_sync.model.shipment import Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN, Receipt
from erp_sync_tests.components.hung_reads import HungRead
from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

SOURCE_ITEMS = "/V1/inventory/source-items"
INVENTORY = "{inventory: {mode: on, every: 5m, guards: {few: 3}}}"
WITH_SHIPMENTS = "{inventory: {mode: on, every: 5m}, shipments: {mode: on, start: 2026-01-01T00:00:00Z}}"


@pytest.fixture
def make(tmp_path: Path) -> Iterator:
    """Two systems that have been compared as a whole once."""
    with ExitStack() as stack:

        def make(flows: str = INVENTORY, **more) -> TwoSystems:
            world = stack.enter_context(two_systems(tmp_path / "world", flows, **more))
            world.run("inventory", full=True)
            return world

        yield make


@pytest.fixture
def systems(make) -> TwoSystems:
    return make()


def test_a_changed_quantity_is_in_the_store_after_one_run(systems):
    systems.erp_set("MUG", "east", 3)
    ran = systems.run("inventory")
    assert systems.store_quantities() == {
        "east/MUG": "3", "west/MUG": "2", "east/TEA": "100", "west/TEA": "0",
        "east/CUP": "8", "west/CUP": "8", "east/POT": "1", "west/POT": "3",
    }  # fmt: skip
    assert (ran.transformed.changed, ran.loaded.applied, ran.loaded.batches) == (1, 1, 1)


def test_what_was_refused_lately_is_looked_up_for_the_rows_that_differ_alone(systems, monkeypatch):
    """On the day of a first load every row was written lately: each run went through all of them."""
    plans = systems.here.ledger.plans
    asked = []

    def refusals(target, entity, since, keys=None):
        asked.append(keys)
        return found(target, entity, since, keys)

    found = plans.refusals
    monkeypatch.setattr(plans, "refusals", refusals)
    systems.erp_set("MUG", "east", 3)
    ran = systems.run("inventory")
    (plan,) = plans.find()
    assert ran.transformed.compared > 1
    assert asked == [plans.table(plan.id).column("key").to_pylist()]


def test_nothing_changed_means_no_plan_and_no_write(systems):
    systems.run("inventory")
    systems.run("inventory", full=True)
    assert systems.here.ledger.plans.find() == []
    assert systems.calls(systems.store, "POST", SOURCE_ITEMS) == 0


def test_a_run_beside_the_first_comparison_does_not_take_an_unread_store_for_an_empty_one(tmp_path):
    """The source is read whole, the store not yet: a run of the usual lane must not plan to write everything."""
    with two_systems(tmp_path / "world", INVENTORY) as world:
        first, _ = world.read("inventory", full=True)
        world.here.ledger.known.forget("magento_us", "stock_level")
        beside = world.run("inventory")
        assert (beside.transformed.changed, beside.loaded.applied) == (0, 0)
        done = world.transform("inventory", first, full=True)
        assert done.compared == 8


def test_the_fast_lane_reads_and_writes_its_keys_only(systems):
    systems.run("inventory")
    systems.erp_set("MUG", "east", 4)
    systems.erp_set("TEA", "east", 90)
    ran = systems.run("inventory", keys=("MUG",), lane="now")
    assert (systems.store_quantities()["east/MUG"], systems.store_quantities()["east/TEA"]) == ("4", "100")
    assert ran.reading.extraction.seen == 2
    systems.run("inventory")
    assert systems.store_quantities()["east/TEA"] == "90"


def test_a_best_seller_that_sells_out_is_sold_out_in_the_store_although_it_is_all_that_the_fast_lane_looked_at(systems):
    """All rows of the run go to zero; held for a person, the store would go on selling it."""
    systems.erp_set("MUG", "east", 0)
    systems.erp_set("MUG", "west", 0)
    systems.run("inventory", keys=("MUG",), lane="now")
    assert {systems.store_quantities()[f"{place}/MUG"] for place in ("east", "west")} == {"0"}
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []


def test_best_sellers_that_all_go_to_zero_at_once_wait_for_a_person(systems):
    skus = ("MUG", "TEA", "CUP", "POT")
    for sku in skus:
        systems.erp_set(sku, "east", 0)
        systems.erp_set(sku, "west", 0)
    systems.run("inventory", keys=skus, lane="now")
    assert systems.store_quantities()["east/TEA"] == "100"
    assert len(systems.here.ledger.plans.find(states=[PlanState.HELD])) == 1


def test_best_sellers_that_go_to_zero_one_after_the_other_wait_for_a_person_like_all_at_once(systems):
    """Each event starts a run of its own article: what the last hour's runs wrote is judged together."""
    for sku in ("MUG", "TEA"):
        systems.erp_set(sku, "east", 0)
        systems.erp_set(sku, "west", 0)
        systems.run("inventory", keys=(sku,), lane="now")
    assert {systems.store_quantities()[f"east/{sku}"] for sku in ("MUG", "TEA")} == {"0", "100"}
    (held,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "3 of 8 rows go to zero" in held.reason
    # A person who lets it pass has seen what went before.
    systems.here.ledger.plans.approve(held.id, "ann", "a flash sale")
    systems.load("inventory")
    assert systems.store_quantities()["east/TEA"] == "0"
    systems.erp_set("CUP", "east", 0)
    systems.run("inventory", keys=("CUP",), lane="now")
    assert systems.store_quantities()["east/CUP"] == "0"


def test_what_went_to_zero_an_hour_ago_and_more_is_no_wave(systems):
    systems.erp_set("MUG", "east", 0)
    systems.erp_set("MUG", "west", 0)
    systems.run("inventory", keys=("MUG",), lane="now")
    with systems.here.ledger.database.write() as write:
        write.execute(sa.update(plans).values(finished_at=systems.here.ledger.now() - timedelta(minutes=61)))
    systems.erp_set("TEA", "east", 0)
    systems.run("inventory", keys=("TEA",), lane="now")
    assert systems.store_quantities()["east/TEA"] == "0"


THIRTY = [f"S{number:02}" for number in range(30)]
SIXTY_ROWS = CATALOGUE | {
    "items": [{**CATALOGUE["items"][0], "sku": sku} for sku in THIRTY],
    "stock": [{"sku": sku, "location": place, "quantity": 5} for sku in THIRTY for place in ("east", "west")],
}


def set_all(systems: TwoSystems, skus: list[str], quantity: int) -> None:
    """In both warehouses; then a run of the usual lane."""
    for sku in skus:
        for place in ("east", "west"):
            systems.erp_set(sku, place, quantity)
    systems.run("inventory")


def test_stock_that_goes_to_zero_wave_by_wave_waits_for_a_person_like_all_at_once(make):
    """Each poll was judged by itself: a source that answers zeros, a fifth of the shop each time, emptied all of it."""
    systems = make("{inventory: {mode: on}}", catalogue=SIXTY_ROWS)
    set_all(systems, THIRTY[:5], 0)
    assert systems.store_quantities()["east/S00"] == "0"
    set_all(systems, THIRTY[5:10], 0)
    (held,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "20 of 60 rows go to zero (33.3%, limit 20.0%)" in held.reason
    assert systems.store_quantities()["east/S05"] == "5"
    # A person who lets it pass has seen what went before.
    systems.here.ledger.plans.approve(held.id, "ann", "the season is over")
    systems.load("inventory")
    set_all(systems, THIRTY[10:12], 0)
    assert {systems.store_quantities()[f"east/{sku}"] for sku in THIRTY[:12]} == {"0"}


def test_what_sells_out_one_after_the_other_in_normal_trade_waits_for_nobody(make):
    systems = make("{inventory: {mode: on}}", catalogue=SIXTY_ROWS)
    for sku in THIRTY[:3]:
        set_all(systems, [sku], 0)
    systems.erp_set("S03", "east", 0)
    systems.run("inventory", keys=("S03",), lane="now")
    # What comes back is no part of the wave, nor is what sells out twice.
    set_all(systems, THIRTY[:3], 4)
    set_all(systems, THIRTY[1:6], -1)  # other than the zero of perhaps the same second, which has been read
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []
    assert {systems.store_quantities()[f"west/{sku}"] for sku in THIRTY[1:6]} == {"0"}


def test_a_full_comparison_leaves_to_the_fast_lane_what_that_has_read_meanwhile(systems):
    systems.erp_set("TEA", "east", 90)
    whole, reading = systems.read("inventory", full=True)
    while datetime.now(UTC) <= reading.extraction.window_end:
        time.sleep(0.02)  # runs here are a second ahead of the clock that stamps what is received
    systems.erp_set("MUG", "east", 4)
    fast, _ = systems.read("inventory", keys=("MUG",))
    systems.transform("inventory", whole, full=True, lane="bulk")
    assert systems.transform("inventory", fast, keys=("MUG",), lane="now").changed == 1
    assert systems.load("inventory", fast, lane="now").applied == 1
    assert (systems.store_quantities()["east/MUG"], systems.store_quantities()["east/TEA"]) == ("4", "100")
    systems.load("inventory", whole, lane="bulk")
    assert (systems.store_quantities()["east/MUG"], systems.store_quantities()["east/TEA"]) == ("4", "90")


@pytest.mark.parametrize("fault", ["timeout_after_commit", "timeout_before"])
def test_what_a_lost_answer_left_is_read_once_it_has_settled_and_the_quantity_is_right(make, monkeypatch, fault):
    """Never sent again at once: what was given up may still be carried out, after a newer quantity."""
    systems = make(store_settings={"timeout_seconds": 1})
    before = systems.store_quantities()["east/MUG"]
    systems.store.fault(fault, method="POST", endpoint="*source-items*", times=1)
    systems.erp_set("MUG", "east", 3)
    assert systems.run("inventory").loaded.unknown == 1
    assert systems.store_quantities()["east/MUG"] == ("3" if fault == "timeout_after_commit" else before)
    database = systems.here.ledger.database
    settled = systems.here.ledger.now() + timedelta(minutes=10)
    monkeypatch.setattr(database, "_clock", lambda: settled)
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "3"
    (known,) = systems.here.ledger.known.get("magento_us", "stock_level", ["east/MUG"]).values()
    assert known.sure


# -- whose orders take what ------------------------------------------------------------------------


def test_the_stores_own_orders_are_not_taken_off_twice(systems):
    """The store nets its own open orders itself; those of other channels it cannot know."""
    systems.erp_order("magento_us_7", "MUG", 2)
    systems.erp_order("pos_9", "CUP", 3)
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "5"
    assert systems.store_quantities()["east/CUP"] == "5"


def test_what_has_left_stays_until_the_store_has_booked_it(make):
    systems = make(WITH_SHIPMENTS)
    order = systems.erp_order("magento_us_7", "MUG", 5)
    picked = systems.erp_ship(order, "A")
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "5"
    systems.warehouse.change(f"itemFulfillment/{picked}", {"shipStatus": {"id": "C"}})
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "5", "else posting the shipment would fail for want of stock"
    book(systems, picked, "MUG", 5)
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "0"
    assert systems.calls(systems.store, "POST", SOURCE_ITEMS) == 0, "the store's own booking had it right already"


def test_without_the_shipments_flow_nobody_knows_what_is_booked(systems):
    systems.erp_ship(systems.erp_order("magento_us_7", "MUG", 2))
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "3"


def test_another_order_meanwhile_is_taken_off_after_the_booking(make):
    """The store lowered its source by 2; the ERP's count found one more to be missing."""
    systems = make(WITH_SHIPMENTS)
    shipped = systems.erp_ship(systems.erp_order("magento_us_7", "CUP", 2))
    book(systems, shipped, "CUP", 2)
    systems.erp_set("CUP", "east", 5)
    systems.run("inventory")
    assert systems.store_quantities()["east/CUP"] == "5"


def book(systems: TwoSystems, fulfillment: int, sku: str, quantity: int) -> None:
    """The shipments flow posts the shipment: the store lowers its source, the ledger knows what moved."""
    ledger, claim = systems.here.ledger, post(systems, fulfillment, sku, quantity)
    systems.store_sql(
        "UPDATE inventory_source_item SET quantity = CAST(quantity AS REAL) - ?, "
        "status = CASE WHEN CAST(quantity AS REAL) > ? THEN status ELSE 0 END WHERE sku = ? AND source_code = 'east'",
        (quantity, quantity, sku),
    )
    ledger.steps.confirm(claim, "shipment", Receipt(target_id="1"))
    ledger.deliveries.complete(claim)


def post(systems: TwoSystems, fulfillment: int, sku: str, quantity: int) -> Claim:
    """The shipments flow sends the shipment; its answer is still to come."""
    ledger = systems.here.ledger
    document = Shipment(
        connection="netsuite_us",
        scope="",
        native_id=str(fulfillment),
        status=ShipmentStatus.SHIPPED,
        order_native_id="1",
        order_key="7",
        location=systems.location("east"),
        lines=(ShipmentLine(order_line="1", sku=sku, quantity=Decimal(quantity)),),
    )
    key = EntityKey("netsuite_us", "", "shipment", str(fulfillment))
    with ledger.handling("us", "shipments") as work:
        work.accept([NewDelivery(key=key, target="magento_us", version="1", payload=encode(document))])
    (claim,) = ledger.deliveries.claim("us", "shipments", "magento_us", ("normal",), 1, "test:1", 60)
    ledger.steps.plan(claim, [Step(name="shipment", operation="shipment.create", key=f"f{fulfillment}")])
    ledger.steps.begin(claim, "shipment", moves=[("magento_us", "stock_level", [f"east/{sku}"])])
    return claim


def test_what_was_shipped_for_an_order_that_the_store_cancelled_is_not_kept_for_it(make):
    """The store refuses the shipment for ever and has freed the order's reservation: nothing of it is there to sell."""
    systems = make(WITH_SHIPMENTS)
    shipped = systems.erp_ship(systems.erp_order("magento_us_7", "MUG", 3))
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "5"
    claim = post(systems, shipped, "MUG", 3)
    systems.here.ledger.steps.refuse(claim, "shipment", QUANTITY_ABOVE_OPEN, "order 7 is cancelled")
    systems.here.ledger.deliveries.dead(claim, QUANTITY_ABOVE_OPEN, "order 7 is cancelled")
    systems.run("inventory", full=True)
    assert systems.store_quantities()["east/MUG"] == "2"


def test_what_a_shipment_moves_while_a_run_reads_is_compared_by_the_next_run(make, monkeypatch):
    """Made sure by the read of the store alone, it would stay wrong until the daily comparison."""
    systems = make(WITH_SHIPMENTS)
    shipped = systems.erp_ship(systems.erp_order("magento_us_7", "CUP", 2))
    book(systems, shipped, "CUP", 2)
    moved = systems.erp_ship(systems.erp_order("magento_us_8", "TEA", 30))
    systems.run("inventory")
    systems.store_sql("UPDATE inventory_source_item SET quantity = 60 WHERE sku = 'TEA' AND source_code = 'east'")
    source = systems.here.source(systems.route, "inventory")
    read = source.read

    def read_while_a_shipment_is_posted(keys):
        pages = list(read(keys))
        monkeypatch.setattr(source, "read", read)
        systems.here.ledger.known.mark_unknown("magento_us", "stock_level", ["east/TEA"], "a shipment moved it")
        return iter(pages)

    systems.here.ledger.known.mark_unknown("magento_us", "stock_level", ["east/CUP"], "a shipment moved it")
    monkeypatch.setattr(source, "read", read_while_a_shipment_is_posted)
    systems.run("inventory")
    systems.run("inventory")
    assert moved
    assert systems.store_quantities()["east/TEA"] == "100", "70 on hand, and 30 that the store has not booked"


def test_who_has_read_both_sides_of_a_key_compares_it_though_another_run_took_the_row(systems, monkeypatch):
    """Two runs side by side: the second one takes the row while the key is unsure, and plans nothing of it."""
    systems.store_sql("UPDATE inventory_source_item SET quantity = 1 WHERE sku = 'CUP' AND source_code = 'east'")
    systems.here.ledger.known.mark_unknown("magento_us", "stock_level", ["east/CUP"], "a shipment moved it")
    target = systems.here.connector_for(systems.route, "store").port("stock_level", "target")
    read = type(target).read
    others: list[int] = []

    def read_after_another_run(port, skus):
        if not others:
            others.append(systems.transform("inventory", "another run").changed)
        return read(port, skus)

    monkeypatch.setattr(type(target), "read", read_after_another_run)
    systems.run("inventory")
    assert others == [0]
    assert systems.store_quantities()["east/CUP"] == "8"


def test_best_sellers_are_counted_from_orders_unless_the_route_lists_them(make):
    systems = make("{inventory: {mode: on, fast: {every: 60s, skus: [POT]}}}")
    assert fast_keys(systems.here, systems.route, systems.flow("inventory").fast, datetime.now(UTC)) == ("POT",)


# -- rules ---------------------------------------------------------------------------------------


def test_safety_stock_is_kept_back_and_backorders_may_be_sold_at_zero(make):
    systems = make("{inventory: {mode: on, rules: {safety_stock: {default: 1, skus: {TEA: 40}}, backorders: [POT]}}}")
    assert systems.store_quantities()["east/TEA"] == "60"
    assert systems.store_quantities()["east/POT"] == "0"
    rows = systems.store_rows("SELECT sku, status FROM inventory_source_item WHERE source_code = 'east' ORDER BY sku")
    assert dict(rows) | {"CUP": 1} == {"MUG": 1, "TEA": 1, "CUP": 1, "POT": 1}


def test_several_locations_that_are_one_source_are_added(make):
    """A change at one of them alone is added to what the other one has."""
    systems = make(
        "{inventory: {mode: on}}",
        lookups={"locations": [LookupRow(key="1", value="east"), LookupRow(key="2", value="east")]},
    )
    assert systems.store_quantities()["east/CUP"] == "16"
    systems.erp_sql("UPDATE aggregateitemlocation SET lastquantityavailablechange = '2026-01-01T00:00:00Z'")
    systems.erp_set("CUP", "west", 3)
    systems.run("inventory")
    assert systems.store_quantities()["east/CUP"] == "11"


def test_a_location_without_a_source_is_not_offered(make):
    systems = make("{inventory: {mode: on}}", lookups={"locations": [LookupRow(key="1", value="east")]})
    systems.erp_set("CUP", "west", 1)
    ran = systems.run("inventory")
    assert systems.store_quantities()["west/CUP"] == "8"
    assert ran.transformed.left_out["location_not_offered"] >= 1


# -- bad input -------------------------------------------------------------------------------------


def test_a_sku_that_two_items_have_is_named_and_left_alone(systems):
    systems.erp_sql("UPDATE item SET itemid = 'MUG' WHERE itemid = 'TEA'")
    systems.erp_set("CUP", "east", 2)
    systems.run("inventory", full=True)
    assert systems.store_quantities()["east/MUG"] == "5"
    assert systems.store_quantities()["east/CUP"] == "2"
    rules = {row.rule for row in systems.here.ledger.quarantine.find(flow="inventory")}
    assert rules == {"duplicate_sku"}


def test_a_negative_quantity_is_named_and_nothing_of_it_is_sold(systems):
    systems.erp_set("MUG", "east", -2)
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "0"
    (row,) = systems.here.ledger.quarantine.find(flow="inventory")
    assert row.rule == "negative_quantity"
    assert "MUG" in row.problem
    systems.erp_set("MUG", "east", 6)
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "6"
    assert systems.here.ledger.quarantine.find(flow="inventory") == []


def test_a_negative_quantity_crosses_a_read_that_hung_as_any_other(systems, monkeypatch):
    """It is named in quarantine, and planned all the same."""
    systems.erp_set("MUG", "east", -2)
    HungRead(systems, monkeypatch, "inventory", "stock_level.read", ("MUG", "TEA"), compared=True)
    run_id, _ = systems.read("inventory", full=True)
    systems.erp_set("MUG", "east", 6)
    assert systems.transform("inventory", run_id, full=True).unsure == 2  # of both its warehouses
    systems.load("inventory")
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "6"


def test_stock_of_a_product_that_the_store_lacks_waits_for_it(make, tmp_path):
    from erp_sync_tests.components.two_systems import CATALOGUE

    less = CATALOGUE | {
        "items": [item for item in CATALOGUE["items"] if item["sku"] != "POT"],
        "stock": [row for row in CATALOGUE["stock"] if row["sku"] != "POT"],
    }
    systems = make(store_catalogue=less)
    systems.erp_set("MUG", "east", 1)
    ran = systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "1"
    assert "east/POT" not in systems.store_quantities()
    assert ran.loaded.refused == 0


# -- guards ----------------------------------------------------------------------------------------


def test_an_empty_answer_of_the_erp_leaves_the_shop_unchanged(systems):
    before = systems.store_quantities()
    systems.erp_sql("DELETE FROM aggregateitemlocation")
    for _ in range(2):
        ran = systems.run("inventory", full=True)
    assert systems.store_quantities() == before
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert "missing from the extract" in plan.reason
    (notice,) = systems.here.ledger.notices.open()
    assert f"plan {plan.id}" in notice.text
    assert notice.times == 1 + ran.transformed.held


def test_an_approved_plan_is_written_and_a_rejected_one_is_not_held_again(systems):
    for sku in ("MUG", "TEA", "CUP", "POT"):
        systems.erp_set(sku, "east", 0)
    systems.run("inventory", full=True)
    ledger = systems.here.ledger
    (plan,) = ledger.plans.find(states=[PlanState.HELD])
    ledger.plans.reject(plan.id, "ada", "the warehouse did not burn down")
    systems.run("inventory", full=True)
    assert ledger.plans.find(states=[PlanState.HELD]) == []
    assert systems.store_quantities()["east/TEA"] == "100"

    systems.erp_set("MUG", "west", 1)  # another plan
    systems.run("inventory", full=True)
    (plan,) = ledger.plans.find(states=[PlanState.HELD])
    ledger.plans.approve(plan.id, "ada", "it did")
    systems.load("inventory")
    assert {systems.store_quantities()[f"east/{sku}"] for sku in ("MUG", "TEA", "CUP", "POT")} == {"0"}


def test_a_held_plan_is_not_smuggled_through_by_the_lanes(systems):
    for sku in ("MUG", "TEA", "CUP", "POT"):
        systems.erp_set(sku, "east", 0)
    systems.run("inventory", full=True)
    systems.run("inventory", keys=("MUG",), lane="now")
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "5"
    assert len(systems.here.ledger.plans.find(states=[PlanState.HELD])) == 1


def test_a_held_plan_goes_away_when_the_erp_is_itself_again(systems):
    for sku in ("MUG", "TEA", "CUP", "POT"):
        systems.erp_set(sku, "east", 0)
    systems.run("inventory", full=True)
    for sku, quantity in (("MUG", 5), ("TEA", 100), ("CUP", 8), ("POT", 1)):
        systems.erp_set(sku, "east", quantity)
    systems.run("inventory")
    assert systems.here.ledger.plans.find(states=[PlanState.HELD]) == []
    assert systems.here.ledger.notices.open() == []


def test_a_jump_holds_the_row_that_jumps_and_no_other(make):
    systems = make("{inventory: {mode: on, guards: {max_jump_factor: 100}}}")
    systems.erp_set("MUG", "east", 50000)
    systems.erp_set("TEA", "east", 90)
    systems.run("inventory")
    assert (systems.store_quantities()["east/MUG"], systems.store_quantities()["east/TEA"]) == ("5", "90")
    (plan,) = systems.here.ledger.plans.find(states=[PlanState.HELD])
    assert systems.here.ledger.plans.table(plan.id).column("key").to_pylist() == ["east/MUG"]


def test_an_item_that_is_gone_from_the_erp_is_sold_no_more(make):
    systems = make("{inventory: {mode: on, guards: {max_missing_share: 0.5}}}")
    systems.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'MUG'")
    systems.run("inventory", full=True)
    assert (systems.store_quantities()["east/MUG"], systems.store_quantities()["west/MUG"]) == ("0", "0")
    assert systems.store_quantities()["east/TEA"] == "100"


def test_what_somebody_edits_in_the_store_is_found_by_the_full_comparison_and_put_back(systems):
    systems.store_sql(
        "UPDATE inventory_source_item SET quantity = '77.0000' WHERE sku = 'MUG' AND source_code = 'east'"
    )
    systems.run("inventory")
    assert systems.store_quantities()["east/MUG"] == "77"
    ran = systems.run("inventory", full=True)
    assert ran.reading.drifted == 1
    assert systems.store_quantities()["east/MUG"] == "5"
    (plan,) = systems.here.ledger.plans.find()
    assert systems.here.ledger.plans.table(plan.id).column("reason").to_pylist() == [
        "quantity: 77 by an edit in magento_us, goes back to 5"
    ]


def test_shadow_mode_shows_a_plan_and_writes_nothing(make):
    systems = make("{inventory: {mode: shadow}}")
    systems.erp_set("MUG", "east", 3)
    systems.transform("inventory", "look", full=False)
    systems.run("inventory")
    (plan,) = systems.here.ledger.plans.find()
    assert (plan.state, plan.row_count) == (PlanState.HELD, 1)
    assert systems.store_quantities()["east/MUG"] == "5"
    assert systems.here.ledger.notices.open() == []
