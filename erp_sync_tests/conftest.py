"""What holds for all tests: properties have no time limit per example, machines differ; a skipped test fails.

Every process of a session collects all tests: what that costs is paid once for each.
"""

from __future__ import annotations

import atexit
import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["erp_sync_tests.skipping", "erp_sync_tests.order"]

# What is imported and collected stays to the end: the collector need not look through it, now or again.
gc.disable()

settings.register_profile("everywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everywhere")


def pytest_sessionfinish() -> None:
    """Every process of the session says that it needs the test database no more."""
    databases = sys.modules.get("erp_sync_tests.ledger.databases")
    if databases is not None:
        databases.leave()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # extension modules complain of what is left of them
