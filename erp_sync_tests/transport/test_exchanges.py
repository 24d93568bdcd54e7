from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.transport import exchange_store
from erp_sync.transport.exchanges import BodyLost, ExchangeLog, WrongExchangeLog
from erp_sync_tests.ledger.databases import postgres
from erp_sync_tests.transport.conftest import read, write
from erp_sync_tests.transport.loopback import answer, drop

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def exchange(**changes: Any) -> dict[str, Any]:
    return {
        "time": NOON,
        "connection": "erp_us",
        "operation": "sales_order.create",
        "document": "sales_order 10045 of magento_us",
        "run_id": "run-1",
        "route": "a-b",
        "flow": "orders",
        "lane": "now",
        "attempt": 1,
        "method": "POST",
        "url": "https://erp.example/salesOrder",
        "status": 204,
        "verdict": "ok",
        "error": "",
        "seconds": 0.25,
        "found_nothing": False,
        "request_headers": [("accept", "application/json"), ("x", "1"), ("x", "2")],
        "request_body": b'{"tranId": "10045"}',
        "response_headers": [("location", "/salesOrder/7")],
        "response_body": b"",
        **changes,
    }


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgres() as server:
        name = server.create()
        yield server.url(name)
        server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangeLog]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
        engine = sa.create_engine(url)
        exchange_store.metadata.drop_all(engine)
        engine.dispose()
    exchange_log = ExchangeLog(tmp_path / "exchanges", url)
    yield exchange_log
    exchange_log.close()


@pytest.fixture
def sqlite_log(tmp_path: Path) -> Iterator[ExchangeLog]:
    exchange_log = ExchangeLog(tmp_path / "exchanges")
    yield exchange_log
    exchange_log.close()


def test_an_exchange_that_cannot_be_written_loses_no_other_and_not_the_writer(sqlite_log):
    """An error of another kind ended the writer: calls waited for the full queue, and `flush` its whole time."""
    sqlite_log.record(exchange(document="a"))
    sqlite_log.record(exchange(document="b", request_headers=object()))
    sqlite_log.record(exchange(document="c"))
    assert sqlite_log.flush(5.0)
    sqlite_log.record(exchange(document="d"))
    assert [one.document for one in sqlite_log.search()] == ["a", "c", "d"]
    assert sqlite_log.lost == 1


def test_a_writer_that_dies_is_seen_and_replaced(sqlite_log, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("no writer today")

    with monkeypatch.context() as patched:
        patched.setattr("erp_sync.transport.exchange_recording.Store", broken)
        sqlite_log.record(exchange(document="a"))
        assert sqlite_log.flush(5.0)
    assert sqlite_log.lost == 1
    assert "exchange_log_writer_died" in caplog.text
    sqlite_log.record(exchange(document="b"))
    assert [one.document for one in sqlite_log.search()] == ["b"]


def test_what_was_recorded_comes_back(log):
    log.record(exchange())
    (found,) = log.search()
    expected = exchange()
    for name in ("time", "connection", "document", "run_id", "route", "flow", "lane", "status", "seconds", "url"):
        assert getattr(found, name) == expected[name]
    assert found.time.tzinfo is not None
    assert found.request_headers == expected["request_headers"]
    assert log.request_body(found) == expected["request_body"]
    assert log.response_body(found) == b""
    assert log.lost == 0


def test_pages_of_records_take_less_than_each_record_would_and_come_back(log):
    record = json.dumps({f"field_{number}": number * 7919 % 1000 for number in range(3000)})
    page = json.dumps([record + str(number) for number in range(5)]).encode()
    log.record(exchange(request_body=record.encode(), response_body=page))
    (found,) = log.search()
    assert log.response_body(found) == page
    assert log.request_body(found) == record.encode()
    assert found.response_length < found.request_length * 2


def test_an_exchange_without_answer_has_no_status(log):
    log.record(exchange(status=None, verdict="OutcomeUnknown", error="no answer in time"))
    (found,) = log.search(verdict="OutcomeUnknown")
    assert (found.status, found.error) == (None, "no answer in time")


@pytest.mark.parametrize(
    ("wanted", "operations"),
    [
        ({"run": "r2"}, ["b"]),
        ({"connection": "shop"}, ["c"]),
        ({"document": "order 1"}, ["a"]),
        ({"document": "rder"}, ["a", "b", "c"]),
        ({"document": "o_der"}, []),
        ({"since": NOON + timedelta(minutes=1)}, ["b", "c"]),
        ({"until": NOON + timedelta(minutes=1)}, ["a"]),
        ({"operation": "b"}, ["b"]),
        ({"limit": 2}, ["b", "c"]),
        ({"run": "r1", "connection": "erp"}, ["a"]),
    ],
)
def test_search(log, wanted, operations):
    log.record(exchange(operation="a", run_id="r1", connection="erp", document="order 1"))
    at = NOON + timedelta(minutes=1)
    log.record(exchange(operation="b", run_id="r2", connection="erp", document="order 11", time=at))
    log.record(exchange(operation="c", run_id="r1", connection="shop", document="order 12", time=at))
    assert [found.operation for found in log.search(**wanted)] == operations


def test_the_span_of_a_run_is_from_its_first_call_to_its_last(log):
    for minutes in (5, 1, 3):
        log.record(exchange(run_id="r1", time=NOON + timedelta(minutes=minutes)))
    log.record(exchange(run_id="r2", time=NOON + timedelta(minutes=9)))
    assert log.span("r1") == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=5))
    assert log.span("r3") is None


@pytest.mark.parametrize(
    ("look", "index"),
    [
        (lambda log: log.search(run="r1"), "exchange_run (run_id=?)"),
        (lambda log: log.span("r1"), "exchange_run (run_id=?)"),
        (lambda log: log.search(document="1", whole=True), "exchange_document (document=?)"),
        (lambda log: log.search(since=NOON), "ix_exchange_time (time>?)"),
        (lambda log: log.search(since=NOON, until=NOON), "ix_exchange_time (time>? AND time<?)"),
    ],
)
def test_few_of_many_exchanges_are_found_by_an_index_and_none_are_sorted(sqlite_log, look, index):
    sqlite_log.record(exchange())
    sqlite_log.flush()
    asked = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("SELECT") and "FROM exchange " in statement:
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        look(sqlite_log)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert asked
    with sa.create_engine(sqlite_log.url).connect() as connection:
        for statement, parameters in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert index in plan[0]
            assert not [one for one in plan if "TEMP B-TREE" in one]


def test_polls_that_found_nothing_are_counted_by_day(log):
    for minute in range(3):
        log.record(exchange(found_nothing=True, time=NOON + timedelta(minutes=minute)))
    log.flush()
    log.record(exchange(found_nothing=True, time=NOON + timedelta(minutes=9)))
    log.record(exchange(found_nothing=True, time=NOON + timedelta(days=1)))
    log.record(exchange(found_nothing=True, connection="shop"))
    assert log.search() == []
    assert [(poll.day, poll.polls, poll.last_at) for poll in log.empty_polls(connection="erp_us")] == [
        (date(2026, 11, 23), 4, NOON + timedelta(minutes=9)),
        (date(2026, 11, 24), 1, NOON + timedelta(days=1)),
    ]
    assert len(log.empty_polls()) == 3
    assert list((log.folder / "segments").glob("*")) == []


def test_old_exchanges_and_their_files_expire(log, monkeypatch):
    now = [datetime(2026, 10, 1, 12, tzinfo=UTC)]
    monkeypatch.setattr(log, "_clock", lambda: now[0])
    log.record(exchange(time=now[0], operation="old"))
    log.record(exchange(time=now[0], found_nothing=True))
    log.flush()
    now[0] = NOON
    log.record(exchange(operation="new"))
    log.flush()
    assert len(list((log.folder / "segments").iterdir())) == 2
    expired = log.expire(NOON - timedelta(days=30))
    assert (expired.exchanges, expired.segments) == (1, 1)
    assert expired.freed_bytes > 0
    (kept,) = log.search()
    assert log.request_body(kept) == exchange()["request_body"]
    assert len(list((log.folder / "segments").iterdir())) == 1
    assert log.empty_polls() == []
    assert log.expire(NOON - timedelta(days=30)).exchanges == 0


def test_a_file_that_may_be_open_is_kept(log):
    log.record(exchange(time=datetime.now(UTC)))
    log.flush()
    assert log.expire(datetime.now(UTC) + timedelta(days=1)).segments == 0
    log.record(exchange(time=datetime.now(UTC)))
    (found,) = log.search()
    assert log.request_body(found) == exchange()["request_body"]


def test_a_file_that_a_crash_left_is_dropped(sqlite_log):
    sqlite_log.record(exchange())
    sqlite_log.flush()
    stray = sqlite_log.folder / "segments" / "20260101-host-1-aa.segment"
    stray.write_bytes(b"xyz")
    os.utime(stray, (1_700_000_000, 1_700_000_000))
    assert sqlite_log.expire(NOON - timedelta(days=30)).freed_bytes == 3
    assert not stray.exists()
    assert len(sqlite_log.search()) == 1


@pytest.mark.parametrize("damage", ["missing", "short", "changed"])
def test_a_damaged_file_is_named(sqlite_log, damage):
    sqlite_log.record(exchange())
    (found,) = sqlite_log.search()
    path = sqlite_log.folder / "segments" / found.segment
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:5])
    else:
        path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(BodyLost, match=found.segment):
        sqlite_log.request_body(found)


def test_a_long_body_is_cut_and_its_size_is_known(tmp_path):
    log = ExchangeLog(tmp_path, most_body_bytes=10)
    log.record(exchange(response_body=b"0123456789abc"))
    (found,) = log.search()
    assert found.response_size == 13
    assert log.response_body(found) == b"0123456789"
    log.close()


def test_a_full_file_is_left_for_a_new_one(tmp_path):
    log = ExchangeLog(tmp_path, segment_bytes=1)
    for number in range(3):
        log.record(exchange(request_body=str(number).encode() * 100))
        log.flush()
    assert [log.request_body(found)[:1] for found in log.search()] == [b"0", b"1", b"2"]
    assert len({found.segment for found in log.search()}) == 3
    log.close()


def test_threads_write_together(log):
    def work(number: int) -> None:
        for index in range(50):
            log.record(exchange(document=f"{number}", request_body=f"{number}-{index}".encode()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = log.search()
    assert len(found) == 300
    for number in range(6):
        bodies = [log.request_body(one) for one in found if one.document == str(number)]
        assert bodies == [f"{number}-{index}".encode() for index in range(50)]


def in_child(work) -> int:
    """Run in a forked process, which must end by itself; gives its process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def joined(*children: int) -> None:
    for child in children:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def test_children_write_beside_their_parent(log):
    log.record(exchange(document="parent"))

    def work() -> None:
        for index in range(40):
            log.record(exchange(document=f"child {os.getpid()}", request_body=f"{os.getpid()} {index}".encode()))
        assert log.flush()

    children = [in_child(work) for _ in range(3)]
    joined(*children)
    log.record(exchange(document="parent"))
    found = log.search()
    assert len(found) == 122
    assert len(log.search(document="parent")) == 2
    assert len({one.segment for one in found}) == 4
    for child in children:
        mine = log.search(document=f"child {child}")
        assert [log.request_body(one) for one in mine] == [f"{child} {index}".encode() for index in range(40)]


def test_a_child_of_a_parent_that_was_just_starting_its_thread_is_not_stuck(sqlite_log):
    def work() -> None:
        sqlite_log.record(exchange())
        assert sqlite_log.flush()

    with sqlite_log._guard:
        child = in_child(work)
    joined(child)
    assert len(sqlite_log.search()) == 1


def test_an_exchange_that_meets_the_closing_log_is_written(sqlite_log, monkeypatch):
    sqlite_log.record(exchange())
    closing = sqlite_log._process
    assert sqlite_log.close()
    current = sqlite_log._current
    answers = iter([closing])
    monkeypatch.setattr(sqlite_log, "_current", lambda: next(answers, None) or current())
    sqlite_log.record(exchange())
    assert len(sqlite_log.search()) == 2


def test_processes_that_meet_on_an_empty_folder_create_it_once(tmp_path):
    log = ExchangeLog(tmp_path / "new")

    def work() -> None:
        log.record(exchange())
        assert log.flush()
        assert log.lost == 0

    joined(*[in_child(work) for _ in range(6)])
    assert len(log.search()) == 6
    log.close()


def test_no_thread_runs_before_the_first_exchange(tmp_path):
    before = threading.active_count()
    log = ExchangeLog(tmp_path)
    assert log.flush()
    assert log.close()
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_it_goes_on_after_close(sqlite_log):
    sqlite_log.record(exchange())
    assert sqlite_log.close()
    sqlite_log.record(exchange())
    assert len(sqlite_log.search()) == 2


def test_a_full_queue_drops_and_counts(tmp_path, monkeypatch):
    log = ExchangeLog(tmp_path, most_queued_bytes=1, longest_wait=0.01)
    stuck, go_on = threading.Event(), threading.Event()
    write_batch = ExchangeLog._write_batch

    def wait(self, store, writer, batch):
        stuck.set()
        go_on.wait(30)
        write_batch(self, store, writer, batch)

    monkeypatch.setattr(ExchangeLog, "_write_batch", wait)
    log.record(exchange())
    assert stuck.wait(30)
    log.record(exchange())  # fits: nothing is queued beside it
    log.record(exchange())
    assert log.lost == 1
    go_on.set()
    assert len(log.search()) == 2
    log.close()


def test_a_database_that_cannot_be_written_loses_and_counts(tmp_path):
    log = ExchangeLog(tmp_path, url=f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'x.db'}")
    log.record(exchange())
    assert log.flush()
    assert log.lost == 1
    log.close()


def test_a_log_of_another_version_is_refused_by_name(sqlite_log):
    sqlite_log.record(exchange())
    sqlite_log.flush()
    engine = sa.create_engine(sqlite_log.url)
    with engine.begin() as connection:
        connection.execute(exchange_store.schema_table.update().values(version=99))
    engine.dispose()
    with pytest.raises(WrongExchangeLog, match="schema 99"):
        sqlite_log.search()


def test_a_log_of_before_addresses_were_packed_is_read_and_written_on(sqlite_log):
    address = "http://erp/rest/all/V1/orders?" + "&".join(f"searchCriteria%5B{number}%5D=x" for number in range(40))
    sqlite_log.record(exchange(url=address, document="a"))
    sqlite_log.flush()
    with sqlite3.connect(sqlite_log.folder / "exchanges.db") as database:
        assert len(database.execute("SELECT url FROM exchange").fetchone()[0]) < len(address) / 3
        database.execute("UPDATE exchange SET url = ?", (address,))
        database.execute("UPDATE exchange_schema SET version = 1")
    database.close()
    sqlite_log.close()
    sqlite_log.record(exchange(url=address, document="b"))
    assert [(one.document, one.url) for one in sqlite_log.search()] == [("a", address), ("b", address)]
    assert sqlite_log.lost == 0


def test_what_is_no_exchange_is_refused(sqlite_log):
    with pytest.raises(ValueError, match="lacks"):
        sqlite_log.record({"time": NOON, "request_body": b"", "response_body": b""})


def test_a_call_can_be_traced_by_its_document(server, rig, sqlite_log):
    server.script = [answer(200, {"id": 7}), drop]
    it = rig(server.url, exchanges=sqlite_log)
    it.client.send(write(document="order-1"))
    it.client.send(read(document="order-1"))
    found = sqlite_log.search(document="order-1")
    assert [(one.method, one.attempt, one.verdict) for one in found] == [
        ("POST", 1, "ok"),
        ("GET", 1, "OutcomeUnknown"),
        ("GET", 2, "ok"),
    ]
    assert sqlite_log.request_body(found[0]) == b'{"id":"1"}'
    assert sqlite_log.response_body(found[0]) == b'{"id": 7}'


def test_a_whole_key_is_looked_for_in_no_other(sqlite_log):
    """A trace asks for every name of its document: reading all keys for each took seconds of a million exchanges."""
    sqlite_log.record(exchange(document="order-10"))
    sqlite_log.record(exchange(document="order-1"))
    assert [one.document for one in sqlite_log.search(document="order-1", whole=True)] == ["order-1"]
    assert sqlite_log.search(document="order-", whole=True) == []
    assert len(sqlite_log.search(document="order-")) == 2
