"""Writing: once, whatever becomes of the answer, of the worker, or of the run beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from erp_sync.operations import dead_letters
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.netsuite.orders import SalesOrderTarget
from erp_sync.transport.policies import RetryPolicy
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.e2e.test_stock_beside_shipments import PATIENCE, QUICK, gate
from erp_sync_tests.scenarios.conftest import PAYMENTS, asked_to_create, created, in_step, until
from erp_sync_tests.scenarios.worker import __name__ as WORKER

ERP_RECORDS = ("customer", "salesOrder", "customerDeposit")


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Business]:
    """A shop whose store is given up after two seconds."""
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, store_settings=QUICK) as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Business]:
    """A shop whose ERP is waited for."""
    with business(tmp_path, erp_settings={"us": {"write_timeout_seconds": 50}}, payment_methods=PAYMENTS) as running:
        yield running


def test_the_reply_is_lost_after_the_erp_committed(shop: Business):
    """openlinker-project/openlinker 3369: after a time-out nobody knows of, the retry makes a second real order and a
    second customer."""
    # Given: the ERP does what it is asked, and its answer never comes, for customer, order and deposit
    number = shop.store.buy("ann")
    for record in ERP_RECORDS:
        shop.erp.fault("timeout_after_commit", f"{record}.create")
    # When
    shop.settle()
    # Then
    lost = {call["endpoint"] for call in shop.erp.journal(fault="timeout_after_commit", committed=1)}
    assert lost == {f"{record}.create" for record in ERP_RECORDS}
    assert (created(shop, number), len(shop.deposits(number))) == (1, 1)
    in_step(shop)
    # And: what the ERP never took looks the same to who waited in vain, and is not taken for done
    other, often = shop.store.buy("bob"), RetryPolicy().attempts
    shop.erp.fault("timeout_before", "salesOrder.create", times=often)
    shop.settle()
    assert len(shop.erp.journal(fault="timeout_before")) == often
    assert (created(shop, other), len(shop.deposits(other))) == (1, 1)
    in_step(shop)


def test_the_reply_is_lost_after_the_store_committed(impatient: Business):
    """No key of ours keeps the store from booking the other half of an order as a second shipment, with a second e-mail
    to the customer."""
    # Given: two of four mugs have left the warehouse
    shop = impatient
    number = shop.store.buy("ann", {"MUG": 4})
    shop.settle()
    erp = shop.hands_in_erp()
    assert Warehouse(erp, "east", habits=Habits(partial=1, stepwise=0, late_parcel=0, two_parcels=0)).ship() == 1
    erp.close()
    # When: the store books the shipment, and its answer never comes
    shop.store.sandbox.fault("timeout_after_commit", "*ship*", method="POST")
    shop.settle("shipments")
    # Then
    assert [call["committed"] for call in shop.store.sandbox.journal(fault="timeout_after_commit")] == [1]
    booked = shop.store.rows("SELECT * FROM sales_shipment WHERE order_id = ?", shop.store.id_of(number))
    assert len(booked) == 1
    shipments = shop.report().shipments
    assert (shipments.missing, shipments.booked_twice, shipments.mails_twice) == ([], [], [])
    in_step(shop)


def test_a_worker_that_is_killed_in_the_middle_of_its_job_is_taken_over(patient: Business):
    """sidekiq/sidekiq 6829: jobs of a worker that was killed with -9 are neither tried again nor dead, but gone."""
    # Given: orders to be sent, and an ERP that makes them and does not answer
    shop = patient
    numbers = [shop.store.buy(f"guest{index}") for index in range(4)]
    shop.extract_and_transform("orders")
    shop.erp.fault("timeout_after_commit", "salesOrder.create", times=None)
    command = [sys.executable, "-m", WORKER, str(shop.settings.home), str(shop.settings.defs)]
    worker = subprocess.Popen(command)
    try:
        until(lambda: any(shop.in_erp(number) for number in numbers), "an order of the worker in the ERP")
    finally:
        # When
        worker.kill()
    assert worker.wait() == -signal.SIGKILL
    shop.erp.clear_faults()
    in_hand = {number for number in numbers if shop.in_erp(number)}
    # Then: nobody touches what it had in hand while its lease holds
    assert not in_hand & {*shop.run().drained.delivered_keys}
    assert [asked_to_create(shop, number) for number in in_hand] == [1] * len(in_hand)
    # And: when it has ended, others go on with all of it
    shop.settle()
    assert [created(shop, number) for number in numbers] == [1] * 4
    in_step(shop)


def test_two_runs_at_the_same_time_write_an_order_once(shop: Business, monkeypatch: pytest.MonkeyPatch):
    """mirakl/magento2-seller-connector 4: now and then an order comes in two or three times, seconds apart, by the same
    cron job."""
    # Given: a run stands before it sends the order
    number = shop.store.buy("ann")
    with gate(monkeypatch, SalesOrderTarget, "submit", answered=False) as at, ThreadPoolExecutor(1) as pool:
        first = pool.submit(shop.run)
        assert at.reached.wait(PATIENCE)
        # When: a second one comes
        second = shop.run()
        at.open.set()
        # Then: it leaves the order to the first
        assert second.drained.delivered_keys == []
        assert first.result(PATIENCE).drained.delivered_keys == [number]
    assert asked_to_create(shop, number) == 1
    # And: three that begin together share a rush
    numbers = [shop.store.buy(f"guest{index}") for index in range(6)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: shop.run(), range(3)))
    shop.settle()
    assert [asked_to_create(shop, one) for one in numbers] == [1] * 6
    in_step(shop)


def test_an_order_that_failed_yesterday_goes_with_what_it_says_today(shop: Business):
    """Who retries a failed job sends what was captured then: the parcel goes to the old address."""
    # Given: an order failed yesterday, since nobody had mapped its payment method
    number = shop.store.buy("ann", payment="paypal_express")
    shop.settle()
    in_step(shop, but=[number])
    # And: the customer has called since, and the shop has corrected the street
    street = '["7 New Road"]'
    shop.store.sql("UPDATE sales_order_address SET street = ? WHERE parent_id = ?", street, shop.store.id_of(number))
    shop.store.sql("UPDATE sales_order SET updated_at = datetime('now', '+1 second') WHERE increment_id = ?", number)
    # When: the row is added and the error retried
    shop.map("payment_methods", "paypal_express", "7")
    with shop.installation() as here:
        assert dead_letters.retry(here, [number], who="ann", why="mapped").count == 1
    shop.settle()
    # Then
    in_step(shop)
    assert created(shop, number) == 1
    (sent,) = shop.erp_rows(
        "SELECT addr1 FROM transactionshippingaddress WHERE nkey = ?", shop.in_erp(number)[0]["shippingaddress"]
    )
    assert sent["addr1"] == "7 New Road"
