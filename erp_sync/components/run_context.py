"""What a run was asked for, and where raw records land: shared by document and state flows."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import dagster as dg

from erp_sync.components.installation import Installation
from erp_sync.ports.raw import RawRecord, Window

# Rows shown in a table of the UI; the rest is in the ledger.
SHOWN = 20


def land_records(here: Installation, connection: str, entity: str, run_id: str, records: list[RawRecord]) -> str:
    """Write raw records to the lake; gives the file's name in the manifest."""
    import msgspec
    import pyarrow as pa

    encode = msgspec.json.Encoder(decimal_format="number").encode
    table = pa.table(
        {
            "native_id": pa.array([record.native_id for record in records], pa.string()),
            "scope": pa.array([record.scope for record in records], pa.string()),
            "version": pa.array([record.version for record in records], pa.string()),
            "source_time": pa.array([record.source_time for record in records], pa.timestamp("us", tz="UTC")),
            "created_time": pa.array([record.created_time for record in records], pa.timestamp("us", tz="UTC")),
            "payload": pa.array([encode(record.payload).decode() for record in records], pa.string()),
        }
    )
    return str(here.lake.write(connection, entity, run_id, table))


def config_of(context: dg.AssetExecutionContext) -> dict[str, Any]:
    return context.op_execution_context.op_config or {}


def lane_of(context: dg.AssetExecutionContext) -> str:
    return str(config_of(context).get("lane", "normal"))


def is_full(context: dg.AssetExecutionContext) -> bool:
    return bool(config_of(context).get("full"))


def days_of(context: dg.AssetExecutionContext) -> Window | None:
    """The days of the run's partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return None
    window = context.partition_time_window
    return Window(start=window.start.astimezone(UTC), end=window.end.astimezone(UTC))
