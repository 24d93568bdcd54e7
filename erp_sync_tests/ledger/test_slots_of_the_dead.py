"""A killed process gives its slots back at once, not after the longest call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from erp_sync.ledger import Ledger, owners
from erp_sync.ports.capabilities import Limits
from erp_sync.ports.connection import NoSlot

CONNECTION = "netsuite_us"
TAKES_ALL = """
import sys, time
from erp_sync.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
for _ in range(2):
    ledger.limits.acquire("netsuite_us", "now", time.monotonic() + 5)
print("taken", flush=True)
time.sleep(600)
"""


def taken_by_another(url: str) -> subprocess.Popen[str]:
    """A process that holds both slots."""
    process = subprocess.Popen([sys.executable, "-c", TAKES_ALL, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


@pytest.fixture
def real_time(shared_url: str, ledger: Ledger) -> Ledger:
    """The emptied ledger on the real clock, as other processes have it."""
    opened = Ledger.open(shared_url)
    opened.limits.configure(CONNECTION, Limits(concurrency=2))
    return opened


def test_the_slots_of_a_killed_process_are_free_at_once(real_time: Ledger, shared_url: str):
    other = taken_by_another(shared_url)
    try:
        with pytest.raises(NoSlot):
            real_time.limits.acquire(CONNECTION, "now", time.monotonic() + 0.2)
        os.kill(other.pid, signal.SIGKILL)
        # Not waited for yet: a zombie holds nothing either.
        first = real_time.limits.acquire(CONNECTION, "now", time.monotonic() + 20)
        second = real_time.limits.acquire(CONNECTION, "now", time.monotonic() + 20)
        with pytest.raises(NoSlot):
            real_time.limits.acquire(CONNECTION, "now", time.monotonic() + 0.1)
        real_time.limits.release(first)
        real_time.limits.release(second)
    finally:
        other.kill()
        other.wait()
        real_time.close()


def test_a_living_process_keeps_its_slots_however_long_somebody_waits(real_time: Ledger, shared_url: str):
    other = taken_by_another(shared_url)
    try:
        with pytest.raises(NoSlot):
            real_time.limits.acquire(CONNECTION, "now", time.monotonic() + 1.5)
    finally:
        other.kill()
        other.wait()
        real_time.close()


def test_only_what_is_certain_is_called_gone():
    mine = owners.holder(owners.process_name())
    assert not owners.is_gone(mine)
    place, number, created, thread = mine.split("|")
    assert owners.is_gone("|".join((place, number, str(float(created) - 100), thread)))  # the number was reused
    assert not owners.is_gone("|".join(("elsewhere", "1", "0.0", thread)))
    assert not owners.is_gone("")
    assert not owners.is_gone("host:1:2")
