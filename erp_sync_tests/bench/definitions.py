"""How long definitions take to load, in times of `import dagster`, each in a fresh process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROUNDS = 5
_LOAD = """
import json, sys, time
begin = time.perf_counter()
import dagster
imported = time.perf_counter()
from erp_sync.definitions import defs
loaded = time.perf_counter()
from dagster._core.remote_representation.external_data import RepositorySnap
RepositorySnap.from_def(defs.get_repository_def())
snapped = time.perf_counter()
print(json.dumps({"dagster": imported - begin, "all": loaded - begin, "snapshot": snapped - loaded,
                  "heavy": [m for m in ("pandas", "great_expectations", "pyarrow", "httpx") if m in sys.modules]}))
"""


def write_routes(folder: Path, count: int) -> None:
    """`count` generated routes of five flows each, every one with connections of its own."""
    for number in range(count):
        home = folder / f"route_{number}"
        home.mkdir(parents=True)
        flows = "\n".join(
            f"    {flow}: {{mode: on, start: 2026-01-01T00:00:00Z, every: 1m, latest: 10m}}"
            for flow in ("orders", "shipments", "inventory", "products", "prices")
        )
        home.joinpath("defs.yaml").write_text(
            "\n---\n".join(
                [
                    f"type: erp_sync.components.Connection\nattributes:\n  name: store_{number}\n  vendor: magento\n"
                    "  base_url: http://127.0.0.1:9",
                    f"type: erp_sync.components.Connection\nattributes:\n  name: erp_{number}\n  vendor: netsuite\n"
                    "  base_url: http://127.0.0.1:9",
                    f"type: erp_sync.components.Route\nattributes:\n  name: route_{number}\n  store: store_{number}\n"
                    f"  erp: erp_{number}\n  flows:\n{flows}",
                ]
            )
        )


def load(defs: Path) -> dict[str, Any]:
    """Times of one load in a fresh process, in seconds."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ERP_SYNC_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOAD],
        env={**environment, "ERP_SYNC_DEFS": str(defs)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 10, 50):
            defs = Path(folder) / str(count)
            write_routes(defs, count)
            loads = [load(defs) for _ in range(ROUNDS)]
            figures[f"ratio_{count}_routes"] = round(statistics.median(one["all"] / one["dagster"] for one in loads), 2)
            figures[f"snapshot_s_{count}_routes"] = round(statistics.median(one["snapshot"] for one in loads), 3)
            figures["import_dagster_s"] = round(statistics.median(one["dagster"] for one in loads), 3)
            figures["heavy_imports"] = sorted({name for one in loads for name in one["heavy"]})
    return figures
