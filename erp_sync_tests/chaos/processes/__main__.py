"""`python -m erp_sync_tests.chaos.processes`: seeds over real processes, one after the other (`make chaos SEEDS=20`).

SEEDS, FIRST_SEED, ROUTE and MUTANT come from the environment. Odd seeds keep everything in SQLite, even ones in
PostgreSQL. The last line is the JSON object of a bench; the exit status tells whether all of its targets are met.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback

import msgspec

from erp_sync_tests.chaos import campaign
from erp_sync_tests.chaos.campaign import SeedResult
from erp_sync_tests.chaos.processes import figures


def main() -> int:
    from erp_sync_tests.ledger.databases import leave

    first, count = int(os.environ.get("FIRST_SEED") or 1), int(os.environ.get("SEEDS") or 20)
    route, mutant = os.environ.get("ROUTE") or campaign.ROUTE, os.environ.get("MUTANT") or ""
    logging.getLogger("erp_sync").setLevel(logging.CRITICAL)
    began = time.monotonic()
    results: list[SeedResult] = []
    try:
        for seed in range(first, first + count):
            results.append(_played(route, seed, mutant))
            print(msgspec.json.encode(results[-1]).decode(), file=sys.stderr, flush=True)
            if results[-1].words:
                print(figures.told(results[-1], route=route, mutant=mutant), flush=True)
    finally:
        leave()
    made = figures.bench(results, route=route, mutant=mutant, seconds=time.monotonic() - began)
    print(json.dumps(made))
    return 0 if all(made["met"].values()) else 1


def _played(route: str, seed: int, mutant: str) -> SeedResult:
    from erp_sync_tests.chaos.processes.play import play

    try:
        return play(route, seed, lambda words: print(words, file=sys.stderr, flush=True), mutant)
    except Exception as defect:  # noqa: BLE001 - every seed is told of, one that broke the harness, too
        where = "".join(traceback.format_exception(defect)[-3:])
        return SeedResult(seed=seed, words=[f"broken off: {where}"], counts={"unexplained": 1})


if __name__ == "__main__":
    sys.exit(main())
