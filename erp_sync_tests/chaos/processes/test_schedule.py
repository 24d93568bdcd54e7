"""What a seed of `make chaos` always has, and that it is the same in every play."""

from __future__ import annotations

import pytest

from erp_sync_tests.chaos.campaign import ROUTE
from erp_sync_tests.chaos.house import people_of
from erp_sync_tests.chaos.processes.play import schedule_of
from erp_sync_tests.chaos.processes.schedule import DURATION, FAULTS, LATEST_COMMIT, MACHINE, STALE_SECONDS

SEEDS = range(1, 61)


def test_a_seed_is_the_same_schedule_every_time_and_another_seed_another():
    assert schedule_of(ROUTE, 7) == schedule_of(ROUTE, 7)
    assert schedule_of(ROUTE, 7).faults != schedule_of(ROUTE, 9).faults


def test_every_seed_has_all_kinds_of_fault_and_kills_three_times_of_which_once_the_machine():
    for seed in SEEDS:
        plan = schedule_of(ROUTE, seed)
        assert {fault.name for fault in plan.faults} == set(FAULTS)
        victims = [whom for _, whom in plan.kills]
        assert len(victims) == 3
        assert victims.count(MACHINE) == 1
        assert [when for when, _ in plan.kills] == sorted(when for when, _ in plan.kills)
        assert all(0 < when < DURATION for when, _ in plan.kills)


def test_ledgers_are_in_sqlite_and_in_postgresql_in_turn():
    assert [schedule_of(ROUTE, seed).postgres for seed in range(1, 5)] == [False, True, False, True]


@pytest.mark.parametrize("vendor", ["magento", "netsuite"])
def test_nothing_comes_later_than_the_route_declares_that_it_may(vendor: str):
    chaos = people_of(vendor)
    waits = [chaos.REAL_TIME[name] for name in ("timeout_seconds", "write_timeout_seconds") if name in chaos.REAL_TIME]
    settle = chaos.REAL_TIME["settle_seconds"]
    assert LATEST_COMMIT + max(waits) < min(settle.values())
    for seed in SEEDS:
        for fault in schedule_of(ROUTE, seed).faults:
            if fault.name == "late_commit":
                assert fault.rule["seconds"] <= LATEST_COMMIT
            if fault.name == "stale_read":
                assert fault.end - fault.begin <= STALE_SECONDS + 0.01
