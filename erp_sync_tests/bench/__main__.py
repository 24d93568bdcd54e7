"""Runs one bench by name; without a name lists them."""

from __future__ import annotations

import sys

from erp_sync_tests.bench.report import BENCHES, run

if len(sys.argv) < 2:
    for name, bench in BENCHES.items():
        print(f"{name:14} {bench.words}")
    sys.exit(0)
if sys.argv[1] not in BENCHES:
    print(f"no bench is called {sys.argv[1]}; there are: {', '.join(BENCHES)}", file=sys.stderr)
    sys.exit(2)
run(sys.argv[1])
