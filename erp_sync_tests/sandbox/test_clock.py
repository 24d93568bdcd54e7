from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from erp_sync.sandbox.clock import Clock, ManualClock

START = datetime(2026, 11, 12, 8, tzinfo=UTC)


def test_a_calendar_may_run_faster_than_technical_time():
    with time_machine.travel(datetime(2026, 11, 23, 10, tzinfo=UTC), tick=False) as traveller:
        clock = Clock(speed=576, start=START)
        traveller.shift(timedelta(seconds=150))
        assert clock.now() == START + timedelta(days=1)
        assert clock.wall() == datetime(2026, 11, 23, 10, 2, 30, tzinfo=UTC)


def test_a_change_of_speed_goes_on_from_where_the_calendar_is():
    with time_machine.travel(datetime(2026, 11, 23, 10, tzinfo=UTC), tick=False) as traveller:
        clock = Clock(speed=60, start=START)
        traveller.shift(timedelta(seconds=60))
        clock.set(speed=0)
        traveller.shift(timedelta(seconds=60))
        assert clock.now() == START + timedelta(hours=1)
        clock.set(speed=1, now=START)
        traveller.shift(timedelta(seconds=5))
        clock.shift(timedelta(days=-1))
        assert clock.now() == START - timedelta(days=1) + timedelta(seconds=5)


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock(START)
    assert clock.now() == clock.wall() == START
    assert clock.advance(90) == clock.now() == START + timedelta(seconds=90)
    clock.advance(timedelta(hours=1))
    assert clock.wall() == START + timedelta(hours=1, seconds=90)


def test_times_need_a_zone_and_speeds_a_direction():
    with pytest.raises(ValueError, match="time zone"):
        Clock(start=datetime(2026, 11, 12))  # noqa: DTZ001
    with pytest.raises(ValueError, match="speed is -1"):
        Clock(speed=-1)
