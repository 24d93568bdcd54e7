"""What a seed's machine suffers is really so: a ledger that is locked, an upgrade that is cut short."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from erp_sync import settings as settings_module
from erp_sync.ledger import Ledger, migrate
from erp_sync.ledger import engine as ledger_engine
from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ledger.schema import HISTORY, VERSION
from erp_sync.settings import Settings
from erp_sync_tests.chaos.processes import machine
from erp_sync_tests.ledger.databases import postgres
from erp_sync_tests.ledger.world import accept, document

LONG = b"{" + b'"word": "a document as a store sends it", ' * 20 + b"}"


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A ledger of today with documents in it."""
    monkeypatch.setenv("ERP_SYNC_HOME", str(tmp_path / "home"))
    if request.param == "sqlite":
        yield _made(settings_module.load())
        return
    with postgres() as server:
        database = server.create()
        monkeypatch.setenv("ERP_SYNC_LEDGER_URL", server.url(database))
        yield _made(settings_module.load())
        server.drop(database)


def _made(settings: Settings) -> Settings:
    settings.home.mkdir()
    migrate.upgrade(settings.ledger_url)
    ledger = Ledger.open(settings.ledger_url)
    accept(ledger, *[document(str(number), payload=LONG) for number in range(20)])
    ledger.close()
    return settings


def version(settings: Settings) -> str | None:
    database = Database(settings.ledger_url)
    with database.read() as read:
        found = migrate.current(read)
    database.close()
    return found


def test_an_upgrade_that_is_killed_leaves_the_ledger_as_it_was_and_the_next_one_makes_it_whole(
    installation: Settings, tmp_path: Path
):
    (installation.home / "initialised.json").write_text("{}")
    machine.set_back(installation)
    assert version(installation) == machine.BEFORE
    assert not (installation.home / "initialised.json").exists()
    assert machine.schema_differences(installation)
    command = ["-c", f"from erp_sync.ledger import migrate; migrate.upgrade({installation.ledger_url!r})"]
    for after in (1, len(HISTORY) - HISTORY.index(machine.BEFORE) - 1):
        log, folder = tmp_path / "log", tmp_path / f"dies {after}"
        assert machine.upgrade_killed(installation, command, folder, after, log) == machine.BEFORE
    with pytest.raises(AssertionError, match="the upgrade was not killed"):
        machine.upgrade_killed(installation, ["-c", ""], tmp_path / "lives", 1, tmp_path / "log")
    subprocess.run([sys.executable, *command], check=True)
    assert version(installation) == VERSION
    assert machine.schema_differences(installation) == []
    ledger = Ledger.open(installation.ledger_url)
    assert [one.payload for one in ledger.deliveries.find(limit=100)] == [LONG] * 20
    ledger.close()


def test_every_migration_after_the_version_that_is_gone_back_to_can_be_undone():
    assert set(machine._BACK) == set(HISTORY[HISTORY.index(machine.BEFORE) + 1 :])


def test_nobody_writes_what_is_locked_until_it_is_let_go(installation: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger_engine, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(ledger_engine, "PATIENCE_SECONDS", 0.05)
    ledger = Ledger.open(installation.ledger_url)
    _wait_briefly(ledger)
    with machine.ledger_locked(installation.ledger_url, "deliveries"), pytest.raises((LedgerBusy, sa.exc.DBAPIError)):
        accept(ledger, document("new"))
    accept(ledger, document("new"))
    assert len(ledger.deliveries.find(limit=100)) == 21
    ledger.close()


def _wait_briefly(ledger: Ledger) -> None:
    if not ledger.database.sqlite:

        @sa.event.listens_for(ledger.database.engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
