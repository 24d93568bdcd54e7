"""`make mutants`: every built-in defect is played until a seed catches it; a table, and the JSON of a bench."""

from __future__ import annotations

import json
import os

from erp_sync_tests.bench.report import machine
from erp_sync_tests.chaos import campaign
from erp_sync_tests.chaos.mutants import MUTANTS

MOST_SEEDS = 50


def main() -> int:
    """MUTANT may name some, separated by commas; SEEDS how many are played at most. The status tells whether all
    were caught."""
    most = int(os.environ.get("SEEDS") or MOST_SEEDS)
    chosen = [name for name in (os.environ.get("MUTANT") or "").split(",") if name] or list(MUTANTS)
    seeds = range(1, most + 1)
    caught: dict[str, int | None] = {}
    print(f"{'mutant':34} {'seed':>5}  what gave it away", flush=True)
    with campaign.players(os.environ.get("ROUTE") or campaign.ROUTE, campaign.cores()) as run:
        for played in run(_hunt, [(name, seeds) for name in chosen]):
            name, results = played
            last = results[-1]
            caught[name] = last.seed if last.proof else None
            words = last.proof[0] if last.proof else f"nothing in {most} seeds: {MUTANTS[name].words}"
            print(f"{name:34} {caught[name] or '-':>5}  {' '.join(words.split())[:110]}", flush=True)
    missed = sorted(name for name, seed in caught.items() if seed is None)
    figures = {
        "mutants": len(chosen),
        "caught": len(chosen) - len(missed),
        "missed": missed,
        "seeds_until_caught": dict(sorted(caught.items())),
    }
    result = {
        "name": "mutants",
        "machine": machine(),
        "profile": "life",
        "figures": figures,
        "targets": {"missed": f"none within {most} seeds"},
        "met": {"missed": not missed},
    }
    print(json.dumps(result))
    return 1 if missed else 0


def _hunt(work: tuple[str, range]) -> tuple[str, list[campaign.SeedResult]]:
    return work[0], campaign.hunt(work)
