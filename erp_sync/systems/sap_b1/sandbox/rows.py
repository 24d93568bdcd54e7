"""Entities as rows: one table for each entity set, keys in columns, the rest in one JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.systems.sap_b1.sandbox.entities import SETS, EntitySet
from erp_sync.systems.sap_b1.sandbox.store import Store, dumps, loads

Key = tuple[Any, ...]

_OWN = """
CREATE TABLE IF NOT EXISTS sandbox_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (
    item TEXT NOT NULL, warehouse TEXT NOT NULL,
    on_hand TEXT NOT NULL, committed TEXT NOT NULL, ordered TEXT NOT NULL, -- exact decimals
    PRIMARY KEY (item, warehouse)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stock_warehouse ON stock (warehouse);
CREATE TABLE IF NOT EXISTS exchange_rates (
    currency TEXT NOT NULL, day TEXT NOT NULL, rate TEXT NOT NULL, PRIMARY KEY (currency, day)
) WITHOUT ROWID;
"""


def create(store: Store) -> None:
    """Make what is missing; an existing database stays as it is."""
    store.connection.executescript(_OWN)
    for entity in SETS.values():
        columns = ", ".join(
            f"{column} {'INTEGER' if kind == 'integer' else 'TEXT'} NOT NULL"
            for column, kind in zip(entity.key_columns, entity.keys.values(), strict=True)
        )
        store.run(
            f'CREATE TABLE IF NOT EXISTS "{entity.name}" ({columns}, data TEXT NOT NULL, '
            f"PRIMARY KEY ({', '.join(entity.key_columns)}))"
        )
        for name in entity.indexed:
            store.run(
                f'CREATE INDEX IF NOT EXISTS "{entity.name} {name}" ON "{entity.name}" ({column_of(entity, name)})'
            )


def index_user_field(store: Store, entity: EntitySet, name: str) -> None:
    """A user-defined field that one looks documents up by (an administrator would make an index, too)."""
    store.run(f'CREATE INDEX IF NOT EXISTS "{entity.name} {name}" ON "{entity.name}" ({column_of(entity, name)})')


_COMPUTED = {
    ("Items", "QuantityOnStock"): "on_hand",
    ("Items", "QuantityOrderedByCustomers"): "committed",
    ("Items", "QuantityOrderedFromVendors"): "ordered",
}


def column_of(entity: EntitySet, name: str) -> str:
    """The SQL expression of a property whose name was checked."""
    total = _COMPUTED.get((entity.name, name))
    if total is not None:
        return f"(SELECT COALESCE(SUM(CAST({total} AS REAL)), 0) FROM stock WHERE item = k1)"
    if name in entity.keys:
        return entity.key_columns[list(entity.keys).index(name)]
    return f"json_extract(data, '$.{name}')"


def read(store: Store, set_name: str, *key: Any) -> dict[str, Any] | None:
    entity = SETS[set_name]
    where = " AND ".join(f"{column} = ?" for column in entity.key_columns)
    text = store.value(f'SELECT data FROM "{set_name}" WHERE {where}', *key)
    return None if text is None else loads(text)


def exists(store: Store, set_name: str, *key: Any) -> bool:
    entity = SETS[set_name]
    where = " AND ".join(f"{column} = ?" for column in entity.key_columns)
    return store.value(f'SELECT 1 FROM "{set_name}" WHERE {where}', *key) is not None


def write(store: Store, set_name: str, data: dict[str, Any]) -> None:
    """Insert the entity or replace it."""
    entity = SETS[set_name]
    key, text = key_of(entity, data), dumps(data)
    where = " AND ".join(f"{column} = ?" for column in entity.key_columns)
    store.written[set_name] += 1
    if not store.run(f'UPDATE "{set_name}" SET data = ? WHERE {where}', text, *key).rowcount:
        marks = ", ".join("?" * (len(entity.keys) + 1))
        store.run(f'INSERT INTO "{set_name}" VALUES ({marks})', *key, text)
        store.resized[set_name] += 1


def write_many(store: Store, set_name: str, texts: Sequence[Sequence[Any]]) -> None:
    """Insert or replace entities in great numbers. A row: the key's parts, then the JSON text of the whole."""
    marks = ", ".join("?" * (len(SETS[set_name].keys) + 1))
    store.many(f'INSERT OR REPLACE INTO "{set_name}" VALUES ({marks})', texts)
    store.written[set_name] += 1
    store.resized[set_name] += 1


def delete(store: Store, set_name: str, *key: Any) -> None:
    entity = SETS[set_name]
    where = " AND ".join(f"{column} = ?" for column in entity.key_columns)
    store.run(f'DELETE FROM "{set_name}" WHERE {where}', *key)
    store.written[set_name] += 1
    store.resized[set_name] += 1


def key_of(entity: EntitySet, data: dict[str, Any]) -> Key:
    return tuple(data[name] for name in entity.keys)


def key_text(entity: EntitySet, key: Key) -> str:
    """The key as a path writes it: ``22``, ``'A1'``, ``CardCode='c1',ItemCode='i1'``."""
    quoted = [
        str(value) if kind == "integer" else "'" + str(value).replace("'", "''") + "'"
        for value, kind in zip(key, entity.keys.values(), strict=True)
    ]
    if len(quoted) == 1:
        return quoted[0]
    return ",".join(f"{name}={value}" for name, value in zip(entity.keys, quoted, strict=True))


def key_text_of(set_name: str, data: dict[str, Any]) -> str:
    """The key of an entity as a path writes it."""
    return key_text(SETS[set_name], key_of(SETS[set_name], data))


def empty(store: Store) -> None:
    """Delete every row of every table."""
    for (name,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        store.run(f'DELETE FROM "{name}"')
    store.places.forget()
