"""What is compiled once is used by every engine of its kind, and by none of another kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from erp_sync.ledger.engine import Database
from erp_sync.statements import SharedStatements, kind_of
from erp_sync_tests.ledger.databases import postgres

METADATA = sa.MetaData()
THINGS = sa.Table("thing", METADATA, sa.Column("key", sa.Text, primary_key=True), sa.Column("at", sa.DateTime))
CHOSEN = sa.select(THINGS.c.key).where(THINGS.c.key == sa.bindparam("key"))


def opened(url: str, statements: SharedStatements, **how: object) -> sa.Engine:
    engine = sa.create_engine(url, execution_options={"compiled_cache": statements}, **how)
    METADATA.create_all(engine)
    return engine


def keep(engine: sa.Engine, *keys: str) -> None:
    with engine.begin() as connection:
        connection.execute(THINGS.insert(), [{"key": key} for key in keys])


def find(engine: sa.Engine, key: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(CHOSEN, {"key": key}))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the dialects that compiled `CHOSEN`, one each time."""
    seen: list[str] = []
    genuine = sa.sql.ClauseElement._compiler

    def compiler(self: sa.sql.ClauseElement, dialect: sa.Dialect, **options: object) -> object:
        if self is CHOSEN:
            seen.append(dialect.name)
        return genuine(self, dialect, **options)

    monkeypatch.setattr(sa.sql.elements.CompilerElement, "_compiler", compiler)
    return seen


def test_engines_of_one_kind_compile_a_statement_once_and_each_asks_its_own_database(
    tmp_path: Path, compiled: list[str]
) -> None:
    statements = SharedStatements()
    one, other = (opened(f"sqlite:///{tmp_path / name}", statements) for name in ("one.db", "other.db"))
    keep(one, "a")
    keep(other, "b")

    assert [find(one, "a"), find(one, "b"), find(other, "a"), find(other, "b")] == [["a"], [], [], ["b"]]
    assert compiled == ["sqlite"]


def test_databases_of_two_kinds_share_nothing(tmp_path: Path, compiled: list[str]) -> None:
    statements = SharedStatements()
    with postgres() as server:
        engines = [
            opened(f"sqlite:///{tmp_path / 'one.db'}", statements),
            opened(server.url(server.create()), statements),
            opened(server.url(server.create()), statements),
        ]
        for number, engine in enumerate(engines):
            keep(engine, f"k{number}")
            assert find(engine, f"k{number}") == [f"k{number}"]
            engine.dispose()

    assert compiled == ["sqlite", "postgresql"]


def test_a_dialect_that_was_told_otherwise_is_of_another_kind(tmp_path: Path, compiled: list[str]) -> None:
    statements = SharedStatements()
    url = f"sqlite:///{tmp_path / 'one.db'}"
    plain, named = opened(url, statements), opened(url, statements, paramstyle="named")
    keep(plain, "a")

    assert find(plain, "a") == find(named, "a") == ["a"]
    assert compiled == ["sqlite", "sqlite"]
    assert kind_of(plain.dialect) != kind_of(named.dialect)


def test_only_the_most_recent_are_kept(tmp_path: Path) -> None:
    statements = SharedStatements(most=10)
    engine = opened(f"sqlite:///{tmp_path / 'one.db'}", statements)
    with engine.connect() as connection:
        for number in range(100):
            connection.execute(sa.select(THINGS.c.key.label(f"name_{number}")))

    assert len(statements) <= 15


def test_two_ledgers_of_one_process_share(tmp_path: Path, compiled: list[str]) -> None:
    for name in ("one.db", "other.db"):
        database = Database(f"sqlite:///{tmp_path / name}")
        METADATA.create_all(database.engine)
        keep(database.engine, name)
        assert find(database.engine, name) == [name]
        database.close()

    assert len(compiled) <= 1
