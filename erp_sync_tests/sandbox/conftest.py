from __future__ import annotations

import pytest

from erp_sync_tests.sandbox.checked_world import World


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for journal in made.journals.values():
        journal.close()
