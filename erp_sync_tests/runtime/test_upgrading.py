"""A new version of erp_sync meets a ledger of the one before, whose services still run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from erp_sync import settings
from erp_sync.cli import app
from erp_sync.ledger import Ledger, migrate
from erp_sync.ledger.schema import HISTORY
from erp_sync.runtime import services
from erp_sync.runtime.storage import StillRunning, initialise, upgrade_pending
from erp_sync.settings import Settings
from erp_sync_tests.runtime.test_services import sleeping

BEFORE = HISTORY[-2]


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation that runs, as the version before left it."""
    monkeypatch.setenv("ERP_SYNC_HOME", str(tmp_path / "home"))
    (tmp_path / "defs").mkdir()
    monkeypatch.setenv("ERP_SYNC_DEFS", str(tmp_path / "defs"))  # no route: no secret is needed to start
    chosen = settings.load()
    chosen.home.mkdir()
    migrate.upgrade(chosen.ledger_url, to=BEFORE)
    services.start(chosen, [sleeping("daemon")])
    yield chosen
    services.stop(chosen)


def test_beside_services_that_know_only_the_ledger_of_before_nothing_is_upgraded(earlier: Settings) -> None:
    running = services.status(earlier)
    for anyway in (False, True):
        with pytest.raises(StillRunning, match="next: erp-sync up"):
            initialise(earlier, anyway=anyway)
    told = CliRunner().invoke(app, ["init"])
    assert (told.exit_code, "next: erp-sync up" in told.stderr) == (2, True)
    assert upgrade_pending(earlier)
    assert services.status(earlier) == running


def test_up_ends_them_upgrades_the_ledger_and_starts_anew(earlier: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "dagster_services", lambda *_, **__: [sleeping("daemon")])
    monkeypatch.setattr(services, "event_service", lambda *_: sleeping("events"))
    monkeypatch.setattr(services, "watchdog_service", lambda *_: sleeping("watchdog"))
    before = services.status(earlier).services["daemon"].process
    assert before is not None
    told = CliRunner().invoke(app, ["up"])
    assert told.exit_code == 0, told.output
    assert not upgrade_pending(earlier)
    Ledger.open(earlier.ledger_url).close()
    assert not before.alive
    found = services.status(earlier)
    assert found.ready
    assert set(found.services) == {"daemon", "events", "watchdog"}


def test_up_where_everything_is_of_today_leaves_alone_what_runs(
    earlier: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(earlier.ledger_url)
    monkeypatch.setattr(services, "dagster_services", lambda *_, **__: [sleeping("daemon")])
    monkeypatch.setattr(services, "event_service", lambda *_: sleeping("events"))
    monkeypatch.setattr(services, "watchdog_service", lambda *_: sleeping("watchdog"))
    before = services.status(earlier)
    assert CliRunner().invoke(app, ["up"]).exit_code == 0
    assert services.status(earlier) == before
