"""Code location of the bench: a job that does nothing, in the shape of a flow's last step."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg


@dg.asset(check_specs=[dg.AssetCheckSpec("nothing_wrong", asset="nothing")])
def nothing():
    """Materialises with metadata and a check, and does no work: what it costs is Dagster's."""
    yield dg.MaterializeResult(metadata={"drained": 0, "waiting": 0})
    yield dg.AssetCheckResult(passed=True, check_name="nothing_wrong")


@dg.sensor(
    job_name="nothing_job", minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING, name="on_touch"
)
def on_touch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Requests a run for each new modification time of the file ``touched`` in DAGSTER_HOME."""
    file = Path(os.environ["DAGSTER_HOME"]) / "touched"
    modified = str(file.stat().st_mtime_ns) if file.exists() else ""
    if modified == (context.cursor or ""):
        return dg.SkipReason("not touched")
    return dg.SensorResult([dg.RunRequest(run_key=modified)], cursor=modified)


defs = dg.Definitions(
    assets=[nothing],
    jobs=[dg.define_asset_job("nothing_job", [nothing])],
    sensors=[on_touch],
    executor=dg.in_process_executor,
)
