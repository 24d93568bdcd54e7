"""What the assets do when they run: call the flows, and tell Dagster what came of it.

Thin: decisions are in `erp_sync.flows`, state is in the ledger. What a data engineer sees of a run
(counts, tables of rejected rows, links to documents) is put together here.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_sync.components import events, state_assets
from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation, current
from erp_sync.components.run_context import SHOWN, config_of, days_of, is_full, land_records, lane_of
from erp_sync.flows import extraction
from erp_sync.ports.raw import RawRecord


def extract(
    context: dg.AssetExecutionContext, connection: str, kind: FlowKind, routes: list[str]
) -> dg.MaterializeResult:
    """Run the extraction of (connection, entity); complete the days of the partitions where asked for."""
    from erp_sync.transport.context import call_context

    here = current()
    if not kind.delivers:
        return state_assets.extract(context, here, connection, kind, routes)
    now = datetime.now(UTC)
    flows = [here.configuration.routes[name].flows[kind.name] for name in routes]
    starts = [flow.start for flow in flows if flow.start is not None]
    source = here.source(here.configuration.routes[routes[0]], kind.name)

    def land(records: list[RawRecord]) -> str:
        return land_records(here, connection, kind.entity, context.run_id, records)

    common: dict[str, Any] = {"connection": connection, "entity": kind.entity, "run_id": context.run_id}
    with call_context(run_id=context.run_id, lane=lane_of(context), route=",".join(routes), flow=kind.name):
        keys = list(config_of(context).get("keys") or ())
        taken = events.take(here, source, land, now=now, keys=keys, **common)
        done = extraction.Extraction()
        if not keys:
            done = extraction.extract_changes(
                source, here.ledger, land, start=min(starts, default=now - timedelta(days=1)), now=now, **common
            )
            events.put_away(here, taken.unnamed)
        missing, days = None, days_of(context)
        window = (
            extraction.completeness_window(days, full=is_full(context), start=min(starts, default=None), now=now)
            if days is not None
            else None
        )
        if window is not None:
            missing = extraction.extract_missing(source, here.ledger, land, window=window, **common)
    here.exchanges.flush()
    metadata: dict[str, Any] = {
        "dagster/row_count": done.received + taken.received + (missing.received if missing else 0),
        "records_seen": done.seen,
        "records_new": done.received,
    }
    if not keys:
        metadata |= {"window_start": str(done.window_start), "window_end": str(done.window_end)}
    if taken.extractions:
        metadata |= {
            "events": taken.events,
            "records_new_by_events": taken.received,
            "events_without_record": taken.not_found,
        }
    if missing is not None:
        metadata["completeness_window"] = f"{missing.window_start} to {missing.window_end}"
        metadata["records_that_were_missing"] = missing.missing
    files = done.files + sum((one.files for one in taken.extractions), ()) + (missing.files if missing else ())
    if files:
        metadata["files"] = dg.MetadataValue.md("\n".join(f"- `{file}`" for file in files[:SHOWN]))
    return dg.MaterializeResult(metadata=metadata)


def transform(context: dg.AssetExecutionContext, route: str, kind: FlowKind) -> dg.MaterializeResult:
    """Run the transformation of a flow; its checks' results are part of the materialisation."""
    here = current()
    spec = here.configuration.routes[route]
    if kind.delivers:
        return _transform_documents(context, here, spec, kind, spec.flows[kind.name])
    return state_assets.transform(context, here, spec, kind)


def _transform_documents(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec
) -> dg.MaterializeResult:
    from erp_sync.components.documents import transform_documents

    report = transform_documents(here, route, kind, flow, run_id=context.run_id)
    metadata: dict[str, Any] = {
        "dagster/row_count": report.accepted,
        "received_handled": report.handled,
        "accepted": report.accepted,
        "held": report.held,
        "dropped": report.dropped,
        "rejected": len(report.rejected),
    }
    if report.reasons:
        metadata["reasons"] = dg.MetadataValue.json(dict(Counter(report.reasons).most_common()))
    rejected = None
    if report.rejected:
        rejected = dg.MetadataValue.table(
            records=[
                dg.TableRecord({"document": row.document, "rule": row.rule, "reason": row.reason})
                for row in report.rejected[:SHOWN]
            ]
        )
        metadata["rejected_rows"] = rejected
    check_metadata: dict[str, Any] = {"judged": report.judged, "rules": report.rules, "broken": len(report.broken)}
    if rejected is not None:
        check_metadata["rejected_rows"] = rejected
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name="rows",
                passed=not report.broken,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=check_metadata,
                description=None
                if not report.broken
                else f"{len(report.broken)} of {report.judged} documents break a rule and are dead letters.",
            ),
            dg.AssetCheckResult(
                check_name="documents",
                passed=not report.rejected,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"handled": report.handled, "rejected": len(report.rejected)},
            ),
        ],
    )


def load(context: dg.AssetExecutionContext, route: str, kind: FlowKind) -> dg.MaterializeResult:
    """Drain whatever is due for the flow and its target. In shadow mode only counts what would go."""
    here = current()
    spec = here.configuration.routes[route]
    flow = spec.flows[kind.name]
    target = getattr(spec, kind.target)
    if flow.mode is Mode.SHADOW and kind.delivers:
        counts = here.ledger.deliveries.pending(route, kind.name, target)
        return dg.MaterializeResult(metadata={"mode": "shadow", **{f"would_{k}": v for k, v in counts.items()}})
    if kind.delivers:
        return _load_documents(context, here, spec, kind, target)
    return state_assets.load(context, here, spec, kind, target)


def _load_documents(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind, target: str
) -> dg.MaterializeResult:
    from erp_sync.components.documents import drain_documents

    report = drain_documents(here, route, kind, owner=f"{context.run_id}:{os.getpid()}", lane=lane_of(context))
    here.exchanges.flush()
    counts = here.ledger.deliveries.pending(route.name, kind.name, target)
    metadata: dict[str, Any] = {
        "dagster/row_count": report.delivered,
        "delivered": report.delivered,
        "adopted": report.adopted,
        "waiting_for_a_dependency": report.waiting,
        "tried_again_later": report.later,
        "dead_lettered": report.dead,
        "seconds": report.seconds,
        "still_in_the_ledger": dg.MetadataValue.json(counts),
    }
    if report.reasons:
        metadata["reasons"] = dg.MetadataValue.json(report.reasons)
    if report.delivered_keys:
        shown = ", ".join(report.delivered_keys[:SHOWN])
        metadata["documents"] = dg.MetadataValue.md(
            f"{shown}{' ...' if len(report.delivered_keys) > SHOWN else ''}\n\n"
            "`erp-sync trace NUMBER` tells everything about one."
        )
    return dg.MaterializeResult(metadata=metadata)
