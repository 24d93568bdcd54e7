"""What the machine under a seed lacks is lacked by the product's own code, and met only by whoever runs in the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from erp_sync.lake import Lake, LakeFull
from erp_sync.ledger import Ledger
from erp_sync.ledger.errors import LedgerBusy, is_away, is_restarted
from erp_sync.ledger.inbox import InboxEvent
from erp_sync_tests.chaos import points as module
from erp_sync_tests.chaos.points import points
from erp_sync_tests.chaos.simulation import Killed, Process, Simulation
from erp_sync_tests.ledger import fresh


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    monkeypatch.setattr(module, "REFUSED", 1.0)
    made = Simulation(1)
    with made.running(), points(made):
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    fresh.create(url)
    made = Ledger.open(url)
    yield made
    made.close()


def event(number: int) -> InboxEvent:
    return InboxEvent(connection="m", event_id=str(number), topic="changed", entity="sales_order", native_id="1")


def failure(here: Simulation, work: Callable[[], Any]) -> BaseException | None:
    """What becomes of it in a process of the seed."""
    task = here.spawn(work, "work", Process("worker"))
    assert here.run_until(task, here.now + 600)
    return task.failure


def test_a_full_disk_takes_nothing_of_a_transaction(here: Simulation, ledger: Ledger):
    here.outage("ledger full", 30.0)
    found = failure(here, lambda: ledger.inbox.put(event(1)))
    assert isinstance(found, sa.exc.OperationalError)
    assert is_away(found)
    assert not is_restarted(found)
    assert ledger.inbox.outcomes() == {}
    here.run(here.now + 31.0)
    assert failure(here, lambda: ledger.inbox.put(event(1))) is None
    assert sum(ledger.inbox.outcomes().values()) == 1
    assert [what for what, _ in here.suffered] == ["ledger full"]


@pytest.mark.parametrize(("point", "committed"), [("in a transaction", 0), ("after a transaction", 1)])
def test_a_ledger_goes_before_a_commit_or_when_it_is_done(here: Simulation, ledger: Ledger, point, committed):
    here.going.append((point, "ledger gone", 60.0))
    began = here.now
    found = failure(here, lambda: ledger.inbox.put(event(1)))
    assert found is not None
    assert is_restarted(found)
    for ask in (ledger.inbox.outcomes, lambda: ledger.inbox.put(event(2))):
        refused = failure(here, ask)
        assert refused is not None
        assert is_away(refused)
    assert sum(ledger.inbox.outcomes().values()) == committed, "from outside it is there"
    here.run(began + 61.0)
    assert failure(here, lambda: ledger.inbox.put(event(3))) is None
    assert sum(ledger.inbox.outcomes().values()) == committed + 1


def test_a_ledger_that_is_back_soon_is_waited_for(here: Simulation, ledger: Ledger):
    here.outage("ledger gone", 3.0)
    assert failure(here, lambda: ledger.inbox.put(event(1))) is None
    assert sum(ledger.inbox.outcomes().values()) == 1


def test_a_locked_ledger_is_busy(here: Simulation, ledger: Ledger):
    here.outage("ledger locked", 75.0)
    assert isinstance(failure(here, lambda: ledger.inbox.put(event(1))), LedgerBusy)


def test_a_full_disk_leaves_half_a_file_that_never_counts(here: Simulation, tmp_path: Path):
    lake = Lake(tmp_path / "lake", clock=lambda: datetime(2026, 11, 2, tzinfo=UTC))
    table = pa.table({"native_id": ["1", "2"], "payload": ["{}", "{}"]})

    def write() -> str:
        return lake.write("m", "sales_order", "run-1", table)

    here.outage("lake full", 30.0)
    assert isinstance(failure(here, write), LakeFull)
    assert lake.files("m", "sales_order") == []
    here.run(here.now + 31.0)
    assert failure(here, write) is None
    assert lake.table("m", "sales_order").num_rows == 2


def test_a_manifest_whose_last_line_found_no_room_goes_on(here: Simulation, tmp_path: Path, monkeypatch):
    lake = Lake(tmp_path / "lake", clock=lambda: datetime(2026, 11, 2, tzinfo=UTC))
    table = pa.table({"native_id": ["1", "2"], "payload": ["{}", "{}"]})
    find, left = module._find_room, [0, 1]  # the file finds room, its line does not

    def found(at: Simulation) -> None:
        if left and left.pop(0):
            at.outage("lake full", 1.0)
            find(at)

    monkeypatch.setattr(module, "_find_room", found)
    write = lambda: lake.write("m", "sales_order", "run-1", table)  # noqa: E731
    assert isinstance(failure(here, write), LakeFull)
    assert failure(here, write) is None
    assert lake.table("m", "sales_order").num_rows == 2


@pytest.mark.parametrize("point", ["parquet half written", "parquet written", "manifest half written"])
def test_whoever_dies_while_it_writes_to_the_lake_leaves_nothing_that_counts(here: Simulation, tmp_path: Path, point):
    lake = Lake(tmp_path / "lake", clock=lambda: datetime(2026, 11, 2, tzinfo=UTC))
    table = pa.table({"native_id": ["1", "2"], "payload": ["{}", "{}"]})
    here.traps[point] = 0
    assert isinstance(failure(here, lambda: lake.write("m", "sales_order", "run-1", table)), Killed)
    assert [where for _, _, where in here.kills] == [point]
    assert lake.files("m", "sales_order") == []
    left = [path.name for path in lake.root.rglob("*.p*") if path.suffix in (".part", ".parquet")]
    assert len(left) == 1, "it lies there all the same"
    assert failure(here, lambda: lake.write("m", "sales_order", "run-2", table)) is None
    assert lake.table("m", "sales_order").num_rows == 2
