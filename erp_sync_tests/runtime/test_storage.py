"""Storage set-up: any number of processes at once on an empty folder, and nothing to do the second time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from erp_sync import settings
from erp_sync.ledger import Ledger
from erp_sync.runtime.storage import dagster_configuration, initialise

_INITIALISE = (
    "from erp_sync import settings; from erp_sync.runtime.storage import initialise; initialise(settings.load())"
)


def settings_in(home: Path, **variables: str) -> settings.Settings:
    return settings.load({"ERP_SYNC_HOME": str(home), **variables})


def test_eight_processes_at_once_on_an_empty_folder_make_one_working_installation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "ERP_SYNC_HOME": str(home)}
    environment.pop("DAGSTER_HOME", None)
    processes = [
        subprocess.Popen([sys.executable, "-c", _INITIALISE], env=environment, stderr=subprocess.PIPE) for _ in range(8)
    ]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, "\n".join(errors)
    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert instance.get_runs_count() == 0
        assert not instance.all_instigator_state()
    Ledger.open(settings_in(home).ledger_url)


def test_the_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    chosen = settings_in(tmp_path / "home")
    assert initialise(chosen)
    assert not initialise(chosen)
    (chosen.dagster_home / "dagster.yaml").unlink()
    assert initialise(chosen)


def test_the_configuration_names_this_home_only(tmp_path: Path) -> None:
    written = dagster_configuration(settings_in(tmp_path / "home: with # odd name"))
    assert yaml.safe_load(written)["event_log_storage"]["config"]["base_dir"].startswith(str(tmp_path))
    assert "${" not in written


def test_postgres_takes_the_place_of_sqlite_and_its_password_stays_out_of_the_file(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://dagster:secret@db.example/dagster"
    written = dagster_configuration(settings_in(tmp_path, ERP_SYNC_DAGSTER_POSTGRES_URL=url))
    assert "secret" not in written
    assert yaml.safe_load(written)["storage"] == {
        "postgres": {"postgres_url": {"env": "ERP_SYNC_DAGSTER_POSTGRES_URL"}}
    }


def test_a_postgres_url_without_the_driver_that_dagster_needs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(settings.WrongSetting, match=r"ERP_SYNC_DAGSTER_POSTGRES_URL .* postgresql\+psycopg2"):
        settings_in(tmp_path, ERP_SYNC_DAGSTER_POSTGRES_URL="postgresql://dagster@db.example/dagster")
