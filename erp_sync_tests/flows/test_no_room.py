"""The disk is full, or the ledger locked by another process: the run says so, and nothing is lost or sent twice."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from erp_sync.flows.delivery.preparation import Preparation
from erp_sync.lake import Lake, LakeFull
from erp_sync.ledger import Claim, Ledger, State, StepState, engine
from erp_sync.ledger.errors import DatabaseAway, LedgerBusy, answering
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Applied, Outcome
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.flows.test_extraction import ENTITY, Store, extract, position, received
from erp_sync_tests.flows.world import SETTLE, START, STORE, Clock, Order, System, accept, drain
from erp_sync_tests.ledger.databases import Disk

LEASE = 30.0
LARGE = "x" * 200_000


def taken_while(trouble: Callable[[], object]) -> Callable[[System, StepRequest], Outcome]:
    """The target takes the order and answers at length; before the answer is written the trouble begins."""

    def behaviour(system: System, request: StepRequest) -> Outcome:
        receipt = system.commit(request.step.key)
        trouble()
        return Applied(receipt=msgspec.structs.replace(receipt, values={"answer": LARGE}))

    return behaviour


def delivered_once(ledger: Ledger, erp: System, clock: Clock, ids: list[int]) -> None:
    """After the trouble: the class decides about what was under way, and everything else has gone once."""
    for run, seconds in enumerate((LEASE, SETTLE, LEASE), start=2):
        clock.advance(seconds)
        drain(ledger, erp, clock, owner=f"run-{run}:1")
    assert sorted(erp.committed) == [f"order {number}" for number in range(1, len(ids) + 1)]
    found = [ledger.deliveries.get(one) for one in ids]
    if erp.guarantee is Guarantee.NONE:
        assert (found[0].state, found[0].code) == (State.DEAD, "outcome_unknown")
        found = found[1:]
    assert {one.state for one in found} == {State.DELIVERED}


@pytest.mark.parametrize("guarantee", Guarantee)
@pytest.mark.parametrize("at_once", [True, False], ids=["every write", "the outcome alone"])
def test_a_disk_that_is_full_when_the_outcome_is_written(ledger: Ledger, clock: Clock, guarantee, at_once):
    erp, disk = System(guarantee, clock=clock), Disk(ledger)
    ids = accept(ledger, *[Order(number=str(number)) for number in (1, 2, 3)])
    erp.on("sales_order", taken_while(lambda: disk.fill(at_once)))
    with pytest.raises(DatabaseAway) as full, answering(str(ledger.database.url)):
        drain(ledger, erp, clock, senders=1)
    assert "disk is full" in str(full.value)
    assert str(ledger.database.url.database) in str(full.value)
    assert "make room on its disk" in str(full.value)
    assert [step.state for step in ledger.steps.of(ids[0])] == [StepState.SENDING], "as after a crash"
    disk.make_room()
    delivered_once(ledger, erp, clock, ids)


@pytest.mark.parametrize("guarantee", Guarantee)
def test_a_ledger_that_another_process_locks_for_longer_than_is_waited(ledger: Ledger, clock: Clock, guarantee, quick):
    erp = System(guarantee, clock=clock)
    ids = accept(ledger, *[Order(number=str(number)) for number in (1, 2, 3)])
    file = str(ledger.database.url.database)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        erp.on("sales_order", taken_while(lambda: other.execute("BEGIN IMMEDIATE")))
        with pytest.raises(LedgerBusy) as busy:
            drain(ledger, erp, clock, senders=1)
        assert file in str(busy.value)
        assert "end what holds it" in str(busy.value)
        other.execute("ROLLBACK")
    delivered_once(ledger, erp, clock, ids)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked ledger is waited for for a moment only."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.05)


def test_a_ledger_whose_file_is_gone_is_named(ledger: Ledger, clock: Clock, tmp_path: Path):
    (delivery,) = accept(ledger, Order(number="1"))
    erp, file = System(clock=clock), Path(str(ledger.database.url.database))
    ledger.close()
    folder, away = file.parent, file.parent.with_name("not mounted")
    folder.rename(away)
    try:
        with pytest.raises(DatabaseAway, match="unable to open database file"), answering(f"sqlite:///{file}"):
            drain(ledger, erp, clock)
        assert erp.sent == []
    finally:
        away.rename(folder)
    assert drain(ledger, erp, clock).delivered == 1
    assert ledger.deliveries.get(delivery).state is State.DELIVERED


def test_a_ledger_that_goes_away_as_documents_are_prepared_is_not_emptied_into_claims(
    ledger: Ledger, clock: Clock, monkeypatch
):
    """Each claim would lie to the end of its lease and count as if its owner had died."""
    erp = System(clock=clock)
    ids = accept(ledger, *[Order(number=str(number)) for number in range(1, 11)])

    def away(_self: Preparation, _claims: Sequence[Claim]) -> None:
        raise sa.exc.OperationalError("SELECT", {}, psycopg.errors.AdminShutdown("terminating connection"))

    with monkeypatch.context() as patched:
        patched.setattr(Preparation, "prepared", away)
        with pytest.raises(sa.exc.OperationalError):
            drain(ledger, erp, clock, senders=1)
    states = Counter(ledger.deliveries.get(one).state for one in ids)
    assert states == {State.CLAIMED: 2, State.DUE: 8}, "one chunk, and then nothing"
    clock.advance(LEASE)
    drain(ledger, erp, clock, owner="run-2:1")
    assert {ledger.deliveries.get(one).state for one in ids} == {State.DELIVERED}


# The lake -----------------------------------------------------------------------------------------------------------


class Landing:
    """Records in a real lake."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def __call__(self, records: list[RawRecord]) -> str:
        table = pa.table({"native_id": [record.native_id for record in records]})
        return self.lake.write(STORE, ENTITY, "run-1", table)

    def held(self) -> list[str]:
        if not self.lake.files(STORE, ENTITY):
            return []
        return sorted(str(row[0]) for row in self.lake.scan(STORE, ENTITY).project("native_id").fetchall())


@pytest.fixture
def lake(tmp_path: Path) -> Landing:
    return Landing(Lake(tmp_path / "lake"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("times", [0, 2, 4])
def test_a_disk_that_is_full_while_records_land(ledger: Ledger, clock: Clock, lake, monkeypatch, number, times):
    """Whichever of the lake's writes meets it: of the first file, its manifest, or of a later one."""
    store = Store(page=2)
    for one in range(6):
        store.put(str(one), START - timedelta(minutes=10 - one))
    real, done = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal done
        done += 1
        if done > times:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(LakeFull) as told:
            extract(store, ledger, clock, lake)
    assert "the lake has no room for" in str(told.value)
    assert "make room on its disk" in str(told.value)
    assert list(lake.lake.root.rglob("*.part")) == []
    before = [native_id for native_id, _ in received(ledger)]
    assert set(before) <= set(lake.held()), "the ledger knows of nothing that the lake has not"
    assert position(ledger) is None
    extract(store, ledger, clock, lake)
    assert sorted(native_id for native_id, _ in received(ledger)) == [str(one) for one in range(6)]
    assert set(lake.held()) == {str(one) for one in range(6)}
