"""`python -m erp_sync_tests.chaos`: seeds of faults and crashes over a route, on a virtual clock.

SEEDS, FIRST_SEED, ROUTE and MUTANT come from the environment (`make chaos-sim SEEDS=2000`). With argument ``mutants``
every mutant is played until a seed catches it. The last line is a JSON object; the exit status tells whether all held.
"""

from __future__ import annotations

import json
import os
import sys
import time

from erp_sync_tests.chaos import campaign


def main() -> int:
    # What sets and dicts of texts are ordered by must be the same in every play of a seed.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        # Nothing here multiplies matrices, and threads that wait for some cost.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.execv(sys.executable, [sys.executable, "-m", "erp_sync_tests.chaos", *sys.argv[1:]])
    if sys.argv[1:] == ["mutants"]:
        from erp_sync_tests.chaos import hunt

        return hunt.main()
    first, count = int(os.environ.get("FIRST_SEED") or 1), int(os.environ.get("SEEDS") or 20)
    route, mutant = os.environ.get("ROUTE") or campaign.ROUTE, os.environ.get("MUTANT") or ""
    began = time.monotonic()
    results = []
    seeds = range(first, first + count)
    for result in campaign.play_seeds(seeds, route=route, mutant=mutant, processes=min(campaign.cores(), count)):
        results.append(result)
        if result.words:
            print(campaign.told(result, route=route, mutant=mutant), flush=True)
        if len(results) % 100 == 0:
            print(f"{len(results)} of {count} seeds, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    found = campaign.figures(results)
    print(json.dumps({"route": route, **({"mutant": mutant} if mutant else {}), **found}))
    return 1 if found["failed_seeds"] else 0


if __name__ == "__main__":
    sys.exit(main())
