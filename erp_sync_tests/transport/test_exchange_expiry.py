"""What is still open keeps its exchanges and their bodies past their time; what is settled goes whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.model.personal import PersonalTexts
from erp_sync.model.still_open import StillOpen
from erp_sync.transport import exchange_expiry, exchange_store
from erp_sync.transport.exchange_expiry import gather
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync.transport.segments import this_host
from erp_sync_tests.transport.test_exchanges import exchange, postgresql  # noqa: F401 - a fixture

NOON = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
MONTH, DAY = timedelta(days=30), timedelta(days=1)


class Clock:
    time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[ExchangeLog]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
        engine = sa.create_engine(url)
        exchange_store.metadata.drop_all(engine)
        engine.dispose()
    exchange_log = ExchangeLog(tmp_path / "exchanges", url, clock=clock)
    yield exchange_log
    exchange_log.close()


def body(name: str) -> bytes:
    return name.encode() + os.urandom(100)


def files(log: ExchangeLog) -> list[Path]:
    return sorted((log.folder / "segments").iterdir())


def expire(log: ExchangeLog, clock: Clock, still: StillOpen = StillOpen()) -> tuple[int, int]:
    """Rows that went and that stayed."""
    log.flush()
    done = log.expire(clock.time - MONTH, still)
    return done.exchanges, done.kept


def test_exchanges_of_what_is_open_stay_until_it_is_settled(log, clock):
    names = [
        exchange(document="10045"),
        exchange(document="key-9"),
        exchange(document="7", connection="shop"),
        exchange(document="", run_id="read", connection="shop"),
        exchange(document="", run_id="plan"),
    ]
    others = [
        exchange(document="10046"),
        exchange(document="7", connection="erp_us"),
        exchange(document="10045x"),
        exchange(document="", run_id="read", connection="erp_us"),
        exchange(document="8", run_id="read", connection="shop"),
    ]
    for one in [*names, *others]:
        log.record({**one, "time": clock.time})
    still = StillOpen(
        names=frozenset({"10045", "key-9"}),
        ids=frozenset({("shop", "7")}),
        reads=frozenset({("shop", "read")}),
        runs=frozenset({"plan"}),
    )
    for days in (31, 32, 90, 400):
        clock.time = NOON + timedelta(days=days)
        assert expire(log, clock, still) == (5 if days == 31 else 0, 5)
        assert [one.document for one in log.search()] == ["10045", "key-9", "7", "", ""]
    assert expire(log, clock) == (5, 0)
    assert log.search() == []
    assert files(log) == []


def test_bodies_of_the_kept_are_read_and_those_of_the_rest_are_nowhere(log, clock):
    kept, forgotten = body("kept"), body("forgotten")
    log.record(exchange(document="a", time=clock.time, request_body=forgotten, response_body=forgotten))
    log.record(exchange(document="b", time=clock.time, request_body=kept, response_body=kept[::-1]))
    log.record(exchange(document="c", time=clock.time, request_body=kept[:50], response_body=b""))
    (before,) = log.search(document="b")
    clock.time += MONTH + DAY
    still = StillOpen(names=frozenset({"b", "c"}))
    assert expire(log, clock, still) == (1, 2)
    found = log.search()
    assert [(log.request_body(one), log.response_body(one)) for one in found] == [(kept, kept[::-1]), (kept[:50], b"")]
    assert (log.request_body(before), log.response_body(before)) == (kept, kept[::-1]), "who read its row just before"
    assert sum(path.stat().st_size for path in files(log)) == sum(
        (one.request_length or 0) + (one.response_length or 0) for one in found
    )
    names = [path.name for path in files(log)]
    clock.time += DAY
    expire(log, clock, still)
    assert [path.name for path in files(log)] == names, "nothing to move"
    expire(log, clock, StillOpen(names=frozenset({"c"})))
    (one,) = log.search()
    assert log.request_body(one) == kept[:50]
    assert [path.stat().st_size for path in files(log)] == [one.request_length]


def test_a_file_with_younger_exchanges_is_left_as_it_is(log, clock):
    log.record(exchange(document="old", time=clock.time))
    log.record(exchange(document="gone", time=clock.time))
    log.record(exchange(document="new", time=clock.time + timedelta(hours=6)))
    log.flush()
    names = [path.name for path in files(log)]
    clock.time += MONTH + timedelta(hours=3)
    assert expire(log, clock, StillOpen(names=frozenset({"old"}))) == (1, 1)
    assert [path.name for path in files(log)] == names
    assert [log.request_body(one) for one in log.search()] == [exchange()["request_body"]] * 2


def test_of_one_document_the_newest_stay_and_of_all_no_more_than_a_bound(log, clock, monkeypatch):
    monkeypatch.setattr(exchange_expiry, "MOST_OF_DOCUMENT", 3)
    monkeypatch.setattr(exchange_expiry, "MOST_OF_RUN", 2)
    for minute in range(6):
        at = clock.time + timedelta(minutes=minute)
        log.record(exchange(document="a", time=at, attempt=minute))
        log.record(exchange(document="", run_id="read", time=at, attempt=minute))
    clock.time += MONTH + DAY
    still = StillOpen(names=frozenset({"a"}), reads=frozenset({("erp_us", "read")}))
    assert expire(log, clock, still) == (7, 5)
    kept = [(one.document, one.attempt) for one in log.search()]
    assert kept == [("a", 3), ("a", 4), ("", 4), ("a", 5), ("", 5)]
    keep = exchange_expiry.keeper(still, most=2)
    assert [keep(one) for one in reversed(log.search())] == [True, True, False, False, False]


def test_chunks_forget_the_same(log, clock):
    for number in range(20):
        log.record(exchange(document=f"{number % 4}", time=clock.time, request_body=b""))
    log.flush()
    with log.opened() as store:
        keep = exchange_expiry.keeper(StillOpen(names=frozenset({"1"})))
        assert exchange_expiry.forget_rows(store, clock.time + DAY, keep, chunk=3) == (15, 5)
    assert {one.document for one in log.search()} == {"1"}


def test_nothing_moves_while_somebody_erases_and_what_was_erased_does_not_come_back(log, clock):
    kept = b'{"email": "jane@example.com"}' + os.urandom(50)
    log.record(exchange(document="a", time=clock.time, request_body=kept))
    log.record(exchange(document="b", time=clock.time))
    log.flush()
    clock.time += MONTH + DAY
    still = StillOpen(names=frozenset({"a"}))
    with open(log.folder / "bodies.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert expire(log, clock, still) == (1, 1)
        (one,) = log.search()
        assert one.segment == files(log)[0].name
        assert log.request_body(one) == kept
    expire(log, clock, still)
    (one,) = log.search()
    assert log.request_body(one) == kept
    assert log.erase(PersonalTexts(email="jane@example.com"))["bodies"] == 1
    (one,) = log.search()
    assert log.request_body(one) == b""
    assert all(not path.read_bytes().strip(b"\0") for path in files(log))


def test_what_changes_while_bodies_are_copied_stays_as_it_is(log, clock, monkeypatch):
    log.record(exchange(document="a", time=clock.time))
    log.record(exchange(document="b", time=clock.time))
    log.flush()
    clock.time += MONTH + DAY
    log.expire(clock.time - MONTH - 10 * DAY)
    with log.opened() as store:
        exchange_expiry.forget_rows(store, clock.time - MONTH, exchange_expiry.keeper(StillOpen(names=frozenset("a"))))
        bodies = store.bodies

        def wiped_meanwhile(segment):
            found = bodies(segment)
            log.wipe(store, log.search()[0], "request")
            return found

        monkeypatch.setattr(store, "bodies", wiped_meanwhile)
        assert gather(store, log.folder / "segments", clock.time - MONTH, clock.time) == []
    (one,) = log.search()
    assert log.request_body(one) == b""
    assert [path.name for path in files(log)] == [one.segment], "what was copied in vain is gone"


class Killed(BaseException):
    pass


def two_days(log: ExchangeLog, clock: Clock) -> StillOpen:
    """A file of yesterday and one of today, a month ago; of each one exchange is kept."""
    for name in ("a", "b"):
        log.record(exchange(document=name, time=clock.time, request_body=body(name), response_body=b""))
        log.record(exchange(document="settled", time=clock.time))
        log.flush()
        clock.time += DAY
    clock.time += MONTH
    return StillOpen(names=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    "next_one",
    [
        lambda log, clock, still: log.erase(PersonalTexts(email="jane@example.com")),
        expire,
    ],
    ids=["an erasure", "the next night"],
)
def test_copies_of_who_was_killed_before_they_were_moved_to_are_deleted(
    log, clock, monkeypatch, next_one: Callable[..., object]
):
    """No row leads to them, so an erasure would pass them by."""
    kept = b'{"email": "jane@example.com"}' + os.urandom(50)
    log.record(exchange(document="a", time=clock.time, request_body=kept, response_body=b""))
    log.record(exchange(document="b", time=clock.time))
    log.flush()
    clock.time += MONTH + DAY
    still = StillOpen(names=frozenset({"a"}))

    def killed(*_given: object) -> bool:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(exchange_store.Store, "move", killed)
        with pytest.raises(Killed):
            expire(log, clock, still)
    assert len(files(log)) == 2
    next_one(log, clock, still)
    (one,) = log.search()
    assert [path.name for path in files(log)] == [one.segment]


def words_in(log: ExchangeLog) -> bytes:
    """All bodies in all files, whether a row leads to them or not."""
    found = []
    for content in (path.read_bytes() for path in files(log)):
        for start in range(len(content)):
            if content[start] == 0x78:
                with contextlib.suppress(zlib.error):
                    found.append(zlib.decompressobj().decompress(content[start:]))
    return b"".join(found)


@pytest.mark.parametrize("janes", ["a", "b"])
@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("act", ["move", "delete"])
def test_who_is_killed_as_bodies_move_leaves_nothing_that_an_erasure_passes_by(
    log, clock, monkeypatch, act: str, number: int, done: bool, janes: str
):
    """Two files are gathered, of one of which a body is Jane's; she is erased before the next night."""
    jane = b'{"email": "jane@example.com"}'
    kept = {name: (jane if name == janes else b"") + os.urandom(50) for name in ("a", "b")}
    for name in kept:
        log.record(exchange(document=name, time=clock.time, request_body=kept[name], response_body=kept[name]))
        log.record(exchange(document="settled", time=clock.time))
        log.flush()
        clock.time += DAY
    clock.time += MONTH
    still = StillOpen(names=frozenset(kept))
    place = exchange_store.Store if act == "move" else exchange_expiry
    real, calls = getattr(place, act), []

    def killed(*given: Any) -> object:
        if act == "delete" and not (given := (list(given[0]),))[0]:
            return []
        calls.append(given)
        if len(calls) < number:
            return real(*given)
        if done:
            real(*given)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(place, act, killed)
        with pytest.raises(Killed):
            expire(log, clock, still)
    assert jane in words_in(log)
    log.erase(PersonalTexts(email="jane@example.com"))
    assert jane not in words_in(log)
    left = {name: b"" if name == janes else text for name, text in kept.items()}
    for _ in range(2):
        found = log.search()
        assert {one.document: log.request_body(one) for one in found} == left
        assert {one.document: log.response_body(one) for one in found} == left
        assert {path.name for path in files(log)} <= {one.segment for one in found}
        expire(log, clock, still)


def test_a_file_of_this_day_or_of_another_machine_is_not_taken_away_though_no_row_leads_to_it(log, clock):
    """Its rows may be written in a moment; and what another machine has, it deletes by itself."""
    folder = log.folder / "segments"
    folder.mkdir(parents=True)
    host = this_host()
    today, yesterday = f"20261001-{host}-1-a.segment", f"20260930-{host}-1-a.segment"
    elsewhere = "20260901-x" + host + "-1-a.segment"
    midnight = NOON.replace(hour=0)
    for now, left in (
        (midnight + timedelta(minutes=59), {today, yesterday, elsewhere}),
        (midnight + timedelta(minutes=61), {today, elsewhere}),
    ):
        for name in (today, yesterday, elsewhere):
            (folder / name).write_bytes(b"x")
        clock.time = now
        log.erase(PersonalTexts(email="jane@example.com"))
        assert {path.name for path in files(log)} == left


@pytest.mark.parametrize("room_for", [0, 1])
def test_a_disk_without_room_for_copies_has_what_is_settled_taken_away_and_nothing_added(
    log, clock, monkeypatch, room_for: int
):
    log.record(exchange(document="settled", time=clock.time - DAY))
    log.flush()
    (whole,) = files(log)
    clock.time += DAY
    still = two_days(log, clock)
    fsync, done = os.fsync, []

    def full(descriptor: int) -> None:
        if len(done) == room_for:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(descriptor)
        fsync(descriptor)

    bodies = {one.document: log.request_body(one) for one in log.search() if one.document != "settled"}
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                expire(log, clock, still)
            found = log.search()
            assert {one.document: log.request_body(one) for one in found} == bodies
            assert {path.name for path in files(log)} == {one.segment for one in found}
            assert not whole.exists()
    expire(log, clock, still)
    found = log.search()
    assert {one.document: log.request_body(one) for one in found} == bodies
    assert sum(path.stat().st_size for path in files(log)) == sum(one.request_length or 0 for one in found)


def test_each_file_goes_before_the_next_is_copied(log, clock, monkeypatch):
    """More room than for the bodies of one is not needed."""
    still = two_days(log, clock)
    copied, there = exchange_expiry._copied, []

    def copying(*given):
        there.append(len(files(log)))
        return copied(*given)

    monkeypatch.setattr(exchange_expiry, "_copied", copying)
    assert expire(log, clock, still) == (2, 2)
    assert there == [3, 2]
    assert len(files(log)) == 1
