"""A small installation for tests of operations and commands: one route, a ledger, no system behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erp_sync import settings as settings_module
from erp_sync.components.installation import Installation
from erp_sync_tests.ledger import fresh
from erp_sync_tests.operations.house import House, write_defs


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ERP_SYNC_HOME and ERP_SYNC_DEFS of a fresh installation whose ledger exists; Dagster's storage does not."""
    folder, defs = tmp_path / "home", tmp_path / "defs"
    folder.mkdir()
    write_defs(defs)
    monkeypatch.setenv("ERP_SYNC_HOME", str(folder))
    monkeypatch.setenv("ERP_SYNC_DEFS", str(defs))
    monkeypatch.delenv("ERP_SYNC_LEDGER_URL", raising=False)
    fresh.create(settings_module.load().ledger_url)

    def only_the_ledger(settings: Any, *, anyway: bool = False) -> bool:
        return False

    monkeypatch.setattr("erp_sync.runtime.storage.initialise", only_the_ledger)
    return folder


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    here = Installation(settings_module.load())
    try:
        yield House(here)
    finally:
        here.close()
