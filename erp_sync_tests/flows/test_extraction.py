"""What changed at a source is received once, and nothing of it is missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from erp_sync.flows.extraction import (
    PROVED_AGAIN,
    completeness_window,
    extract_changes,
    extract_missing,
    extract_named,
    news,
)
from erp_sync.flows.state_extraction import extract_snapshot
from erp_sync.ledger import Ledger
from erp_sync.ports.capabilities import Capabilities, Limits, Reading
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync_tests.flows.world import FLOW, ROUTE, START, STORE, Clock

ENTITY = "sales_order"
LATENESS = 60.0
SINCE = START - timedelta(hours=2)


class Store:
    """A source whose records carry a time of last change. `hidden` ones are not seen by a reader yet."""

    def __init__(self, page: int = 2) -> None:
        reading = Reading(entity=ENTITY, lateness_seconds=LATENESS)
        self.capabilities = Capabilities(vendor="fake", operations=(), readings=(reading,), limits=Limits())
        self.records: dict[str, RawRecord] = {}
        self.hidden: set[str] = set()
        self.windows: list[Window] = []
        self.page, self.peeked = page, True
        self.fails_after: int | None = None

    def put(self, native_id: str, updated: datetime, created: datetime | None = None) -> None:
        version = f"{updated:%H:%M:%S}"
        self.records[native_id] = RawRecord(
            native_id=native_id,
            version=version,
            source_time=updated,
            created_time=created or updated,
            payload={"id": native_id},
        )

    def _in(self, window: Window) -> list[RawRecord]:
        seen = [one for one in self.records.values() if one.native_id not in self.hidden]
        return sorted(
            (one for one in seen if one.source_time and window.start <= one.source_time < window.end),
            key=lambda one: one.source_time or START,
        )

    def changed(self, window: Window, news: News = all_new) -> Iterable[list[RawRecord]]:
        self.windows.append(window)
        found = self._in(window)
        for begin in range(0, len(found), self.page):
            if self.fails_after is not None:
                self.fails_after -= 1
                if self.fails_after < 0:
                    raise CallFailed("the store does not answer")
            yield found[begin : begin + self.page]

    def fetch(self, native_ids: list[str]) -> Iterable[list[RawRecord]]:
        found = [self.records[one] for one in native_ids if one in self.records]
        for begin in range(0, len(found), self.page):
            yield found[begin : begin + self.page]

    def created(self, window: Window) -> dict[str, str]:
        return {
            one.native_id: one.version
            for one in self.records.values()
            if one.created_time and window.start <= one.created_time < window.end
        }

    def peek(self, window: Window) -> dict[str, str] | None:
        return {one.native_id: one.version for one in self._in(window)} if self.peeked else None


class Lake:
    """Keeps what landed."""

    def __init__(self) -> None:
        self.landed: list[str] = []

    def __call__(self, records: list[RawRecord]) -> str:
        self.landed += [record.native_id for record in records]
        return f"file {len(self.landed)}"


def extract(store: Store, ledger: Ledger, clock: Clock, lake: Lake | None = None) -> Any:
    return extract_changes(
        store, ledger, lake or Lake(), connection=STORE, entity=ENTITY, start=SINCE, now=clock(), run_id="run-1"
    )


def received(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row.native_id, row.version) for row in ledger.unhandled(ROUTE, FLOW, STORE, ENTITY)]


def position(ledger: Ledger) -> datetime | None:
    return ledger.cursors.get(STORE, ENTITY).position


def look(store: Store, ledger: Ledger, clock: Clock) -> str | None:
    return news(store, ledger, connection=STORE, entity=ENTITY, start=SINCE, now=clock())


def test_the_first_run_begins_at_the_start_and_leaves_the_cursor_at_now(ledger: Ledger, clock: Clock):
    store = Store()
    store.put("too old", SINCE - timedelta(seconds=1))
    store.put("1", SINCE)
    store.put("2", START - timedelta(seconds=1))
    store.put("not yet", START)
    done = extract(store, ledger, clock)
    assert received(ledger) == [("1", "07:00:00"), ("2", "08:59:59")]
    assert (done.seen, done.received, done.window_start, done.window_end) == (2, 2, SINCE, START)
    assert position(ledger) == START


def test_nothing_is_missed_of_a_source_whose_clock_is_behind(ledger: Ledger, clock: Clock):
    """What it changes after we looked gets a time before our look."""

    class Behind(Store):
        def behind_seconds(self) -> float:
            return 45.0

    store = Behind()
    extract(store, ledger, clock)
    clock.advance(30)
    store.put("1", clock() - timedelta(seconds=45))
    clock.advance(30)
    extract(store, ledger, clock)
    assert [native_id for native_id, _ in received(ledger)] == ["1"]


def test_a_snapshot_of_a_source_whose_clock_is_behind_leaves_the_cursor_behind(ledger: Ledger, clock: Clock):
    class Behind(Store):
        def behind_seconds(self) -> float:
            return 45.0

        def snapshot(self) -> list[Any]:
            return []

    extract_snapshot(Behind(), ledger, lambda records: "", connection=STORE, entity=ENTITY, now=clock(), run_id="run")
    assert position(ledger) == clock() - timedelta(seconds=45)


def test_windows_overlap_by_the_lateness_and_join_without_a_gap(ledger: Ledger, clock: Clock):
    store = Store()
    extract(store, ledger, clock)
    clock.advance(30)
    extract(store, ledger, clock)
    first, second = store.windows
    assert second.start == first.end - timedelta(seconds=LATENESS)
    assert second.end == clock()


def test_a_record_that_appears_late_is_received_and_the_others_are_not_received_again(ledger: Ledger, clock: Clock):
    store, lake = Store(), Lake()
    store.put("1", START - timedelta(seconds=50))
    store.put("late", START - timedelta(seconds=50))
    store.hidden = {"late"}
    extract(store, ledger, clock, lake)
    store.hidden = set()
    clock.advance(5)
    done = extract(store, ledger, clock, lake)
    assert (done.seen, done.received) == (2, 1)
    assert received(ledger) == [("1", "08:59:10"), ("late", "08:59:10")]
    assert lake.landed == ["1", "late"]


def test_a_changed_record_is_received_in_its_new_version(ledger: Ledger, clock: Clock):
    store = Store()
    store.put("1", START - timedelta(seconds=50))
    extract(store, ledger, clock)
    store.put("1", START + timedelta(seconds=5))
    clock.advance(10)
    extract(store, ledger, clock)
    assert received(ledger) == [("1", "08:59:10"), ("1", "09:00:05")]


def test_nothing_is_lost_while_nobody_looks_for_three_hours(ledger: Ledger, clock: Clock):
    store = Store()
    extract(store, ledger, clock)
    for minute in range(180):
        store.put(str(minute), START + timedelta(minutes=minute, seconds=30))
    clock.advance(3 * 3600)
    extract(store, ledger, clock)
    assert [native_id for native_id, _ in received(ledger)] == [str(minute) for minute in range(180)]


def test_a_source_that_fails_keeps_what_came_and_the_cursor_stays(ledger: Ledger, clock: Clock):
    store = Store()
    for number in range(6):
        store.put(str(number), START - timedelta(minutes=10 - number))
    store.fails_after = 2
    with pytest.raises(CallFailed):
        extract(store, ledger, clock)
    assert [native_id for native_id, _ in received(ledger)] == ["0", "1", "2", "3"]
    assert position(ledger) is None
    store.fails_after = None
    extract(store, ledger, clock)
    assert [native_id for native_id, _ in received(ledger)] == ["0", "1", "2", "3", "4", "5"]
    assert position(ledger) == START


def test_a_long_past_is_read_in_slices_each_of_which_moves_the_cursor(ledger: Ledger, clock: Clock):
    store = Store()
    clock.time = SINCE + timedelta(days=40)
    for day in (0, 1, 20):
        store.put(f"day {day}", SINCE + timedelta(days=day, hours=1))
    extract(store, ledger, clock)
    lengths = [(window.end - window.start).days for window in store.windows]
    assert lengths[:4] == [1, 1, 1, 2]  # an empty slice doubles the next
    assert len(store.windows) < 15
    assert all(a.end == b.start for a, b in zip(store.windows, store.windows[1:], strict=False))
    assert len(received(ledger)) == 3
    assert position(ledger) == clock()


def test_a_first_run_that_breaks_off_goes_on_at_the_last_whole_slice(ledger: Ledger, clock: Clock):
    store = Store(page=1)
    clock.time = SINCE + timedelta(days=5)
    for day in range(5):
        store.put(f"day {day}", SINCE + timedelta(days=day, hours=1))
    store.fails_after = 3
    with pytest.raises(CallFailed):
        extract(store, ledger, clock)
    assert position(ledger) == SINCE + timedelta(days=3)
    store.fails_after, store.windows = None, []
    extract(store, ledger, clock)
    assert store.windows[0].start == SINCE + timedelta(days=3) - timedelta(seconds=LATENESS)
    assert [native_id for native_id, _ in received(ledger)] == [f"day {day}" for day in range(5)]


def test_two_extractions_at_once_receive_each_record_once(ledger: Ledger, clock: Clock):
    store = Store()
    store.put("1", START - timedelta(seconds=50))
    second: list[Any] = []

    def overtaken(records: list[RawRecord]) -> str:
        if not second:
            second.append(None)
            second[0] = extract(store, ledger, clock)
        return "file"

    done = extract_changes(
        store, ledger, overtaken, connection=STORE, entity=ENTITY, start=SINCE, now=clock(), run_id="run-1"
    )
    assert (second[0].received, done.received) == (1, 0)
    assert received(ledger) == [("1", "08:59:10")]


def test_completeness_is_proved_by_created_time_and_mended(ledger: Ledger, clock: Clock):
    """A record that no window of updates ever showed is found by its creation, and fetched as it is now."""
    store = Store()
    day = Window(start=START - timedelta(days=1), end=START)
    store.put("seen", START - timedelta(minutes=5))
    store.put("missed", START - timedelta(minutes=5), created=START - timedelta(hours=3))
    store.hidden = {"missed"}
    extract(store, ledger, clock)
    clock.advance(600)
    store.put("missed", START + timedelta(days=9), created=START - timedelta(hours=3))
    common: dict[str, Any] = {"connection": STORE, "entity": ENTITY, "window": day, "run_id": "run-2"}
    lake = Lake()
    done = extract_missing(store, ledger, lake, **common)
    assert (done.missing, done.received) == (1, 1)
    assert [native_id for native_id, _ in received(ledger)] == ["seen", "missed"]
    again = extract_missing(store, ledger, lake, **common)
    assert (again.missing, again.received) == (0, 0)
    assert lake.landed == ["missed"]


DAY = timedelta(days=1)
MIDNIGHT = START.replace(hour=0)


@pytest.mark.parametrize(
    ("days", "full", "start", "proved"),
    [
        (Window(start=MIDNIGHT, end=MIDNIGHT + DAY), False, None, None),
        (Window(start=MIDNIGHT, end=MIDNIGHT + DAY), True, None, (MIDNIGHT - PROVED_AGAIN, START)),
        (Window(start=MIDNIGHT, end=MIDNIGHT + DAY), True, MIDNIGHT - DAY, (MIDNIGHT - DAY, START)),
        (Window(start=MIDNIGHT - 7 * DAY, end=MIDNIGHT), False, None, (MIDNIGHT - 7 * DAY, MIDNIGHT)),
        (Window(start=MIDNIGHT - 7 * DAY, end=MIDNIGHT), False, MIDNIGHT, None),
        (Window(start=MIDNIGHT - 6 * DAY, end=MIDNIGHT + DAY), False, None, (MIDNIGHT - 6 * DAY, START)),
    ],
)
def test_which_days_are_proved_complete(days, full, start, proved):
    found = completeness_window(days, full=full, start=start, now=START)
    assert (found.start, found.end) == proved if found is not None else proved is None


def test_what_was_created_and_is_gone_is_counted_as_missing_and_not_made_up(ledger: Ledger, clock: Clock):
    store = Store()
    store.put("gone", START - timedelta(minutes=5))
    known = store.created(Window(start=SINCE, end=START))
    store.records.clear()
    store.created = lambda window: known  # type: ignore[method-assign]
    window = Window(start=SINCE, end=START)
    done = extract_missing(store, ledger, Lake(), connection=STORE, entity=ENTITY, window=window, run_id="r")
    assert (done.missing, done.received) == (1, 0)


def test_a_look_tells_only_of_what_was_not_received(ledger: Ledger, clock: Clock):
    store = Store()
    assert look(store, ledger, clock) == "the source was never read"
    store.put("1", START - timedelta(seconds=50))
    extract(store, ledger, clock)
    clock.advance(5)
    assert look(store, ledger, clock) is None  # the overlap shows it again, and it starts no run
    store.put("2", START + timedelta(seconds=2))
    assert look(store, ledger, clock) == "1 new or changed"
    store.peeked = False
    assert look(store, ledger, clock) == "the source could not be judged by a look"


def test_a_source_is_told_what_is_received_already(ledger: Ledger, clock: Clock):
    """Windows overlap; a source whose records cost a call each need not read them again."""
    store = Store()
    store.put("1", START - timedelta(seconds=30))
    extract(store, ledger, clock)
    store.put("2", START - timedelta(seconds=20))
    asked: list[set[str]] = []
    whole = store.changed

    def changed(window: Window, news: News = all_new) -> Iterable[list[RawRecord]]:
        for page in whole(window):
            fresh = news({one.native_id: one.version for one in page})
            asked.append(set(fresh))
            yield [one for one in page if one.native_id in fresh]

    store.changed = changed  # type: ignore[method-assign]
    clock.advance(5)
    done = extract(store, ledger, clock)
    assert asked == [{"2"}]
    assert (done.seen, done.received) == (1, 1)


class SingleRecords(Store):
    """Each record costs a call: it asks first which ones are wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def fetch_new(self, native_ids: Sequence[str], news: News) -> Iterator[list[RawRecord]]:
        there = [self.records[one] for one in native_ids if one in self.records]
        wanted = news({one.native_id: one.version for one in there})
        self.read += [one.native_id for one in there if one.native_id in wanted]
        yield [one for one in there if one.native_id in wanted]


def test_a_source_that_reads_singly_reads_only_what_is_new_and_says_what_exists(ledger: Ledger):
    store, landed = SingleRecords(), Lake()
    store.put("1", START)
    store.put("2", START)
    common: dict[str, Any] = {"connection": STORE, "entity": ENTITY, "run_id": "run-1"}
    extract_named(store, ledger, landed, native_ids=["1"], **common)
    done, found = extract_named(store, ledger, landed, native_ids=["1", "2", "3"], **common)
    assert (done.received, found) == (1, {"1", "2"})
    assert store.read == ["1", "2"]
