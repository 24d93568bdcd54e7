"""Asset checks of a flow, as specifications. What they found is worked out in `execution`."""

from __future__ import annotations

import dagster as dg

from erp_sync.components.flow_table import FlowKind


def loaded_checks(asset: dg.AssetKey, kind: FlowKind) -> list[dg.AssetCheckSpec]:
    """`dead_letters` of a document flow: a standing signal, green once nothing waits for a person."""
    if not kind.delivers:
        return []
    return [
        dg.AssetCheckSpec(
            "dead_letters",
            asset=asset,
            description="No document of this flow needs a person: none is a dead letter, none is held.",
        )
    ]


def transformed_checks(asset: dg.AssetKey, kind: FlowKind) -> list[dg.AssetCheckSpec]:
    """`rows`: every row of this run keeps its rules; `documents`: nothing lies in quarantine; `plan`: it may load."""
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
                description="Every received document became one: no record of this flow lies in quarantine now.",
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
