"""Databases that are in memory while a seed is played."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from erp_sync.sandbox.files import reading
from erp_sync_tests.chaos.kept import kept


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "shop.db"
    write(place, "CREATE TABLE item (sku TEXT)", "INSERT INTO item VALUES ('MUG')")
    return place


def write(place: Path, *statements: str) -> None:
    with closing(sqlite3.connect(place)) as database, database:
        for statement in statements:
            database.execute(statement)


def skus(place: Path) -> list[str]:
    with reading(place) as database:
        return [row["sku"] for row in database.execute("SELECT sku FROM item ORDER BY sku")]


def test_what_is_written_is_there_for_all_and_gone_afterwards(tmp_path: Path, file: Path):
    with kept(tmp_path, frozenset()):
        with closing(sqlite3.connect(file, isolation_level=None)) as shop:
            assert shop.execute("PRAGMA journal_mode = WAL").fetchone() == ("memory",)
            shop.execute("INSERT INTO item VALUES ('TEE')")
            assert skus(file) == ["MUG", "TEE"]
        write(file, "INSERT INTO item VALUES ('CAP')")
        assert skus(file) == ["CAP", "MUG", "TEE"]
    assert skus(file) == ["MUG"]
    with kept(tmp_path, frozenset()):
        assert skus(file) == ["MUG"]


def test_a_database_that_is_new_is_found_where_it_is_looked_for(tmp_path: Path):
    new = tmp_path / "journal.db"
    with kept(tmp_path, frozenset()):
        write(new, "CREATE TABLE item (sku TEXT)")
        assert new.exists()
        assert skus(new) == []


def test_who_reads_only_writes_nothing_and_makes_nothing(tmp_path: Path, file: Path):
    with kept(tmp_path, frozenset()):
        with reading(file) as shop, pytest.raises(sqlite3.OperationalError, match="readonly"):
            shop.execute("INSERT INTO item VALUES ('TEE')")
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            sqlite3.connect(f"file:{tmp_path / 'gone.db'}?mode=ro", uri=True)
        assert not (tmp_path / "gone.db").exists()


def test_a_reader_that_is_used_again_sees_what_was_written_since(tmp_path: Path, file: Path):
    with kept(tmp_path, frozenset()):
        with reading(file) as one, reading(file) as other:
            assert one is not other
            first = one
        write(file, "INSERT INTO item VALUES ('TEE')")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as again:
            assert again.execute("SELECT sku FROM item").fetchall() == [("MUG",), ("TEE",)], "rows are plain again"
        assert first.execute("SELECT 1").fetchone() == (1,), "it is kept open"
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")


def test_the_next_seed_knows_nothing_of_one_that_was_not_closed(tmp_path: Path):
    new = tmp_path / "journal.db"
    with kept(tmp_path, frozenset()):
        forgotten = sqlite3.connect(new)
        forgotten.execute("CREATE TABLE item (sku TEXT)")
    new.unlink()
    with kept(tmp_path, frozenset()), closing(sqlite3.connect(new)) as journal:
        assert journal.execute("SELECT name FROM sqlite_master").fetchall() == []
    forgotten.close()


@pytest.mark.parametrize("name", ["shop.db", "other/shop.db"])
def test_what_is_left_out_or_elsewhere_is_written_to_its_file(tmp_path: Path, name: str):
    (tmp_path / "other").mkdir()
    with kept(tmp_path, frozenset({"shop.db"})):
        write(tmp_path / name, "CREATE TABLE item (sku TEXT)", "INSERT INTO item VALUES ('CAP')")
    assert skus(tmp_path / name) == ["CAP"]
