"""Dagster's storage in PostgreSQL, as in production: set up, and runs forked while it is in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dagster import DagsterRunStatus

from erp_sync import settings
from erp_sync.runtime.storage import initialise
from erp_sync_tests.ledger.databases import Server, postgres
from erp_sync_tests.runtime.conftest import installation_in, wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


def test_runs_are_forked_with_runs_and_events_in_postgresql(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url(server.create()).replace("+psycopg:", "+psycopg2:")
    monkeypatch.setenv("ERP_SYNC_DAGSTER_POSTGRES_URL", url)
    chosen = settings.load({"ERP_SYNC_HOME": str(tmp_path / "home"), "ERP_SYNC_DAGSTER_POSTGRES_URL": url})
    assert initialise(chosen)
    assert not initialise(chosen)
    content = yaml.safe_load((chosen.dagster_home / "dagster.yaml").read_text())
    with installation_in(chosen.dagster_home, content) as installation:
        installation.start_server()
        run_id = installation.launch("empty_job")
        wait_for(lambda: installation.finished(run_id))
        assert installation.run(run_id).status == DagsterRunStatus.SUCCESS
        assert "default launcher" not in installation.messages(run_id)
    assert not (chosen.dagster_home / "history").exists()
