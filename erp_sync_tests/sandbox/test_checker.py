"""The checker over rows written by hand, in tables with the columns that it reads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from erp_sync.sandbox.checker import Claim, SystemFiles, check
from erp_sync.sandbox.checker.sources import spread
from erp_sync.sandbox.evidence import NoEvidence
from erp_sync.sandbox.journal import Call, Entry


def test_a_day_that_went_well(world):
    for number in range(1, 21):
        world.place(number)
        world.book(number, after=number / 10)
    figures = world.check().figures()
    assert (figures["orders_placed"], figures["orders_in_erp"]) == (20, 20)
    assert figures["order_latency_s"] == {"count": 20, "p50": 1.0, "p95": 1.9, "max": 2.0}
    assert figures["order_total_mismatches"] == {"header": 0, "lines": 0, "tax": 0, "payments": 0, "orders": 0}
    for name in ("orders_lost", "orders_duplicated", "false_claims", "deposits_duplicated", "orders_not_from_store"):
        assert figures[name] == 0


def test_an_order_that_is_nowhere_is_lost(world):
    world.place(1)
    report = world.check()
    assert report.figures()["orders_lost"] == 1
    assert report.details()["orders_lost"] == ["000000001"]


def test_what_is_truthfully_claimed_is_not_lost(world):
    held, dead = world.place(1), world.place(2)
    report = world.check(Claim(held, "held", "unknown_item GRO-9"), Claim(dead, "dead_lettered", "postcode"))
    figures = report.figures()
    assert (figures["orders_held"], figures["orders_dead_lettered"], figures["orders_lost"]) == (1, 1, 0)
    assert report.details()["orders_held"] == {"000000001": "unknown_item GRO-9"}


def test_claims_are_checked(world):
    there, open_one = world.place(1), world.place(2)
    world.book(1)
    report = world.check(
        Claim(there, "held"), Claim(open_one, "cancelled_pending"), Claim("000000099", "dead_lettered")
    )
    assert set(report.orders.false_claims) == {there, open_one, "000000099"}
    assert report.orders.lost == [open_one]
    assert report.figures()["orders_held"] == 0


def test_a_second_order_under_another_external_id_is_a_duplicate(world):
    world.place(1)
    world.book(1)
    world.book(1, suffix="_again")
    report = world.check()
    assert report.orders.duplicated == ["000000001"]
    assert report.orders.not_from_store == []


def test_an_order_that_the_store_never_had_is_named(world):
    world.book(7)
    assert world.check().orders.not_from_store == ["SO700"]


def test_cancelled_orders_are_neither_lost_nor_compared_but_must_not_stay_open(world):
    world.place(1, state="canceled")
    world.place(2, state="canceled")
    world.book(2, foreigntotal="1.00")
    world.place(3, state="canceled")
    world.book(3, status="H")
    report = world.check()
    figures = report.figures()
    assert (figures["orders_cancelled"], figures["orders_lost"]) == (3, 0)
    assert report.orders.cancelled_open_in_erp == ["000000002"]
    assert report.orders.differences == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"foreigntotal": "17.44"}, "header"),
        ({"shippingcost": "5.00"}, "header"),
        ({"taxtotal": "0.51"}, "tax"),
        ({"lines": [{"item": 1000, "quantity": "-1.00000", "foreignamount": "-11.00"}]}, "lines"),
        ({"lines": [{"item": 1001, "quantity": "-2.00000", "foreignamount": "-11.00"}]}, "lines"),
        ({"lines": [{"item": 1000, "quantity": "-2.00000", "foreignamount": "-10.99"}]}, "lines"),
        ({"deposit": "17.46"}, "payments"),
        ({"deposit": None}, "payments"),
    ],
)
def test_each_amount_that_differs_is_found_where_it_is(world, change, part):
    world.place(1)
    world.book(1, **change)
    figures = world.check().figures()["order_total_mismatches"]
    assert {name for name, count in figures.items() if count} == {part, "orders"}


def test_configurables_bundles_and_discount_lines_are_compared_as_the_erp_has_them(world):
    items = [
        {"item_id": 11, "sku": "GRO-1", "product_type": "configurable", "qty_ordered": "1", "row_total": "4.0000"},
        {"item_id": 12, "sku": "GRO-1", "parent_item_id": 11, "qty_ordered": "1", "row_total": "0.0000"},
        {"item_id": 13, "sku": "PACK", "product_type": "bundle", "qty_ordered": "1", "row_total": "7.0000"},
        {"item_id": 14, "sku": "GRO-1", "parent_item_id": 13, "qty_ordered": "2", "row_total": "3.0000"},
        {"item_id": 15, "sku": "GRO-2", "parent_item_id": 13, "qty_ordered": "1", "row_total": "4.0000",
         "discount_amount": "1.0000"},
    ]  # fmt: skip
    world.place(1, items=items)
    world.book(
        1,
        lines=[
            {"item": 1000, "quantity": "-3.00000", "foreignamount": "-7.00"},
            {"item": 1001, "quantity": "-1.00000", "foreignamount": "-4.00"},
            {"item": None, "quantity": None, "foreignamount": "1.00", "itemtype": "Discount"},
        ],
    )
    assert world.check().orders.differences == []


def test_gift_cards_and_store_credit_are_payments_not_less_order(world):
    world.place(1, grand_total="7.4500", gift_cards_amount="10.0000")
    world.book(1)
    report = world.check()
    assert report.orders.differences == []
    assert report.orders.deposits_duplicated == []


def test_a_pending_payment_has_no_deposit_unless_the_convention_says_so(world):
    world.place(1)
    world.store.execute("UPDATE sales_order_payment SET amount_authorized = NULL")
    world.book(1, deposit=None)
    assert world.check().orders.differences == []
    every = frozenset({"pending", "authorised", "captured"})
    assert [one.part for one in world.check(deposit_states=every).orders.differences] == ["payments"]


def test_two_deposits_for_one_payment_are_found(world):
    world.place(1)
    world.book(1)
    world.insert(
        world.erp,
        "transaction",
        id=999,
        type="CustDep",
        externalid="again",
        salesorder=100,
        payment="17.45",
        voided="F",
    )
    assert world.check().orders.deposits_duplicated == ["000000001"]


def test_a_fulfillment_is_booked_once_with_one_mail(world):
    world.place(1)
    world.book(1)
    world.fulfil(1, "1Z1", "1Z2")
    world.ship(1, "1Z1", "1Z2", mails=((15.0, ("1Z1", "1Z2")),))
    figures = world.check().figures()
    assert (figures["shipments_in_erp"], figures["shipments_in_store"]) == (1, 1)
    assert figures["shipment_latency_s"]["max"] == 4.0
    assert figures["shipping_emails"] == 1
    for name in ("missing", "twice", "unexplained"):
        assert figures[f"shipments_{name}"] == 0
    for name in ("early", "twice", "missing"):
        assert figures[f"shipping_emails_{name}"] == 0


def test_what_has_not_left_is_no_shipment_yet(world):
    world.place(1)
    world.book(1)
    world.fulfil(1, "1Z1", status="B")
    assert world.check().figures()["shipments_missing"] == 0
    world.ship(1, "1Z1", mails=((1.0, ("1Z1",)),))
    assert world.check().shipments.unexplained == ["S10"]


def test_missing_double_and_early_shipments_and_mails_are_found(world):
    for number in (1, 2, 3):
        world.place(number)
        world.book(number)
    nowhere = world.fulfil(1, "1Z1")
    double = world.fulfil(2, "1Z2")
    world.ship(2, "1Z2", mails=((9.0, ("1Z2",)), (20.0, ("1Z2",))))
    world.ship(2, "1Z2")
    silent = world.fulfil(3, "1Z3")
    world.ship(3, "1Z3")
    shipments = world.check().shipments
    assert shipments.missing == [nowhere]
    assert shipments.booked_twice == [double]
    assert shipments.mails_early == [double]
    assert shipments.mails_twice == [double]
    assert silent in shipments.mails_missing


def test_a_parcel_added_later_is_one_more_mail_and_not_a_second_one(world):
    world.place(1)
    world.book(1)
    world.fulfil(1, "1Z1", "1Z2")
    world.ship(1, "1Z1", "1Z2", mails=((15.0, ("1Z1",)), (40.0, ("1Z1", "1Z2"))))
    assert world.check().shipments.mails_twice == []


def test_what_left_for_an_order_that_the_store_cancelled_is_a_case_and_waits_for_nothing(world):
    world.place(1, state="canceled")
    world.book(1)
    gone = world.fulfil(1, "1Z1", quantity="-2.00000")
    world.stock(1000, "7.00000", "GRO-1", "7.0000")
    report = world.check()
    assert report.shipments.of_cancelled == [gone]
    assert (report.shipments.missing, report.shipments.mails_missing, report.stock.mismatches) == ([], [], {})


def test_the_stores_source_is_what_the_erp_has_on_hand(world):
    world.stock(1000, "7.00000", "GRO-1", "7.0000")
    world.stock(1001, "-2.00000", "GRO-2", "1.0000")
    stock = world.check().stock
    assert (stock.compared, stock.mismatches) == (2, {"GRO-2 at east": ("1.0000", "0")})


def test_what_left_and_is_not_booked_and_what_others_ordered_is_allowed_for(world):
    world.place(1)
    world.book(1)
    world.fulfil(1, "1Z1", quantity="-2.00000")
    world.insert(world.erp, "transaction", id=5, type="SalesOrd", tranid="SO5", status="B")
    world.insert(
        world.erp,
        "transactionline",
        transaction=5,
        id=1,
        mainline="F",
        item=1000,
        location=1,
        quantitycommitted="3.00000",
    )
    world.stock(1000, "7.00000", "GRO-1", "6.0000")
    assert world.check().stock.mismatches == {}
    assert world.check(safety_stock=lambda sku, source: 1).stock.mismatches == {"GRO-1 at east": ("6.0000", "5.00000")}


def test_stock_latency_runs_from_the_adjustment_to_the_next_write_of_that_source(world):
    world.insert(world.erp, "transaction", id=9, type="InvAdjst", externalid="wh-1")
    for item in (1000, 1001):
        world.insert(world.erp, "transactionline", transaction=9, id=item, mainline="F", item=item, location=1)
    world.commit("store", 1004.0, "inventory_source_item", "GRO-1|east")
    world.commit("erp", 1005.0, "inventoryAdjustment", "wh-1")
    world.commit("store", 1009.0, "inventory_source_item", "GRO-1|east")
    stock = world.check().stock
    assert (stock.latencies, stock.unseen) == ([4.0], ["GRO-2|east"])


def test_units_sold_that_are_nowhere_on_hand_are_oversold(world):
    world.place(1, items=[{"sku": "GRO-1", "qty_ordered": "5", "row_total": "11", "qty_shipped": "1"}])
    world.place(2, state="canceled", items=[{"sku": "GRO-1", "qty_ordered": "50", "row_total": "11"}])
    world.stock(1000, "3.00000", "GRO-1", "3.0000")
    assert world.check().figures()["oversold_units"] == 1


def test_prices_that_differ_are_named(world):
    for item, price in ((1000, "2.50000000"), (1001, "3.00000000")):
        world.insert(world.erp, "itemprice", item=item, pricelevel=1, currency=1, quantity="0.00000", price=price)
    world.insert(world.store, "catalog_product_entity", sku="GRO-1", type_id="simple", price="2.5000")
    world.insert(world.store, "catalog_product_entity", sku="GRO-2", type_id="simple", price="3.0100")
    stock = world.check().stock
    assert (stock.prices_compared, stock.price_mismatches) == (2, {"GRO-2": ("3.0100", "3.00000000")})


def test_calls_are_counted_by_flow_without_those_of_people(world):
    def call(endpoint: str, agent: str, **more) -> None:
        row = {"kind": "create", "status": 204, "service": 0.5, "duration": 0.5, **more}
        entry = Call(1000.0, "2026-11-12T08:00:00+00:00", "POST", "/x", "", agent, endpoint, **row)
        world.journals["erp"].append(Entry(entry))

    call("salesOrder.create", "erp-sync")
    call("salesOrder.create", "erp-sync", status=429, service=0.0)
    call("suiteql", "erp-sync", kind="search")
    call("itemFulfillment.transform", "warehouse")
    calls = world.check(call_flows=[("salesOrder.*", "orders")]).figures()["api_calls"]["netsuite"]
    assert (calls["total"], calls["people"], calls["refused"]) == (3, 1, 1)
    assert calls["by_flow"] == {"orders": 2, "other": 1}
    assert calls["vendor_seconds"] == 1.0


def test_who_calls_says_for_which_flow(world):
    for agent, endpoint in (("erp-sync (orders)", "GET /V1/orders"), ("erp-sync (shipments)", "GET /V1/orders")):
        row = {"kind": "search", "status": 200}
        call = Call(1000.0, "2026-11-12T08:00:00+00:00", "GET", "/x", "", agent, endpoint, **row)
        world.journals["store"].append(Entry(call))
    assert world.check().figures()["api_calls"]["magento"]["by_flow"] == {"orders": 1, "shipments": 1}


def test_where_the_contract_was_not_checked_nothing_is_said_of_it(world):
    def call(**more) -> None:
        row = {"kind": "search", "status": 200, **more}
        entry = Call(1000.0, "2026-11-12T08:00:00+00:00", "GET", "/x", "", "erp-sync", "suiteql", **row)
        world.journals["erp"].append(Entry(entry))

    call()
    assert world.check().figures()["api_calls"]["netsuite"]["contract_violations"] is None
    call(request_class="published contract")
    assert world.check().figures()["api_calls"]["netsuite"]["contract_violations"] == 0


def test_a_missing_database_is_named(tmp_path):
    store, erp = (SystemFiles(tmp_path / "gone.db", tmp_path / "gone.db", name) for name in ("magento", "netsuite"))
    with pytest.raises(FileNotFoundError, match=r"gone\.db"):
        check(store, erp)


def test_a_system_that_does_not_tell_what_is_asked_is_named(tmp_path):
    """An ERP in a store's place, and a sandbox without evidence."""
    files = SystemFiles(tmp_path / "gone.db", tmp_path / "gone.db", "netsuite")
    with pytest.raises(NoEvidence, match=r"netsuite\.sandbox\.evidence has no Store, only Erp: netsuite cannot"):
        check(files, files)
    toy = SystemFiles(tmp_path / "gone.db", tmp_path / "gone.db", "erp_sync_tests.sandbox.toy")
    with pytest.raises(NoEvidence, match=r"erp_sync_tests\.sandbox\.toy has no module evidence"):
        check(toy, toy)


def test_percentiles_are_nearest_ranks():
    assert spread([]) == {"count": 0, "p50": None, "p95": None, "max": None}
    assert spread([3.0]) == {"count": 1, "p50": 3.0, "p95": 3.0, "max": 3.0}
    assert spread(range(1, 101))["p95"] == 95


def test_the_checker_imports_neither_flows_nor_ledger_nor_transport():
    code = (
        "import sys, erp_sync.sandbox.checker; "
        "bad = [name for name in sys.modules if name.startswith(('erp_sync.flows', 'erp_sync.ledger', "
        "'erp_sync.transport', 'erp_sync.systems', 'erp_sync.ports'))]; sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
