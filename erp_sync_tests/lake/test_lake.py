"""Files behind manifests: what is half-written, damaged, joined or erased."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from erp_sync.lake import DamagedFile, Lake, LakeError, NotInManifest
from erp_sync.lake.manifest import Change, FileEntry, Manifest

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STORE, ENTITY = "magento_us", "sales_order"


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lake(tmp_path, clock) -> Lake:
    return Lake(tmp_path / "lake", clock)


def table(*ids: str, **more: list) -> pa.Table:
    return pa.table({"native_id": list(ids), "payload": [f"payload of {one}" for one in ids], **more})


def ids_of(lake: Lake, **window) -> list[str]:
    return [row[0] for row in lake.scan(STORE, ENTITY, **window).order("native_id").project("native_id").fetchall()]


def test_what_was_written_is_read_by_arrow_and_by_duckdb(lake):
    first = lake.write(STORE, ENTITY, "run-1", table("1", "2"))
    lake.write(STORE, ENTITY, "run-2", table("3", total=["9.99"]))
    lake.write("magento_de", ENTITY, "run-2", table("1"))
    assert ids_of(lake) == ["1", "2", "3"]
    assert lake.table(STORE, ENTITY).column("total").to_pylist() == [None, None, "9.99"]
    assert lake.table(STORE, ENTITY, run_id="run-2", columns=["native_id"]).to_pylist() == [{"native_id": "3"}]
    assert lake.row(first, 1)["payload"] == "payload of 2"
    assert lake.entities() == [("magento_de", ENTITY), (STORE, ENTITY)]
    assert lake.verify(STORE, ENTITY) == 3


def test_decimals_and_times_come_back_exactly(lake):
    exact = pa.table(
        {
            "price": pa.array(["10.9950"], pa.string()).cast(pa.decimal128(18, 4)),
            "at": pa.array([START], pa.timestamp("us", tz="UTC")),
        }
    )
    lake.write(STORE, "price", "run-1", exact)
    assert lake.table(STORE, "price").equals(exact)
    price, at = lake.scan(STORE, "price").fetchall()[0]
    assert (str(price), at.astimezone(UTC)) == ("10.9950", START)


def test_windows_are_of_the_time_of_receiving(lake, clock):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    middle = clock()
    lake.write(STORE, ENTITY, "run-2", table("2"))
    assert ids_of(lake, since=middle) == ["2"]
    assert ids_of(lake, until=middle) == ["1"]
    with pytest.raises(LakeError, match="no sales_order of magento_us"):
        lake.scan(STORE, ENTITY, since=clock())


def test_a_half_written_file_is_never_read(lake, tmp_path):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    code = textwrap.dedent(
        f"""
        import os, signal
        import pyarrow as pa
        from erp_sync.lake import Lake
        def half(descriptor):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        os.fsync = half
        Lake({str(tmp_path / "lake")!r}).write({STORE!r}, {ENTITY!r}, "run-2", pa.table({{"native_id": ["2"]}}))
        """
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    left = list((tmp_path / "lake").rglob("*.part"))
    assert len(left) == 1
    assert ids_of(lake) == ["1"]
    lake.write(STORE, ENTITY, "run-3", table("3"))
    assert ids_of(lake) == ["1", "3"]
    assert Lake(lake.root, lambda: datetime.now(UTC) + timedelta(days=2)).sweep() == 1
    assert not left[0].exists()


def test_a_line_of_the_manifest_that_was_cut_short_never_counts(lake):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    lake.write(STORE, ENTITY, "run-2", table("2"))
    manifest = lake.root / STORE / ENTITY / "manifest.jsonl"
    content = manifest.read_bytes()
    manifest.write_bytes(content[:-20])
    assert ids_of(lake) == ["1"]
    lake.write(STORE, ENTITY, "run-3", table("3"))
    assert ids_of(lake) == ["1", "3"]


def test_a_broken_line_of_the_manifest_is_named(lake):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    manifest = lake.root / STORE / ENTITY / "manifest.jsonl"
    manifest.write_bytes(b"nonsense\n" + manifest.read_bytes())
    with pytest.raises(LakeError, match=r"manifest.jsonl, line 1: not a line of a manifest"):
        lake.files(STORE, ENTITY)


@pytest.mark.parametrize("harm", ["cut", "gone", "end", "inside"])
def test_a_damaged_file_is_named(lake, harm):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    name = lake.write(STORE, ENTITY, "run-2", table("2", "3"))
    path = lake.root / name
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        position = -3 if harm == "end" else 12
        content[position] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(DamagedFile) as damage:
        lake.verify(STORE, ENTITY)
    assert damage.value.file == name
    assert name in str(damage.value)
    if harm != "inside":
        for read in (lake.scan, lake.table):
            with pytest.raises(DamagedFile, match=name):
                read(STORE, ENTITY)


def test_small_files_are_joined_and_rows_are_still_found(lake, clock):
    names = [lake.write(STORE, ENTITY, f"run-{number}", table(str(number), f"x{number}")) for number in range(5)]
    before = clock()
    lake.write(STORE, ENTITY, "run-9", table("9"))
    assert lake.compact(STORE, ENTITY, before) == 5
    assert len(lake.files(STORE, ENTITY)) == 2
    assert lake.row(names[3], 1)["native_id"] == "x3"
    with pytest.raises(IndexError):
        lake.row(names[3], 2)
    assert len(ids_of(lake)) == 11
    assert lake.compact(STORE, ENTITY, clock()) == 2
    assert lake.row(names[3], 1)["native_id"] == "x3"
    assert (lake.root / names[3]).exists(), "a reader may still be at it"
    clock.time += timedelta(days=2)
    assert lake.sweep() == 7
    assert not (lake.root / names[3]).exists()
    assert len(ids_of(lake)) == 11
    with pytest.raises(NotInManifest):
        lake.row("magento_us/sales_order/none.parquet", 0)


def test_the_second_of_two_compactions_finds_its_files_gone(lake, clock, monkeypatch):
    for number in range(3):
        lake.write(STORE, ENTITY, "run", table(str(number)))
    other = Lake(lake.root, clock)
    swap = Lake._swap

    def late(self, *arguments):
        monkeypatch.setattr(Lake, "_swap", swap)
        other.compact(STORE, ENTITY, clock())
        return swap(self, *arguments)

    monkeypatch.setattr(Lake, "_swap", late)
    assert lake.compact(STORE, ENTITY, clock()) == 0
    assert ids_of(lake) == ["0", "1", "2"]
    assert lake.verify(STORE, ENTITY) == 3


def test_erasure_empties_rows_in_every_file_and_removes_what_held_them(lake, clock):
    first = lake.write(STORE, ENTITY, "run-1", table("1", "2"))
    second = lake.write(STORE, ENTITY, "run-2", table("1", "3"))
    third = lake.write(STORE, ENTITY, "run-3", table("4"))
    lake.compact(STORE, ENTITY, clock(), smaller_than=2)
    assert lake.erase(STORE, ENTITY, ["1"]) == 2
    assert lake.row(first, 0) == {"native_id": "1", "payload": None}
    assert lake.row(first, 1)["payload"] == "payload of 2"
    assert lake.row(second, 1)["payload"] == "payload of 3"
    assert lake.row(third, 0)["payload"] == "payload of 4"
    content = b"".join(path.read_bytes() for path in lake.root.rglob("*.parquet"))
    assert not (lake.root / first).exists()
    assert b"payload of 4" in content
    assert b"payload of 1" not in content
    files = [entry.file for entry in lake.files(STORE, ENTITY)]
    assert lake.erase(STORE, ENTITY, ["1"]) == 0
    assert [entry.file for entry in lake.files(STORE, ENTITY)] == files


def test_retention_forgets_whole_files(lake, clock):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    limit = clock()
    lake.write(STORE, ENTITY, "run-2", table("2"))
    assert lake.remove(STORE, ENTITY, limit) == 1
    assert lake.remove(STORE, ENTITY, limit) == 0
    assert ids_of(lake) == ["2"]


def test_many_processes_write_at_once(lake, tmp_path):
    code = textwrap.dedent(
        f"""
        import sys
        import pyarrow as pa
        from erp_sync.lake import Lake
        lake = Lake({str(tmp_path / "lake")!r})
        for number in range(10):
            lake.write({STORE!r}, {ENTITY!r}, sys.argv[1], pa.table({{"native_id": [sys.argv[1] + str(number)]}}))
        """
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert len(ids_of(lake)) == 30
    assert len(Manifest(lake.root / STORE / ENTITY).entries()) == 30


@pytest.mark.parametrize("name", ["../etc", "a/b", "", ".hidden", "mit leer"])
def test_names_cannot_leave_the_lake(lake, name):
    with pytest.raises(ValueError, match="no name for a folder"):
        lake.write(name, ENTITY, "run", table("1"))
    with pytest.raises(NotInManifest):
        lake.row("../../x/y/z.parquet", 0)


def test_an_append_reads_the_manifest_once(tmp_path, monkeypatch):
    manifest = Manifest(tmp_path)
    lines = [FileEntry(file=f"{number}.parquet", rows=1, bytes=1, written_at=START) for number in range(200)]
    for one in lines[:-1]:
        manifest.change(lambda _, one=one: Change(at=START, add=(one,)))
    read: list[Path] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or whole(path))
    manifest.change(lambda _: Change(at=START, add=(lines[-1],)))
    assert read == [manifest.path]
    assert manifest.entries() == lines


@pytest.mark.parametrize("length", [1, 4095, 4096, 9000])
def test_a_line_without_its_end_is_cut_off_however_long_it_is(tmp_path, length):
    manifest = Manifest(tmp_path)
    first, second = (FileEntry(file=name, rows=1, bytes=1, written_at=START) for name in ("a", "b"))
    manifest.change(lambda _: Change(at=START, add=(first,)))
    with manifest.path.open("ab") as out:
        out.write(b"x" * length)
    manifest.change(lambda _: Change(at=START, add=(second,)))
    assert manifest.entries() == [first, second]


# No room ------------------------------------------------------------------------------------------------------------

NARROW = """
import os, resource, sys
import pyarrow as pa
from erp_sync.lake import Lake, LakeFull

root, bound, payload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# Beyond this size the kernel refuses to write (EFBIG), as it does without room: a write that crosses it is cut short.
resource.setrlimit(resource.RLIMIT_FSIZE, (bound, resource.RLIM_INFINITY))
try:
    records = pa.table({"native_id": ["new"], "payload": [os.urandom(payload).hex()]})
    Lake(root).write("magento_us", "sales_order", "run-2", records)
except LakeFull as full:
    print(full)
"""


def written_in_a_narrow_place(lake: Lake, bound: int, payload: int) -> str:
    """What a child says that writes one record of so many bytes where no file may be larger than the bound."""
    command = [sys.executable, "-c", NARROW, str(lake.root), str(bound), str(payload)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_file_that_there_is_no_room_for_is_named_and_leaves_nothing(lake):
    lake.write(STORE, ENTITY, "run-1", table("1"))
    said = written_in_a_narrow_place(lake, bound=20_000, payload=100_000)
    assert said.startswith(f"the lake has no room for {lake.root}")
    assert said.endswith("File too large; nothing was recorded; next: make room on its disk\n")
    assert (ids_of(lake), len(list(lake.root.rglob("*.parquet")))) == (["1"], 1)
    assert list(lake.root.rglob("*.part")) == []
    lake.write(STORE, ENTITY, "run-2", table("2"))
    assert ids_of(lake) == ["1", "2"]


def test_a_line_of_the_manifest_that_was_cut_short_does_not_count_and_the_next_is_whole(lake):
    written = [str(number) for number in range(10, 40)]
    for one in written:
        lake.write(STORE, ENTITY, "run-1", table(one))
    (manifest,) = lake.root.rglob("manifest.jsonl")
    size = manifest.stat().st_size
    said = written_in_a_narrow_place(lake, bound=size + 10, payload=10)
    assert str(manifest) in said
    assert "make room on its disk" in said
    assert manifest.stat().st_size == size + 10, "half a line is there"
    assert ids_of(lake) == written
    lake.write(STORE, ENTITY, "run-2", table("40"))
    assert ids_of(lake) == [*written, "40"]
    assert lake.verify(STORE, ENTITY) == 31
