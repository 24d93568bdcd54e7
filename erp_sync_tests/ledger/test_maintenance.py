"""Planned maintenance: when windows are open, whose word counts, and what waited for their end."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.ledger import Ledger
from erp_sync.ledger.calendars import Once, Recurring
from erp_sync.ledger.maintenance import NoMaintenance
from erp_sync.ports.connection import NoSlot
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, START, accept, claim, document

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def every_saturday(hours: float = 4) -> Recurring:
    return Recurring("FREQ=WEEKLY;BYDAY=SA", time(22, 0), hours * HOUR, BERLIN, "weekly release")


def test_a_rule_is_read_on_the_wall_clock_of_its_zone_through_the_change_of_daylight_saving_time():
    windows = every_saturday()
    summer = windows.at(datetime(2026, 10, 24, 20, 30, tzinfo=UTC))
    assert summer is not None
    assert summer.starts_at == datetime(2026, 10, 24, 20, 0, tzinfo=UTC)
    # That night the clocks go back: four hours of real time, not until two o'clock.
    assert summer.ends_at == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    winter = windows.after(summer.starts_at)
    assert winter is not None
    assert winter.starts_at == datetime(2026, 10, 31, 21, 0, tzinfo=UTC)
    assert windows.at(summer.ends_at) is None
    assert winter.why == "weekly release"


def test_every_second_week_is_counted_from_the_day_that_is_named():
    day = datetime(2026, 11, 2, tzinfo=UTC).date()
    windows = Recurring("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", time(9, 0), HOUR, ZoneInfo("UTC"), starting=day)
    assert windows.at(datetime(2026, 11, 2, 9, 30, tzinfo=UTC)) is not None
    assert windows.at(datetime(2026, 11, 9, 9, 30, tzinfo=UTC)) is None
    assert windows.at(datetime(2026, 11, 16, 9, 30, tzinfo=UTC)) is not None


@given(st.integers(0, 2 * 365 * 24 * 60), st.integers(1, 14 * 24))
def test_a_moment_is_in_the_window_that_contains_it_or_the_next_one_lies_ahead(minutes, hours):
    windows, now = every_saturday(hours), START + timedelta(minutes=minutes)
    here, ahead = windows.at(now), windows.after(now)
    assert here is None or here.contains(now)
    assert ahead is not None
    assert now < ahead.starts_at <= now + timedelta(days=8)


@pytest.mark.parametrize(("rule", "hours"), [("every saturday", 4), ("FREQ=WEEKLY;BYDAY=SA", 0), ("FREQ=DAILY", 400)])
def test_what_is_no_rule_is_refused(rule: str, hours: float):
    with pytest.raises(ValueError, match=r"RFC 5545|a window lasts"):
        Recurring(rule, time(22, 0), hours * HOUR, BERLIN)


def test_no_call_starts_in_a_window_and_the_caller_hears_until_when(ledger: Ledger, clock):
    ledger.maintenance.configure(ERP, [Once(START + HOUR, 2 * HOUR, "release 2026.2")])
    ledger.breakers.check(ERP)
    clock.advance(3600)
    with pytest.raises(NoSlot, match=r"planned maintenance until 2026-11-23 12:00 UTC: release 2026\.2") as refused:
        ledger.breakers.check(ERP)
    assert refused.value.planned
    assert refused.value.retry_after_seconds == 7200
    assert {name: one.planned for name, one in ledger.unreachable().items()} == {ERP: True}
    ledger.breakers.check("magento_us")  # nobody else's
    clock.advance(7200)
    ledger.breakers.check(ERP)
    assert ledger.unreachable() == {}
    assert ledger.notices.open() == []


def test_a_person_orders_a_window_and_opens_it_earlier_than_planned(ledger: Ledger, clock):
    ordered = ledger.maintenance.start(ERP, starts_at=START, ends_at=START + 2 * HOUR, why="disk", who="ann")
    assert ledger.maintenance.window(ERP) == ordered
    clock.advance(600)
    assert ledger.maintenance.end(ERP, who="bob") == ordered
    assert ledger.maintenance.window(ERP) is None
    with pytest.raises(NoMaintenance, match="netsuite_us is in no maintenance window"):
        ledger.maintenance.end(ERP, who="bob")
    again = ledger.maintenance.start(ERP, starts_at=clock(), ends_at=clock() + HOUR, why="", who="ann")
    assert ledger.maintenance.window(ERP) == again  # the latest word counts


def test_a_person_opens_what_the_calendar_closed_for_this_one_time(ledger: Ledger, clock):
    daily = Recurring("FREQ=DAILY", time(9, 0), HOUR, ZoneInfo("UTC"))
    ledger.maintenance.configure(ERP, [daily])
    assert ledger.maintenance.window(ERP) is not None
    ledger.maintenance.end(ERP, who="ann")
    assert ledger.maintenance.window(ERP) is None
    following = ledger.maintenance.following(ERP)
    assert following is not None
    assert following.starts_at == START + timedelta(days=1)
    clock.advance(24 * 3600)
    assert ledger.maintenance.window(ERP) is not None


def test_other_processes_see_it_within_a_second(ledger: Ledger, clock):
    other = Ledger.open(ledger.database.url.render_as_string(hide_password=False), clock)
    try:
        assert other.maintenance.window(ERP) is None
        ledger.maintenance.start(ERP, starts_at=START, ends_at=START + HOUR, why="", who="ann")
        clock.advance(1)
        assert other.maintenance.window(ERP) is not None
    finally:
        other.close()


def test_a_window_that_would_end_before_it_begins_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="before it begins"):
        ledger.maintenance.start(ERP, starts_at=START, ends_at=START - HOUR, why="", who="ann")


def test_what_did_not_leave_is_due_when_a_person_opens_and_what_may_have_arrived_keeps_its_settle_time(
    ledger: Ledger, clock
):
    accept(ledger, document("1"), document("2"))
    waiting, unknown = claim(ledger, limit=2)
    ledger.maintenance.start(ERP, starts_at=START, ends_at=START + HOUR, why="", who="ann")
    ledger.deliveries.later(waiting, START + HOUR, "planned maintenance", "not_sent")
    ledger.deliveries.later(unknown, START + HOUR, "no answer", "outcome_unknown")
    clock.advance(60)
    ledger.maintenance.end(ERP, who="ann")
    assert [one.id for one in claim(ledger, limit=2)] == [waiting.id]


def test_a_breaker_that_closes_makes_due_what_waited_and_takes_its_notice_back(ledger: Ledger, clock):
    accept(ledger, document("1"))
    (waiting,) = claim(ledger)
    for _ in range(ledger.breakers.policy.threshold):
        ledger.breakers.failure(ERP, "HTTP 503")
    ledger.deliveries.later(waiting, START + HOUR, "breaker open", "not_sent")
    (notice,) = ledger.notices.open()
    assert notice.text.startswith("netsuite_us does not answer (5 calls in a row failed, the last: HTTP 503)")
    assert not ledger.unreachable()[ERP].planned
    assert not ledger.any_due(ROUTE, FLOW, ERP)
    clock.advance(ledger.breakers.policy.cool_down_seconds)
    assert ledger.unreachable() == {}  # the next caller is the probe
    ledger.breakers.check(ERP)
    ledger.breakers.success(ERP)
    assert ledger.any_due(ROUTE, FLOW, ERP)
    assert ledger.notices.open() == []
