"""A skipped test fails the whole session, so that `make test` and CI are red."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n@pytest.mark.skip(reason='slow')\ndef test_it(): pass\n",
        "import pytest\ndef test_it(): pytest.skip('no database')\n",
        "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass\n",
        "import pytest\n@pytest.fixture\ndef server(): pytest.skip('no server')\ndef test_it(server): pass\n",
        "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
        "import unittest\nclass TestIt(unittest.TestCase):\n    @unittest.skip('slow')\n    def test_it(self): pass\n",
    ],
    ids=["marked", "while it runs", "whole module", "by its fixture", "expected to fail", "unittest"],
)
def test_a_skipped_test_fails_the_session(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_one.py").write_text(f"{text}\n\ndef test_other(): pass\n")
    plugin = ["-p", "erp_sync_tests.skipping", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, str(tmp_path), "--rootdir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # none of them is asked, and they take a second
        capture_output=True,
        text=True,
    )
    assert done.returncode in (1, 2), done.stdout
    assert "skipped" in done.stdout or "expected to fail" in done.stdout


def test_every_session_is_watched(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("erp_sync_tests.skipping")
