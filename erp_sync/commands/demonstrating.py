"""The disasters of a checkout's tests, each played the old way and then with erp_sync."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from erp_sync.commands.output import Json, refuse

DISASTERS = ("overnight-inventory", "duplicate-orders", "price-cascade", "silent-failure")
# What plays them besides erp_sync itself: requirements/dev.lock.
NEEDED = ("greenlet", "time_machine")
CHECKOUT = Path(__file__).parents[2]


def disaster(
    name: Annotated[str, typer.Argument(help=", ".join(DISASTERS))],
    as_json: Json = False,
) -> None:
    """Play a disaster that happened to others: the old way first, then erp_sync, on a virtual clock.

    With --json the last line is one object of what came of it. The exit status is 1 where it was not prevented.

    Example: erp-sync demo disaster duplicate-orders
    """
    if name not in DISASTERS:
        refuse(f"no disaster {name!r}; known are {', '.join(DISASTERS)}")
    # The old way is a script beside the tests, and so is the clock: they are no part of what is installed.
    if not (CHECKOUT / "erp_sync_tests" / "disasters").is_dir():
        refuse("the disasters are played by erp_sync_tests, which is not here: run this in a checkout of the project")
    if missing := [one for one in NEEDED if find_spec(one) is None]:
        refuse(f"{', '.join(missing)} is not installed here: `make lint` or `make test` sets a checkout up for this")
    command = [sys.executable, "-m", "erp_sync_tests.disasters", name, *(["--json"] if as_json else [])]
    # In a process of its own: clocks, threads and the wire are the simulation's there.
    raise typer.Exit(subprocess.run(command, cwd=CHECKOUT, check=False).returncode)
