"""Processes that write at the same time: nobody is passed without end."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa

from erp_sync.ledger import engine
from erp_sync.ledger.engine import Database

#: In ten writes together; with SQLite's own waiting it was some 2,000.
PASSED_AT_MOST = 400
WRITER = textwrap.dedent("""
    import sys, time
    import sqlalchemy as sa
    from erp_sync.ledger.engine import Database

    database = Database(sys.argv[1])
    while True:
        with database.write() as write:
            write.execute(sa.text("UPDATE turns SET taken = taken + 1"))
            time.sleep(0.005)
            if write.execute(sa.text("SELECT ended FROM turns")).scalar():
                break
        print(flush=True)
""")


def test_who_has_waited_for_long_is_passed_a_few_times_by_a_process_that_writes_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.02)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database = Database(url)
    sqlite3.connect(tmp_path / "ledger.db").execute("PRAGMA journal_mode=WAL")
    with database.write() as write:
        write.execute(sa.text("CREATE TABLE turns (taken INTEGER, ended INTEGER)"))
        write.execute(sa.text("INSERT INTO turns VALUES (0, 0)"))
    passed = []
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(10):
            with database.read() as read:
                asked = read.execute(sa.text("SELECT taken FROM turns")).scalar_one()
            with database.write() as write:
                passed.append(write.execute(sa.text("SELECT taken FROM turns")).scalar_one() - asked)
        with database.write() as write:
            write.execute(sa.text("UPDATE turns SET ended = 1"))
        writer.stdout.close()
    assert sum(passed) <= PASSED_AT_MOST, passed
