"""What ships can be forked: dagster.yaml's preloads and the definitions leave one thread and nothing open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from erp_sync import settings
from erp_sync.runtime.storage import dagster_configuration

_LOAD = """
import json, os, sys
from erp_sync.runtime.fork_server import SINGLE_THREADED
os.environ.update(SINGLE_THREADED)
import psutil
from erp_sync.runtime import preloading
from erp_sync.runtime.processes import native_tasks
chosen = json.loads(sys.argv[1])
preloading.load(chosen["module"], [*preloading.ALWAYS, *chosen.get("preload", [])], chosen.get("warm_up", []))
files = [file.path for file in psutil.Process().open_files()]
print(json.dumps({"tasks": native_tasks(), "files": files, "loaded": "great_expectations" in sys.modules}))
os._exit(0)
"""


def test_the_shipped_definitions_and_preloads_leave_one_thread_and_no_open_database(tmp_path: Path) -> None:
    chosen = settings.load({"ERP_SYNC_HOME": str(tmp_path)})
    chosen.dagster_home.mkdir()
    configuration = dagster_configuration(chosen)
    (chosen.dagster_home / "dagster.yaml").write_text(configuration)
    launcher = json.dumps(yaml.safe_load(configuration)["run_launcher"]["config"])
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, launcher],
        env={**os.environ, "DAGSTER_HOME": str(chosen.dagster_home), "ERP_SYNC_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tasks"] == 1, done.stderr
    assert not [path for path in found["files"] if ".db" in path]
    assert found["loaded"]
