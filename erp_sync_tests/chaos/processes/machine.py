"""What goes wrong with the machine of a seed of real processes, beside its death: the ledger is locked, an upgrade of
it is killed in the middle."""

from __future__ import annotations

import importlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

from erp_sync.ledger import migrate
from erp_sync.ledger.engine import Database
from erp_sync.ledger.schema import HISTORY
from erp_sync.packing import UNPACKED
from erp_sync.settings import Settings
from erp_sync_tests.chaos import mutants

# Work waits for it in different places of both flows of documents and of state.
LOCKED_TABLES = ("deliveries", "plan_rows", "known_state", "limit_leases")


# -- the ledger --------------------------------------------------------------------------------------


@contextmanager
def ledger_locked(url: str, table: str) -> Iterator[None]:
    """Somebody else's transaction, as of a backup or of a person with a client: SQLite's one lock for all that write;
    of PostgreSQL a table that nobody reads nor writes meanwhile."""
    place = sa.make_url(url)
    if place.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(place.database), isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    plain = place.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


# -- an upgrade that is killed -----------------------------------------------------------------------

BEFORE = "0012"
# What was migrated since, undone: the ledger as that version has it, with all that is in it.
_BACK: Mapping[str, Callable[[sa.Connection], None]]


def set_back(settings: Settings) -> None:
    """The installation as version `BEFORE` leaves it. Nothing of it may run."""
    database = Database(settings.ledger_url)
    try:
        with database.write(durable=True) as write:
            for version in reversed(HISTORY[HISTORY.index(BEFORE) + 1 :]):
                _BACK[version](write)
            write.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": BEFORE})
    finally:
        database.close()
    (settings.home / "initialised.json").unlink(missing_ok=True)


def _say(*statements: str) -> Callable[[sa.Connection], None]:
    def back(write: sa.Connection) -> None:
        for statement in statements:
            write.execute(sa.text(statement))

    return back


def _unpacked(write: sa.Connection) -> None:
    if write.dialect.name != "sqlite":
        return
    packing = importlib.import_module("erp_sync.ledger.migrations.versions.0014_packed_documents")
    for table, column in packing._COLUMNS:
        write.execute(sa.text(f'UPDATE "{table}" SET "{column}" = {UNPACKED}("{column}")'))


_BACK = {
    "0013": _say("DROP TABLE row_deaths"),
    "0014": _unpacked,
    "0015": _say(
        "DROP INDEX ix_plan_rows_queue",
        "CREATE INDEX ix_plan_rows_queue ON plan_rows (flow, target, lane, id, due_at) WHERE due_at IS NOT NULL",
    ),
    "0016": _say("ALTER TABLE limit_leases DROP COLUMN since"),
    "0017": _say("ALTER TABLE notices DROP COLUMN about"),
    "0018": _say("DROP INDEX ix_steps_refused"),
    "0019": _say("DROP INDEX ix_steps_unknown"),
    "0020": _say("DROP TABLE unknown_orders"),
}


def upgrade_killed(settings: Settings, command: list[str], folder: Path, after: int, log: Path) -> str:
    """Start `command`, an `erp-sync up` that upgrades the ledger and that is killed with -9 when so many migrations
    are done; gives the version that the ledger has then.

    Raises AssertionError where it does not die there.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"from erp_sync_tests.chaos.processes.machine import die_in_migration\n\ndie_in_migration({after})\n"
    )
    checkout = Path(mutants.__file__).parents[2]
    paths = [str(folder), str(checkout), os.environ.get("PYTHONPATH", "")]
    with log.open("ab") as out:
        done = subprocess.run(
            [sys.executable, *command], env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False, timeout=540,
        )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, f"the upgrade was not killed: {log.read_text(errors='replace')[-600:]}"
    database = Database(settings.ledger_url)
    try:
        with database.read() as read:
            return migrate.current(read) or ""
    finally:
        database.close()


def die_in_migration(after: int) -> None:
    """Have this process kill itself once so many migrations are done and none is committed."""
    from alembic.runtime.migration import HeadMaintainer

    real, done = HeadMaintainer.update_to_step, []

    def counted(self: HeadMaintainer, step: object) -> None:
        real(self, step)  # type: ignore[arg-type]
        done.append(step)
        if len(done) == after:
            os.kill(os.getpid(), signal.SIGKILL)

    HeadMaintainer.update_to_step = counted  # type: ignore[method-assign,assignment]


def schema_differences(settings: Settings) -> list[str]:
    """How the ledger's schema is other than the code's."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from erp_sync.ledger.schema import metadata

    database = Database(settings.ledger_url)
    try:
        with database.read() as read:
            context = MigrationContext.configure(read, opts={"compare_type": True})
            return [str(one) for one in compare_metadata(context, metadata)]
    finally:
        database.close()
