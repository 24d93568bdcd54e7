"""Sandbox of NetSuite: an account that speaks SuiteTalk REST, SuiteQL and RESTlets over SQLite.

Written from the vendor's documentation and published record schema, not from this project's client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractBook
from erp_sync.systems.netsuite.sandbox.contract.book import book
from erp_sync.systems.netsuite.sandbox.core import NetSuiteSandbox
from erp_sync.systems.netsuite.sandbox.custom_records import CustomRecord
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.registry import record_types


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> NetSuiteSandbox:
    """Open or make an account. Options: `erp_sync.systems.netsuite.sandbox.options.Options`."""
    return NetSuiteSandbox(database, clock, options)


def contract_book(options: dict[str, Any]) -> ContractBook:
    """What every operation may carry, both ways. Raises WrongOption."""
    account = Options.of(options)
    records, transforms = record_types()
    custom = {name: CustomRecord(name, fields) for name, fields in account.custom_records.items()}
    return book({**records, **custom}, transforms)
