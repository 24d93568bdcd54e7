"""What `make chaos` tells: a failed seed in words with how to play it again, and the object of its last line.

The object is a bench's, and says what a campaign of the simulated tier says by the same names beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync_tests.bench.report import Target, machine
from erp_sync_tests.chaos import campaign
from erp_sync_tests.chaos.campaign import SeedResult

PROFILE = "fast"
# Wall seconds of a seed: twenty in three quarters of an hour.
SECONDS_A_SEED = 135.0
TARGETS = {
    "lost": Target(0),
    "duplicated": Target(0),
    "stale_overwrites": Target(0),
    "unexplained": Target(0),
    "documents_least_a_seed": Target(200, at_least=True),
    "state_keys_least_a_seed": Target(500, at_least=True),
    "fault_kinds_least_a_seed": Target(6, at_least=True),
    "kills_least_a_seed": Target(3, at_least=True),
    "machines_killed_least_a_seed": Target(1, at_least=True),
    "recovery_s": Target(120),
    "seconds_a_seed": Target(SECONDS_A_SEED),
}


def bench(results: Sequence[SeedResult], *, route: str, mutant: str, seconds: float) -> dict[str, Any]:
    """The last line: name, machine, profile, figures, targets and which of them are met; the campaign's figures also
    by themselves."""
    played = campaign.figures(results)
    del played["cpu_s_a_seed"]
    found = played | {
        "fault_kinds_least_a_seed": min((sum(map(_is_fault, one.faults)) for one in results), default=0),
        "kills_least_a_seed": min((len(one.kills) for one in results), default=0),
        "machines_killed_least_a_seed": min((one.kills.count("machine") for one in results), default=0),
        "seconds_a_seed": round(seconds / max(1, len(results)), 1),
    }
    return {
        "name": "chaos",
        "machine": machine(),
        "profile": PROFILE,
        "route": route,
        **({"mutant": mutant} if mutant else {}),
        **played,
        "figures": found,
        "targets": {
            name: f"{'at least' if target.at_least else 'at most'} {target.bound:g}" for name, target in TARGETS.items()
        },
        "met": {name: target.met(found[name]) for name, target in TARGETS.items()},
    }


def _is_fault(kind: str) -> bool:
    """Not what people do, nor how a vendor tells of a change."""
    return not kind.startswith(("event ", "operator: "))


def told(result: SeedResult, *, route: str = campaign.ROUTE, mutant: str = "") -> str:
    """A failed seed in words, with the command that plays it again."""
    return campaign.told(result, route=route, mutant=mutant, target="chaos")
