"""A small code location for tests of the runtime."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.asset
def empty() -> None:
    print("printed by the empty asset")


@dg.asset
def sleeper(context: dg.AssetExecutionContext) -> None:
    """Runs until it is ended."""
    while True:
        time.sleep(0.05)


@dg.asset
def crasher() -> None:
    """Ends its process as a crash of native code would."""
    os._exit(9)


@dg.asset
def refuser() -> None:
    raise ValueError("refused by its own code")


@dg.sensor(target=[empty], minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def touched(context: dg.SensorEvaluationContext):
    """Starts a run for each new modification time of the file ``touched`` in DAGSTER_HOME."""
    file = Path(os.environ["DAGSTER_HOME"]) / "touched"
    if not file.exists():
        return dg.SkipReason("not touched yet")
    modified = str(file.stat().st_mtime_ns)
    if context.cursor == modified:
        return dg.SkipReason("not touched again")
    return dg.SensorResult([dg.RunRequest(run_key=modified)], cursor=modified)


defs = dg.Definitions(
    assets=[empty, sleeper, crasher, refuser],
    jobs=[
        dg.define_asset_job("empty_job", [empty]),
        dg.define_asset_job("sleeping_job", [sleeper]),
        dg.define_asset_job("crashing_job", [crasher]),
        dg.define_asset_job("refused_job", [refuser]),
    ],
    sensors=[touched],
    executor=dg.in_process_executor,
)
