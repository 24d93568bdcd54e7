"""A search index that lags: SuiteQL and collections read a copy that follows after a while.

Every change of a row is noted with its image by triggers of this connection only, and laid onto the copy when it
is old enough. Records read by id come from the tables themselves and are current.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from erp_sync.systems.netsuite.sandbox.schema import Table, indexes, tables
from erp_sync.systems.netsuite.sandbox.store import Store

SCHEMA = "search"


class SearchIndex:
    """The lagging copy, in memory; made from the tables as they are when the account is opened."""

    def __init__(self, store: Store, lag_seconds: float, wall: Callable[[], datetime]) -> None:
        self._store, self._lag = store, lag_seconds
        self._wall = wall
        store.connection.create_function("ns_wall", 0, lambda: self._wall().timestamp())
        store.run("PRAGMA recursive_triggers = ON")  # rows that a REPLACE takes away are told, too
        store.run(f"ATTACH ':memory:' AS {SCHEMA}")
        store.run(
            "CREATE TEMP TABLE change_image (id INTEGER PRIMARY KEY, at REAL, name TEXT, row INTEGER, image TEXT)"
        )
        for table in tables().values():
            if table.view is None:
                self._copy(table)
        for table in tables().values():
            if table.view is not None:
                store.run(f'CREATE VIEW {SCHEMA}."{table.name}" AS {table.view}')
        for statement in indexes():
            store.run(statement.replace("INDEX IF NOT EXISTS ", f"INDEX {SCHEMA}.", 1))

    def _copy(self, table: Table) -> None:
        kinds = ", ".join(f'"{c.name}" {"INTEGER" if c.integer else "TEXT"}' for c in table.columns.values())
        store, name = self._store, table.name
        store.run(f'CREATE TABLE {SCHEMA}."{name}" (_row INTEGER PRIMARY KEY, {kinds})')
        store.run(_copying(table))
        image = "json_array(" + ", ".join(f'NEW."{column}"' for column in table.columns) + ")"
        for event, row, value in (
            ("INSERT", "NEW", image),
            ("UPDATE", "NEW", image),
            ("DELETE", "OLD", "NULL"),
        ):
            store.run(
                f'CREATE TEMP TRIGGER "lag_{name}_{event}" AFTER {event} ON main."{name}" BEGIN INSERT INTO '
                f"change_image (at, name, row, image) VALUES (ns_wall(), '{name}', {row}.rowid, {value}); END"
            )

    def catch_up(self) -> None:
        """Lay every change that is old enough onto the copy, in order."""
        store, until = self._store, self._wall().timestamp() - self._lag
        changes = store.all("SELECT * FROM change_image WHERE at <= ? ORDER BY id", until)
        if not changes:
            return
        for change in changes:
            columns = tables()[change["name"]].columns
            if change["image"] is None:
                store.run(f'DELETE FROM {SCHEMA}."{change["name"]}" WHERE _row = ?', change["row"])
                continue
            names = ", ".join(f'"{name}"' for name in columns)
            marks = ", ".join("?" * (len(columns) + 1))
            store.run(
                f'INSERT OR REPLACE INTO {SCHEMA}."{change["name"]}" (_row, {names}) VALUES ({marks})',
                change["row"],
                *json.loads(change["image"]),
            )
        store.run("DELETE FROM change_image WHERE id <= ?", changes[-1]["id"])
        store.version += 1

    def rebuild(self) -> None:
        """Forget what was to come and copy the tables as they are (after a reset)."""
        self._store.run("DELETE FROM change_image")
        for table in tables().values():
            if table.view is None:
                self._store.run(f'DELETE FROM {SCHEMA}."{table.name}"')
                self._store.run(_copying(table))
        self._store.version += 1


def _copying(table: Table) -> str:
    columns = ", ".join(f'"{name}"' for name in table.columns)
    return f'INSERT INTO {SCHEMA}."{table.name}" (_row, {columns}) SELECT rowid, {columns} FROM main."{table.name}"'
