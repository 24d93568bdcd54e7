"""Which records there are, and which become which."""

from __future__ import annotations

from erp_sync.systems.netsuite.sandbox.customer import Customer
from erp_sync.systems.netsuite.sandbox.deposit import CustomerDeposit
from erp_sync.systems.netsuite.sandbox.masterdata import master_data
from erp_sync.systems.netsuite.sandbox.record_type import RecordType
from erp_sync.systems.netsuite.sandbox.rest import Transform
from erp_sync.systems.netsuite.sandbox.sales_order import SalesOrder


def record_types() -> dict[str, RecordType]:
    """By their name in the URL."""
    found: list[RecordType] = [Customer(), SalesOrder(), CustomerDeposit(), *master_data()]
    return {record.name: record for record in found}


def transforms(records: dict[str, RecordType]) -> dict[tuple[str, str], Transform]:
    """(source, target) to what makes one from the other."""
    return {}
