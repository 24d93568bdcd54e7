"""Every test that takes `ledger` runs on SQLite and on PostgreSQL, each with a database of its own."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erp_sync.ledger import Ledger, migrate
from erp_sync_tests.ledger.databases import postgres
from erp_sync_tests.ledger.world import Clock, empty

NewUrl = Callable[[], str]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewUrl]:
    """Gives URLs of fresh ledgers: copies of one that was migrated once."""
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("ledgers")
        template = folder / "template.db"
        migrate.upgrade(f"sqlite:///{template}")

        def copy() -> str:
            file = folder / f"{uuid.uuid4().hex}.db"
            shutil.copyfile(template, file)
            return f"sqlite:///{file}"

        yield copy
        return
    with postgres() as server:
        name = server.create()
        migrate.upgrade(server.url(name))
        yield lambda: server.url(server.create(name))


@pytest.fixture(scope="session")
def shared_url(new_url: NewUrl) -> str:
    """The ledger that tests use one after the other, emptied in between: quicker than new ones."""
    return new_url()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(shared_url: str, clock: Clock) -> Iterator[Ledger]:
    opened = Ledger.open(shared_url, clock)
    empty(opened)
    yield opened
    opened.close()
