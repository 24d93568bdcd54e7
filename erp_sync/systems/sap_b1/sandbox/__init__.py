"""Sandbox of SAP Business One: a company that speaks the Service Layer (OData) over SQLite.

Written from the vendor's documentation and published contract, not from this project's client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractBook
from erp_sync.systems.sap_b1.sandbox.contract.book import book
from erp_sync.systems.sap_b1.sandbox.core import SapB1Sandbox
from erp_sync.systems.sap_b1.sandbox.options import Options


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> SapB1Sandbox:
    """Open or make a company. Options: `erp_sync.systems.sap_b1.sandbox.options.Options`."""
    return SapB1Sandbox(database, clock, options)


def contract_book(options: dict[str, Any]) -> ContractBook:
    """What every operation may carry, both ways. Raises WrongOption."""
    Options.of(options)
    return book()
