"""No body of a person outlives their erasure, in whatever order bodies and rows are written, and whoever is killed."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.model.personal import PersonalTexts
from erp_sync.transport import exchange_recording, exchange_store, exchange_turns
from erp_sync.transport.exchange_turns import StillWriting, WritersTurn, nobody_writing
from erp_sync.transport.exchange_unreferred import overwrite_unreferred
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync.transport.segments import SegmentWriter, clear
from erp_sync_tests.transport.test_exchanges import exchange, postgresql  # noqa: F401 - a fixture

JANE = PersonalTexts(email="jane@example.com")
HERS = b'{"email": "jane@example.com"}'
OTHERS = b'{"email": "bo@example.com"}'


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


def of(who: bytes, **changes: Any) -> dict[str, Any]:
    return exchange(request_body=who, response_body=who, **changes)


def bodies(log: ExchangeLog) -> set[bytes]:
    """All that stand in files, whether a row leads to them or not."""
    found = set()
    for path in (log.folder / "segments").iterdir():
        content = path.read_bytes()
        for start in (at for at, byte in enumerate(content) if byte == 0x78):
            with contextlib.suppress(zlib.error):
                found.add(zlib.decompressobj().decompress(content[start:]))
    return found - {b""}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def written_and_killed(folder: Path, url: str) -> None:
    """A process with bodies of which the row of the first is there, that of the others not."""
    own = ExchangeLog(folder, url)
    own.record(of(OTHERS, document="before"))
    own.flush()

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    exchange_store.Store.write = killed  # type: ignore[method-assign]
    own.record(of(HERS))
    own.record(of(OTHERS))
    own.flush()


def kill_one(log: ExchangeLog) -> None:
    process = multiprocessing.get_context("fork").Process(target=written_and_killed, args=(log.folder, log.url))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_body_whose_writer_was_killed_before_the_row_goes_with_the_erasure(log):
    kill_one(log)
    assert bodies(log) == {HERS, OTHERS}
    (before,) = log.search()
    done = log.erase(JANE)
    assert (done["unreferred"], done["bodies"]) == (1, 0)
    assert bodies(log) == {OTHERS}
    assert (log.request_body(before), log.response_body(before)) == (OTHERS, OTHERS)
    assert log.erase(JANE)["unreferred"] == 0, "what is gone is not told again"


def test_a_body_whose_row_could_not_be_written_goes_with_the_erasure_though_its_writer_lives(log, monkeypatch):
    def refused(*_: object) -> None:
        raise sa.exc.DataError("INSERT", {}, Exception("out of range"))

    log.record(of(OTHERS, document="before"))
    log.flush()
    with monkeypatch.context() as patched:
        patched.setattr(exchange_store.Store, "write", refused)
        log.record(of(HERS))
        log.flush()
    log.record(of(OTHERS, document="after"))
    log.flush()
    assert (log.lost, HERS in bodies(log)) == (1, True)
    log.erase(JANE)
    assert bodies(log) == {OTHERS}
    assert {one.document: log.request_body(one) for one in log.search()} == {"before": OTHERS, "after": OTHERS}
    assert log.erase(JANE)["unreferred"] == 0


class Withheld:
    """A second writer of the same log, whose rows wait once their bodies are written."""

    def __init__(self, log: ExchangeLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_the_row, self.go = threading.Event(), threading.Event()
        self.log = ExchangeLog(log.folder, log.url)

        class Slow(exchange_store.Store):
            def write(store, *given: Any) -> None:
                self.at_the_row.set()
                assert self.go.wait(60)
                super().write(*given)

        # Only for the writer that starts now: who erases has written before.
        monkeypatch.setattr(exchange_recording, "Store", Slow)
        self.log.record(of(HERS, url="https://shop/?email=jane%40example.com"))
        self.log.record(of(OTHERS))
        assert self.at_the_row.wait(60)
        monkeypatch.undo()


@pytest.fixture
def withheld(log: ExchangeLog, monkeypatch: pytest.MonkeyPatch) -> Iterator[Withheld]:
    log.record(of(OTHERS, document="before"))
    log.flush()
    one = Withheld(log, monkeypatch)
    yield one
    one.go.set()
    one.log.close()


def door_is_shut(log: ExchangeLog) -> bool:
    path = log.folder / "writers-door.lock"
    if not path.exists():
        return False
    with open(path) as door:
        try:
            fcntl.flock(door, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(door, fcntl.LOCK_UN)
    return False


def test_an_erasure_waits_for_who_has_written_a_body_and_not_yet_its_row(log, withheld):
    erased = []
    eraser = threading.Thread(target=lambda: erased.append(log.erase(JANE)))
    eraser.start()
    until(lambda: door_is_shut(log) or not eraser.is_alive())
    assert HERS in bodies(log)
    withheld.go.set()
    eraser.join(60)
    withheld.log.flush()
    assert HERS not in bodies(log)
    assert (erased[0]["bodies"], erased[0]["exchanges"], erased[0]["unreferred"]) == (2, 1, 0)
    texts = {log.request_body(one) for one in log.search()}
    assert texts == {OTHERS, b""}, "and of the others nothing was lost"
    assert not [one for one in log.search() if "jane" in one.url]


def test_who_does_not_come_to_an_end_is_named_and_others_go_on(log, withheld, monkeypatch):
    monkeypatch.setattr(exchange_turns, "PATIENCE", 0.05)
    with pytest.raises(StillWriting, match="then erp-sync privacy resume"):
        log.erase(JANE)
    assert HERS in bodies(log)
    log.record(of(OTHERS, document="meanwhile"))
    assert log.flush(60)
    assert log.search(document="meanwhile")
    monkeypatch.undo()
    withheld.go.set()
    log.erase(JANE)
    assert HERS not in bodies(log)


@pytest.mark.parametrize("look", [1, 2])
def test_what_is_written_while_the_erasure_looks_goes_as_well(log, monkeypatch, look: int):
    """Once it has looked at all bodies, and once it has looked at those that came meanwhile."""
    other, looks = ExchangeLog(log.folder, log.url), []
    replace = exchange_store.Store.replace

    def replaced(*given: Any) -> int:
        looks.append(given)
        if len(looks) == look:
            other.record(of(HERS, document="meanwhile"))
            assert other.flush(60)
        return replace(*given)

    log.record(of(HERS))
    log.flush()
    monkeypatch.setattr(exchange_store.Store, "replace", replaced)
    log.erase(JANE)
    assert len(log.search(document="meanwhile")) == 1
    assert bodies(log) == set()
    other.close()


def test_what_comes_at_the_last_look_is_written_after_it(log, monkeypatch):
    """So that the erasure has an end; the daily look at what is new finds it."""
    other, looks = ExchangeLog(log.folder, log.url), []
    replace = exchange_store.Store.replace

    def replaced(*given: Any) -> int:
        looks.append(given)
        if len(looks) == 3:
            other.record(of(OTHERS, document="meanwhile"))
            assert not other.flush(0.2)
        return replace(*given)

    monkeypatch.setattr(exchange_store.Store, "replace", replaced)
    log.erase(JANE)
    assert other.flush(60)
    assert len(log.search(document="meanwhile")) == 1
    other.close()


def test_a_child_that_outlives_a_killed_writer_holds_up_no_erasure(tmp_path):
    log = ExchangeLog(tmp_path)
    told, tells = multiprocessing.Pipe(duplex=False)

    def writer() -> None:
        turn = WritersTurn(tmp_path)
        with turn:
            child = multiprocessing.get_context("fork").Process(target=signal.pause)
            child.start()
            tells.send(child.pid)
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=writer)
    process.start()
    process.join()
    child = told.recv()
    try:
        os.kill(child, 0)
        with nobody_writing(tmp_path):
            assert door_is_shut(log)
    finally:
        os.kill(child, signal.SIGKILL)


def test_only_what_no_row_leads_to_is_overwritten_and_only_before_the_end(tmp_path):
    writer = SegmentWriter(tmp_path)
    writer.turn_to(exchange()["time"].date())
    places = [writer.append_packed(text) for text in (b"aa", b"bbb", b"cc", b"dd", b"eee")]
    assert places == [0, 2, 5, 7, 9]
    writer.close()

    class Rows:
        def extents(self, name: str) -> list[tuple[int, int]]:
            return [(7, 2), (2, 3), (2, 3)] if name == writer.name else []

    path = tmp_path / writer.name
    assert overwrite_unreferred(Rows(), tmp_path, {writer.name: 10, "gone.segment": 5}) == 3  # type: ignore[arg-type]
    assert path.read_bytes() == b"\0\0bbb\0\0dd\0ee"
    assert overwrite_unreferred(Rows(), tmp_path, {writer.name: 10}) == 0  # type: ignore[arg-type]


def test_a_long_place_is_cleared_to_its_end(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"x" * 5_000_001)
    assert clear(path, [(1, 4_999_999)]) == 1
    assert path.read_bytes() == b"x" + bytes(4_999_999) + b"x"
