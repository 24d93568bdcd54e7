"""What a killed run left is removed by the next one; what somebody may still use is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from erp_sync_tests.chaos.workshop import PREFIX, left_behind, workshop

HOLDING = """
import sys, pathlib
from erp_sync_tests.chaos.workshop import workshop
with workshop(pathlib.Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with workshop(tmp_path) as folder:
        assert folder.is_dir()
        age(folder / ".held", 3600)
        assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_and_not_before(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip())
    age(folder / ".held", 3600)
    assert left_behind(tmp_path) == []
    run.kill()
    run.communicate()
    assert left_behind(tmp_path) == [folder]
    age(folder / ".held", 0)
    assert left_behind(tmp_path) == [], "its holder may be about to hold it"
    age(folder / ".held", 3600)
    with workshop(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]


def test_a_folder_that_a_process_was_started_with_stays(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}used"
    folder.mkdir()
    age(folder, 10 * 86_400)
    assert left_behind(tmp_path) == [folder]
    service = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        env={**os.environ, "ERP_SYNC_HOME": str(folder / "home")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    service.stdout.readline()
    assert left_behind(tmp_path) == []
    service.kill()
    service.communicate()


def test_a_young_folder_that_was_never_held_stays(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}young"
    folder.mkdir()
    age(folder, 3600)
    assert left_behind(tmp_path) == []
