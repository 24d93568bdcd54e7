"""The sensor that starts runs, and the schedule of full comparisons.

A tick starts a run only when something is due and none is about to start; a run takes everything that
is due. Polls that found nothing are known all the same: they are counted in the exchange log, and from time
to time the loaded asset is observed fresh without a run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG, PRIORITY_TAG

from erp_sync.components.configuration import Configuration, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS

BEHIND_ALL = -2
"""Priority of runs that compare everything."""

WHOLE = 6
"""A run that compares everything may take so many times as long as a usual one of its flow."""


def asset_keys(configuration: Configuration, route: str, flow: str, stages: Sequence[str]) -> list[dg.AssetKey]:
    """Keys of a flow's assets, in the order of the stages."""
    spec, kind = configuration.routes[route], FLOWS[flow]
    keys = {
        "extracted": dg.AssetKey([getattr(spec, kind.source), kind.source_entity, "extracted"]),
        "transformed": dg.AssetKey([route, flow, "transformed"]),
        "loaded": dg.AssetKey([route, flow, "loaded"]),
    }
    return [keys[stage] for stage in stages]


def run_request(
    configuration: Configuration,
    route: str,
    flow: str,
    stages: Sequence[str],
    *,
    now: datetime,
    why: str,
    lane: str = "normal",
    full: bool = False,
    keys: Sequence[str] = (),
    once: str | None = None,
) -> dg.RunRequest:
    """A run of one flow inside today's partition; lane, keys and full go into its config.

    `once` is Dagster's run key: a request with the same one starts no second run.
    """
    selection = asset_keys(configuration, route, flow, stages)
    config = {"lane": lane, "full": full, "keys": list(keys)}
    priority = BEHIND_ALL if full or lane == "bulk" else 0 if lane == "fast" else FLOWS[flow].priority
    return dg.RunRequest(
        run_key=once,
        job_name=route,
        asset_selection=selection,
        partition_key=now.astimezone(UTC).strftime("%Y-%m-%d"),
        run_config={"ops": {key.to_python_identifier(): {"config": config} for key in selection}},
        tags={
            "erp_sync/route": route,
            "erp_sync/flow": flow,
            "erp_sync/why": why,
            # The usual lane is not told: every tag makes the list of runs longer.
            **({"erp_sync/lane": lane} if lane != "normal" else {}),
            **({"erp_sync/full": "true"} if full else {}),
            **({PRIORITY_TAG: str(priority)} if priority else {}),
            # Backfills, which nobody starts here, take as long as they take.
            MAX_RUNTIME_SECONDS_TAG: str(FLOWS[flow].longest_seconds * (WHOLE if full or lane == "bulk" else 1)),
        },
    )


def due_work_sensor(configuration: Configuration, jobs: Sequence[UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """One sensor for the whole installation: looks at every poll that is due and at the ledger's due work."""

    @dg.sensor(
        name="due_work",
        jobs=jobs,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks at every poll that is due and at the ledger's due work, and starts a run per flow that has any. "
            "Its cursor holds the times of the last looks; it is derived and may be deleted."
        ),
    )
    def due_work(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from erp_sync.components.due import look
        from erp_sync.components.installation import current, ledger_answers
        from erp_sync.components.metadata import fresh_events
        from erp_sync.components.shadow import shown
        from erp_sync.components.under_way import runs_under_way

        now = datetime.now(UTC)
        runs = runs_under_way(context.instance)
        in_shadow = shown(context.instance, configuration)
        with ledger_answers():
            looked = look(configuration, now, json.loads(context.cursor or "{}"), runs=runs, shown=in_shadow)
        requests = [
            run_request(
                configuration,
                work.route,
                work.flow,
                work.stages,
                now=now,
                why=work.why,
                lane=work.lane,
                full=work.full,
                keys=work.keys,
            )
            for work in looked.due
        ]
        with ledger_answers():
            fresh = [
                event
                for route, flow, count in looked.fresh
                for event in fresh_events(
                    current(),
                    configuration.routes[route],
                    FLOWS[flow],
                    asset_keys(configuration, route, flow, ["loaded"])[0],
                    now,
                    count,
                )
            ]
        cursor = json.dumps(looked.cursor, sort_keys=True)
        if not requests and not fresh:
            context.update_cursor(cursor)
            return dg.SkipReason(looked.summary)
        return dg.SensorResult(run_requests=requests, asset_events=fresh, cursor=cursor)

    return due_work


def full_comparison_schedule(route: RouteSpec, job: UnresolvedAssetJobDefinition) -> list[dg.ScheduleDefinition]:
    """One schedule a route: compares everything once a day, flow by flow."""
    flows = [name for name, flow in route.flows.items() if flow.mode is not Mode.OFF]
    configuration = Configuration(connections={}, routes={route.name: route})

    @dg.schedule(
        name=f"{route.name}_full_comparison",
        job=job,
        cron_schedule="0 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day, everything is compared: what was changed behind our back is found here at the latest.",
    )
    def full_comparison(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        now = context.scheduled_execution_time
        return [
            run_request(
                configuration,
                route.name,
                flow,
                ("extracted", "transformed", "loaded"),
                now=now,
                why="daily full comparison",
                lane="bulk",
                full=True,
                # Dagster refuses a tick with several requests that have no key of their own.
                once=f"{flow}/{now.isoformat()}",
            )
            for flow in flows
        ]

    return [full_comparison]
