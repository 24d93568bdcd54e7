"""Loading definitions is cheap: what only runs need is imported by runs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pandas", "pyarrow", "great_expectations", "duckdb", "httpx")
"""Not at definition time; clients of vendors are found by their names."""

_LOAD = """
import sys
import erp_sync.definitions
erp_sync.definitions.defs.get_repository_def().get_all_jobs()
print("\\n".join(sys.modules))
"""


def test_definitions_import_no_pandas_no_great_expectations_and_no_vendor_client() -> None:
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY)
    clients = {
        name for name in loaded if name.startswith("erp_sync.systems.") and name.endswith((".client", ".sandbox"))
    }
    assert not clients
