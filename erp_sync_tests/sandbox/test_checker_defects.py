"""Each figure of the checker can go wrong: a sound day gets one defect, and exactly its figures move.

No claim hides a defect: claimed orders that are in the ERP are counted as false claims, and all else is counted
as without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from erp_sync.sandbox.checker import Claim
from erp_sync.sandbox.core import Commit
from erp_sync.sandbox.journal import Call, Entry
from erp_sync_tests.sandbox.checked_world import World

HELD = "000000003"
ZERO_TODAY = (
    "orders_lost", "orders_duplicated", "false_claims", "deposits_duplicated", "customers_duplicated",
    "orders_not_from_store", "orders_cancelled_open_in_erp", "orders_open_but_closed_in_erp", "orders_without_time",
    "orders_whole_though_less_is_left",
    "shipments_missing", "shipments_of_cancelled_orders", "shipments_twice", "shipments_unexplained",
    "shipments_differing", "shipping_emails_early", "shipping_emails_twice", "shipping_emails_missing",
    "stock_mismatches", "stock_changes_unseen", "oversold_units", "price_mismatches",
    "header", "lines", "tax", "payments",
)  # fmt: skip


@pytest.fixture
def day(world: World) -> World:
    """Two orders delivered, the first also shipped, one held, one cancelled; stock and prices agree."""
    for number in (1, 2):
        world.place(number)
        world.insert(world.store, "sales_order_tax", tax_id=number, order_id=number)
        world.insert(world.store, "sales_order_tax_item", tax_id=number, tax_percent="5.0000", real_amount="0.5000")
        world.book(number)
        world.insert(world.erp, "transactiontaxdetail", transaction=number * 100, taxrate="5", taxamount="0.50")
    world.place(3, items=[{"sku": "GONE-9", "qty_ordered": "1.0000", "row_total": "11.0000"}])
    world.place(4, state="canceled")
    world.fulfil(1, "1Z1", "1Z2")
    world.ship(1, "1Z1", "1Z2", mails=((15.0, ("1Z1", "1Z2")),))
    world.store.execute("UPDATE sales_order_item SET qty_shipped = '2.0000' WHERE order_id = 1")
    world.stock(1000, "7.00000", "GRO-1", "7.0000")
    world.stock(1001, "4.00000", "GRO-2", "4.0000")
    for item, price in ((1000, "2.50"), (1001, "3.00")):
        world.insert(world.erp, "itemprice", item=item, pricelevel=1, currency=1, quantity="0.00000", price=price)
        world.insert(world.store, "catalog_product_entity", sku=f"GRO-{item - 999}", type_id="simple", price=price)
    world.insert(world.erp, "transaction", id=9, type="InvAdjst", externalid="wh-1")
    world.insert(world.erp, "transactionline", transaction=9, id=1, mainline="F", item=1000, location=1)
    world.commit("erp", 1020.0, "inventoryAdjustment", "wh-1")
    world.commit("store", 1024.0, "inventory_source_item", "GRO-1|east")
    return world


def zeroes(world: World, *claims: Claim, **conventions: Any) -> dict[str, int]:
    """The figures that are zero on a sound day, and are not now."""
    figures = world.check(Claim(HELD, "held", "unknown item"), *claims, **conventions).figures()
    flat = {**figures, **figures["order_total_mismatches"]}
    return {name: flat[name] for name in ZERO_TODAY if flat[name]}


def in_store(statement: str) -> Callable[[World], object]:
    return lambda world: world.store.execute(statement)


def in_erp(statement: str) -> Callable[[World], object]:
    return lambda world: world.erp.execute(statement)


def all_of(*defects: Callable[[World], object]) -> Callable[[World], object]:
    return lambda world: [defect(world) for defect in defects]


def shipped_of(number: int) -> Callable[[World], object]:
    return in_erp(f"UPDATE transactionline SET quantityshiprecv = '2.00000' WHERE \"transaction\" = {number}00")


def another_deposit(world: World) -> None:
    row = {"id": 999, "type": "CustDep", "externalid": "again", "salesorder": 200, "payment": "17.45", "voided": "F"}
    world.insert(world.erp, "transaction", **row)


def another_customer(world: World) -> None:
    for number, email in ((1, "ann@example.org"), (2, "Ann@example.org")):
        world.insert(world.erp, "customer", id=number, email=email, isinactive="F", subsidiary=1)


def another_adjustment(world: World) -> None:
    world.insert(world.erp, "transaction", id=10, type="InvAdjst", externalid="wh-2")
    world.insert(world.erp, "transactionline", transaction=10, id=1, mainline="F", item=1001, location=1)
    world.commit("erp", 1030.0, "inventoryAdjustment", "wh-2")


def two_payments_with_their_amounts_exchanged(world: World) -> None:
    """The sum is right; neither deposit is."""
    row = {"parent_id": 2, "amount_ordered": "7.4500", "amount_authorized": "7.4500"}
    world.store.execute(
        "UPDATE sales_order_payment SET amount_ordered = '10.0000', amount_authorized = '10.0000' WHERE parent_id = 2"
    )
    world.insert(world.store, "sales_order_payment", entity_id=99, **row)
    world.erp.execute("UPDATE \"transaction\" SET payment = '9.00' WHERE salesorder = 200")
    world.insert(world.erp, "transaction", id=999, type="CustDep", externalid="b", salesorder=200, payment="8.45",
                 voided="F")  # fmt: skip


def partly_cancelled(world: World) -> None:
    """One of the second order's two units was refunded unshipped before it was sent: 5.50 and 0.25 tax are gone."""
    world.store.execute("UPDATE sales_order_item SET qty_refunded = '1.0000', tax_amount = '0.5000' WHERE order_id = 2")
    world.store.execute("UPDATE sales_order_tax_item SET item_id = 20 WHERE tax_id = 2")
    world.erp.execute("UPDATE \"transaction\" SET foreigntotal = '11.70', taxtotal = '0.25' WHERE id = 200")
    world.erp.execute("UPDATE \"transaction\" SET payment = '11.70' WHERE salesorder = 200")
    world.erp.execute(
        "UPDATE transactionline SET quantity = '-1.00000', foreignamount = '-5.50' WHERE \"transaction\" = 200"
    )
    world.erp.execute("UPDATE transactiontaxdetail SET taxamount = '0.25' WHERE \"transaction\" = 200")


def cut_afterwards(world: World) -> None:
    """The second order's line was cancelled as a whole after it had been sent and paid: it is closed."""
    world.store.execute("UPDATE sales_order_item SET qty_canceled = '2.0000' WHERE order_id = 2")
    world.erp.execute("UPDATE transactionline SET isclosed = 'T' WHERE \"transaction\" = 200")
    world.journals["erp"].append(
        Entry(None, [(1009.0, "2026-11-12T08:00:00+00:00", Commit("salesOrder", "magento_us_2", "update"))])
    )


def rest_cancelled(world: World) -> None:
    """The fourth, cancelled order had left in part: one line shipped on both sides, the other one closed."""
    world.book(4, status="F", lines=[
        {"item": 1000, "quantity": "-2.00000", "foreignamount": "-11.00", "quantityshiprecv": "2.00000"},
        {"item": 1001, "quantity": "-1.00000", "foreignamount": "-3.00", "isclosed": "T"},
    ])  # fmt: skip
    world.store.execute("UPDATE sales_order_item SET qty_shipped = '2.0000' WHERE order_id = 4")


DEFECTS: dict[str, tuple[Callable[[World], object], dict[str, int]]] = {
    "an order that never arrived": (lambda world: world.place(5), {"orders_lost": 1}),
    "an order twice": (lambda world: world.book(2, suffix="_again"), {"orders_duplicated": 1}),
    "an order twice, the second with another total": (
        lambda world: world.book(2, suffix="_again", foreigntotal="1.00"),
        {"orders_duplicated": 1, "header": 1},
    ),
    "an order of nobody": (
        lambda world: world.book(7, deposit=None),
        {"orders_not_from_store": 1},
    ),
    "an order whose commit nobody saw": (
        in_store("UPDATE sales_order SET increment_id = '000000022' WHERE entity_id = 2"),
        {"orders_without_time": 1},
    ),
    "a cancelled order that stays open": (lambda world: world.book(4), {"orders_cancelled_open_in_erp": 1}),
    "a cancelled order whose goods have left, of which nobody was told": (
        all_of(lambda world: world.book(4, status="F"), shipped_of(4)),
        {"orders_cancelled_open_in_erp": 1},
    ),
    "an open order that the ERP cancelled": (
        in_erp("UPDATE \"transaction\" SET status = 'C' WHERE id = 200"),
        {"orders_open_but_closed_in_erp": 1},
    ),
    "an open order that the ERP closed": (
        in_erp("UPDATE \"transaction\" SET status = 'H' WHERE id = 200"),
        {"orders_open_but_closed_in_erp": 1},
    ),
    "a held order that is in the ERP": (
        lambda world: world.book(3, lines=[{"item": 1000, "quantity": "-1.00000", "foreignamount": "-11.00"}]),
        {"false_claims": 1, "lines": 1},
    ),
    "an order that was sent with units which the store cancelled": (
        in_store("UPDATE sales_order_item SET qty_canceled = '1.0000' WHERE order_id = 2"),
        {"orders_whole_though_less_is_left": 1, "orders_cancelled_open_in_erp": 1},
    ),
    "units that the store cancelled, paid whole and cut, of which one is open again": (
        all_of(cut_afterwards, in_erp("UPDATE transactionline SET isclosed = 'F' WHERE \"transaction\" = 200")),
        {"orders_cancelled_open_in_erp": 1, "orders_whole_though_less_is_left": 1},
    ),
    "the rest of a cancelled order that was shipped in part": (
        all_of(rest_cancelled, in_erp("UPDATE transactionline SET isclosed = 'F' WHERE id = 4")),
        {"orders_cancelled_open_in_erp": 1},
    ),
    "more shipped of a cancelled order than the store knows, told to nobody": (
        all_of(rest_cancelled, in_store("UPDATE sales_order_item SET qty_shipped = '0' WHERE order_id = 4")),
        {"orders_cancelled_open_in_erp": 1},
    ),
    "less than what is left of an order": (
        all_of(partly_cancelled, in_erp("UPDATE \"transaction\" SET foreigntotal = '11.65' WHERE id = 200")),
        {"header": 1},
    ),
    "what is left of an order, paid whole": (
        all_of(partly_cancelled, in_erp("UPDATE \"transaction\" SET payment = '17.45' WHERE salesorder = 200")),
        {"payments": 1},
    ),
    "what is left of an order, taxed whole": (
        all_of(partly_cancelled, in_erp("UPDATE \"transaction\" SET taxtotal = '0.50' WHERE id = 200")),
        {"tax": 1},
    ),
    "another unit of what is left of an order": (
        all_of(
            partly_cancelled,
            in_erp("UPDATE transactionline SET quantity = '-2.00000' WHERE \"transaction\" = 200"),
        ),
        {"lines": 1, "orders_cancelled_open_in_erp": 1},
    ),
    "a deposit twice": (another_deposit, {"deposits_duplicated": 1, "payments": 1}),
    "a customer twice": (another_customer, {"customers_duplicated": 1}),
    "another total": (in_erp("UPDATE \"transaction\" SET foreigntotal = '17.46' WHERE id = 200"), {"header": 1}),
    "another currency": (in_erp('UPDATE "transaction" SET currency = 2 WHERE id = 200'), {"header": 1}),
    "another shipping cost": (in_erp("UPDATE \"transaction\" SET shippingcost = '0' WHERE id = 200"), {"header": 1}),
    "another quantity": (
        in_erp("UPDATE transactionline SET quantity = '-1.00000' WHERE \"transaction\" = 200"),
        {"lines": 1},
    ),
    "another item": (in_erp('UPDATE transactionline SET item = 1001 WHERE "transaction" = 200'), {"lines": 1}),
    "another amount of a line": (
        in_erp("UPDATE transactionline SET foreignamount = '-10.99' WHERE \"transaction\" = 200"),
        {"lines": 1},
    ),
    "a line lost": (in_erp('DELETE FROM transactionline WHERE "transaction" = 200'), {"lines": 1}),
    "another tax": (in_erp("UPDATE \"transaction\" SET taxtotal = '0.49' WHERE id = 200"), {"tax": 1}),
    "the right tax at another rate": (
        in_erp("UPDATE transactiontaxdetail SET taxrate = '7' WHERE \"transaction\" = 200"),
        {"tax": 1},
    ),
    "no deposit": (in_erp('DELETE FROM "transaction" WHERE salesorder = 200'), {"payments": 1}),
    "a voided deposit": (
        in_erp("UPDATE \"transaction\" SET voided = 'T' WHERE salesorder = 200"),
        {"payments": 1},
    ),
    "deposits of other amounts with the right sum": (two_payments_with_their_amounts_exchanged, {"payments": 1}),
    "a parcel that is not booked": (
        all_of(
            lambda world: world.fulfil(2, "1Z9"),
            in_store("UPDATE inventory_source_item SET quantity = '9.0000' WHERE sku = 'GRO-1'"),
        ),
        {"shipments_missing": 1, "shipping_emails_missing": 1},
    ),
    "a parcel for a cancelled order": (
        all_of(lambda world: world.book(4, status="H"), lambda world: world.fulfil(4, "1Z9")),
        {"shipments_of_cancelled_orders": 1},
    ),
    "a shipment twice": (
        lambda world: world.ship(1, "1Z1"),
        {"shipments_twice": 1, "shipments_differing": 1},
    ),
    "a shipment of nothing that left": (lambda world: world.ship(2, "1Z9"), {"shipments_unexplained": 1}),
    "a mail for nothing that left": (
        lambda world: world.ship(2, "1Z9", mails=((15.0, ("1Z9",)),)),
        {"shipments_unexplained": 1, "shipping_emails_early": 1},
    ),
    "a mail for what is only packed": (
        in_erp("UPDATE \"transaction\" SET status = 'B' WHERE type = 'ItemShip'"),
        {"shipments_unexplained": 1, "shipping_emails_early": 1},
    ),
    "a shipment of fewer units than left": (
        in_store("UPDATE sales_shipment_item SET qty = '1.0000'"),
        {"shipments_differing": 1},
    ),
    "a shipment of another item": (
        in_store("UPDATE sales_shipment_item SET sku = 'GRO-2'"),
        {"shipments_differing": 1},
    ),
    "a shipment without one of its parcels": (
        in_store("DELETE FROM sales_shipment_track WHERE track_number = '1Z2'"),
        {"shipments_differing": 1},
    ),
    "another tracking number": (
        in_store("UPDATE sales_shipment_track SET track_number = '1ZX' || track_number"),
        {"shipments_differing": 1},
    ),
    "an early mail": (
        in_store("UPDATE sandbox_mail SET wall_at = '1970-01-01T00:16:49+00:00'"),
        {"shipping_emails_early": 1},
    ),
    "a mail twice": (
        in_store("INSERT INTO sandbox_mail SELECT * FROM sandbox_mail"),
        {"shipping_emails_twice": 1},
    ),
    "no mail": (in_store("DELETE FROM sandbox_mail"), {"shipping_emails_missing": 1}),
    "a mail that names one of two parcels": (
        in_store("""UPDATE sandbox_mail SET tracks = '["1Z1"]'"""),
        {"shipping_emails_missing": 1},
    ),
    "too much in the store": (
        in_store("UPDATE inventory_source_item SET quantity = '8.0000' WHERE sku = 'GRO-1'"),
        {"stock_mismatches": 1},
    ),
    "stock that the store was never told": (
        in_store("DELETE FROM inventory_source_item WHERE sku = 'GRO-2'"),
        {"stock_mismatches": 1},
    ),
    "stock that the ERP never had": (
        in_erp("DELETE FROM aggregateitemlocation WHERE item = 1001"),
        {"stock_mismatches": 1},
    ),
    "a change of stock that never came": (another_adjustment, {"stock_changes_unseen": 1}),
    "more sold than there is": (
        in_store("UPDATE sales_order_item SET qty_ordered = '9.0000', row_total = '11' WHERE order_id = 2"),
        {"oversold_units": 2, "lines": 1},
    ),
    "something sold that was never there": (
        all_of(
            in_erp("DELETE FROM aggregateitemlocation WHERE item = 1000"),
            in_store("DELETE FROM inventory_source_item WHERE sku = 'GRO-1'"),
        ),
        {"oversold_units": 2},
    ),
    "another price": (
        in_store("UPDATE catalog_product_entity SET price = '3.0100' WHERE sku = 'GRO-2'"),
        {"price_mismatches": 1},
    ),
    "no price": (
        in_store("UPDATE catalog_product_entity SET price = NULL WHERE sku = 'GRO-2'"),
        {"price_mismatches": 1},
    ),
}


def test_a_sound_day_has_no_defect(day: World):
    assert zeroes(day) == {}


def test_what_is_left_of_a_partly_cancelled_order_is_no_defect(day: World):
    partly_cancelled(day)
    assert zeroes(day) == {}


@pytest.mark.parametrize("told", [cut_afterwards, rest_cancelled])
def test_what_was_cancelled_after_it_was_sent_and_is_closed_is_no_defect(day: World, told: Callable[[World], None]):
    told(day)
    assert zeroes(day) == {}


def test_an_order_of_which_nothing_is_left_is_not_lost(day: World):
    day.place(5, state="closed", items=[{"sku": "GRO-1", "qty_ordered": "2.0000", "qty_refunded": "2.0000"}])
    assert zeroes(day) == {}


def test_a_cancelled_order_whose_goods_have_left_is_told_apart_where_a_person_was_told(day: World):
    day.book(4, status="F")
    shipped_of(4)(day)
    claim = Claim("000000004", "already_shipped", "2 of 2 lines were shipped")
    assert zeroes(day, claim) == {}
    assert day.check(claim).orders.cancelled_after_shipping == ["000000004"]


def test_a_cancelled_order_whose_goods_are_being_packed_is_told_apart_where_a_person_was_told(day: World):
    day.book(4, status="F")
    in_erp("UPDATE transactionline SET quantitypicked = '2.00000', isclosed = 'T' WHERE \"transaction\" = 400")(day)
    assert zeroes(day) == {}, "nothing has left: whoever was not told yet can be told"
    claim = Claim("000000004", "already_shipped", "2 of 2 lines were picked")
    assert zeroes(day, claim) == {}
    assert day.check(claim).orders.cancelled_after_shipping == ["000000004"]


def test_what_is_said_to_have_left_and_has_not_is_open(day: World):
    day.book(4)
    found = zeroes(day, Claim("000000004", "already_shipped"))
    assert found == {"orders_cancelled_open_in_erp": 1, "false_claims": 1}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_moves_its_figures_and_no_other(day: World, name: str):
    defect, expected = DEFECTS[name]
    defect(day)
    assert zeroes(day) == expected


@pytest.mark.parametrize("name", [name for name, (_, expected) in DEFECTS.items() if "orders_lost" not in expected])
@pytest.mark.parametrize("claim", ["held", "dead_lettered", "cancelled_pending", "already_shipped"])
def test_no_claim_hides_a_defect(day: World, name: str, claim: Any):
    """Whatever erp_sync says of the orders that it delivered, the same figures move, and the claims are false."""
    defect, expected = DEFECTS[name]
    defect(day)
    found = zeroes(day, Claim("000000001", claim), Claim("000000002", claim))
    assert found.pop("false_claims") >= 1
    assert found == {figure: count for figure, count in expected.items() if figure != "false_claims"}


def test_every_figure_that_should_be_zero_has_its_defect():
    moved = {figure for _, expected in DEFECTS.values() for figure in expected}
    assert moved == set(ZERO_TODAY)


def test_what_the_store_takes_off_itself_is_not_news_from_the_erp(day: World):
    """A shipment lowers the source too; the change that the ERP made has still not come."""
    another_adjustment(day)
    shipped = (Commit("shipment", "S9"), Commit("inventory_source_item", "GRO-2|east", "update"))
    call = Call(1031.0, "2026-11-12T08:00:00+00:00", "POST", "/x", "", "", "order.ship", "create")
    calendar = "2026-11-12T08:00:00+00:00"
    day.journals["store"].append(Entry(call, [(1031.0, calendar, commit) for commit in shipped]))
    assert zeroes(day) == {"stock_changes_unseen": 1}


def test_several_store_skus_and_their_one_item_are_compared(day: World):
    """With a SKU map: what the store calls otherwise is compared all the same."""
    day.store.execute("UPDATE inventory_source_item SET sku = 'SHOP-2', quantity = '5.0000' WHERE sku = 'GRO-2'")
    day.store.execute("UPDATE catalog_product_entity SET sku = 'SHOP-2', price = '3.01' WHERE sku = 'GRO-2'")
    mapped = {"SHOP-2": "GRO-2"}
    found = zeroes(day, sku=lambda sku: mapped.get(sku, sku))
    assert found == {"stock_mismatches": 1, "price_mismatches": 1}
