"""The sandbox's tables, with the names that SuiteQL gives them (lower case).

One declaration per table says what SQLite stores and what SuiteQL may read. A line is
``name kind [target table]``; kinds: id, integer, text, flag ('T'/'F'), date, datetime, amount, quantity,
rate, percent (decimals as fixed-scale text), json. A name with a leading ``-`` is the sandbox's own and
does not exist for SuiteQL. Column names: NetSuite Records Catalog as used in public SuiteQL; tables marked
(u) are unconfirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from erp_sync.systems.netsuite.sandbox.catalogue import OWN, TABLES, VIEWS
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, PERCENT, QUANTITY, RATE, Store

SCALES = {"amount": AMOUNT, "quantity": QUANTITY, "rate": RATE, "percent": PERCENT}


@dataclass(frozen=True)
class Column:
    """One column. `to` is the table whose label BUILTIN.DF shows; `hidden` ones are the sandbox's own."""

    name: str
    kind: str
    to: str | None = None
    hidden: bool = False

    @property
    def scale(self) -> int | None:
        return SCALES.get(self.kind)

    @property
    def integer(self) -> bool:
        return self.kind in ("id", "integer")


@dataclass(frozen=True)
class Table:
    name: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    view: str | None = None

    def ddl(self) -> str:
        if self.view is not None:
            return f'CREATE VIEW IF NOT EXISTS "{self.name}" AS {self.view}'
        parts = []
        for column in self.columns.values():
            stored = "INTEGER" if column.integer else "TEXT"
            parts.append(f'"{column.name}" {stored}' + (" PRIMARY KEY" if self.key == (column.name,) else ""))
        if len(self.key) > 1:
            parts.append("PRIMARY KEY (" + ", ".join(f'"{name}"' for name in self.key) + ")")
        return f'CREATE TABLE IF NOT EXISTS "{self.name}" ({", ".join(parts)})'


@cache
def tables() -> dict[str, Table]:
    found: dict[str, Table] = {}
    name, key, columns = "", (), {}  # type: str, tuple[str, ...], dict[str, Column]
    for line in [*TABLES.strip().splitlines(), "table end"]:
        words = line.split()
        if words[0] in ("table", "view"):
            if name:
                found[name] = Table(name, columns, key, VIEWS.get(name))
            name, key, columns = words[1], tuple(word.removeprefix("-") for word in words[2:]), {}
            continue
        column = words[0].removeprefix("-")
        columns[column] = Column(column, words[1], words[2] if len(words) > 2 else None, words[0].startswith("-"))
    return found


def create(store: Store) -> None:
    """Create what is missing; an existing database stays as it is."""
    for table in tables().values():
        store.run(table.ddl())
    for statement in OWN.split(";"):
        if statement.strip():
            store.run(statement)


def indexes() -> list[str]:
    """Statements that index the vendor's tables."""
    statements = [statement.strip() for statement in OWN.split(";")]
    return [one for one in statements if "INDEX" in one and "sandbox_" not in one]


def empty(store: Store, keep: tuple[str, ...] = ("sandbox_state",)) -> None:
    """Delete every row but those of `keep`."""
    for row in store.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        if row["name"] not in keep:
            store.run(f'DELETE FROM "{row["name"]}"')


def scale_of(table: str, column: str) -> int:
    """Digits after the point of a decimal column."""
    scale = tables()[table].columns[column].scale
    if scale is None:
        raise ValueError(f"{table}.{column} is not a decimal column")
    return scale
