"""Sandbox of NetSuite: an account that speaks SuiteTalk REST, SuiteQL and RESTlets over SQLite.

Written from the vendor's documentation and published record schema, not from this project's client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.systems.netsuite.sandbox.core import NetSuiteSandbox


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> NetSuiteSandbox:
    """Open or make an account. Options: `erp_sync.systems.netsuite.sandbox.options.Options`."""
    return NetSuiteSandbox(database, clock, options)
