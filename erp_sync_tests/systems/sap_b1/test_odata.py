"""Filters, keys and time stamps of the Service Layer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erp_sync.systems.sap_b1 import odata

KEYS = st.one_of(st.integers(min_value=0, max_value=2**40), st.text(max_size=30))


def read(text: str, at: int = 0) -> tuple[int | str, int]:
    """A literal as OData 4.01 (ABNF, `string` and `int64Value`) reads it, and where it ends."""
    if text[at] != "'":
        number = re.compile(r"-?\d+").match(text, at)
        assert number
        return int(number[0]), number.end()
    value, at = "", at + 1
    while True:
        if text.startswith("''", at):
            value, at = value + "'", at + 2
        elif text[at] == "'":
            return value, at + 1
        else:
            value, at = value + text[at], at + 1


@given(KEYS)
def test_a_literal_is_read_back_as_the_value_and_nothing_follows_it(value: int | str):
    text = odata.literal(value)
    assert read(text) == (value, len(text))


@given(st.lists(st.text(max_size=10), min_size=1, max_size=5))
def test_no_value_can_add_a_condition(values: list[str]):
    text, found, at = odata.any_of("U_Key", values), [], 0
    while at < len(text):
        assert text.startswith("U_Key eq ", at)
        value, at = read(text, at + len("U_Key eq "))
        found.append(value)
        assert at == len(text) or text.startswith(" or ", at)
        at += 4
    assert found == list(dict.fromkeys(values))


@pytest.mark.parametrize("value", [True, None, 1.5, b"x"])
def test_what_is_no_key_is_refused(value: Any):
    with pytest.raises(ValueError, match="is no key"):
        odata.literal(value)


def test_a_filter_of_no_value_is_refused_because_it_would_let_everything_through():
    with pytest.raises(ValueError, match="no value to look for"):
        odata.any_of("ItemCode", [])


def test_conditions_are_joined_with_brackets_around_each():
    assert odata.every("a eq 1 or b eq 2", "") == "a eq 1 or b eq 2"
    assert odata.every("a eq 1 or b eq 2", "c eq 'x'") == "(a eq 1 or b eq 2) and (c eq 'x')"


def test_keys_in_a_path():
    assert odata.path("Orders", 22) == "Orders(22)"
    key = {"CardCode": "*1", "ItemCode": "O'Ring 3/8"}
    path = odata.path("SpecialPrices", key)
    assert path == "SpecialPrices(CardCode='%2A1',ItemCode='O''Ring%203%2F8')"
    assert unquote(path) == "SpecialPrices(CardCode='*1',ItemCode='O''Ring 3/8')"
    with pytest.raises(ValueError, match="is no key of Orders"):
        odata.path("Orders", {})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12, unique=True), st.data())
def test_what_follows_a_row_is_what_comes_after_it_in_the_order_of_the_key(rows: list[tuple[int, int]], data: Any):
    last = data.draw(st.sampled_from(rows))
    condition = odata.after(("A", "B"), {"A": last[0], "B": last[1]})
    python = condition.replace(" eq ", " == ").replace(" gt ", " > ")
    following = [row for row in sorted(rows) if eval(python, {"A": row[0], "B": row[1]})]
    assert following == [row for row in sorted(rows) if row > last]


def test_after_a_single_key_nothing_is_wrapped():
    assert odata.after(("DocEntry",), {"DocEntry": 7, "other": 1}) == "DocEntry gt 7"


def test_a_window_is_in_the_server_s_time_and_of_two_fields():
    at = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)
    assert odata.changed_since(at, "Europe/Berlin") == (
        "UpdateDate gt '2026-07-02' or (UpdateDate eq '2026-07-02' and UpdateTime ge '00:30:05')"
    )


TIMES = st.integers(946_684_800, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(TIMES, st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "UTC"]))
def test_a_stamp_is_read_as_the_time_it_was_and_in_the_hour_that_comes_twice_as_the_later(at: datetime, zone: str):
    local = at.astimezone(odata.ZoneInfo(zone))
    read_back = odata.stamp(local.strftime("%Y-%m-%dT00:00:00Z"), local.strftime("%H:%M:%S"), zone)
    assert read_back in (at, at + timedelta(hours=1))
    if local.replace(fold=1).utcoffset() == local.replace(fold=0).utcoffset():
        assert read_back == at


@cache
def turned_back(zone: str, year: int) -> list[datetime]:
    """When clocks were set back in that year, to the minute, UTC."""
    there, start = odata.ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=hour) for hour in range(366 * 24)]
    offsets = [hour.astimezone(there).utcoffset() for hour in hours]
    found = []
    for number in range(1, len(hours)):
        if offsets[number] < offsets[number - 1]:
            minutes = (hours[number - 1] + timedelta(minutes=minute) for minute in range(61))
            found.append(next(one for one in minutes if one.astimezone(there).utcoffset() == offsets[number]))
    return found


ZONES = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe", "UTC")


@st.composite
def windows(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and the start of a window, mostly about the hour that comes twice."""
    zone, year = draw(st.sampled_from(ZONES)), draw(st.integers(2000, 2018))
    turns = turned_back(zone, year)
    if not turns:
        return zone, draw(TIMES)
    return zone, draw(st.sampled_from(turns)) + timedelta(seconds=draw(st.integers(-7200, 7200)))


@given(windows(), st.integers(0, 4 * 3600))
def test_whatever_changed_in_a_window_is_in_its_filter_whichever_pass_of_an_hour_it_was(
    window: tuple[str, datetime], later: int
):
    zone, start = window
    condition = odata.changed_since(start, zone).replace(" eq ", " == ").replace(" gt ", " > ").replace(" ge ", " >= ")
    stamped = (start + timedelta(seconds=later)).astimezone(odata.ZoneInfo(zone))
    row = {"UpdateDate": stamped.strftime("%Y-%m-%d"), "UpdateTime": stamped.strftime("%H:%M:%S")}
    assert eval(condition, row)


def test_a_window_that_starts_in_the_first_pass_of_the_doubled_hour_asks_from_an_hour_before():
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert odata.changed_since(first, "Europe/Berlin").endswith("UpdateTime ge '01:30:00')")
    assert odata.changed_since(second, "Europe/Berlin").endswith("UpdateTime ge '02:30:00')")


@pytest.mark.parametrize(("day", "clock"), [("2014-04-31", "10:00:00"), ("2014-04-01", "25:00:00"), ("", "10:00:00")])
def test_what_is_no_stamp_is_refused(day: str, clock: str):
    with pytest.raises(ValueError):
        odata.stamp(day, clock, "UTC")


BERLIN = "Europe/Berlin"
CHANGES = st.lists(
    st.integers(min_value=int(datetime(2026, 10, 24, 23, tzinfo=UTC).timestamp()),
                max_value=int(datetime(2026, 10, 25, 4, tzinfo=UTC).timestamp())),
    min_size=2, max_size=8, unique=True,
)  # fmt: skip


@given(seconds=CHANGES)
@example(seconds=[1792889940, 1792890060])  # 02:59 in the first pass, 02:01 in the second
def test_no_later_change_looks_older_in_the_hour_that_comes_twice(seconds):
    """A version that looks older than one that is there is not applied: the change would be lost."""
    moments = [datetime.fromtimestamp(one, UTC).astimezone(ZoneInfo(BERLIN)) for one in sorted(seconds)]
    times = [
        odata.ordered(f"{one:%Y-%m-%d}", f"{one:%H:%M:%S}", BERLIN, count) for count, one in enumerate(moments, start=1)
    ]
    assert times == sorted(times)
    for one, time in zip(moments, times, strict=True):
        if one.replace(fold=0).utcoffset() == one.replace(fold=1).utcoffset():
            assert time == one  # no doubt


def test_without_a_count_of_changes_no_version_of_that_hour_looks_older_than_another():
    one, other = (odata.ordered("2026-10-25", clock, BERLIN) for clock in ("02:59:00", "02:01:00"))
    assert one == other < odata.stamp("2026-10-25", "03:00:00", BERLIN)


def test_where_clocks_are_set_back_by_less_the_doubled_part_counts_as_its_end():
    """Lord Howe Island: by half an hour, at 02:00."""
    zone = "Australia/Lord_Howe"
    doubled = odata.ordered("2026-04-05", "01:45:00", zone, 3)
    assert odata.ordered("2026-04-05", "01:29:59", zone) < doubled < odata.ordered("2026-04-05", "02:00:00", zone)
