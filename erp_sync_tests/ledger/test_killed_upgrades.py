"""An upgrade that is killed at any of its statements leaves the ledger as it was, and the next one does it whole.

What kill -9 leaves is what lies on the disk at that moment: the database and its log. It is kept before each statement
of all migrations. Each different one is opened as the next start would; where what is then there was seen already, the
upgrade after it is the same, too.
"""

from __future__ import annotations

import hashlib
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


def found_in(file: Path) -> tuple[str | None, int, str]:
    """What is there once SQLite has opened it: version, received records, and all of it in short."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        whole = hashlib.sha256("\n".join(database.iterdump()).encode()).hexdigest()
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None, 0, whole
        version = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        return str(version), database.execute("SELECT count(*) FROM received").fetchone()[0], whole


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
    deaths.look()
    assert deaths.statements > 50
    assert len(deaths.left) > 2
    seen: set[str] = set()
    for place in deaths.left.values():
        version, rows, whole = found_in(place / "ledger.db")
        assert (version, rows) in ((before, ROWS if before else 0), (VERSION, ROWS if before else 0)), "all or nothing"
        if whole in seen:
            continue
        seen.add(whole)
        again = f"sqlite:///{place}/ledger.db"
        assert migrate.upgrade(again) == VERSION
        ledger = Ledger.open(again)
        if before is not None:
            received = ledger.received.of("m", "sales_order", [str(number) for number in range(ROWS)])
            assert [row.payload for row in received] == [PAYLOAD] * ROWS
        ledger.close()
    assert len(seen) == 2, "before and after"
