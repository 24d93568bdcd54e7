"""Asset checks of a flow, as specifications. What they found is worked out in `execution`."""

from __future__ import annotations

import dagster as dg

from erp_sync.components.flow_table import FlowKind


def check_specs(asset: dg.AssetKey, kind: FlowKind) -> list[dg.AssetCheckSpec]:
    """`rows`: every row keeps its rules; `batch`: the batch as a whole may load."""
    specs = [
        dg.AssetCheckSpec(
            "rows",
            asset=asset,
            description="Rows that break a rule go to quarantine, by name; the others pass.",
        )
    ]
    if kind.delivers:
        specs.append(
            dg.AssetCheckSpec(
                "documents",
                asset=asset,
                description="Every received document is accepted, or named with the reason why not.",
            )
        )
    else:
        specs.append(
            dg.AssetCheckSpec(
                "plan",
                asset=asset,
                description="The plan keeps its guards; a held plan waits for a person and is a warning here.",
            )
        )
    return specs
