"""What the exchange log gives up is told to every process, by cause, and so is that it is over."""

from __future__ import annotations

import fcntl
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from erp_sync.transport.exchange_store import WrongExchangeLog
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync.transport.losses import FILE, QUIET, Loss, Losses, cause_of
from erp_sync.transport.segments import SegmentWriter
from erp_sync_tests.transport.test_exchanges import exchange, in_child, joined

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[ExchangeLog]:
    exchange_log = ExchangeLog(tmp_path / "exchanges", clock=clock)
    yield exchange_log
    exchange_log.close()


def only(losses: list[Loss]) -> Loss:
    (loss,) = losses
    return loss


def test_a_disk_that_takes_no_more_is_told_by_the_process_that_met_it_and_over_once_another_writes(log, clock):
    log.record(exchange())
    log.flush()

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # files end there, as they do on a full disk
        for _ in range(3):
            log.record(exchange(request_body=os.urandom(9000)))
        assert log.flush()
        assert log.lost == 3

    joined(in_child(full))
    loss = only(log.losses())
    assert (loss.cause, loss.number, loss.since, loss.last, loss.written) == ("disk", 3, NOON, NOON, False)
    assert not loss.over(NOON + timedelta(days=1)), "nothing says that it goes again"
    log.record(exchange())
    log.flush()
    assert only(log.losses()).written
    assert not only(log.losses()).over(NOON + QUIET - MINUTE)
    assert only(log.losses()).over(NOON + QUIET)


def test_a_database_that_is_away_is_told_and_every_process_counts_on(tmp_path, clock):
    nowhere = ExchangeLog(tmp_path, url="postgresql+psycopg://nobody@127.0.0.1:9/none", clock=clock)
    nowhere.record(exchange())
    assert nowhere.flush(60.0)
    nowhere.close()
    clock.time += MINUTE
    other = Losses(tmp_path, clock)
    other.lose("database", 4, "gone")
    loss = only(other.all())
    assert (loss.cause, loss.number, loss.since, loss.last) == ("database", 5, NOON, NOON + MINUTE)


def test_a_queue_that_is_full_is_told(tmp_path, monkeypatch, clock):
    log = ExchangeLog(tmp_path, most_queued_bytes=1, longest_wait=0.01, clock=clock)
    stuck, go_on = threading.Event(), threading.Event()
    write_batch = ExchangeLog._write_batch

    def wait(self, store, writer, batch):
        stuck.set()
        go_on.wait(30)
        write_batch(self, store, writer, batch)

    monkeypatch.setattr(ExchangeLog, "_write_batch", wait)
    log.record(exchange())
    assert stuck.wait(30)
    log.record(exchange())
    log.record(exchange())
    assert [(one.cause, one.number) for one in log.losses()] == [("queue", 1)]
    go_on.set()
    log.close()
    assert only(log.losses()).over(NOON + QUIET), "that others were written says nothing: it is over by being quiet"


def test_one_that_cannot_be_written_is_a_cause_of_its_own(log):
    log.record(exchange(request_headers=object()))
    log.flush()
    assert [(one.cause, one.number) for one in log.losses()] == [("defect", 1)]


def test_what_comes_after_it_was_over_is_counted_anew(tmp_path, clock):
    losses = Losses(tmp_path, clock)
    losses.prepare()
    losses.lose("disk", 7, "full")
    losses.written()
    clock.time += QUIET
    losses.lose("disk", 2, "full again")
    loss = only(losses.all())
    assert (loss.number, loss.since, loss.written) == (2, clock.time, False)


def test_nobody_waits_for_a_process_that_holds_the_file_and_nothing_is_forgotten(tmp_path, clock):
    losses = Losses(tmp_path, clock)
    losses.prepare()
    with open(tmp_path / FILE, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        losses.lose("queue", 1, "slow")
        losses.written()
        assert losses.all() == []
    losses.lose("queue", 2, "slow")
    assert only(losses.all()).number == 3


def test_a_loss_takes_no_room_that_a_full_disk_would_lack(tmp_path, clock):
    losses = Losses(tmp_path, clock)
    losses.prepare()
    size = (tmp_path / FILE).stat().st_size
    for cause in ("disk", "database", "queue", "defect"):
        losses.lose(cause, 10**9, "\u2026\n\\" * 300)
    assert (tmp_path / FILE).stat().st_size == size
    assert [one.number for one in losses.all()] == [10**9] * 4


def test_a_file_that_cannot_be_made_disturbs_nobody(tmp_path, clock):
    (tmp_path / "file").write_text("in the way")
    losses = Losses(tmp_path / "file", clock)
    losses.prepare()
    losses.lose("disk", 1, "no folder")
    losses.written()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(28, "No space left on device"), "disk"),
        (WrongExchangeLog("sqlite://", 9), "database"),
        (ValueError("?"), "defect"),
        (sa.exc.IntegrityError("INSERT", None, Exception("not null")), "defect"),
        (sa.exc.OperationalError("INSERT", None, Exception("server closed the connection")), "database"),
    ],
)
def test_causes(error, cause):
    assert cause_of(error) == cause


@pytest.mark.parametrize(
    ("statement", "cause"),
    [("PRAGMA max_page_count=1", "disk"), ("PRAGMA query_only=1", "disk"), ("DROP TABLE full", "database")],
)
def test_sqlite_says_whose_fault_it_is(tmp_path, statement, cause):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE full (x)")
        connection.exec_driver_sql(statement)
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("INSERT INTO full VALUES (zeroblob(100000))")
    engine.dispose()
    assert isinstance(raised.value.orig, sqlite3.Error)
    assert cause_of(raised.value) == cause


def test_a_body_after_one_that_only_half_went_to_the_disk_is_read_as_it_was(log, monkeypatch):
    """Its beginning stayed in the file and was not counted: every body after it was read from the wrong place."""
    append = SegmentWriter.append

    def half(self, body):
        monkeypatch.setattr(SegmentWriter, "append", append)
        self._file.write(b"half")
        raise OSError(28, "No space left on device")

    log.record(exchange(document="a"))
    log.flush()
    monkeypatch.setattr(SegmentWriter, "append", half)
    log.record(exchange(document="b"))
    log.flush()
    log.record(exchange(document="c"))
    found = log.search()
    assert [one.document for one in found] == ["a", "c"]
    assert [log.request_body(one) for one in found] == [exchange()["request_body"]] * 2
