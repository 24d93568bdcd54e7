"""What the assets do when they run: call the flows, and tell Dagster what came of it.

Thin: decisions are in `erp_sync.flows`, state is in the ledger. What a data engineer sees of a run
(counts, tables of rejected rows, links to documents) is put together here.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_sync.components import events, metadata, shadow, state_assets
from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation, current, ledger_answers
from erp_sync.components.run_context import config_of, days_of, is_full, land_records, lane_of
from erp_sync.flows import extraction
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import RawRecord

# Of a run that nobody starts again soon: how often its source is asked again, and how long after each time, doubled.
RETRIES, RETRY_SECONDS, LONGEST_WAIT = 3, 30.0, 600.0


def extract(
    context: dg.AssetExecutionContext, connection: str, kind: FlowKind, routes: list[str]
) -> dg.MaterializeResult | None:
    """Run the extraction of (connection, entity); complete the days of the partitions where asked for.

    None where planned maintenance of a system began meanwhile: the run ends without error, what follows is skipped,
    and the sensor starts it again afterwards. A backfill, which nobody starts again, fails with that reason.

    A source that does not answer is asked again by Dagster in a backfill or a comparison of everything, which nobody
    starts again soon; other runs fail at once and the sensor's next look starts another.
    """
    try:
        with ledger_answers():
            return _extract(context, connection, kind, routes)
    except CallFailed as failure:
        if not failure.planned:
            if _long(context) and failure.passes:
                wait = max(RETRY_SECONDS * 2**context.retry_number, failure.retry_after_seconds or 0)
                raise dg.RetryRequested(RETRIES, seconds_to_wait=min(wait, LONGEST_WAIT)) from failure
            raise
        if context.has_partition_key_range and len(context.partition_keys) > 1:
            raise dg.Failure(f"{failure}. Start the backfill again after that.", allow_retries=False) from failure
        context.log.info(f"{failure}. What is due then starts by itself.")
        return None


def _long(context: dg.AssetExecutionContext) -> bool:
    return is_full(context) or (context.has_partition_key_range and len(context.partition_keys) > 1)


def _extract(
    context: dg.AssetExecutionContext, connection: str, kind: FlowKind, routes: list[str]
) -> dg.MaterializeResult:
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
    with (
        metadata.measured(here) as figures,
        call_context(run_id=context.run_id, lane=lane_of(context), route=",".join(routes), flow=kind.name),
    ):
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
        if window is not None and is_full(context):
            here.ledger.receive(
                connection, extraction.complete_entity(kind.entity), [], advance_to=now, run_id=context.run_id
            )
    here.exchanges.flush()
    told: dict[str, Any] = {
        "records_new": done.received + taken.received + (missing.received if missing else 0),
        "records_seen": done.seen,
        **figures,
    }
    if not keys:
        told |= metadata.moments(window_start=done.window_start, window_end=done.window_end)
    if taken.extractions:
        told |= {
            "events": taken.events,
            "records_new_by_events": taken.received,
            "events_without_record": taken.not_found,
        }
    if missing is not None:
        told |= metadata.moments(complete_from=missing.window_start, complete_to=missing.window_end)
        told["records_that_were_missing"] = missing.missing
    files = done.files + sum((one.files for one in taken.extractions), ()) + (missing.files if missing else ())
    told |= metadata.of_days(context, metadata.received_of_day(here, connection, kind)) | metadata.files(files)
    return dg.MaterializeResult(metadata=told)


def transform(context: dg.AssetExecutionContext, route: str, kind: FlowKind) -> dg.MaterializeResult:
    """Run the transformation of a flow; its checks' results are part of the materialisation."""
    here = current()
    spec = here.configuration.routes[route]
    with ledger_answers():
        if kind.delivers:
            return _transform_documents(context, here, spec, kind, spec.flows[kind.name])
        return state_assets.transform(context, here, spec, kind)


def _transform_documents(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec
) -> dg.MaterializeResult:
    from erp_sync.components.documents import transform_documents

    with metadata.measured(here) as figures:
        report = transform_documents(here, route, kind, flow, run_id=context.run_id)
    told: dict[str, Any] = {
        **metadata.mapping(context, here, route, kind),
        **metadata.of_days(context, metadata.transformed_of_day(here, route, kind)),
        "received_handled": report.handled,
        "accepted": report.accepted,
        "held": report.held,
        "dropped": report.dropped,
        "rejected": len(report.rejected),
        "seconds": figures["seconds"],
    }
    if report.reasons:
        told["reasons"] = metadata.in_line(dict(Counter(report.reasons).most_common()))
    rejected = None
    if report.rejected:
        rows = [(row.document, row.rule, row.reason) for row in report.rejected]
        rejected = told["rejected_rows"] = metadata.table(("document", "rule", "reason"), rows)
    in_quarantine, lying = metadata.quarantined(here, route, kind)
    check_metadata: dict[str, Any] = {"judged": report.judged, "rules": report.rules, "broken": len(report.broken)}
    if rejected is not None:
        check_metadata["rejected_rows"] = rejected
    return dg.MaterializeResult(
        metadata=told,
        check_results=[
            dg.AssetCheckResult(
                check_name="rows",
                passed=not report.broken,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=check_metadata,
                description=None
                if not report.broken
                else f"{len(report.broken)} of {report.judged} documents break a rule and are in quarantine.",
            ),
            dg.AssetCheckResult(
                check_name="documents",
                passed=not in_quarantine,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"handled": report.handled, "rejected": len(report.rejected), **lying},
                description=None
                if not in_quarantine
                else f"{in_quarantine} in quarantine of {getattr(route, kind.source)}: correct them at the source "
                f"or mend the mapping, then `erp-sync retry --flow {kind.name}`; "
                f"`erp-sync deadletters --flow {kind.name}` lists them.",
            ),
        ],
    )


def load(context: dg.AssetExecutionContext, route: str, kind: FlowKind) -> dg.MaterializeResult:
    """Drain whatever is due for the flow and its target. In shadow mode tells only what would go."""
    here = current()
    with ledger_answers():
        return _load(context, here, route, kind)


def _load(context: dg.AssetExecutionContext, here: Installation, route: str, kind: FlowKind) -> dg.MaterializeResult:
    spec = here.configuration.routes[route]
    flow = spec.flows[kind.name]
    target = getattr(spec, kind.target)
    if flow.mode is Mode.SHADOW:
        checks = [metadata.dead_letters(here, spec, kind)] if kind.delivers else []
        return dg.MaterializeResult(metadata=shadow.told(here, spec, kind), check_results=checks)
    if kind.delivers:
        return _load_documents(context, here, spec, kind, target)
    return state_assets.load(context, here, spec, kind, target)


def _load_documents(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind, target: str
) -> dg.MaterializeResult:
    from erp_sync.components.documents import BUDGET, drain_bookings, drain_documents

    with metadata.measured(here) as figures:
        # A backfill repairs its days in one run, however long that takes, and holds up nothing that is new; others
        # leave the rest to the next run.
        days = days_of(context)
        backfill = days is not None and extraction.several(days)
        report = drain_documents(
            here,
            route,
            kind,
            owner=f"{context.run_id}:{os.getpid()}",
            lane="bulk" if backfill else lane_of(context),
            budget_seconds=math.inf if backfill else BUDGET,
        )
        booked = drain_bookings(here, route, kind, owner=f"{context.run_id}:{os.getpid()}")
    here.exchanges.flush()
    told: dict[str, Any] = {
        **metadata.of_days(context, metadata.loaded_of_day(here, route, kind)),
        **metadata.mapping(context, here, route, kind),
        "delivered": report.delivered,
        "adopted": report.adopted,
        "waiting_for_a_dependency": report.waiting,
        "tried_again_later": report.later,
        "dead_lettered": report.dead,
        "withdrawn": report.withdrawn,
        **figures,
    }
    left = here.ledger.deliveries.pending(route.name, kind.name, target)
    if left:
        told["still_in_the_ledger"] = metadata.in_line(left)
    if booked is not None:
        told |= {"booked_in_the_erp": booked.delivered, "bookings_dead_lettered": booked.dead}
    if report.reasons:
        told["reasons"] = metadata.in_line(report.reasons)
    told |= metadata.delivered_documents(here, report.delivered_ids)
    return dg.MaterializeResult(metadata=told, check_results=[metadata.dead_letters(here, route, kind)])
