"""What a seed of `make chaos` always has, and that it is the same in every play."""

from __future__ import annotations

import itertools

import pytest

from erp_sync_tests.chaos.campaign import ROUTE
from erp_sync_tests.chaos.house import people_of
from erp_sync_tests.chaos.processes.play import schedule_of
from erp_sync_tests.chaos.processes.schedule import (
    DURATION,
    FAULTS,
    LATEST_COMMIT,
    MACHINE,
    MISHAPS,
    OF_POSTGRESQL,
    OPERATIONS,
    STALE_SECONDS,
)

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


def test_few_seeds_have_every_mishap_of_the_machine_between_its_kills_and_every_act_of_an_operator():
    plans = [schedule_of(ROUTE, seed) for seed in range(1, 21)]
    assert {what for plan in plans for _, what, _ in plan.mishaps} == set(MISHAPS)
    assert all(set(OF_POSTGRESQL) & {what for _, what, _ in plan.mishaps} for plan in plans if plan.postgres)
    assert not any(set(OF_POSTGRESQL) & {what for _, what, _ in plan.mishaps} for plan in plans if not plan.postgres)
    assert {what for plan in plans for _, what in plan.operator} == set(OPERATIONS)
    for plan in plans:
        moments = sorted([when for when, _ in plan.kills] + [when for when, _, _ in plan.mishaps])
        assert min(later - earlier for earlier, later in itertools.pairwise(moments)) > 1


def test_one_seed_in_four_of_either_database_upgrades_its_ledger():
    plans = [schedule_of(ROUTE, seed) for seed in range(1, 21)]
    assert [plan.postgres for plan in plans if plan.upgrade] == [False, True] * 5


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
