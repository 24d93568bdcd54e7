"""What the simulated tier executes statements by gives what SQLAlchemy's own engine gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from erp_sync.ledger.columns import Utc
from erp_sync_tests.chaos.quick_sql import Engine

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("at", Utc, nullable=True),
    sa.Column("sure", sa.Boolean, nullable=False, server_default="0"),
    sa.Column("data", sa.JSON, nullable=True),
    sa.Column("amount", sa.Numeric(12, 4), nullable=True),
)
NOW = datetime(2026, 11, 2, 14, 5, 6, 789, UTC)
ROWS = [
    {"name": name, "at": NOW if number % 2 else None, "sure": number > 1, "data": {"n": number}, "amount": Decimal(7)}
    for number, name in enumerate("abcd")
]
BY_NAME = sa.select(things).where(things.c.name == sa.bindparam("of_name"))
STATEMENTS: dict[str, tuple[Any, Any]] = {
    "rows in order": (sa.select(things).order_by(things.c.id), None),
    "a parameter by name": (BY_NAME, {"of_name": "b"}),
    "a value in the statement": (sa.select(things.c.id).where(things.c.at == NOW).order_by(things.c.id), None),
    "a list": (sa.select(things.c.name).where(things.c.name.in_(["a", "c", "x"])).order_by(things.c.name), None),
    "a list of times": (
        sa.select(things.c.name).where(things.c.at.in_([NOW]), things.c.name != "b").order_by(things.c.name),
        None,
    ),
    "lists and a value by name": (
        sa.select(things.c.name).where(
            things.c.id.in_(sa.bindparam("of_ids", expanding=True)),
            things.c.at > sa.bindparam("of_at", type_=Utc),
            things.c.name.in_(sa.bindparam("of_names", expanding=True)),
        ),
        {"of_names": ["b", "c", "d"], "of_at": NOW - timedelta(days=1), "of_ids": [2, 3, 4, 5]},
    ),
    "an empty list": (sa.select(things.c.name).where(things.c.name.in_([])), None),
    "a count": (sa.select(sa.func.count(), sa.func.max(things.c.at)), None),
    "text": (sa.text("SELECT name, at FROM things WHERE id > :least ORDER BY id"), {"least": 2}),
    "an update": (sa.update(things).where(things.c.sure).values(name=things.c.name + "!"), None),
    "a deletion": (sa.delete(things).where(things.c.id == sa.bindparam("of_id")), {"of_id": 1}),
    "what was deleted": (sa.delete(things).where(things.c.sure).returning(things.c.name, things.c.data), None),
    "one insert": (sa.insert(things).returning(things.c.id), {"name": "e", "sure": True}),
    "many inserts": (sa.insert(things), [{"name": "e", "at": NOW}, {"name": "f", "at": None}]),
    "many inserts' ids": (
        sa.insert(things).returning(things.c.id, sort_by_parameter_order=True),
        [{"name": "z"}, {"name": "e"}],
    ),
    "a conflict": (
        sqlite.insert(things).on_conflict_do_update(index_elements=["name"], set_={"sure": True, "at": NOW}),
        {"name": "a"},
    ),
    "a conflict ignored": (sqlite.insert(things).on_conflict_do_nothing().returning(things.c.id), {"name": "a"}),
}


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'things.db'}")
    things.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture(params=[False, True], ids=["file", "memory"])
def memory(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _played(connection: Any, statement: Any, parameters: Any) -> tuple[Any, ...]:
    """Rows of the statement, how many it concerned, and the table afterwards."""
    connection.execute(sa.delete(things))
    connection.execute(sa.insert(things), ROWS)
    done = connection.execute(statement, parameters)
    reads = isinstance(statement, sa.Select | sa.TextClause)
    rows = list(done) if reads or getattr(statement, "_returning", ()) else []
    count = done.rowcount if not reads and not rows else None
    left = connection.execute(sa.select(things).order_by(things.c.id)).all()
    return [(tuple(row), dict(row._mapping)) for row in rows], count, [tuple(row) for row in left]


@pytest.mark.parametrize("words", STATEMENTS)
def test_a_statement_gives_the_same(engine: sa.Engine, memory: bool, words: str):
    statement, parameters = STATEMENTS[words]
    with engine.connect() as connection, connection.begin():
        theirs = _played(connection, statement, parameters)
    ours = Engine(engine, memory)
    for _ in range(2):  # compiled, and known already
        with ours.connect() as connection, connection.begin():
            assert _played(connection, statement, parameters) == theirs
    ours.end()


def test_lists_of_other_lengths_are_other_texts(engine: sa.Engine, memory: bool):
    query = sa.select(things.c.name).where(things.c.name.in_(sa.bindparam("of_names", expanding=True)))
    ours = Engine(engine, memory)
    with ours.connect() as connection, connection.begin():
        connection.execute(sa.insert(things), ROWS)
        for names in (["a"], ["b", "c"], [], ["d"], ["c", "a"]):
            found = connection.execute(query.order_by(things.c.id), {"of_names": names}).scalars().all()
            assert found == sorted(names)
    ours.end()


def test_what_is_not_committed_is_gone(engine: sa.Engine, memory: bool):
    ours = Engine(engine, memory)

    def die() -> None:
        with ours.connect() as connection, connection.begin():
            connection.execute(sa.insert(things), ROWS)
            raise RuntimeError("dead")

    with pytest.raises(RuntimeError):
        die()
    with ours.connect() as connection, connection.begin():
        assert connection.execute(sa.select(things)).all() == []
    ours.end()


def test_a_row_that_is_there_already_is_refused_alike(engine: sa.Engine, memory: bool):
    ours = Engine(engine, memory)
    with ours.connect() as connection, connection.begin():
        connection.execute(sa.insert(things), {"name": "a"})
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(things), {"name": "a"})
    ours.end()


def test_a_database_in_memory_begins_as_its_file_and_is_gone_at_its_end(engine: sa.Engine):
    names = sa.select(things.c.name).order_by(things.c.name)
    with engine.connect() as connection, connection.begin():
        connection.execute(sa.insert(things), {"name": "a"})
    ours = Engine(engine, memory=True)
    with ours.connect() as connection, connection.begin():
        connection.execute(sa.insert(things), {"name": "b"})
    ours.dispose()
    for _ in range(2):
        other = ours.opened()
        assert [row[0] for row in other.execute("SELECT name FROM things ORDER BY name")] == ["a", "b"]
        ours.give_back(other)
        ours.end()
        with ours.connect() as connection, connection.begin():
            assert connection.execute(names).scalars().all() == ["a"]
            assert connection.execute(sa.insert(things).returning(things.c.id), {"name": "b"}).scalar_one() == 2
    ours.end()
    with engine.connect() as connection:
        assert connection.execute(names).scalars().all() == ["a"]
