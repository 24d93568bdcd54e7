"""`python -m erp_sync_tests.disasters NAME ... [--json] [--small]`; exit status 1: one was not prevented."""

from __future__ import annotations

import importlib
import json
import os
import sys

from erp_sync.commands.demonstrating import DISASTERS


def main() -> int:
    # What sets and dicts of texts are ordered by must be the same in every play.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "erp_sync_tests.disasters", *sys.argv[1:]])
    names = [one for one in sys.argv[1:] if not one.startswith("-")]
    if not names or not set(names) <= set(DISASTERS):
        print(f"which disaster? {', '.join(DISASTERS)}", file=sys.stderr)
        return 2
    prevented = True
    for name in names:
        module = importlib.import_module(f"erp_sync_tests.disasters.{name.replace('-', '_')}")
        size = module.SMALL if "--small" in sys.argv else {}
        told = module.play(lambda words: print(f"{words}\n", flush=True), **size)
        print(told.text())
        if "--json" in sys.argv:
            print(json.dumps(told.as_object()))
        prevented = prevented and told.prevented is not False
    return 0 if prevented else 1


if __name__ == "__main__":
    sys.exit(main())
