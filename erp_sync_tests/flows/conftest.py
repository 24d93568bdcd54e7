"""A real ledger on SQLite for every test of the flows, with a clock that stands until moved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync.ledger import Ledger, migrate
from erp_sync_tests.flows.world import Clock


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ledger") / "empty.db"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    file = tmp_path / "ledger.db"
    shutil.copyfile(empty_ledger, file)
    opened = Ledger.open(f"sqlite:///{file}", clock=clock)
    yield opened
    opened.close()
