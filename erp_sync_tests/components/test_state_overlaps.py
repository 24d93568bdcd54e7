"""Which reads of a record can be put in order. Seconds after a moment; the source may be 10 seconds late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.components.state_overlaps import Ours, Read, crossed, done_by_sku, unordered
from erp_sync.components.state_rows import Entry
from erp_sync.ledger.plan_values import PlannedValue
from erp_sync.ports.raw import RawRecord

LATE = timedelta(seconds=10)


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 2, 14, tzinfo=UTC) + timedelta(seconds=seconds)


def read(version: str, began: float, done: float, changed: float | None = None) -> Read:
    return Read(version, at(began), at(done), at(changed) if changed is not None else None)


@pytest.mark.parametrize(
    ("one", "other", "unknown"),
    [
        pytest.param(read("a", 0, 75), read("b", 60, 61), True, id="one hung while the other came and went"),
        pytest.param(read("a", 0, 1), read("b", 0, 1), True, id="both at once"),
        pytest.param(read("a", 0, 1), read("b", 1, 2), False, id="one after the other"),
        pytest.param(read("a", 0, 75), read("a again 2026", 60, 61), False, id="both hold the same"),
        pytest.param(read("a", 0, 1, 0), read("b", 5, 6, -3), True, id="the later one is of a search that lags"),
        pytest.param(read("a", 0, 1, 0), read("b", 5, 6, 4), False, id="changed, and read again"),
        pytest.param(read("a", 0, 1, 0), read("b", 11, 12, -3), False, id="later than the search may be: put back"),
        pytest.param(read("a", 0, 1, 0), read("b", 5, 6), False, id="one does not say when it changed"),
    ],
)
def test_what_can_be_ordered(one: Read, other: Read, unknown: bool):
    assert unordered(one, other, LATE) is unknown
    assert unordered(other, one, LATE) is unknown


@st.composite
def reads(draw: st.DrawFn, changes: list[int]) -> Read:
    """A read of a record that changed at these seconds, by a search that is up to 10 seconds late."""
    began, took = draw(st.integers(0, 60)), draw(st.integers(0, 30))
    seen = draw(st.integers(began, began + took)) - draw(st.integers(0, 10))
    shown = max(change for change in changes if change <= seen)
    return read(f"changed {shown}", began, began + took, shown)


@given(st.data(), st.lists(st.integers(0, 90), max_size=8))
def test_what_is_ordered_stands_in_the_order_in_which_it_changed(data: st.DataObject, changes: list[int]):
    history = [-100, *changes]
    one, other = data.draw(reads(history)), data.draw(reads(history))
    if not unordered(one, other, LATE):
        first, second = sorted((one, other), key=lambda each: (each.began, each.changed))
        assert first.changed <= second.changed


@pytest.mark.parametrize(
    ("order", "value", "version", "unknown"),
    [
        pytest.param(15, "old", "v1", True, id="began while ours was under way"),
        pytest.param(15, "old", "", True, id="known, nobody knows in which version"),
        pytest.param(20, "old", "v1", True, id="began as ours was done"),
        pytest.param(15, None, "v1", True, id="is to go"),
        pytest.param(15, "new", "v1", False, id="the same value"),
        pytest.param(15, "old", "v2", False, id="the same version, mapped otherwise"),
        pytest.param(10, "old", "v1", False, id="began with ours"),
        pytest.param(9, "old", "v1", False, id="before"),
        pytest.param(21, "old", "v1", False, id="after ours was done: it is newer"),
    ],
)
def test_what_stands_in_the_ledger_crosses_what_was_read_meanwhile(order, value, version, unknown):
    ours = {"MUG": Ours("new", "v2", 10, 20)}
    assert crossed(ours, [PlannedValue("MUG", order, value, version), PlannedValue("TEA", 15, "old", "")]) == (
        {"MUG"} if unknown else set()
    )


def test_a_sum_is_done_when_the_last_of_its_parts_was_read():
    entries = [
        Entry(
            record=RawRecord(native_id=f"{sku}@{place}", scope="", version="1", source_time=None, payload={}),
            landed=at(landed) if landed is not None else None,
            row=SimpleNamespace(sku=sku),
        )
        for sku, place, landed in (("MUG", "east", 11), ("MUG", "west", 40), ("TEA", "east", 12), ("CUP", "east", None))
    ]
    assert done_by_sku(entries, at(50)) == {"MUG": at(40), "TEA": at(12), "CUP": at(50)}
