"""Old runs go, but a partition is not forgotten with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus

from erp_sync.runtime.retention import Retention, holding_newest_materialization
from erp_sync.runtime.sqlite import EventLogStorage, RunStorage

_STORAGES = """
run_storage: {{module: erp_sync.runtime.sqlite, class: RunStorage, config: {{base_dir: "{0}/history"}}}}
event_log_storage: {{module: erp_sync.runtime.sqlite, class: EventLogStorage, config: {{base_dir: "{0}/events"}}}}
schedule_storage: {{module: erp_sync.runtime.sqlite, class: ScheduleStorage, config: {{base_dir: "{0}/schedules"}}}}
"""


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def daily() -> None: ...


@dg.asset
def whole() -> None: ...


def filled(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([daily], partition_key=day, instance=instance).run_id


@pytest.mark.parametrize("days", [0, 30])
def test_old_runs_go_except_those_that_filled_a_partition_last(tmp_path: Path, days: int) -> None:
    (tmp_path / "dagster.yaml").write_text(_STORAGES.format(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_storage, RunStorage)
        assert isinstance(instance.event_log_storage, EventLogStorage)
        runs = [filled(instance, day) for day in ("2026-01-01", "2026-01-02", "2026-01-01")]
        unpartitioned = [dg.materialize([whole], instance=instance).run_id for _ in range(2)]
        newest = {runs[1], runs[2], unpartitioned[1]}
        assert holding_newest_materialization(instance, [*runs, *unpartitioned]) == newest

        retention = Retention(days, page=2)
        deleted = sum(retention.step(instance) for _ in range(6))
        left = {run.run_id for run in instance.get_runs()}
        if days:
            assert (deleted, left) == (0, {*runs, *unpartitioned})
        else:
            assert (deleted, left) == (2, newest)
            assert not instance.all_logs(runs[0])
        assert instance.get_materialized_partitions(daily.key) == {"2026-01-01", "2026-01-02"}


def test_skipped_ticks_go_after_a_while_and_those_that_started_something_stay(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(_STORAGES.format(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(
                RegisteredCodeLocationOrigin(location_name="here"), repository_name="__repository__"
            ),
            "watcher",
        )
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
        instance.add_instigator_state(state)
        now = datetime.now(UTC)
        for minutes, status in ((90, TickStatus.SKIPPED), (90, TickStatus.SUCCESS), (30, TickStatus.SKIPPED)):
            instance.create_tick(
                TickData(
                    instigator_origin_id=state.instigator_origin_id,
                    instigator_name="watcher",
                    instigator_type=InstigatorType.SENSOR,
                    status=status,
                    timestamp=(now - timedelta(minutes=minutes)).timestamp(),
                    selector_id=state.selector_id,
                    run_ids=[],
                )
            )
        Retention(30).step(instance)
        left = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        assert [tick.status for tick in left] == [TickStatus.SKIPPED, TickStatus.SUCCESS]
