"""A copy of a ledger to try things on: what is done to it never reaches the ledger itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from erp_sync.ledger.schema import metadata

if TYPE_CHECKING:
    from erp_sync.ledger.ledger import Ledger

#: History that no comparison looks at.
_LEFT_OUT = ("attempts", "delivery_events")
_ROWS = 5000


def copy_to_file(ledger: Ledger, file: Path) -> str:
    """Copy the ledger, as it is at one moment, into a new SQLite file; gives its URL.

    From PostgreSQL the history of deliveries is left out. Others may write meanwhile.
    """
    from erp_sync.ledger.engine import Database
    from erp_sync.ledger.migrate import upgrade

    url = f"sqlite:///{file}"
    database = ledger.database
    if database.sqlite:
        assert database.url.database is not None
        source, target = sqlite3.connect(database.url.database, timeout=60), sqlite3.connect(file)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        return url
    upgrade(url)
    copy = Database(url)
    try:
        with database.read() as read, copy.write() as write:
            for table in metadata.sorted_tables:
                if table.name in _LEFT_OUT:
                    continue
                write.execute(sa.delete(table))
                rows = read.execution_options(yield_per=_ROWS).execute(sa.select(table))
                for some in rows.partitions(_ROWS):
                    write.execute(sa.insert(table), [dict(row._mapping) for row in some])
    finally:
        copy.close()
    return url
