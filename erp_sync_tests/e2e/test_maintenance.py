"""An ERP in planned maintenance, and one that is down: work queues, and goes when it is back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erp_sync.ledger import State
from erp_sync.operations import maintenance
from erp_sync.operations.choosing import CannotDo
from erp_sync_tests.e2e.business import Business, business

ERP = "netsuite_us"


def calls_of_the_erp(shop: Business) -> int:
    return len(shop.erp.journal())


def test_orders_queue_from_the_first_minute_of_a_window_and_go_after_it_without_error_or_notice(tmp_path: Path):
    with business(tmp_path) as shop:
        before = shop.store.buy("early", {"MUG": 1})
        shop.settle()
        with shop.installation() as here:
            told = maintenance.start(here, ERP, timedelta(hours=2), who="ann", why="release")
            assert told.window is not None
        asked = calls_of_the_erp(shop)
        numbers = [shop.store.buy(f"guest{index}", {"MUG": 1}) for index in range(3)]
        shop.run()
        assert calls_of_the_erp(shop) == asked
        assert [(shop.delivery(number).state, shop.delivery(number).attempts) for number in numbers] == [
            (State.DUE, 0)
        ] * 3
        with shop.installation() as here:
            assert maintenance.of(here, ERP).waiting == 3
            assert here.ledger.notices.open() == []
            assert not here.ledger.any_due("us", "shipments", "us")
        shop.clock.skip_to(shop.clock() + timedelta(hours=2))
        shop.settle()
        report = shop.report()
        assert [len(shop.in_erp(number)) for number in (before, *numbers)] == [1] * 4
        assert (report.orders.lost, report.orders.duplicated) == ([], [])
        with shop.installation() as here:
            assert here.ledger.notices.open() == []


def test_what_queued_in_a_window_goes_oldest_first_after_it(tmp_path: Path):
    """Over one slot, so that the ERP gets them one after the other; the order that came after the window goes last."""
    one_slot = {"us": {"limits": {"concurrency": 1}}}
    with business(tmp_path, erp_settings=one_slot) as shop:
        with shop.installation() as here:
            maintenance.start(here, ERP, timedelta(hours=2), who="ann", why="release")
        numbers = []
        for index in range(5):
            numbers.append(shop.store.buy(f"guest{index}", {"MUG": 1}))
            shop.run()
            shop.clock.skip_to(shop.clock() + timedelta(minutes=10))
        assert [shop.in_erp(number) for number in numbers] == [[]] * 5
        shop.clock.skip_to(shop.clock() + timedelta(hours=2))
        late = shop.store.buy("late", {"MUG": 1})
        shop.settle()
        created = [int(shop.in_erp(number)[0]["id"]) for number in (*numbers, late)]
        assert created == sorted(created)


def test_an_erp_that_is_down_opens_the_breaker_and_the_backlog_goes_oldest_first_once_it_answers(tmp_path: Path):
    one_slot = {"us": {"limits": {"concurrency": 1}}}
    with business(tmp_path, erp_settings=one_slot) as shop:
        shop.erp.fault("maintenance", times=None)
        numbers = [shop.store.buy(f"guest{index}", {"MUG": 1}) for index in range(4)]
        for _ in range(3):
            shop.run()
            shop.clock.skip_to(shop.clock() + timedelta(seconds=3))
        with shop.installation() as here:
            (notice,) = here.ledger.notices.open()
            assert notice.text.startswith(f"{ERP} does not answer")
            assert not here.ledger.unreachable()[ERP].planned
        asked = calls_of_the_erp(shop)
        shop.run()
        assert calls_of_the_erp(shop) == asked  # open for everybody
        shop.erp.clear_faults()
        shop.clock.skip_to(shop.clock() + timedelta(minutes=5))  # the longest time until it is asked again
        shop.settle()
        with shop.installation() as here:
            assert here.ledger.notices.open() == []
        created = [int(shop.in_erp(number)[0]["id"]) for number in numbers]
        assert created == sorted(created)
        report = shop.report()
        assert (report.orders.lost, report.orders.duplicated) == ([], [])


def test_an_erp_that_is_known_to_be_back_is_asked_at_once(tmp_path: Path):
    with business(tmp_path) as shop:
        shop.erp.fault("maintenance", times=None)
        number = shop.store.buy("guest", {"MUG": 1})
        shop.run()
        with shop.installation() as here:
            breakers = here.ledger.breakers
            while breakers.state(ERP).state != "open":  # other workers' calls fail, too
                breakers.failure(ERP, "HTTP 503")
            shop.clock.skip_to(shop.clock() + timedelta(seconds=16))
            breakers.check(ERP)
            breakers.failure(ERP, "HTTP 503")  # the probe
            assert breakers.state(ERP).retry_after_seconds > 20
        shop.erp.clear_faults()
        shop.run()
        assert shop.in_erp(number) == []  # nobody asks before it is time
        with shop.installation() as here:
            told = maintenance.probe(here, "netsuite")
            assert (told.connection, told.waiting) == (ERP, 1)
        shop.run()
        assert len(shop.in_erp(number)) == 1
        with shop.installation() as here:
            assert here.ledger.notices.open() == []
            with pytest.raises(CannotDo, match="does not wait to be asked again; its breaker is closed"):
                maintenance.probe(here, ERP)
