"""A sandbox of Magento 2.4 (Open Source or Commerce) that speaks its REST API over its own database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractBook
from erp_sync.systems.magento.sandbox.core import MagentoSandbox


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> MagentoSandbox:
    """The installation in `database` (":memory:" or a file; a new one is installed). Options: `shop.Options`."""
    return MagentoSandbox(database, clock, options)


def contract_book(options: dict[str, Any]) -> ContractBook:
    """Contracts of all operations; those of Commerce are in it for both editions."""
    from erp_sync.systems.magento.sandbox import rooms
    from erp_sync.systems.magento.sandbox.contract import book

    return book.contract_book(rooms.routes())
