"""The last line of `make chaos`, and how a failed seed is told."""

from __future__ import annotations

from typing import Any

import msgspec

from erp_sync_tests.chaos.campaign import ROUTE, SeedResult
from erp_sync_tests.chaos.processes import figures

NO_FAULTS = ("event late", "event twice", "event never", "event lost", "operator: retry")


def seed(number: int, **values: Any) -> SeedResult:
    given: dict[str, Any] = {
        "counts": {"documents": 240, "state_keys": 540},
        "cases": {"orders dead unknown_sku": 2},
        "faults": dict.fromkeys(("a", "b", "c", "d", "e", "f"), 2),
        "kills": ["worker", "machine", "daemon"],
        "recoveries": [31.0],
        "stale_seconds": 12.5,
    }
    return SeedResult(seed=number, **{**given, **values})


def of(*results: SeedResult, seconds: float = 200.0) -> dict[str, Any]:
    made: dict[str, Any] = figures.bench(results, route=ROUTE, mutant="", seconds=seconds)
    return made


def test_good_seeds_meet_every_target_in_the_form_of_a_bench():
    made = of(seed(1), seed(2, recoveries=[44.0], stale_seconds=3.0))
    assert set(made["met"]) == set(made["targets"])
    assert all(made["met"].values())
    assert (made["name"], made["profile"]) == ("chaos", "fast")
    assert made["figures"] == {
        **{"seeds": 2, "documents": 480, "state_keys": 1080, "kills": 6, "cases_open": 4, "failed_seeds": []},
        **{"documents_least_a_seed": 240, "state_keys_least_a_seed": 540, "fault_kinds_least_a_seed": 6},
        **{"faults_injected": dict.fromkeys(("a", "b", "c", "d", "e", "f"), 4)},
        **{"lost": 0, "duplicated": 0, "stale_overwrites": 0, "unexplained": 0, "stale_seconds_max": 12.5},
        **{"kills_least_a_seed": 3, "machines_killed_least_a_seed": 1, "recovery_s": 44.0, "seconds_a_seed": 100.0},
    }


def test_what_both_tiers_tell_is_found_by_the_same_names():
    made = of(seed(1), seed(2))
    both = set(figures.campaign.figures([seed(1)])) - {"cpu_s_a_seed"}
    assert both >= {
        *("seeds", "documents", "state_keys", "faults_injected", "kills", "lost", "duplicated", "stale_overwrites"),
        *("stale_seconds_max", "unexplained", "cases_open", "recovery_s"),
    }
    assert {name: made[name] for name in both} == {name: made["figures"][name] for name in both}


def test_a_seed_in_which_something_is_lost_or_too_little_goes_wrong_misses_that_target():
    lost = msgspec.structs.replace(seed(1), counts={"documents": 240, "state_keys": 540, "lost": 1})
    assert [name for name, met in of(lost)["met"].items() if not met] == ["lost", "seconds_a_seed"]
    mild = of(seed(1, faults={"a": 9, **dict.fromkeys(NO_FAULTS, 1)}, kills=["worker"]), seconds=60.0)
    assert [name for name, met in mild["met"].items() if not met] == [
        "fault_kinds_least_a_seed", "kills_least_a_seed", "machines_killed_least_a_seed",
    ]  # fmt: skip


def test_a_failed_seed_says_how_it_is_played_again():
    told = figures.told(seed(17, words=["lost: order 000000042 is not in the ERP"]))
    assert told.splitlines() == [
        "seed 17 fails: make chaos FIRST_SEED=17 SEEDS=1",
        "  lost: order 000000042 is not in the ERP",
    ]
