"""What joining files leaves behind, day after day: a short manifest, and every row still found by its first name."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erp_sync.lake import DamagedFile, Lake, NotInManifest
from erp_sync.lake.manifest import Manifest

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STORE, ENTITY = "magento_us", "sales_order"


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


class Killed(BaseException):
    """The process is gone: nothing of ours runs after it."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lake(tmp_path, clock) -> Lake:
    return Lake(tmp_path / "lake", clock)


def table(*ids: str) -> pa.Table:
    return pa.table({"native_id": list(ids), "payload": [f"payload of {one}" for one in ids]})


def ids_of(lake: Lake) -> list[str]:
    return sorted(lake.table(STORE, ENTITY).column("native_id").to_pylist())


def a_day(lake: Lake, clock: Clock, day: int, runs: int = 3) -> dict[str, str]:
    """A day's runs and its housekeeping; the id that each file was written with."""
    clock.time = START + day * DAY
    ids = [f"{day}.{run}" for run in range(runs)]
    written = {lake.write(STORE, ENTITY, f"run-{one}", table(one)): one for one in ids}
    lake.compact(STORE, ENTITY, clock.time - DAY)
    lake.sweep()
    return written


def manifest_bytes(lake: Lake) -> int:
    return (lake.root / STORE / ENTITY / "manifest.jsonl").stat().st_size


def test_a_manifest_is_as_long_as_the_lake_has_files_not_as_it_ever_had(lake, clock):
    written: dict[str, str] = {}
    for day in range(4):
        written |= a_day(lake, clock, day)
    after_four = manifest_bytes(lake)
    for day in range(4, 14):
        written |= a_day(lake, clock, day)
    assert manifest_bytes(lake) <= after_four + 20
    assert len(lake.files(STORE, ENTITY)) < 8
    assert sum(1 for _ in lake.root.rglob("*.parquet")) < 16
    assert ids_of(lake) == sorted(written.values())
    assert {name: lake.row(name, 0)["native_id"] for name in written} == written
    with pytest.raises(IndexError):
        lake.row(next(iter(written)), 1)


def test_names_that_an_older_manifest_keeps_are_moved_into_the_file(lake, clock):
    """Before, the manifest named every file that a joined one replaced."""
    names = [lake.write(STORE, ENTITY, "run", table(f"{number}", f"x{number}")) for number in range(3)]
    lake.compact(STORE, ENTITY, clock())
    (joined,) = lake.files(STORE, ENTITY)
    path = lake.root / joined.file
    pq.write_table(pq.read_table(path), path)  # without the footer's pairs
    line = {
        "at": clock.time.isoformat(),
        "add": [
            {
                "file": joined.file,
                "rows": 6,
                "bytes": path.stat().st_size,
                "written_at": joined.written_at.isoformat(),
                "first_at": joined.earliest.isoformat(),
                "parts": [[name, 2] for name in names],
            }
        ],
    }
    manifest = lake.root / STORE / ENTITY / "manifest.jsonl"
    manifest.write_text(json.dumps(line) + "\n")
    assert lake.row(names[1], 1)["native_id"] == "x1"
    assert lake.compact(STORE, ENTITY, clock()) == 1
    assert lake.compact(STORE, ENTITY, clock()) == 0
    clock.time += 2 * DAY
    lake.sweep()
    assert not any(name in manifest.read_text() for name in names)
    assert lake.row(names[1], 1)["native_id"] == "x1"
    with pytest.raises(NotInManifest):
        lake.row(f"{names[1][:-9]}.parquet", 0)


def test_a_joined_file_without_its_origins_is_named(lake, clock):
    first = lake.write(STORE, ENTITY, "run", table("1"))
    lake.write(STORE, ENTITY, "run", table("2"))
    lake.compact(STORE, ENTITY, clock())
    (joined,) = lake.files(STORE, ENTITY)
    whole = (lake.root / joined.file).read_bytes()
    (lake.root / joined.file).write_bytes(whole.replace(b"erp_sync.origins", b"erp_sync.nothing"))
    with pytest.raises(DamagedFile, match="does not say which files") as damage:
        lake.row(first, 0)
    assert damage.value.file == joined.file


def steps_of(monkeypatch: pytest.MonkeyPatch, last: int | None) -> list[str]:
    """Have the process die before the step after `last` more of what reaches the disk; the steps that were done."""
    done: list[str] = []

    def counted(name: str, act):
        def step(*arguments, **named):
            if last is not None and len(done) >= last:
                raise Killed(name)
            done.append(name)
            return act(*arguments, **named)

        return step

    for name in ("replace", "fsync", "write", "ftruncate"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    monkeypatch.setattr(Path, "unlink", counted("unlink", Path.unlink))
    monkeypatch.setattr(pq.ParquetWriter, "write_table", counted("table", pq.ParquetWriter.write_table))
    return done


def test_a_death_at_any_step_of_housekeeping_leaves_every_row_once(tmp_path, monkeypatch):
    """Joining, sweeping and shortening the manifest, cut off before each of their steps, and done again."""
    last = 0
    while True:
        clock = Clock()
        lake = Lake(tmp_path / str(last), clock)
        written = a_day(lake, clock, 0) | a_day(lake, clock, 1) | a_day(lake, clock, 2)
        clock.time = START + 4 * DAY
        with monkeypatch.context() as patch:
            done = steps_of(patch, last)
            try:
                lake.compact(STORE, ENTITY, clock())
                clock.time += 2 * DAY
                lake.sweep()
                whole = True
            except Killed:
                whole = False
        again = Lake(lake.root, clock)
        assert ids_of(again) == sorted(written.values()), done
        assert {name: again.row(name, 0)["native_id"] for name in written} == written, done
        again.write(STORE, ENTITY, "run", table("next"))
        again.compact(STORE, ENTITY, clock())
        # What no manifest ever named goes by its age on the disk.
        late = max(datetime.now(UTC), clock.time) + 2 * DAY
        Lake(lake.root, lambda late=late: late).sweep()
        assert again.verify(STORE, ENTITY) == len(written) + 1
        (left,) = Manifest(lake.root / STORE / ENTITY).entries()
        assert {str(path.relative_to(lake.root)) for path in lake.root.rglob("*.parquet")} == {left.file}
        assert {name: again.row(name, 0)["native_id"] for name in written} == written, done
        if whole:
            break
        last += 1
    assert {"replace", "fsync", "write", "unlink", "table"} <= set(done)
    assert last > 15
