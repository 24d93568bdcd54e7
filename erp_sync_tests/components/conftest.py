"""Runs in the test's own process are told to Dagster's instance in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.runs import in_memory as runs_in_memory


@pytest.fixture(scope="session", autouse=True)
def databases_in_memory_have_no_revision() -> Iterator[None]:
    """Dagster notes the newest revision in each new database, which takes most of the time of opening an instance:
    it reads its ninety migrations. What is in memory is never migrated, so nobody asks for the revision."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (events_in_memory, runs_in_memory):
            patch.setattr(module, "stamp_alembic_rev", lambda *_: None)
        yield
