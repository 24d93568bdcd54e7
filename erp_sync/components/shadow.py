"""A flow in shadow mode: what its loaded asset shows, and whether that is still all.

What is shown stands in Dagster alone, as the asset's latest materialization. Where the ledger holds something else (the
run that accepted a document ended before it came to the loaded asset, or the target was away), the flow is due, and
idle again once it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from erp_sync.components.configuration import Configuration, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation

_WOULD = "would_"
Counts = dict[str, int]


def told(here: Installation, route: RouteSpec, kind: FlowKind) -> dict[str, Any]:
    """What the loaded asset tells in shadow mode: how many documents by state, how many rows, it would write."""
    if kind.delivers:
        counts = here.ledger.deliveries.pending(route.name, kind.name, getattr(route, kind.target))
        return {"mode": "shadow", **{f"{_WOULD}{name}": count for name, count in counts.items()}}
    latest = here.ledger.plans.find(route=route.name, flow=kind.name, limit=1)
    return {"mode": "shadow", f"{_WOULD}write": latest[0].row_count if latest and latest[0].state == "held" else 0}


def shown(instance: dg.DagsterInstance, configuration: Configuration) -> dict[tuple[str, str], Counts]:
    """What the loaded assets of flows in shadow mode show now, by (route, flow). One query; none without such flows."""
    assets = {
        dg.AssetKey([route.name, flow, "loaded"]): (route.name, flow)
        for route in configuration.routes.values()
        for flow, spec in route.flows.items()
        if spec.mode is Mode.SHADOW
    }
    found: dict[tuple[str, str], Counts] = {}
    for record in instance.get_asset_records(list(assets)) if assets else ():
        latest = record.asset_entry.last_materialization
        event = latest.asset_materialization if latest is not None else None
        if event is not None:
            found[assets[record.asset_entry.asset_key]] = _counts(
                {name: value.value for name, value in event.metadata.items()}
            )
    return found


def is_shown(here: Installation, route: RouteSpec, flow: str, shown: Mapping[tuple[str, str], Counts]) -> bool:
    """Whether the flow's loaded asset shows what the ledger holds. Where that is nothing, nothing need be shown."""
    return _counts(told(here, route, FLOWS[flow])) == shown.get((route.name, flow), {})


def _counts(metadata: Mapping[str, Any]) -> Counts:
    return {name: count for name, count in metadata.items() if name.startswith(_WOULD) and count}
