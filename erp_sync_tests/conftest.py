"""What holds for all tests: properties have no time limit per example, machines differ; a skipped test fails."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings

pytest_plugins = ["erp_sync_tests.skipping"]

settings.register_profile("everywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everywhere")


def pytest_sessionfinish() -> None:
    """Every process of the session says that it needs the test database no more."""
    databases = sys.modules.get("erp_sync_tests.ledger.databases")
    if databases is not None:
        databases.leave()
