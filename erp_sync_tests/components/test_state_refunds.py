"""Stock that the store gave back by itself: which keys a refund makes unsure, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from erp_sync.components.configuration import read_configuration
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.state_refunds import doubt_refunded
from erp_sync.ports.capabilities import Capabilities, Limits, Reading
from erp_sync.ports.raw import RawRecord

SHIPPED = read_configuration(Path(__file__).resolve().parents[2] / "erp_sync" / "defs")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REFUND = RawRecord(native_id="7", version="1", source_time=NOW, payload={"customer_email": "ann@example.org"})


class Store:
    """A source of refunds, and the target of stock: one refund of SKU A."""

    capabilities = Capabilities(
        vendor="fake", operations=(), readings=(Reading(entity="refund", lateness_seconds=60),), limits=Limits()
    )

    def __init__(self) -> None:
        self.windows: list[Any] = []

    def changed(self, window: Any) -> list[list[RawRecord]]:
        self.windows.append(window)
        return [[REFUND]]

    def to_canonical(self, record: RawRecord, lookups: Any) -> Any:
        return SimpleNamespace(lines=[SimpleNamespace(sku="A")])

    def sku(self, key: str) -> str:
        return key.partition("|")[0]


def test_a_refund_makes_its_skus_unsure_and_is_kept_without_its_content():
    (route,) = SHIPPED.routes.values()
    store, received, unsure = Store(), [], []
    ledger = SimpleNamespace(
        cursors=SimpleNamespace(
            get=lambda connection, entity: SimpleNamespace(position=NOW - timedelta(minutes=5)),
            not_received=lambda connection, entity, records: records,
        ),
        known=SimpleNamespace(
            table=lambda connection, entity, keys, names: pa.table({"key": ["A|main", "A|east", "B|main"]}),
            mark_unknown=lambda connection, entity, keys, why: unsure.extend(keys),
        ),
        receive=lambda connection, entity, records, **more: received.extend(records),
    )
    here: Any = SimpleNamespace(
        ledger=ledger,
        lookups=lambda route: None,
        connector_for=lambda route, side: SimpleNamespace(port=lambda entity, side: store),
    )
    doubt_refunded(here, [route], FLOWS["inventory"], "run-1", NOW)
    assert unsure == ["A|main", "A|east"]
    assert store.windows[0].start == NOW - timedelta(minutes=6)
    assert [(one.native_id, one.version, one.payload) for one in received] == [("7", "1", {})]
