"""The clocks of a simulation are one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from erp_sync_tests.chaos.simulation import Simulation


def test_every_clock_shows_the_moment_of_the_simulation():
    here, seen = Simulation(1), list[tuple[float, datetime, float]]()

    def look() -> None:
        seen.append((time.time(), datetime.now(UTC), time.monotonic()))

    with here.running():
        begin, first = here.now, time.monotonic()
        here.call_at(begin + 12.345678, look)
        here.call_at(begin + 90_000.25, look)
        here.run(begin + 100_000)
    for after, (since_1970, moment, monotonic) in zip((12.345678, 90_000.25), seen, strict=True):
        assert abs(since_1970 - begin - after) < 1e-5
        assert abs(moment.timestamp() - begin - after) < 1e-5
        assert abs(monotonic - first - after) < 1e-5
