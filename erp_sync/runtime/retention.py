"""Old runs and their events are deleted, bit by bit, so that Dagster's storage stays bounded from the first day.

Dagster keeps runs for ever. Ticks it purges by whole days (dagster.yaml, `retention`); a sensor that looks every second
skips 86,400 times a day and keeps its cursor, kilobytes a route, with each tick, so those go after an hour.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunsFilter
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable

_PAUSE_SECONDS = 600.0
_SKIPPED_TICKS_KEPT = timedelta(hours=1)
_TICKS_PAUSE_SECONDS = 60.0


class Retention:
    """Deletes finished runs that are older than `days`, a page at each step.

    The run that materialised a partition last is kept for ever: with it Dagster would forget that the partition was
    ever filled. With a partition a day these are a few runs a day.

    Args:
        days: age at which a finished run goes.
        page: runs looked at in one step; deleting one takes some milliseconds.
    """

    def __init__(self, days: int, page: int = 25) -> None:
        self._days, self._page = days, page
        self._after: str | None = None
        self._not_before = self._ticks_not_before = 0.0

    def step(self, instance: DagsterInstance) -> int:
        """Look at the next page of old runs; answers how many were deleted. Does nothing for a while after the last."""
        if time.monotonic() >= self._ticks_not_before:
            purge_skipped_ticks(instance, datetime.now(UTC) - _SKIPPED_TICKS_KEPT)
            self._ticks_not_before = time.monotonic() + _TICKS_PAUSE_SECONDS
        if time.monotonic() < self._not_before:
            return 0
        old = RunsFilter(
            statuses=list(FINISHED_STATUSES), created_before=datetime.now(UTC) - timedelta(days=self._days)
        )
        runs = instance.get_runs(old, cursor=self._after, limit=self._page, ascending=True)
        if not runs:
            self._after, self._not_before = None, time.monotonic() + _PAUSE_SECONDS
            return 0
        kept = holding_newest_materialization(instance, [run.run_id for run in runs])
        deleted = 0
        for run in runs:
            if run.run_id in kept:
                self._after = run.run_id  # paging needs a run that still exists
                continue
            instance.delete_run(run.run_id)
            instance.compute_log_manager.delete_logs(prefix=[run.run_id])
            deleted += 1
        return deleted


def purge_skipped_ticks(instance: DagsterInstance, before: datetime) -> None:
    """Forget ticks of sensors that started nothing."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        instance.purge_ticks(
            state.instigator_origin_id, state.selector_id, before.timestamp(), tick_statuses=[TickStatus.SKIPPED]
        )


def holding_newest_materialization(instance: DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Those of the runs that materialised some asset's partition (or unpartitioned asset) last."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return set(run_ids)
    events, newer = SqlEventLogStorageTable.alias("events"), SqlEventLogStorageTable.alias("newer")
    materialization = DagsterEventType.ASSET_MATERIALIZATION.value
    overtaken = sa.exists().where(
        newer.c.dagster_event_type == materialization,
        newer.c.asset_key == events.c.asset_key,
        newer.c.partition.is_not_distinct_from(events.c.partition),
        newer.c.id > events.c.id,
    )
    query = (
        sa.select(events.c.run_id)
        .distinct()
        .where(events.c.run_id.in_(list(run_ids)), events.c.dagster_event_type == materialization, ~overtaken)
    )
    with storage.index_connection() as connection:
        return {row.run_id for row in connection.execute(query)}
