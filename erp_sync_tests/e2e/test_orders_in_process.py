"""Orders from a store to an ERP over HTTP, whatever goes wrong between them: every order once, none lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.ledger import State
from erp_sync.sandbox.people import Place
from erp_sync_tests.e2e.business import MEMBERS, Business, Ran, business, hands_in_store

PAYMENTS = {"braintree": "5", "checkmo": "2", "cashondelivery": "1"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with business(tmp_path_factory.mktemp("business"), payment_methods=PAYMENTS) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(shop: Business) -> Iterator[None]:
    yield
    shop.erp.clear_faults()
    shop.store.sandbox.clear_faults()


def test_an_order_arrives_with_customer_and_deposit_to_the_cent(shop: Business):
    number = shop.store.buy("ann", {"MUG": 2, "TEA": 3, "SET": 1}, coupon="TEN")
    ran = shop.run()
    assert ran.drained.delivered_keys == [number]
    (order,) = shop.in_erp(number)
    assert order["externalid"] == f"magento_us_{shop.store.id_of(number)}"
    assert len(shop.deposits(number)) == 1
    report = shop.report()
    assert report.orders.differences == []
    assert report.orders.in_erp == [number]


def test_a_run_with_nothing_new_writes_nothing(shop: Business):
    before = writes(shop)
    ran = shop.run()
    assert (ran.extraction.received, ran.transformed.handled, ran.drained.calls) == (0, 0, 0)
    assert writes(shop) == before


# Faults between us and the ERP ----------------------------------------------------------------------------


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("timeout_before", {}),
    ("timeout_after_commit", {}),
    ("late_commit", {"seconds": 0.6}),
    ("drop_connection", {}),
    ("drop_connection", {"when": "after"}),
    ("truncate_body", {}),
    ("server_error", {}),
    ("server_error", {"when": "after"}),
    ("too_many_requests", {}),
    ("maintenance", {}),
]


@pytest.mark.parametrize(("kind", "rule"), FAULTS, ids=[f"{kind}-{rule.get('when', '')}" for kind, rule in FAULTS])
def test_a_fault_at_any_write_leaves_one_customer_one_order_one_deposit(shop: Business, kind, rule):
    name = f"{kind}{rule.get('when', '')}".replace("_", "")
    number = shop.store.buy(name)
    for endpoint in ("customer.create", "salesOrder.create", "customerDeposit.create"):
        shop.erp.fault(kind, endpoint, **rule)
    shop.settle()
    shop.erp.control("POST", "tick")
    assert exactly_once(shop, number) == (1, 1, 1)
    assert shop.delivery(number).state is State.DELIVERED


@pytest.mark.parametrize("endpoint", ["suiteql", "*.get"])
def test_reads_that_fail_do_not_lose_an_order(shop: Business, endpoint):
    number = shop.store.buy(f"reader{len(endpoint)}")
    shop.erp.fault("server_error", endpoint, times=3)
    shop.erp.fault("truncate_body", endpoint, times=1, skip=3)
    shop.settle()
    assert exactly_once(shop, number) == (1, 1, 1)


def test_a_store_that_fails_in_the_middle_of_an_extraction_loses_no_order(shop: Business):
    numbers = [shop.store.buy(f"early{index}") for index in range(3)]
    shop.store.sandbox.fault("truncate_body", "/rest/*/V1/orders", times=1)
    shop.settle()
    assert [exactly_once(shop, number) for number in numbers] == [(1, 1, 1)] * 3


def test_two_runs_at_the_same_time_deliver_each_order_once(shop: Business):
    numbers = [shop.store.buy(f"rush{index % 3}") for index in range(8)]
    ran: list[Ran] = []
    runs = [threading.Thread(target=lambda: ran.append(shop.run())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    shop.settle()
    assert len(ran) == 2
    assert [len(shop.in_erp(number)) for number in numbers] == [1] * 8
    assert {len(customers(shop, f"rush{index}@example.com")) for index in range(3)} == {1}


# What an order waits for, and what holds it -----------------------------------------------------------------


def test_an_unknown_article_waits_with_its_reason_and_goes_when_it_appears(shop: Business):
    waits, goes = shop.store.buy("bea", {"NEW-1": 1}), shop.store.buy("cid")
    shop.settle()
    found = shop.delivery(waits)
    assert (found.state, found.reason) == (State.WAITING, "lacks product NEW-1")
    assert (len(shop.in_erp(waits)), len(shop.in_erp(goes))) == (0, 1)
    shop.seed_erp(items=[{"sku": "NEW-1", "name": "New", "price": "5.00"}])
    assert found.due_at is not None
    shop.clock.skip_to(found.due_at)
    shop.settle()
    assert exactly_once(shop, waits) == (1, 1, 1)


def test_an_article_whose_arrival_is_announced_frees_its_orders_at_once(shop: Business):
    waits = shop.store.buy("dan", {"NEW-2": 1})
    shop.settle()
    shop.seed_erp(items=[{"sku": "NEW-2", "name": "New", "price": "6.00"}])
    with shop.installation() as here:
        assert len(here.ledger.deliveries.release_waiting("netsuite_us", "product", ["NEW-2"])) == 1
    assert shop.run().drained.delivered_keys == [waits]


def test_a_malformed_address_is_a_dead_letter_and_keeps_nobody(shop: Business):
    nowhere = Place("-", "Springfield", "IL", "627O?")
    bad, good = shop.store.buy("eve", ship_to=nowhere), shop.store.buy("fay")
    shop.settle()
    row = quarantined(shop, bad)
    assert row.rule == "malformed_address"
    assert "postcode" in row.field
    assert "627O?" in row.problem
    assert shop.report().orders.dead_lettered[bad].startswith("malformed_address")
    assert (len(shop.in_erp(bad)), len(shop.in_erp(good))) == (0, 1)


def test_an_unmapped_payment_method_holds_that_order_only_until_a_row_is_added(shop: Business):
    held, goes = shop.store.buy("gus", payment="paypal_express"), shop.store.buy("hal")
    shop.settle()
    found = shop.delivery(held)
    assert (found.state, found.code) == (State.DEAD, "unmapped_payment_methods")
    assert "paypal_express" in found.reason
    assert (len(shop.in_erp(held)), len(shop.in_erp(goes))) == (0, 1)
    shop.map("payment_methods", "paypal_express", "7")
    with shop.installation() as here:
        here.ledger.dead_letters.retry(code="unmapped_payment_methods", who="operator", why="row added")
    shop.settle()
    assert exactly_once(shop, held) == (1, 1, 1)


def test_an_order_of_an_inactive_customer_is_a_dead_letter_until_he_is_active_again(shop: Business):
    ida = MEMBERS[0]
    first = shop.store.buy(ida)
    shop.settle()
    shop.erp_sql("UPDATE customer SET isinactive = 'T' WHERE email = ?", ida.email)
    second = shop.store.buy(ida)
    shop.settle()
    found = shop.delivery(second)
    # NetSuite says of an inactive customer what it says of one that is not there.
    assert (found.state, found.code) == (State.DEAD, "unknown_customer")
    assert "inactive" in found.reason
    shop.erp_sql("UPDATE customer SET isinactive = 'F' WHERE email = ?", ida.email)
    with shop.installation() as here:
        here.ledger.dead_letters.retry([found.id], who="operator")
    shop.settle()
    assert [len(shop.in_erp(number)) for number in (first, second)] == [1, 1]
    assert len(customers(shop, ida.email)) == 1


def test_a_closed_period_is_tried_again_until_it_is_open(shop: Business):
    number = shop.store.buy("jan")
    shop.seed_erp(closed_periods=[f"{datetime.now(UTC):%Y-%m}"])
    try:
        shop.run()
        found = shop.delivery(number)
        assert (found.state, found.code) == (State.DUE, "closed_period")
        assert "accounting period" in found.reason
    finally:
        shop.erp_sql("UPDATE accountingperiod SET closed = 'F' WHERE closed = 'T'")
    shop.clock.skip_to(found.due_at)
    shop.settle()
    assert exactly_once(shop, number) == (1, 1, 1)


def test_a_wrong_token_sends_nothing_and_loses_nothing(shop: Business):
    number = shop.store.buy("kim")
    (defs,) = shop.settings.defs.rglob("defs.yaml")
    text = defs.read_text()
    token = shop.erp.status()["credentials"]["token_secret"]
    defs.write_text(text.replace(token, "expired"))
    try:
        shop.run()
        found = shop.delivery(number)
        assert (found.state, found.code) == (State.DUE, "look_up_failed")
        assert "credentials" in found.reason
    finally:
        defs.write_text(text)
    shop.clock.skip_to(found.due_at)
    shop.settle()
    assert exactly_once(shop, number) == (1, 1, 1)


# Orders that change -----------------------------------------------------------------------------------------


def test_cancelled_before_anybody_saw_it_never_reaches_the_erp(shop: Business):
    number = shop.store.buy("leo", payment="checkmo")
    shop.store.cancel(number)
    shop.settle()
    assert shop.in_erp(number) == []
    assert number not in shop.states()


def test_cancelled_while_it_waits_it_is_taken_back(shop: Business):
    shop.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'CUP'")
    number = shop.store.buy("mia", {"CUP": 1}, payment="checkmo")
    shop.settle()
    assert shop.delivery(number).state is State.WAITING
    shop.store.cancel(number)
    shop.run()
    shop.erp_sql("UPDATE item SET isinactive = 'F' WHERE itemid = 'CUP'")
    shop.settle()
    assert shop.in_erp(number) == []
    assert (shop.delivery(number).state, shop.delivery(number).code) == (State.SUPERSEDED, "cancelled_in_store")


def test_cancelled_between_two_looks_and_before_anybody_handled_it_it_does_not_go(shop: Business):
    """Both versions are received, by two extractions, before one transformation handles them."""
    number = shop.store.buy("ned", payment="checkmo")
    with shop.installation() as here:
        shop.extract(here, here.configuration.routes["us"], "orders", "run-a")
        shop.store.cancel(number)
        shop.extract(here, here.configuration.routes["us"], "orders", "run-b")
    shop.settle()
    assert shop.in_erp(number) == []


@pytest.mark.parametrize("handled", [True, False])
def test_a_version_that_is_received_after_a_newer_one_changes_nothing(shop: Business, handled: bool):
    """An event and a poll read at the same time; who read first may receive last."""
    cancelled, paid = shop.store.buy("una", payment="checkmo"), shop.store.buy("val")
    shop.store.sql("UPDATE sales_order SET state = 'pending_payment', status = 'pending_payment' "
                   "WHERE increment_id = ?", paid)  # fmt: skip
    with shop.installation() as here:
        source = here.source(here.configuration.routes["us"], "orders")
        ids = [str(shop.store.id_of(number)) for number in (cancelled, paid)]
        slow = [record for page in source.fetch(ids) for record in page]
        wait_for_the_next_second()
        shop.store.cancel(cancelled)
        shop.store.sql("UPDATE sales_order SET state = 'processing', status = 'processing', updated_at = "
                       "datetime('now') WHERE increment_id = ?", paid)  # fmt: skip
        shop.extract(here, here.configuration.routes["us"], "orders", "run-a")
        if handled:
            shop.settle()
        here.ledger.receive("magento_us", "sales_order", slow, advance_to=None, run_id="run-b")
    shop.settle()
    assert shop.in_erp(cancelled) == []
    assert len(shop.in_erp(paid)) == 1
    assert shop.states()[paid] == ("delivered", "")


def wait_for_the_next_second() -> None:
    """The store's times of change have whole seconds."""
    now = time.time()
    while int(time.time()) == int(now):
        time.sleep(0.05)


def test_cancelled_after_delivery_it_is_closed_in_the_erp_once(shop: Business):
    number = shop.store.buy("ole", payment="checkmo")
    shop.settle()
    assert [order["status"] for order in shop.in_erp(number)] == ["B"]
    shop.store.cancel(number)
    shop.settle()
    assert [order["status"] for order in shop.in_erp(number)] == ["H"]
    closings = shop.erp.journal(endpoint="salesOrder.update")
    comment(shop, number, "the customer called")
    shop.settle()
    assert shop.erp.journal(endpoint="salesOrder.update") == closings


def test_a_cancellation_that_races_the_delivery_ends_with_a_closed_order(shop: Business):
    """It is cancelled while a run that then dies has the order in work."""
    number = shop.store.buy("pat", payment="checkmo")
    with shop.installation() as here:
        route = here.configuration.routes["us"]
        shop.extract(here, route, "orders", "run-a")
        shop.transform(here, route, "orders", "run-a")
        (claim,) = here.ledger.deliveries.claim("us", "orders", "netsuite_us", owner="run-a:1", lease_seconds=30)
        assert claim.delivery.number == number
    shop.store.cancel(number)
    shop.settle()
    assert [order["status"] for order in shop.in_erp(number)] == ["H"]
    assert shop.report().orders.cancelled_open_in_erp == []


def test_changed_after_delivery_a_person_is_asked_and_later_versions_do_not_free_it(shop: Business):
    number = shop.store.buy("quy", payment="checkmo")
    shop.settle()
    store_sql(shop, "UPDATE sales_order_address SET city = 'Shelbyville' WHERE parent_id = ?", number)
    touch(shop, number)
    for note in ("first note", "second note"):
        comment(shop, number, note)
        shop.settle()
    held = shop.delivery(number, sequence=2)
    assert (held.state, held.code) == (State.HELD, "changed_after_delivery")
    assert [one.sequence for one in shop.deliveries() if one.number == number] == [2, 1]
    assert len(shop.in_erp(number)) == 1


def test_a_payment_that_comes_in_later_becomes_a_deposit(shop: Business):
    number = shop.store.buy("ray", payment="checkmo")
    shop.settle()
    assert (len(shop.in_erp(number)), len(shop.deposits(number))) == (1, 0)
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{shop.store.id_of(number)}/invoice", {"capture": True})
    shop.settle()
    (deposit,) = shop.deposits(number)
    total = Decimal(shop.store.order(shop.store.id_of(number))["grand_total"])
    assert Decimal(deposit["payment"]) == total
    assert len(shop.in_erp(number)) == 1


# Bad input --------------------------------------------------------------------------------------------------


def test_a_negative_quantity_is_quarantined_by_name_until_it_is_corrected(shop: Business):
    bad, good = shop.store.buy("sam", {"MUG": 2}, payment="checkmo"), shop.store.buy("tom")
    store_sql(shop, "UPDATE sales_order_item SET qty_ordered = '-2.0000' WHERE order_id = ?", bad)
    shop.settle()
    assert (len(shop.in_erp(bad)), len(shop.in_erp(good))) == (0, 1)
    row = quarantined(shop, bad)
    assert row.rule in ("quantities_are_positive", "malformed_record")
    assert "quantity" in row.problem or "qty" in row.problem
    store_sql(shop, "UPDATE sales_order_item SET qty_ordered = '2.0000' WHERE order_id = ?", bad)
    touch(shop, bad)
    shop.settle()
    assert len(shop.in_erp(bad)) == 1
    assert quarantined(shop, bad) is None


def test_an_order_that_cannot_be_read_is_quarantined_alone(shop: Business):
    bad, good = shop.store.buy("una"), shop.store.buy("val")
    store_sql(shop, "UPDATE sales_order SET state = 'eaten', status = 'eaten' WHERE entity_id = ?", bad)
    shop.settle()
    row = quarantined(shop, bad)
    assert (row.rule, row.field) == ("unknown_order_state", "state")
    assert "eaten" in row.problem
    assert len(shop.in_erp(good)) == 1


# And at the end ---------------------------------------------------------------------------------------------


def test_the_checker_finds_every_order_of_the_day_once(shop: Business):
    shop.settle()
    orders = shop.report().orders
    assert len(orders.placed) == len(shop.store.placed)
    assert orders.lost == []
    assert orders.duplicated == []
    assert orders.customers_duplicated == []
    assert orders.deposits_duplicated == []
    assert orders.cancelled_open_in_erp == []
    assert orders.not_from_store == []
    assert orders.false_claims == {}
    assert {one.order for one in orders.differences} <= set(changed_by_hand(shop))


# Hands ------------------------------------------------------------------------------------------------------


def writes(shop: Business) -> int:
    return len([call for call in shop.erp.journal() if call["committed"]])


def customers(shop: Business, email: str) -> list[dict[str, Any]]:
    return shop.erp_rows("SELECT * FROM customer WHERE email = ?", email)


def exactly_once(shop: Business, number: str) -> tuple[int, int, int]:
    """Customers with the order's e-mail, orders, deposits."""
    email = shop.store.order(shop.store.id_of(number))["customer_email"]
    return len(customers(shop, email)), len(shop.in_erp(number)), len(shop.deposits(number))


def quarantined(shop: Business, number: str) -> Any:
    """The order's open row of the quarantine, None where there is none."""
    with shop.installation() as here:
        rows = here.ledger.quarantine.find(flow="orders")
    return next((row for row in rows if row.native_id == str(shop.store.id_of(number))), None)


def store_sql(shop: Business, statement: str, number: str) -> None:
    """What a bug or an extension does to an order in the store's database."""
    shop.store.sql(statement, shop.store.id_of(number))


def touch(shop: Business, number: str) -> None:
    comment(shop, number, "changed by hand")


def comment(shop: Business, number: str, text: str) -> None:
    entity_id = shop.store.id_of(number)
    body = {"statusHistory": {"comment": text, "is_customer_notified": 0, "is_visible_on_front": 0}}
    body["statusHistory"]["parent_id"] = entity_id
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/orders/{entity_id}/comments", body)


def changed_by_hand(shop: Business) -> list[str]:
    return [one.number for one in shop.deliveries() if one.code == "changed_after_delivery"]
