"""Reading from the store: what is odd stops alone, and nothing is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from erp_sync.operations import dead_letters
from erp_sync.operations.watching import Watchdog
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import Window
from erp_sync_tests.disasters.telling import Channel
from erp_sync_tests.e2e.business import Business, business, hands_in_store, today
from erp_sync_tests.scenarios.conftest import ORDERS, altered, configured, in_step, lists_read, placed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[Business]:
    """A shop whose orders are read two on a page."""
    with business(tmp_path, store_settings={"page_size": 2}) as running:
        yield running


def test_a_deleted_product_on_an_old_order_inside_a_range_stops_that_order_only(shop: Business):
    """frappe/ecommerce_integrations 338: the range from last year on synchronised one order, then met an old order
    with a product that is gone, and ended (337). magento/magento2 7518: one deleted item failed the whole list."""
    # Given: orders of three days, of which the middle one has an article that nobody sells any more
    before, old, after = (
        placed(shop, shop.store.buy(who, {sku: 1}), ago=days * DAY)
        for who, sku, days in (("ann", "MUG", 4), ("bob", "CUP", 3), ("cid", "TEA", 2))
    )
    with hands_in_store(shop.store) as admin:
        admin.json("DELETE", "/rest/default/V1/products/CUP")
    shop.erp_sql("UPDATE item SET isinactive = 'T' WHERE itemid = 'CUP'")
    # When: the range is read
    now = datetime.now(UTC)
    shop.run(days=Window(start=now - 5 * DAY, end=now))
    shop.settle()
    # Then: only that order stops, and says why
    in_step(shop, but=[old])
    assert len(shop.in_erp(before)) == len(shop.in_erp(after)) == 1
    with shop.installation() as here:
        (stopped,) = dead_letters.letters(here)
    assert (stopped.number, stopped.reason) == (old, "lacks product CUP")


def test_a_record_that_was_committed_late_below_the_cursor_is_found(shop: Business):
    """airbytehq/airbyte 9668: a transaction that ends after the read has a time from before it, and is never read."""
    # Given: the cursor is at this moment
    shop.store.buy("ann")
    shop.run()
    # When: two checkouts end only now; one took as long as the store declares, one far longer
    usual = placed(shop, shop.store.buy("bob"), ago=timedelta(seconds=2))
    stuck = placed(shop, shop.store.buy("cid"), ago=2 * HOUR)
    # Then: the first is in the next window, which overlaps by that time
    shop.run()
    assert (len(shop.in_erp(usual)), len(shop.in_erp(stuck))) == (1, 0)
    # And: the daily comparison, which goes by the set of ids, finds the other
    shop.run(days=today())
    in_step(shop)


def test_a_record_on_a_later_page_that_lacks_a_field_stops_alone(paged: Business):
    """mailchimp/mc-magento2 1720: one order without a billing address, and all synchronisation fails."""
    # Given: five orders on three pages; the fourth has lost its addresses
    numbers = [placed(paged, paged.store.buy(f"guest{index}"), ago=(9 - index) * HOUR) for index in range(5)]
    paged.store.sql("DELETE FROM sales_order_address WHERE parent_id = ?", paged.store.id_of(numbers[3]))
    # When
    paged.settle()
    # Then
    assert lists_read(paged) >= 3
    in_step(paged, but=[numbers[3]])


def test_a_later_page_without_its_records_is_not_the_end_of_the_list(paged: Business):
    """mvanhorn/cli-printing-press 2467: a page whose envelope is not as the first one's ends the list after 100 of 870
    records, and the run is green."""
    # Given: five orders on three pages
    for index in range(5):
        placed(paged, paged.store.buy(f"guest{index}"), ago=(9 - index) * HOUR)

    def lacks(answer: dict[str, Any]) -> None:
        if answer["total_count"] == 4:  # the second page goes on from the last record of the first
            del answer["items"]

    # When: the second page says how many there are, and lacks them
    with altered(paged.store.sandbox, ORDERS, lacks), pytest.raises(CallFailed, match="without its records"):
        paged.run()
    # Then: the run has failed, the cursor stands before it, and the next run reads them all
    paged.settle()
    in_step(paged)


def test_failed_records_that_the_cursor_has_passed_are_not_lost(shop: Business):
    """Multiwoven/multiwoven 923: rows in error are marked as read, and skipped by every later run."""
    # Given: an order with a status of the shop's own, one with an unmapped payment method, one that is well
    unread, unmapped = shop.store.buy("ann"), shop.store.buy("bob", payment="paypal_express")
    shop.store.sql("UPDATE sales_order SET state = 'packing', status = 'packing' WHERE increment_id = ?", unread)
    shop.store.buy("cid")
    shop.settle()
    in_step(shop, but=[unread, unmapped])
    # And: a day of business, so that the cursor is far beyond both
    for number in (unread, unmapped):
        placed(shop, number, ago=DAY)
    shop.store.buy("dan")
    shop.settle()
    # When: their causes are mended, and somebody has them tried again
    with configured(shop) as (store, _, _):
        store["settings"]["order_statuses"] = {"packing": "open"}
    shop.map("payment_methods", "paypal_express", "7")
    with shop.installation() as here:
        tried = dead_letters.retry(here, everything=True, who="ann", why="mended")
    assert tried.count == 2
    shop.settle()
    # Then
    in_step(shop)


def test_a_read_that_fails_on_its_second_page_does_not_move_the_cursor_past_the_rest(paged: Business):
    """pipeshub-ai/pipeshub-ai 3095: an error on a later page ended the loop, and the checkpoint was written all the
    same."""
    # Given
    for index in range(5):
        paged.store.buy(f"guest{index}")
    paged.store.sandbox.fault("server_error", f"/rest/*{ORDERS}", method="GET", skip=1, times=20)
    # When: the second page cannot be had, however often it is asked for
    with pytest.raises(CallFailed):
        paged.run()
    # And: a long time passes until the store is well again
    for index in paged.store.placed:
        placed(paged, paged.store.order(index)["increment_id"], ago=HOUR)
    paged.store.sandbox.clear_faults()
    paged.settle()
    # Then
    in_step(paged)


def test_a_green_run_that_moved_nothing_is_told_to_somebody(shop: Business):
    """airbytehq/airbyte 32914: syncs succeed with 0 records where that cannot be, and nobody is told."""
    # Given: a shop of 20 orders an hour, which are delivered
    opened = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    with configured(shop) as (_, _, route):
        route["flows"]["orders"] = {"mode": "on", "start": opened, "expected": [{"per_hour": 20}]}
    shop.store.buy("ann")
    shop.settle()
    channel = Channel()

    def watch(minutes: int) -> list[str]:
        shop.clock.skip_to(shop.clock() + timedelta(minutes=minutes))
        with shop.installation() as here:
            Watchdog(here, channel).look()
        return [message.title for message in channel.messages]

    def nothing(answer: dict[str, Any]) -> None:
        answer |= {"items": [], "total_count": 0}

    # When: the integration loses the right to see orders, which is answered with an empty list and status 200
    read = lists_read(shop)
    with altered(shop.store.sandbox, ORDERS, nothing):
        unseen = shop.store.buy("bob")
        assert shop.run().extraction.received == 0
        assert lists_read(shop) > read
        # Then: nobody is troubled before it can be known, and somebody is within half an hour of the first missing
        assert watch(20) == []
        assert shop.run().extraction.received == 0
        (told,) = watch(11)
    assert "0 came from magento_us" in told
    # And: after the repair all that was missed goes
    placed(shop, unseen, ago=HOUR)
    with configured(shop) as (_, _, route):
        route["flows"]["orders"]["start"] = "2026-01-01T00:00:00Z"
    shop.run(days=today())
    shop.settle()
    in_step(shop)
