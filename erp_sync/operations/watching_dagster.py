"""What Dagster's own storage says of its daemon and schedules, for the watchdog. Only reads; asks no process.

A daemon works in threads that give signs of life by themselves: one may stand still while the others, and the sensor
that looks for work, go on. A schedule that does not tick fails without an error: nobody misses a run that never was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from erp_sync.runtime.storage import dagster_answers

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from erp_sync.settings import Settings

#: A thread of the daemon beats every 30 s; one that evaluates a slow schedule or sensor comes late, not so late.
DAEMON_SILENT = timedelta(minutes=5)
#: A tick that is later than this is missed. Dagster makes up for missed ones once it can.
SCHEDULE_LATE = timedelta(minutes=30)
#: A daemon that goes on after it stood still makes up for missed ticks within this.
CATCHES_UP = timedelta(minutes=5)
#: Threads of the daemon without which something stands still, and what.
NEEDED = {
    "SENSOR": "no sensor looks for work",
    "SCHEDULER": "no schedule ticks",
    "QUEUED_RUN_COORDINATOR": "no run begins",
}
#: From a Friday on, so that the weekend is among the first gaps of what runs on working days.
_FRIDAY = datetime(2024, 1, 5, tzinfo=UTC)


class LateSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """One that is on and did not tick. `last`: its last tick that did not fail, or when it was switched on; UTC."""

    name: str
    cron: str
    last: datetime


class DagsterStorage:
    """Dagster's storage of one installation, opened when first used and kept open. One per process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance: DagsterInstance | None = None

    @property
    def exists(self) -> bool:
        """Is it of this machine, and set up? A watchdog may run on another one."""
        return (self._settings.dagster_home / "dagster.yaml").is_file()

    def _opened(self) -> DagsterInstance:
        from dagster import DagsterInstance

        if self._instance is None:
            self._instance = DagsterInstance.from_config(str(self._settings.dagster_home))
        return self._instance

    def silent_daemons(self, now: datetime) -> dict[str, datetime]:
        """Needed threads of the daemon without a sign of life, and when they gave the last one (UTC).

        One that never gave any is not told: no daemon was ever started. Raises DatabaseAway.
        """
        with dagster_answers(self._settings):
            beats = self._opened().get_daemon_heartbeats()
        last = {name: _utc(beats[name].timestamp) for name in NEEDED if name in beats}
        return {name: at for name, at in last.items() if now - at > DAEMON_SILENT}

    def late_schedules(self, now: datetime) -> list[LateSchedule]:
        """Those that are on, with a last tick longer ago than cron and grace allow. Raises DatabaseAway."""
        with dagster_answers(self._settings):
            return list(self._late(self._opened(), now))

    def _late(self, instance: DagsterInstance, now: datetime) -> Iterator[LateSchedule]:
        from dagster._core.definitions.run_request import InstigatorType
        from dagster._core.scheduler.instigation import ScheduleInstigatorData, TickStatus

        ticked = [TickStatus.SUCCESS, TickStatus.SKIPPED]
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
            data = state.instigator_data
            if not state.is_running or not isinstance(data, ScheduleInstigatorData):
                continue
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=ticked)
            times = [_utc(tick.timestamp) for tick in ticks]
            times += [_utc(data.start_timestamp)] if data.start_timestamp is not None else []
            cron = (data.cron_schedule,) if isinstance(data.cron_schedule, str) else tuple(data.cron_schedule)
            if times and now - max(times) > longest_gap(cron) + SCHEDULE_LATE:
                yield LateSchedule(name=state.instigator_name, cron=", ".join(cron), last=max(times))


@lru_cache(maxsize=256)
def longest_gap(cron: Sequence[str]) -> timedelta:
    """The longest time between two ticks, as far as a week (of rare ones thirteen ticks) shows it.

    In UTC, as all schedules of ours run: Dagster's storage does not tell a schedule's time zone. One in a zone whose
    clocks are put back once a year ticks an hour later on that day, and would be called late for it.
    """
    from dagster._utils.schedules import schedule_execution_time_iterator

    longest, before = timedelta(0), None
    for count, moment in enumerate(schedule_execution_time_iterator(_FRIDAY.timestamp(), list(cron), "UTC")):
        if before is not None:
            longest = max(longest, moment - before)
        before = moment
        if count >= 13 and (moment - _FRIDAY > timedelta(days=8) or count >= 2_000):
            break
    return longest


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
