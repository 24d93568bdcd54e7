"""What a server confirmed outlasts its crash, whatever it does for others: the ledger's own sessions ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
import sqlalchemy as sa

from erp_sync.ledger import engine
from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import NO_ANSWER
from erp_sync_tests.ledger.databases import Server, postgres

SHOW = sa.text("SHOW synchronous_commit")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


def opened(server: Server, default: str) -> Database:
    name = server.create()
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {default}".encode())
    return Database(server.url(name))


@pytest.mark.parametrize(
    ("default", "ours"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
def test_a_weaker_default_does_not_hold_for_the_ledger_and_a_stronger_one_does(server: Server, default: str, ours: str):
    database = opened(server, default)
    with database.write() as first, database.read() as second:
        assert [one.execute(SHOW).scalar_one() for one in (first, second)] == [ours, ours]
    # It is the session's: what a transaction rolls back does not take it along.
    with suppress(ZeroDivisionError), database.write() as write:
        write.execute(sa.text("SELECT 1"))
        raise ZeroDivisionError
    assert database.promises()["synchronous_commit"] == ours
    database.close()


def test_a_server_that_goes_as_a_session_begins_is_one_that_does_not_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    database = opened(server, "off")
    monkeypatch.setattr(engine, "_WAIT_FOR_THE_DISK", "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(NO_ANSWER), database.read():
        pass
    monkeypatch.undo()
    assert database.promises()["synchronous_commit"] == "on"
    database.close()
