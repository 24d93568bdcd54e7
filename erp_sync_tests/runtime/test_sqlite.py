"""What Dagster keeps of runs is packed in its files, and whole for Dagster."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg

from erp_sync.packing import unpacked
from erp_sync_tests.runtime.test_retention import _STORAGES

TOLD = "what the asset tells of its rows, " * 100


@dg.asset(check_specs=[dg.AssetCheckSpec("rows", asset="told_and_checked")])
def told_and_checked():
    checked = dg.AssetCheckResult(passed=False, check_name="rows", metadata={"rows": TOLD})
    return dg.MaterializeResult(metadata={"rows": TOLD}, check_results=[checked])


def stored(path: Path, table: str, column: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute(f"SELECT {column} FROM {table}") if row[0] is not None]


def test_events_runs_and_checks_are_packed_and_read_by_dagster(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(_STORAGES.format(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = dg.materialize([told_and_checked], instance=instance).run_id
        for file, table, column in (
            ("events/event_log.db", "event_logs", "event"),
            ("events/event_log.db", "asset_check_executions", "evaluation_event"),
            ("history/runs.db", "runs", "run_body"),
        ):
            values = stored(tmp_path / file, table, column)
            whole = [unpacked(value) for value in values]
            assert values
            assert all(isinstance(value, bytes) for value in values)
            assert sum(map(len, values)) < sum(map(len, whole)) / 3
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_success
        event = instance.get_latest_materialization_event(dg.AssetKey("told_and_checked"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["rows"].value == TOLD
        (check,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("told_and_checked"), "rows"), limit=5
        )
        assert check.event is not None


def test_events_of_before_are_read_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(_STORAGES.format(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = dg.materialize([told_and_checked], instance=instance).run_id
        before = [event.message for event in instance.all_logs(run_id)]
        with closing(sqlite3.connect(tmp_path / "events/event_log.db")) as database, database:
            rows = database.execute("SELECT id, event FROM event_logs").fetchall()
            database.executemany(
                "UPDATE event_logs SET event = ? WHERE id = ?", [(unpacked(event).decode(), key) for key, event in rows]
            )
        assert {type(value) for value in stored(tmp_path / "events/event_log.db", "event_logs", "event")} == {str}
        assert [event.message for event in instance.all_logs(run_id)] == before
