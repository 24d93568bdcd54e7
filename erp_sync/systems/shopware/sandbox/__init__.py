"""A sandbox of Shopware 6 (6.6 or 6.7, with or without Commercial) that speaks its Admin API and its Store API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractBook
from erp_sync.systems.shopware.sandbox.core import ShopwareSandbox


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> ShopwareSandbox:
    """The installation in `database` (":memory:" or a file; a new one is installed). Options: `options.Options`."""
    return ShopwareSandbox(database, clock, options)


def contract_book(options: dict[str, Any]) -> ContractBook:
    """Contracts of all operations; those of Commercial are in it for every installation."""
    from erp_sync.systems.shopware.sandbox import rooms
    from erp_sync.systems.shopware.sandbox.contract import book

    return book.contract_book(rooms.routes())
