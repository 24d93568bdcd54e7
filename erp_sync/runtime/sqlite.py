"""Dagster's SQLite storages, opened once per process.

Dagster makes a new SQLAlchemy engine for every statement and reads its ninety migration scripts whenever an instance
is opened, which together is half of what a small run costs. These open one engine, keep its connections (opening a
file costs more than most statements) and leave creation and migration to `erp_sync.runtime.storage.initialise`. They
wait 30 s for a writer, where Dagster's wait 5 s for runs and ticks, and do not sync the disk at each event: after a
power cut the last events may be missing, the file is whole. What Dagster keeps as JSON of runs, events and ticks, nine
tenths of which it repeats with every row, is packed (`erp_sync.packing`); rows of before are read as they are.

A SQLite connection must not be inherited by a fork: a process that forks calls `close_connections` before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from erp_sync.packing import EVENTS, PackedText
from erp_sync.statements import statements

if TYPE_CHECKING:
    from dagster import DagsterInstance

_KEPT = 4
"""Connections of one file that wait for their next statement; more are opened when threads need them."""

for _column in (
    SqlEventLogStorageTable.c.event,
    AssetCheckExecutionsTable.c.evaluation_event,
    RunsTable.c.run_body,
    JobTickTable.c.tick_body,
):
    _column.type = PackedText(EVENTS)


class _OneEngine:
    _conn_string: str

    @cached_property
    def _engine(self) -> Engine:
        engine = sqlalchemy.create_engine(
            self._conn_string,
            poolclass=QueuePool,
            pool_size=_KEPT,
            max_overflow=-1,
            execution_options={"compiled_cache": statements},
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        sqlalchemy.event.listen(engine, "connect", _set_up)
        return engine

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def close_connections(self) -> None:
        """Close those that wait for their next statement; the next one opens another."""
        self._engine.dispose()

    def dispose(self) -> None:
        self.close_connections()
        super().dispose()  # type: ignore[misc]  # Dagster's storage is the next class


def close_connections(instance: DagsterInstance) -> None:
    """Leave no connection of these storages open in this process, so that it may fork."""
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        if isinstance(storage, _OneEngine):
            storage.close_connections()


def _set_up(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL").close()


class RunStorage(_OneEngine, SqliteRunStorage):
    """Runs, in ``<base_dir>/runs.db``."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        if (Path(base_dir) / "runs.db").exists():
            return cls(create_db_conn_string(base_dir, "runs"), inst_data)
        return super().from_local(base_dir, inst_data)

    connect = _OneEngine._transaction


class ScheduleStorage(_OneEngine, SqliteScheduleStorage):
    """Ticks of schedules and sensors, in ``<base_dir>/schedules.db``."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> ScheduleStorage:
        return cls.from_local(inst_data=inst_data, **config_value)

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> ScheduleStorage:
        if (Path(base_dir) / "schedules.db").exists():
            return cls(create_db_conn_string(base_dir, "schedules"), inst_data)
        created = super().from_local(base_dir, inst_data)
        assert isinstance(created, cls)
        return created

    connect = _OneEngine._transaction


class EventLogStorage(_OneEngine, ConsolidatedSqliteEventLogStorage):
    """Events of all runs, in ``<base_dir>/event_log.db``."""

    _connect = _OneEngine._transaction
