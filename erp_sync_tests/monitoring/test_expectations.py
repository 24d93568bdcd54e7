"""What a flow should have by now, and when it is silent."""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.monitoring.expectations import AtLeast, ByHand, Expectation, chance, patience, silence, stillness

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
# Friday, 17:00 in Berlin.
FRIDAY = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)


def busy_weeks(weeks: int, per_hour: int = 20, until: datetime = FRIDAY) -> list[datetime]:
    """Orders from eight to twenty-two o'clock in Berlin, every day, evenly."""
    times, hour = [], until - timedelta(weeks=weeks)
    while hour < until:
        if 8 <= hour.astimezone(BERLIN).hour < 22:
            times += [hour + HOUR * number / per_hour for number in range(per_hour)]
        hour += HOUR
    return times


def learned(times: list[datetime], now: datetime = FRIDAY) -> Expectation:
    return Expectation.learned(times, times[0] if times else None, now, BERLIN, ())


def test_the_usual_rate_is_learned_by_weekday_and_hour_of_the_wall_clock():
    usual = learned(busy_weeks(4))
    assert usual.rate(FRIDAY) == 20
    assert usual.rate(FRIDAY + 8 * HOUR) == 0  # one o'clock at night
    assert usual.between(FRIDAY, FRIDAY + HOUR / 2) == pytest.approx(10)
    # A day with a flood, or without anything, does not move a median.
    flood = sorted(busy_weeks(4) + [FRIDAY - timedelta(weeks=1) + HOUR * n / 9999 for n in range(9999)])
    assert learned(flood).rate(FRIDAY) == 20


def test_nothing_is_expected_of_a_flow_that_is_two_days_old():
    times = busy_weeks(4)
    young = [moment for moment in times if moment > FRIDAY - timedelta(days=2)]
    assert learned(young).rate(FRIDAY) == 0
    assert silence(learned(young), young, FRIDAY - timedelta(days=2), FRIDAY + 3 * HOUR) is None


def test_orders_that_stop_on_a_friday_afternoon_are_missed_after_half_an_hour():
    times = busy_weeks(4)
    usual, start = learned(times), FRIDAY - timedelta(weeks=4)
    noticed = next(
        minutes for minutes in range(1, 240) if silence(usual, times, start, FRIDAY + timedelta(minutes=minutes))
    )
    assert noticed <= 30
    quiet = silence(usual, times, start, FRIDAY + timedelta(minutes=30))
    assert quiet is not None
    assert (quiet.came, quiet.expected, quiet.since) == (0, pytest.approx(10), FRIDAY)


def test_what_is_normal_again_is_silent_no_more_however_much_was_missed():
    times = busy_weeks(4)
    usual, start = learned(times), FRIDAY - timedelta(weeks=4)
    reopened = FRIDAY + 16 * HOUR  # nobody could buy from Friday afternoon until Saturday, nine o'clock
    again = [reopened + HOUR * number / 20 for number in range(60)]

    def quiet(minutes: int) -> bool:
        now = reopened + timedelta(minutes=minutes)
        return silence(usual, [moment for moment in times + again if moment <= now], start, now) is not None

    assert quiet(0)
    assert quiet(5)  # one order does not make a business
    assert not quiet(60)


def test_a_business_that_lost_most_of_its_channels_stays_silent_although_some_orders_come():
    times = busy_weeks(4)
    usual, start = learned(times), FRIDAY - timedelta(weeks=4)
    few = [FRIDAY + HOUR * number / 4 for number in range(12)]
    told = [
        minutes
        for minutes in range(0, 180, 5)
        if silence(usual, times + [one for one in few if one <= FRIDAY + timedelta(minutes=minutes)], start,
                   FRIDAY + timedelta(minutes=minutes))
    ]  # fmt: skip
    assert told
    assert told == list(range(told[0], 180, 5))


def test_no_week_of_usual_business_is_ever_called_silent():
    times = busy_weeks(5, until=FRIDAY + timedelta(weeks=1))
    usual = learned([moment for moment in times if moment < FRIDAY])
    for half_hour in range(7 * 24 * 2):
        now = FRIDAY + timedelta(minutes=30 * half_hour)
        recent = times[bisect_left(times, now - timedelta(days=7)) : bisect_left(times, now)]
        assert silence(usual, recent, FRIDAY - timedelta(weeks=4), now) is None, now


def test_what_is_said_by_hand_stands_from_the_first_day():
    shop_hours = ByHand(days=(0, 1, 2, 3, 4), begins=time(8), ends=time(22), per_hour=20)
    told = Expectation.learned([], None, FRIDAY, BERLIN, [shop_hours])
    assert (told.rate(FRIDAY), told.rate(FRIDAY + 6 * HOUR), told.rate(FRIDAY + 24 * HOUR)) == (20, 0, 0)
    assert silence(told, [], FRIDAY - 10 * HOUR, FRIDAY + HOUR / 2) is not None
    late = ByHand(days=(4,), begins=time(20), ends=time(0), per_hour=5)
    assert late.holds(datetime(2026, 11, 27, 23, 59, tzinfo=BERLIN))


SHOP_HOURS = {"days": (0, 1, 2, 3, 4), "begins": time(8), "ends": time(22)}
ALWAYS = {"days": tuple(range(7)), "begins": time(0), "ends": time(0)}


@pytest.mark.parametrize(("within", "count"), [(30, 1), (30, 3), (30, 100), (5, 2), (180, 2)])
def test_a_least_number_by_hand_is_missed_as_soon_as_fewer_came_and_settled_by_as_many(within: int, count: int):
    bound = AtLeast(**SHOP_HOURS, count=count, within=timedelta(minutes=within))
    told = Expectation.learned([], None, FRIDAY, BERLIN, [bound])
    start, minute = FRIDAY - timedelta(days=9), timedelta(minutes=1)
    came = [FRIDAY + minute * number / count for number in range(count)]
    assert silence(told, came, start, FRIDAY + minute) is None
    assert silence(told, came, start, FRIDAY + minute * (within - 1)) is None
    quiet = silence(told, came, start, FRIDAY + minute * (within + 1))
    assert quiet is not None
    assert (quiet.came, quiet.expected, quiet.least) == (0, count, bound)
    assert quiet.usual() == f"at least {count} in {within} minutes are demanded by `expected` of the flow"
    fresh = [FRIDAY + minute * (within + 2)] * count
    assert silence(told, came + fresh[1:], start, FRIDAY + minute * (within + 2)) is not None
    assert silence(told, came + fresh, start, FRIDAY + minute * (within + 2)) is None


def test_half_of_a_least_number_is_missed_too():
    bound = AtLeast(**SHOP_HOURS, count=4, within=timedelta(minutes=30))
    told = Expectation.learned([], None, FRIDAY, BERLIN, [bound])
    half = [FRIDAY + timedelta(minutes=15 * number) for number in range(8)]
    looks = [FRIDAY + timedelta(minutes=minutes) for minutes in range(30, 120)]
    assert all(silence(told, half, FRIDAY - timedelta(days=1), look) for look in looks)


def test_a_least_number_is_judged_only_once_its_hours_have_lasted_as_long():
    bound = AtLeast(**SHOP_HOURS, count=1, within=timedelta(minutes=30))
    told = Expectation.learned([], None, FRIDAY, BERLIN, [bound])
    opens = datetime(2026, 11, 27, 8, tzinfo=BERLIN)

    def quiet(moment: datetime, start: datetime = FRIDAY - timedelta(days=30)) -> bool:
        return silence(told, [], start, moment.astimezone(UTC)) is not None

    assert not quiet(opens - timedelta(minutes=1))
    assert not quiet(opens + timedelta(minutes=29))
    assert quiet(opens + timedelta(minutes=30))
    assert quiet(datetime(2026, 11, 27, 22, tzinfo=BERLIN))
    assert not quiet(datetime(2026, 11, 27, 22, 2, tzinfo=BERLIN))
    assert not quiet(opens + timedelta(days=1, hours=2))  # Saturday
    # Nothing is judged before the flow was on, or its source back from maintenance.
    assert not quiet(opens + timedelta(hours=2), start=(opens + timedelta(hours=1, minutes=31)).astimezone(UTC))


def test_a_least_number_stands_beside_what_is_learned():
    times = busy_weeks(4)
    night = AtLeast(**{**ALWAYS, "begins": time(0), "ends": time(6)}, count=1, within=timedelta(hours=2))
    usual = Expectation.learned(times, times[0], FRIDAY, BERLIN, [night])
    assert usual.rate(FRIDAY) == 20
    assert silence(usual, times, times[0], FRIDAY + timedelta(minutes=30)) is not None
    at_four = datetime(2026, 11, 27, 4, tzinfo=BERLIN).astimezone(UTC)
    before = [moment for moment in times if moment <= at_four]
    quiet = silence(usual, before, times[0], at_four)
    assert quiet is not None
    assert quiet.least == night


def test_a_least_number_of_changed_rows_counts_rows():
    bound = AtLeast(**ALWAYS, count=100, within=timedelta(hours=2))
    told = Expectation.of_changes([], None, FRIDAY, BERLIN, [bound])
    every, start = timedelta(hours=1), FRIDAY - timedelta(days=1)
    enough = [(FRIDAY - HOUR, 60), (FRIDAY - HOUR / 2, 40)]
    assert stillness(told, enough, start, FRIDAY, every) is None
    missed = stillness(told, enough[:1], start, FRIDAY, every)
    assert missed is not None
    assert (missed.came, missed.least) == (60, bound)


@pytest.mark.parametrize("per_hour", [60, 20, 19, 10, 9, 4, 2, 1])
def test_after_how_long_a_flow_that_stops_is_missed_can_be_said(per_hour: int):
    told = Expectation.learned([], None, FRIDAY, BERLIN, [ByHand(**ALWAYS, per_hour=per_hour)])
    start = FRIDAY - timedelta(days=20)
    before = [start + HOUR * number / per_hour for number in range(20 * 24 * per_hour)]
    noticed = next(
        minutes for minutes in range(1, 2000) if silence(told, before, start, FRIDAY + timedelta(minutes=minutes))
    )
    said = patience(per_hour) / timedelta(minutes=1)
    # Windows grow by a quarter, and one ends before the last document came.
    assert noticed <= max(30, 1.25 * said + 1)


def test_what_lies_before_the_start_is_not_judged():
    usual = learned(busy_weeks(4))
    assert silence(usual, [], FRIDAY, FRIDAY + timedelta(minutes=29)) is None
    assert silence(usual, [], FRIDAY, FRIDAY + timedelta(minutes=30)) is not None


def hourly_changes(weeks: int, rows: int, until: datetime = FRIDAY) -> list[tuple[datetime, int]]:
    """Prices: a plan of so many rows at ten past every hour, day and night."""
    first = until - timedelta(weeks=weeks) + timedelta(minutes=10)
    return [(first + hour * HOUR, rows) for hour in range(weeks * 7 * 24)]


def of_changes(changes: list[tuple[datetime, int]], now: datetime = FRIDAY) -> Expectation:
    return Expectation.of_changes(changes, changes[0][0], now, BERLIN, ())


def test_changes_that_come_by_the_hundred_are_as_few_as_the_plans_they_come_in():
    changes = hourly_changes(4, 200)
    usual = of_changes(changes)
    assert (usual.rate(FRIDAY), usual.handful) == (200, 200)
    told = [
        hours
        for hours in range(24)
        if stillness(usual, changes, FRIDAY - timedelta(weeks=4), FRIDAY + hours * HOUR, every=HOUR)
    ]
    assert told == list(range(11, 24))  # a window of 9.2 hours is too short; ten plans are told from none


def test_nothing_is_expected_of_a_state_flow_while_nobody_could_look():
    changes = hourly_changes(4, 50)
    usual, start, now = of_changes(changes), FRIDAY - timedelta(weeks=4), FRIDAY + 12 * HOUR

    def still(*away: tuple[datetime, datetime]) -> bool:
        return stillness(usual, changes, start, now, HOUR, away) is not None

    assert still()
    assert not still((FRIDAY, FRIDAY + 6 * HOUR))
    # What two spans share is taken out once.
    assert still((FRIDAY, FRIDAY + HOUR), (FRIDAY + HOUR / 2, FRIDAY + HOUR), (FRIDAY, FRIDAY + HOUR))
    # A time without any span is judged by what lies before it, too.
    assert not still((FRIDAY + 4 * HOUR, FRIDAY + 10 * HOUR))
    bound = AtLeast(**ALWAYS, count=100, within=HOUR)
    told = Expectation.of_changes([], None, FRIDAY, BERLIN, [bound])
    for begins, missed in ((2 * HOUR, True), (HOUR, False)):
        span = (FRIDAY - begins, FRIDAY - begins / 2)
        assert (stillness(told, [], start, FRIDAY, HOUR, [span]) is not None) == missed


def test_a_first_load_is_no_part_of_what_usually_changes():
    changes = hourly_changes(1, 10)
    assert of_changes([(changes[0][0], 50_000), *changes[1:]]).handful == 10


def test_an_erp_in_which_nobody_works_at_weekends_is_not_missed_on_its_first_ones():
    monday = FRIDAY - timedelta(days=4, hours=16)
    worked = [one for one in hourly_changes(4, 200, monday + timedelta(weeks=4)) if one[0].weekday() < 5]
    for week in range(4):
        saturday = monday + timedelta(weeks=week, days=5, hours=15)
        changes = [one for one in worked if one[0] < saturday]
        usual = of_changes(changes, saturday)
        assert usual.rate(saturday) == 0
        assert stillness(usual, changes, monday, saturday, every=HOUR) is None
        assert usual.rate(monday + timedelta(hours=12)) == (200 if week else 0), "a Monday is known by its second"


def test_a_trickle_is_no_sign_of_life_and_a_usual_plan_is():
    changes = hourly_changes(4, 200)
    usual, start, now = of_changes(changes), FRIDAY - timedelta(weeks=4), FRIDAY + 13 * HOUR
    trickle = [(FRIDAY + hour * HOUR, 1) for hour in range(13)]
    found = stillness(usual, changes + trickle, start, now, every=HOUR)
    assert found is not None
    assert found.came < 20
    assert stillness(usual, [*changes, *trickle, (now - HOUR, 200)], start, now, every=HOUR) is None


def test_the_first_plan_after_days_without_us_ends_what_was_missed():
    changes = hourly_changes(4, 200)
    caught_up = FRIDAY + timedelta(days=2)
    usual = of_changes(changes)
    late = [*changes, (caught_up, 900)]
    for hours in range(6):
        assert stillness(usual, late, FRIDAY - timedelta(weeks=4), caught_up + hours * HOUR, every=HOUR) is None


def test_three_looks_may_find_nothing_whatever_is_said_by_hand():
    by_hand = ByHand(days=tuple(range(7)), begins=time(0), ends=time(0), per_hour=20)
    told = Expectation.of_changes([], None, FRIDAY, BERLIN, [by_hand])
    start = FRIDAY - timedelta(days=7)
    changes = [(FRIDAY, 20)]
    assert stillness(told, changes, start, FRIDAY + 2 * HOUR, every=HOUR) is None
    assert stillness(told, changes, start, FRIDAY + 3 * HOUR, every=HOUR) is not None


@given(st.integers(0, 60), st.floats(0.01, 60))
def test_the_chance_is_that_of_poisson(came: int, expected: float):
    terms = [math.exp(-expected) * expected**k / math.factorial(k) for k in range(came + 1)]
    assert chance(came, expected) == pytest.approx(min(1.0, sum(terms)), rel=1e-9)


@given(st.integers(0, 100), st.floats(0, 100), st.floats(0, 50))
def test_fewer_documents_are_never_less_suspicious(came: int, expected: float, more: float):
    assert chance(came, expected) <= chance(came + 1, expected) + 1e-12
    assert chance(came, expected + more) <= chance(came, expected) + 1e-12
