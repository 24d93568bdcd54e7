"""What the assets of state flows do when they run, and what a data engineer sees of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from erp_sync.components import metadata
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.ownership import system_of_record
from erp_sync.components.run_context import SHOWN, config_of, is_full, land_records, lane_of
from erp_sync.ledger.plan_values import Plan
from erp_sync.ledger.rows import RowState
from erp_sync.monitoring.values import in_words


def extract(
    context: dg.AssetExecutionContext, here: Installation, connection: str, kind: FlowKind, routes: list[str]
) -> dg.MaterializeResult:
    """Read what is to be compared: changes, keys or everything, and the target where its state is not known."""
    from erp_sync.components.state_reading import read_states
    from erp_sync.transport.context import call_context

    with (
        metadata.measured(here) as figures,
        call_context(run_id=context.run_id, lane=lane_of(context), route=",".join(routes), flow=kind.name),
    ):
        reading = read_states(
            here,
            connection,
            kind,
            [here.configuration.routes[name] for name in routes],
            lambda entity, records: land_records(here, connection, entity, context.run_id, records),
            run_id=context.run_id,
            now=datetime.now(UTC),
            full=is_full(context),
            keys=list(config_of(context).get("keys") or ()),
        )
    here.exchanges.flush()
    done, again = reading.extraction, reading.again
    files = [*done.files, *(again.files if again else ())]
    told: dict[str, Any] = {
        "dagster/row_count": done.received + (again.received if again else 0),
        "rows_seen": done.seen,
        "rows_new": done.received,
        **metadata.moments(window_start=done.window_start, window_end=done.window_end),
        "rows_read_again": again.seen if again else 0,
        "events": reading.events,
        "target_rows_read": reading.target_read,
        "changed_at_target": reading.drifted,
        **figures,
        **metadata.files(files),
    }
    return dg.MaterializeResult(metadata=told)


def transform(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind
) -> dg.MaterializeResult:
    """Compare and plan; a held plan is a warning of check `plan`, not a failed run."""
    from erp_sync.components.state_task import count_reasons
    from erp_sync.components.states import transform_states
    from erp_sync.ledger.plan_values import PlanState

    with metadata.measured(here) as figures:
        report = transform_states(
            here,
            route,
            kind,
            route.flows[kind.name],
            run_id=context.run_id,
            lane=lane_of(context),
            full=is_full(context),
            keys=list(config_of(context).get("keys") or ()),
        )
    told: dict[str, Any] = {
        **metadata.of_days(context, metadata.transformed_of_day(here, route, kind)),
        **metadata.mapping(context, here, route, kind),
        "rows_read": report.read,
        "rows_compared": report.compared,
        "rows_equal": report.same,
        "rows_that_change": report.changed,
        "rows_missing_from_source": report.missing,
        "rows_overtaken": report.overtaken,
        "rows_to_read_again": report.unsure,
        "rows_held_already": report.held_already,
        "rows_refused_before": report.refused_before,
        "rejected": len(report.rejected),
        "seconds": figures["seconds"],
    }
    if report.edits:
        record = route.flows[kind.name].system_of_record
        words = system_of_record(kind, record, getattr(route, kind.source), getattr(route, kind.target))
        edits = [(edit.key, edit.field, edit.words(words)) for edit in report.edits]
        told["foreign_edits"] = len(edits)
        told["edited_at_target"] = metadata.table(("key", "field", "edit"), edits)
    if report.left_out:
        told["left_out"] = metadata.in_line(report.left_out)
    if report.plans:
        told["plans"] = dg.MetadataValue.md(
            "\n".join(
                f"- plan **p{plan}**: {count} rows, {state}{': ' + why if why else ''}"
                for plan, state, count, why in report.plans
            )
        )
    if report.samples:
        changes = [(key, in_words(before), change) for key, before, change in report.samples]
        told["changes"] = metadata.table(("key", "before", "change"), changes)
    rows: dict[str, Any] = {"judged": report.read, "rules": report.rules, "broken": len(report.rejected)}
    if report.rejected:
        rows["reasons"] = metadata.in_line(count_reasons(report))
        rows["rejected_rows"] = metadata.table(("row", "rule", "reason"), report.rejected)
        told["rejected_rows"] = rows["rejected_rows"]
    held = here.ledger.plans.find(route=route.name, flow=kind.name, states=[PlanState.HELD], limit=SHOWN)
    plan: dict[str, Any] = {"held_plans": len(held), "held_rows": sum(one.row_count for one in held)}
    if held:
        plan["waiting_rows"] = _waiting_rows(here, held)
    for verdict in report.verdicts:
        if verdict.figure:
            plan[verdict.check] = metadata.number(verdict.figure)
            plan[f"{verdict.check}_limit"] = metadata.number(verdict.limit)
    return dg.MaterializeResult(
        metadata=told,
        check_results=[
            dg.AssetCheckResult(
                check_name="rows",
                passed=not report.rejected,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=rows,
                description=f"{len(report.rejected)} of {report.read} rows are in quarantine; the rest goes."
                if report.rejected
                else None,
            ),
            dg.AssetCheckResult(
                check_name="plan",
                passed=not held,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=plan,
                description="\n".join(
                    f"Plan p{one.id} of {one.row_count} rows for {one.target} waits: {one.reason}. "
                    f"Look at it with `erp-sync plan p{one.id}`, then `erp-sync approve p{one.id}` or "
                    f"`erp-sync reject p{one.id} --why TEXT`."
                    for one in held
                )
                or None,
            ),
        ],
    )


def _waiting_rows(here: Installation, held: Sequence[Plan]) -> dg.TableMetadataValue:
    """The first rows that wait, newest plan first."""
    rows: list[tuple[str, ...]] = []
    for plan in held:
        found = here.ledger.plans.table(plan.id, [RowState.HELD], SHOWN - len(rows)).to_pylist()
        rows += [(f"p{plan.id}", row["key"], row["action"], in_words(row["before"]), row["reason"]) for row in found]
        if len(rows) >= SHOWN:
            break
    return metadata.table(("plan", "key", "action", "before", "change"), rows)


def load(
    context: dg.AssetExecutionContext, here: Installation, route: RouteSpec, kind: FlowKind, target: str
) -> dg.MaterializeResult:
    """Write whatever is due of the flow's plans."""
    from erp_sync.components.state_loading import load_states

    with metadata.measured(here) as figures:
        report = load_states(here, route, kind, owner=f"{context.run_id}:{os.getpid()}", lane=lane_of(context))
    here.exchanges.flush()
    told: dict[str, Any] = {
        **metadata.of_days(context, metadata.loaded_of_day(here, route, kind)),
        **metadata.mapping(context, here, route, kind),
        "written": report.applied,
        "there_already": report.already,
        "batches": report.batches,
        "waiting_for_a_product": report.waiting,
        "tried_again_later": report.later,
        "refused": report.refused,
        "unknown_and_read_again": report.unknown,
        **figures,
    }
    if report.reasons:
        told["reasons"] = metadata.in_line(report.reasons)
    if report.applied_keys:
        more = " ..." if len(report.applied_keys) > SHOWN else ""
        told["keys"] = dg.MetadataValue.md(
            ", ".join(f"`{key}`" for key in report.applied_keys[:SHOWN])
            + f"{more}\n\n`erp-sync trace SKU` tells everything about one."
        )
    return dg.MaterializeResult(metadata=told)
