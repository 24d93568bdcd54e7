"""Create and upgrade the ledger's schema. The only place that imports Alembic.

Run by `erp-sync init`. Any number of processes may call `upgrade` at once: one works, the others wait.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import SchemaTooNew
from erp_sync.ledger.schema import HISTORY, VERSION

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = "erp_sync ledger migration"


def upgrade(url: str, to: str = VERSION) -> str:
    """Bring the ledger at `url` to this version's schema, creating it where there is none. Gives its version.

    Args:
        to: an older revision, for tests of the ones after it.
    Raises:
        SchemaTooNew: a later version of erp_sync wrote it; nothing is changed.
    """
    database = Database(url)
    try:
        with _alone(database):
            with database.engine.connect() as connection:
                found = current(connection)
                if found is not None and found not in HISTORY:
                    raise SchemaTooNew(database.place, found, VERSION)
                if found == VERSION:
                    return VERSION
            if database.sqlite:
                with database.engine.connect() as connection:
                    raw = connection.connection.dbapi_connection
                    assert raw is not None
                    raw.execute("PRAGMA journal_mode=WAL")
            with database.write(durable=True) as connection:
                configuration = Config()
                configuration.set_main_option("script_location", str(_MIGRATIONS))
                configuration.attributes["connection"] = connection
                command.upgrade(configuration, to)
        return to
    finally:
        database.close()


def pending(url: str) -> bool:
    """Is there a ledger of an earlier version at `url`? Creates and changes nothing."""
    database = Database(url)
    try:
        if database.sqlite and not Path(database.url.database or "").is_file():
            return False
        with database.engine.connect() as connection:
            found = current(connection)
        return found in HISTORY and found != VERSION
    finally:
        database.close()


def current(connection: sa.Connection) -> str | None:
    """Version of the schema in the database; None where there is no ledger."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if database.sqlite:
        assert database.url.database is not None
        path = Path(database.url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
        return
    with database.engine.connect() as connection, connection.begin():
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": _LOCK})
        yield
