"""The short form of `make chaos-sim`: some seeds of faults and crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from erp_sync_tests.chaos.schedule import LEAST

SEEDS = 3


def play(first: int, count: int) -> tuple[int, str, str]:
    """In a process of its own: clocks, threads and the order of sets are the simulation's there."""
    done = subprocess.run(
        [sys.executable, "-m", "erp_sync_tests.chaos"],
        env={**os.environ, "FIRST_SEED": str(first), "SEEDS": str(count)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_twice_whatever_fails_and_dies():
    status, words, troubles = play(1, SEEDS)
    assert status == 0, words + troubles
    figures = json.loads(words.splitlines()[-1])
    assert (figures["seeds"], figures["lost"], figures["duplicated"]) == (SEEDS, 0, 0)
    assert (figures["stale_overwrites"], figures["unexplained"]) == (0, 0)
    assert figures["documents_least_a_seed"] >= LEAST["documents"] == 20
    assert figures["state_keys_least_a_seed"] >= LEAST["state_keys"] == 50
    assert figures["kills"] >= SEEDS / 2
    assert len(figures["faults_injected"]) >= 5
