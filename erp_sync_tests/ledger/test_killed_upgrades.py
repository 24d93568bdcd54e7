"""An upgrade that is killed at any of its statements leaves the ledger as it was, and the next one does it whole.

What kill -9 leaves is what lies on the disk at that moment: the database and its log. It is kept before each statement
of all migrations, and each different one is opened again as the next start would.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.ledger import Ledger, engine, migrate
from erp_sync.ledger.schema import HISTORY, VERSION

ROWS = 200
# No number of bytes that pays to be packed away: what is not committed goes to the log early.
PAYLOAD = b'{"increment_id":"1","items":[' + b'{"sku":"MUG","qty_ordered":1},' * 60 + b"{}]}"


class Deaths:
    """What lies on the disk before each statement."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file, self._folder = file, folder
        self.statements = 0
        self.left: dict[str, Path] = {}

    def look(self, *_: Any) -> None:
        self.statements += 1
        parts = {one.name: one.read_bytes() for one in sorted(self._file.parent.iterdir())}
        digest = hashlib.sha256(b"".join(parts.values())).hexdigest()
        if digest not in self.left:
            place = self.left[digest] = self._folder / str(self.statements)
            place.mkdir(parents=True)
            for name, content in parts.items():
                (place / name).write_bytes(content)


def watched(monkeypatch: pytest.MonkeyPatch, deaths: Deaths) -> None:
    """The engines that migrations run on, with so small a memory that SQLite writes what is not committed, too."""
    made = engine._sqlite_engine

    def small(url: sa.URL) -> sa.Engine:
        one = made(url)
        sa.event.listen(one, "connect", lambda raw, _: raw.execute("PRAGMA cache_size=40"))
        sa.event.listen(one, "before_cursor_execute", deaths.look)
        sa.event.listen(one, "commit", deaths.look)
        return one

    monkeypatch.setattr(engine, "_sqlite_engine", small)


def version_of(file: Path) -> str | None:
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def received(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM received").fetchone()[0])


@pytest.mark.parametrize("before", [None, HISTORY[0]])
def test_an_upgrade_that_is_killed_at_any_statement_is_done_by_the_next_one(before, tmp_path: Path, monkeypatch):
    folder = tmp_path / "ledger"
    folder.mkdir()
    file, url = folder / "ledger.db", f"sqlite:///{folder}/ledger.db"
    if before is not None:
        migrate.upgrade(url, to=before)
        with closing(sqlite3.connect(file)) as database, database:
            database.executemany(
                "INSERT INTO received (connection, entity, native_id, version, payload, received_at)"
                " VALUES ('m', 'sales_order', ?, '1', ?, '2026-11-23 09:00:00.000000')",
                [(str(number), PAYLOAD) for number in range(ROWS)],
            )
    deaths = Deaths(file, tmp_path / "deaths")
    with monkeypatch.context() as patched:
        watched(patched, deaths)
        assert migrate.upgrade(url) == VERSION
    assert deaths.statements > 2
    for place in deaths.left.values():
        found = version_of(place / "ledger.db")
        assert found in (before, VERSION), "all of it or nothing"
        if found is not None:
            assert received(place / "ledger.db") == (ROWS if before else 0)
        again = f"sqlite:///{place}/ledger.db"
        assert migrate.upgrade(again) == VERSION
        ledger = Ledger.open(again)
        if before is not None:
            rows = ledger.received.of("m", "sales_order", [str(number) for number in range(ROWS)])
            assert {row.payload for row in rows} == {PAYLOAD}
            assert len(rows) == ROWS
        ledger.close()
        shutil.rmtree(place)
