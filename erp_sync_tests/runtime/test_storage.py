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

# What people, cron and containers start beside each other, as they start it.
COMMANDS = (
    "init", "status --json", "deadletters --json", "lookups export carriers carriers.csv --json", "alerts watch --once",
    "maintenance list --json", "mapping --json", "retry --all --json",
)  # fmt: skip


def settings_in(home: Path, **variables: str) -> settings.Settings:
    return settings.load({"ERP_SYNC_HOME": str(home), **variables})


def test_eight_processes_at_once_on_an_empty_folder_make_one_working_installation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "ERP_SYNC_HOME": str(home)}
    environment.pop("DAGSTER_HOME", None)
    erp_sync = [sys.executable, "-m", "erp_sync.cli"]
    processes = [
        subprocess.Popen(
            [*erp_sync, *command.split()],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for command in COMMANDS
    ]
    errors = dict(zip(COMMANDS, (process.communicate()[1].decode() for process in processes), strict=True))
    # A fresh folder has no look-up table until `init` has imported it: that command may have been quicker.
    quick = errors.pop(COMMANDS[3])
    assert processes[3].returncode == (2 if "has no look-up table" in quick else 0), quick
    assert [one.returncode for one in processes if one is not processes[3]] == [0] * 7, errors
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
