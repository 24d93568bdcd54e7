"""The daily reconciliation as an asset of each route, with a check of each flow."""

from typing import Any

import dagster as dg

from erp_sync.components.configuration import Configuration, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import current
from erp_sync.operations.reconciliation import SHOWN_ONLY, flows

JOB = "reconciliation"
SHOWN = 50


def key_of(route: str) -> dg.AssetKey:
    return dg.AssetKey([route, "reconciliation"])


def check_of(one: Any) -> dg.AssetCheckResult:
    """Passed where both systems agree, or nobody has to take care of what does not."""
    for_a_person = _for_a_person(one)
    metadata: dict[str, Any] = {"for_a_person": for_a_person, "repaired": len(one.repaired)}
    words = None
    if one.found is None:
        words = f"not compared: {one.why}"
    else:
        metadata |= {name: count for name, count in one.found.counts.items()} | {"open": len(one.found.open)}
        if for_a_person:
            words = f"{for_a_person} of {len(one.found.differences)} differences are for a person: see `differences`."
        if one.rest:
            metadata["differences"] = _table(one)
    return dg.AssetCheckResult(
        check_name=one.flow,
        passed=one.found is not None and not for_a_person,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=words,
    )


def _for_a_person(one: Any) -> int:
    return sum(1 for each in one.rest if each.kind not in SHOWN_ONLY)


def _table(one: Any) -> dg.TableMetadataValue:
    names = ("kind", "what", "store", "erp", "words")
    # Those for a person first.
    rest = sorted(one.rest, key=lambda each: each.kind in SHOWN_ONLY)
    rows = [(each.kind, each.key, each.store, each.erp, each.words) for each in rest[:SHOWN]]
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows],
        dg.TableSchema([dg.TableColumn(name) for name in names]),
    )


def metadata_of(done: list[Any]) -> dict[str, Any]:
    """Numbers that are plotted, by flow."""
    told: dict[str, Any] = {}
    for one in done:
        if one.found is None:
            told[f"{one.flow} not compared"] = one.why
            continue
        told[f"{one.flow} differences"] = len(one.found.differences)
        told[f"{one.flow} repaired"] = len(one.repaired)
        told[f"{one.flow} for a person"] = _for_a_person(one)
        told[f"{one.flow} open"] = len(one.found.open)
    return told


def reconcile_definitions(configuration: Configuration) -> dg.Definitions:
    """An asset a route, one job, and a schedule that starts a run a route every day after the full comparisons."""
    routes = [route for route in configuration.routes.values() if flows(route)]
    if not routes:
        return dg.Definitions()
    assets = [_asset(route) for route in routes]
    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(*[key_of(route.name) for route in routes]),
        description="Compares both systems of a route record by record, and repairs what its flows may repair.",
        tags={"erp_sync/flow": JOB},
    )

    @dg.schedule(
        name="daily_reconciliation",
        job=job,
        cron_schedule="30 4 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at half past four (UTC), after the full comparisons: a run of each route.",
    )
    def daily_reconciliation(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        day = context.scheduled_execution_time
        return [
            dg.RunRequest(
                run_key=f"{route.name}/{day.isoformat()}",
                asset_selection=[key_of(route.name)],
                tags={"erp_sync/why": "daily reconciliation"},
            )
            for route in routes
        ]

    return dg.Definitions(assets=assets, jobs=[job], schedules=[daily_reconciliation])


def _asset(route: RouteSpec) -> dg.AssetsDefinition:
    key, name = key_of(route.name), route.name

    @dg.asset(
        key=key,
        group_name="installation",
        description=(
            f"Every day: {route.store} and {route.erp} are read anew and compared record by record, orders and "
            f"shipments of the last {route.reconcile_window.days} days by created time, customers and state as they "
            "are. Documents that were never received are received, state that differs is planned anew under its "
            "guards; what is left is a notice and a warning of the flow's check. The same comparison without repairs: "
            f"`erp-sync reconcile {name}`."
        ),
        kinds={"python"},
        owners=route.owners,
        check_specs=[
            dg.AssetCheckSpec(
                flow,
                asset=key,
                description=f"Both systems agree about {FLOWS[flow].title}, or the flow takes care of what differs.",
            )
            for flow in flows(route)
        ],
    )
    def reconciliation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from erp_sync.operations.repairing import reconcile_route

        here = current()
        done = reconcile_route(here, here.configuration.routes[name], context.run_id)
        failed = [one for one in done if one.found is None and not one.planned]
        if failed:
            raise dg.Failure(
                "; ".join(f"{one.flow} not compared: {one.why}" for one in failed),
                metadata=metadata_of(done),
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata=metadata_of(done), check_results=[check_of(one) for one in done])

    return reconciliation
