"""What ledger tests share: a clock that stands until moved, and short ways to make documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import Accepted, Claim, Ledger, NewDelivery
from erp_sync.ledger.schema import metadata
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.raw import RawRecord

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ROUTE, FLOW, STORE, ERP = "us", "orders", "magento_us", "netsuite_us"
OWNER = "run-1:100"


class Clock:
    """Callable as a ledger's clock."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


def key(native_id: str, connection: str = STORE, scope: str = "") -> EntityKey:
    return EntityKey(connection, scope, "sales_order", native_id)


def record(native_id: str, version: str = "1", **values: Any) -> RawRecord:
    values = {"source_time": START, "created_time": START, "payload": {"increment_id": native_id}, **values}
    return RawRecord(native_id=native_id, version=version, **values)


def document(native_id: str, version: str = "1", **values: Any) -> NewDelivery:
    values = {
        "key": key(native_id),
        "target": ERP,
        "payload": f'{{"number":"{native_id}","version":"{version}"}}'.encode(),
        "number": f"N{native_id}",
        **values,
    }
    return NewDelivery(version=version, **values)


def accept(ledger: Ledger, *documents: NewDelivery, flow: str = FLOW) -> list[Accepted]:
    with ledger.handling(ROUTE, flow, "run-0") as work:
        return work.accept(documents)


def claim(
    ledger: Ledger, limit: int = 20, owner: str = OWNER, lease_seconds: float = 60.0, **values: Any
) -> list[Claim]:
    return ledger.deliveries.claim(ROUTE, FLOW, ERP, limit=limit, owner=owner, lease_seconds=lease_seconds, **values)


def step(name: str, key: str = "", operation: str = "", **values: Any) -> Step:
    return Step(name=name, operation=operation or f"{name}.create", key=key or f"{name}-key", **values)


def deliver(ledger: Ledger, claimed: Claim, steps: Sequence[Step] | None = None) -> None:
    planned = steps or [step("order", f"order-{claimed.delivery.key.native_id}")]
    ledger.steps.plan(claimed, planned)
    for one in planned:
        ledger.steps.begin(claimed, one.name)
        ledger.steps.confirm(claimed, one.name, Receipt(target_id=f"id-{one.key}"))
    ledger.deliveries.complete(claimed)


def empty(ledger: Ledger) -> None:
    """Delete every row of every table but the schema's version."""
    with ledger.database.write() as write:
        for table in metadata.sorted_tables:
            write.execute(sa.delete(table))
