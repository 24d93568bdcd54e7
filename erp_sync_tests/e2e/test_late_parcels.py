"""A parcel added to a shipment later, and the e-mail about it whose answer is lost: over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger import State
from erp_sync.monitoring.alerting import message_of
from erp_sync.operations import dead_letters
from erp_sync.operations.watching import Watchdog
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.e2e.business import Business, business

# A call that gets no answer ends soon.
QUICK = {"timeout_seconds": 3}
PLAIN = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)


class Late:
    """An order that has left in one parcel and is booked in the store, and its fulfillment in the ERP."""

    def __init__(self, shop: Business, emails: bool = True) -> None:
        self.shop = shop
        if not emails:
            shop.store.sql("INSERT INTO core_config_data VALUES ('sales_email/shipment/enabled', '0')")
        self.number = shop.store.buy("ann", {"MUG": 2})
        shop.settle()
        erp = shop.hands_in_erp()
        east = Warehouse(erp, "east", habits=PLAIN)
        assert east.ship() == 1
        erp.close()
        (self.shipped,) = east.worked.shipped
        shop.settle("shipments")
        assert self.mails() == ([1] if emails else [])

    def add_parcel(self, tracking_number: str) -> None:
        """Somebody in the warehouse adds a parcel to what has left, in a later second than the last change: windows of
        these tests end two seconds ahead, so that what is read seems to be of a second that has ended (`later`)."""
        last = datetime.now(UTC).replace(microsecond=0)
        while datetime.now(UTC).replace(microsecond=0) == last:
            time.sleep(0.02)
        erp = self.shop.hands_in_erp()
        package = {
            "packageTrackingNumber": tracking_number,
            "packageWeight": 1.5,
            "packageDescr": f"{self.shipped.parcels[0].carrier} parcel",
        }
        erp.change(f"itemFulfillment/{self.shipped.fulfillment}", {"package": {"items": [package]}})
        erp.close()

    def mails(self) -> list[int]:
        """How many parcels each e-mail about the shipment names, in the order of their sending."""
        found = self.shop.store.rows(
            "SELECT tracks FROM sandbox_mail WHERE kind = 'shipment' AND order_increment_id = ? ORDER BY mail_id",
            self.number,
        )
        return [len(json.loads(one["tracks"])) for one in found]

    def asked(self) -> int:
        """How often the store was asked to send it again."""
        return sum("/emails" in one["path"] for one in self.shop.store.sandbox.journal())

    def latest(self) -> Any:
        return max(self.shop.deliveries("shipments"), key=lambda one: one.sequence)


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Late]:
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, store_settings=QUICK) as shop:
        yield Late(shop)


@pytest.mark.parametrize(("fault", "went"), [("timeout_after_commit", True), ("timeout_before", False)])
def test_a_lost_answer_of_the_email_sends_no_second_and_is_a_case_with_words_that_do_no_harm(late, fault, went):
    late.shop.store.sandbox.fault(fault, "*emails*", method="POST", times=1)
    late.add_parcel("LATE-1")
    for _ in range(3):
        late.shop.settle("shipments")
    assert late.mails() == ([1, 2] if went else [1])
    assert late.asked() == 1
    case = late.latest()
    assert (case.state, case.code) == (State.DEAD, "no_trace")
    assert "LATE-1" in case.reason
    assert "mail server" in case.reason
    # What the reason advises: nobody gets two, nobody none.
    with late.shop.installation() as here:
        if went:
            here.ledger.dead_letters.dismiss([case.id], who="ann", why="in the mail server's log")
        else:
            here.ledger.dead_letters.retry([case.id], who="ann", why="not in the mail server's log")
    late.shop.settle("shipments")
    assert late.mails() == [1, 2]
    assert late.latest().state is (State.DISMISSED if went else State.DELIVERED)
    report = late.shop.report().shipments
    assert (report.differing, report.mails_twice, report.mails_missing) == ({}, [], [])


def test_an_email_that_the_store_refuses_is_told_and_the_parcel_is_delivered(tmp_path: Path):
    """Only the refused step says so: without a notice nobody would hear that customers get no e-mail."""
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, store_settings=QUICK) as shop:
        late = Late(shop, emails=False)
        late.add_parcel("LATE-1")
        shop.settle("shipments")
        assert (late.latest().state, late.asked(), late.mails()) == (State.DELIVERED, 1, [])

        def told() -> list[str]:
            with shop.installation() as here:
                return [one.text for one in Watchdog(here).look() if one.key == "left_out/us/shipments/not_notified"]

        (text,) = told()
        assert text.startswith("shipments on us: delivered, but for a step that the target refused: 1, the latest ")
        with shop.installation() as here:
            (notice,) = (one for one in here.ledger.notices.take_untold(["warning"]) if "left_out" in one.key)
            assert message_of(notice, "us").text.count("runbook.md#") == 2
            (letter,) = dead_letters.letters(here, code="not_notified")
            assert letter.id == f"d{late.latest().id}"
            assert dead_letters.dismiss(here, [letter.id], who="ann", why="sent by hand") == [letter.id]
        assert told() == []
        with shop.installation() as here:
            assert [one.key for one in here.ledger.notices.take_untold([]) if one.cleared_at] == [notice.key]
        assert late.latest().state is State.DELIVERED


def test_a_later_email_that_names_all_parcels_settles_one_that_was_refused(tmp_path: Path):
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, store_settings=QUICK) as shop:
        late = Late(shop, emails=False)
        late.add_parcel("LATE-1")
        shop.settle("shipments")
        shop.store.sql("UPDATE core_config_data SET value = '1' WHERE path = 'sales_email/shipment/enabled'")
        with shop.installation() as here:
            assert [one.count for one in here.ledger.left_out.groups()] == [1]
        late.add_parcel("LATE-2")
        shop.settle("shipments")
        assert late.mails() == [3]
        with shop.installation() as here:
            assert here.ledger.left_out.groups() == []


def test_a_parcel_after_the_case_goes_when_it_is_dismissed_and_its_email_names_them_all(late):
    late.shop.store.sandbox.fault("timeout_before", "*emails*", method="POST", times=1)
    late.add_parcel("LATE-1")
    late.shop.settle("shipments")
    late.add_parcel("LATE-2")
    late.shop.settle("shipments")
    (case,) = late.shop.deliveries("shipments", State.DEAD)
    assert case.code == "no_trace"
    with late.shop.installation() as here:
        here.ledger.dead_letters.dismiss([case.id], who="ann", why="nobody can tell")
    late.shop.settle("shipments")
    assert late.mails() == [1, 3]
    assert late.latest().state is State.DELIVERED
    assert late.shop.report().shipments.mails_missing == []
