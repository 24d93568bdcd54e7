from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.systems.shopware.criteria import (
    Above,
    All,
    Between,
    Criteria,
    Equals,
    OneOf,
    any_of,
    time_of,
    time_text,
    touched,
)
from erp_sync_tests.systems.shopware.shop import found
from erp_sync_tests.systems.shopware.test_contract import problems_of

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
# Within a second: collisions are likely.
moments = st.integers(0, 1_000_000).map(lambda passed: NOW + timedelta(microseconds=passed))
ways = st.sampled_from(["updatedAt", "deliveries.updatedAt", "customFields.a_1"])


def milliseconds(moment: datetime) -> datetime:
    return moment - timedelta(microseconds=moment.microsecond % 1000)


filters = st.recursive(
    st.one_of(
        st.builds(Equals, ways, st.none() | st.text("ab", min_size=1) | st.integers() | st.booleans()),
        st.builds(OneOf, ways, st.lists(st.text("ab", min_size=1), min_size=1).map(tuple)),
        st.builds(Between, ways, moments, moments),
        st.builds(Above, st.just("autoIncrement"), st.integers(0, 10**9)),
    ),
    lambda inner: st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple), st.sampled_from(["and", "or"])),
    max_leaves=5,
)


@given(st.lists(filters, max_size=3))
def test_any_criteria_follow_the_published_contract(conditions):
    search = (
        Criteria()
        .where(*conditions)
        .along("deliveries.positions", "deliveries.stateMachineState", "currency")
        .including({"currency": ("isoCode",)})
        .sorted_by("autoIncrement")
        .at_most(500)
    )
    assert problems_of("/search/order", "post", search.body()) == []


def test_the_check_notices_a_renamed_property():
    search = Criteria().where(Above("autoIncrement", 1)).body()
    search["filters"] = search.pop("filter")
    assert problems_of("/search/order", "post", search) != []


@given(moments, moments, moments, st.none() | moments)
def test_a_record_is_in_the_window_of_its_last_write(start, end, created, updated):
    """Until it was changed, ``updatedAt`` is null and the creation counts; never both."""
    record = {
        "id": "1",
        "createdAt": milliseconds(created).isoformat(),
        "updatedAt": milliseconds(updated).isoformat() if updated else None,
    }
    written = milliseconds(updated or created)
    inside = milliseconds(start) <= written < end
    answer = found([record], Criteria().where(any_of(*touched(start, end))).body())
    assert (len(answer["data"]) == 1) == inside


@given(moments, moments, st.lists(st.tuples(moments, st.none() | moments), max_size=3))
def test_so_is_one_whose_child_was_written_in_it(start, end, times):
    children = [
        {
            "createdAt": milliseconds(created).isoformat(),
            "updatedAt": milliseconds(updated).isoformat() if updated else None,
        }
        for created, updated in times
    ]
    inside = any(milliseconds(start) <= milliseconds(updated or created) < end for created, updated in times)
    answer = found(
        [{"id": "1", "lineItems": children}], Criteria().where(any_of(*touched(start, end, "lineItems"))).body()
    )
    assert (len(answer["data"]) == 1) == inside


def test_times_are_written_as_the_vendor_stores_them_and_read_in_any_offset():
    east = datetime(2026, 11, 30, 9, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
    assert time_text(east) == "2026-11-30 08:00:00.123"
    assert time_of("2026-11-30T09:00:00.123+01:00") == datetime(2026, 11, 30, 8, 0, 0, 123000, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        time_text(datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_end_within_a_millisecond_takes_that_millisecond_along():
    body = Between("updatedAt", NOW, NOW + timedelta(microseconds=1)).body()
    assert body["parameters"] == {"gte": "2026-11-30 08:00:00.000", "lt": "2026-11-30 08:00:00.001"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Equals("a b", 1),
        lambda: Equals("a", ""),
        lambda: OneOf("a", ()),
        lambda: OneOf("a", ("b", "")),
        lambda: All(()),
        lambda: Criteria().at_most(501),
        lambda: Criteria().at_most(0),
        lambda: Criteria().only([]),
        lambda: Criteria().only(["0123"]),
        lambda: Criteria().only(["A" * 32]),
        lambda: Criteria().only(["a" * 32] * 501),
    ],
)
def test_what_the_vendor_refuses_is_refused_before_it_is_sent(wrong):
    with pytest.raises(ValueError):
        wrong()
