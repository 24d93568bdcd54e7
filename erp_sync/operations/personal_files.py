"""Personal data in what lies around the ledger: logs, and Dagster's own storage."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger.scrubbing import Owned, changed_rows, scrub
from erp_sync.model.personal import FIELDS, PersonalTexts, forms
from erp_sync.packing import EVENTS, PackedText, prepare
from erp_sync.settings import Settings

_SQLITE = b"SQLite format 3\x00"
_OWN = (".parquet", ".segment", ".part", "-wal", "-shm", ".lock")


def texts(settings: Settings) -> Iterator[Path]:
    """Logs and other files of text in the home; what has its own way of erasing is left out."""
    own = (settings.lake, settings.sandboxes, settings.home / "privacy")
    for path in sorted(settings.home.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.name.endswith(_OWN) or is_database(path):
            continue
        if not any(path.is_relative_to(folder) for folder in own):
            yield path


def databases(settings: Settings) -> Iterator[Path]:
    """Dagster's SQLite files."""
    for path in sorted(settings.dagster_home.rglob("*")):
        if path.is_file() and is_database(path):
            yield path


def is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def overwrite(path: Path, person: PersonalTexts) -> int:
    """Put crosses where the person stands in a file that others may write to at the same time. Gives how often."""
    pattern = _pattern(person)
    content = path.read_bytes()
    found = [match.span() for match in pattern.finditer(content)]
    if found:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            for start, end in found:
                os.pwrite(descriptor, b"x" * (end - start), start)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(found)


def lines_about(path: Path, person: PersonalTexts) -> list[str]:
    """Lines of a file that `overwrite` would change."""
    pattern = _pattern(person)
    return [line.decode(errors="replace") for line in path.read_bytes().splitlines() if pattern.search(line)]


def _pattern(person: PersonalTexts) -> re.Pattern[bytes]:
    words = {person.email, *person.streets, *person.phones}
    words |= {f"{first} {last}".strip() for first, last in person.names}
    words |= {last for _, last in person.names if len(last) > 1}
    some = {form.encode() for word in words if word for form in forms(word)}
    return re.compile(
        b"|".join(rb"(?<!\w)" + re.escape(one) + rb"(?!\w)" for one in sorted(some, key=len, reverse=True)),
        re.IGNORECASE,
    )


def storages(settings: Settings) -> dict[str, str]:
    """URLs of Dagster's databases, by name."""
    if settings.dagster_postgres_url:
        return {"postgres": settings.dagster_postgres_url}
    return {str(path.relative_to(settings.home)): f"sqlite:///{path}" for path in databases(settings)}


def held(settings: Settings, person: PersonalTexts) -> dict[str, list[dict[str, Any]]]:
    """Rows of Dagster's storage that `scrub_database` would change, by database and table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, url in storages(settings).items():
        engine = sa.create_engine(url)
        try:
            tables = _tables(engine)
            with engine.connect() as read:
                for table in tables:
                    rows = [dict(row._mapping) for row, _ in changed_rows(read, table, person, FIELDS, _owned(person))]
                    if rows:
                        found[f"{name}: {table.name}"] = rows
        finally:
            engine.dispose()
    return found


def _owned(person: PersonalTexts) -> Owned:
    return lambda _table, row: person.mentions(str(dict(row)))


def scrub_database(url: str, person: PersonalTexts) -> Counter[str]:
    """Every text of every table of a database that is not ours; of SQLite nothing stays in the file either."""
    engine = sa.create_engine(url)
    try:
        tables = _tables(engine)
        done: Counter[str] = Counter()
        with engine.begin() as write:
            for table in tables:
                done += scrub(write, table, person, FIELDS, _owned(person))
        if engine.dialect.name == "sqlite":
            purge(engine)
        return done
    finally:
        engine.dispose()


def _tables(engine: sa.Engine) -> list[sa.Table]:
    """All of a database, as they are to be searched."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, _record: prepare(raw))
    tables = sa.MetaData()
    tables.reflect(engine)
    for table in tables.tables.values():
        _let_be_packed(table)
    return tables.sorted_tables


def _let_be_packed(table: sa.Table) -> None:
    """Its texts may be (`erp_sync.runtime.sqlite`): they are searched, cleaned and written as such."""
    for column in table.c:
        if isinstance(column.type, sa.Text | sa.String):
            column.type = PackedText(EVENTS)


def purge(engine: sa.Engine) -> bool:
    """SQLite: what was deleted is gone from file and journal. False where others read at that moment."""
    with engine.connect() as plain:
        raw = plain.connection.dbapi_connection
        assert raw is not None
        cursor = raw.cursor()
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = cursor.fetchone()
        cursor.close()
    return not busy or not busy[0]
